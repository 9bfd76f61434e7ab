-- What does silver add up to, share by share: is it the same silver as before?
--
-- Two tables with the same rows have the same totals. `refined_at` is left out: it says when a row
-- was made, and a rebuild makes every row anew. Rounded, for a sum of doubles has no fixed order.
SELECT
    ticker,
    count(*) AS sessions,
    round(sum(close_price), 6) AS closes,
    round(sum(close_ma_5), 6) AS means,
    round(sum(close_return), 6) AS returns,
    sum(total_volume) AS total_volume,
    sum(days_since_previous) AS days
FROM b3_daily_quotes_refined
WHERE dt BETWEEN :start AND :end
GROUP BY ticker
ORDER BY ticker
