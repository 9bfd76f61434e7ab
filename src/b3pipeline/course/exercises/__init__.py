"""The exercises of the notebooks: each has a judge here, and its solution in its notebook.

A notebook asks in words, leaves a cell empty and calls `check` with the name to bind and its own
variables. A reader gets a verdict and is never stopped by one; a headless run (`solve=True`) runs
the solution of a cell left empty, and a solution that does not pass stops it.
"""

from b3pipeline.course.exercises.judges import EXERCISES
from b3pipeline.course.exercises.solutions import check, solution
from b3pipeline.course.exercises.verdict import Exercise, Verdict

__all__ = ["EXERCISES", "Exercise", "Verdict", "check", "solution"]
