"""In which language the package speaks: its messages, and how numbers and dates are written.

English stands in the code. Portuguese stands in a catalogue beside it, as gettext writes one
(`locale/pt_BR/LC_MESSAGES/b3pipeline.po`); `make translations` brings it up to the code, and it
is read as it stands, at the first message in that language. Where the catalogue is not, as in the
zip that travels with the Glue job, everything is said in English.

A message is a template with named fields, as `str.format` fills them, so that a tool can find it:

    say("{objects:,} objects in {bucket}", objects=1240, bucket="b3-raw")
    say_many("{count:,} object", "{count:,} objects", 1240)

A field with a format is written in the language's form: 1,240 and 28 Jun 2024 in English, 1.240
and 28 jun. 2024 in Portuguese. What is stored or read by programs (data, SQL, logs, JSON) is
English in any language: `english` returns it of any message, and `note` makes such a one.
"""

from __future__ import annotations

import gettext
import json
import os
import re
import string
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache, cached_property
from pathlib import Path
from typing import Any

ENGLISH, PORTUGUESE = "en", "pt_BR"
LANGUAGES = {ENGLISH: "en", PORTUGUESE: "pt-BR"}
"""The languages, as gettext and as the Web spell them."""

SETTING = "B3_LANG"
CATALOGUE = "locale/{language}/LC_MESSAGES/b3pipeline.po"
"""Where a catalogue lies, from the package's folder."""

_NOTEBOOKS = ("notebooks", "work")
"""Folders of notebooks: those of the course, and the copies that a reader writes in."""
_MONTHS = (
    *("janeiro", "fevereiro", "março", "abril", "maio", "junho"),
    *("julho", "agosto", "setembro", "outubro", "novembro", "dezembro"),
)
_SWAPPED = str.maketrans(",.", ".,")
_STRING = re.compile(r'^(?:(\w+(?:\[\d\])?) )?"(.*)"$', re.MULTILINE)
"""A line of a catalogue: a keyword where a text begins, and a piece of the text."""


class Said(str):
    """A message in the reader's language, which knows what it says in English."""

    english: str

    def __new__(cls, here: str, english: str = "") -> Said:
        said = super().__new__(cls, here)
        said.english = english
        return said


def language() -> str:
    """Return the language that is spoken now, "en" or "pt_BR".

    The first of these that says one: the variable B3_LANG; the folder of the notebook that runs,
    `notebooks/pt-BR` or `notebooks`, or their copies in `work`; the system's
    locale (LANGUAGE, LC_ALL, LC_MESSAGES, LANG).
    """
    if chosen := parse(os.environ.get(SETTING, "")):
        return chosen
    return _of_the_notebook() or _of_the_system() or ENGLISH


def parse(name: str) -> str | None:
    """Return the language that a name stands for (pt-BR, pt_BR.UTF-8, en); None for any other."""
    first = name.strip().replace("-", "_").partition(".")[0].partition("_")[0].lower()
    return {"pt": PORTUGUESE, "en": ENGLISH, "c": ENGLISH, "posix": ENGLISH}.get(first)


def _of_the_notebook() -> str | None:
    try:
        here = Path.cwd()
    except OSError:  # the folder was removed
        return None
    if here.name == LANGUAGES[PORTUGUESE] and here.parent.name in _NOTEBOOKS:
        return PORTUGUESE
    return ENGLISH if here.name in _NOTEBOOKS and "ipykernel" in sys.modules else None


def _of_the_system() -> str | None:
    for variable in ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(variable):
            return next(filter(None, map(parse, value.split(":"))), None)
    return None


def say(template: str, /, **values: object) -> str:
    """Return a message in the language of now, its fields filled with `values`."""
    spoken = language()
    told = template.format(**_in_english(values))
    if spoken == ENGLISH:
        return told
    here = _catalogue(spoken).texts.get(template)
    return Said(_PORTUGUESE.vformat(here[0], (), values), told) if here else told


def say_many(one: str, many: str, count: int, /, **values: object) -> str:
    """Return a message about `count` things, in the form that the language has for so many.

    The templates may use `count` as a field besides `values`.
    """
    values = {"count": count, **values}
    spoken = language()
    told = (one if count == 1 else many).format(**_in_english(values))
    if spoken == ENGLISH:
        return told
    catalogue = _catalogue(spoken)
    forms = catalogue.texts.get(one)
    if not forms:
        return told
    return Said(_PORTUGUESE.vformat(forms[catalogue.form_of(abs(count))], (), values), told)


def later(template: str) -> str:
    """Return a template as it stands: a table's text, translated when `say` is given it."""
    return template


def note(template: str, /, **values: object) -> str:
    """Return a message in English, for what is stored; `retold` says it to a reader."""
    return template.format(**_in_english(values))


def retold(stored: str) -> str:
    """Return a stored message in the language of now, and a text that is none of ours as it is.

    What is stored is English, whoever stored it: its template is found again by its words.
    """
    spoken = language()
    return stored if spoken == ENGLISH else _retold(stored, _catalogue(spoken))


def _retold(stored: str, catalogue: Catalogue) -> str:
    if isinstance(stored, Said) or not stored:
        return stored
    for template, words in catalogue.by_words:
        found = _match(template, stored) if all(part in stored for part in words) else None
        if found is not None:
            values = {name: _retold(value, catalogue) for name, value in found.items()}
            return Said(_AS_IT_IS.vformat(catalogue.texts[template][0], (), values), stored)
    for mark in ("; ", ": "):
        if mark not in stored:
            continue
        head, _, tail = stored.partition(mark)
        told = _retold(head, catalogue), _retold(tail, catalogue)
        if told != (head, tail):
            return Said(mark.join(told), stored)
    return stored


def _match(template: str, stored: str) -> dict[str, str] | None:
    """Return what a stored message has in the fields of a template; None where it is another's."""
    pattern, known = "", set()
    for text, name, form, _ in string.Formatter().parse(template):
        pattern += re.escape(text)
        if name is not None:
            value = _NUMBER if form and form[0] != "%" and form[-1] in ",fg%" else ".+?"
            pattern += f"(?P={name})" if name in known else f"(?P<{name}>{value})"
            known.add(name)
    found = re.fullmatch(pattern, stored, re.DOTALL)
    return found.groupdict() if found else None


def english(value: Any) -> Any:
    """Return what a message, or an error, says in English; any other value as it is."""
    return getattr(value, "english", value)


def _in_english(values: Mapping[str, object]) -> dict[str, object]:
    return {name: english(value) for name, value in values.items()}


def shown(value: Any, form: str) -> str:
    """Return a number or a date as `format` writes it, in the form of the language of now."""
    return format(value, form) if language() == ENGLISH else _in_portuguese(value, form)


def _in_portuguese(value: Any, form: str) -> str:
    if isinstance(value, date):
        month = _MONTHS[value.month - 1]
        return format(value, form.replace("%b", f"{month[:3]}.").replace("%B", month))
    written = format(value, form)
    return written if isinstance(value, str) or not form else written.translate(_SWAPPED)


def numerals(written: str) -> str:
    """Return a number that somebody else has written in English in the language of now."""
    return written if language() == ENGLISH else written.translate(_SWAPPED)


class _PortugueseForm(string.Formatter):
    def format_field(self, value: Any, format_spec: str) -> str:
        return _in_portuguese(value, format_spec)


class _AsItIs(_PortugueseForm):
    """Fields that hold text, whatever the template formats."""

    def convert_field(self, value: Any, conversion: Any) -> Any:
        return value

    def format_field(self, value: Any, format_spec: str) -> str:
        return str(value)


_PORTUGUESE, _AS_IT_IS = _PortugueseForm(), _AsItIs()
_LEAST_WORDS = 6
"""Letters beside its fields that a template must have, or it would be found in any text."""
_NUMBER = r"[-+]?(?:\d[\d,.]*(?:e[-+]?\d+)?|inf|nan)%?"
"""A number as `format` writes it in English: where a template has one, "an object" is not it."""


@dataclass(frozen=True)
class Catalogue:
    """Translated texts by their English (one for each plural form), and which form is for whom."""

    texts: Mapping[str, list[str]]
    form_of: Callable[[int], int]

    @cached_property
    def by_words(self) -> list[tuple[str, list[str]]]:
        """The templates with the words beside their fields, those with the most words first."""
        found = [
            (template, [text for text, *_ in string.Formatter().parse(template) if text])
            for template in self.texts
        ]
        lengths = {template: sum(map(len, words)) for template, words in found}
        return sorted(
            (item for item in found if lengths[item[0]] >= _LEAST_WORDS),
            key=lambda item: -lengths[item[0]],
        )


@cache
def _catalogue(spoken: str) -> Catalogue:
    """Return the catalogue of a language; an empty one where it does not lie with the package."""
    try:
        text = (Path(__file__).parent / CATALOGUE.format(language=spoken)).read_text("utf-8")
    except OSError:  # the package is a zip, or a copy without it
        return Catalogue({}, lambda count: 0)
    return read_catalogue(text)


def read_catalogue(text: str) -> Catalogue:
    """Return the catalogue that the text of a .po file holds."""
    texts: dict[str, list[str]] = {}
    for entry in text.split("\n\n"):
        fields: dict[str, str] = {}
        keyword = ""
        for start, piece in _STRING.findall(entry):
            keyword = start or keyword
            fields[keyword] = fields.get(keyword, "") + json.loads(f'"{piece}"')
        forms = [value for name, value in fields.items() if name.startswith("msgstr")]
        if all(forms) and forms:
            texts[fields["msgid"]] = forms
    rule = re.search(r"plural=([^;]+);", texts.get("", [""])[0])
    return Catalogue(texts, gettext.c2py(rule[1] if rule else "n != 1"))
