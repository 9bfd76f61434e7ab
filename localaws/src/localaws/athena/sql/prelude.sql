-- What Trino does and DuckDB does otherwise, as macros of DuckDB.
--
-- A failure is a cast that cannot succeed: error() is volatile, and TRY() takes no volatile part.

CREATE MACRO trino_fail(message) AS CAST(message AS INTEGER);
CREATE MACRO trino_fail_text(message) AS CAST(CAST(message AS INTEGER) AS VARCHAR);

-- NaN is not equal to anything, and neither above nor below it.
CREATE MACRO trino_eq(a, b) AS (a = b AND NOT isnan(a));
CREATE MACRO trino_neq(a, b) AS (a <> b OR isnan(a));
CREATE MACRO trino_lt(a, b) AS (a < b AND NOT isnan(b));
CREATE MACRO trino_lte(a, b) AS (a <= b AND NOT isnan(b));
CREATE MACRO trino_gt(a, b) AS (a > b AND NOT isnan(a));
CREATE MACRO trino_gte(a, b) AS (a >= b AND NOT isnan(a));

-- Decimals divide as whole numbers, half up; `factor` and `unit` are powers of ten.
CREATE MACRO trino_unscaled(x) AS CAST(replace(CAST(x AS VARCHAR), '.', '') AS HUGEINT);
CREATE MACRO trino_scaled(n, unit) AS
    CASE WHEN n < 0 THEN '-' ELSE '' END || CAST(abs(n) // unit AS VARCHAR)
    || CASE WHEN unit = 1 THEN '' ELSE '.'
        || lpad(CAST(abs(n) % unit AS VARCHAR),
                CAST(length(CAST(unit AS VARCHAR)) - 1 AS INTEGER), '0') END;
CREATE MACRO trino_half_up(n, d) AS
    CASE WHEN (n < 0) <> (d < 0) THEN -1 ELSE 1 END * ((2 * abs(n) + abs(d)) // (2 * abs(d)));
CREATE MACRO trino_decimal_divide(a, b, factor, unit) AS
    trino_scaled(trino_half_up(trino_unscaled(a) * factor, trino_unscaled(b)), unit);
CREATE MACRO trino_decimal_mean(total, n, unit) AS
    CASE WHEN n > 0 THEN
        trino_scaled(trino_half_up(trino_unscaled(total), CAST(n AS HUGEINT)), unit) END;
CREATE MACRO trino_truncate(x, digits) AS trunc(x * pow(10, digits)) / pow(10, digits);

-- Casts.
CREATE MACRO trino_text_to_bigint(x) AS CAST(
    CASE WHEN x IS NULL OR regexp_full_match(x, '[+-]?[0-9]+') THEN x
    ELSE trino_fail_text('INVALID_CAST_ARGUMENT: Cannot cast ''' || x || ''' to BIGINT') END
    AS BIGINT);
CREATE MACRO trino_text_to_integer(x) AS CAST(
    CASE WHEN x IS NULL OR regexp_full_match(x, '[+-]?[0-9]+') THEN x
    ELSE trino_fail_text('INVALID_CAST_ARGUMENT: Cannot cast ''' || x || ''' to INT') END
    AS INTEGER);
CREATE MACRO trino_text_to_smallint(x) AS CAST(
    CASE WHEN x IS NULL OR regexp_full_match(x, '[+-]?[0-9]+') THEN x
    ELSE trino_fail_text('INVALID_CAST_ARGUMENT: Cannot cast ''' || x || ''' to SMALLINT') END
    AS SMALLINT);
CREATE MACRO trino_text_to_tinyint(x) AS CAST(
    CASE WHEN x IS NULL OR regexp_full_match(x, '[+-]?[0-9]+') THEN x
    ELSE trino_fail_text('INVALID_CAST_ARGUMENT: Cannot cast ''' || x || ''' to TINYINT') END
    AS TINYINT);
CREATE MACRO trino_number(x, kind) AS
    CASE WHEN x IS NULL
        OR regexp_full_match(x, '\s*([+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?)\s*')
        OR (kind <> 'decimal' AND x IN ('NaN', 'Infinity', '-Infinity', '+Infinity'))
    THEN trim(x)
    ELSE trino_fail_text(
        'INVALID_CAST_ARGUMENT: Cannot cast ''' || x || ''' to ' || upper(kind)) END;
CREATE MACRO trino_double_to_real(x) AS
    CASE WHEN abs(x) >= 3.4028235677973366e38 AND isfinite(x)
    THEN CAST(CASE WHEN x > 0 THEN 'Infinity' ELSE '-Infinity' END AS FLOAT)
    ELSE CAST(x AS FLOAT) END;
CREATE MACRO trino_text_to_boolean(x) AS
    CASE WHEN lower(x) IN ('true', 't', '1') THEN TRUE
         WHEN lower(x) IN ('false', 'f', '0') THEN FALSE
         WHEN x IS NULL THEN NULL
         ELSE CAST(trino_fail_text(
            'INVALID_CAST_ARGUMENT: Cannot cast ''' || x || ''' to BOOLEAN') AS BOOLEAN) END;
CREATE MACRO trino_text_to_date(x) AS CAST(
    CASE WHEN x IS NULL OR regexp_full_match(x, '\s*[+-]?[0-9]{4,}-[0-9]{1,2}-[0-9]{1,2}\s*')
    THEN trim(x)
    ELSE trino_fail_text('INVALID_CAST_ARGUMENT: Value cannot be cast to date: ' || x) END
    AS DATE);
CREATE MACRO trino_text_to_time(x) AS CAST(
    CASE WHEN x IS NULL OR regexp_full_match(x, '[0-9]{1,2}:[0-9]{1,2}(:[0-9]{1,2}(\.[0-9]+)?)?')
    THEN x || CASE WHEN regexp_full_match(x, '[0-9]+:[0-9]+') THEN ':00' ELSE '' END
    ELSE trino_fail_text('INVALID_CAST_ARGUMENT: Value cannot be cast to time: ' || x) END
    AS TIME);
CREATE MACRO trino_text_to_timestamp(x) AS CAST(
    CASE WHEN x IS NULL OR regexp_full_match(trim(x),
        '[0-9]{4}-[0-9]{1,2}-[0-9]{1,2}( [0-9]{1,2}:[0-9]{1,2}(:[0-9]{1,2}(\.[0-9]+)?)?)?')
    THEN trim(x) || CASE WHEN regexp_full_match(trim(x), '[0-9-]+ [0-9]+:[0-9]+')
        THEN ':00' ELSE '' END
    ELSE trino_fail_text('INVALID_CAST_ARGUMENT: Value cannot be cast to timestamp: ' || x) END
    AS TIMESTAMP);
CREATE MACRO trino_time_text(t, text) AS
    CASE WHEN t IS NULL OR year(t) BETWEEN 1 AND 9999 THEN text ELSE trino_fail_text(
        'NOT_SUPPORTED: The local Athena does not support times outside the years 1 to 9999') END;
CREATE MACRO trino_fits(x, n) AS
    CASE WHEN x IS NULL OR length(x) <= n THEN x
    ELSE trino_fail_text('INVALID_CAST_ARGUMENT: Value ' || x
        || ' cannot be represented as varchar(' || CAST(n AS VARCHAR) || ')') END;
CREATE MACRO trino_whole_date(t) AS
    CASE WHEN t IS NULL OR t = date_trunc('day', t) THEN CAST(t AS DATE)
    ELSE CAST(trino_fail_text('INVALID_FUNCTION_ARGUMENT: Cannot add hours, minutes or seconds '
        || 'to a date') AS DATE) END;

-- Where a clock is set back a time comes twice: Trino means the first, DuckDB the second.
-- The lambda keeps the text of a chain of such calls from growing with every one.
CREATE MACRO trino_instant(zone, local) AS
    list_extract(list_transform([local], lambda trino_l:
        CASE WHEN timezone(zone, timezone(zone, trino_l) - to_hours(1)) = trino_l
             THEN timezone(zone, trino_l) - to_hours(1) ELSE timezone(zone, trino_l) END), 1);

-- Text.
CREATE MACRO trino_substr(s, start) AS
    CASE WHEN start > 0 AND start <= length(s) THEN substr(s, start)
         WHEN start < 0 AND -start <= length(s) THEN right(s, -start)
         WHEN s IS NULL OR start IS NULL THEN NULL ELSE '' END;
CREATE MACRO trino_substr_n(s, start, n) AS
    CASE WHEN n IS NULL THEN NULL WHEN n <= 0 THEN trino_substr(s, 0)
         ELSE left(trino_substr(s, start), n) END;
CREATE MACRO trino_reverse(s) AS reverse(s);
CREATE MACRO trino_split_part(s, d, i) AS
    CASE WHEN i < 1 THEN trino_fail_text(
            'INVALID_FUNCTION_ARGUMENT: Index must be greater than zero')
         ELSE string_split(s, d)[i] END;
CREATE MACRO trino_decimal_text(x) AS
    CASE WHEN x IS NULL THEN NULL ELSE
        regexp_replace(CAST(x AS VARCHAR), '^(-?)\.', '\10.') END;

CREATE MACRO trino_upper(s) AS
    array_to_string(list_transform(string_split(s, 'ß'), lambda trino_e: upper(trino_e)), 'ß');
-- What Java takes for white space.
CREATE MACRO trino_blanks() AS E' \t\n\r\f\v' || chr(28) || chr(29) || chr(30) || chr(31)
    || chr(5760) || chr(8192) || chr(8193) || chr(8194) || chr(8195) || chr(8196) || chr(8197)
    || chr(8198) || chr(8200) || chr(8201) || chr(8202) || chr(8232) || chr(8233) || chr(8287)
    || chr(12288);
CREATE MACRO trino_like_pattern(p, e) AS
    CASE WHEN length(e) <> 1 THEN trino_fail_text(
        'INVALID_FUNCTION_ARGUMENT: Escape string must be a single character')
    WHEN strpos(replace(replace(replace(p, e || e, ''), e || '%', ''), e || '_', ''), e) > 0
    THEN trino_fail_text('INVALID_FUNCTION_ARGUMENT: Escape character must be followed by '
        || '"%", "_" or the escape character itself') ELSE p END;

-- A year of two digits, which DuckDB takes for one from 1969 to 2068: in a pattern of MySQL it is
-- one from 1970 to 2069. Where it lies in one of Joda depends on the current year.
CREATE MACRO trino_mysql_year(t) AS
    CASE WHEN year(t) = 1969 THEN t + to_years(100) ELSE t END;
CREATE MACRO trino_joda_year(t) AS
    CASE WHEN year(t) = 1969 OR year(t) > 2045 THEN CAST(trino_fail_text('NOT_SUPPORTED: The local '
        || 'Athena does not know the century of a year of two digits from 46 to 69') AS TIMESTAMP)
    ELSE t END;

-- Arrays and maps.
CREATE MACRO trino_item(a, i) AS
    CASE WHEN a IS NULL OR i IS NULL THEN NULL ELSE list_extract(a,
        CASE WHEN i BETWEEN 1 AND len(a) THEN CAST(i AS BIGINT)
             WHEN i = 0 THEN trino_fail(
                'INVALID_FUNCTION_ARGUMENT: SQL array indices start at 1')
             WHEN i < 0 THEN trino_fail(
                'INVALID_FUNCTION_ARGUMENT: Array subscript is negative: ' || i)
             ELSE trino_fail('INVALID_FUNCTION_ARGUMENT: Array subscript must be less than or '
                || 'equal to array length: ' || i || ' > ' || len(a)) END) END;
CREATE MACRO trino_element(a, i) AS
    CASE WHEN i = 0 THEN list_extract(a, trino_fail(
            'INVALID_FUNCTION_ARGUMENT: SQL array indices start at 1'))
         WHEN abs(i) > len(a) THEN NULL ELSE list_extract(a, i) END;
CREATE MACRO trino_value(m, k) AS
    CASE WHEN m IS NULL OR k IS NULL THEN NULL ELSE list_extract(map_values(m),
        CASE WHEN list_contains(map_keys(m), k) THEN list_position(map_keys(m), k)
        ELSE trino_fail('INVALID_FUNCTION_ARGUMENT: Key not present in map: '
            || CAST(k AS VARCHAR)) END) END;
-- DuckDB takes two NaN for equal, and Trino does not: inside an array, a row or a map that is looked
-- for it is refused.
CREATE MACRO trino_hides_nan(x) AS
    CASE WHEN regexp_matches(typeof(x), '(DOUBLE|FLOAT).*[\])]')
              AND regexp_matches(CAST(x AS VARCHAR), '\bnan\b')
         THEN trino_fail('NOT_SUPPORTED: a search for a value with NaN inside') IS NULL
         ELSE FALSE END;
CREATE MACRO trino_contains(a, x) AS
    CASE WHEN trino_hides_nan(x) THEN NULL
         WHEN list_contains(a, x) THEN TRUE
         WHEN len(list_filter(a, lambda trino_e: trino_e IS NULL)) > 0 THEN NULL
         ELSE list_contains(a, x) END;
CREATE MACRO trino_contains_number(a, x) AS
    CASE WHEN isnan(x) THEN
        CASE WHEN a IS NOT NULL AND NOT trino_has_null(a) THEN FALSE END
    ELSE trino_contains(a, x) END;
CREATE MACRO trino_list_max(a) AS
    CASE WHEN len(list_filter(a, lambda trino_e: trino_e IS NULL)) > 0 THEN NULL ELSE list_max(a) END;
CREATE MACRO trino_list_min(a) AS
    CASE WHEN len(list_filter(a, lambda trino_e: trino_e IS NULL)) > 0 THEN NULL ELSE list_min(a) END;
CREATE MACRO trino_has_null(a) AS
    len(list_filter(a, lambda trino_n: trino_n IS NULL)) > 0;
CREATE MACRO trino_has(a, x) AS
    CASE WHEN x IS NULL THEN trino_has_null(a) ELSE list_contains(a, x) END;
CREATE MACRO trino_overlap(a, b) AS
    CASE WHEN list_has_any(a, b) THEN TRUE
         WHEN len(a) > 0 AND len(b) > 0 AND (trino_has_null(a) OR trino_has_null(b)) THEN NULL
         ELSE list_has_any(a, b) END;
CREATE MACRO trino_join(a, separator) AS
    CASE WHEN a IS NULL OR separator IS NULL THEN NULL
         ELSE coalesce(array_to_string(a, separator), '') END;
CREATE MACRO trino_position(a, x) AS
    CASE WHEN a IS NULL OR x IS NULL OR trino_hides_nan(x) THEN NULL
         ELSE coalesce(list_position(a, x), 0) END;
CREATE MACRO trino_list_distinct(a) AS
    list_filter(a, lambda trino_e, trino_i: len(list_filter(a[:trino_i - 1],
        lambda trino_f: trino_f IS NOT DISTINCT FROM trino_e)) = 0);
CREATE MACRO trino_slice(a, start, n) AS
    CASE WHEN n < 0 THEN list_append(a, list_extract(a, trino_fail(
            'INVALID_FUNCTION_ARGUMENT: length must be greater than or equal to 0')))
         WHEN start > 0 THEN a[start : start + n - 1]
         WHEN start < 0 AND -start <= len(a) THEN a[len(a) + start + 1 : len(a) + start + n]
         WHEN start = 0 THEN list_append(a, list_extract(a, trino_fail(
            'INVALID_FUNCTION_ARGUMENT: SQL array indices start at 1')))
         ELSE a[1:0] END;
CREATE MACRO trino_trim_array(a, n) AS
    a[: len(a) - CASE WHEN n < 0 OR n > len(a) THEN trino_fail('INVALID_FUNCTION_ARGUMENT: '
        || 'size must not exceed array cardinality ' || len(a) || ': ' || n) ELSE n END];
CREATE MACRO trino_ngrams(a, n) AS
    list_transform(range(1, greatest(len(a) - CASE WHEN n < 1 THEN trino_fail(
        'INVALID_FUNCTION_ARGUMENT: N must be positive') ELSE n END, 0) + 2),
        lambda trino_i: a[trino_i : trino_i + n - 1]);
CREATE MACRO trino_remove(a, x) AS
    CASE WHEN x IS NULL OR trino_hides_nan(x) THEN NULL
         ELSE list_filter(a, lambda trino_e: trino_e IS DISTINCT FROM x) END;
CREATE MACRO trino_intersect(a, b) AS
    CASE WHEN b IS NOT NULL THEN
        trino_list_distinct(list_filter(a, lambda trino_e: trino_has(b, trino_e))) END;
CREATE MACRO trino_except(a, b) AS
    CASE WHEN b IS NOT NULL THEN
        trino_list_distinct(list_filter(a, lambda trino_e: NOT trino_has(b, trino_e))) END;
CREATE MACRO trino_sequence(a, b, step) AS generate_series(a,
    CASE WHEN step = 0 OR (b > a AND step < 0) OR (b < a AND step > 0) THEN trino_fail(
            'INVALID_FUNCTION_ARGUMENT: sequence stop value should be greater than or equal to '
            || 'start value if step is greater than zero otherwise stop should be less than or '
            || 'equal to start')
         WHEN (CAST(b AS HUGEINT) - a) // step >= 10000 THEN trino_fail(
            'INVALID_FUNCTION_ARGUMENT: result of sequence function must not have more than '
            || '10000 entries')
         ELSE b END, step);
CREATE MACRO trino_time_sequence(a, b, step) AS generate_series(CAST(a AS TIMESTAMP),
    CASE WHEN epoch(step) = 0 OR (b > a AND epoch(step) < 0) OR (b < a AND epoch(step) > 0)
         THEN CAST(trino_fail_text('INVALID_FUNCTION_ARGUMENT: sequence stop value should be '
            || 'greater than or equal to start value if step is greater than zero otherwise stop '
            || 'should be less than or equal to start') AS TIMESTAMP)
         WHEN (epoch(CAST(b AS TIMESTAMP)) - epoch(CAST(a AS TIMESTAMP))) / epoch(step) > 10200
         THEN CAST(trino_fail_text('INVALID_FUNCTION_ARGUMENT: result of sequence function must '
            || 'not have more than 10000 entries') AS TIMESTAMP)
         ELSE CAST(b AS TIMESTAMP) END, step);
-- Each item is so many months after the first one, whose day it keeps where its month has it.
CREATE MACRO trino_months(step) AS datepart('year', step) * 12 + datepart('month', step);
CREATE MACRO trino_months_between(a, b) AS date_diff('month', a, b)
    - CASE WHEN a + to_months(CAST(date_diff('month', a, b) AS INTEGER)) > b THEN 1 ELSE 0 END;
CREATE MACRO trino_sequence_months(a, b, n) AS
    CASE WHEN n = 0 OR (b > a AND n < 0) OR (b < a AND n > 0)
         THEN trino_fail('INVALID_FUNCTION_ARGUMENT: sequence stop value should be '
            || 'greater than or equal to start value if step is greater than zero otherwise stop '
            || 'should be less than or equal to start')
         WHEN trino_months_between(least(a, b), greatest(a, b)) // abs(n) >= 10000
         THEN trino_fail('INVALID_FUNCTION_ARGUMENT: result of sequence function must '
            || 'not have more than 10000 entries')
         ELSE trino_months_between(least(a, b), greatest(a, b)) // abs(n) + 1 END;
CREATE MACRO trino_month_sequence(a, b, step) AS
    CASE WHEN a IS NOT NULL AND b IS NOT NULL AND step IS NOT NULL THEN list_transform(
        range(trino_sequence_months(CAST(a AS TIMESTAMP), CAST(b AS TIMESTAMP),
            trino_months(step))),
        lambda trino_i: CAST(a AS TIMESTAMP)
            + to_months(CAST(trino_i * trino_months(step) AS INTEGER))) END;
CREATE MACRO trino_repeat_count(n) AS
    CASE WHEN n > 10000 THEN trino_fail('INVALID_FUNCTION_ARGUMENT: count argument of repeat '
            || 'function must be less than or equal to 10000')
         WHEN n < 0 THEN trino_fail('INVALID_FUNCTION_ARGUMENT: count argument of repeat '
            || 'function must be greater than or equal to 0')
         ELSE n END;
CREATE MACRO trino_map(k, v) AS map(
    CASE WHEN len(k) <> len(v) THEN list_append(k, list_extract(k, trino_fail(
            'INVALID_FUNCTION_ARGUMENT: Key and value arrays must be the same length')))
         WHEN trino_has_null(k) THEN list_append(k, list_extract(k, trino_fail(
            'INVALID_FUNCTION_ARGUMENT: map key cannot be null')))
         ELSE k END, v);
CREATE MACRO trino_split_to_map(s, d, e) AS map(
    list_transform(string_split(s, d), lambda trino_e:
        CASE WHEN len(string_split(trino_e, e)) = 2 THEN string_split(trino_e, e)[1]
             ELSE trino_fail_text('INVALID_FUNCTION_ARGUMENT: Key-value delimiter must appear '
                || 'exactly once in each entry. Bad input: ' || trino_e) END),
    list_transform(string_split(s, d), lambda trino_e: string_split(trino_e, e)[2]));
CREATE MACRO trino_any(a) AS
    CASE WHEN list_contains(a, TRUE) THEN TRUE
         WHEN len(list_filter(a, lambda trino_e: trino_e IS NULL)) > 0 THEN NULL
         WHEN a IS NOT NULL THEN FALSE END;
CREATE MACRO trino_none(a) AS (NOT trino_any(a));
CREATE MACRO trino_all(a) AS (NOT trino_any(list_transform(a, lambda trino_e: NOT trino_e)));
CREATE MACRO trino_every(a) AS
    CASE WHEN list_contains(a, FALSE) THEN FALSE
         WHEN len(list_filter(a, lambda trino_e: trino_e IS NULL)) > 0 THEN NULL
         WHEN a IS NOT NULL THEN TRUE END;
CREATE MACRO trino_array_eq(a, b) AS
    CASE WHEN a IS NULL OR b IS NULL THEN NULL
         WHEN len(a) <> len(b) THEN FALSE
         WHEN trino_has_null(a) OR trino_has_null(b) THEN trino_every(
            list_transform(range(1, len(a) + 1), lambda trino_i: a[trino_i] = b[trino_i]))
         ELSE a = b END;
CREATE MACRO trino_ordered(a) AS
    CASE WHEN trino_has_null(a) THEN list_append(a, list_extract(a, trino_fail(
        'NOT_SUPPORTED: ARRAY comparison not supported for arrays with null elements')))
    ELSE a END;
CREATE MACRO trino_percentile(sorted, n, p) AS
    CASE WHEN p < 0 OR p > 1 THEN list_extract(sorted, trino_fail(
            'INVALID_FUNCTION_ARGUMENT: Percentile must be between 0 and 1'))
    ELSE list_extract(sorted, CAST(least(floor(p * n), n - 1) AS BIGINT) + 1) END;

CREATE MACRO trino_random(low, high) AS
    low + CAST(floor(random() * CASE WHEN high <= low THEN trino_fail(
        'INVALID_FUNCTION_ARGUMENT: bound must be positive') ELSE high - low END) AS BIGINT);
CREATE MACRO trino_width_bucket(x, low, high, n) AS
    CASE WHEN n <= 0 THEN trino_fail('INVALID_FUNCTION_ARGUMENT: bucketCount must be greater than 0')
         WHEN low = high THEN trino_fail('INVALID_FUNCTION_ARGUMENT: bounds cannot equal each other')
         WHEN isnan(x) OR isnan(low) OR isnan(high) THEN trino_fail(
            'INVALID_FUNCTION_ARGUMENT: operand must not be NaN')
         WHEN (x < low AND low < high) OR (x > low AND low > high) THEN 0
         WHEN (x >= high AND low < high) OR (x <= high AND low > high) THEN n + 1
         ELSE CAST(floor(n * (x - low) / (high - low)) AS BIGINT) + 1 END;

CREATE MACRO trino_offset(n) AS
    CASE WHEN n < 0 THEN trino_fail('INVALID_FUNCTION_ARGUMENT: Offset must be at least 0') ELSE n END;

-- Aggregations made of the list of a group.
CREATE MACRO trino_top(rows, n, ascending) AS
    list_transform(CASE WHEN ascending
        THEN list_sort(list_filter(rows, lambda trino_e: trino_e.k IS NOT NULL), 'ASC')
        ELSE list_sort(list_filter(rows, lambda trino_e: trino_e.k IS NOT NULL), 'DESC') END[:n],
        lambda trino_e: trino_e.v);
CREATE MACRO trino_multimap(rows) AS map(
    trino_list_distinct(list_transform(rows, lambda trino_e: trino_e.k)),
    list_transform(trino_list_distinct(list_transform(rows, lambda trino_e: trino_e.k)),
        lambda trino_k: list_transform(list_filter(rows, lambda trino_e: trino_e.k = trino_k),
            lambda trino_e: trino_e.v)));
CREATE MACRO trino_map_union(maps) AS map_from_entries(
    list_filter(flatten(list_transform(maps, lambda trino_e: map_entries(trino_e))),
        lambda trino_e, trino_i: len(list_filter(
            flatten(list_transform(maps, lambda trino_m: map_entries(trino_m)))[:trino_i - 1],
            lambda trino_f: trino_f.key = trino_e.key)) = 0));

-- NULL where any is NULL, or where a figure is not finite.
CREATE MACRO trino_no_null(items, value) AS
    CASE WHEN len(list_filter(items, lambda trino_e: trino_e IS NULL)) = 0 THEN value END;
CREATE MACRO trino_finite(x) AS CASE WHEN isfinite(x) THEN x END;
CREATE MACRO trino_offset_text(minutes) AS
    CASE WHEN minutes = 0 THEN 'Z' ELSE CASE WHEN minutes < 0 THEN '-' ELSE '+' END
        || lpad(CAST(abs(minutes) // 60 AS VARCHAR), 2, '0') || ':'
        || lpad(CAST(abs(minutes) % 60 AS VARCHAR), 2, '0') END;
CREATE MACRO trino_iso_date(x) AS CAST(
    CASE WHEN x IS NULL OR regexp_full_match(x, '[+-]?[0-9]{4,}-[0-9]{2}-[0-9]{2}') THEN x
    ELSE trino_fail_text('INVALID_FUNCTION_ARGUMENT: Invalid format: "' || x || '"') END AS DATE);
CREATE MACRO trino_iso_timestamp(x) AS CAST(
    CASE WHEN x IS NULL OR regexp_full_match(x,
        '[0-9]{4}-[0-9]{2}-[0-9]{2}(T[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]+)?)?(Z|\+00:00)?)?')
    THEN x
    ELSE trino_fail_text('NOT_SUPPORTED: The local Athena reads ISO 8601 in UTC alone: ' || x) END
    AS TIMESTAMPTZ);
