"""What the package says is whole in Portuguese: the catalogue is what the code says, translated."""

import ast
import gettext
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
from translate_messages import forms  # noqa: E402


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


def test_every_message_is_translated(written):
    """None waits, none is a guess."""
    assert translate_messages.waiting(written) == []


def test_what_typer_says_of_a_command_is_translated_and_compiled():
    """Python's gettext reads the compiled file: it is that of the text beside it."""
    file = translate_messages.TYPER_FILE
    text = file.read_text("utf-8")
    assert translate_messages.updated(text, translate_messages.typers_messages()) == text
    assert translate_messages.waiting(text) == []
    with file.with_suffix(".mo").open("rb") as compiled:
        spoken = gettext.GNUTranslations(compiled)
    messages = {m.id: m.string for m in read_po(io.StringIO(text), locale="pt_BR") if m.id}
    assert {text: spoken.gettext(text) for text in messages} == messages


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


SPOKEN_CALLS = {
    *("BadParameter", "Finding", "confirm", "echo", "secho", "set_description", "step"),
    *("set_description_str", "set_title", "set_xlabel", "set_ylabel", "state_finding"),
}
"""What is handed to these is read by people."""
SPOKEN_PARTS = {"hint", "desc", "title"}
NOT_TRANSLATED = {"Python", "Java", "cotahist", "yahoo", "export =", "b3 refine --rebuild"}
"""Names, and what a shell reads or a person types."""
NOT_SPOKEN = {"AssertionError", "ValueError", "TypeError"}
"""Errors of Python's own: nobody but a developer reads them."""


def literals(node):
    """Yield the texts that stand in an expression as they are, with their lines."""
    if isinstance(node, ast.IfExp):
        yield from literals(node.body)
        yield from literals(node.orelse)
    elif isinstance(node, ast.JoinedStr):
        yield node.lineno, "".join(p.value for p in node.values if isinstance(p, ast.Constant))
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.lineno, node.value


def unsaid(source):
    """Yield what a module says to a person without `say`: line and text."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        name = getattr(node.func, "attr", getattr(node.func, "id", ""))
        parts = [word.value for word in node.keywords if word.arg in SPOKEN_PARTS]
        if name in SPOKEN_CALLS:
            parts += node.args
        elif name.endswith("Error") and name not in NOT_SPOKEN:
            parts += node.args[:1]
        for part in parts:
            for line, text in literals(part):
                if re.search("[A-Za-z]{3,}", text) and text not in NOT_TRANSLATED:
                    yield line, text


def test_whatever_the_package_says_goes_through_the_catalogue():
    """An f-string cannot be found by a tool; what the Glue job stores in English is a `note`."""
    found = [
        f"{path.relative_to(translate_messages.PACKAGE)}:{line}: {text}"
        for path in sorted(translate_messages.PACKAGE.rglob("*.py"))
        for line, text in unsaid(path.read_text("utf-8"))
    ]
    assert found == []


@pytest.mark.parametrize(
    "source",
    [
        'raise ConfigError(f"there is no {name}.", hint=say("look."))',
        'raise ConfigError(say("no."), hint="try this.")',
        'ax.set_xlabel(f"shares, {span}")',
        'typer.echo("done" if ok else say("not done"))',
    ],
)
def test_what_is_said_without_the_catalogue_is_found(source):
    """A check that finds nothing would prove nothing."""
    assert len(list(unsaid(source))) == 1
