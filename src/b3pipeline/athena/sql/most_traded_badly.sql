-- Which shares traded most? Answered badly: right figures, wrong filter.
--
-- `trade_date` is a column inside the files. To learn that a row lies outside the range, Athena
-- must open the object that holds it: every partition of the table, however short the range.
SELECT
    ticker,
    sum(total_volume) AS total_volume
FROM b3_daily_quotes_refined
WHERE trade_date BETWEEN CAST(:start AS date) AND CAST(:end AS date)
GROUP BY ticker
ORDER BY total_volume DESC, ticker
