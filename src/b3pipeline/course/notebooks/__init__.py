"""Notebooks without a browser: their parameters, their execution, and one page of what they say."""

from b3pipeline import plain_addresses as plain_addresses
from b3pipeline.course.notebooks.report import report
from b3pipeline.course.notebooks.runner import ExecutedNotebook, Parameter, execute, parameters

__all__ = ["ExecutedNotebook", "Parameter", "execute", "parameters", "report"]
