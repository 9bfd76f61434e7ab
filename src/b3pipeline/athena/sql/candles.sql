-- How did one share trade, session by session?
--
-- One ticker and a range of days: the filter uses both partition keys, and Athena opens the
-- objects of that one share alone.
SELECT
    trade_date,
    ticker,
    open_price,
    high_price,
    low_price,
    close_price,
    total_volume
FROM b3_daily_quotes_refined
WHERE dt BETWEEN :start AND :end
  AND ticker = :ticker
ORDER BY trade_date
