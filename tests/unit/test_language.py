"""In which language the package speaks, and how that language writes numbers and dates."""

import datetime as dt
import json
import pickle
import sys
from pathlib import Path

import pandas as pd
import pytest

from b3pipeline import language
from b3pipeline.errors import ConfigError
from b3pipeline.language import english, parse, read_catalogue, say, say_many, shown

FOUND = "{count:,} session that only one side has"
FOUND_MANY = "{count:,} sessions that only one side has"


@pytest.fixture
def portuguese(monkeypatch):
    """The reader asks for Portuguese."""
    monkeypatch.setenv("B3_LANG", "pt_BR")


@pytest.mark.parametrize("name", ["pt_BR", "pt-BR", "pt", "pt_BR.UTF-8", "PT-br", " pt_BR "])
def test_portuguese_has_several_names(name):
    """As the Web, gettext and a system's locale spell it."""
    assert parse(name) == "pt_BR"


@pytest.mark.parametrize(
    ("name", "meant"), [("en", "en"), ("en_GB.UTF-8", "en"), ("C", "en"), ("fr_FR", None)]
)
def test_english_is_known_and_other_languages_are_not(name, meant):
    """What is not known is left to the next that may say."""
    assert parse(name) == meant


@pytest.mark.parametrize(
    ("settings", "spoken"),
    [
        ({}, "en"),
        ({"LANG": "pt_BR.UTF-8"}, "pt_BR"),
        ({"LANG": "pt_BR.UTF-8", "LC_MESSAGES": "en_US.UTF-8"}, "en"),
        ({"LC_MESSAGES": "en_US.UTF-8", "LC_ALL": "pt_BR.UTF-8"}, "pt_BR"),
        ({"LC_ALL": "C", "LANG": "pt_BR.UTF-8"}, "en"),
        ({"LANGUAGE": "fr:pt:en", "LC_ALL": "en_US.UTF-8"}, "pt_BR"),
        ({"B3_LANG": "pt-BR", "LC_ALL": "en_US.UTF-8"}, "pt_BR"),
        ({"B3_LANG": "en", "LC_ALL": "pt_BR.UTF-8"}, "en"),
        ({"B3_LANG": "", "LANG": "pt_BR"}, "pt_BR"),
    ],
)
def test_the_setting_wins_over_the_systems_locale(monkeypatch, settings, spoken):
    """The first variable that is set decides, in gettext's order."""
    for name in ("B3_LANG", "LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG"):
        monkeypatch.delenv(name, raising=False)
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    assert language.language() == spoken


def test_a_portuguese_notebook_speaks_portuguese(monkeypatch, tmp_path):
    """Its folder is where its kernel works."""
    folder = tmp_path / "notebooks" / "pt-BR"
    folder.mkdir(parents=True)
    monkeypatch.chdir(folder)
    assert language.language() == "pt_BR"
    monkeypatch.setenv("B3_LANG", "en")
    assert language.language() == "en"


def test_an_english_notebook_speaks_english_on_a_portuguese_system(monkeypatch, tmp_path):
    """A terminal in the same folder keeps the system's language."""
    (tmp_path / "notebooks").mkdir()
    monkeypatch.chdir(tmp_path / "notebooks")
    monkeypatch.setenv("LC_ALL", "pt_BR.UTF-8")
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    assert language.language() == "pt_BR"
    monkeypatch.setitem(sys.modules, "ipykernel", sys)
    assert language.language() == "en"


def test_the_language_is_chosen_anew_for_each_message(monkeypatch):
    """Nothing of an import freezes it."""
    assert say("price, R$") == "price, R$"
    monkeypatch.setenv("B3_LANG", "pt_BR")
    assert say("price, R$") == "preço, R$"


@pytest.mark.parametrize(
    ("count", "said"),
    [
        (0, "0 pregões que só um dos lados tem"),
        (1, "1 pregão que só um dos lados tem"),
        (2, "2 pregões que só um dos lados tem"),
        (1240, "1.240 pregões que só um dos lados tem"),
    ],
)
def test_a_message_counts_as_portuguese_does(portuguese, count, said):
    """One is singular, none is plural, as one reads it in Brazil."""
    assert say_many(FOUND, FOUND_MANY, count) == said


def test_english_counts_as_it_did():
    """One is singular, none is plural."""
    assert say_many(FOUND, FOUND_MANY, 0) == "0 sessions that only one side has"
    assert say_many(FOUND, FOUND_MANY, 1) == "1 session that only one side has"


@pytest.mark.parametrize(
    ("value", "form", "here", "there"),
    [
        (1240, ",", "1,240", "1.240"),
        (24.92, ",.2f", "24.92", "24,92"),
        (-1234567.5, "+,.1f", "-1,234,567.5", "-1.234.567,5"),
        (2024, "d", "2024", "2024"),
        (pd.Timestamp("2024-06-28"), "%-d %b %Y", "28 Jun 2024", "28 jun. 2024"),
        (dt.date(2024, 2, 1), "%b", "Feb", "fev."),
        (dt.datetime(2024, 5, 2, 9, 5, tzinfo=dt.UTC), "%B, %H:%M", "May, 09:05", "maio, 09:05"),
        (dt.date(2024, 2, 1), "%Y-%m-%d", "2024-02-01", "2024-02-01"),
        ("1,240.5", ">8", " 1,240.5", " 1,240.5"),
    ],
)
def test_numbers_and_dates_take_the_form_of_the_language(monkeypatch, value, form, here, there):
    """A text that holds a number is left as it is."""
    assert shown(value, form) == here
    monkeypatch.setenv("B3_LANG", "pt_BR")
    assert shown(value, form) == there


def test_a_message_without_a_translation_stays_english(portuguese):
    """The number in it too: half a language is none."""
    assert say("no such message: {count:,}", count=1240) == "no such message: 1,240"


def test_what_is_stored_is_english(portuguese):
    """A message knows what it says in English, what it quotes included, and survives a pickle."""
    inner = say("draw what {query} returns.", query=say("the query {name}", name="gaps"))
    assert inner == "desenhe o que a consulta gaps devolve."
    assert english(pickle.loads(pickle.dumps(inner))) == "draw what the query gaps returns."  # noqa: S301
    assert json.dumps(english(42)) == "42"


def test_an_error_is_said_in_portuguese_and_stored_in_english(portuguese):
    """Its sentence and what to try."""
    error = ConfigError(
        say("the frame has no rows to draw."),
        hint=say("draw what {query} returns.", query="x"),
    )
    assert str(error) == (
        "o frame não tem linhas para desenhar. O que fazer: desenhe o que x devolve."
    )
    assert english(error) == "the frame has no rows to draw. Try: draw what x returns."


def test_where_the_catalogue_is_not_everything_is_english(portuguese, monkeypatch):
    """As in the zip that travels with the Glue job."""
    monkeypatch.setattr(language, "CATALOGUE", "nowhere/{language}.po")
    language._catalogue.cache_clear()
    assert say("price, R$") == "price, R$"
    monkeypatch.undo()
    language._catalogue.cache_clear()


def test_a_catalogue_is_read_as_babel_reads_it():
    """Continued lines, escapes and plural forms; what is fuzzy for Babel is not used by it."""
    from babel.messages.pofile import read_po

    file = Path(language.__file__).parent / language.CATALOGUE.format(language="pt_BR")
    ours = read_catalogue(file.read_text("utf-8")).texts
    with file.open("rb") as lines:
        theirs = {
            m.id[0] if isinstance(m.id, tuple) else m.id: list(
                m.string if isinstance(m.string, tuple) else (m.string,)
            )
            for m in read_po(lines, locale="pt_BR")
            if m.id
        }
    assert {text: forms for text, forms in ours.items() if text} == theirs
