"""Pages of HTML: each holds all that it shows, runs no script, and fetches nothing."""

from __future__ import annotations

from importlib import resources

from jinja2 import Environment, FunctionLoader, StrictUndefined


def resource(package: str, name: str) -> str:
    """Return the text of a file that lies in a package."""
    return resources.files(package).joinpath(name).read_text(encoding="utf-8")


def templates(package: str, *, escape: bool = True) -> Environment:
    """Return the templates of a package, which may extend `frame.html`.

    The frame asks for `language`, `title` and `style`, and has a block `body`. Every text is
    escaped unless `escape` is False, as for Markdown.
    """

    def source(name: str) -> str:
        return resource("b3pipeline" if name == "frame.html" else package, name)

    return Environment(
        loader=FunctionLoader(source),
        autoescape=escape,  # noqa: S701  # Markdown is text, and escapes what it must itself
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
