"""The words of a statement of DDL, one after the other: Hive's backquotes and Trino's quotes."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import NoReturn

from localaws.athena.errors import MalformedQueryError, Position

_TOKEN = re.compile(
    r"""
    (?P<blank>\s+|--[^\n]*|/\*.*?\*/)
    |(?P<text>'(?:[^']|'')*')
    |(?P<quoted>"(?:[^"]|"")*"|`(?:[^`]|``)*`)
    |(?P<word>[A-Za-z_$][\w$]*)
    |(?P<number>\d+(?:\.\d+)?)
    |(?P<mark>[^\s\w])
    """,
    re.VERBOSE | re.DOTALL,
)


@dataclass(frozen=True)
class Word:
    """A token: its kind, its text without quotes, and where it stands."""

    kind: str
    text: str
    start: int
    end: int

    def is_word(self, word: str) -> bool:
        return self.kind in ("word", "mark") and self.text.upper() == word


class Words:
    """The tokens of a statement, read from left to right."""

    def __init__(self, text: str) -> None:
        self.text = text
        self._words = [word for word in map(_word, _TOKEN.finditer(text)) if word.kind != "blank"]
        while self._words and self._words[-1].is_word(";"):
            self._words.pop()
        self._at = 0

    def position(self, offset: int) -> Position:
        """Return line and column of an offset into the statement."""
        line = self.text.count("\n", 0, offset) + 1
        return Position(line, offset - self.text.rfind("\n", 0, offset))

    @property
    def here(self) -> Word | None:
        return self._words[self._at] if self._at < len(self._words) else None

    @property
    def offset(self) -> int:
        """Where the next word starts; the end of the text after the last one."""
        return self.here.start if self.here else len(self.text)

    @property
    def last_end(self) -> int:
        """Where the last word of the whole statement ends."""
        return self._words[-1].end if self._words else 0

    def peek(self, *words: str) -> bool:
        """Return whether the next words are these."""
        ahead = self._words[self._at : self._at + len(words)]
        return len(ahead) == len(words) and all(map(Word.is_word, ahead, words))

    def take(self, *words: str) -> bool:
        """Return whether the next words are these, and step over them if so."""
        if not self.peek(*words):
            return False
        self._at += len(words)
        return True

    def need(self, *words: str) -> None:
        """Step over these words; MalformedQueryError where others stand there."""
        for word in words:
            if not self.take(word):
                self.fail(f"'{word}'")

    def next(self) -> Word:
        """Return the next word, whatever it is."""
        if self.here is None:
            self.fail()
        self._at += 1
        return self._words[self._at - 1]

    def name(self) -> str:
        """Return an identifier, quoted or not, in lower case."""
        word = self.here
        if word is None or word.kind not in ("word", "quoted"):
            self.fail("<identifier>")
        return self.next().text.lower()

    def names(self) -> list[str]:
        """Return a dotted name; Hive writes one in one pair of backquotes."""
        found = self.name().split(".")
        while self.take("."):
            found.append(self.name())
        return found

    def string(self) -> str:
        """Return a text in single quotes."""
        if self.here is None or self.here.kind != "text":
            self.fail("<string>")
        return self.next().text

    def end(self) -> None:
        """Fail where something follows."""
        if self.here is not None:
            self.fail("<EOF>")

    def fail(self, expecting: str = "") -> NoReturn:
        """Refuse the next word."""
        shown = self.text[self.here.start : self.here.end] if self.here else "<EOF>"
        hint = f". Expecting: {expecting}" if expecting else ""
        raise MalformedQueryError(f"mismatched input '{shown}'{hint}", self.position(self.offset))

    def inside_parentheses(self) -> str:
        """Return the text between the parenthesis here and its partner, and step over both."""
        self.need("(")
        start, depth = self.offset, 1
        while depth:
            word = self.next()
            depth += word.is_word("(") - word.is_word(")")
        return self.text[start : word.start]

    def rest_blanked(self, end: int | None = None) -> str:
        """Return the statement from here on, all before it as blanks: places stay the same."""
        before = re.sub(r"[^\n]", " ", self.text[: self.offset])
        return before + self.text[self.offset : self.last_end if end is None else end]


def _word(found: re.Match[str]) -> Word:
    kind = str(found.lastgroup)
    text = found[0]
    if kind in ("text", "quoted"):
        text = text[1:-1].replace(text[0] * 2, text[0])
    return Word(kind, text, found.start(), found.end())
