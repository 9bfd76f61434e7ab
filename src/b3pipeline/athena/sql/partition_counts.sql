-- Which (session, ticker) partitions does bronze hold, and how many bars are in each?
--
-- Athena sees registered partitions only: an object that nobody registered is not counted here.
SELECT
    dt,
    ticker,
    count(*) AS bars
FROM b3_daily_quotes
WHERE dt BETWEEN :start AND :end
GROUP BY dt, ticker
ORDER BY ticker, dt
