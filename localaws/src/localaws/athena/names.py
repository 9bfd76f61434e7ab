"""The names under which SQL sees the Data Catalog, and what describes it."""

CATALOG = "awsdatacatalog"
INFORMATION = "information_schema"
