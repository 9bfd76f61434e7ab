-- Which shares move together?
--
-- The table meets itself on the session: every pair of shares, on the days when both traded.
-- `corr` is Pearson's; log returns, since those of a week are the sum of its days'.
WITH log_returns AS (
    SELECT
        trade_date,
        ticker,
        ln(1 + close_return) AS log_return
    FROM b3_daily_quotes_refined
    WHERE dt BETWEEN :start AND :end
      AND ticker IN :tickers
      AND close_return IS NOT NULL
)

SELECT
    a.ticker AS ticker_a,
    b.ticker AS ticker_b,
    corr(a.log_return, b.log_return) AS correlation,
    count(*) AS sessions
FROM log_returns AS a
INNER JOIN log_returns AS b ON a.trade_date = b.trade_date
GROUP BY a.ticker, b.ticker
ORDER BY a.ticker, b.ticker
