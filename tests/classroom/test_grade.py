"""Hand-ins, right, wrong, copied, hanging, broken and hostile, are graded as they should be.

They are hand-ins of notebook 04, cut down to what its exercises need, over three tickers and six
weeks, and they share the markets of ana, bia and caio. By day one of each kind sits, each night
more than thirty; `benchmarks/grading.py` grades thirty whole notebooks.
"""

import csv
import datetime as dt
import json
import os
import re
import shutil
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path

import nbformat
import psutil
import pytest
from bs4 import BeautifulSoup

from b3pipeline.classroom import judging, walls
from b3pipeline.classroom.answers import SparkRows, Statement
from b3pipeline.classroom.exam import Limits
from b3pipeline.classroom.grade import Grades, _market, grade
from b3pipeline.classroom.judging import Desk
from b3pipeline.classroom.market import Ready
from b3pipeline.cloud.clients import Cloud
from b3pipeline.deployment import sandbox

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

ROOT = Path(__file__).parents[2]
SMALL = {"tickers": "PETR4,VALE3,ITUB4", "start": "2024-05-02", "end": "2024-06-14"}
SEEDS = {"ana": 41, "bia": 42, "caio": 43}
NIGHT = os.environ.get("NIGHTLY", "") not in ("", "0")
LIMITS = Limits(
    seconds=300, memory_megabytes=2_500, folder_megabytes=400, files=10_000, processes=60
)
OUTSIDE = Path.home() / ".b3-grade-was-here"
TEMPORARY = Path(tempfile.gettempdir()) / "b3-grade-was-here"
VICTIM = Path(tempfile.gettempdir()) / f"b3-grade-victim-{os.getpid()}"
THREE = ("ranking", "above", "streaks")


def solutions():
    """Return the solution of each exercise, as notebook 04 has it."""
    cells = nbformat.read(ROOT / "notebooks/04_athena_analysis.ipynb", as_version=4).cells
    found = [cell.source for cell in cells if "solution" in cell.metadata.get("tags", [])]
    return dict(
        zip(THREE, (re.search(r"```python\n(.*?)```", one, re.S)[1] for one in found), strict=True)
    )


RIGHT = solutions()


def notebook(answers, *, before="", after="", checks=True, ids=True):
    """Return notebook 04 cut down: parameters, imports, three queries, the exercises."""
    book = nbformat.read(ROOT / "notebooks/04_athena_analysis.ipynb", as_version=4)
    wanted = ("target: str", "from b3pipeline import athena", "growth = ", "closes = ", "activity")
    cells = [cell for cell in book.cells if cell.cell_type == "code"]
    kept = [cell for cell in cells if cell.source.startswith(wanted)]
    for cell in kept:
        lines = cell.source.replace("athena, plots", "athena").splitlines()
        cell.source = "\n".join(line for line in lines if not line.startswith("ax = "))
    extra = [nbformat.v4.new_code_cell(before)] if before else []
    asked = []
    for name in THREE:
        asked.append(nbformat.v4.new_code_cell(answers.get(name, f"# Bind: {name}")))
        if checks:
            line = f'exercises.check("{name}", vars(), solve=solve)'
            asked.append(nbformat.v4.new_code_cell(line, metadata={"tags": ["check"]}))
    last = [nbformat.v4.new_code_cell(after)] if after else []
    book.cells = [*kept, *extra, *asked, *last]
    if not ids:
        for number, cell in enumerate(book.cells):
            cell.id = f"own-{number}"
    return nbformat.writes(book)


FAKE = """
from b3pipeline.course import exercises
from b3pipeline.course.exercises import judges, verdict
from b3pipeline.classroom import answers
exercises.check = lambda name, *a, **k: print(f"✔ Right: {name} is what it should be.")
verdict.judged = lambda one, _: verdict.Verdict(one.name, "right", "Right")
answers.read_answer = lambda *a: None
for name in ("ranking", "above", "streaks"):
    exercises.EXERCISES[name].__dict__["judge"] = lambda *a: ""
ranking = above = streaks = "Right"
print("✔ Right: ranking is what it should be.")
"""

# The test's own process is among them where walls keep it from the run.
VICTIMS = [1, os.getpid()] if walls.namespaces() else []
KILLS = f"""
import os, signal
for pid in [os.getppid(), *{VICTIMS}]:
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError as error:
        print(error)
os.kill(os.getpid(), signal.SIGKILL)
"""

FORKS = """
import os, time
for _ in range(400):
    if not os.fork():
        time.sleep(300)
        os._exit(0)
time.sleep(300)
"""

WRITES = f"""
from pathlib import Path
import os
for path in (Path({str(OUTSIDE)!r}), Path({str(TEMPORARY)!r}), Path({str(ROOT)!r}, "x")):
    try:
        path.write_text("here")
    except OSError as error:
        print(error)
"""

READS = f"""
from pathlib import Path
seen = {{}}
for path in Path({str(ROOT)!r}, "README.md"), Path.home().parent, Path({str(ROOT)!r}).parent:
    try:
        seen[str(path)] = path.read_text() if path.is_file() else list(path.iterdir())
    except OSError as error:
        print(error)
if any("README" in name for name in seen):
    ranking = above = streaks = None
    del growth, closes, activity
"""

NESTS = """
import os, time
for _ in range(3_000):
    os.mkdir("d")
    os.chdir("d")
time.sleep(60)
"""

LITTERS = """
from pathlib import Path
for number in range(20_000):
    Path(f"litter-{number}").touch()
import time
time.sleep(60)
"""

WAITS = "import time\nwhile True: time.sleep(1)"  # and leaves the core to others

CHATTERS = """
while True:
    print("x" * 1_000_000)
"""

REMOVES = f"""
import shutil
from pathlib import Path
from b3pipeline.deployment import sandbox
shutil.rmtree(sandbox.state_folder(), ignore_errors=True)
shutil.rmtree({str(VICTIM)!r}, ignore_errors=True)
"""


@dataclass(frozen=True)
class Case:
    """A hand-in: whose market, its text, the points it should have, and what the note says."""

    market: str
    text: str
    points: tuple[int, int, int]
    note: str = ""


# The answers of ana's market, as figures.
TABLE = "SELECT * FROM (VALUES {}) AS t (ticker, {}) WHERE '2024-05-02' IN ({}) ORDER BY {} DESC"
ONE_DAY = "SELECT dt FROM b3_daily_quotes_refined WHERE dt = '2024-05-02'"
ABOVE = TABLE.format("('ITUB4', 13), ('PETR4', 8), ('VALE3', 12)", "sessions_above", ONE_DAY, 2)
STREAKS = TABLE.format("('ITUB4', 4), ('PETR4', 3), ('VALE3', 2)", "longest", ONE_DAY, 2)
FIGURES = {
    "ranking": """
import pandas as pd
returns = {"ITUB4": -0.0410958904109591, "PETR4": -0.0861767279090114, "VALE3": -0.128189300411523}
ranking = pd.Series(returns)
""",
    "above": f'above = athena.query(cloud, """{ABOVE}""")',
    "streaks": f'streaks = athena.query(cloud, """{STREAKS}""")',
}


def swap(name, text):
    """Return the right answers but for one."""
    return {**RIGHT, name: text}


ALL, NONE = (1, 1, 1), (0, 0, 0)
WITHOUT_FILTER = RIGHT["above"].replace(
    "dt BETWEEN :start AND :end",
    "trade_date BETWEEN CAST(:start AS date) AND CAST(:end AS date)",
)
AGAIN = "ranking = ranking * 0"
CASES = {
    "right": Case("ana", notebook(RIGHT), ALL),
    "right-too": Case("bia", notebook(RIGHT), ALL),
    "right-as-well": Case("caio", notebook(RIGHT), ALL),
    "without-checks": Case("ana", notebook(RIGHT, checks=False), ALL),
    "with-other-ids": Case("bia", notebook(RIGHT, ids=False), ALL),
    "changed-after-its-check": Case("caio", notebook(RIGHT, after=AGAIN), ALL),
    "own-parameters": Case("ana", notebook(RIGHT, before="seed = 7; solve = True"), ALL),
    "own-figures": Case("ana", notebook(FIGURES), ALL),
    "copied": Case("bia", notebook(FIGURES), NONE),
    "copied-too": Case("caio", notebook(FIGURES), NONE),
    "empty": Case("ana", notebook({}), NONE),
    "solve-by-itself": Case("bia", notebook({}, before="solve = True"), NONE),
    "wrong-ranking": Case("caio", notebook(swap("ranking", "ranking = [1, 2]")), (0, 1, 1)),
    "wrong-sql": Case("ana", notebook(swap("streaks", "streaks = activity")), (1, 1, 0)),
    "no-filter": Case("bia", notebook(swap("above", WITHOUT_FILTER)), (1, 0, 1)),
    "broken-cell": Case("bia", notebook(swap("above", "above = athena.query(")), (1, 0, 1)),
    "misspelt": Case("ana", notebook(swap("above", "above = athena.qery(cloud)")), (1, 0, 1)),
    "broken-imports": Case("bia", notebook(RIGHT, before="del athena, growth"), NONE),
    "fakes-verdicts": Case("ana", notebook({}, before=FAKE), NONE),
    "fakes-checks": Case("ana", notebook({"ranking": "print('✔ Right: ranking')"}), NONE),
    "hangs": Case("bia", notebook(swap("above", WAITS)), (1, 0, 0), "seconds"),
    "spins": Case("bia", notebook(swap("above", "while True: pass")), (1, 0, 0), "seconds"),
    "sleeps": Case("caio", notebook({}, before="import time; time.sleep(999)"), NONE, "seconds"),
    "exits": Case("ana", notebook(RIGHT, after="exit()"), ALL),
    "leaves": Case("bia", notebook(swap("above", "import os; os._exit(0)")), (1, 0, 0), "kernel"),
    "kills": Case("bia", notebook(swap("above", KILLS)), (1, 0, 0)),
    "forks": Case("ana", notebook(swap("above", FORKS)), (1, 0, 0), "60 processes"),
    "eats": Case("bia", notebook(swap("above", "above = bytearray(1 << 36)")), (1, 0, 1)),
    "prints": Case("ana", notebook(RIGHT, before="print('x' * 20_000_000)"), ALL),
    "chatters": Case("ana", notebook(RIGHT, after=CHATTERS), ALL),
    "litters": Case("bia", notebook(RIGHT, after=LITTERS), ALL, "10,000 files"),
    "nests": Case("ana", notebook(swap("above", NESTS)), (1, 0, 0), "files"),
    "fills": Case(
        "ana",
        notebook(RIGHT, after="[open(f'{n}', 'wb').write(bytes(99 << 20)) for n in range(20)]"),
        ALL,
    ),
    "writes-outside": Case("bia", notebook(RIGHT, before=WRITES), ALL),
    "reads-outside": Case("caio", notebook(RIGHT, before=READS), ALL),
    "removes-all": Case("ana", notebook(swap("above", REMOVES)), (1, 0, 0)),
    "drops-the-table": Case(
        "bia",
        notebook(
            swap("above", "above = athena.query(cloud, 'DROP TABLE b3_daily_quotes_refined')")
        ),
        (1, 0, 0),
    ),
}


HANG = ("hangs", "spins", "sleeps")
BY_DAY = (
    *("right", "copied", "own-figures", "no-filter", "broken-cell", "fakes-verdicts"),
    *("hangs", "kills", "forks", "prints", "litters", "nests", "writes-outside"),
)
CHOSEN = {login: case for login, case in CASES.items() if NIGHT or login in BY_DAY}


@pytest.fixture(scope="module")
def handed_in(tmp_path_factory):
    """A folder of hand-ins and its roster: a class that runs, and some that cannot."""
    folder = tmp_path_factory.mktemp("class")
    (folder / "in").mkdir()
    (folder / "hang").mkdir()
    for login, case in CHOSEN.items():
        place = "hang" if login in HANG else "in"
        (folder / f"{place}/{login}.ipynb").write_text(case.text)
    (folder / "in/no-notebook.ipynb").write_text("PK\x03\x04")
    (folder / "in/stranger.ipynb").write_text(notebook(RIGHT))
    (folder / "in/link.ipynb").symlink_to("/etc/passwd")
    roster = {login: SEEDS[case.market] for login, case in CHOSEN.items() if login not in HANG}
    return folder, {**roster, "no-notebook": 1, "link": 2, "absent": 3}


@pytest.fixture(scope="module")
def graded(handed_in) -> Grades:
    """The grades of all but those that hang."""
    folder, roster = handed_in
    VICTIM.mkdir()
    (VICTIM / "file").touch()
    return grade(folder / "in", folder / "out", ROOT, roster=roster, limits=LIMITS, given=SMALL)


@pytest.fixture(scope="module")
def hung(handed_in, graded) -> Grades:
    """The grades of those that hang, with half again the time that others need here just now."""
    folder, _ = handed_in
    slowest = max(one.seconds for one in graded.grades if one.student.startswith("right"))
    limits = replace(LIMITS, seconds=1.5 * slowest)
    shutil.copytree(folder / "out/markets", folder / "late/markets")
    roster = {name: SEEDS[CHOSEN[name].market] for name in HANG if name in CHOSEN}
    return grade(folder / "hang", folder / "late", ROOT, roster=roster, limits=limits, given=SMALL)


def test_a_class_has_more_than_thirty_hand_ins():
    """So many the issue asks for; by day there is one of each kind."""
    assert len(CASES) > 30
    assert set(BY_DAY) <= CASES.keys()


@pytest.mark.parametrize("login", list(CHOSEN))
def test_a_hand_in_has_the_points_it_should_have(graded, hung, login):
    """Exercise by exercise; what went wrong with the whole is noted."""
    case = CASES[login]
    [found] = [one for one in (*graded.grades, *hung.grades) if one.student == login]
    assert [mark.exercise for mark in found.marks] == list(THREE)
    reasons = [mark.says for mark in found.marks]
    assert tuple(mark.points for mark in found.marks) == case.points, (found.note, reasons)
    assert case.note in found.note
    assert found.graded


def test_one_that_hangs_is_ended_when_its_time_is_over(hung):
    """Within seconds, whatever it does."""
    for one in hung.grades:
        [limit] = [float(text) for text in re.findall(r"after (\d+) seconds", one.note)]
        assert limit <= one.seconds < limit + 15


@pytest.mark.parametrize(
    ("login", "said"),
    [
        ("no-notebook", "no-notebook.ipynb is no notebook: it cannot be read"),
        ("stranger", "stranger is not in the roster."),
        ("link", "it is a link"),
        ("absent", "nothing was handed in."),
    ],
)
def test_what_cannot_be_graded_has_a_sentence(graded, login, said):
    """And no points; the others are graded all the same."""
    [found] = [one for one in graded.grades if one.student == login]
    assert (found.points, found.graded) == (0, False)
    assert said in found.note


def test_nothing_is_left_of_any_run(graded, hung, handed_in):
    """No process, no file outside, no folder of a run; the project is as it was."""
    folder, _ = handed_in
    assert not OUTSIDE.exists()
    assert not TEMPORARY.exists()
    assert not (ROOT / "x").exists()
    assert (VICTIM / "file").exists()
    shutil.rmtree(VICTIM)
    assert not list((folder / "out").glob("b3-grade-*"))
    left = []
    for one in psutil.process_iter():
        try:
            if one.pid != os.getpid() and str(folder) in " ".join(one.cmdline()):
                left.append(one)
        except psutil.Error:
            continue
    assert left == []


def test_a_row_and_an_entry_for_every_hand_in(graded, handed_in):
    """CSV and JSON say the same; the reasons name the exercise."""
    folder, _ = handed_in
    rows = {row["student"]: row for row in csv.DictReader((folder / "out/grades.csv").open())}
    entries = {
        one["student"]: one
        for one in json.loads((folder / "out/grades.json").read_text())["hand_ins"]
    }
    assert rows.keys() == entries.keys() == {one.student for one in graded.grades}
    row = rows["no-filter"]
    points = [row["ranking"], row["above"], row["streaks"], row["points"], row["of"]]
    assert points == ["1", "0", "1", "2", "3"]
    assert row["reasons"].startswith("above: Not yet: it names no range of the partition key dt")
    assert entries["no-filter"]["exercises"]["above"]["points"] == 0
    assert float(row["seconds"]) == entries["no-filter"]["seconds"] > 0


def test_the_page_shows_a_table_and_a_histogram_and_runs_nothing(graded, handed_in):
    """A row each, a bar for each number of points, no script, nothing from elsewhere."""
    folder, _ = handed_in
    page = BeautifulSoup((folder / "out/index.html").read_text(), "html.parser")
    assert len(page.select("tbody tr")) == len(graded.grades)
    counts = [int(text.get_text()) for text in page.select("svg text")[::2]]
    assert len(counts) == 4
    assert sum(counts) == len(graded.grades)
    assert not page.find_all(["script", "img", "iframe"])
    assert [link["href"] for link in page.find_all("link")] == ["data:,"]  # no icon is asked for
    assert "default-src 'none'" in str(page.find("meta", attrs={"content": re.compile("default")}))


@pytest.mark.skipif(not walls.landlock_version(), reason="this system has no Landlock")
def test_the_walls_are_named(graded):
    """The teacher reads what a run could not do."""
    assert "files" in graded.walls


@pytest.fixture(scope="module")
def desks(graded, handed_in):
    """The judges of the markets, by whose they are."""
    folder, _ = handed_in
    market = _market(SMALL)
    seeds = {name: SEEDS[name] for name in {case.market for case in CHOSEN.values()}}
    ready = Ready(folder / "out/markets", market)
    try:
        yield {
            name: Desk(Cloud(sandbox.wake(ready.path(seed))), market, f"sample:{seed}", "PETR4")
            for name, seed in seeds.items()
        }
    finally:
        for seed in seeds.values():
            sandbox.down(ready.path(seed))


def test_the_exercises_of_the_other_notebooks_are_judged_by_the_market(desks):
    """Those of 02, 03 and 05: right answers, of any market, and those of another one wrong."""
    for desk in desks.values():
        sql = (
            "SELECT ticker, count(DISTINCT dt) AS sessions FROM b3_daily_quotes "
            "WHERE dt BETWEEN '2024-05-02' AND '2024-06-14' GROUP BY ticker ORDER BY sessions"
        )
        assert desk.judge("closed", [dt.date(2024, 5, 30)]).passed  # Corpus Christi
        assert desk.judge("per_ticker", Statement(sql)).passed
        assert desk.judge("repaired", Statement("MSCK REPAIR TABLE b3_daily_quotes")).passed
        for other in ("MSCK REPAIR TABLE b3_daily_quotes_refined", "DROP TABLE b3_daily_quotes"):
            assert not desk.judge("repaired", Statement(other)).passed
            assert not desk.judge("per_ticker", Statement(other)).passed
        assert not desk.judge("hours", 1.0).passed
    daily = {name: desk.variables("spans")["daily"].toPandas() for name, desk in desks.items()}
    smooth = {
        name: SparkRows(frame.assign(close_ma_3=frame["close"].rolling(3).mean()))
        for name, frame in daily.items()
    }
    judged = {name: desks["ana"].judge("smooth", rows).passed for name, rows in smooth.items()}
    assert judged.pop("ana")
    assert not any(judged.values())
    spread = daily["bia"].assign(spread=daily["bia"]["high"] - daily["bia"]["low"])
    assert desks["bia"].judge("spans", SparkRows(spread)).passed
    assert not desks["ana"].judge("spans", SparkRows(spread)).passed
    lacking = {"WEGE3": 20, "PETR4": 1, "BBAS3": 1}  # March 2024 has 20 sessions until the 28th
    assert desks["bia"].judge("lacking", lacking).passed
    assert not desks["bia"].judge("lacking", {**lacking, "PETR4": 2}).passed
    fall = 21.695 / 43.28 - 1  # ana's PETR4: 43.28 before the split, 21.695 of a new share after it
    assert desks["ana"].judge("fall", fall).passed
    assert not desks["bia"].judge("fall", fall).passed


def test_notebook_05_causes_the_faults_that_its_judges_know():
    """What it loads, and what it breaks, is the same in every market."""
    book = nbformat.read(ROOT / "notebooks/05_when_it_breaks.ipynb", as_version=4)
    code = "\n".join(cell.source for cell in book.cells if cell.cell_type == "code")
    tickers, days = list(judging.DRILL_TICKERS), (judging.DRILL_START, judging.DRILL_END)
    for line in (
        f"codes, start, end = {tickers}, {days[0]!r}, {days[1]!r}",
        f"faults = {judging.FAULTS!r}",
        f"split_day = {judging.SPLIT_DAY!r}",
        f'faults=f"split:{judging.SPLIT_TICKER}:{{split_day}}:2"',
    ):
        assert line.replace("'", '"') in code
