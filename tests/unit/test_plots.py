"""The plots: Axes with units, a title that states the finding, and a word on simulated data."""

import datetime as dt
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import matplotlib as mpl
import pandas as pd
import pytest

mpl.use("agg")

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.text import Text

from b3pipeline import costs, plots
from b3pipeline.errors import PlotError
from b3pipeline.plots import style

Plot = Callable[..., Axes]

IN_A_NOTEBOOK = """
from IPython.core.interactiveshell import InteractiveShell
from matplotlib.figure import Figure

drawn, draw = [], Figure.draw
Figure.draw = lambda self, renderer: drawn.append(self) or draw(self, renderer)
InteractiveShell.enable_gui = lambda *_: None
shell = InteractiveShell.instance()
shell.run_line_magic("matplotlib", "inline")
shell.run_cell("from b3pipeline.plots import style; ax = style.new_axes()")
print(len(drawn))
"""

TOLD_IN_A_NOTEBOOK = """
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output

InteractiveShell.enable_gui = lambda *_: None
shell = InteractiveShell.instance()
shell.run_line_magic("matplotlib", "inline")
with capture_output() as shown:
    shell.run_cell('''
from b3pipeline.plots import style
style.state_finding(style.new_axes(), "AAAA3 rose", [("close", "k"), ("mean", "k")], simulated=True)
from matplotlib_inline import backend_inline
backend_inline.show()
''')
print([output.metadata for output in shown.outputs if "image/png" in output.data])
"""


@pytest.fixture(autouse=True)
def _close_figures() -> Iterator[None]:
    yield
    plt.close("all")


def days(count: int) -> list[dt.date]:
    """Return days as Athena returns them: `datetime.date`, here from 2 January 2024 on."""
    return [dt.date(2024, 1, 2) + dt.timedelta(days=step) for step in range(count)]


def rows(**columns: Any) -> pd.DataFrame:
    """Return a frame with awswrangler's types: `string`, `Int64` and `float64`."""
    types = {"ticker": "string", "total_volume": "Int64", "days_since_previous": "Int32"}
    frame = pd.DataFrame(columns)
    return frame.astype({name: kind for name, kind in types.items() if name in frame})


CLOSES = rows(
    trade_date=days(3) * 2,
    ticker=["AAAA3"] * 3 + ["BBBB4"] * 3,
    close_price=[10.0, 11.0, 12.0, 20.0, 19.0, 15.0],
    close_ma_5=[None, None, 11.0, None, None, 18.0],
)
CUMULATIVE = rows(
    trade_date=days(2) * 2,
    ticker=["AAAA3"] * 2 + ["BBBB4"] * 2,
    cumulative_return=[0.0, 0.234, 0.0, -0.05],
    basket_return=[0.0, 0.092] * 2,
)
DRAWDOWN = rows(
    trade_date=days(3) * 2,
    ticker=["AAAA3"] * 3 + ["BBBB4"] * 3,
    drawdown=[0.0, -0.431, -0.2, 0.0, -0.01, 0.0],
)
VOLATILITY = rows(
    trade_date=days(3) * 2,
    ticker=["AAAA3"] * 3 + ["BBBB4"] * 3,
    volatility=[None, 0.2, 0.22, None, 0.6, 0.8],
)
CORRELATION = pd.DataFrame(
    [
        (a, b, {"AAAA3": 1, "BBBB4": 2, "CCCC3": 4}[a] * {"AAAA3": 1, "BBBB4": 2, "CCCC3": 4}[b])
        for a in ("AAAA3", "BBBB4", "CCCC3")
        for b in ("AAAA3", "BBBB4", "CCCC3")
    ],
    columns=["ticker_a", "ticker_b", "correlation"],
).assign(correlation=lambda frame: frame["correlation"] / 10)
CANDLES = rows(
    trade_date=days(2),
    ticker=["AAAA3"] * 2,
    open_price=[10.0, 11.0],
    high_price=[12.0, 12.5],
    low_price=[9.5, 10.0],
    close_price=[11.0, 10.45],
    total_volume=[1_000_000, 2_000_000],
)
MONTHLY = rows(
    trade_month=[dt.date(2024, 1, 1), dt.date(2024, 2, 1)] * 2,
    ticker=["AAAA3"] * 2 + ["BBBB4"] * 2,
    monthly_return=[0.05, -0.11, 0.123, None],
)
VOLUME = rows(
    trade_date=days(4) * 2,
    ticker=["AAAA3"] * 4 + ["BBBB4"] * 4,
    total_volume=[1_000_000, 2_000_000, 3_000_000, 4_000_000] + [40_000_000] * 4,
    relative_volume=[0.4, 0.8, 1.2, 1.6, 0.5, 1.0, 1.0, 1.5],
    absolute_return=[0.00, 0.01, 0.02, 0.03, 0.0, 0.01, 0.02, 0.03],
)
GAPS = rows(
    trade_date=days(3),
    ticker=["AAAA3", "AAAA3", "BBBB4"],
    days_since_previous=[1, 3, 9],
    missed_sessions=[0, 0, 5],
)
COUNTS = rows(
    dt=["2024-01-02", "2024-01-03", "2024-01-02"],
    ticker=["AAAA3", "AAAA3", "BBBB4"],
    bars=[1, 1, 1],
)
STAGES = pd.DataFrame(
    {
        "stage": ["put", "refine"],
        "start": pd.to_datetime(["2024-01-02 10:00:00", "2024-01-02 10:00:02"]),
        "end": pd.to_datetime(["2024-01-02 10:00:02", "2024-01-02 10:00:10"]),
    }
)
SCANNED = pd.DataFrame({"query": ["well", "badly"], "bytes_scanned": [1024, 10 * 1024]})


def agreement(*sessions: tuple[str, float | None, float | None, str]) -> pd.DataFrame:
    """Return what a reconciliation holds: ticker, ratio, factor and state of sessions in a row."""
    dates = [dt.date(2024, 1, 2) + dt.timedelta(days=step) for step in range(len(sessions))]
    frame = pd.DataFrame(sessions, columns=["ticker", "ratio", "factor", "state"])
    return frame.assign(trade_date=pd.to_datetime(dates))


AGREEMENT = agreement(
    ("AAAA3", 1.133, 1.133, "equal"), ("AAAA3", 1.0, 1.0, "break"), ("BBBB4", 1.0, 1.0, "equal")
)

FINDINGS: list[tuple[Plot, pd.DataFrame, str]] = [
    (plots.closes_with_ma5, CLOSES, "AAAA3 did best, +20.0%; BBBB4 worst, −25.0%"),
    (plots.cumulative_returns, CUMULATIVE, "AAAA3 made +23.4%, BBBB4 −5.0%, the basket +9.2%"),
    (plots.drawdown, DRAWDOWN, "AAAA3 fell deepest: 43.1% below its high on 3 Jan 2024"),
    (plots.rolling_volatility, VOLATILITY, "BBBB4 swings most: 70% a year; AAAA3 least: 21%"),
    (plots.correlation, CORRELATION, "CCCC3 and BBBB4 move together most: 0.80"),
    (plots.candlestick, CANDLES, "AAAA3 lost 5.0%, between R$ 9.50 and R$ 12.50"),
    (
        plots.monthly_returns,
        MONTHLY,
        "Best: BBBB4 in Jan, +12.3%; worst: AAAA3 in Feb, −11.0%",
    ),
    (plots.volume, VOLUME, "BBBB4 trades most: 40.0 million shares a session"),
    (plots.gaps, GAPS, "Longest gap: BBBB4 missed 5 sessions before 4 Jan 2024"),
    (plots.completeness, COUNTS, "Missing: 1 of 4 partitions, 1 of them of BBBB4"),
    (
        plots.reconciliation,
        AGREEMENT,
        "The ratio of AAAA3 breaks on 3 Jan 2024; 3 closes compared",
    ),
    (plots.bytes_scanned, SCANNED, "“badly” reads 10 times as much as “well”"),
]


_MADE: dict[tuple[str, int, bool], Axes] = {}


def made(plot: Plot, frame: pd.DataFrame, *, simulated: bool = False) -> Axes:
    """Return a plot of one of the frames above, made once for all tests that look at it."""
    key = (plot.__name__, id(frame), simulated)
    if key not in _MADE:
        _MADE[key] = plot(frame, simulated=True) if simulated else plot(frame)
    return _MADE[key]


def title(ax: Axes) -> str:
    """Return the finding above a plot, its lines joined."""
    return " ".join(style.figure_of(ax).get_suptitle().split())


def words(ax: Axes) -> list[str]:
    """Return every text on a figure."""
    return [text.get_text().strip() for text in style.figure_of(ax).findobj(Text)]


@pytest.mark.parametrize(("plot", "frame", "finding"), FINDINGS)
def test_a_title_states_what_the_data_show(plot: Plot, frame: pd.DataFrame, finding: str) -> None:
    """The finding is computed from the frame; here each was read off the numbers above."""
    assert title(made(plot, frame)) == finding


@pytest.mark.parametrize(("plot", "frame"), [case[:2] for case in FINDINGS])
def test_a_plot_is_axes_and_can_be_drawn(plot: Plot, frame: pd.DataFrame) -> None:
    """Drawing runs every formatter, which returning Axes does not."""
    ax = made(plot, frame)

    assert isinstance(ax, Axes)
    style.figure_of(ax).canvas.draw()


@pytest.mark.parametrize(("plot", "frame"), [case[:2] for case in FINDINGS])
def test_simulated_data_are_called_so_and_real_ones_are_not(
    plot: Plot, frame: pd.DataFrame
) -> None:
    """A made-up market must never pass for the real one."""
    assert "Simulated data" in words(made(plot, frame, simulated=True))
    assert "Simulated data" not in words(made(plot, frame))


@pytest.mark.parametrize(
    ("plot", "frame", "x", "y"),
    [
        (plots.cumulative_returns, CUMULATIVE, "session, 2 Jan to 3 Jan 2024", "%"),
        (plots.drawdown, DRAWDOWN, "session", "%"),
        (plots.rolling_volatility, VOLATILITY, "session", "% a year"),
        (plots.monthly_returns, MONTHLY, "month, Jan 2024 to Feb 2024", "ticker"),
        (plots.volume, VOLUME, "million shares", "ticker"),
        (plots.volume_against_moves, VOLUME, "%", "multiples"),
        (plots.gaps, GAPS, "calendar days", "quotes"),
        (plots.completeness, COUNTS, "session", "ticker"),
        (plots.bytes_scanned, SCANNED, "kilobytes", ""),
    ],
)
def test_the_axes_name_their_units(plot: Plot, frame: pd.DataFrame, x: str, y: str) -> None:
    """A number without a unit is a guess."""
    ax = made(plot, frame)

    assert x in ax.get_xlabel()
    assert y in ax.get_ylabel()


def test_closes_have_a_panel_a_ticker_in_reais() -> None:
    """Small multiples: each with its ticker, its change and its unit."""
    panels = style.figure_of(plots.closes_with_ma5(CLOSES)).axes

    assert [panel.get_title(loc="left") for panel in panels] == ["AAAA3  +20.0%", "BBBB4  −25.0%"]
    assert {panel.get_ylabel() for panel in panels} == {"R$"}


def test_an_odd_number_of_tickers_leaves_no_empty_panel() -> None:
    """The place beside the last panel is hidden."""
    third = CLOSES[CLOSES["ticker"] == "AAAA3"].assign(ticker="CCCC3")

    panels = style.figure_of(plots.closes_with_ma5(pd.concat([CLOSES, third]))).axes

    assert [panel.get_visible() for panel in panels] == [True, True, True, False]


def test_the_days_below_panels_side_by_side_do_not_touch(monkeypatch: pytest.MonkeyPatch) -> None:
    """A month of sessions, in the language whose days are longer: 13 mar."""
    monkeypatch.setenv("B3_LANG", "pt_BR")
    days = pd.bdate_range("2024-03-01", "2024-03-28")
    tickers = ["AAAA3", "BBBB3"]
    frame = pd.DataFrame(
        [(day, ticker, 20.0, 20.0) for day in days for ticker in tickers],
        columns=["trade_date", "ticker", "close_price", "close_ma_5"],
    )
    ax = plots.closes_with_ma5(frame)
    style.figure_of(ax).canvas.draw()
    drawn = [label for label in ax.get_xticklabels() if label.get_text()]
    places = [label.get_window_extent() for label in drawn]
    assert len(places) >= 2
    assert all(left.x1 < right.x0 for left, right in pairwise(places))


def test_a_single_ticker_is_not_compared_with_itself() -> None:
    """Best and worst would be the same share."""
    alone = CLOSES[CLOSES["ticker"] == "AAAA3"]

    assert title(plots.closes_with_ma5(alone)) == "AAAA3 gained 20.0%"


def test_the_candles_stand_over_the_volume_in_millions() -> None:
    """Two Axes share the sessions; prices are in reais."""
    upper, lower = style.figure_of(plots.candlestick(CANDLES)).axes

    assert upper.get_ylabel() == "price, R$"
    assert lower.get_ylabel() == "volume,\nmillion shares"
    assert [bar.get_height() for bar in lower.patches] == [1.0, 2.0]


def test_a_candle_that_rose_is_hollow_and_one_that_fell_is_filled() -> None:
    """Told apart in print and by colour-blind readers, not by colour alone."""
    upper = plots.candlestick(CANDLES)

    assert [bar.get_facecolor()[:3] == (1.0, 1.0, 1.0) for bar in upper.patches] == [True, False]


def test_correlation_with_sectors_compares_within_and_across() -> None:
    """A with B is 0.2 within a sector; A with C is 0.4 and B with C 0.8 across."""
    sectors = {"AAAA3": "Oil", "BBBB4": "Oil", "CCCC3": "Banks"}

    ax = plots.correlation(CORRELATION, sectors=sectors)

    assert title(ax) == "Sectors do not move together: 0.20 within them, 0.60 across"
    assert {"Oil", "Banks"} <= set(words(ax))
    assert [label.get_text() for label in ax.get_yticklabels()] == ["CCCC3", "AAAA3", "BBBB4"]


def test_shares_without_a_sector_stand_last_and_are_no_sector() -> None:
    """A with B is 0.2, within oil; what `other` shares have in common is nothing."""
    sectors = {"AAAA3": "Oil", "BBBB4": "Oil", "CCCC3": "other"}

    ax = plots.correlation(CORRELATION, sectors=sectors)

    assert [label.get_text() for label in ax.get_yticklabels()] == ["AAAA3", "BBBB4", "CCCC3"]
    assert "other" not in words(ax)
    assert title(plots.correlation(CORRELATION, sectors=dict.fromkeys(sectors, "other"))) == (
        "CCCC3 and BBBB4 move together most: 0.80"
    )


def test_correlation_shows_each_pair_once() -> None:
    """Half of the matrix says it all; a share with itself says nothing."""
    image = plots.correlation(CORRELATION).images[0].get_array()

    assert image is not None
    assert image.count() == 3


def test_volume_that_rises_with_the_move_is_said_to() -> None:
    """The made-up volumes rise with every percent of move."""
    assert title(plots.volume_against_moves(VOLUME)).startswith("Large moves come with heavy")


def test_no_missed_session_is_said_so() -> None:
    """Long distances over weekends and holidays are no gap."""
    assert (
        title(plots.gaps(GAPS[:2])) == "No session was missed: all gaps are weekends and holidays"
    )


def test_completeness_counts_sessions_and_tickers_that_the_frame_does_not_know() -> None:
    """A session that nobody has and a ticker that came not at all are holes too."""
    ax = plots.completeness(
        COUNTS, sessions=["2024-01-02", "2024-01-03", "2024-01-04"], tickers=["CCCC3"]
    )

    assert title(ax) == "Missing: 6 of 9 partitions, 3 of them of CCCC3"


def test_complete_data_are_said_to_be() -> None:
    """The usual case, and the one to be proud of."""
    complete = COUNTS[COUNTS["ticker"] == "AAAA3"]

    assert title(plots.completeness(complete)) == "Complete: all 2 partitions of 1 ticker"


def test_the_cost_of_an_event_per_object_is_drawn_against_one_per_batch() -> None:
    """2,500 runs at the minimum against one of a minute: 2,500 times."""
    ax = plots.event_costs(costs.event_per_object_cost(2500).frame())

    assert title(ax) == "An event for each object costs 2,500 times as much"
    assert "US dollars" in ax.get_xlabel()
    assert "USD 36.67, 2,500 runs, 42 hours" in words(ax)
    few = plots.event_costs(costs.event_per_object_cost(82).frame())
    assert "USD 1.20, 82 runs, 1 hour" in words(few)


def test_a_timeline_names_its_longest_stage() -> None:
    """Bars begin where their stage began, in seconds since the first."""
    ax = plots.run_timeline(STAGES)

    assert title(ax) == "refine takes 8.0 of the 10.0 seconds"
    assert [bar.get_x() for bar in ax.patches] == [0.0, 2.0]
    assert "seconds" in ax.get_xlabel()


def test_a_plot_leaves_the_style_of_other_plots_alone() -> None:
    """A reader's own figures keep their own size and colours."""
    before = dict(mpl.rcParams)

    plots.volume(VOLUME)

    assert dict(mpl.rcParams) == before


def test_an_empty_frame_is_refused_with_what_to_try() -> None:
    """An empty plot would hide an unregistered partition."""
    with pytest.raises(PlotError, match="no rows to draw") as caught:
        plots.drawdown(DRAWDOWN[:0])
    assert "partitions" in caught.value.hint


def test_a_missing_column_is_named() -> None:
    """The hint says which query makes such a frame."""
    with pytest.raises(PlotError, match=r"lacks basket_return.*cumulative_return"):
        plots.cumulative_returns(CUMULATIVE.drop(columns="basket_return"))


def test_volatility_over_too_few_sessions_says_how_many_are_needed() -> None:
    """All nulls: fewer than 21 returns."""
    with pytest.raises(PlotError, match="22 sessions"):
        plots.rolling_volatility(VOLATILITY.assign(volatility=float("nan")))


@pytest.mark.parametrize(
    ("value", "text"), [(0.2345, "+23.4%"), (-0.05, "−5.0%"), (0.0, "0.0%"), (-0.00001, "0.0%")]
)
def test_percent_signs_what_is_not_zero(value: float, text: str) -> None:
    """A true minus sign, and none on a zero."""
    assert style.percent(value) == text


def test_labels_that_would_touch_move_apart_by_the_gap() -> None:
    """Two at 1.0 with a gap of 0.4 share it; a third far away stays."""
    assert style.spread([1.0, 1.0, 5.0], 0.4, 0.0, 10.0) == pytest.approx([0.8, 1.2, 5.0])


def test_labels_stay_within_the_axes() -> None:
    """A block at the upper edge grows downwards."""
    assert style.spread([9.9, 10.0], 1.0, 0.0, 10.0) == [9.0, 10.0]


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [
        ("2024-01-02", "2024-06-28", "2 Jan to 28 Jun 2024"),
        ("2023-12-28", "2024-01-02", "28 Dec 2023 to 2 Jan 2024"),
    ],
)
def test_a_span_writes_its_year_once_where_it_can(first: str, last: str, text: str) -> None:
    """Short on the axis, and unambiguous."""
    assert style.span(pd.Series(pd.to_datetime([first, last]))) == text


def test_sources_that_agree_share_one_panel_and_are_said_to() -> None:
    """A factor that stays is divided out: nothing is to be seen, and that is the news."""
    frame = agreement(("AAAA3", 1.0, 1.0, "equal"), ("BBBB4", 2.0, 2.0, "equal"))
    ax = plots.reconciliation(frame)

    assert title(ax) == "Both agree: 2 closes, to the cent"
    assert len(style.figure_of(ax).axes) == 1
    assert ax.get_ylabel() == "source / bronze / factor"
    assert [list(line.get_ydata()) for line in ax.lines] == [[1.0, 1.0]]


def test_a_break_has_a_panel_a_mark_and_the_title() -> None:
    """The others share the last panel."""
    ax = plots.reconciliation(AGREEMENT)

    assert [panel.get_title(loc="left") for panel in style.figure_of(ax).axes] == [
        "AAAA3  1.133, then 1",
        "BBBB4  no change",
    ]
    marked = [line for line in ax.lines if line.get_color() == style.VERMILION]
    assert marked[0].get_linestyle() == "--"
    assert list(marked[-1].get_ydata()) == [1.0]
    assert "break" in words(ax)
    assert "session, 2 Jan to 4 Jan 2024" in words(ax)


def test_beyond_eight_panels_changes_are_counted() -> None:
    """Ten tickers break: the last panel says how many of them it hides."""
    sessions = [
        (f"AAA{letter}3", ratio, ratio, state)
        for letter in "ABCDEFGHIJ"
        for ratio, state in ((2.0, "equal"), (1.0, "break"))
    ]
    panels = style.figure_of(plots.reconciliation(agreement(*sessions))).axes

    assert panels[8].get_title(loc="left") == "2 other tickers  2 with changes"


def test_a_session_that_one_side_lacks_is_marked() -> None:
    """There is no ratio to draw, so a line stands at the foot of the panel."""
    frame = agreement(("AAAA3", 1.0, 1.0, "equal"), ("AAAA3", None, None, "only in bronze"))
    ax = plots.reconciliation(frame)

    assert title(ax) == "1 session that only one side has; 1 close compared"
    assert [len(line.get_xdata()) for line in ax.lines if line.get_color() == style.ORANGE] == [1]


@pytest.mark.parametrize(
    ("steps", "written"),
    [
        ([-0.05, -0.025, 0.0], ["−5.0%", "−2.5%", "0.0%"]),
        ([-0.2, -0.1, 0.0], ["−20%", "−10%", "0%"]),
        ([-0.005, -0.0025, 0.0], ["−0.50%", "−0.25%", "0.00%"]),
    ],
)
def test_an_axis_says_the_percents_at_which_its_lines_are(
    steps: list[float], written: list[str]
) -> None:
    """A line at −2.5% is not one at −3%; where all are whole, there are no digits."""
    ax = plots.drawdown(DRAWDOWN)
    ax.set_yticks(steps)
    assert [label.get_text() for label in ax.get_yticklabels()] == written


def test_two_months_are_named_as_months() -> None:
    """The first of January is none of their columns."""
    ax = plots.monthly_returns(MONTHLY)
    assert [label.get_text() for label in ax.get_xticklabels()] == ["Jan", "Feb"]


@pytest.mark.process
def test_a_cell_draws_a_figure_no_more_often_than_it_must():
    """Once for the layout, and once to be shown: pyplot's own drawing would be a third time."""
    command = [sys.executable, "-c", IN_A_NOTEBOOK]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    assert answer.stdout.splitlines()[-1] == "2", answer.stdout


@pytest.mark.process
def test_a_notebook_keeps_what_a_plot_tells():
    """For whoever cannot see it, in the picture's metadata; the report and the site read it."""
    command = [sys.executable, "-c", TOLD_IN_A_NOTEBOOK]
    answer = subprocess.run(command, capture_output=True, text=True, check=True)
    told = "Simulated data. AAAA3 rose. close, mean"
    assert answer.stdout.splitlines()[-1] == str([{"image/png": {"alt": told}}]), answer.stdout


def test_a_figure_names_no_class_of_ours() -> None:
    """A notebook keeps it beside the picture, in every language."""
    assert repr(style.figure_of(plots.monthly_returns(MONTHLY))).startswith("<Figure size ")
