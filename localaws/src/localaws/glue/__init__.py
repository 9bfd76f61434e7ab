"""Glue: the Data Catalog, kept durably, and jobs whose runs run."""

from __future__ import annotations

from localaws.glue.service import GlueService

__all__ = ["GlueService"]
