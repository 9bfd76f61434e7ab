"""What the package says is whole in Portuguese: the catalogue is what the code says, translated."""

import io
import re
import string
import sys
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT / "scripts"))

import translate_messages  # noqa: E402


def forms(text):
    """Return a message's texts, one or one for each plural form."""
    return text if isinstance(text, tuple) else (text,)


def fields(text):
    """Return the fields of a template, each with its conversion and a number's format.

    How a date is written is the language's own: 28 June 2024, 28 de junho de 2024.
    """
    return {
        (name, "a date" if re.search("%[-a-zA-Z]", form) else form, conversion)
        for _, name, form, conversion in string.Formatter().parse(text)
        if name is not None
    }


@pytest.fixture(scope="module")
def code():
    """What the code says."""
    return translate_messages.messages()


@pytest.fixture(scope="module")
def written():
    """The catalogue's text."""
    return translate_messages.FILE.read_text("utf-8")


@pytest.fixture(scope="module")
def messages(written):
    """The messages of the catalogue."""
    return [m for m in read_po(io.StringIO(written), locale="pt_BR") if m.id]


def test_the_catalogue_is_what_make_translations_writes(code, written):
    """No message is missing from it or left over; `make translations` mends it."""
    assert translate_messages.updated(written, code) == written


def test_every_message_is_translated(messages):
    """None waits, none is a guess."""
    waiting = [m.id for m in messages if m.fuzzy or not all(forms(m.string))]
    assert waiting == []


def test_both_sides_of_a_message_have_the_same_fields(messages):
    """A value is neither lost nor unknown, and a number keeps its form."""
    different = {}
    for message in messages:
        wanted = set().union(*map(fields, forms(message.id)))
        for text in forms(message.string):
            if fields(text) != wanted:
                different[text] = fields(text) ^ wanted
    assert different == {}


def test_a_message_keeps_its_ends(messages):
    """A space, a line's end or a full stop at the end is there in both languages, or in neither."""

    def ends(text):
        return text[: len(text) - len(text.lstrip())], text[len(text.rstrip(" .:…\n")) :]

    different = [
        (m.id, m.string)
        for m in messages
        if {ends(text) for text in forms(m.id)} != {ends(text) for text in forms(m.string)}
    ]
    assert different == []
