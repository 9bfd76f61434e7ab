-- Which shares traded most? Answered well: the same figures, for less.
--
-- `dt` is a partition key: the catalog knows it without opening an object, so only the partitions
-- of the range are read. ISO dates sort as text, which is why a string key can have a range.
SELECT
    ticker,
    sum(total_volume) AS total_volume
FROM b3_daily_quotes_refined
WHERE dt BETWEEN :start AND :end
GROUP BY ticker
ORDER BY total_volume DESC, ticker
