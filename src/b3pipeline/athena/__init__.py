"""SQL on Athena: the queries of the analysis, what fills their gaps, and how they are asked."""

from b3pipeline.athena.asking import Answer, ask, hint_for
from b3pipeline.athena.query import QueryResult, format_bytes, query
from b3pipeline.athena.sql import load_sql

__all__ = ["Answer", "QueryResult", "ask", "format_bytes", "hint_for", "load_sql", "query"]
