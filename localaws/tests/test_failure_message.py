"""The one line that says why a script failed."""

from __future__ import annotations

import pytest

from localaws.glue.failure import failure_message

WORKER_ERROR_IN_A_JAVA_ERROR = """\
24/01/02 10:11:12 ERROR Executor: Exception in task 0.0 in stage 1.0 (TID 1)
org.apache.spark.api.python.PythonException: Traceback (most recent call last):
  File "/w/pyspark/worker.py", line 1247, in main
    process()
ValueError: first seen here

\tat org.apache.spark.api.python.BasePythonRunner.handlePythonException(PythonRunner.scala:572)
Traceback (most recent call last):
  File "/w/refine_job.py", line 9, in <module>
    frame.count()
  File "/w/py4j/protocol.py", line 326, in get_return_value
    raise Py4JJavaError(
py4j.protocol.Py4JJavaError: An error occurred while calling o45.count.
: org.apache.spark.SparkException: Job aborted due to stage failure: Lost task 0.0 in stage 1.0:
 org.apache.spark.api.python.PythonException: Traceback (most recent call last):
  File "/w/pyspark/worker.py", line 1247, in main
    process()
ValueError: raw/b3/dt=2024-01-02/ticker=PETR4/data.parquet has no column close

\tat org.apache.spark.api.python.BasePythonRunner.handlePythonException(PythonRunner.scala:572)
Caused by: org.apache.spark.api.python.PythonException: ...
\t... 1 more
"""

JAVA_ERROR = """\
Traceback (most recent call last):
  File "/w/refine_job.py", line 9, in <module>
    frame.write.parquet("s3a://b/k")
py4j.protocol.Py4JJavaError: An error occurred while calling o45.parquet.
: org.apache.hadoop.fs.UnsupportedFileSystemException: No FileSystem for scheme "s3a"
\tat org.apache.hadoop.fs.FileSystem.getFileSystemClass(FileSystem.java:3443)
24/01/02 10:11:12 INFO ShutdownHookManager: Shutdown hook called
"""

CHAINED = """\
Traceback (most recent call last):
  File "a.py", line 1, in <module>
KeyError: 'close'

During handling of the above exception, another exception occurred:

Traceback (most recent call last):
  File "a.py", line 3, in <module>
SystemError: bronze is not as it must be
"""


@pytest.mark.parametrize(
    ("stderr", "expected"),
    [
        ("Traceback (most recent call last):\n  File\nValueError: x\n", "ValueError: x"),
        (CHAINED, "SystemError: bronze is not as it must be"),
        (
            WORKER_ERROR_IN_A_JAVA_ERROR,
            "ValueError: raw/b3/dt=2024-01-02/ticker=PETR4/data.parquet has no column close",
        ),
        (
            JAVA_ERROR,
            'org.apache.hadoop.fs.UnsupportedFileSystemException: No FileSystem for scheme "s3a"',
        ),
        ("usage: job.py\njob.py: error: --day is required\n", "job.py: error: --day is required"),
        ("24/01/02 10:11:12 WARN Utils: hostname\nno manifest\n", "no manifest"),
        ("24/01/02 10:11:12 WARN Utils: hostname\n", "Command failed with exit code 1"),
        ("", "Command failed with exit code 1"),
    ],
)
def test_the_message_is_the_error_and_not_the_noise_around_it(stderr, expected):
    """Python's line, also from inside Java's; Java's where there is no other."""
    assert failure_message(stderr, 1) == expected


def test_a_message_is_no_longer_than_a_reader_can_use():
    """An error that quotes a whole frame is cut."""
    stderr = "Traceback (most recent call last):\n  File\nValueError: " + "x" * 9000
    assert len(failure_message(stderr, 1)) == 2000
