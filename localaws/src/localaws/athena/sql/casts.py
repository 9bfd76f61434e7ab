"""CAST and TRY_CAST, with what Trino accepts and what it refuses."""

from __future__ import annotations

from collections.abc import Callable

from sqlglot import exp

from localaws.athena.sql import types
from localaws.athena.sql.coercion import clock, coerce, instant
from localaws.athena.sql.json_casts import from_json, to_json
from localaws.athena.sql.model import Expr, Scope, quoted, text_literal
from localaws.athena.sql.translator import Translator, translates
from localaws.athena.sql.type_names import trino_type
from localaws.athena.sql.types import Type

_SECONDS_FORMAT = "%Y-%m-%d %H:%M:%S"


@translates(exp.Cast, exp.TryCast)
def cast(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return CAST(x AS type), or NULL where TRY_CAST fails."""
    translator.allow(node, "this", "to", "safe", "requires_string")
    kind = trino_type(node.args["to"].sql("trino"))
    value = translator.expression(node.this, scope)
    made = cast_value(translator, value, kind, node)
    if isinstance(node, exp.TryCast) and made.sql != value.sql:
        return value.typed(f"TRY({made.sql})", made.type)
    return made


def cast_value(translator: Translator, value: Expr, target: Type, node: exp.Expr) -> Expr:
    """Return `value` cast to `target`; TYPE_MISMATCH where Trino knows no such cast."""
    if value.type == types.UNKNOWN or value.type == target:
        return coerce(value, target)
    sql = _cast_sql(translator, value, target, node)
    if sql is None:
        translator.fail("TYPE_MISMATCH", f"Cannot cast {value.type} to {target}", node)
    return Expr(sql, target, value.uses, value.origins if sql == value.sql else ())


def _cast_sql(translator: Translator, value: Expr, target: Type, node: exp.Expr) -> str | None:
    if value.type == types.JSON:
        return from_json(value, target, _simple)
    if target == types.JSON:
        return to_json(value, _text)
    return _nested(translator, value, target, node) if target.items else _simple(value, target)


def _simple(value: Expr, target: Type) -> str | None:
    maker = _TARGETS.get(target.name)
    return maker(value, target) if maker else None


def _nested(translator: Translator, value: Expr, target: Type, node: exp.Expr) -> str | None:
    """Return the cast of an array, map or row: that of each of its items."""
    if value.type.name != target.name or len(value.type.items) != len(target.items):
        return None
    if target.name == "array":
        item = cast_value(translator, Expr("x", value.type.items[0]), target.items[0], node)
        return f"list_transform({value.sql}, lambda x: {item.sql})"
    if target.name == "map":
        return f"CAST({value.sql} AS {target.duckdb})" if _same_items(value, target) else None
    items = [
        cast_value(translator, Expr(f"({value.sql}).{quoted(key)}", have), want, node)
        for key, have, want in zip(value.type.keys, value.type.items, target.items, strict=True)
    ]
    packed = (f"{quoted(key)} := {v.sql}" for key, v in zip(target.keys, items, strict=True))
    return f"CASE WHEN {value.sql} IS NOT NULL THEN struct_pack({', '.join(packed)}) END"


def _same_items(value: Expr, target: Type) -> bool:
    return all(map(types.can_become, value.type.items, target.items))


def _boolean(value: Expr, target: Type) -> str | None:
    if value.type.is_number:
        return f"({value.sql} <> 0)"
    return f"trino_text_to_boolean({value.sql})" if value.type.is_text else None


def _integer(value: Expr, target: Type) -> str | None:
    kind = value.type
    if kind.is_text:
        return f"trino_text_to_{target.name}({value.sql})"
    if kind.is_float:
        # DuckDB rounds halves to the even number, Trino away from zero.
        return f"CAST(round({value.sql}) AS {target.duckdb})"
    return _by_duckdb(value, target) if kind.is_number or kind == types.BOOLEAN else None


def _float(value: Expr, target: Type) -> str | None:
    if value.type.is_text:
        return f"CAST(trino_number({value.sql}, '{target.name}') AS {target.duckdb})"
    if value.type.name == "double" and target.name == "real":
        return f"trino_double_to_real({value.sql})"
    known = value.type.is_number or value.type == types.BOOLEAN
    return _by_duckdb(value, target) if known else None


def _decimal(value: Expr, target: Type) -> str | None:
    if value.type.is_text:
        return f"CAST(trino_number({value.sql}, 'decimal') AS {target.duckdb})"
    if value.type.is_float:
        # By its shortest digits, as Java's BigDecimal.valueOf: 1.005 becomes 1.01.
        return f"CAST(CAST({value.sql} AS VARCHAR) AS {target.duckdb})"
    known = value.type.is_number or value.type == types.BOOLEAN
    return _by_duckdb(value, target) if known else None


def _varchar(value: Expr, target: Type) -> str | None:
    text = _text(value)
    if text is None or not target.numbers:
        return text
    if value.type.is_text:
        return f"substr({text}, 1, {target.precision})"
    return f"trino_fits({text}, {target.precision})"


def _text(value: Expr) -> str | None:
    kind = value.type
    if kind.name == "char":
        return f"rpad({value.sql}, {kind.precision}, ' ')"
    if kind.is_text:
        return value.sql
    if kind.is_float:
        return f"trino_{kind.name}_text({value.sql})"
    if kind.name in ("timestamp", types.TIMESTAMP_TZ):
        return _timestamp_text(value)
    if kind.name == "time":
        digits = kind.precision
        text = f"strftime(DATE '2000-01-01' + {value.sql}, '%H:%M:%S.%f')"
        return f"left({text}, {8 + (digits + 1 if digits else 0)})"
    if kind.is_decimal:
        return f"trino_decimal_text({value.sql})"
    if kind == types.DATE:
        return f"trino_time_text({value.sql}, CAST({value.sql} AS VARCHAR))"
    known = kind.is_integer or kind == types.BOOLEAN
    return f"CAST({value.sql} AS VARCHAR)" if known else None


def _timestamp_text(value: Expr) -> str:
    digits = value.type.precision
    local = local_time(value).sql
    text = f"strftime({local}, '{_SECONDS_FORMAT}.%f')"
    text = f"trino_time_text({local}, left({text}, {19 + (digits + 1 if digits else 0)}))"
    zone = f" || {text_literal(' ' + value.type.zone)}"
    return text + (zone if value.type.name == types.TIMESTAMP_TZ else "")


def _char(value: Expr, target: Type) -> str | None:
    # Kept without the blanks at its end, which do not count where chars are compared.
    return f"rtrim(left({value.sql}, {target.precision}), ' ')" if value.type.is_text else None


def _varbinary(value: Expr, target: Type) -> str | None:
    return f"encode({value.sql})" if value.type.is_text else None


def _date(value: Expr, target: Type) -> str | None:
    if value.type.is_text:
        return f"trino_text_to_date({value.sql})"
    if value.type.name in ("timestamp", types.TIMESTAMP_TZ):
        return f"CAST({local_time(value).sql} AS DATE)"
    return None


def _time(value: Expr, target: Type) -> str | None:
    if value.type.is_text:
        return f"trino_text_to_time({value.sql})"
    if value.type.name in ("timestamp", types.TIMESTAMP_TZ):
        return f"CAST({local_time(value).sql} AS TIME)"
    return value.sql if value.type.name == "time" else None


def _timestamp(value: Expr, target: Type) -> str | None:
    if value.type == types.DATE:
        return f"CAST({value.sql} AS TIMESTAMP)"
    if value.type.is_text:
        return _rounded(f"trino_text_to_timestamp({value.sql})", target)
    if value.type.name not in ("timestamp", types.TIMESTAMP_TZ):
        return None
    local = local_time(value)
    return local.sql if value.type.precision <= target.precision else _rounded(local.sql, target)


def _rounded(sql: str, target: Type) -> str:
    if target.precision in (0, 3):
        unit, half = ("second", 500_000) if target.precision == 0 else ("millisecond", 500)
        return f"date_trunc('{unit}', {sql} + to_microseconds({half}))"
    return sql


def _zoned(value: Expr, target: Type) -> str | None:
    if value.type.name == types.TIMESTAMP_TZ:
        return value.sql
    local = _timestamp(value, target)
    return instant(target.zone, local) if local else None


def local_time(value: Expr) -> Expr:
    """Return a timestamp with time zone as the clock there shows it; another value as it is."""
    if value.type.name != types.TIMESTAMP_TZ:
        return value
    sql = clock(value.type.zone, value.sql)
    return value.typed(sql, Type("timestamp", value.type.numbers))


def _by_duckdb(value: Expr, target: Type) -> str:
    return f"CAST({value.sql} AS {target.duckdb})"


_TARGETS: dict[str, Callable[[Expr, Type], str | None]] = {
    "boolean": _boolean,
    **dict.fromkeys(types.INTEGERS, _integer),
    **dict.fromkeys(types.FLOATS, _float),
    "decimal": _decimal,
    "varchar": _varchar,
    "char": _char,
    "varbinary": _varbinary,
    "date": _date,
    "time": _time,
    "timestamp": _timestamp,
    types.TIMESTAMP_TZ: _zoned,
}
