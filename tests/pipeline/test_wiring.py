"""The dry run of notebook 01: it tells a way that works from one that is cut."""

from b3pipeline import refine
from b3pipeline.checks import wiring


def failed(cloud):
    """Return what the dry run finds wrong."""
    return [finding.subject.partition(",")[0] for finding in wiring.dry_run(cloud).failed]


def test_a_dry_run_finds_the_way_open_and_starts_nothing(cloud):
    """All six steps are green, the Lambda has been called, and no run was started."""
    report = wiring.dry_run(cloud)
    assert report.ok, report
    assert len(report.findings) == 6
    assert refine.list_runs(cloud) == []


def test_an_event_for_every_object_is_found(cloud):
    """The naive wiring: a filter that lets Parquet objects through."""
    bucket = cloud.config.raw_data_bucket
    before = cloud.s3.get_bucket_notification_configuration(Bucket=bucket)
    [wired] = before["LambdaFunctionConfigurations"]
    naive = {"LambdaFunctionArn": wired["LambdaFunctionArn"], "Events": wired["Events"]}
    put = cloud.s3.put_bucket_notification_configuration
    put(Bucket=bucket, NotificationConfiguration={"LambdaFunctionConfigurations": [naive]})
    try:
        assert failed(cloud) == ["an object"]
    finally:
        put(Bucket=bucket, NotificationConfiguration={"LambdaFunctionConfigurations": [wired]})


def test_a_missing_permission_is_found(cloud):
    """S3 would be refused by the Lambda, which nobody sees from the bucket's side."""
    name = cloud.config.lambda_function_name
    cloud.lambda_.remove_permission(FunctionName=name, StatementId="AllowRawBucket")
    try:
        assert failed(cloud) == ["S3 may call the Lambda"]
    finally:
        cloud.lambda_.add_permission(
            FunctionName=name,
            StatementId="AllowRawBucket",
            Action="lambda:InvokeFunction",
            Principal="s3.amazonaws.com",
            SourceArn=f"arn:aws:s3:::{cloud.config.raw_data_bucket}",
        )
