"""Statements: what Athena is asked to do, read from its text."""
