"""AWS on this machine: S3, Lambda, Glue, Athena and the rest behind one port, without an account.

Knows nothing of the pipeline that uses it: the two meet over HTTP alone.
"""
