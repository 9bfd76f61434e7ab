"""Functions that are part of Trino's grammar: if, coalesce, nullif, try, row, typeof."""

from __future__ import annotations

from localaws.athena.sql import types
from localaws.athena.sql.calls import Call, add_signatures, arguments, special
from localaws.athena.sql.coercion import coerce_all, need_boolean
from localaws.athena.sql.literals import row_of
from localaws.athena.sql.model import Expr, Scope, all_uses, text_literal
from localaws.athena.sql.operators import compare
from localaws.athena.sql.signatures import SCALAR
from localaws.athena.sql.translator import Translator

add_signatures(SCALAR, "uuid() -> varchar : CAST(uuid() AS VARCHAR)")


@special("if")
def if_(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return if(condition, a, b); NULL where the condition fails and there is no b."""
    if len(call.args) not in (2, 3):
        translator.fail("SYNTAX_ERROR", "Invalid number of arguments for 'if' function", call.node)
    condition, *results = arguments(translator, call, scope)
    need_boolean(translator, condition, call.args[0], "IF condition")
    message = "Result types for IF must be the same"
    made, kind = coerce_all(translator, results, call.node, message)
    other = f" ELSE {made[1].sql}" if len(made) == 2 else ""
    sql = f"(CASE WHEN {condition.sql} THEN {made[0].sql}{other} END)"
    return Expr(sql, kind, all_uses([condition, *made]))


@special("coalesce")
def coalesce(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return the first value that is not NULL."""
    if len(call.args) < 2:
        message = "The 'coalesce' function must have at least two arguments"
        translator.fail("SYNTAX_ERROR", message, call.node)
    values = arguments(translator, call, scope)
    message = "All COALESCE operands must be the same type"
    made, kind = coerce_all(translator, values, call.node, message)
    return Expr(f"coalesce({', '.join(value.sql for value in made)})", kind, all_uses(made))


@special("nullif")
def nullif(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return NULL where both values are equal, and the first otherwise."""
    if len(call.args) != 2:
        message = "Invalid number of arguments for 'nullif' function"
        translator.fail("SYNTAX_ERROR", message, call.node)
    first, second = arguments(translator, call, scope)
    equal = compare(translator, "=", first, second, call.node)
    sql = f"(CASE WHEN {equal.sql} THEN NULL ELSE {first.sql} END)"
    return Expr(sql, first.type, equal.uses)


@special("try")
def try_(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return NULL where the expression fails."""
    if len(call.args) != 1:
        message = "The 'try' function must have exactly one argument"
        translator.fail("SYNTAX_ERROR", message, call.node)
    (value,) = arguments(translator, call, scope)
    return value.typed(f"TRY({value.sql})", value.type)


@special("row")
def row(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return a row whose fields have no names."""
    return row_of(arguments(translator, call, scope))


@special("typeof")
def typeof(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return the name of the type of a value, in Trino."""
    if len(call.args) != 1:
        translator.fail("FUNCTION_NOT_FOUND", "typeof takes one value", call.node)
    (value,) = arguments(translator, call, scope)
    return Expr(text_literal(str(value.type)), types.VARCHAR)


@special("grouping")
def grouping(translator: Translator, call: Call, scope: Scope) -> Expr:
    """Return which of the columns the grouping set of a row leaves out, as bits."""
    values = arguments(translator, call, scope)
    listed = ", ".join(value.sql for value in values)
    kind = types.INTEGER if len(values) < 32 else types.BIGINT
    sql = f"CAST(grouping({listed}) AS {kind.duckdb})"
    translator.calls.append(("grouping", call.node))
    return Expr(sql, kind, all_uses(values))
