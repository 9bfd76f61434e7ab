"""Bring the catalogue of what the package says up to the code: `make translations` calls it.

What is new stands in the catalogue without a translation, for somebody to write it; what the code
says no more is gone from it. A test holds that nothing is left untranslated.
"""

from __future__ import annotations

import ast
import datetime as dt
import io
import json
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import typer
from babel.messages.catalog import Catalog
from babel.messages.extract import extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po, write_po

from b3pipeline import language

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ROOT / "src" / "b3pipeline"
TYPER = Path(typer.__file__).parent
FILE = PACKAGE / language.CATALOGUE.format(language=language.PORTUGUESE)
TYPER_FILE = FILE.with_name("messages.po")
"""What Typer says of a command, by Python's own gettext: this reads the compiled file beside it."""
EPOCH = dt.datetime(1980, 1, 1, tzinfo=dt.UTC)
KEYWORDS = {"say": None, "later": None, "note": None, "say_many": (1, 2)}
HEADER = r"""# What b3pipeline says, in Brazilian Portuguese.
# docs/pt-BR/glossario.md has the words; `make translations` keeps the list.
msgid ""
msgstr ""
"Language: pt_BR\n"
"MIME-Version: 1.0\n"
"Content-Type: text/plain; charset=utf-8\n"
"Content-Transfer-Encoding: 8bit\n"
"Plural-Forms: nplurals=2; plural=(n != 1);\n"

"""


def said(file: Any, keywords: Any, tags: Any, options: Any) -> Iterator[Any]:
    """Yield the messages of a Python file as Babel wants them, in their order.

    They are the texts in calls of `KEYWORDS`, wherever these stand (Babel's own reader loses some
    within other calls), and the help of Typer's commands and options.
    """
    nodes = [node for node in ast.walk(ast.parse(file.read())) if hasattr(node, "lineno")]
    for node in sorted(nodes, key=lambda node: (node.lineno, node.col_offset)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
            texts = [arg.value for arg in node.args[:2] if isinstance(arg, ast.Constant)]
            if node.func.id in keywords and texts:
                one = node.func.id != "say_many"
                yield node.lineno, node.func.id, texts[0] if one else tuple(texts), []
        if "say" not in keywords:  # a library's own file
            continue
        if isinstance(node, ast.FunctionDef) and any(map(_is_a_verb, node.decorator_list)):
            yield node.lineno, "say", ast.get_docstring(node), []
        if isinstance(node, ast.keyword) and node.arg == "help":
            assert isinstance(node.value, ast.Constant)  # noqa: S101  # a text, not an f-string
            yield node.lineno, "say", node.value.value, []


def _is_a_verb(decorator: ast.expr) -> bool:
    name = ast.unparse(decorator).partition("(")[0]
    return name.endswith((".command", ".callback"))


READERS = [
    ("**.py", said),
    ("**.html", "jinja2"),
]
"""By which of Babel's readers the messages of a file are found."""


def messages() -> Catalog:
    """Return what the package and the notebooks' checks say, without translations."""
    of_the_package = extract_from_dir(PACKAGE, READERS, keywords=KEYWORDS)
    return _catalogue([*of_the_package, *questions()])


def questions() -> Iterator[Any]:
    """Yield what the asserts of the notebooks ask when they fail: `sentences` tells it again."""
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        for cell in json.loads(path.read_text("utf-8"))["cells"]:
            if cell["cell_type"] != "code":
                continue
            for node in ast.walk(ast.parse("".join(cell["source"]))):
                if isinstance(node, ast.Assert) and node.msg:
                    yield f"notebooks/{path.name}", 0, _template(node.msg), [], None


def _template(text: ast.expr) -> str:
    """Return a text with a field, named by its place, for each value of an f-string."""
    if isinstance(text, ast.Constant):
        return str(text.value)
    assert isinstance(text, ast.JoinedStr)  # noqa: S101  # what else would a question be?
    parts = enumerate(text.values)
    return "".join(str(p.value) if isinstance(p, ast.Constant) else f"{{v{i}}}" for i, p in parts)


def typers_messages() -> Catalog:
    """Return what Typer says by gettext."""
    return _catalogue(extract_from_dir(TYPER, [("*.py", said)], keywords={"_": None}))


def _catalogue(found: Iterable[Any]) -> Catalog:
    catalogue = Catalog(locale=language.PORTUGUESE)
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


def compiled(written: str) -> bytes:
    """Return a catalogue as gettext reads it."""
    lines = io.BytesIO()
    catalogue = read_po(io.StringIO(written), locale=language.PORTUGUESE)
    catalogue.creation_date = catalogue.revision_date = EPOCH  # the same text gives the same bytes
    write_mo(lines, catalogue)
    return lines.getvalue()


def waiting(written: str) -> list[str]:
    """Return the messages of a catalogue that lack a translation."""
    catalogue = read_po(io.StringIO(written), locale=language.PORTUGUESE)
    return [
        str(message.id)
        for message in catalogue
        if message.id and (message.fuzzy or not all(forms(message.string)))
    ]


def forms(text: Any) -> tuple[str, ...]:
    """Return a message's texts: one, or one for each plural form."""
    return text if isinstance(text, tuple) else (text,)


def main() -> None:
    """Write the catalogues anew, and say what waits for a translation."""
    for file, code in ((FILE, messages()), (TYPER_FILE, typers_messages())):
        file.parent.mkdir(parents=True, exist_ok=True)
        text = updated(file.read_text("utf-8") if file.is_file() else HEADER, code)
        file.write_text(text, "utf-8")
        left = waiting(text)
        sys.stdout.write(f"{file.relative_to(ROOT)}: {len(left)} messages wait for a translation\n")
        sys.stdout.writelines(f"  {message}\n" for message in left)
    TYPER_FILE.with_suffix(".mo").write_bytes(compiled(TYPER_FILE.read_text("utf-8")))


if __name__ == "__main__":
    main()
