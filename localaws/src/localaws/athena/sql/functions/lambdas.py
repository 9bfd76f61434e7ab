"""Functions of arrays and maps that take a function and are not one call of DuckDB."""

from __future__ import annotations

from typing import NoReturn

from localaws.athena.sql import types
from localaws.athena.sql.calls import Call, lambda_body, lambda_result, special
from localaws.athena.sql.coercion import coerce
from localaws.athena.sql.model import Expr, Scope, all_uses, quoted
from localaws.athena.sql.translator import Translator
from localaws.athena.sql.types import Type


def _refuse(translator: Translator, call: Call, shape: str) -> NoReturn:
    message = f"Unexpected parameters for function {call.name}. Expected: {call.name}({shape})"
    translator.fail("FUNCTION_NOT_FOUND", message, call.node)


def _take(
    translator: Translator, call: Call, scope: Scope, kinds: str, functions: int, shape: str
) -> list[Expr]:
    """Return the arguments before the functions; `kinds` are the types that they must have."""
    wanted = kinds.split()
    if len(call.args) != len(wanted) + functions:
        _refuse(translator, call, shape)
    values = translator.expressions(call.args[: len(wanted)], scope)
    made = []
    for value, kind in zip(values, wanted, strict=True):
        empty = {"array": types.array(types.UNKNOWN)}.get(kind)
        if value.type == types.UNKNOWN and empty is not None:
            value = coerce(value, empty)
        if kind not in ("any", value.type.name):
            _refuse(translator, call, shape)
        made.append(value)
    return made


def _variable(translator: Translator) -> str:
    return quoted(f"item {translator.new_name()}")


def _item(source: Expr, at: str, kind: Type) -> Expr:
    return Expr(f"list_extract({source.sql}, {at})", kind)


@special("reduce")
def reduce(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return what comes of going through an array with a state.

    DuckDB's state has the type of the items: both travel together, in rows of the two.
    """
    shape = "array(T), S, function(S,T,S), function(S,R)"
    items, start = _take(translator, call, scope, "array any", 2, shape)
    (item,) = items.type.items
    before, one, state = (_variable(translator) for _ in range(3))
    step = lambda_body(
        translator, call.args[2], [Expr(f"{before}.s", start.type), Expr(f"{one}.x", item)], scope
    )
    step = lambda_result(translator, call.args[2], step, start.type)
    done = lambda_body(translator, call.args[3], [Expr(state, start.type)], scope)
    kind, none = start.type.duckdb, f"CAST(NULL AS {item.duckdb})"
    rows = f"list_transform({items.sql}, lambda {one}: {{'s': CAST(NULL AS {kind}), 'x': {one}}})"
    first = f"{{'s': CAST({start.sql} AS {kind}), 'x': {none}}}"
    advance = f"lambda {before}, {one}: {{'s': {step.sql}, 'x': {none}}}"
    last = f"[(list_reduce({rows}, {advance}, {first})).s]"
    sql = f"list_extract(list_transform({last}, lambda {state}: {done.sql}), 1)"
    sql = f"CASE WHEN {items.sql} IS NOT NULL THEN {sql} END"
    return Expr(sql, done.type, items.uses | start.uses | step.uses | done.uses)


@special("zip_with")
def zip_with(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return what a function makes of the items of two arrays, the shorter filled with NULL."""
    shape = "array(T), array(U), function(T,U,R)"
    left, right = _take(translator, call, scope, "array array", 1, shape)
    at = _variable(translator)
    pair = [_item(left, at, left.type.items[0]), _item(right, at, right.type.items[0])]
    body = lambda_body(translator, call.args[2], pair, scope)
    length = f"greatest(len({left.sql}), len({right.sql}))"
    sql = f"list_transform(range(1, {length} + 1), lambda {at}: {body.sql})"
    sql = f"CASE WHEN {left.sql} IS NOT NULL AND {right.sql} IS NOT NULL THEN {sql} END"
    return Expr(sql, types.array(body.type), left.uses | right.uses | body.uses)


@special("array_sort")
def array_sort(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return an array in its order, NULLs last, or in the one that a function of two gives."""
    (items,) = _take(translator, call, scope, "array", len(call.args) - 1, "array(T), function")
    if len(call.args) == 1:
        return items.typed(f"list_sort({items.sql}, 'ASC', 'NULLS LAST')", items.type)
    (kind,) = items.type.items
    one, other, place = (_variable(translator) for _ in range(3))
    pair = [_item(items, other, kind), _item(items, one, kind)]
    order = lambda_body(translator, call.args[1], pair, scope)
    order = lambda_result(translator, call.args[1], order, types.BIGINT)
    every = f"range(1, len({items.sql}) + 1)"
    before = f"len(list_filter({every}, lambda {other}: ({order.sql}) < 0))"
    places = f"list_transform({every}, lambda {one}: {{'before': {before}, 'at': {one}}})"
    sql = f"list_transform(list_sort({places}), lambda {place}: {items.sql}[{place}.at])"
    return Expr(sql, items.type, items.uses | order.uses)


@special("map_entries")
def map_entries(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return a map as an array of rows."""
    (source,) = _take(translator, call, scope, "map", 0, "map(K,V)")
    one = _variable(translator)
    packed = f"struct_pack(field0 := {one}.key, field1 := {one}.value)"
    sql = f"list_transform(map_entries({source.sql}), lambda {one}: {packed})"
    return source.typed(sql, types.array(types.row((None, None), source.type.items)))


@special("map_from_entries")
def map_from_entries(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return an array of rows of two as a map."""
    (source,) = _take(translator, call, scope, "array", 0, "array(row(K,V))")
    (kind,) = source.type.items
    if kind.name != "row" or len(kind.items) != 2:
        _refuse(translator, call, "array(row(K,V))")
    one = _variable(translator)
    parts = (
        f"list_transform({source.sql}, lambda {one}: {one}.{quoted(key)})" for key in kind.keys
    )
    return source.typed(f"trino_map({', '.join(parts)})", types.map_of(*kind.items))


@special("map_filter")
def map_filter(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return the entries of a map for which a condition holds."""
    source, one, entry = _map(translator, call, scope, "map(K,V), function(K,V,boolean)")
    body = lambda_body(translator, call.args[1], entry, scope)
    body = lambda_result(translator, call.args[1], body, types.BOOLEAN)
    kept = f"list_filter(map_entries({source.sql}), lambda {one}: {body.sql})"
    return Expr(f"map_from_entries({kept})", source.type, source.uses | body.uses)


@special("transform_values")
def transform_values(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return a map with other values."""
    source, one, entry = _map(translator, call, scope, "map(K,V1), function(K,V1,V2)")
    body = lambda_body(translator, call.args[1], entry, scope)
    made = f"list_transform(map_entries({source.sql}), lambda {one}: {body.sql})"
    kind = types.map_of(source.type.items[0], body.type)
    return Expr(f"map(map_keys({source.sql}), {made})", kind, source.uses | body.uses)


@special("transform_keys")
def transform_keys(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return a map with other keys; it fails where two become one."""
    source, one, entry = _map(translator, call, scope, "map(K1,V), function(K1,V,K2)")
    body = lambda_body(translator, call.args[1], entry, scope)
    made = f"list_transform(map_entries({source.sql}), lambda {one}: {body.sql})"
    kind = types.map_of(body.type, source.type.items[1])
    return Expr(f"trino_map({made}, map_values({source.sql}))", kind, source.uses | body.uses)


def _map(
    translator: Translator, call: Call, scope: Scope, shape: str
) -> tuple[Expr, str, list[Expr]]:
    """Return a map, the name of an entry of it, and that entry's key and value."""
    (source,) = _take(translator, call, scope, "map", 1, shape)
    one = _variable(translator)
    key, value = source.type.items
    return source, one, [Expr(f"{one}.key", key), Expr(f"{one}.value", value)]


@special("map_zip_with")
def map_zip_with(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return what a function makes of the values of two maps, by all their keys."""
    shape = "map(K,V1), map(K,V2), function(K,V1,V2,V3)"
    left, right = _take(translator, call, scope, "map map", 1, shape)
    key = types.common_type(left.type.items[0], right.type.items[0])
    if key is None:
        _refuse(translator, call, shape)
    a = coerce(left, types.map_of(key, left.type.items[1]))
    b = coerce(right, types.map_of(key, right.type.items[1]))
    one = _variable(translator)
    values = [Expr(f"({m.sql})[{one}]", m.type.items[1]) for m in (a, b)]
    body = lambda_body(translator, call.args[2], [Expr(one, key), *values], scope)
    keys = f"trino_list_distinct(map_keys({a.sql}) || map_keys({b.sql}))"
    sql = f"map({keys}, list_transform({keys}, lambda {one}: {body.sql}))"
    return Expr(sql, types.map_of(key, body.type), all_uses([left, right, body]))
