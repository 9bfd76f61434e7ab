-- How far below its highest close so far did each share stand?
--
-- A drawdown compares a share with its own past: growth / highest growth so far - 1, never above 0.
-- Growth comes from the returns, not from the prices, so that a split is no loss.
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

growth AS (
    SELECT
        trade_date,
        ticker,
        exp(
            sum(ln(1 + coalesce(session_return, 0)))
                OVER (PARTITION BY ticker ORDER BY trade_date)
        ) AS growth
    FROM session_returns
)

SELECT
    trade_date,
    ticker,
    growth / max(growth) OVER (PARTITION BY ticker ORDER BY trade_date) - 1 AS drawdown
FROM growth
ORDER BY ticker, trade_date
