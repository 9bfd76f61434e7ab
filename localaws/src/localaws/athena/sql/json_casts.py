"""Casts to JSON and from it, item by item."""

from __future__ import annotations

from collections.abc import Callable

from localaws.athena.sql import types
from localaws.athena.sql.model import Expr, quoted, text_literal
from localaws.athena.sql.types import Type

Cast = Callable[[Expr, Type], "str | None"]
"""Returns the SQL of a value cast to a type, or None where there is no such cast."""


def to_json(value: Expr, text_of: Callable[[Expr], str | None]) -> str | None:
    """Return a value as JSON; `text_of` writes numbers and times."""
    written = _written(value, text_of)
    return f"CAST({written} AS JSON)" if written else None


def _written(value: Expr, text_of: Callable[[Expr], str | None]) -> str | None:
    """Return the text of a value in JSON; NULL stays NULL."""
    kind = value.type
    if kind == types.JSON:
        return f"CAST({value.sql} AS VARCHAR)"
    if kind == types.UNKNOWN:
        return "CAST(NULL AS VARCHAR)"
    if kind.name == "array":
        item = _or_null(Expr("jx", kind.items[0]), text_of)
        return item and _joined("[", f"list_transform({value.sql}, lambda jx: {item})", "]")
    if kind.name == "map":
        return _written_map(value, text_of)
    if kind.name == "row":
        return _written_row(value, text_of)
    text = text_of(value)
    bare = kind.is_number or kind == types.BOOLEAN
    return text if bare or text is None else f"CAST(to_json({text}) AS VARCHAR)"


def _or_null(value: Expr, text_of: Callable[[Expr], str | None]) -> str | None:
    written = _written(value, text_of)
    return f"coalesce({written}, 'null')" if written else None


def _joined(start: str, items: str, end: str) -> str:
    return f"('{start}' || array_to_string({items}, ',') || '{end}')"


def _written_map(value: Expr, text_of: Callable[[Expr], str | None]) -> str | None:
    key = text_of(Expr("jk", value.type.items[0]))
    item = _or_null(Expr(f"({value.sql})[jk]", value.type.items[1]), text_of)
    if key is None or item is None:
        return None
    member = f"CAST(to_json({key}) AS VARCHAR) || ':' || {item}"
    keys = f"list_sort(map_keys({value.sql}))"
    return _joined("{", f"list_transform({keys}, lambda jk: {member})", "}")


def _written_row(value: Expr, text_of: Callable[[Expr], str | None]) -> str | None:
    members = []
    for key, name, kind in zip(value.type.keys, value.type.fields, value.type.items, strict=True):
        item = _or_null(Expr(f"({value.sql}).{quoted(key)}", kind), text_of)
        if item is None:
            return None
        members.append(f"CAST(to_json({text_literal(name or '')}) AS VARCHAR) || ':' || {item}")
    inside = f"[{', '.join(members)}]"
    return f"CASE WHEN {value.sql} IS NOT NULL THEN {_joined('{', inside, '}')} END"


def from_json(value: Expr, target: Type, cast: Cast) -> str | None:
    """Return JSON as a value of a type; `cast` makes it of the text of a scalar."""
    if target.name == "array":
        item = _cast_json("jx", target.items[0], cast)
        items = f"trino_json_items({_text(value.sql)})"
        return item and f"list_transform({items}, lambda jx: {item})"
    if target.name == "map":
        return _to_map(value, target, cast)
    if target.name == "row":
        return _to_row(value, target, cast)
    if target.name in ("varbinary", "char", "time", types.TIMESTAMP_TZ):
        return None
    text = f"trino_json_text({_text(value.sql)}, {text_literal(str(target))})"
    return cast(Expr(text, types.VARCHAR), target)


def _text(sql: str) -> str:
    return f"CAST({sql} AS VARCHAR)"


def _cast_json(sql: str, target: Type, cast: Cast) -> str | None:
    if target == types.JSON:
        return f"CAST({sql} AS JSON)"
    return from_json(Expr(sql, types.JSON), target, cast)


def _to_map(value: Expr, target: Type, cast: Cast) -> str | None:
    key = cast(Expr("jk", types.VARCHAR), target.items[0])
    item = _cast_json("jx", target.items[1], cast)
    if key is None or item is None:
        return None
    text = _text(value.sql)
    return (
        f"CASE WHEN trino_json_names({text}) IS NOT NULL THEN map("
        f"list_transform(trino_json_names({text}), lambda jk: {key}), "
        f"list_transform(trino_json_members({text}), lambda jx: {item})) END"
    )


def _to_row(value: Expr, target: Type, cast: Cast) -> str | None:
    text = _text(value.sql)
    packed = []
    for at, (key, name, kind) in enumerate(
        zip(target.keys, target.fields, target.items, strict=True)
    ):
        field = f"trino_json_field({text}, {text_literal(name or '')}, {at}, {len(target.items)})"
        item = _cast_json(field, kind, cast)
        if item is None:
            return None
        packed.append(f"{quoted(key)} := {item}")
    return (
        f"CASE WHEN {value.sql} IS NOT NULL AND {text} <> 'null' "
        f"THEN struct_pack({', '.join(packed)}) END"
    )
