"""Writes notebooks/pt-BR from the English notebooks, and brings their catalogues up to date.

A catalogue is a gettext file a notebook, `translations/pt_BR/notebooks/NN_….po`. What is translated
is a block of a Markdown cell (blank lines part blocks), and a comment of a code cell: the help of
a parameter is one. Code stays byte for byte. A text that is new or has changed comes into its
catalogue untranslated, or with its old translation marked fuzzy, and is English in the notebook
until somebody has translated it; one that another notebook has is taken over; one that is gone
leaves.
"""

from __future__ import annotations

import io
import re
import sys
import tokenize
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
from babel.messages import Catalog
from babel.messages.pofile import read_po, write_po

ROOT = Path(__file__).resolve().parents[1]
LOCALE, TAG = "pt_BR", "pt-BR"
CATALOGUES = f"translations/{LOCALE}/notebooks"
HEADER = """\
# A notebook's texts in Portuguese, from which `make translations` makes notebooks/pt-BR.
# The words of the trade are those of docs/pt-BR/glossario.md.
msgid ""
msgstr ""
"Language: pt_BR\\n"
"MIME-Version: 1.0\\n"
"Content-Type: text/plain; charset=utf-8\\n"
"Content-Transfer-Encoding: 8bit\\n"

"""

Say = Callable[[str], str]
"""Takes a text in English and returns what shall stand in its place."""

_COMMENT = re.compile(r"(#+\s*)(.*)")
_PART = re.compile(r"(^```.*?^```$|\n(?:[ \t]*\n)+)", re.DOTALL | re.MULTILINE)
_TAGS = re.compile(r"<[^>]*>")
_LETTER = re.compile(r"[^\W\d_]")


def main() -> None:
    """Update every catalogue, write every notebook, and name the texts that lack a translation."""
    waiting = []
    catalogues = {path: updated_catalogue(path) for path in english_notebooks()}
    known = {m.id: m.string for one in catalogues.values() for m in one if m.id and is_ready(m)}
    for path, catalogue in catalogues.items():
        for message in catalogue:
            if not message.string:  # a heading that every notebook has
                message.string = known.get(message.id, "")
        place = catalogue_path(path)
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(catalogue_bytes(catalogue))
        target = portuguese_path(path)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(notebook_text(path, catalogue), encoding="utf-8")
        waiting += [f"{place.relative_to(ROOT)}: {text}" for text in untranslated(catalogue)]
    gone = set((ROOT / CATALOGUES).glob("*.po")) - set(map(catalogue_path, english_notebooks()))
    gone |= set((ROOT / "notebooks" / TAG).glob("*.ipynb")) - {
        portuguese_path(path) for path in english_notebooks()
    }
    for path in sorted(gone):
        path.unlink()
    if waiting:
        sys.stdout.write("\n".join(["These texts wait for their translation:", *waiting, ""]))


def english_notebooks() -> list[Path]:
    """Return the notebooks that are translated, in the order of the course."""
    return sorted((ROOT / "notebooks").glob("[0-9][0-9]_*.ipynb"))


def portuguese_path(notebook: Path) -> Path:
    """Return where the Portuguese notebook of an English one lies."""
    return notebook.parent / TAG / notebook.name


def catalogue_path(notebook: Path) -> Path:
    """Return where the catalogue of a notebook lies."""
    return ROOT / CATALOGUES / f"{notebook.stem}.po"


def updated_catalogue(notebook: Path) -> Catalog:
    """Return the notebook's catalogue with just the texts that the notebook has, in its order."""
    template = Catalog(charset="utf-8")
    for cell in read(notebook).cells:

        def note(text: str, cell: Any = cell) -> str:
            template.add(text, auto_comments=[f"{cell.id}, {cell.cell_type}"])
            return text

        if translated(cell.source, cell.cell_type, note) != cell.source:
            raise AssertionError(f"{notebook.name}, cell {cell.id}: a text was taken apart wrongly")
    catalogue = read_catalogue(notebook)
    catalogue.update(template, update_creation_date=False)
    for message in catalogue:
        message.flags.discard("python-format")  # a sign of per cent is one
        # An earlier wording, as other tools note it; Babel takes that for a remark of somebody's.
        message.user_comments = [one for one in message.user_comments if one[:1] != "|"]
    return catalogue


def read_catalogue(notebook: Path) -> Catalog:
    """Return the notebook's catalogue as it lies there; an empty one where there is none."""
    path = catalogue_path(notebook)
    if not path.exists():
        return Catalog(locale=LOCALE, charset="utf-8", fuzzy=False)
    with path.open("rb") as stream:
        return read_po(stream, locale=LOCALE, charset="utf-8")


def catalogue_bytes(catalogue: Catalog) -> bytes:
    """Return a catalogue as its file holds it; without dates, so that it changes with its texts."""
    stream = io.BytesIO()
    write_po(stream, catalogue, width=100, omit_header=True, ignore_obsolete=True)
    return HEADER.encode() + stream.getvalue().rstrip() + b"\n"


def untranslated(catalogue: Catalog) -> list[str]:
    """Return the texts that have no translation, or only one of an earlier wording."""
    return [message.id for message in catalogue if message.id and not is_ready(message)]


def is_ready(message: Any) -> bool:
    """Return whether a text's translation may be shown."""
    return bool(message.string) and not message.fuzzy


def notebook_text(notebook: Path, catalogue: Catalog) -> str:
    """Return the Portuguese notebook's file: the English cells, their texts in Portuguese."""

    def say(text: str) -> str:
        message = catalogue.get(text)
        return str(message.string) if message is not None and is_ready(message) else text

    made = read(notebook)
    for cell in made.cells:
        cell.source = translated(cell.source, cell.cell_type, say)
    made.metadata["language"] = TAG
    return nbformat.writes(made) + "\n"


def read(path: Path) -> Any:
    """Return a notebook."""
    return nbformat.read(path, as_version=4)


def translated(source: str, kind: str, say: Say) -> str:
    """Return a cell's source, each of its texts replaced by what `say` returns of it."""
    return code(source, say) if kind == "code" else "".join(prose(source, say))


def code(source: str, say: Say) -> str:
    """Return Python whose comments were replaced; all else is byte for byte what it was."""
    lines = source.splitlines(keepends=True)
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    for token in [token for token in tokens if token.type == tokenize.COMMENT]:
        row, column = token.start
        mark, text = _COMMENT.fullmatch(token.string).groups()
        line = lines[row - 1]
        said = mark + say(text) if text else token.string
        lines[row - 1] = line[:column] + said + line[column + len(token.string) :]
    return "".join(lines)


def prose(source: str, say: Say) -> Iterator[str]:
    """Yield the parts of a Markdown text, its blocks replaced; of fenced Python, its comments."""
    for part in _PART.split(source):
        if part.startswith("```python\n"):
            opening, closing = "```python\n", "```"
            yield opening + code(part.removeprefix(opening).removesuffix(closing), say) + closing
        elif part.startswith("```") or not _LETTER.search(_TAGS.sub("", part)):
            yield part
        else:
            body = part.strip("\n")
            before, _, after = part.partition(body)
            yield before + say(body) + after


if __name__ == "__main__":
    main()
