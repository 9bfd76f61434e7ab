"""The functions of Python that DuckDB calls: their names there, their types, their errors."""

from __future__ import annotations

from collections.abc import Callable
from functools import wraps
from typing import Any

from localaws.athena.values import json_values, regexes, rendering, texts

_FUNCTIONS: tuple[tuple[str, Callable[..., Any], str, str], ...] = (
    ("trino_double_text", rendering.double_text, "DOUBLE", "VARCHAR"),
    ("trino_real_text", rendering.real_text, "FLOAT", "VARCHAR"),
    ("trino_format", rendering.format_text, "VARCHAR VARCHAR[]", "VARCHAR"),
    ("trino_pad", texts.padded, "VARCHAR BIGINT VARCHAR BOOLEAN", "VARCHAR"),
    ("trino_replace", texts.replaced, "VARCHAR VARCHAR VARCHAR", "VARCHAR"),
    ("trino_text_position", texts.position, "VARCHAR VARCHAR BIGINT", "BIGINT"),
    ("trino_split", texts.splitted, "VARCHAR VARCHAR BIGINT", "VARCHAR[]"),
    ("trino_levenshtein", texts.levenshtein, "VARCHAR VARCHAR", "BIGINT"),
    ("trino_hamming", texts.hamming, "VARCHAR VARCHAR", "BIGINT"),
    ("trino_codepoint", texts.code_point, "VARCHAR", "INTEGER"),
    ("trino_chr", texts.character, "BIGINT", "VARCHAR"),
    ("trino_normalize", texts.normalized, "VARCHAR VARCHAR", "VARCHAR"),
    ("trino_soundex", texts.soundex, "VARCHAR", "VARCHAR"),
    ("trino_luhn", texts.luhn, "VARCHAR", "BOOLEAN"),
    ("trino_to_base", texts.to_base, "BIGINT BIGINT", "VARCHAR"),
    ("trino_from_base", texts.from_base, "VARCHAR BIGINT", "BIGINT"),
    ("trino_bit_count", texts.bit_count, "BIGINT BIGINT", "BIGINT"),
    ("trino_cbrt", texts.cube_root, "DOUBLE", "DOUBLE"),
    ("trino_duration", texts.duration, "DOUBLE", "VARCHAR"),
    ("trino_url_part", texts.url_part, "VARCHAR VARCHAR", "VARCHAR"),
    ("trino_url_encode", texts.url_encode, "VARCHAR", "VARCHAR"),
    ("trino_url_decode", texts.url_decode, "VARCHAR", "VARCHAR"),
    ("trino_from_base64", texts.from_base64, "VARCHAR", "BLOB"),
    ("trino_from_hex", texts.from_hex, "VARCHAR", "BLOB"),
    ("trino_shift", texts.shifted, "BIGINT BIGINT VARCHAR BIGINT", "BIGINT"),
    ("trino_re_like", regexes.like, "VARCHAR VARCHAR", "BOOLEAN"),
    ("trino_re_extract", regexes.extract, "VARCHAR VARCHAR BIGINT", "VARCHAR"),
    ("trino_re_extract_all", regexes.extract_all, "VARCHAR VARCHAR BIGINT", "VARCHAR[]"),
    ("trino_re_replace", regexes.replace, "VARCHAR VARCHAR VARCHAR", "VARCHAR"),
    ("trino_re_split", regexes.split, "VARCHAR VARCHAR", "VARCHAR[]"),
    ("trino_re_count", regexes.count, "VARCHAR VARCHAR", "BIGINT"),
    ("trino_re_position", regexes.position, "VARCHAR VARCHAR BIGINT BIGINT", "BIGINT"),
    ("trino_json_parse", json_values.parsed, "VARCHAR", "VARCHAR"),
    ("trino_json_extract", json_values.extract, "VARCHAR VARCHAR", "VARCHAR"),
    ("trino_json_scalar", json_values.extract_scalar, "VARCHAR VARCHAR", "VARCHAR"),
    ("trino_json_size", json_values.size, "VARCHAR VARCHAR", "BIGINT"),
    ("trino_json_array_length", json_values.array_length, "VARCHAR", "BIGINT"),
    ("trino_json_is_scalar", json_values.is_scalar, "VARCHAR", "BOOLEAN"),
    ("trino_json_array_get", json_values.array_get, "VARCHAR BIGINT", "VARCHAR"),
    ("trino_json_array_contains", json_values.array_contains, "VARCHAR VARCHAR", "BOOLEAN"),
)
_CASTS: tuple[tuple[str, Callable[..., Any], str, str], ...] = (
    ("trino_json_items", json_values.items, "VARCHAR", "VARCHAR[]"),
    ("trino_json_names", json_values.names, "VARCHAR", "VARCHAR[]"),
    ("trino_json_members", json_values.members, "VARCHAR", "VARCHAR[]"),
    ("trino_json_field", json_values.field, "VARCHAR VARCHAR BIGINT BIGINT", "VARCHAR"),
    ("trino_json_text", json_values.scalar_text, "VARCHAR VARCHAR", "VARCHAR"),
)


def register_functions(database: Any) -> None:
    """Make every function known to a DuckDB; each answers NULL where an argument is NULL."""
    for code, functions in (
        ("INVALID_FUNCTION_ARGUMENT", _FUNCTIONS),
        ("INVALID_CAST_ARGUMENT", _CASTS),
    ):
        for name, function, parameters, returns in functions:
            database.create_function(
                name,
                _guarded(function, code),
                parameters.split(),
                returns,
                null_handling="special",
            )


def _guarded(function: Callable[..., Any], code: str) -> Callable[..., Any]:
    @wraps(function)
    def call(*arguments: Any) -> Any:
        if any(argument is None for argument in arguments):
            return None
        try:
            return function(*arguments)
        except texts.TooLongError as error:
            raise ValueError(f"EXCEEDED_MEMORY_LIMIT: {error}") from error
        except ValueError as error:
            raise ValueError(f"{code}: {error}") from error

    # DuckDB reads the number of parameters from the signature, which `wraps` keeps.
    return call
