"""Functions of text, bytes, regular expressions and JSON."""

from __future__ import annotations

from typing import NoReturn

from sqlglot import exp

from localaws.athena.sql import types
from localaws.athena.sql.calls import Call, add_signatures, arguments, fill, special
from localaws.athena.sql.coercion import coerce
from localaws.athena.sql.model import Expr, Scope, all_uses
from localaws.athena.sql.signatures import AGGREGATE, SCALAR
from localaws.athena.sql.translator import Translator, translates
from localaws.athena.sql.windows import order_by

add_signatures(
    SCALAR,
    r"""
    lower(varchar) -> varchar : lower({0})
    upper(varchar) -> varchar : upper({0})
    length(varchar) -> bigint : length({0})
    length(varbinary) -> bigint : octet_length({0})
    reverse(varchar) -> varchar : reverse({0})
    substr(varchar, bigint) -> varchar : trino_substr({0}, {1})
    substr(varchar, bigint, bigint) -> varchar : trino_substr_n({0}, {1}, {2})
    substring(varchar, bigint) -> varchar : trino_substr({0}, {1})
    substring(varchar, bigint, bigint) -> varchar : trino_substr_n({0}, {1}, {2})
    ltrim(varchar) -> varchar : ltrim({0}, E' \t\n\r\f\v')
    rtrim(varchar) -> varchar : rtrim({0}, E' \t\n\r\f\v')
    ltrim(varchar, varchar) -> varchar : ltrim({0}, {1})
    rtrim(varchar, varchar) -> varchar : rtrim({0}, {1})
    replace(varchar, varchar) -> varchar : replace({0}, {1}, '')
    replace(varchar, varchar, varchar) -> varchar : replace({0}, {1}, {2})
    translate(varchar, varchar, varchar) -> varchar : translate({0}, {1}, {2})
    strpos(varchar, varchar) -> bigint : strpos({0}, {1})
    starts_with(varchar, varchar) -> boolean : starts_with({0}, {1})
    lpad(varchar, bigint, varchar) -> varchar : lpad({0}, CAST({1} AS INTEGER), {2})
    rpad(varchar, bigint, varchar) -> varchar : rpad({0}, CAST({1} AS INTEGER), {2})
    split(varchar, varchar) -> array(varchar) : string_split({0}, {1})
    split(varchar, varchar, bigint) -> array(varchar) : trino_split_n({0}, {1}, {2})
    split_part(varchar, varchar, bigint) -> varchar : trino_split_part({0}, {1}, {2})
    concat_ws(varchar, varchar...) -> varchar : concat_ws({all})
    concat_ws(varchar, array(varchar)) -> varchar : array_to_string({1}, {0})
    chr(bigint) -> varchar : chr(CAST({0} AS INTEGER))
    codepoint(varchar) -> integer : unicode({0})
    levenshtein_distance(varchar, varchar) -> bigint : levenshtein({0}, {1})
    hamming_distance(varchar, varchar) -> bigint : hamming({0}, {1})
    to_utf8(varchar) -> varbinary : encode({0})
    from_utf8(varbinary) -> varchar : decode({0})
    to_hex(varbinary) -> varchar : hex({0})
    from_hex(varchar) -> varbinary : unhex({0})
    to_base64(varbinary) -> varchar : base64({0})
    from_base64(varchar) -> varbinary : from_base64({0})
    md5(varbinary) -> varbinary : unhex(md5({0}))
    sha1(varbinary) -> varbinary : unhex(sha1({0}))
    sha256(varbinary) -> varbinary : unhex(sha256({0}))
    regexp_like(varchar, varchar) -> boolean : regexp_matches({0}, {1})
    regexp_extract(varchar, varchar) -> varchar : trino_regexp_extract({0}, {1}, 0)
    regexp_extract(varchar, varchar, integer) -> varchar : trino_regexp_extract({0}, {1}, {2})
    regexp_extract_all(varchar, varchar) -> array(varchar) : regexp_extract_all({0}, {1})
    regexp_extract_all(varchar, varchar, integer) -> array(varchar) : regexp_extract_all({all})
    regexp_replace(varchar, varchar) -> varchar : regexp_replace({0}, {1}, '', 'g')
    regexp_replace(varchar, varchar, varchar) -> varchar : trino_regexp_replace({0}, {1}, {2})
    regexp_split(varchar, varchar) -> array(varchar) : regexp_split_to_array({0}, {1})
    regexp_count(varchar, varchar) -> bigint : len(regexp_extract_all({0}, {1}))
    json_parse(varchar) -> json : CAST({0} AS JSON)
    json_format(json) -> varchar : CAST({0} AS VARCHAR)
    json_extract(json, varchar) -> json : json_extract({0}, {1})
    json_extract(varchar, varchar) -> json : json_extract({0}, {1})
    json_extract_scalar(json, varchar) -> varchar : trino_json_scalar({0}, {1})
    json_extract_scalar(varchar, varchar) -> varchar : trino_json_scalar({0}, {1})
    json_array_length(json) -> bigint : CAST(json_array_length({0}) AS BIGINT)
    json_array_length(varchar) -> bigint : CAST(json_array_length({0}) AS BIGINT)
    """,
)

_BLANKS = r"E' \t\n\r\f\v'"
_TRIMS = {"BOTH": "trim", "LEADING": "ltrim", "TRAILING": "rtrim"}


@translates(exp.Trim)
def trim(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return a text without blanks, or without some characters, at its ends."""
    translator.allow(node, "this", "position", "expression")
    value = coerce(_text(translator, node.this, scope), types.VARCHAR)
    characters = node.args.get("expression")
    what = _text(translator, characters, scope).sql if characters else _BLANKS
    name = _TRIMS[str(node.args.get("position") or "BOTH").upper()]
    return value.typed(f"{name}({value.sql}, {what})", types.VARCHAR)


def _text(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    value = translator.expression(node, scope)
    if not value.type.is_text and value.type != types.UNKNOWN:
        message = f"Unexpected parameters ({value.type}) for function trim"
        translator.fail("FUNCTION_NOT_FOUND", message, node)
    return value


@translates(exp.DPipe)
def concatenation(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return a || b || c; a chain of many is translated without going deep."""
    values = translator.expressions(node.flatten(), scope)
    return _concatenated(translator, values, node)


@special("concat")
def concat(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return the texts, bytes or arrays one after the other; NULL where one is NULL."""
    values = arguments(translator, call, scope)
    if len(values) < 2:
        message = "There must be two or more concatenation arguments"
        translator.fail("INVALID_FUNCTION_ARGUMENT", message, call.node)
    return _concatenated(translator, values, call.node)


def _concatenated(translator: Translator, values: list[Expr], node: exp.Expr) -> Expr:
    kind = types.UNKNOWN
    for value in values:
        merged = types.common_type(kind, value.type)
        if merged is None or not (merged.is_text or merged.name in _CONCATENABLE):
            _refuse_concat(translator, values, node)
        kind = types.VARCHAR if merged.is_text else merged
    made = [coerce(value, kind) for value in values]
    return Expr(f"({' || '.join(value.sql for value in made)})", kind, all_uses(made))


_CONCATENABLE = ("array", "varbinary", "unknown")


def _refuse_concat(translator: Translator, values: list[Expr], node: exp.Expr) -> NoReturn:
    message = (
        f"Unexpected parameters ({', '.join(str(value.type) for value in values)}) for function "
        "concat. Expected: concat(char(x), char(y)), concat(array(E), E) E, "
        "concat(E, array(E)) E, concat(array(E)) E, concat(varchar), concat(varbinary)"
    )
    translator.fail("FUNCTION_NOT_FOUND", message, node)


@translates(exp.GroupConcat)
def listagg(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return the texts of a group in their order, with a separator between them."""
    translator.allow(node, "this", "separator")
    if not isinstance(node.this, exp.Order):
        translator.refuse(node)
    call = Call("listagg", (node.this.this,), node)
    translator.calls.append((AGGREGATE, node))
    value = _text(translator, node.this.this, scope)
    order = order_by(translator, node.this.expressions, scope)
    separator = node.args.get("separator")
    between = translator.expression(separator, scope).sql if separator else "''"
    template = f"string_agg({{0}}, {between}{order.sql.replace('{', '{{').replace('}', '}}')})"
    return fill(translator, call, template, [value], types.VARCHAR, scope)
