"""The report, opened from disk at the width of a laptop and of a phone."""

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

WIDTHS = pytest.mark.parametrize("width", [1280, 390])


@WIDTHS
def test_the_report_fits_the_width(course, browser, screenshots, width):
    """Nothing sticks out to the right; tables that are wider scroll within their box."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(course.report.as_uri())
    page.screenshot(path=screenshots / f"report_{width}.png", full_page=False)
    page.locator("[id='04_athena_analysis']").scroll_into_view_if_needed()
    page.screenshot(path=screenshots / f"report_{width}_analysis.png")
    wide = page.evaluate("document.documentElement.scrollWidth")
    plots = page.locator("figure img").count()
    loaded = page.evaluate("[...document.images].filter(one => one.naturalWidth > 0).length")
    page.close()
    assert wide <= width
    assert loaded >= plots >= 13


def test_the_report_fetches_nothing(course, browser):
    """It opens without a network: every request is for the file itself or within it."""
    page = browser.new_page()
    asked = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(course.report.as_uri())
    page.close()
    assert [url[:80] for url in asked if not url.startswith(("file:", "data:"))] == []


@WIDTHS
def test_the_contents_lead_to_each_notebook(course, browser, width):
    """A click on a link of the contents brings its heading into view."""
    page = browser.new_page(viewport={"width": width, "height": 900})
    page.goto(course.report.as_uri())
    page.locator("nav a[href='#04_athena_analysis']").click()
    page.wait_for_timeout(1500)
    top = page.locator("[id='04_athena_analysis']").bounding_box()["y"]
    page.close()
    assert -50 <= top <= 450
