"""The report: one page that stands alone, with text, tables and plots of every notebook."""

import base64
import datetime as dt
from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from bs4 import BeautifulSoup
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from b3pipeline.course.notebooks import ExecutedNotebook, report

PIXEL = base64.b64encode(b"\x89PNG a picture").decode()
Page = Callable[..., BeautifulSoup]


def code(source: str, *outputs: Any, seconds: float = 0.1) -> Any:
    """Return an executed code cell."""
    metadata = {"papermill": {"duration": seconds}}
    return new_code_cell(source, outputs=list(outputs), metadata=metadata)


def shown(**data: str) -> Any:
    """Return a displayed output: `text_html="…"` is its `text/html`."""
    names = {name.replace("_", "/"): value for name, value in data.items()}
    return new_output("display_data", data=names)


@pytest.fixture
def page(tmp_path: Path) -> Page:
    """A maker of pages from notebooks: name to cells; the page as parsed HTML."""

    def make(figures: dict[str, Any] | None = None, **cells: list[Any]) -> BeautifulSoup:
        done = []
        (tmp_path / "notebooks").mkdir(exist_ok=True)
        for name, content in cells.items():
            path = tmp_path / f"{name}.ipynb"
            nbformat.write(new_notebook(cells=content), path)
            source = tmp_path / "notebooks" / path.name
            done.append(ExecutedNotebook(source, path, 12.34, len(content)))
        when = dt.datetime(2024, 7, 1, 9, 5, tzinfo=dt.UTC)
        written = report(done, tmp_path / "report" / "index.html", figures, made_at=when)
        return BeautifulSoup(written.read_text(encoding="utf-8"), "html.parser")

    return make


def showing(content: str) -> list[Any]:
    """Return the cells of a notebook that shows some HTML."""
    return [new_markdown_cell("# 1. Check"), code("show()", shown(text_html=content))]


def text_of(soup: BeautifulSoup, selector: str) -> list[str]:
    """Return the words of every element that a selector finds."""
    return [" ".join(found.get_text().split()) for found in soup.select(selector)]


def test_the_contents_lead_to_every_chapter_and_section(page: Page) -> None:
    """Each link of the table of contents has its place on the page."""
    soup = page(
        n01_check=[new_markdown_cell("# 1. Check"), new_markdown_cell("Words.\n\n## Who am I")],
        n02_ingest=[new_markdown_cell("# 2. Ingest\n\n## One `day`")],
    )

    assert text_of(soup, "nav a") == [
        "The run in figures",
        "1. Check",
        "Who am I",
        "2. Ingest",
        "One day",
    ]
    targets = [str(link["href"]) for link in soup.select("nav a")]
    assert all(soup.find(id=target.removeprefix("#")) for target in targets)


def test_the_run_is_told_in_figures_and_times(page: Page) -> None:
    """Figures in their order, whole numbers with separators; the notebooks with their seconds."""
    soup = page(
        {"source": "sample (simulated)", "bronze objects": 2500, "Spark seconds": 21.74},
        n01_check=[new_markdown_cell("# 1. Check")],
    )

    assert text_of(soup, "dl dt") == ["source", "bronze objects", "Spark seconds"]
    assert text_of(soup, "dl dd") == ["sample (simulated)", "2,500", "21.7"]
    assert text_of(soup, "table.run tbody td")[:5] == ["1. Check", "1", "0", "0.0", "12.3"]
    assert "1 July 2024, 09:05" in text_of(soup, ".masthead")[0]


def test_pictures_are_in_the_page_itself(page: Page) -> None:
    """Counted too: each as a data URI, and with words for those who do not see it."""
    soup = page(
        n04_analysis=[
            new_markdown_cell("# 4. Analysis\n\n## Closes"),
            code("plot()", shown(image_png=PIXEL), shown(image_png=PIXEL)),
        ]
    )

    images = soup.select("figure img")
    assert [image["src"] for image in images] == [f"data:image/png;base64,{PIXEL}"] * 2
    assert images[0]["alt"] == "Plot: Closes"
    assert text_of(soup, "table.run tbody td")[2] == "2"


def test_a_plot_that_tells_what_it_shows_is_described_by_that(page: Page) -> None:
    """Its own words say more than the heading above it."""
    told = new_output(
        "display_data", data={"image/png": PIXEL}, metadata={"image/png": {"alt": "A rose"}}
    )
    soup = page(n04=[new_markdown_cell("# 4. Plot"), code("plot()", told)])
    assert [image["alt"] for image in soup.select("figure img")] == ["A rose"]


def test_the_page_fetches_nothing_and_runs_nothing(page: Page) -> None:
    """No script, style sheet, font or picture from elsewhere, whatever the outputs brought."""
    evil = (
        "<script src='https://cdn.example/require.js'></script>"
        "<link rel='stylesheet' href='https://cdn.example/a.css'>"
        "<style>@import url(https://cdn.example/b.css)</style>"
        "<img src='https://cdn.example/c.png'><iframe src='https://cdn.example'></iframe><p>kept</p>"
    )
    soup = page(
        n01_check=[
            new_markdown_cell("# 1. Check\n\n![a logo](https://cdn.example/d.png)"),
            code("show()", shown(text_html=evil)),
        ]
    )

    assert soup.find_all(["script", "iframe", "object", "embed"]) == []
    assert [str(tag["href"]) for tag in soup.find_all("link")] == ["data:,"]
    assert [tag["src"] for tag in soup.find_all(src=True)] == []
    assert "cdn.example" not in str(soup)
    assert "@import" not in str(soup)
    assert {"kept", "a logo"} <= {text.strip() for text in soup.find_all(string=True)}


def test_code_is_folded_away_under_its_first_line(page: Page) -> None:
    """A comment is no headline; the time shows where there is one to speak of."""
    soup = page(
        n03_refine=[
            code("# wait for it\nrun = wait()\nrun", seconds=21.7),
            code("x < 1", seconds=0.01),
        ]
    )

    assert text_of(soup, "details.code > summary") == ["run = wait() …21.7 s", "x < 1"]
    assert not any(details.has_attr("open") for details in soup.select("details.code"))
    assert "# wait for it" in text_of(soup, "details.code .highlight")[0]


def test_tables_stand_in_boxes_that_scroll(page: Page) -> None:
    """A wide table must not widen the page of a phone."""
    frame = (
        '<table border="1" class="dataframe"><tr style="text-align: right;">'
        "<th></th><th>ticker</th><th>close</th></tr>"
        "<tr><th>0</th><td>PETR4</td><td>1.5e-07</td></tr>"
        "<tr><th>1</th><td>NaN</td><td>NaN</td></tr></table>"
    )
    soup = page(n04_analysis=[code("frame", shown(text_html=frame)), new_markdown_cell("|a|\n|-|")])

    tables = soup.select("section.notebook table")
    assert all("scroll" in table.parent["class"] for table in tables if table.parent)
    assert len(tables) == 2
    assert text_of(soup, "td.words, th.words") == ["ticker", "PETR4", "NaN"]


def test_what_a_plot_returns_beside_its_picture_is_left_out(page: Page) -> None:
    """`<Axes: …>` tells a reader nothing; other values are shown."""
    soup = page(
        n04_analysis=[
            code("plot()", shown(text_plain="<Axes: title={'left': 'x'}, ylabel='R$'>")),
            code("plot()", shown(image_png=PIXEL, text_plain="<Figure size 640x480 with 1 Axes>")),
            code("n", shown(text_plain="{'rows': 3}")),
        ]
    )

    assert text_of(soup, "section.notebook > pre") == ["{'rows': 3}"]


def test_bars_on_stderr_are_left_out_and_messages_are_folded(page: Page) -> None:
    """A bar that was drawn a hundred times over is noise; a warning is not."""
    bars = (
        "objects:  50%|█████     | 20/40 [00:01<00:01]\robjects: 100%|██████████| 40/40 [00:02]\n"
    )
    soup = page(
        n02_ingest=[
            code("put()", new_output("stream", name="stderr", text=bars)),
            code("put()", new_output("stream", name="stderr", text=bars + "Warning: slow\n")),
            code("put()", new_output("stream", name="stdout", text="10%\r\x1b[32mdone\x1b[0m\n")),
        ]
    )

    assert text_of(soup, "details.messages") == ["messagesWarning: slow"]
    assert text_of(soup, "section.notebook > pre") == ["done"]


def test_an_error_that_was_meant_to_happen_is_shown(page: Page) -> None:
    """A lesson may raise on purpose: the traceback is part of it, without its colour codes."""
    failed = new_output(
        "error", ename="QueryError", evalue="no", traceback=["\x1b[31mQueryError\x1b[0m: <no>"]
    )
    soup = page(n04_analysis=[code("query()", failed)])

    assert text_of(soup, "pre.error") == ["QueryError: <no>"]


def test_links_between_notebooks_lead_within_the_page(page: Page, tmp_path: Path) -> None:
    """A file beside the notebooks is reached from where the page lies; the web stays the web."""
    words = (
        "[next](n02_ingest.ipynb) [part](n02_ingest.ipynb#One-day) [doc](../docs/a.md) "
        "[web](https://aws.amazon.com/glue/pricing/) [here](#Who-am-I)\n\n## Who am I"
    )
    soup = page(
        n01_check=[new_markdown_cell(words)], n02_ingest=[new_markdown_cell("# 2\n\n## One day")]
    )

    assert [link["href"] for link in soup.select("section.notebook a")] == [
        "#n02_ingest",
        "#n02_ingest-one-day",
        "../docs/a.md",
        "https://aws.amazon.com/glue/pricing/",
        "#n01_check-who-am-i",
    ]
    assert soup.find(id="n02_ingest-one-day")
    assert soup.find(id="n01_check-who-am-i")


def test_a_picture_beside_a_notebook_comes_into_the_page(page: Page, tmp_path: Path) -> None:
    """A page that is moved or sent keeps its drawings."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "flow.svg").write_text("<svg/>")

    soup = page(n01_check=[new_markdown_cell("![the flow](flow.svg)")])

    image = soup.select_one("section.notebook img")
    assert image is not None
    assert image["src"] == f"data:image/svg+xml;base64,{base64.b64encode(b'<svg/>').decode()}"


def test_headings_of_the_same_words_get_an_id_each(page: Page) -> None:
    """Every notebook has a recap, and some have two checks."""
    cells = [new_markdown_cell("# 1"), new_markdown_cell("## Check"), new_markdown_cell("## Check")]
    soup = page(n01_check=cells, n02_ingest=cells)

    ids = [str(tag["id"]) for tag in soup.find_all(id=True)]
    assert len(ids) == len(set(ids))
    assert "n01_check-check-2" in ids


def test_the_page_knows_phones_and_printers(page: Page) -> None:
    """It scales to the device, and has rules for narrow screens and for paper."""
    soup = page(n01_check=[new_markdown_cell("# 1")])

    viewport = soup.find("meta", attrs={"name": "viewport"})
    assert viewport is not None
    assert "width=device-width" in str(viewport)
    assert "@media print" in str(soup.style)


def test_markup_in_a_figure_is_text(page: Page) -> None:
    """A label or a value is never taken for HTML."""
    soup = page({"<b>label</b>": "<script>alert(1)</script>"}, n01_check=[new_markdown_cell("# 1")])

    assert text_of(soup, "dl dt") == ["<b>label</b>"]
    assert soup.find("script") is None


def test_what_is_harmless_in_an_output_stays(page: Page) -> None:
    """A table of pandas with its Styler's colours, a bar of progress, a link, a picture."""
    html = (
        "<style>#T_a td.col1 { color: red; "
        "background: linear-gradient(90deg, #d65f5f 50%, transparent 50%) }</style>"
        '<table id="T_a"><tr><td class="col1" style="text-align: right;">1</td></tr>'
        "</table>"
        '<progress value="3" max="9"></progress><a href="https://b3.example/x">x</a>'
        f'<img src="data:image/png;base64,{PIXEL}" width="9">'
    )
    soup = page(n01_check=showing(html))
    rules = next(style for style in soup.select("body style")).get_text()
    assert "color: red" in rules
    assert "linear-gradient(90deg, #d65f5f 50%, transparent 50%)" in rules
    cell = soup.select_one("td.col1")
    assert cell is not None
    assert cell["style"] == "text-align: right"
    assert soup.select_one("progress[value='3'][max='9']")
    assert soup.select_one("a[href='https://b3.example/x']")
    assert soup.select_one("img[width='9']")


def test_a_table_of_an_output_restyles_nothing_beside_it(page: Page) -> None:
    """A rule that names a table may mean what follows it; a link with a backslash leads away."""
    html = (
        "<style>#T_a ~ * { display: none } #T_a + p { color: red } "
        "#T_a td { color: blue }</style>"
        "<table id='T_a'><tr><td>1</td></tr></table><a href='/\\evil.example'>away</a>"
    )
    soup = page(n01_check=showing(html))
    rules = " ".join(style.get_text() for style in soup.select("body style"))
    assert "color: blue" in rules
    assert [word for word in ("display", "red") if word in rules] == []
    assert [str(link) for link in soup.find_all("a", href=True) if "evil" in str(link)] == []


def test_the_page_forbids_what_a_mistake_might_let_through(page: Page) -> None:
    """Its own policy lets the browser fetch nothing and run nothing."""
    soup = page(n01_check=[new_markdown_cell("# 1. Check")])
    policy = soup.select_one("meta[http-equiv='Content-Security-Policy']")
    assert policy is not None
    assert str(policy["content"]).startswith("default-src 'none'; img-src data:;")
