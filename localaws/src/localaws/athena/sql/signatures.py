"""Signatures of functions: `lower(varchar) -> varchar : lower({0})`, and how calls match them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from localaws.athena.sql import types
from localaws.athena.sql.type_names import split_top_level
from localaws.athena.sql.types import Type, can_become, common_type

SCALAR, AGGREGATE, WINDOW = "scalar", "aggregate", "window"

_LINE = re.compile(r"(\w+)\((.*)\) -> (\S.*?) : (.+)")
_NESTED = re.compile(r"(array|map|function)\((.*)\)")
_VARIABLE = re.compile(r"([A-Z])(?::(\w+))?")
_CONCRETE = {
    "boolean": types.BOOLEAN,
    "tinyint": types.TINYINT,
    "smallint": types.SMALLINT,
    "integer": types.INTEGER,
    "bigint": types.BIGINT,
    "real": types.REAL,
    "double": types.DOUBLE,
    "varchar": types.VARCHAR,
    "varbinary": types.VARBINARY,
    "date": types.DATE,
    "time": types.TIME,
    "timestamp": types.TIMESTAMP,
    "timestamp_tz": types.ZONED,
    "days": types.DAYS,
    "months": types.MONTHS,
    "json": types.JSON,
}
_ANY_PARAMETERS = ("varchar", "timestamp", "time", types.TIMESTAMP_TZ)
"""Types whose length or precision a signature leaves open."""

CLOCKS = ("time", "clock")
"""Constraints on times, of which a function sees what the clock of their zone shows."""

Bindings = dict[str, Type]


@dataclass(frozen=True)
class Pattern:
    """A type in a signature: concrete, a variable, or made of patterns."""

    name: str
    constraint: str | None = None
    items: tuple[Pattern, ...] = ()

    def __str__(self) -> str:
        inner = ", ".join(map(str, self.items))
        return f"{self.name}({inner})" if inner else self.name

    @property
    def is_variable(self) -> bool:
        return len(self.name) == 1

    @property
    def is_function(self) -> bool:
        return self.name == "function"


@dataclass(frozen=True)
class Signature:
    """One way to call a function, and its translation."""

    name: str
    kind: str
    params: tuple[Pattern, ...]
    variadic: bool
    returns: Pattern
    template: str

    def __str__(self) -> str:
        dots = "..." if self.variadic else ""
        return f"{self.name}({', '.join(map(str, self.params))}{dots})"

    def params_for(self, count: int) -> tuple[Pattern, ...] | None:
        """Return a pattern for each of `count` arguments, or None where they do not fit."""
        if self.variadic and count >= len(self.params):
            return self.params + self.params[-1:] * (count - len(self.params))
        return self.params if count == len(self.params) else None


@dataclass(frozen=True)
class LambdaShape:
    """An argument that is a lambda: known so far is the number of its parameters."""

    parameters: int


Argument = Type | LambdaShape


def parse_signatures(kind: str, table: str) -> dict[str, list[Signature]]:
    """Return the signatures of a table, one a line, by the function's name."""
    found: dict[str, list[Signature]] = {}
    for line in filter(None, map(str.strip, table.splitlines())):
        signature = _parse_line(kind, line)
        found.setdefault(signature.name, []).append(signature)
    return found


def _parse_line(kind: str, line: str) -> Signature:
    matched = _LINE.fullmatch(line)
    if matched is None:
        raise ValueError(f"not a signature: {line}")
    name, inside, returns, template = matched.groups()
    params = split_top_level(inside) if inside else []
    variadic = bool(params) and params[-1].endswith("...")
    patterns = tuple(parse_pattern(param.removesuffix("...")) for param in params)
    return Signature(name, kind, patterns, variadic, parse_pattern(returns), template)


def parse_pattern(text: str) -> Pattern:
    """Return the pattern written as `array(T)`, `T:number` or `varchar`."""
    if variable := _VARIABLE.fullmatch(text):
        return Pattern(variable[1], variable[2])
    if nested := _NESTED.fullmatch(text):
        items = tuple(parse_pattern(part) for part in split_top_level(nested[2]))
        return Pattern(nested[1], items=items)
    if text not in _CONCRETE:
        raise ValueError(f"not a type: {text}")
    return Pattern(text)


def match(signature: Signature, arguments: Sequence[Argument]) -> tuple[int, Bindings] | None:
    """Return how many arguments must be coerced, and the variables; None where it cannot be."""
    params = signature.params_for(len(arguments))
    if params is None:
        return None
    bindings: Bindings = {}
    costs = [_fit(p, a, bindings) for p, a in zip(params, arguments, strict=True)]
    known = [cost for cost in costs if cost is not None]
    return (sum(known), bindings) if len(known) == len(costs) else None


def _fit(pattern: Pattern, argument: Argument, bindings: Bindings) -> int | None:
    if isinstance(argument, LambdaShape):
        fits = pattern.is_function and len(pattern.items) == argument.parameters + 1
        return 0 if fits else None
    if pattern.is_function:
        return None
    if pattern.is_variable:
        return _bind(pattern, argument, bindings)
    if pattern.items:
        return _fit_nested(pattern, argument, bindings)
    target = _CONCRETE[pattern.name]
    if argument.name == target.name:
        return 0
    return 1 if can_become(argument, target) else None


def _fit_nested(pattern: Pattern, argument: Type, bindings: Bindings) -> int | None:
    if argument == types.UNKNOWN:
        return 1
    if argument.name != pattern.name:
        return None
    costs = [_fit(p, t, bindings) for p, t in zip(pattern.items, argument.items, strict=True)]
    return None if None in costs else sum(cost for cost in costs if cost)


def _bind(pattern: Pattern, argument: Type, bindings: Bindings) -> int | None:
    if not _meets(pattern.constraint, argument):
        return None
    have = bindings.get(pattern.name)
    merged = common_type(have, argument) if have else argument
    if merged is None:
        return None
    bindings[pattern.name] = merged
    return 0 if have in (None, argument) else 1


def _meets(constraint: str | None, kind: Type) -> bool:
    if constraint is None or kind == types.UNKNOWN:
        return True
    if constraint == "text":
        return kind.is_text
    if constraint == "number":
        return kind.is_number
    if constraint == "integer":
        return kind.is_integer
    if constraint == "decimal":
        return kind.is_decimal
    if constraint == "time":
        return kind.name in ("date", "timestamp", types.TIMESTAMP_TZ)
    if constraint == "clock":
        return kind.name in ("timestamp", types.TIMESTAMP_TZ)
    raise ValueError(f"not a constraint: {constraint}")


def concrete(pattern: Pattern, bindings: Bindings, argument: Type | None = None) -> Type:
    """Return the type that a pattern stands for; `argument`'s own where the pattern is open."""
    if pattern.is_variable:
        return bindings.get(pattern.name, types.UNKNOWN)
    if pattern.items:
        items = tuple(concrete(item, bindings) for item in pattern.items)
        return Type(pattern.name, items=items)
    target = _CONCRETE[pattern.name]
    keeps = argument is not None and argument.name == target.name and target.name in _ANY_PARAMETERS
    return argument if keeps and argument is not None else target


def described(signatures: Sequence[Signature]) -> str:
    """Return the signatures as Trino lists them in an error."""
    texts: Iterator[str] = (str(signature) for signature in signatures)
    return ", ".join(texts)
