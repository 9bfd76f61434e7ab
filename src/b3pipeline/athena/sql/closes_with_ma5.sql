-- Where did each share close, and where was its five-session mean?
--
-- `dt` and `ticker` are partition keys: the filter on them decides which objects Athena opens.
-- The mean was computed once, by the refine; it is null until five sessions exist.
SELECT
    trade_date,
    ticker,
    close_price,
    close_ma_5
FROM b3_daily_quotes_refined
WHERE dt BETWEEN :start AND :end
  AND ticker IN :tickers
ORDER BY ticker, trade_date
