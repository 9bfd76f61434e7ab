-- What did each month bring, share by share?
--
-- `monthly_return` compounds the returns of the month's sessions. `turnover` is the money that
-- changed hands, in reais: shares x close, an estimate, as not every share traded at the close.
SELECT
    date_trunc('month', trade_date) AS trade_month,
    ticker,
    count(*) AS sessions,
    exp(sum(ln(1 + close_return))) - 1 AS monthly_return,
    min(low_price) AS lowest,
    max(high_price) AS highest,
    sum(total_volume) AS total_volume,
    sum(total_volume * close_price) AS turnover
FROM b3_daily_quotes_refined
WHERE dt BETWEEN :start AND :end
  AND ticker IN :tickers
GROUP BY date_trunc('month', trade_date), ticker
ORDER BY ticker, trade_month
