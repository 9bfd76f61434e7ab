"""The functions of Athena: those that the local one has, with Trino's types and meaning.

The others are refused by name, never guessed.
"""

from localaws.athena.sql.calls import UNSUPPORTED
from localaws.athena.sql.functions import (
    aggregates,
    arrays,
    conditionals,
    dates,
    formats,
    lambdas,
    numbers,
    regexes,
    texts,
)

__all__ = [
    "aggregates",
    "arrays",
    "conditionals",
    "dates",
    "formats",
    "lambdas",
    "numbers",
    "regexes",
    "texts",
]

_NAMES = """
approx_most_frequent approx_set array_histogram beta_cdf bing_tile bitwise_xor_agg checksum
classify combinations cosine_similarity crc32 current_groups empty_approx_set entropy
evaluate_classifier_predictions features from_base32 from_big_endian_32 from_big_endian_64
from_encoded_polyline from_geojson_geometry from_ieee754_32 from_ieee754_64 from_unixtime_nanos
geometry_from_hadoop_shape geometry_to_bing_tiles great_circle_distance hash_counts hmac_md5
hmac_sha1 hmac_sha256 hmac_sha512 inverse_beta_cdf inverse_normal_cdf jaccard_index json_exists
json_object json_query json_value kurtosis learn_classifier learn_regressor line_locate_point
make_set_digest merge merge_set_digest mode_agg multimap_from_entries murmur3 normal_cdf
numeric_histogram parse_data_size parse_duration parse_presto_data_size qdigest_agg
quantile_at_value reduce_agg regress render rgb sha512 simplify_geometry skewness
split_to_multimap spooky_hash_v2_32 spooky_hash_v2_64 st_area st_asbinary st_astext st_boundary
st_buffer st_centroid st_contains st_convexhull st_coorddim st_crosses st_difference st_dimension
st_disjoint st_distance st_endpoint st_envelope st_equals st_geometryfromtext st_geometrytype
st_intersection st_intersects st_isclosed st_isempty st_isring st_isvalid st_length
st_linefromtext st_linestring st_numpoints st_overlaps st_point st_polygon st_relate st_startpoint
st_symdifference st_touches st_union st_within st_x st_xmax st_xmin st_y st_ymax st_ymin
tdigest_agg to_base32 to_big_endian_32 to_big_endian_64 to_geojson_geometry to_ieee754_32
to_ieee754_64 to_spherical_geography url_extract_parameter url_extract_port value_at_quantile
values_at_quantiles version wilson_interval_lower wilson_interval_upper word_stem xxhash64
"""
UNSUPPORTED.update(_NAMES.split())
