-- What did the refine make of each quote: one row from bronze beside its row of silver?
--
-- Both tables share their partition keys, so the join is on those; filtering one side on `dt` would
-- leave the other to be read whole.
SELECT
    b.dt,
    b.ticker,
    b.close,
    b.volume,
    s.close_price,
    s.total_volume,
    s.quote_count,
    s.close_ma_5,
    s.close_return,
    s.days_since_previous
FROM b3_daily_quotes AS b
INNER JOIN b3_daily_quotes_refined AS s ON s.dt = b.dt AND s.ticker = b.ticker
WHERE b.dt BETWEEN :start AND :end
  AND s.dt BETWEEN :start AND :end
  AND b.ticker = :ticker
  AND s.ticker = :ticker
ORDER BY b.dt
