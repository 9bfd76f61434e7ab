"""Functions of text, bytes, regular expressions and JSON."""

from __future__ import annotations

from typing import NoReturn

from sqlglot import exp

from localaws.athena.sql import types
from localaws.athena.sql.calls import Call, add_signatures, arguments, fill, special
from localaws.athena.sql.casts import cast_value
from localaws.athena.sql.coercion import coerce
from localaws.athena.sql.model import Expr, Scope, all_uses, text_literal
from localaws.athena.sql.signatures import AGGREGATE, SCALAR
from localaws.athena.sql.translator import Translator, translates
from localaws.athena.sql.windows import order_by

# ruff: noqa: E501 - a signature stands on one line
add_signatures(
    SCALAR,
    r"""
    lower(T:text) -> T : lower({0})
    upper(T:text) -> T : trino_upper({0})
    length(varchar) -> bigint : length({0})
    length(varbinary) -> bigint : octet_length({0})
    reverse(T:text) -> T : trino_reverse({0})
    substr(T:text, bigint) -> T : trino_substr({0}, {1})
    substr(T:text, bigint, bigint) -> T : trino_substr_n({0}, {1}, {2})
    substring(T:text, bigint) -> T : trino_substr({0}, {1})
    substring(T:text, bigint, bigint) -> T : trino_substr_n({0}, {1}, {2})
    ltrim(T:text) -> T : ltrim({0}, trino_blanks())
    rtrim(T:text) -> T : rtrim({0}, trino_blanks())
    ltrim(T:text, varchar) -> T : ltrim({0}, {1})
    rtrim(T:text, varchar) -> T : rtrim({0}, {1})
    replace(varchar, varchar) -> varchar : replace({0}, {1}, '')
    replace(varchar, varchar, varchar) -> varchar : trino_replace({0}, {1}, {2})
    translate(varchar, varchar, varchar) -> varchar : translate({0}, {1}, {2})
    strpos(varchar, varchar) -> bigint : strpos({0}, {1})
    strpos(varchar, varchar, bigint) -> bigint : trino_text_position({0}, {1}, {2})
    strrpos(varchar, varchar) -> bigint : trino_text_position({0}, {1}, -1)
    strrpos(varchar, varchar, bigint) -> bigint : trino_text_position({0}, {1}, -abs({2}))
    position(varchar, varchar) -> bigint : strpos({1}, {0})
    starts_with(varchar, varchar) -> boolean : starts_with({0}, {1})
    ends_with(varchar, varchar) -> boolean : ends_with({0}, {1})
    lpad(varchar, bigint, varchar) -> varchar : trino_pad({0}, {1}, {2}, TRUE)
    rpad(varchar, bigint, varchar) -> varchar : trino_pad({0}, {1}, {2}, FALSE)
    split(varchar, varchar) -> array(varchar) : trino_split({0}, {1}, 2147483647)
    split(varchar, varchar, bigint) -> array(varchar) : trino_split({0}, {1}, {2})
    split_part(T:text, varchar, bigint) -> T : trino_split_part({0}, {1}, {2})
    concat_ws(varchar, varchar...) -> varchar : concat_ws({all})
    concat_ws(varchar, array(varchar)) -> varchar : array_to_string({1}, {0})
    chr(bigint) -> varchar : trino_chr({0})
    codepoint(varchar) -> integer : trino_codepoint({0})
    levenshtein_distance(varchar, varchar) -> bigint : trino_levenshtein({0}, {1})
    hamming_distance(varchar, varchar) -> bigint : trino_hamming({0}, {1})
    soundex(varchar) -> varchar : trino_soundex({0})
    luhn_check(varchar) -> boolean : trino_luhn({0})
    url_extract_host(varchar) -> varchar : trino_url_part({0}, 'host')
    url_extract_path(varchar) -> varchar : trino_url_part({0}, 'path')
    url_extract_protocol(varchar) -> varchar : trino_url_part({0}, 'protocol')
    url_extract_query(varchar) -> varchar : trino_url_part({0}, 'query')
    url_extract_fragment(varchar) -> varchar : trino_url_part({0}, 'fragment')
    url_encode(varchar) -> varchar : trino_url_encode({0})
    url_decode(varchar) -> varchar : trino_url_decode({0})
    to_utf8(varchar) -> varbinary : encode({0})
    from_utf8(varbinary) -> varchar : decode({0})
    to_hex(varbinary) -> varchar : hex({0})
    from_hex(varchar) -> varbinary : trino_from_hex({0})
    to_base64(varbinary) -> varchar : base64({0})
    from_base64(varchar) -> varbinary : trino_from_base64({0})
    md5(varbinary) -> varbinary : unhex(md5({0}))
    sha1(varbinary) -> varbinary : unhex(sha1({0}))
    sha256(varbinary) -> varbinary : unhex(sha256({0}))
    json_parse(varchar) -> json : CAST(trino_json_parse({0}) AS JSON)
    json_format(json) -> varchar : CAST({0} AS VARCHAR)
    json_extract(json, varchar) -> json : CAST(trino_json_extract(CAST({0} AS VARCHAR), {1}) AS JSON)
    json_extract(varchar, varchar) -> json : CAST(trino_json_extract({0}, {1}) AS JSON)
    json_extract_scalar(json, varchar) -> varchar : trino_json_scalar(CAST({0} AS VARCHAR), {1})
    json_extract_scalar(varchar, varchar) -> varchar : trino_json_scalar({0}, {1})
    json_size(json, varchar) -> bigint : trino_json_size(CAST({0} AS VARCHAR), {1})
    json_size(varchar, varchar) -> bigint : trino_json_size({0}, {1})
    json_array_length(json) -> bigint : trino_json_array_length(CAST({0} AS VARCHAR))
    json_array_length(varchar) -> bigint : trino_json_array_length({0})
    json_array_get(json, bigint) -> json : CAST(trino_json_array_get(CAST({0} AS VARCHAR), {1}) AS JSON)
    json_array_get(varchar, bigint) -> json : CAST(trino_json_array_get({0}, {1}) AS JSON)
    is_json_scalar(json) -> boolean : trino_json_is_scalar(CAST({0} AS VARCHAR))
    is_json_scalar(varchar) -> boolean : trino_json_is_scalar({0})
    """,
)

_TRIMS = {"BOTH": "trim", "LEADING": "ltrim", "TRAILING": "rtrim"}


@translates(exp.Trim)
def trim(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return a text without blanks, or without some characters, at its ends."""
    translator.allow(node, "this", "position", "expression")
    value = _text(translator, node.this, scope)
    kind = value.type if value.type.is_text else types.VARCHAR
    value = coerce(value, kind)
    characters = node.args.get("expression")
    what = _text(translator, characters, scope).sql if characters else "trino_blanks()"
    name = _TRIMS[str(node.args.get("position") or "BOTH").upper()]
    return value.typed(f"{name}({value.sql}, {what})", kind)


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
    if any(value.type.name == "array" for value in values):
        return _concatenated_arrays(translator, values, node)
    kind = types.UNKNOWN
    for value in values:
        merged = types.common_type(kind, value.type)
        if merged is None or not (merged.is_text or merged.name in _CONCATENABLE):
            _refuse_concat(translator, values, node)
        kind = types.VARCHAR if merged.is_text else merged
    made = [coerce(value, kind) for value in values]
    return Expr(f"({' || '.join(value.sql for value in made)})", kind, all_uses(made))


def _concatenated_arrays(translator: Translator, values: list[Expr], node: exp.Expr) -> Expr:
    """Return arrays one after the other; a single item stands for the array of it."""
    nulls = types.array(types.UNKNOWN)
    kind = nulls
    for value in values:
        merged = types.common_type(kind, value.type) or types.common_type(
            kind, types.array(value.type)
        )
        if merged is None:
            _refuse_concat(translator, values, node)
        kind = merged
    made = []
    for value in values:
        alone = value.type.name != "array" and value.type != types.UNKNOWN
        alone = alone or types.common_type(kind, value.type) is None
        item = coerce(value, kind.items[0]) if alone else coerce(value, kind)
        made.append(item.typed(f"[{item.sql}]", kind) if alone else item)
    return Expr(f"({' || '.join(value.sql for value in made)})", kind, all_uses(made))


_CONCATENABLE = ("varbinary", "unknown")


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
    item = node.this.this
    distinct = isinstance(item, exp.Distinct)
    item = item.expressions[0] if distinct else item
    call = Call("listagg", (item,), node, distinct=distinct)
    translator.calls.append((AGGREGATE, node))
    value = _text(translator, item, scope)
    order = order_by(translator, node.this.expressions, scope)
    separator = node.args.get("separator")
    between = translator.expression(separator, scope).sql if separator else "''"
    template = f"string_agg({{d}}{{0}}, {between}{order.sql.replace('{', '{{').replace('}', '}}')})"
    return fill(translator, call, template, [value], types.VARCHAR, scope)


@special("normalize")
def normalize(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return a text in a normal form of Unicode, NFC where none is named."""
    form = call.args[1].name.upper() if len(call.args) == 2 else "NFC"
    value = _text(translator, call.args[0], scope)
    return value.typed(f"trino_normalize({value.sql}, {text_literal(form)})", types.VARCHAR)


@special("json_array_contains")
def json_array_contains(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return whether an array of JSON has an item."""
    document, value = arguments(translator, call, scope)
    text = (
        cast_value(translator, document, types.VARCHAR, call.node)
        if document.type.is_text
        else document
    )
    wanted = cast_value(translator, value, types.JSON, call.node)
    sql = f"trino_json_array_contains(CAST({text.sql} AS VARCHAR), CAST({wanted.sql} AS VARCHAR))"
    return Expr(sql, types.BOOLEAN, document.uses | value.uses)
