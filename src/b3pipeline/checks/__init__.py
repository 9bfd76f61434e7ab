"""Is everything there, and as it must be? The machine, the account, the deployment, the event."""

from b3pipeline.checks.deployment import check_deployment, event_filter
from b3pipeline.checks.host import check_host, check_mark
from b3pipeline.checks.machine import JavaFound, check_machine
from b3pipeline.checks.report import CheckReport, Finding

__all__ = [
    "CheckReport",
    "Finding",
    "JavaFound",
    "check_deployment",
    "check_host",
    "check_machine",
    "check_mark",
    "event_filter",
]
