"""Statements: what Athena is asked to do, read from its text."""

from localaws.athena.statements.parsing import parse_statement

__all__ = ["parse_statement"]
