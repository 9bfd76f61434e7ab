-- Does a share trade more on the days when its price moves?
--
-- Volumes of different shares do not compare, so each is set against its own mean:
-- `relative_volume` is 1 on a usual day and 2 where twice as many shares changed hands.
SELECT
    trade_date,
    ticker,
    total_volume,
    total_volume / avg(total_volume) OVER (PARTITION BY ticker) AS relative_volume,
    close_return,
    abs(close_return) AS absolute_return
FROM b3_daily_quotes_refined
WHERE dt BETWEEN :start AND :end
  AND ticker IN :tickers
ORDER BY ticker, trade_date
