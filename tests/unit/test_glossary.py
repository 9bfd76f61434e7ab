"""The glossary of the course is kept to: what it says is not said, nothing in Portuguese says."""

import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

ROOT = Path(__file__).parents[2]
GLOSSARY = ROOT / "docs" / "pt-BR" / "glossario.md"
ROW = re.compile(r"^\| (?P<term>.+?) \| (?P<english>.+?) \| (?P<says>.+?) \| (?P<never>.+?) \|$")
PT = re.compile(r"^# pt: (.+)$", re.MULTILINE)
"""What `make help` says in Portuguese."""
BUT = re.compile(r" \(mas: (.*)\)$")


def rows():
    """Return the rows of the glossary: term, English, meaning, what is not said."""
    found = [ROW.match(line) for line in GLOSSARY.read_text().splitlines()]
    return [row for row in found if row and row["term"] not in ("termo", "---")]


def rules():
    """Return each forbidden word with its term, and the phrases in which it may stand."""
    for row in rows():
        allowed = BUT.search(row["never"])
        phrases = allowed[1].split(", ") if allowed else []
        for word in BUT.sub("", row["never"]).split(", "):
            yield word, row["term"], phrases


def catalogues():
    """Return the catalogues of Portuguese text: the notebooks' and the package's."""
    found = [*ROOT.glob("translations/pt_BR/**/*.po"), *ROOT.glob("src/b3pipeline/locale/**/*.po")]
    return sorted(found)


def texts():
    """Return what is said in Portuguese: where it stands, and the text without its code."""
    pages = [ROOT / "README.pt-BR.md", *(ROOT / "docs" / "pt-BR").glob("*.md")]
    found = {page.name: page.read_text() for page in pages if page != GLOSSARY}
    found["Makefile"] = "\n".join(PT.findall((ROOT / "Makefile").read_text()))
    for path in catalogues():
        with path.open("rb") as stream:
            messages = [message.string for message in read_po(stream) if message.id]
        said = [text for one in messages for text in ([one] if isinstance(one, str) else one)]
        found[str(path.relative_to(ROOT))] = "\n\n".join(said)
    return {name: without_code(text) for name, text in found.items()}


def without_code(text):
    """Return a text without fenced blocks, code, fields, addresses and names of files."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"`[^`]*`|\]\([^)]*\)|\{[^}]*\}", " ", text)


def spoken(text, word, phrases=()):
    """Return the places in which a text says a word outside of the phrases that are allowed."""
    for phrase in phrases:
        text = re.sub(re.escape(phrase), "", text, flags=re.IGNORECASE)
    wanted = r"(?<![\w.-])" + re.escape(word) + r"(?![\w-])"
    return [text[max(0, m.start() - 30) : m.end() + 30] for m in re.finditer(wanted, text, re.I)]


TEXTS = texts()


@pytest.mark.parametrize("name", list(TEXTS))
def test_no_forbidden_synonym_is_said(name):
    """Each is named with the term that stands for it, and where it was found."""
    found = {
        f"{word} (say: {term})": places
        for word, term, phrases in rules()
        if (places := spoken(TEXTS[name], word, phrases))
    }
    assert found == {}


def test_the_glossary_is_read_whole():
    """Every row of its tables is understood: a row of another shape would forbid nothing."""
    lines = [line for line in GLOSSARY.read_text().splitlines() if line.startswith("|")]
    heads = [line for line in lines if line.startswith(("| termo |", "|---"))]
    assert len(rows()) == len(lines) - len(heads)
    terms = {row["term"] for row in rows()}
    assert terms >= {"bronze", "partição", "manifesto", "pregão", "janela"}


def test_no_term_of_the_glossary_is_itself_forbidden():
    """Nor does one rule contradict another."""
    terms = ", ".join(row["term"] for row in rows())
    assert [word for word, _, _ in rules() if word in terms.split(", ")] == []


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("As sessões da bolsa", ["sessões"]),
        ("A sessão do laboratório acabou", []),
        ("o `batch` do caderno", ["caderno"]),
        ("Rode a query {batch}", ["query"]),
        ("um lote, um pregão, uma consulta", []),
    ],
)
def test_a_forbidden_synonym_is_found_where_it_is_said(text, found):
    """In any case, as a whole word, and neither in code nor in a field."""
    assert [w for w, _, phrases in rules() if spoken(without_code(text), w, phrases)] == found
