"""Functions of arrays and maps."""

from __future__ import annotations

from localaws.athena.sql import types
from localaws.athena.sql.calls import Call, add_signatures, apply, arguments, special
from localaws.athena.sql.casts import cast_value
from localaws.athena.sql.model import Expr, Scope, all_uses
from localaws.athena.sql.signatures import SCALAR
from localaws.athena.sql.translator import Translator

# ruff: noqa: E501 - a signature stands on one line
add_signatures(
    SCALAR,
    """
    cardinality(array(T)) -> bigint : len({0})
    cardinality(map(K,V)) -> bigint : CAST(cardinality({0}) AS BIGINT)
    contains(array(real), real) -> boolean : trino_contains_number({0}, {1})
    contains(array(double), double) -> boolean : trino_contains_number({0}, {1})
    contains(array(T), T) -> boolean : trino_contains({0}, {1})
    element_at(array(T), bigint) -> T : trino_element({0}, {1})
    element_at(map(K,V), K) -> V : {0}[{1}]
    array_distinct(array(T)) -> array(T) : trino_list_distinct({0})
    array_max(array(T)) -> T : trino_list_max({0})
    array_min(array(T)) -> T : trino_list_min({0})
    array_position(array(real), real) -> bigint : CASE WHEN isnan({1}) AND {0} IS NOT NULL THEN 0 ELSE CAST(trino_position({0}, {1}) AS BIGINT) END
    array_position(array(double), double) -> bigint : CASE WHEN isnan({1}) AND {0} IS NOT NULL THEN 0 ELSE CAST(trino_position({0}, {1}) AS BIGINT) END
    array_position(array(T), T) -> bigint : CAST(trino_position({0}, {1}) AS BIGINT)
    array_remove(array(real), real) -> array(real) : CASE WHEN isnan({1}) THEN {0} ELSE trino_remove({0}, {1}) END
    array_remove(array(double), double) -> array(double) : CASE WHEN isnan({1}) THEN {0} ELSE trino_remove({0}, {1}) END
    array_remove(array(T), T) -> array(T) : trino_remove({0}, {1})
    array_intersect(array(T), array(T)) -> array(T) : trino_intersect({0}, {1})
    array_except(array(T), array(T)) -> array(T) : trino_except({0}, {1})
    array_union(array(T), array(T)) -> array(T) : trino_list_distinct({0} || {1})
    arrays_overlap(array(T), array(T)) -> boolean : trino_overlap({0}, {1})
    array_first(array(T)) -> T : list_extract({0}, 1)
    array_last(array(T)) -> T : list_extract({0}, -1)
    trim_array(array(T), bigint) -> array(T) : trino_trim_array({0}, {1})
    shuffle(array(T)) -> array(T) : list_transform(list_sort(list_transform({0}, lambda trino_e: struct_pack(k := random(), v := trino_e))), lambda trino_e: trino_e.v)
    ngrams(array(varchar), bigint) -> array(array(varchar)) : trino_ngrams({0}, {1})
    slice(array(T), bigint, bigint) -> array(T) : trino_slice({0}, {1}, {2})
    reverse(array(T)) -> array(T) : list_reverse({0})
    flatten(array(array(T))) -> array(T) : flatten({0})
    repeat(T, bigint) -> array(T) : list_transform(range(trino_repeat_count({1})), lambda trino_i: {0})
    sequence(bigint, bigint) -> array(bigint) : trino_sequence({0}, {1}, CASE WHEN {1} < {0} THEN -1 ELSE 1 END)
    sequence(bigint, bigint, bigint) -> array(bigint) : trino_sequence({0}, {1}, {2})
    sequence(date, date) -> array(date) : CAST(trino_time_sequence({0}, {1}, CASE WHEN {1} < {0} THEN to_days(-1) ELSE to_days(1) END) AS DATE[])
    sequence(date, date, days) -> array(date) : CAST(trino_time_sequence({0}, {1}, {2}) AS DATE[])
    sequence(date, date, months) -> array(date) : CAST(trino_month_sequence({0}, {1}, {2}) AS DATE[])
    sequence(timestamp, timestamp, days) -> array(timestamp) : trino_time_sequence({0}, {1}, {2})
    sequence(timestamp, timestamp, months) -> array(timestamp) : trino_month_sequence({0}, {1}, {2})
    transform(array(T), function(T,U)) -> array(U) : list_transform({0}, {1})
    filter(array(T), function(T,boolean)) -> array(T) : list_filter({0}, {1})
    any_match(array(T), function(T,boolean)) -> boolean : trino_any(list_transform({0}, {1}))
    none_match(array(T), function(T,boolean)) -> boolean : trino_none(list_transform({0}, {1}))
    all_match(array(T), function(T,boolean)) -> boolean : trino_all(list_transform({0}, {1}))
    map(array(K), array(V)) -> map(K,V) : trino_map({0}, {1})
    split_to_map(varchar, varchar, varchar) -> map(varchar,varchar) : trino_split_to_map({0}, {1}, {2})
    map_keys(map(K,V)) -> array(K) : map_keys({0})
    map_values(map(K,V)) -> array(V) : map_values({0})
    map_concat(map(K,V), map(K,V)) -> map(K,V) : map_concat({0}, {1})
    """,
)


@special("array_join")
def array_join(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return the items of an array as one text; NULLs left out, or replaced."""
    values = arguments(translator, call, scope)
    if len(values) not in (2, 3) or values[0].type.name != "array":
        translator.fail("FUNCTION_NOT_FOUND", "array_join(array(T), varchar, varchar)", call.node)
    item = cast_value(translator, Expr("e", values[0].type.items[0]), types.VARCHAR, call.node)
    text = f"coalesce({item.sql}, {values[2].sql})" if len(values) == 3 else item.sql
    items = f"list_transform({values[0].sql}, lambda e: {text})"
    sql = f"trino_join({items}, {values[1].sql})"
    return Expr(sql, types.VARCHAR, all_uses(values))


@special("map")
def map_(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return a map of keys and values, the empty one without any."""
    if call.args:
        return apply(translator, call, scope)
    return Expr("map([], [])", types.map_of(types.UNKNOWN, types.UNKNOWN))


@special("zip")
def zip_(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return the arrays side by side as an array of rows."""
    values = arguments(translator, call, scope)
    if len(values) < 2 or any(value.type.name != "array" for value in values):
        translator.fail("FUNCTION_NOT_FOUND", "zip(array(T1), array(T2), ...)", call.node)
    kind = types.row((None,) * len(values), tuple(value.type.items[0] for value in values))
    packed = ", ".join(
        f"{key} := list_extract({v.sql}, i)" for key, v in zip(kind.keys, values, strict=True)
    )
    length = f"greatest({', '.join(f'len({v.sql})' for v in values)})"
    sql = f"list_transform(range(1, {length} + 1), lambda i: struct_pack({packed}))"
    return Expr(sql, types.array(kind), all_uses(values))
