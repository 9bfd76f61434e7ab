"""Functions of numbers."""

from __future__ import annotations

from localaws.athena.sql import types
from localaws.athena.sql.calls import Call, add_signatures, apply, arguments, special
from localaws.athena.sql.coercion import coerce
from localaws.athena.sql.model import Expr, Scope, all_uses
from localaws.athena.sql.operators import compute
from localaws.athena.sql.signatures import SCALAR
from localaws.athena.sql.translator import Translator
from localaws.athena.sql.types import Type, decimal

add_signatures(
    SCALAR,
    """
    abs(T:number) -> T : abs({0})
    sign(T:integer) -> T : sign({0})
    sign(double) -> double : CAST(sign({0}) AS DOUBLE)
    ceil(T:integer) -> T : {0}
    ceil(real) -> real : ceil({0})
    ceil(double) -> double : ceil({0})
    floor(T:integer) -> T : {0}
    floor(real) -> real : floor({0})
    floor(double) -> double : floor({0})
    round(T:integer) -> T : {0}
    round(T:integer, integer) -> T : round({0}, {1})
    round(real) -> real : round({0})
    round(real, integer) -> real : round({0}, {1})
    round(double) -> double : round({0})
    round(double, integer) -> double : round({0}, {1})
    truncate(real) -> real : trunc({0})
    truncate(double) -> double : trunc({0})
    truncate(double, integer) -> double : trino_truncate({0}, {1})
    sqrt(double) -> double : sqrt({0})
    cbrt(double) -> double : trino_cbrt({0})
    exp(double) -> double : exp({0})
    ln(double) -> double : ln({0})
    log2(double) -> double : log2({0})
    log10(double) -> double : log10({0})
    log(double, double) -> double : (ln({1}) / ln({0}))
    power(double, double) -> double : pow({0}, {1})
    pow(double, double) -> double : pow({0}, {1})
    degrees(double) -> double : degrees({0})
    radians(double) -> double : radians({0})
    sin(double) -> double : sin({0})
    cos(double) -> double : cos({0})
    tan(double) -> double : tan({0})
    asin(double) -> double : asin({0})
    acos(double) -> double : acos({0})
    atan(double) -> double : atan({0})
    atan2(double, double) -> double : atan2({0}, {1})
    sinh(double) -> double : sinh({0})
    cosh(double) -> double : cosh({0})
    tanh(double) -> double : tanh({0})
    pi() -> double : pi()
    e() -> double : exp(1)
    nan() -> double : CAST('NaN' AS DOUBLE)
    infinity() -> double : CAST('Infinity' AS DOUBLE)
    is_nan(double) -> boolean : isnan({0})
    is_finite(double) -> boolean : isfinite({0})
    is_infinite(double) -> boolean : isinf({0})
    rand() -> double : random()
    random() -> double : random()
    random(bigint) -> bigint : trino_random(0, {0})
    random(bigint, bigint) -> bigint : trino_random({0}, {1})
    rand(bigint) -> bigint : trino_random(0, {0})
    rand(bigint, bigint) -> bigint : trino_random({0}, {1})
    width_bucket(double, double, double, bigint) -> bigint : trino_width_bucket({0}, {1}, {2}, {3})
    to_base(bigint, bigint) -> varchar : trino_to_base({0}, {1})
    from_base(varchar, bigint) -> bigint : trino_from_base({0}, {1})
    bit_count(bigint, bigint) -> bigint : trino_bit_count({0}, {1})
    human_readable_seconds(double) -> varchar : trino_duration({0})
    bitwise_and(bigint, bigint) -> bigint : ({0} & {1})
    bitwise_or(bigint, bigint) -> bigint : ({0} | {1})
    bitwise_xor(bigint, bigint) -> bigint : xor({0}, {1})
    bitwise_not(bigint) -> bigint : (~{0})
    greatest(T, T...) -> T : trino_no_null([{all}], greatest({all}))
    least(T, T...) -> T : trino_no_null([{all}], least({all}))
    """,
)


@special("mod")
def mod(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return the remainder, whose sign is that of the first number."""
    values = arguments(translator, call, scope)
    if len(values) != 2:
        translator.fail("FUNCTION_NOT_FOUND", "mod takes two numbers", call.node)
    return compute(translator, "%", values[0], values[1], call.node)


@special("ceiling")
def ceiling(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return ceil(x) by its other name."""
    return _rounded(translator, Call("ceil", call.args, call.node), scope)


@special("bitwise_left_shift", "bitwise_right_shift", "bitwise_right_shift_arithmetic")
def shift(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return the bits of an integer moved, within the width of its type."""
    values = arguments(translator, call, scope)
    if len(values) != 2 or not all(v.type.is_integer or v.type == types.UNKNOWN for v in values):
        message = f"{call.name} takes an integer and a number of bits"
        translator.fail("FUNCTION_NOT_FOUND", message, call.node)
    kind = values[0].type if values[0].type.is_integer else types.BIGINT
    number, count = (coerce(value, types.BIGINT).sql for value in values)
    way = call.name.rpartition("_")[2] if call.name.endswith("c") else call.name.split("_")[1]
    sql = f"trino_shift({number}, {count}, '{way}', {_BITS[kind.name]})"
    return Expr(f"CAST({sql} AS {kind.duckdb})", kind, all_uses(values))


_BITS = {"tinyint": 8, "smallint": 16, "integer": 32, "bigint": 64}


@special("sign")
def sign(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return -1, 0 or 1; of a decimal as one without fraction."""
    values = arguments(translator, call, scope)
    if len(values) == 1 and values[0].type.is_decimal:
        return _cast(values[0], f"sign({values[0].sql})", decimal(1, 0))
    return apply(translator, call, scope)


@special("ceil", "floor", "round", "truncate")
def _rounded(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return a number cut or rounded; of a decimal as a decimal."""
    values = arguments(translator, call, scope)
    if not values or not values[0].type.is_decimal:
        return apply(translator, call, scope)
    kind = values[0].type
    if len(values) == 1:
        whole = decimal(kind.precision - kind.scale + min(1, kind.scale), 0)
        return _cast(values[0], f"{_DUCKDB[call.name]}({values[0].sql})", whole)
    if call.name != "round" or len(values) != 2:
        translator.fail("NOT_SUPPORTED", f"{call.name} of a decimal with digits", call.node)
    # DuckDB takes the digits of a decimal as a constant alone.
    digits = coerce(values[1], types.INTEGER)
    return _cast(
        values[0], f"round({values[0].sql}, {digits.sql})", decimal(kind.precision + 1, kind.scale)
    )


_DUCKDB = {"ceil": "ceil", "floor": "floor", "round": "round", "truncate": "trunc"}


def _cast(value: Expr, sql: str, kind: Type) -> Expr:
    return value.typed(f"CAST({sql} AS {kind.duckdb})", kind)
