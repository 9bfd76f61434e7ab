"""Bring the catalogue of what the package says up to the code: `make translations` calls it.

What is new stands in the catalogue without a translation, for somebody to write it; what the code
says no more is gone from it. A test holds that nothing is left untranslated.
"""

from __future__ import annotations

import io
import sys
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.pofile import read_po, write_po

from b3pipeline import language

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "b3pipeline"
FILE = PACKAGE / language.CATALOGUE.format(language=language.PORTUGUESE)
KEYWORDS = {"say": None, "later": None, "say_many": (1, 2)}
READERS = [("**.py", "python"), ("**.html", "jinja2")]
HEADER = r"""# What b3pipeline says, in Brazilian Portuguese.
# docs/pt-BR/glossario.md has the words; `make translations` keeps the list.
msgid ""
msgstr ""
"Language: pt_BR\n"
"MIME-Version: 1.0\n"
"Content-Type: text/plain; charset=utf-8\n"
"Content-Transfer-Encoding: 8bit\n"
"Plural-Forms: nplurals=2; plural=(n > 1);\n"

"""


def messages(package: Path = PACKAGE) -> Catalog:
    """Return what the code says, without translations, in the order of its files."""
    catalogue = Catalog(locale=language.PORTUGUESE)
    found = extract_from_dir(package, READERS, keywords=KEYWORDS)
    for name, line, text, comments, context in found:
        place = [(name.replace("\\", "/"), line)]
        catalogue.add(text, locations=place, auto_comments=comments, context=context)
    return catalogue


def updated(written: str, code: Catalog) -> str:
    """Return a catalogue's text with the messages of the code, and the translations it had."""
    catalogue = read_po(io.StringIO(written), locale=language.PORTUGUESE)
    catalogue.update(code, no_fuzzy_matching=True)
    lines = io.BytesIO()
    write_po(
        lines,
        catalogue,
        width=100,
        omit_header=True,
        ignore_obsolete=True,
        include_lineno=False,
    )
    return HEADER + lines.getvalue().decode().strip() + "\n"


def main() -> None:
    """Write the catalogue anew, and say what waits for a translation."""
    FILE.parent.mkdir(parents=True, exist_ok=True)
    FILE.write_text(updated(FILE.read_text() if FILE.is_file() else HEADER, messages()))
    with FILE.open("rb") as file:
        waiting = [m.id for m in read_po(file, locale=language.PORTUGUESE) if m.id and not all(
            m.string if isinstance(m.string, tuple) else (m.string,))]  # fmt: skip
    sys.stdout.write(f"{FILE.relative_to(ROOT)}: {len(waiting)} messages wait for a translation\n")
    sys.stdout.writelines(f"  {text}\n" for text in waiting)


if __name__ == "__main__":
    main()
