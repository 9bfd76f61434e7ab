-- How nervous was each share: the yearly volatility of its last 21 sessions?
--
-- 21 sessions are about a month, 252 a year: deviation of the log returns x sqrt(252).
-- A window is short until it has filled; a figure from three sessions would mislead, so the
-- count guards it and the first 20 sessions stay null.
WITH log_returns AS (
    SELECT
        trade_date,
        ticker,
        ln(1 + close_return) AS log_return
    FROM b3_daily_quotes_refined
    WHERE dt BETWEEN :start AND :end
      AND ticker IN :tickers
)

SELECT
    trade_date,
    ticker,
    CASE
        WHEN count(log_return) OVER last_21 = 21
        THEN stddev_samp(log_return) OVER last_21 * sqrt(252)
    END AS volatility
FROM log_returns
WINDOW last_21 AS (
    PARTITION BY ticker
    ORDER BY trade_date
    ROWS BETWEEN 20 PRECEDING AND CURRENT ROW
)
ORDER BY ticker, trade_date
