"""Who did what, and whether it was allowed: one line a decision, as CloudTrail keeps them.

ministack decides in one function, whatever the service; it is that one which is listened to.
"""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Decision:
    """One answer of the policies: who (an ARN) asked for which action on which resource (an ARN).

    What is done as the account's root is no decision, and is not kept.
    """

    time: str
    """When, in UTC, ISO 8601."""
    principal: str
    action: str
    resource: str
    allowed: bool


def keep_decisions(path: Path) -> None:
    """Write each decision of this process to the end of a file from now on."""
    from ministack.core import iam_evaluator

    decide = iam_evaluator.enforce
    # Lines are short and written whole: a reader sees each as soon as it is there.
    file = path.open("a", buffering=1)

    def kept(
        access_key_id: str, iam_action: str, service: str, region: str, *rest: Any, **named: Any
    ) -> Any:
        denied = decide(access_key_id, iam_action, service, region, *rest, **named)
        if not iam_evaluator.is_root_access_key(access_key_id):
            who = iam_evaluator.resolve_caller_identity(access_key_id) or {}
            decision = Decision(
                time=dt.datetime.now(dt.UTC).isoformat(),
                principal=str(who.get("userArn", "")),
                action=iam_action,
                resource=str(named.get("resource_arn", rest[0] if rest else "*")),
                allowed=denied is None,
            )
            file.write(json.dumps(asdict(decision)) + "\n")
        return denied

    iam_evaluator.enforce = kept


def decisions(path: Path) -> Iterator[Decision]:
    """Yield what was kept, the oldest first."""
    with path.open() as file:
        for line in file:
            yield Decision(**json.loads(line))
