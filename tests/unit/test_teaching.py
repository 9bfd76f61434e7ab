"""What docs/teaching.md and docs/notebooks.md promise: prices, commands, and where they write."""

import re
from pathlib import Path

import pytest

from b3pipeline import costs

ROOT = Path(__file__).parents[2]
PAGES = ["docs/teaching.md", "docs/pt-BR/teaching.md"]
BARS = 1240  # ten tickers on the 124 sessions of the notebooks' range
MINUTE = 2 * 60  # DPU-seconds of the shortest run that is paid for


def bill(**work):
    """Return what some work costs, as the page writes it."""
    return f"{costs.pipeline_cost(**work).usd:.3f}"


LABS = {
    "02": bill(puts=2 * BARS, gets=BARS, lambda_calls=2, dpu_seconds=[MINUTE] * 2,
               query_bytes=[0] * 6),
    "03": bill(puts=BARS, gets=2 * BARS, lambda_calls=1, dpu_seconds=[MINUTE] * 2,
               query_bytes=[0] * 4),
    "04": bill(query_bytes=[0] * 16),
}  # fmt: skip


@pytest.mark.parametrize("page", PAGES)
def test_what_a_lab_costs_is_what_the_costs_say(page):
    """A price that changes there changes here."""
    rows = re.findall(r"^\| (\d\d) \|.*\| (\d+[.,]\d+) \|$", (ROOT / page).read_text(), re.M)
    told = {number: usd.replace(",", ".") for number, usd in rows}
    assert told == {"01": "0.000", **LABS, "05": "0.000", "06": "0.000"}
    host = f"{costs.ec2_cost(4):.3f}"
    assert host in (ROOT / page).read_text().replace(",", ".")


@pytest.mark.parametrize("page", ["docs/teaching.md", "docs/notebooks.md"])
def test_verbs_of_make_exist(page):
    """A command that a page names can be typed."""
    verbs = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(), re.M))
    named = set(re.findall(r"(?:`|^)make ([a-z-]+)", (ROOT / page).read_text(), re.M))
    assert named - verbs == set()


def test_papermill_finds_the_folder_that_it_writes_into():
    """A fresh clone has no `build/`: the block makes it first."""
    page = (ROOT / "docs" / "notebooks.md").read_text()
    blocks = re.findall(r"```bash\n(.*?)```", page, re.S)
    writing = [block for block in blocks if "build/out.ipynb" in block]
    assert writing
    for block in writing:
        assert block.index("mkdir -p build") < block.index("build/out.ipynb")
