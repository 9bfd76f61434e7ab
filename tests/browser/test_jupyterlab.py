"""The notebooks in JupyterLab, as a student runs them: from the menu, the exercises untouched."""

import contextlib
import sys
from pathlib import Path

import nbformat
import psutil
import pytest

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

MINUTES = 60_000
STEP = 850  # pixels: less than what the window shows of a notebook
# The status bar names the kernel once it is connected; a run before that asks to select one.
IDLE = "#jp-main-statusbar >> text=/\\| Idle/"
ALL_RAN = """() => {
    const prompts = [...document.querySelectorAll('.jp-CodeCell .jp-InputArea-prompt')];
    return prompts.length > 0 && prompts.every(prompt => /\\d/.test(prompt.textContent));
}"""


def run_all(browser, lab, notebook, screenshots):
    """Return the saved notebook after Run > Run All Cells, and the plots on its page."""
    page = browser.new_page(viewport={"width": 1440, "height": 1000})
    page.goto(lab.address(notebook))
    page.wait_for_selector(IDLE, timeout=3 * MINUTES)
    page.locator("#jp-MainMenu >> text=Run").click()
    page.locator(".lm-Menu-itemLabel", has_text="Run All Cells").first.click()
    page.wait_for_function(ALL_RAN, timeout=5 * MINUTES, polling=500)  # not at each frame
    page.wait_for_selector(IDLE, timeout=MINUTES)
    page.keyboard.press("Control+s")
    path = Path(lab.root) / "notebooks" / notebook
    wait_until_saved(page, path)
    plots = scroll_through(page, screenshots / notebook[:2])
    page.close()
    return nbformat.read(path, as_version=4), plots


def wait_until_saved(page, path):
    """Return once the file holds the execution count of every code cell."""
    for _ in range(60):
        with contextlib.suppress(nbformat.reader.NotJSONError):  # it is being written
            if not_run(nbformat.read(path, as_version=4)) == []:
                return
        page.wait_for_timeout(500)


def scroll_through(page, stem):
    """Return how many plots are on the page, seen from its top to its end."""
    seen = set()
    notebook = page.locator(".jp-WindowedPanel-outer").first
    step = 0
    while step * STEP < notebook.evaluate("panel => panel.scrollHeight"):
        notebook.evaluate("(panel, place) => panel.scrollTo(0, place)", step * STEP)
        page.wait_for_timeout(350)
        pictures = page.locator(".jp-OutputArea-output img[src^='data:image/png']")
        seen |= {hash(picture.get_attribute("src")) for picture in pictures.all()}
        page.screenshot(path=f"{stem}_{step:02}.png")
        step += 1
    return len(seen)


def failures(notebook):
    """Return the errors among the outputs of a notebook."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [o.evalue for cell in cells for o in cell.outputs if o.output_type == "error"]


def not_run(notebook):
    """Return the ids of code cells that were not run; an empty exercise has nothing to run."""
    cells = [cell for cell in notebook.cells if cell.cell_type == "code"]
    return [cell.id for cell in cells if cell.execution_count is None]


@pytest.fixture
def restored(lab):
    """The notebooks' sources come back after a test: JupyterLab has saved outputs in them."""
    folder = Path(lab.root) / "notebooks"
    before = {path: path.read_bytes() for path in folder.glob("*.ipynb")}
    yield
    for path, content in before.items():
        path.write_bytes(content)


def test_notebook_01_runs_from_the_menu(browser, lab, screenshots, restored):
    """No cell fails, and each one ran."""
    notebook, _ = run_all(browser, lab, "01_provisioning_check.ipynb", screenshots)
    assert failures(notebook) == []
    assert not_run(notebook) == []


def test_notebook_04_runs_from_the_menu_and_shows_its_plots(browser, lab, screenshots, restored):
    """Eleven plots on the page, and the empty exercises do not keep a reader from the recap."""
    notebook, plots = run_all(browser, lab, "04_athena_analysis.ipynb", screenshots)
    assert failures(notebook) == []
    assert not_run(notebook) == []
    assert plots >= 11
    checks = [cell for cell in notebook.cells if "check" in cell.metadata.get("tags", [])]
    verdicts = [cell.outputs[0].data["text/plain"] for cell in checks]
    assert [verdict.partition(":")[0] for verdict in verdicts] == ["○ Not solved yet"] * 3


def test_the_kernels_are_of_this_python(browser, lab):
    """Not one of another environment that calls itself python3, too."""
    kernels = [
        child.cmdline()
        for child in lab.process.children(recursive=True)
        if "ipykernel_launcher" in " ".join(child.cmdline())
    ]
    assert kernels
    assert {Path(command[0]).resolve() for command in kernels} == {Path(sys.executable).resolve()}
    assert psutil.pid_exists(lab.process.pid)
