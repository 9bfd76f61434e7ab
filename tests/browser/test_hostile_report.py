"""A report whose outputs are hostile, in a real browser: nothing runs, nothing is fetched."""

from __future__ import annotations

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from b3pipeline.course.notebooks import ExecutedNotebook, report

EVIL = "http://evil.example"
HOSTILE = [
    "<img src=x onerror='document.title=1'>",
    f"<img src='{EVIL}/a.png' srcset='{EVIL}/b.png 2x'>",
    f"<picture><source srcset='{EVIL}/c.png'><img src='data:,'></picture>",
    f"<video poster='{EVIL}/d.png' src='{EVIL}/e.mp4' autoplay></video>",
    f"<audio src='{EVIL}/f.mp3' autoplay></audio>",
    f"<div style='background:url({EVIL}/g.png);height:9px'>a</div>",
    f"<div style='background:u\\72l({EVIL}/h.png);height:9px'>b</div>",
    f"<div style=\"background:image-set('{EVIL}/i.png' 1x);height:9px\">c</div>",
    f"<style>@import '{EVIL}/j.css'; #T_1 td {{ background: url({EVIL}/k.png) }}</style>",
    f"<style>#T_1 {{}} @font-face {{ font-family: x; src: url({EVIL}/l.woff) }}</style>",
    f"<svg onload='document.title=2'><image href='{EVIL}/m.png'/></svg>",
    "<svg><script>document.title=3</script></svg>",
    f"<svg><use href='{EVIL}/n.svg#x'/><a xlink:href='javascript:document.title=4'>x</a></svg>",
    "<a id='link' href='javascript:document.title=5'>press</a>",
    "<a id='link2' href=' java\nscript:document.title=6'>press</a>",
    "<details open ontoggle='document.title=7'><summary>s</summary>t</details>",
    "<body onload='document.title=8'>",
    f"<iframe src='{EVIL}/o'></iframe>",
    "<iframe srcdoc='<script>top.document.title=9</script>'></iframe>",
    f"<object data='{EVIL}/p'></object><embed src='{EVIL}/q'>",
    f"<link rel=stylesheet href='{EVIL}/r.css'><link rel=prefetch href='{EVIL}/s'>",
    f"<meta http-equiv=refresh content='0;url={EVIL}/t'><base href='{EVIL}/'>",
    f"<form action='{EVIL}/u'><input autofocus onfocus='document.title=10'></form>",
    "<math><mtext><table><mglyph><style><img src=x onerror='document.title=11'></style></math>",
    "<noscript><p title=\"</noscript><img src=x onerror='document.title=12'>\"></noscript>",
    f"<table background='{EVIL}/v.png'><tr><td>kept</td></tr></table>",
]


@pytest.mark.parametrize("kind", ["output", "markdown"])
def test_hostile_outputs_run_nothing_and_fetch_nothing(browser, tmp_path, kind):
    """Every way that is known to us, as an output and as a Markdown cell."""
    texts = [f"{text}\n\nkept {number}" for number, text in enumerate(HOSTILE)]
    if kind == "markdown":
        cells = [new_markdown_cell(text) for text in texts]
    else:
        shown = [new_output("display_data", data={"text/html": f"<p>{text}</p>"}) for text in texts]
        cells = [new_code_cell("show()", outputs=[output]) for output in shown]
    source = tmp_path / "01_evil.ipynb"
    nbformat.write(new_notebook(cells=[new_markdown_cell("# 1. Evil"), *cells]), source)
    done = ExecutedNotebook(source, source, 1.0, len(cells))
    path = report([done], tmp_path / "index.html", title="a report")
    page = browser.new_page()
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))

    page.goto(path.as_uri())
    for link in page.locator("main a, article a, section a").all():
        if (link.get_attribute("href") or "").startswith(("javascript", " java")):
            link.click()
    page.wait_for_timeout(1500)

    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    assert page.title() == "a report"
    words = page.inner_text("body")
    assert [number for number in range(len(HOSTILE)) if f"kept {number}" not in words] == []


OVER = "width:3000px;height:3000px;background:#fff"
COVERING = [
    f"<div style='margin-top:-2000px;margin-left:-500px;{OVER}'>a</div>",
    f"<div style='transform:translate(-500px,-2000px);z-index:9;{OVER}'>b</div>",
    f"<div style='translate:-500px -2000px;{OVER}'>c</div>",
]
ON_TOP = """e => {
  const box = e.getBoundingClientRect()
  return e.contains(document.elementFromPoint(box.left + 5, box.top + box.height / 2))
}"""


def test_an_output_covers_nothing_beside_it(browser, tmp_path):
    """What a reader sees at the place of a heading is that heading: above, beside and below."""
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    for html in COVERING:
        output = new_output("display_data", data={"text/html": html})
        cells = [new_markdown_cell("# 1. Evil"), new_code_cell("show()", outputs=[output])]
        source = tmp_path / "01_evil.ipynb"
        nbformat.write(new_notebook(cells=[*cells, new_markdown_cell("## Below")]), source)
        done = ExecutedNotebook(source, source, 1.0, len(cells))
        page.goto(report([done], tmp_path / "index.html", title="a report").as_uri())
        for place in (".masthead h1", "nav a", "section.notebook h1", "section.notebook h2"):
            found = page.locator(place).first
            found.scroll_into_view_if_needed()
            assert found.evaluate(ON_TOP), (place, html)
