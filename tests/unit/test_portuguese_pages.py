"""A page that stands in both languages says the same in both: commands, links, tables, code."""

import os
import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "docs" / "pt-BR"
WANTED = {"aws.md", "notebooks.md", "troubleshooting.md"}
PAIRS = [
    (ROOT / "README.md", ROOT / "README.pt-BR.md"),
    *((ROOT / "docs" / page.name, page) for page in sorted(FOLDER.glob("*.md"))),
]
PAIRS = [pair for pair in PAIRS if pair[1].name != "glossario.md"]
with (ROOT / "src/b3pipeline/locale/pt_BR/LC_MESSAGES/b3pipeline.po").open("rb") as _stream:
    MESSAGES = [
        (" ".join(message.id) if message.pluralizable else message.id, said)
        for message in read_po(_stream)
        for said in (message.string if message.pluralizable else [message.string])
        if message.id
    ]

each_pair = pytest.mark.parametrize(
    ("english", "portuguese"), PAIRS, ids=[english.stem for english, _ in PAIRS]
)


def blocks(path):
    """Return the lines of the fenced blocks, without their comments; diagrams have words."""
    fenced = re.findall(r"^```(\w*)\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE)
    lines = [line for kind, block in fenced if kind != "mermaid" for line in block.splitlines()]
    return [line.partition(" #")[0].strip() for line in lines]


def links(path):
    """Return the files that a page links to or shows, from the root, as the English page has it."""
    found = re.findall(r"\]\(([^)#]+)", path.read_text())
    files = [link for link in found if not link.startswith("http")]
    places = [os.path.relpath(path.parent / link, ROOT) for link in files]
    english = [re.sub(r"(?<=/)pt-BR/|(?<=README)\.pt-BR", "", place) for place in places]
    return [place for place in english if (ROOT / place).resolve() != english_of(path)]


def english_of(path):
    """Return the English page of a page."""
    return next(english for english, portuguese in PAIRS if path in (english, portuguese))


def code_words(path):
    """Return what stands as code in the text, outside of blocks; messages in Portuguese aside."""
    prose = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
    return sorted(word for word in re.findall(r"`([^`]+)`", prose) if not is_message(word))


def is_message(words):
    """Return whether words in code quote what the package says in Portuguese, `…` what differs."""
    parts = [re.escape(part.strip()) for part in words.split("…")]
    quoted = re.compile(".*".join(parts), re.DOTALL)
    return any(quoted.search(said) and not quoted.search(text) for text, said in MESSAGES)


def shape(path):
    """Return how each heading, row of a table and item of a list begins."""
    prose = re.sub(r"^```.*?^```", "", path.read_text(), flags=re.DOTALL | re.MULTILINE)
    lines = [line for line in prose.splitlines() if re.match(r"#|\||- |\d+\. ", line)]
    return [re.match(r"#+ |- |\d+\. |", line)[0] or line.count(" | ") for line in lines]


def test_the_pages_that_a_student_needs_stand_in_portuguese():
    """The README, the way to AWS, the notebooks, and what to do when something goes wrong."""
    assert {page.name for _, page in PAIRS} >= WANTED | {"README.pt-BR.md"}


each_part = pytest.mark.parametrize(
    "part", [blocks, links, code_words, shape], ids=lambda part: part.__name__
)


@each_part
def test_each_part_of_a_page_is_found(part):
    """A comparison of nothing with nothing would prove nothing."""
    assert part(ROOT / "README.md")


@each_pair
@each_part
def test_both_languages_have_the_same(english, portuguese, part):
    """What is typed, opened or read as code, and a row or a section that one lacks."""
    assert part(portuguese) == part(english)


def test_a_message_is_quoted_as_the_package_says_it():
    """A message that was worded anew is one that nobody finds on the page: it is no message."""
    assert is_message("Ainda sem resposta")
    assert is_message("os … s de uma busca se esgotaram")
    assert not is_message("Ainda não resolvido")
    assert not is_message("b3 doctor")


@each_pair
def test_both_languages_have_as_many_paragraphs(english, portuguese):
    """A sentence more in one of them cannot be counted; a paragraph can."""
    assert len(portuguese.read_text().split("\n\n")) == len(english.read_text().split("\n\n"))


@each_pair
def test_each_language_links_to_the_other(english, portuguese):
    """On its first lines, where a reader looks for it."""
    there, back = (
        os.path.relpath(portuguese, english.parent),
        os.path.relpath(english, portuguese.parent),
    )
    assert f"*[Em português]({there})*" in english.read_text()[:200]
    assert f"*[In English]({back})*" in portuguese.read_text()[:200]


@each_pair
def test_a_portuguese_page_leads_to_portuguese_pages(english, portuguese):
    """Where there is one; and every file that is linked exists."""
    for link in re.findall(r"\]\(([^)#]+)", portuguese.read_text()):
        place = (portuguese.parent / link).resolve()
        if link.startswith("http") or place == english:
            continue
        assert place.exists(), link
        twin = place.parent / "pt-BR" / place.name
        assert not twin.is_file(), f"{link} is English, and {twin} is there"


@each_pair
def test_the_words_of_emphasis_name_sections_that_exist(english, portuguese):
    """A page that says *O host de ingestão* has a section of that name, where the English has."""

    def named(page):
        sections = re.findall(r"^#+ (.*)", page.read_text(), re.MULTILINE)
        said = re.findall(r"(?<!\*)\*([^*\n]+)\*(?!\*)", page.read_text())
        return sum(words in sections for words in said)

    assert named(portuguese) == named(english)
