"""Functions of regular expressions: by DuckDB's where they can, by Python's where they cannot."""

from __future__ import annotations

import re

from sqlglot import exp

from localaws.athena.sql import types
from localaws.athena.sql.calls import Call, arguments, special
from localaws.athena.sql.coercion import coerce
from localaws.athena.sql.model import Expr, Scope, all_uses, text_literal
from localaws.athena.sql.translator import Translator
from localaws.athena.sql.types import Type
from localaws.athena.values.regexes import is_beyond, may_be_empty, spelled

_TEXTS = types.array(types.VARCHAR)
_SHAPES: dict[str, tuple[tuple[int, ...], Type]] = {
    "regexp_like": ((2,), types.BOOLEAN),
    "regexp_extract": ((2, 3), types.VARCHAR),
    "regexp_extract_all": ((2, 3), _TEXTS),
    "regexp_replace": ((2, 3), types.VARCHAR),
    "regexp_split": ((2,), _TEXTS),
    "regexp_count": ((2,), types.BIGINT),
    "regexp_position": ((2, 3, 4), types.BIGINT),
}
_QUICK = {
    "regexp_like": "regexp_matches({0}, {1})",
    "regexp_extract": "CASE WHEN regexp_matches({0}, {1}) THEN regexp_extract({0}, {1}) END",
    "regexp_extract_all": "regexp_extract_all({0}, {1})",
    "regexp_count": "CAST(len(regexp_extract_all({0}, {1})) AS BIGINT)",
}
"""What DuckDB does as Trino does; groups that have no part in a match it does not tell apart."""
_REPEATED = ("regexp_extract_all", "regexp_count", "regexp_replace")
"""What looks for further matches: DuckDB finds none of nothing right after another one."""
_EXACT = {
    "regexp_like": "trino_re_like({0}, {1})",
    "regexp_extract": "trino_re_extract({0}, {1}, {2})",
    "regexp_extract_all": "trino_re_extract_all({0}, {1}, {2})",
    "regexp_replace": "trino_re_replace({0}, {1}, {2})",
    "regexp_split": "trino_re_split({0}, {1})",
    "regexp_count": "trino_re_count({0}, {1})",
    "regexp_position": "trino_re_position({0}, {1}, {2}, {3})",
}
_REST = {"regexp_extract": ("0",), "regexp_extract_all": ("0",), "regexp_replace": ("''",),
         "regexp_position": ("1", "1")}  # fmt: skip


@special(*_SHAPES)
def regular_expression(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return a function of a regular expression."""
    if any(isinstance(argument, exp.Lambda) for argument in call.args):
        translator.fail("NOT_SUPPORTED", "regexp_replace with a function", call.node)
    values = arguments(translator, call, scope)
    counts, returns = _SHAPES[call.name]
    wanted = _kinds(call.name, len(values))
    fits = len(values) in counts and all(map(types.can_become, (v.type for v in values), wanted))
    if not fits:
        shown = ", ".join(str(value.type) for value in values)
        message = f"Unexpected parameters ({shown}) for function {call.name}"
        translator.fail("FUNCTION_NOT_FOUND", message, call.node)
    made = [coerce(value, kind).sql for value, kind in zip(values, wanted, strict=True)]
    pattern = call.args[1]
    text = pattern.name if isinstance(pattern, exp.Literal) and pattern.is_string else None
    if text is not None:
        made[1] = text_literal(spelled(text))
    quick = text is not None and not is_beyond(text)
    if text is not None and call.name in _REPEATED:
        quick = quick and not may_be_empty(text)
    template = _QUICK.get(call.name) if quick and len(values) == 2 else None
    if call.name == "regexp_replace" and quick:
        template = _quick_replace(call)
    made += _REST.get(call.name, ())[len(values) - 2 :]
    return Expr((template or _EXACT[call.name]).format(*made), returns, all_uses(values))


def _quick_replace(call: Call) -> str | None:
    """Return DuckDB's replacement, where it is written out and refers to groups by number alone."""
    node = call.args[2] if len(call.args) == 3 else exp.Literal.string("")
    if not isinstance(node, exp.Literal) or not node.is_string or "\\" in node.name:
        return None
    written = re.sub(r"\$(\d)", r"\\\1", node.name)
    if "$" in written:
        return None
    shown = text_literal(written).replace("{", "{{").replace("}", "}}")
    return f"regexp_replace({{0}}, {{1}}, {shown}, 'g')"


def _kinds(name: str, count: int) -> list[Type]:
    rest = types.VARCHAR if name == "regexp_replace" else types.BIGINT
    return [types.VARCHAR, types.VARCHAR, *[rest] * (count - 2)][:count]
