-- When did a share skip a day, and was it the calendar's doing or its own?
--
-- `days_since_previous` counts calendar days: 3 over a weekend is no gap at all. A share missed a
-- session only where the others traded and it did not, so the sessions are numbered over all
-- shares: a step of more than one is `missed_sessions`.
WITH numbered AS (
    SELECT
        trade_date,
        ticker,
        days_since_previous,
        dense_rank() OVER (ORDER BY trade_date) AS session_number
    FROM b3_daily_quotes_refined
    WHERE dt BETWEEN :start AND :end
      AND ticker IN :tickers
),

steps AS (
    SELECT
        trade_date,
        ticker,
        days_since_previous,
        session_number
            - lag(session_number) OVER (PARTITION BY ticker ORDER BY trade_date) AS sessions_on
    FROM numbered
)

SELECT
    trade_date,
    ticker,
    days_since_previous,
    sessions_on - 1 AS missed_sessions
FROM steps
WHERE sessions_on IS NOT NULL
ORDER BY ticker, trade_date
