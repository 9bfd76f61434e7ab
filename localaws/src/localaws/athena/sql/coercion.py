"""Values that become another type by themselves, as Trino lets them."""

from __future__ import annotations

import re
from collections.abc import Sequence

from sqlglot import exp

from localaws.athena.sql import types
from localaws.athena.sql.model import Expr, text_literal
from localaws.athena.sql.translator import Translator
from localaws.athena.sql.types import Type, common_type

_OFFSET = re.compile(r"([+-])(\d{2}):(\d{2})")


def instant(zone: str, local: str) -> str:
    """Return the instant at which the clock of a zone shows a time; a zone may be an offset."""
    if offset := _OFFSET.fullmatch(zone):
        back = "-" if offset[1] == "+" else "+"
        return f"timezone('UTC', {local} {back} {_minutes(offset)})"
    if zone == "UTC":
        return f"timezone('UTC', {local})"
    return f"trino_instant({text_literal(zone)}, {local})"


def clock(zone: str, moment: str) -> str:
    """Return what the clock of a zone shows at an instant."""
    if offset := _OFFSET.fullmatch(zone):
        return f"(timezone('UTC', {moment}) {offset[1]} {_minutes(offset)})"
    return f"timezone({text_literal(zone)}, {moment})"


def _minutes(offset: re.Match[str]) -> str:
    return f"to_minutes({int(offset[2]) * 60 + int(offset[3])})"


def coerce(value: Expr, target: Type) -> Expr:
    """Return `value` as one of `target`, a type that it can become."""
    if value.type.name == "char" and target.name == "varchar":
        return value.typed(f"rpad({value.sql}, {value.type.precision}, ' ')", target)
    if value.type.name == "array" and value.type.items[0] == types.UNKNOWN:
        return value.typed(f"CAST({value.sql} AS {target.duckdb})", target)
    if value.type.duckdb == target.duckdb and value.type.name == target.name:
        return Expr(value.sql, target, value.uses, value.origins, value.literal)
    if target.name == types.TIMESTAMP_TZ and value.type.name != types.TIMESTAMP_TZ:
        local = f"CAST({value.sql} AS TIMESTAMP)"
        return value.typed(instant("UTC", local), target)
    return value.typed(f"CAST({value.sql} AS {target.duckdb})", target)


def coerce_all(
    translator: Translator, values: Sequence[Expr], node: exp.Expr, message: str
) -> tuple[list[Expr], Type]:
    """Return the values as their common type, and that type; TYPE_MISMATCH without one."""
    common = types.UNKNOWN
    for value in values:
        merged = common_type(common, value.type)
        if merged is None:
            check_zones(translator, common, value.type, node)
            translator.fail("TYPE_MISMATCH", f"{message}: {common} vs {value.type}", node)
        common = merged
    return [coerce(value, common) for value in values], common


def check_zones(translator: Translator, left: Type, right: Type, node: exp.Expr) -> None:
    """Refuse times of several zones in one place, which Athena brings to one type."""
    if types.compared_type(left, right) is not None:
        message = "The local Athena does not know times of several zones in one column or result"
        translator.fail("NOT_SUPPORTED", message, node)


def need_boolean(translator: Translator, value: Expr, node: exp.Expr, what: str) -> Expr:
    """Return a condition; TYPE_MISMATCH where it is no boolean."""
    if value.type not in (types.BOOLEAN, types.UNKNOWN):
        translator.fail(
            "TYPE_MISMATCH", f"{what} must evaluate to a boolean (actual: {value.type})", node
        )
    return coerce(value, types.BOOLEAN)
