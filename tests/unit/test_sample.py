"""The simulated market: the same for everyone, and close to the measured one."""

import datetime as dt
import hashlib
import time

import numpy as np
import pandas as pd
import pytest

from b3pipeline.calendar import sessions
from b3pipeline.errors import ConfigError, DateRangeError
from b3pipeline.sources import open_source
from b3pipeline.sources.base import QUOTE_COLUMNS, check_frame
from b3pipeline.sources.sample.market import FIRST_SESSION, _market, history, uniforms
from b3pipeline.sources.sample.stocks import ACTIONS_UNTIL, MARKET_VOL, STOCKS

YEAR = 252**0.5
TEN_YEARS = (FIRST_SESSION, dt.date(2024, 12, 30))

GOLDEN_ROWS = [
    ("MGLU3", "2024-01-02", 2.8, 2.85, 2.6, 2.73, 2.73, 13036900, 0.0, 0.0),
    ("MGLU3", "2024-01-03", 2.8, 2.82, 2.7, 2.74, 2.74, 10462900, 0.0, 0.0),
    ("MGLU3", "2024-01-04", 2.72, 2.76, 2.67, 2.74, 2.74, 11245700, 0.0, 0.0),
    ("PETR4", "2024-01-02", 29.53, 30.43, 29.47, 29.73, 23.30069, 43764100, 0.0, 0.0),
    ("PETR4", "2024-01-03", 29.75, 30.27, 29.38, 30.07, 23.567163, 59955300, 0.0, 0.0),
    ("PETR4", "2024-01-04", 29.98, 30.19, 29.76, 29.79, 23.347715, 82546300, 0.0, 0.0),
]
GOLDEN_DIGEST = "3bbbcb54cc4f2271"


@pytest.fixture(scope="module")
def source():
    """The simulated market as a source."""
    return open_source("sample")


@pytest.fixture(scope="module")
def market(source):
    """Ten years of all stocks: a frame of quotes."""
    return source.fetch(list(STOCKS), *TEN_YEARS).frame


@pytest.fixture(scope="module")
def wide(market):
    """Columns of the ten years, by name: sessions x tickers."""
    return {
        name: market.pivot(index="traded_at", columns="ticker", values=name)
        for name in ("open", "high", "low", "close", "volume")
    }


@pytest.fixture(scope="module")
def returns(wide):
    """Daily log returns: sessions x tickers."""
    return np.log(wide["close"]).diff().iloc[1:]


@pytest.fixture(scope="module")
def factor(returns):
    """Daily log returns of the market itself."""
    normal, mood = _market(len(returns) + 1)
    return pd.Series((normal * mood * MARKET_VOL / YEAR)[1:], index=returns.index)


def betas(returns, factor):
    """Return each stock's slope against the market."""
    return returns.apply(lambda stock: np.cov(stock, factor)[0, 1] / factor.var())


def fetch(source, tickers, start, end, interval="1d"):
    """Return the frame of a range given in ISO dates."""
    return source.fetch(
        tickers, dt.date.fromisoformat(start), dt.date.fromisoformat(end), interval
    ).frame


# ------------------------------------------------------------------------------ the same for all


def test_these_quotes_never_change(source):
    """Written down from the first run: other numbers here break everybody's tutorial."""
    found = fetch(source, ["MGLU3", "PETR4"], "2024-01-02", "2024-01-04")
    expected = pd.DataFrame(
        GOLDEN_ROWS,
        columns=list(QUOTE_COLUMNS),
    ).astype(QUOTE_COLUMNS)
    pd.testing.assert_frame_equal(found, expected, check_exact=True)


def test_ten_years_have_the_fingerprint_that_they_had(market):
    """One digit that differs on another platform or version shows here."""
    text = market.to_csv(index=False, float_format="%.6f", lineterminator="\n")
    assert hashlib.sha256(text.encode()).hexdigest()[:16] == GOLDEN_DIGEST


def test_a_quote_does_not_depend_on_the_range(source, market):
    """One session asked for alone equals that session within ten years."""
    alone = fetch(source, ["PETR4"], "2021-04-28", "2021-04-28")
    within = market[(market["ticker"] == "PETR4") & (market["traded_at"] == "2021-04-28")]
    pd.testing.assert_frame_equal(alone, within.reset_index(drop=True))


def test_a_quote_does_not_depend_on_the_other_tickers(source, market):
    """A basket of one gives what a basket of twenty gives."""
    alone = source.fetch(["WEGE3"], *TEN_YEARS).frame
    pd.testing.assert_frame_equal(alone, market[market["ticker"] == "WEGE3"].reset_index(drop=True))


@pytest.mark.parametrize("interval", ["1d", "15m"])
def test_later_sessions_leave_the_earlier_ones_alone(source, interval):
    """Asking up to 2032 changes nothing of 2026, adjusted closes included."""
    short = fetch(source, ["ITUB4"], "2026-01-02", "2026-06-30", interval)
    long = fetch(source, ["ITUB4"], "2026-01-02", "2032-06-30", interval)
    pd.testing.assert_frame_equal(short, long.head(len(short)))


def test_a_row_of_random_numbers_depends_on_its_place_alone():
    """Sixth to tenth row, drawn with or without those before."""
    np.testing.assert_array_equal(
        uniforms("stream", 10, 6)[6:], uniforms("stream", 4, 6, first_row=6)
    )


def test_random_numbers_fill_the_unit_interval_evenly():
    """Mean 1/2, variance 1/12, no end ever reached."""
    numbers = uniforms("stream", 100_000, 3)
    assert 0 < numbers.min() < 1e-4
    assert 1 - 1e-4 < numbers.max() < 1
    assert numbers.mean() == pytest.approx(1 / 2, abs=0.002)
    assert numbers.var() == pytest.approx(1 / 12, abs=0.001)
    assert abs(np.corrcoef(numbers.T)[0, 1]) < 0.01


# ------------------------------------------------------------------------------------- its shape


def test_it_keeps_the_contract_of_sources(market):
    """Columns, dtypes, order, no bar twice."""
    assert check_frame(market) is market


def test_every_stock_trades_at_every_session(wide):
    """No holes but those asked for."""
    assert [day.date() for day in wide["close"].index] == sessions(*TEN_YEARS)
    assert wide["close"].shape[1] == 20
    assert wide["close"].notna().all(axis=None)


def test_high_and_low_enclose_open_and_close(market):
    """Of every bar; and all prices are positive."""
    assert (market["low"] > 0).all()
    assert (market["low"] <= market[["open", "close"]].min(axis=1)).all()
    assert (market["high"] >= market[["open", "close"]].max(axis=1)).all()


def test_prices_lie_on_the_tick_and_volumes_are_lots(market):
    """R$0.01 and 100 shares, for a stock without splits."""
    petr4 = market[market["ticker"] == "PETR4"]
    for name in ("open", "high", "low", "close"):
        np.testing.assert_array_equal(petr4[name], petr4[name].round(2))
    assert (petr4["volume"] % 100 == 0).all()
    assert (petr4["volume"] > 0).all()


def test_an_unknown_ticker_is_a_failure(source):
    """The known one still comes."""
    quotes = source.fetch(["PETR4", "ZZZZ3"], dt.date(2024, 6, 3), dt.date(2024, 6, 4))
    assert set(quotes.frame["ticker"]) == {"PETR4"}
    assert [(failure.ticker, failure.kind) for failure in quotes.failures] == [("ZZZZ3", "unknown")]


def test_nothing_is_there_before_the_first_session(source):
    """2015-01-02 is where the market begins."""
    with pytest.raises(DateRangeError, match="nothing before 2015-01-02, and 2014-12-30 is"):
        fetch(source, ["PETR4"], "2014-12-30", "2015-01-10")


def test_an_interval_that_is_not_on_offer_is_refused(source):
    """The hint lists those that are."""
    with pytest.raises(ConfigError, match="'2h'") as caught:
        fetch(source, ["PETR4"], "2024-06-03", "2024-06-04", "2h")
    assert "1d, 60m, 30m, 15m, 5m" in caught.value.hint


def test_five_years_of_twenty_stocks_take_less_than_a_second(source):
    """Measured at 0.1 s with the calendar in place."""
    sessions(*TEN_YEARS)
    history.cache_clear()
    start = time.perf_counter()
    source.fetch(list(STOCKS), dt.date(2020, 1, 2), dt.date(2024, 12, 30))
    assert time.perf_counter() - start < 1


# -------------------------------------------------------------------------- the measured figures


def test_volatility_is_that_of_the_table(returns):
    """A year's deviation of each stock, within a tenth."""
    for ticker, deviation in (returns.std() * YEAR).items():
        assert deviation == pytest.approx(STOCKS[ticker].vol, rel=0.10)


def test_beta_is_that_of_the_table(returns, factor):
    """The slope against the market, within a tenth of one."""
    for ticker, beta in betas(returns, factor).items():
        assert beta == pytest.approx(STOCKS[ticker].beta, abs=0.10)


def test_the_medians_are_the_measured_ones(returns, factor):
    """Market 19.5%, beta 0.84, own 27%, total 31%, mean correlation 0.29."""
    slopes = betas(returns, factor)
    own = (returns - np.outer(factor, slopes)).std() * YEAR
    correlation = returns.corr().to_numpy()[np.triu_indices(20, 1)]
    assert factor.std() * YEAR == pytest.approx(0.195, abs=0.01)
    assert slopes.median() == pytest.approx(0.84, abs=0.05)
    assert own.median() == pytest.approx(0.27, abs=0.02)
    assert (returns.std() * YEAR).median() == pytest.approx(0.31, abs=0.02)
    assert correlation.mean() == pytest.approx(0.29, abs=0.03)


def test_tails_are_fat(returns):
    """Median excess kurtosis 2.7."""
    assert returns.kurt().median() == pytest.approx(2.7, abs=0.5)


@pytest.mark.parametrize(
    ("sector", "expected"),
    [("oil", 0.51), ("metals", 0.51), ("pulp", 0.64), ("banks", 0.20), ("utilities", 0.23)],
)
def test_stocks_of_a_sector_share_what_the_market_leaves(returns, factor, sector, expected):
    """Mean correlation of the residuals within the sector."""
    rest = (returns - np.outer(factor, betas(returns, factor))).corr()
    members = [ticker for ticker, stock in STOCKS.items() if stock.sector == sector]
    pairs = [rest.loc[a, b] for a in members for b in members if a < b]
    assert np.mean(pairs) == pytest.approx(expected, abs=0.05)


def test_the_night_and_the_day_share_the_move(wide):
    """Overnight 16%, within the day 28%, median ln(high / low) 2.4%."""
    night = np.log(wide["open"]) - np.log(wide["close"].shift())
    day = np.log(wide["close"]) - np.log(wide["open"])
    assert (night.std() * YEAR).median() == pytest.approx(0.16, abs=0.02)
    assert (day.std() * YEAR).median() == pytest.approx(0.28, abs=0.02)
    assert np.log(wide["high"] / wide["low"]).median().median() == pytest.approx(0.024, abs=0.003)


def test_volume_moves_as_it_was_measured(wide, returns):
    """Log deviation 0.46, AR(1) 0.44, correlation with |return| 0.42, medians of the table."""
    logs = np.log(wide["volume"])
    remembered = logs.apply(lambda stock: stock.autocorr(1))
    moved = logs.iloc[1:].corrwith(returns.abs())
    assert logs.std().median() == pytest.approx(0.46, abs=0.02)
    assert remembered.median() == pytest.approx(0.44, abs=0.03)
    assert moved.median() == pytest.approx(0.42, abs=0.03)
    for ticker, volume in wide["volume"].median().items():
        assert volume == pytest.approx(STOCKS[ticker].volume, rel=0.10)


def test_returns_do_not_remember(returns):
    """No stock's return tells tomorrow's."""
    assert returns.apply(lambda stock: stock.autocorr(1)).abs().max() < 0.08


# ------------------------------------------------------------------------- dividends and splits


@pytest.mark.parametrize(
    ("ticker", "day", "ratio"),
    [("WEGE3", "2021-04-28", 2.0), ("BBDC4", "2022-04-19", 1.1), ("HAPV3", "2025-06-02", 1 / 15)],
)
def test_a_split_stands_on_its_session_alone(source, ticker, day, ratio):
    """Prices are adjusted already: no close jumps by the ratio."""
    frame = source.fetch([ticker], FIRST_SESSION, dt.date(2025, 12, 30)).frame
    split = frame[frame["stock_splits"] != 0]
    assert [str(moment.date()) for moment in split["traded_at"]] == [day]
    assert split["stock_splits"].tolist() == [ratio]
    place = split.index[0]
    move = np.log(frame["close"][place] / frame["close"][place - 1])
    assert abs(move) < 0.2 < abs(np.log(ratio)) or ratio == 1.1


def test_before_a_reverse_split_prices_were_ticks_of_the_old_share():
    """A cent then is fifteen now, as in Yahoo's own history."""
    hapv3 = history("HAPV3", ACTIONS_UNTIL)
    place = hapv3.days.index(dt.date(2025, 5, 30))
    assert hapv3.split_factor[place] == pytest.approx(1 / 15)
    assert hapv3.split_factor[place + 1] == 1


def test_the_adjusted_close_follows_the_dividends(source):
    """Yahoo's definition: its return is the total one on ex-dates, the price's on others."""
    frame = source.fetch(["ITUB4"], dt.date(2023, 1, 2), dt.date(2023, 12, 28)).frame
    close, adj = frame["close"], frame["adj_close"]
    paid = frame["dividends"]
    # adj[t-1] / adj[t] = (close[t-1] - dividend[t]) / close[t]
    expected = (close.shift() - paid) / close
    np.testing.assert_allclose((adj.shift() / adj)[1:], expected[1:], rtol=1e-6)
    assert (paid > 0).sum() == 12


def test_after_the_last_dividend_close_and_adjusted_close_are_one(source):
    """The schedule ends with 2025, so that no later dividend rewrites what was fetched."""
    frame = fetch(source, ["ITUB4", "PETR4"], "2026-01-02", "2026-06-30")
    assert (frame["dividends"] == 0).all()
    np.testing.assert_array_equal(frame["adj_close"], frame["close"])


def test_petr4_pays_more_than_wege3(source):
    """About 12% and 2% of the price in a year."""
    frame = fetch(source, ["PETR4", "WEGE3"], "2023-01-02", "2023-12-28")
    by_ticker = frame.groupby("ticker")
    paid = by_ticker["dividends"].sum() / by_ticker["close"].mean()
    assert paid["PETR4"] == pytest.approx(0.12, abs=0.02)
    assert paid["WEGE3"] == pytest.approx(0.02, abs=0.005)


# ------------------------------------------------------------------------------- within the day


@pytest.mark.parametrize(("interval", "bars"), [("60m", 7), ("30m", 14), ("15m", 28), ("5m", 84)])
def test_the_bars_of_a_day_add_up_to_it(source, interval, bars):
    """First open, highest high, lowest low, last close, all shares, dividend and split once."""
    tickers, span = ["BBDC4", "HAPV3", "PETR4"], ("2022-04-01", "2022-06-30")
    daily = fetch(source, tickers, *span)
    within = fetch(source, tickers, *span, interval)
    assert check_frame(within) is within
    added = (
        within.assign(traded_at=within["traded_at"].dt.normalize())
        .groupby(["ticker", "traded_at"], as_index=False)
        .agg(
            open=("open", "first"),
            high=("high", "max"),
            low=("low", "min"),
            close=("close", "last"),
            adj_close=("adj_close", "last"),
            volume=("volume", "sum"),
            dividends=("dividends", "sum"),
            stock_splits=("stock_splits", "sum"),
        )
    )
    pd.testing.assert_frame_equal(
        added.astype({"traded_at": "datetime64[us]"}), daily, check_exact=True
    )
    assert len(within) == bars * len(daily)


def test_a_bar_within_the_day_is_a_bar(source):
    """High and low enclose open and close; a bar opens where the one before closed."""
    frame = fetch(source, ["MGLU3", "VALE3"], "2023-01-02", "2023-12-28", "15m")
    assert (frame["low"] <= frame[["open", "close"]].min(axis=1)).all()
    assert (frame["high"] >= frame[["open", "close"]].max(axis=1)).all()
    assert (frame["volume"] >= 0).all()
    same_day = frame["traded_at"].dt.hour != 10
    same_day |= frame["traded_at"].dt.minute != 0
    np.testing.assert_array_equal(frame["open"][same_day], frame["close"].shift()[same_day])


def test_the_day_runs_from_ten_to_five(source):
    """The first bar starts at 10:00, the last of an hour at 16:00, São Paulo time."""
    frame = fetch(source, ["PETR4"], "2024-06-28", "2024-06-28", "60m")
    assert frame["traded_at"].dt.strftime("%H:%M").tolist() == [
        *("10:00", "11:00", "12:00", "13:00"),
        *("14:00", "15:00", "16:00"),
    ]
