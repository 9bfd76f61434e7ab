"""Aggregations and window functions."""

from __future__ import annotations

from sqlglot import exp

from localaws.athena.sql import types
from localaws.athena.sql.calls import Call, add_signatures, apply, arguments, fill, special
from localaws.athena.sql.coercion import coerce
from localaws.athena.sql.model import Expr, Scope
from localaws.athena.sql.operators import power_of_ten
from localaws.athena.sql.signatures import AGGREGATE, WINDOW
from localaws.athena.sql.translator import Translator
from localaws.athena.sql.types import decimal

# ruff: noqa: E501 - a signature stands on one line
add_signatures(
    AGGREGATE,
    """
    count_if(boolean) -> bigint : coalesce(CAST(count_if({0}){w} AS BIGINT), 0)
    sum(T:integer) -> bigint : CAST(sum({d}{0}){w} AS BIGINT)
    sum(real) -> real : CAST(sum({d}{0}){w} AS FLOAT)
    sum(double) -> double : sum({d}{0}){w}
    sum(days) -> days : sum({0}){w}
    avg(T:integer) -> double : avg({d}{0}){w}
    avg(real) -> real : CAST(avg({d}{0}){w} AS FLOAT)
    avg(double) -> double : avg({d}{0}){w}
    min(T) -> T : min({0}){w}
    max(T) -> T : max({0}){w}
    min(T, bigint) -> array(T) : min({0}, {1}){w}
    max(T, bigint) -> array(T) : max({0}, {1}){w}
    arbitrary(T) -> T : any_value({0}){w}
    any_value(T) -> T : any_value({0}){w}
    bool_and(boolean) -> boolean : bool_and({0}){w}
    bool_or(boolean) -> boolean : bool_or({0}){w}
    every(boolean) -> boolean : bool_and({0}){w}
    array_agg(T) -> array(T) : list({d}{0}{b}){w}
    max_by(T, K) -> T : arg_max_null({0}, {1}){w}
    min_by(T, K) -> T : arg_min_null({0}, {1}){w}
    max_by(T, K, bigint) -> array(T) : trino_top(list(struct_pack(k := {1}, v := {0})){w}, {2}, FALSE)
    min_by(T, K, bigint) -> array(T) : trino_top(list(struct_pack(k := {1}, v := {0})){w}, {2}, TRUE)
    multimap_agg(K, V) -> map(K,array(V)) : trino_multimap(list(struct_pack(k := {0}, v := {1})){w})
    map_union(map(K,V)) -> map(K,V) : trino_map_union(list({0}){w})
    geometric_mean(double) -> double : geomean({0}){w}
    approx_distinct(T) -> bigint : count(DISTINCT {0}){w}
    approx_distinct(T, double) -> bigint : count(DISTINCT {0}){w}
    stddev(double) -> double : stddev_samp({d}{0}){w}
    stddev_samp(double) -> double : stddev_samp({d}{0}){w}
    stddev_pop(double) -> double : stddev_pop({d}{0}){w}
    variance(double) -> double : var_samp({d}{0}){w}
    var_samp(double) -> double : var_samp({d}{0}){w}
    var_pop(double) -> double : var_pop({d}{0}){w}
    covar_samp(double, double) -> double : covar_samp({0}, {1}){w}
    covar_pop(double, double) -> double : covar_pop({0}, {1}){w}
    corr(double, double) -> double : trino_finite(corr({0}, {1}){w})
    regr_slope(double, double) -> double : trino_finite(regr_slope({0}, {1}){w})
    regr_intercept(double, double) -> double : trino_finite(regr_intercept({0}, {1}){w})
    map_agg(K, V) -> map(K,V) : map(list({0}){w}, list({1}){w})
    bitwise_and_agg(bigint) -> bigint : bit_and({0}){w}
    bitwise_or_agg(bigint) -> bigint : bit_or({0}){w}
    """,
)
add_signatures(
    WINDOW,
    """
    row_number() -> bigint : row_number(){w}
    rank() -> bigint : rank(){w}
    dense_rank() -> bigint : dense_rank(){w}
    percent_rank() -> double : percent_rank(){w}
    cume_dist() -> double : cume_dist(){w}
    ntile(bigint) -> bigint : ntile({0}){w}
    lag(T) -> T : lag({0}{n}){w}
    lag(T, bigint) -> T : lag({0}, trino_offset({1}){n}){w}
    lag(T, bigint, T) -> T : lag({0}, trino_offset({1}), {2}{n}){w}
    lead(T) -> T : lead({0}{n}){w}
    lead(T, bigint) -> T : lead({0}, trino_offset({1}){n}){w}
    lead(T, bigint, T) -> T : lead({0}, trino_offset({1}), {2}{n}){w}
    first_value(T) -> T : first_value({0}{n}){w}
    last_value(T) -> T : last_value({0}{n}){w}
    nth_value(T, bigint) -> T : nth_value({0}, {1}{n}){w}
    """,
)


@special("count", kind=AGGREGATE)
def count(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return the number of rows, of values, or of different values."""
    star = len(call.args) <= 1 and all(isinstance(arg, exp.Star) for arg in call.args)
    if star:
        return fill(translator, call, "count(*){w}", [], types.BIGINT, scope)
    values = arguments(translator, call, scope)
    if len(values) != 1:
        message = (
            f"Unexpected parameters ({', '.join(str(v.type) for v in values)}) for function "
            "count. Expected: count(), count(T) T"
        )
        translator.fail("FUNCTION_NOT_FOUND", message, call.node)
    return fill(translator, call, "count({d}{0}){w}", values, types.BIGINT, scope)


@special("sum", "avg", kind=AGGREGATE)
def total(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return a sum or mean; that of decimals is a decimal."""
    seen = len(translator.calls)
    values = arguments(translator, call, scope)
    if len(values) != 1 or not values[0].type.is_decimal:
        del translator.calls[seen:]
        return apply(translator, call, scope)
    kind = values[0].type
    whole = decimal(types.MAX_PRECISION, kind.scale)
    template = f"CAST(sum({{d}}{{0}}){{w}} AS {whole.duckdb})"
    if call.name == "sum":
        return fill(translator, call, template, values, whole, scope)
    unit = power_of_ten(kind.scale)
    mean = f"CAST(trino_decimal_mean({template}, count({{d}}{{0}}){{w}}, {unit}) AS {kind.duckdb})"
    return fill(translator, call, mean, values, kind, scope)


@special("histogram", kind=AGGREGATE)
def histogram(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return how often each value occurs, as a map."""
    values = arguments(translator, call, scope)
    if len(values) != 1:
        translator.fail("FUNCTION_NOT_FOUND", "histogram takes one value", call.node)
    kind = types.map_of(values[0].type, types.BIGINT)
    template = f"CAST(histogram({{0}}){{w}} AS {kind.duckdb})"
    return fill(translator, call, template, values, kind, scope)


@special("approx_percentile", kind=AGGREGATE)
def approx_percentile(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return the value below which a share of the rows lies, or an array of them.

    Exact, and always one of the values, as Trino's digest is while it holds few of them.
    """
    values = arguments(translator, call, scope)
    if len(values) != 2 or not values[0].type.is_number:
        message = "The local Athena has approx_percentile(number, share) alone"
        translator.fail("NOT_SUPPORTED", message, call.node)
    kind = types.DOUBLE if values[0].type.is_decimal else values[0].type
    made = [coerce(values[0], kind)]
    listed = "list_sort(list({0}) FILTER (WHERE {0} IS NOT NULL){w})"
    if call.where is not None:
        translator.fail("NOT_SUPPORTED", "approx_percentile with FILTER", call.node)
    several = values[1].type.name == "array"
    share = values[1].sql.replace("{", "{{").replace("}", "}}")
    template = f"trino_percentile({listed}, count({{0}}){{w}}, {share})"
    if several:
        one = f"trino_percentile({listed}, count({{0}}){{w}}, p)"
        template = f"list_transform({share}, lambda p: {one})"
    found = fill(translator, call, template, made, kind, scope)
    return Expr(found.sql, types.array(kind) if several else kind, found.uses | values[1].uses)
