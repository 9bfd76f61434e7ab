-- What became of one real put into each share at the start, and into all of them in equal parts?
--
-- Returns multiply, so their logarithms add up: growth = exp(sum(ln(1 + return))).
-- The basket holds every share with the same weight and is levelled again at each session:
-- its return of a session is the plain mean of its members' returns.
WITH session_returns AS (
    SELECT
        trade_date,
        ticker,
        -- The first session is the base: its own return happened before the range.
        CASE
            WHEN row_number() OVER (PARTITION BY ticker ORDER BY trade_date) > 1
            THEN close_return
        END AS session_return
    FROM b3_daily_quotes_refined
    WHERE dt BETWEEN :start AND :end
      AND ticker IN :tickers
),

basket AS (
    SELECT
        trade_date,
        coalesce(avg(session_return), 0) AS session_return
    FROM session_returns
    GROUP BY trade_date
),

basket_growth AS (
    SELECT
        trade_date,
        exp(sum(ln(1 + session_return)) OVER (ORDER BY trade_date)) AS growth
    FROM basket
)

SELECT
    s.trade_date,
    s.ticker,
    exp(
        sum(ln(1 + coalesce(s.session_return, 0)))
            OVER (PARTITION BY s.ticker ORDER BY s.trade_date)
    ) - 1 AS cumulative_return,
    b.growth - 1 AS basket_return
FROM session_returns AS s
INNER JOIN basket_growth AS b ON b.trade_date = s.trade_date
ORDER BY s.ticker, s.trade_date
