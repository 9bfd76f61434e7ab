"""Values written as Java writes them: doubles, reals, and the patterns of its Formatter."""

from __future__ import annotations

import math
import re
import struct
from decimal import ROUND_HALF_UP, Context, Decimal

from localaws.athena.values.texts import check_length

_SPECIFIER = re.compile(r"%(?:(\d+)\$)?([-#+ 0,(]*)(\d+)?(?:\.(\d+))?([a-zA-Z%])")


def double_text(value: float) -> str:
    """Return a double as Java's Double.toString: 1.0, 1.5E10, NaN."""
    return _java(repr(value), value)


def real_text(value: float) -> str:
    """Return a real as Java's Float.toString: the shortest text that means it."""
    bits = struct.pack("f", value)
    texts = (f"{value:.{digits}g}" for digits in range(1, 10))
    return _java(next((t for t in texts if struct.pack("f", float(t)) == bits), repr(value)), value)


def _java(text: str, value: float) -> str:
    if math.isnan(value):
        return "NaN"
    if math.isinf(value):
        return "Infinity" if value > 0 else "-Infinity"
    if value == 0 or 1e-3 <= abs(value) < 1e7:
        return _plain(text)
    sign, digits, exponent = Decimal(text).normalize().as_tuple()
    shown = "".join(map(str, digits))
    power = int(exponent) + len(shown) - 1
    return f"{'-' if sign else ''}{shown[0]}.{shown[1:] or '0'}E{power}"


def _plain(text: str) -> str:
    if "e" in text or "E" in text:
        text = f"{Decimal(text):f}"
    return text if "." in text else f"{text}.0"


def format_text(pattern: str, tagged: list[str]) -> str:
    """Return `pattern` with the values in place of its specifiers, as Java's Formatter does.

    A value carries a letter before it: `i` an integer, `n` another number, `b` a boolean, `s`
    anything else.
    Raises ValueError where the pattern does not fit the values.
    """
    values = iter(tagged)
    length = 0

    def replace(found: re.Match[str]) -> str:
        position, flags, width, digits, conversion = found.groups()
        if conversion == "%":
            return "%"
        value = tagged[int(position) - 1] if position else next(values, None)
        if value is None:
            raise ValueError(f"Format specifier '{found[0]}'")
        nonlocal length
        length += max(int(width or 0), int(digits or 0), len(value))
        check_length(length)
        text = _converted(value, flags, digits, conversion)
        return _padded(text, flags, int(width or 0))

    return _SPECIFIER.sub(replace, pattern)


def _converted(tagged: str, flags: str, digits: str | None, conversion: str) -> str:
    tag, text = tagged[0], tagged[1:]
    if conversion in "sS":
        shown = text[: int(digits)] if digits else text
        return shown.upper() if conversion == "S" else shown
    if text == "null":
        return text
    if "#" in flags or ("(" in flags and "0" in flags):
        raise ValueError(f"the local Athena does not know the flags '{flags}'")
    if conversion in "eExX" and set(flags) & set("+ (,"):
        raise ValueError(f"the local Athena does not know the flags '{flags}' of {conversion}")
    if conversion == "d" and tag == "i":
        return _grouped(int(text), flags)
    if conversion == "f" and tag == "n" and text.lstrip("-") in ("NaN", "Infinity"):
        return text
    if conversion == "f" and tag == "n":
        places = int(digits) if digits else 6
        exact = Context(prec=400 + places, rounding=ROUND_HALF_UP)
        return _grouped(Decimal(text).quantize(Decimal(1).scaleb(-places), context=exact), flags)
    if conversion in "bB" and tag == "b":
        return text.upper() if conversion == "B" else text
    if conversion in "eE" and tag == "n":
        # Java writes two digits of the exponent at least.
        return f"{float(text):.{int(digits) if digits else 6}{conversion}}"
    if conversion in "xX" and tag == "i" and not text.startswith("-"):
        return f"{int(text):{conversion}}"
    raise ValueError(f"{conversion} != {tag}")


def _grouped(number: int | Decimal, flags: str) -> str:
    if "(" in flags and number < 0:
        return f"({_grouped(-number, flags.replace('+', '').replace(' ', ''))})"
    text = f"{number:,}" if "," in flags else f"{number}"
    if " " in flags and number >= 0:
        return f" {text}"
    return f"+{text}" if "+" in flags and number >= 0 else text


def _padded(text: str, flags: str, width: int) -> str:
    if "-" in flags:
        return text.ljust(width)
    if "0" in flags:
        return text.zfill(width)
    return text.rjust(width)
