"""Calls of functions: an allow-list, typed; whatever is not on it does not exist."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

from sqlglot import exp

from localaws.athena.errors import QueryError
from localaws.athena.sql import signatures as sig
from localaws.athena.sql.casts import local_time
from localaws.athena.sql.coercion import coerce, need_boolean
from localaws.athena.sql.columns import name_of
from localaws.athena.sql.model import Expr, Scope, Use, all_uses, quoted
from localaws.athena.sql.signatures import LambdaShape, Signature
from localaws.athena.sql.translator import Translator, translates
from localaws.athena.sql.types import Type, can_become, in_utc
from localaws.athena.sql.windows import order_by, over


@dataclass(frozen=True)
class Call:
    """A function's name and arguments, with what may stand around them."""

    name: str
    args: tuple[exp.Expr, ...]
    node: exp.Expr
    distinct: bool = False
    order: tuple[exp.Expr, ...] = ()
    where: exp.Expr | None = None
    window: exp.Expr | None = None
    ignore_nulls: bool = False


Special = Callable[[Translator, Call, Scope], Expr]

SIGNATURES: dict[str, list[Signature]] = {}
SPECIALS: dict[str, tuple[str, Special]] = {}
"""Functions whose type or text needs more than a signature, by name, with their kind."""
UNSUPPORTED: set[str] = set()
"""Functions that Athena has and the local one does not."""


def special(*names: str, kind: str = sig.SCALAR) -> Callable[[Special], Special]:
    """Register a function as the translation of calls of these names."""

    def register(handler: Special) -> Special:
        SPECIALS.update(dict.fromkeys(names, (kind, handler)))
        return handler

    return register


def add_signatures(kind: str, table: str) -> None:
    """Put a table of signatures, one a line, on the allow-list."""
    for name, found in sig.parse_signatures(kind, table).items():
        SIGNATURES.setdefault(name, []).extend(found)


@translates(exp.Anonymous, exp.Window, exp.Filter, exp.IgnoreNulls, exp.RespectNulls)
def call(translator: Translator, node: exp.Expr, scope: Scope) -> Expr:
    """Return a call of a function, an aggregation or a window function."""
    found = _unwrap(translator, node)
    kind = _kind(translator, found)
    _check_surroundings(translator, found, kind)
    if kind != sig.SCALAR:
        translator.calls.append((sig.WINDOW if found.window else kind, node))
    if found.name in SPECIALS:
        return SPECIALS[found.name][1](translator, found, scope)
    return apply(translator, found, scope)


def _unwrap(translator: Translator, node: exp.Expr) -> Call:
    if isinstance(node, exp.Window):
        return replace(_unwrap(translator, node.this), window=node, node=node)
    if isinstance(node, exp.Filter):
        return replace(_unwrap(translator, node.this), where=node.expression.this, node=node)
    if isinstance(node, exp.IgnoreNulls):
        return replace(_unwrap(translator, node.this), ignore_nulls=True, node=node)
    if isinstance(node, exp.RespectNulls):
        return _unwrap(translator, node.this)
    if not isinstance(node, exp.Anonymous):
        translator.refuse(node)
    args = node.expressions
    order: list[exp.Expr] = []
    if args and isinstance(args[-1], exp.Order):
        order = args[-1].expressions
        args = [*args[:-1], args[-1].this]
    distinct = len(args) > 0 and isinstance(args[0], exp.Distinct)
    if distinct:
        translator.allow(args[0], "expressions")
        args = [*args[0].expressions, *args[1:]]
    return Call(node.name.lower(), tuple(args), node, distinct, tuple(order))


def _kind(translator: Translator, found: Call) -> str:
    if found.name in SPECIALS:
        return SPECIALS[found.name][0]
    if found.name in SIGNATURES:
        return SIGNATURES[found.name][0].kind
    start = translator.start(found.node)
    if found.name in UNSUPPORTED:
        message = f"The local Athena does not have the function '{found.name}'"
        raise QueryError("NOT_SUPPORTED", message, start)
    raise QueryError("FUNCTION_NOT_FOUND", f"Function '{found.name}' not registered", start)


def _check_surroundings(translator: Translator, found: Call, kind: str) -> None:
    if found.window is not None and kind == sig.SCALAR:
        translator.fail("FUNCTION_NOT_WINDOW", f"Not a window function: {found.name}", found.node)
    if found.window is None and kind == sig.WINDOW:
        message = f"Window function {found.name} requires an OVER clause"
        translator.fail("MISSING_OVER", message, found.node)
    if kind != sig.AGGREGATE and (found.distinct or found.order or found.where is not None):
        message = f"DISTINCT, ORDER BY and FILTER are for aggregations only: {found.name}"
        translator.fail("FUNCTION_NOT_AGGREGATE", message, found.node)
    if found.distinct and found.window is not None:
        message = "DISTINCT in window function parameters not yet supported"
        translator.fail("NOT_SUPPORTED", message, found.node)


def arguments(translator: Translator, found: Call, scope: Scope) -> list[Expr]:
    """Return the translated arguments of a call; an aggregation within one is refused."""
    before = len(translator.calls)
    values = translator.expressions(found.args, scope)
    _check_nesting(translator, found, before)
    return values


def _check_nesting(translator: Translator, found: Call, before: int) -> None:
    kind = _kind(translator, found)
    inner = translator.calls[before:]
    if kind == sig.AGGREGATE and inner and found.window is None:
        message = f"Cannot nest aggregations inside aggregation '{found.name}'"
        translator.fail("NESTED_AGGREGATION", message, found.node)


def apply(translator: Translator, found: Call, scope: Scope) -> Expr:
    """Return a call by the signature that fits its arguments best."""
    before = len(translator.calls)
    values: list[Expr | exp.Lambda] = [
        arg if isinstance(arg, exp.Lambda) else translator.expression(arg, scope)
        for arg in found.args
    ]
    _check_nesting(translator, found, before)
    signature, bindings = _choose(translator, found, values)
    params = signature.params_for(len(values)) or ()
    made = [
        _argument(translator, value, param, bindings, scope)
        for value, param in zip(values, params, strict=True)
    ]
    return fill(
        translator,
        found,
        signature.template,
        made,
        sig.concrete(signature.returns, bindings),
        scope,
    )


def fill(
    translator: Translator,
    found: Call,
    template: str,
    made: list[Expr],
    returns: Type,
    scope: Scope,
) -> Expr:
    """Return a template of DuckDB's SQL with its arguments, its order, filter and window."""
    suffix, uses = _suffix(translator, found, scope)
    order = order_by(translator, found.order, scope)
    texts = [value.sql for value in made]
    sql = template.format(
        *texts,
        all=", ".join(texts),
        d="DISTINCT " if found.distinct else "",
        n=" IGNORE NULLS" if found.ignore_nulls else "",
        b=order.sql,
        w=suffix,
    )
    return Expr(sql, returns, all_uses(made) | uses | order.uses)


def _suffix(translator: Translator, found: Call, scope: Scope) -> tuple[str, frozenset[Use]]:
    sql = ""
    uses = all_uses([])
    if found.where is not None:
        condition = translator.expression(found.where, scope)
        need_boolean(translator, condition, found.where, "Filter expression")
        sql, uses = f" FILTER (WHERE {condition.sql})", condition.uses
    if found.window is not None:
        window = over(translator, found.window, scope)
        sql, uses = sql + window.sql, uses | window.uses
    return sql, uses


def _choose(
    translator: Translator, found: Call, values: list[Expr | exp.Lambda]
) -> tuple[Signature, sig.Bindings]:
    shapes: list[sig.Argument] = [
        v.type if isinstance(v, Expr) else LambdaShape(len(v.expressions)) for v in values
    ]
    candidates = SIGNATURES[found.name]
    fits = [(fit, s) for s in candidates if (fit := sig.match(s, shapes)) is not None]
    if not fits:
        alike = [in_utc(shape) if isinstance(shape, Type) else shape for shape in shapes]
        if any(sig.match(candidate, alike) for candidate in candidates):
            message = f"The local Athena does not know {found.name} of times of several zones"
            translator.fail("NOT_SUPPORTED", message, found.node)
        shown = ", ".join("function" if isinstance(s, LambdaShape) else str(s) for s in shapes)
        message = (
            f"Unexpected parameters ({shown}) for function {found.name}. "
            f"Expected: {sig.described(candidates)}"
        )
        translator.fail("FUNCTION_NOT_FOUND", message, found.node)
    (_, bindings), signature = min(fits, key=lambda fit: fit[0][0])
    return signature, bindings


def _argument(
    translator: Translator,
    value: Expr | exp.Lambda,
    param: sig.Pattern,
    bindings: sig.Bindings,
    scope: Scope,
) -> Expr:
    if isinstance(value, exp.Lambda):
        return _lambda(translator, value, param, bindings, scope)
    if param.constraint in sig.CLOCKS:
        return local_time(value)
    target = sig.concrete(param, bindings, value.type)
    return coerce(local_time(value) if target.name == "timestamp" else value, target)


def _lambda(
    translator: Translator,
    node: exp.Lambda,
    param: sig.Pattern,
    bindings: sig.Bindings,
    scope: Scope,
) -> Expr:
    """Return a lambda; its result may be the first to say what a variable stands for."""
    names = [name_of(parameter) for parameter in node.expressions]
    kinds = [sig.concrete(item, bindings) for item in param.items[:-1]]
    inner = [Expr(_variable(n), kind) for n, kind in zip(names, kinds, strict=True)]
    body = lambda_body(translator, node, inner, scope)
    result = param.items[-1]
    if result.is_variable and result.name not in bindings:
        bindings[result.name] = body.type
    body = lambda_result(translator, node, body, sig.concrete(result, bindings))
    listed = ", ".join(map(_variable, names))
    return body.typed(f"lambda {listed}: {body.sql}", body.type)


def lambda_body(
    translator: Translator, node: exp.Expr, values: Sequence[Expr], scope: Scope
) -> Expr:
    """Return what a lambda computes of values in the place of its parameters."""
    if not isinstance(node, exp.Lambda) or len(node.expressions) != len(values):
        message = f"Expected a function of {len(values)} parameters"
        translator.fail("TYPE_MISMATCH", message, node)
    names = [name_of(parameter) for parameter in node.expressions]
    inner = dict(zip(names, values, strict=True))
    return translator.expression(node.this, replace(scope, lambdas={**scope.lambdas, **inner}))


def lambda_result(translator: Translator, node: exp.Expr, body: Expr, target: Type) -> Expr:
    """Return a lambda's result as what its caller needs; TYPE_MISMATCH where it is not that."""
    if not can_become(body.type, target):
        message = f"Expected a function that returns {target}, found one of {body.type}"
        translator.fail("TYPE_MISMATCH", message, node)
    return coerce(body, target)


def _variable(name: str) -> str:
    """Return the name of a lambda's parameter in DuckDB, which no name of ours can be."""
    return quoted(f"lambda {name}")
