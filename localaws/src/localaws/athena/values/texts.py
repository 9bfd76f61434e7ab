"""Functions of text and numbers, with the errors of Trino and an end to the length of results."""

from __future__ import annotations

import base64
import binascii
import math
import unicodedata
from urllib.parse import quote_plus, unquote_plus, urlsplit

MOST_CHARACTERS = 32 * 1024 * 1024
"""What one value of text may hold: a row of Athena's results has at most 32 MB."""


class TooLongError(Exception):
    """A text that would be longer than a result of Athena may be."""

    def __init__(self, length: int) -> None:
        super().__init__(
            f"Query exhausted resources at this scale factor: a text of {length:,} characters; "
            f"the local Athena has at most {MOST_CHARACTERS:,}"
        )


def check_length(length: int) -> None:
    """Raise TooLongError before a text of so many characters is made."""
    if length > MOST_CHARACTERS:
        raise TooLongError(length)


def padded(text: str, length: int, fill: str, left: bool) -> str:
    """Return a text cut or filled up to a length, at its left or right."""
    if not 0 <= length < 2**31:
        raise ValueError("Target length must be in the range [0..2147483647]")
    if not fill:
        raise ValueError("Padding string must not be empty")
    check_length(length)
    missing = length - len(text)
    if missing <= 0:
        return text[:length]
    filling = (fill * (missing // len(fill) + 1))[:missing]
    return filling + text if left else text + filling


def replaced(text: str, old: str, new: str) -> str:
    """Return a text with another for each occurrence; for '' between all characters."""
    count = text.count(old)
    check_length(len(text) + count * (len(new) - len(old)))
    return text.replace(old, new)


def position(text: str, part: str, instance: int) -> int:
    """Return where a part stands for the nth time, from 1, from the end if negative; or 0."""
    if instance == 0:
        raise ValueError("'instance' must be a positive or negative number.")
    if not part:
        return 1
    at = -1 if instance > 0 else len(text)
    for _ in range(abs(instance)):
        at = text.find(part, at + 1) if instance > 0 else text.rfind(part, 0, at + len(part) - 1)
        if at < 0:
            return 0
    return at + 1


def splitted(text: str, delimiter: str, limit: int) -> list[str]:
    """Return the parts of a text, at most `limit` of them."""
    if limit <= 0:
        raise ValueError("Limit must be positive")
    if not delimiter:
        raise ValueError("The delimiter may not be the empty string")
    return text.split(delimiter, limit - 1)


def levenshtein(left: str, right: str) -> int:
    """Return how many characters must be put in, left out or changed."""
    if len(left) * len(right) > 1_000_000:
        raise ValueError("The combined inputs for Levenshtein distance are too large")
    row = list(range(len(right) + 1))
    for i, a in enumerate(left, start=1):
        before, row[0] = row[0], i
        for j, b in enumerate(right, start=1):
            before, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, before + (a != b))
    return row[-1]


def hamming(left: str, right: str) -> int:
    """Return in how many places two texts of one length differ."""
    if len(left) != len(right):
        raise ValueError("The input strings to hamming_distance function must have the same length")
    return sum(a != b for a, b in zip(left, right, strict=True))


def code_point(text: str) -> int:
    """Return the code of the one character that a text is."""
    if len(text) != 1:
        raise ValueError("Input string must be a single character string")
    return ord(text)


def character(code: int) -> str:
    """Return the character of a code."""
    if not 0 <= code < 0x110000 or 0xD800 <= code < 0xE000:
        raise ValueError(f"Not a valid Unicode code point: {code}")
    return chr(code)


def normalized(text: str, form: str) -> str:
    """Return a text in a normal form of Unicode."""
    check_length(len(text))
    if form not in ("NFC", "NFD", "NFKC", "NFKD"):
        raise ValueError(f"Normalization form must be one of [NFD, NFC, NFKD, NFKC]: {form}")
    return unicodedata.normalize(form, text)  # type: ignore[arg-type]


def soundex(text: str) -> str:
    """Return the four characters by which words that sound alike are found."""
    codes = {c: d for d, letters in _SOUNDS.items() for c in letters}
    letters = [c for c in text.upper() if "A" <= c <= "Z"]
    if not letters:
        return ""
    found, last = letters[0], codes.get(letters[0], "")
    for letter in letters[1:]:
        code = codes.get(letter, "")
        if code and code != last:
            found += code
        if letter not in "HW":
            last = code
    return f"{found}000"[:4]


_SOUNDS = {"1": "BFPV", "2": "CGJKQSXZ", "3": "DT", "4": "L", "5": "MN", "6": "R"}


def luhn(digits: str) -> bool:
    """Return whether the last digit is the check digit of those before it."""
    if not digits.isdigit() or not digits.isascii():
        raise ValueError("Input must only contain digits")
    doubled = [int(d) * (1 + i % 2) for i, d in enumerate(reversed(digits))]
    return sum(n - 9 * (n > 9) for n in doubled) % 10 == 0


def to_base(number: int, radix: int) -> str:
    """Return a number in a base from 2 to 36."""
    _check_radix(radix)
    digits, rest = "", abs(number)
    while rest or not digits:
        rest, digit = divmod(rest, radix)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return f"-{digits}" if number < 0 else digits


def from_base(text: str, radix: int) -> int:
    """Return the number that a text is in a base."""
    _check_radix(radix)
    try:
        found = int(text, radix)
    except ValueError as error:
        raise ValueError(f"Not a valid base-{radix} number: {text}") from error
    if not -(2**63) <= found < 2**63 or "_" in text or text != text.strip():
        raise ValueError(f"Not a valid base-{radix} number: {text}")
    return found


def _check_radix(radix: int) -> None:
    if not 2 <= radix <= 36:
        raise ValueError("Radix must be between 2 and 36")


def bit_count(number: int, bits: int) -> int:
    """Return how many bits of a number are set, in two's complement of so many bits."""
    if not 2 <= bits <= 64:
        raise ValueError(f"Bits specified in bit_count must be between 2 and 64, got {bits}")
    if not -(1 << (bits - 1)) <= number < 1 << (bits - 1):
        raise ValueError(f"Number must be representable with the bits specified. {number}")
    return (number & ((1 << bits) - 1)).bit_count()


def cube_root(number: float) -> float:
    """Return the cube root of a number."""
    if math.isinf(number) or math.isnan(number):
        return number
    found = math.cbrt(number)
    whole = float(round(found))
    return whole if whole**3 == number else found


def from_base64(text: str) -> bytes:
    """Return the bytes that base64 stands for."""
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except binascii.Error as error:
        raise ValueError(f"Invalid base64: {error}") from error


def from_hex(text: str) -> bytes:
    """Return the bytes that pairs of hexadecimal digits stand for."""
    try:
        return binascii.unhexlify(text)
    except (binascii.Error, ValueError) as error:
        raise ValueError(f"Invalid input string of hexadecimal digits: {error}") from error


def shifted(number: int, count: int, way: str, width: int) -> int:
    """Return so many bits of a number moved to the left or right; `right` fills with zeros."""
    if count < 0:
        raise ValueError("Shift must be positive")
    count = min(count, width)
    if way == "arithmetic":
        return number >> count
    bits = number & ((1 << width) - 1)
    moved = (bits << count if way == "left" else bits >> count) & ((1 << width) - 1)
    return moved - (1 << width) if moved >= 1 << (width - 1) else moved


def duration(seconds: float) -> str:
    """Return seconds in words: 1 day, 2 hours, 3 minutes, 4 seconds."""
    rest = int(seconds)
    parts = []
    for size, word in ((604800, "week"), (86400, "day"), (3600, "hour"), (60, "minute")):
        count, rest = divmod(rest, size)
        if count:
            parts.append(f"{count} {word}{'s' if count != 1 else ''}")
    if rest or not parts:
        parts.append(f"{rest} second{'s' if rest != 1 else ''}")
    return ", ".join(parts)


def url_part(url: str, part: str) -> str | None:
    """Return the host, path, protocol, query or fragment of an address; None where it is none."""
    try:
        split = urlsplit(url)
        host = split.netloc.rpartition("@")[2].partition(":")[0]
    except ValueError:
        return None
    if any(c in url for c in ' <>"{}|\\^`'):
        return None
    known = {
        "host": host,
        "path": unquote_plus(split.path.replace("+", "%2B")),
        "protocol": split.scheme,
        "query": split.query,
        "fragment": split.fragment,
    }
    return known[part]


def url_encode(text: str) -> str:
    """Return a text as part of an address."""
    check_length(3 * len(text.encode()))
    return quote_plus(text, safe="-_.*").replace("~", "%7E")


def url_decode(text: str) -> str:
    """Return the text that a part of an address is."""
    return unquote_plus(text)
