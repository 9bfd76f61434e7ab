"""Costs on AWS: each figure written out by hand from the price lists."""

from pathlib import Path

import pytest

from b3pipeline import costs


def test_a_glue_run_is_billed_for_a_minute_of_each_dpu_at_least() -> None:
    """Two DPUs for a minute are 120 / 3600 x 0.44, and so is a run of one second."""
    assert costs.glue_run_cost(1) == pytest.approx(0.0146667, rel=1e-5)
    assert costs.glue_run_cost(120) == pytest.approx(0.0146667, rel=1e-5)


def test_a_glue_run_past_its_minimum_is_billed_by_the_second() -> None:
    """3,600 DPU-seconds are one DPU-hour."""
    assert costs.glue_run_cost(3600) == pytest.approx(0.44)
    assert costs.glue_run_cost(1800) == pytest.approx(0.22)


def test_an_athena_query_is_billed_for_ten_megabytes_at_least() -> None:
    """10 MB at USD 5 a TB are 5 / 104,857.6."""
    assert costs.athena_query_cost(0) == pytest.approx(4.76837e-5, rel=1e-5)
    assert costs.athena_query_cost(10 * 1024**2) == costs.athena_query_cost(1)


def test_an_athena_query_over_a_terabyte_costs_five_dollars() -> None:
    """The price is per TB of 2^40 bytes."""
    assert costs.athena_query_cost(1024**4) == pytest.approx(5.0)


def test_ddl_is_free() -> None:
    """CREATE, SHOW and ALTER scan nothing and cost nothing."""
    assert costs.athena_query_cost(0, ddl=True) == 0.0


def test_lambda_costs_its_calls_and_its_memory_for_a_time() -> None:
    """A million calls of a second at 1 GB: 0.20 for the calls, 16.67 for the seconds."""
    assert costs.lambda_cost(1_000_000, seconds=1, memory_mb=1024) == pytest.approx(16.8667)


def test_s3_costs_requests_and_storage() -> None:
    """1,000 PUT and 10,000 GET are 0.005 + 0.004; a GB for two months is 0.046."""
    assert costs.s3_cost(puts=1000, gets=10_000) == pytest.approx(0.009)
    assert costs.s3_cost(stored_bytes=1024**3, months=2) == pytest.approx(0.046)


def test_the_ingestion_host_costs_its_hours_its_address_and_its_disk() -> None:
    """730 hours of t3.small are 15.184, of a public IPv4 3.65, and 10 GB for that month 0.80."""
    assert costs.ec2_cost(730) == pytest.approx(19.634)


def test_a_stopped_host_still_pays_for_its_disk() -> None:
    """10 GB at USD 0.08 for a month of 730 hours."""
    assert costs.ec2_cost(0, stopped_hours=730) == pytest.approx(0.80)


def test_the_host_that_is_priced_is_the_one_that_terraform_launches() -> None:
    """Its type and its disk stand in infra/."""
    infra = Path(__file__).parents[2] / "infra"
    assert 'default     = "t3.small"' in (infra / "variables.tf").read_text()
    assert "t3.small" in costs.EC2_HOUR.unit
    assert f"volume_size = {costs.HOST_DISK_GB} # GiB" in (infra / "host.tf").read_text()


def test_glue_6_has_a_rate_of_its_own() -> None:
    """A DPU-hour there is 30% cheaper: 0.44 x 0.7."""
    assert costs.glue_run_cost(3600, glue_version="6.0") == pytest.approx(0.308)
    assert costs.glue_run_cost(3600, glue_version="5.1") == pytest.approx(0.44)


def test_the_catalog_is_free_up_to_a_million_objects() -> None:
    """100,000 more cost a dollar a month."""
    assert costs.catalog_cost(1_000_000) == 0
    assert costs.catalog_cost(1_100_000) == pytest.approx(1.00)


def test_an_event_per_object_is_a_glue_run_per_object() -> None:
    """2,500 runs of a minute with two DPUs: 83.3 DPU-hours, one after the other 41.7 hours."""
    comparison = costs.event_per_object_cost(2500, batch_seconds=90)

    assert comparison.per_object.runs == 2500
    assert comparison.per_object.hours == pytest.approx(41.6667, rel=1e-4)
    assert comparison.per_object.usd == pytest.approx(36.6698, rel=1e-4)
    assert comparison.per_batch.runs == 1
    assert comparison.per_batch.hours == pytest.approx(0.025)
    assert comparison.per_batch.usd == pytest.approx(0.0220012, rel=1e-4)
    assert comparison.times_dearer == pytest.approx(1666.7, rel=1e-3)


def test_the_comparison_of_events_is_a_frame_that_a_plot_takes() -> None:
    """One row a design, in the order naive, then ours."""
    frame = costs.event_per_object_cost(10).frame()

    assert list(frame.columns) == ["design", "runs", "hours", "usd"]
    assert list(frame["design"]) == ["an event per object", "an event per batch"]
    assert list(frame["runs"]) == [10, 1]


def test_a_bill_sums_its_lines() -> None:
    """Requests, calls, one Glue run at its minimum, and two queries at theirs."""
    bill = costs.pipeline_cost(
        puts=1000, lambda_calls=1, dpu_seconds=[10], query_bytes=[5_000, 9_000]
    )

    by_line = {line.what: line.usd for line in bill.lines}
    assert by_line["S3 requests"] == pytest.approx(0.005)
    assert by_line["Glue runs"] == pytest.approx(0.0146667, rel=1e-5)
    assert by_line["Athena queries"] == pytest.approx(9.53674e-5, rel=1e-5)
    assert bill.usd == pytest.approx(0.0197633, rel=1e-4)


def test_a_bill_shows_itself_as_a_table_with_its_total() -> None:
    """A reader sees every line, the sum, and from when the prices are."""
    table = costs.pipeline_cost(puts=2_000_000)._repr_html_()

    assert "S3 requests" in table
    assert ">USD 10.00</th>" in table
    assert "November 2026" in table


@pytest.mark.parametrize(
    ("usd", "text"),
    [(0, "USD 0.00"), (1234.5, "USD 1,234.50"), (0.01, "USD 0.01"), (0.0000477, "USD 0.000048")],
)
def test_small_amounts_keep_the_decimals_that_they_need(usd: float, text: str) -> None:
    """A query costs fractions of a cent: two decimals would show it as free."""
    assert costs.format_usd(usd) == text


def test_every_price_names_its_page() -> None:
    """Prices change: each says where it stands."""
    assert all(price.source.startswith("https://aws.amazon.com/") for price in costs.PRICES)


def test_a_day_of_a_forgotten_pipeline_costs_its_host_and_its_storage() -> None:
    """24 hours of a t3.small with its address and 10 GB, and a thirtieth of a gigabyte-month."""
    bill = costs.daily_cost(costs.GIGABYTE, hosts=1)

    assert [round(line.usd, 6) for line in bill.lines] == [0.000767, 0.0, 0.0, 0.6192, 0.026301]


def test_a_day_of_a_stopped_host_costs_its_disk() -> None:
    """24 of 730 hours of 10 GB."""
    assert costs.daily_cost(0, hosts=0, disk_gb=10).usd == pytest.approx(0.026301, rel=1e-4)


def test_a_day_without_a_host_costs_next_to_nothing() -> None:
    """Why it is so easily forgotten."""
    assert costs.daily_cost(12_000_000).usd < 0.00001
