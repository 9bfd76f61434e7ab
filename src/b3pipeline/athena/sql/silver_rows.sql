-- What is in silver, row by row and column by column: is it the same silver as before?
--
-- The star takes in every column that the table has, also one that is added later. Compare without
-- `refined_at`: it says when a row was made, and a rebuild makes every row anew.
SELECT *
FROM b3_daily_quotes_refined
WHERE dt BETWEEN :start AND :end
ORDER BY ticker, dt
