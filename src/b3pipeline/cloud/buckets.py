"""Buckets that are made before Terraform, which then only uses them: the way of a Learner Lab.

A lab may allow `s3:CreateBucket` and deny `s3:GetBucketObjectLockConfiguration`, which Terraform's
own bucket resource always calls: it stops with the bucket made and cannot even plan any more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import boto3
from botocore.exceptions import ClientError

from b3pipeline import names
from b3pipeline.cloud.terraform import (
    terraform_names,
    terraform_region,
    terraform_variables,
)
from b3pipeline.errors import ConfigError, StorageError
from b3pipeline.language import later, say, say_many
from b3pipeline.refusals import explain, told

OWN_NOTIFICATION = "batch-manifest"
"""The id of the one notification that Terraform sets on the raw bucket."""
MADE, FOUND = "made by b3 buckets", "found by b3 buckets"

VARIABLES = ("existing_raw_data_bucket", "existing_athena_results_bucket")
"""Terraform's variables for buckets that are there before."""

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")


class BucketPair(NamedTuple):
    """The two buckets of a deployment, by their names."""

    raw_data: str
    athena_results: str


@dataclass(frozen=True)
class Prepared:
    """One bucket that Terraform may use now: what was done to it, and what was denied."""

    name: str
    ours: bool
    settings: tuple[tuple[str, str], ...]

    def __str__(self) -> str:
        whose = say("{bucket} was there before, and is used as it is", bucket=self.name)
        if self.ours:
            whose = say("{bucket} is the pipeline's", bucket=self.name)
        lines = (f"  {what}: {seen}" for what, seen in self.settings)
        return "\n".join([whose, *lines])


def named_buckets(variables: Mapping[str, str], account_id: str) -> BucketPair:
    """Return the buckets that Terraform is told to use, ACCOUNT replaced by the account's number.

    Raises ConfigError where Terraform would make its own, or a name is none.
    """
    missing = [name for name in VARIABLES if not variables.get(name)]
    if missing:
        raise ConfigError(
            say(
                "infra/terraform.tfvars sets no {variables}, so Terraform makes its own.",
                variables=say(" and no ").join(missing),
            ),
            hint=say(
                "in AWS Academy `cp infra/academy.tfvars.example infra/terraform.tfvars`, then "
                "again; in an account of your own this command is not needed."
            ),
        )
    pair = BucketPair(*(variables[name].replace("ACCOUNT", account_id) for name in VARIABLES))
    for variable, bucket in zip(VARIABLES, pair, strict=True):
        if not _NAME.fullmatch(bucket):
            raise ConfigError(
                say(
                    "{variable} is {name!r}, which is no bucket's name.",
                    variable=variable,
                    name=variables[variable],
                ),
                hint=say(
                    "3 to 63 lower-case letters, digits and hyphens, such as {example}.",
                    example=names.Names().raw_data_bucket("ACCOUNT"),
                ),
            )
    if pair.raw_data == pair.athena_results:
        raise ConfigError(
            say(
                "both buckets are {bucket!r}: results of queries would lie among the data.",
                bucket=pair.raw_data,
            ),
            hint=say("name two different ones in infra/terraform.tfvars."),
        )
    return pair


def prepare_all(session: boto3.Session, folder: Path) -> list[Prepared]:
    """Return both buckets that the Terraform in `folder` is told to use, prepared for it.

    They are made in Terraform's own region, whatever the shell names. Raises as `named_buckets`
    and `prepare` do; a second call finds what the first one made.
    """
    s3, account, known, chosen = _chosen(session, folder)
    function = known.lambda_function
    return [
        prepare(s3, bucket, account_id=account, own=own, function=function)
        for bucket, own in chosen
    ]


def remove_all(session: boto3.Session, folder: Path) -> list[str]:
    """Remove what `prepare_all` made, with its objects; return a sentence for each bucket."""
    s3, _, _, chosen = _chosen(session, folder)
    return [remove(s3, bucket, own=own) for bucket, own in chosen]


def _chosen(
    session: boto3.Session, folder: Path
) -> tuple[Any, str, names.Names, list[tuple[str, bool]]]:
    """Return a client, the account's number, the pipeline's names, and each bucket.

    With a bucket comes whether its name is one of the pipeline's.
    """
    variables = terraform_variables(folder)
    region, known = terraform_region(variables), terraform_names(variables)
    account = session.client("sts", region_name=region).get_caller_identity()["Account"]
    own = {known.raw_data_bucket(account), known.athena_results_bucket(account)}
    chosen = [(bucket, bucket in own) for bucket in named_buckets(variables, account)]
    return session.client("s3", region_name=region), account, known, chosen


def prepare(
    s3: Any,
    bucket: str,
    *,
    account_id: str,
    own: bool = False,
    function: str = names.Names().lambda_function,
) -> Prepared:
    """Make a bucket where it is missing, close and encrypt it, and mark it for Terraform.

    A bucket that was there before is not changed, unless it is `own`: one under a name of the
    pipeline's, such as an apply that failed leaves. `function` is the pipeline's Lambda, which it
    may notify already. Where the account denies a setting, the answer says so. Safe to repeat.
    Raises StorageError where the bucket is another account's, lies in another region, is open to
    the public and cannot be closed, or notifies others already.
    """
    made = _make(s3, bucket, account_id)
    ours = made or own or _mark(s3, bucket) == MADE
    _refuse_other_notifications(s3, bucket, function)
    settings = tuple(_try_each(_SETTINGS if ours else _LOOKS, s3, bucket))
    mark = json.dumps({"bucket": bucket, "by": MADE if ours else FOUND})
    s3.put_object(Bucket=bucket, Key=names.BUCKET_MARK, Body=mark.encode())
    return Prepared(bucket, ours, settings)


def remove(s3: Any, bucket: str, *, own: bool = False) -> str:
    """Remove a bucket that `prepare` made, with its objects; return what was done, as a sentence.

    One that was there before stays with what is in it, but for the mark. Raises StorageError while
    the pipeline still uses it: `terraform destroy` comes first.
    """
    try:
        mark = _mark(s3, bucket)
    except ClientError as error:
        if explain(error).kind == "gone":
            return say("{bucket}: is not there.", bucket=bucket)
        raise
    if _notifications(s3, bucket):
        raise StorageError(
            say("{bucket} still fires the Lambda of the pipeline.", bucket=bucket),
            hint=say("`terraform -chdir=infra destroy` first, then `b3 buckets --remove`."),
        )
    if mark != MADE and not own:
        s3.delete_object(Bucket=bucket, Key=names.BUCKET_MARK)
        return say(
            "{bucket}: stays with what is in it, for it was there before the pipeline.",
            bucket=bucket,
        )
    count = 0
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket):
        if keys := [{"Key": item["Key"]} for item in page.get("Contents", [])]:
            _delete(s3, bucket, keys)
            count += len(keys)
    s3.delete_bucket(Bucket=bucket)
    return say_many(
        "{bucket}: removed, with {count:,} object.",
        "{bucket}: removed, with {count:,} objects.",
        count,
        bucket=bucket,
    )


def is_prepared(s3: Any, bucket: str) -> bool | None:
    """Return whether `b3 buckets` has looked at a bucket: Terraform will leave it where it is.

    None where that cannot be read.
    """
    try:
        return _mark(s3, bucket) is not None
    except ClientError as error:
        return False if explain(error).kind == "gone" else None


def _delete(s3: Any, bucket: str, keys: list[dict[str, str]]) -> None:
    answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": keys, "Quiet": True})
    if errors := answer.get("Errors"):
        raise StorageError(
            say_many(
                "{count:,} object of {bucket} stays: {key} answers {code}.",
                "{count:,} objects of {bucket} stay: {key} answers {code}.",
                len(errors),
                bucket=bucket,
                key=errors[0]["Key"],
                code=errors[0]["Code"],
            ),
            hint=say("ask for the right s3:DeleteObject there, then again."),
        )


def location(region: str) -> dict[str, Any]:
    """Return what CreateBucket wants to know of a region: nothing in us-east-1."""
    if region == "us-east-1":
        return {}
    return {"CreateBucketConfiguration": {"LocationConstraint": region}}


def close_to_public(s3: Any, bucket: str) -> None:
    """Set all four of S3's locks against public access."""
    s3.put_public_access_block(
        Bucket=bucket,
        PublicAccessBlockConfiguration={
            "BlockPublicAcls": True,
            "IgnorePublicAcls": True,
            "BlockPublicPolicy": True,
            "RestrictPublicBuckets": True,
        },
    )


def _make(s3: Any, bucket: str, account_id: str) -> bool:
    """Make the bucket, and return True; False where it is there and of this account."""
    region = s3.meta.region_name
    try:
        found = s3.head_bucket(Bucket=bucket, ExpectedBucketOwner=account_id)
    except ClientError as error:
        if explain(error).kind != "gone":
            raise _refused(bucket, error) from error
    else:
        lies_in = found.get("BucketRegion", region)
        if lies_in != region:
            raise StorageError(
                say(
                    "{bucket} lies in {lies_in}, and the pipeline in {region}.",
                    bucket=bucket,
                    lies_in=lies_in,
                    region=region,
                ),
                hint=say("S3 calls a Lambda of its own region alone: name another bucket."),
            )
        return False
    try:
        s3.create_bucket(Bucket=bucket, **location(region))
    except ClientError as error:
        raise _refused(bucket, error) from error
    return True


def _refused(bucket: str, error: ClientError) -> StorageError:
    refusal = explain(error)
    if refusal.code in ("403", "BucketAlreadyExists") or refusal.kind == "region":
        return StorageError(
            say(
                "{bucket} is another account's, or lies in another region ({code}).",
                bucket=bucket,
                code=refusal.code,
            ),
            hint=say("set other names in infra/terraform.tfvars; ACCOUNT in one is your number."),
        )
    if refusal.kind == "denied":
        return StorageError(
            say(
                "the account lets you make no bucket: {bucket} is missing ({code}).",
                bucket=bucket,
                code=refusal.code,
            ),
            hint=say(
                "name buckets that exist in infra/terraform.tfvars; if nothing works any more, "
                "the lab's session has ended: start it again and copy the credentials."
            ),
        )
    return told(error, say("the bucket {bucket!r}", bucket=bucket), StorageError)


Setting = Callable[[Any, str], str]
"""Sets or looks at one thing of a bucket, and returns what holds now."""


def _try_each(settings: Mapping[str, Setting], s3: Any, bucket: str) -> Any:
    for what, act in settings.items():
        try:
            yield say(what), act(s3, bucket)
        except ClientError as error:
            if explain(error).kind != "denied":
                raise
            yield say(what), say(_MEANWHILE[what], code=explain(error).code)


def _close(s3: Any, bucket: str) -> str:
    try:
        close_to_public(s3, bucket)
    except ClientError as error:
        if explain(error).kind != "denied":
            raise
        return say("could not be set here; {seen}", seen=_look_closed(s3, bucket))
    return say("yes")


def _look_closed(s3: Any, bucket: str) -> str:
    try:
        locks = s3.get_public_access_block(Bucket=bucket)["PublicAccessBlockConfiguration"]
    except ClientError as error:
        if explain(error).code != "NoSuchPublicAccessBlockConfiguration":
            raise
        locks = {}
    if not locks or not all(locks.values()):
        raise StorageError(
            say("{bucket} may be opened to the public: S3's locks are not all set.", bucket=bucket),
            hint=say("set Block Public Access on it in the console, or name another bucket."),
        )
    return say("yes, as it was")


def _encrypt(s3: Any, bucket: str) -> str:
    rule = {"ApplyServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
    s3.put_bucket_encryption(Bucket=bucket, ServerSideEncryptionConfiguration={"Rules": [rule]})
    return say("yes, with S3's own keys")


def _demand_tls(s3: Any, bucket: str) -> str:
    if s3.meta.endpoint_url.startswith("http://"):
        return say("no, for this endpoint speaks plain HTTP: everybody would be shut out")
    arn = f"arn:aws:s3:::{bucket}"
    statement = {
        "Sid": "TlsOnly",
        "Effect": "Deny",
        "Principal": "*",
        "Action": "s3:*",
        "Resource": [arn, f"{arn}/*"],
        "Condition": {"Bool": {"aws:SecureTransport": "false"}},
    }
    policy = json.dumps({"Version": "2012-10-17", "Statement": [statement]})
    s3.put_bucket_policy(Bucket=bucket, Policy=policy)
    return say("yes")


def _expire(s3: Any, bucket: str) -> str:
    rules = [
        {
            "ID": f"expire-{prefix.rstrip('/')}",
            "Status": "Enabled",
            "Filter": {"Prefix": prefix},
            "Expiration": {"Days": 7},
        }
        for prefix in ("temporary/", "results/")
    ]
    unfinished = {
        "ID": "abort-unfinished-uploads",
        "Status": "Enabled",
        "Filter": {"Prefix": ""},
        "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 1},
    }
    s3.put_bucket_lifecycle_configuration(
        Bucket=bucket, LifecycleConfiguration={"Rules": [*rules, unfinished]}
    )
    return say("yes")


_SETTINGS: dict[str, Setting] = {
    later("closed to the public"): _close,
    later("encrypted"): _encrypt,
    later("TLS only"): _demand_tls,
    later("leftovers expire after 7 days"): _expire,
}
_LOOKS: dict[str, Setting] = {"closed to the public": _look_closed}
_MEANWHILE = {
    "closed to the public": later(
        "denied here ({code}): AWS closes every bucket made since April 2023"
    ),
    "encrypted": later(
        "denied here ({code}): S3 encrypts every new object with its own keys since January 2023"
    ),
    "TLS only": later("denied here ({code}): this project's tools speak TLS anyway"),
    "leftovers expire after 7 days": later(
        "denied here ({code}): `b3 buckets --remove` takes them, too"
    ),
}
"""What holds where a setting is denied."""


def _refuse_other_notifications(s3: Any, bucket: str, function: str) -> None:
    """Raise StorageError where Terraform would replace what somebody else has set.

    Another deployment of this very pipeline is somebody else, too.
    """
    others = [
        name
        for name, whom in _notifications(s3, bucket)
        if name != OWN_NOTIFICATION or not whom.endswith(f":function:{function}")
    ]
    if others:
        s3.delete_object(Bucket=bucket, Key=names.BUCKET_MARK)
        raise StorageError(
            say(
                "{bucket} notifies others already ({others}), and S3 keeps one list: Terraform "
                "would replace it.",
                bucket=bucket,
                others=", ".join(others),
            ),
            hint=say(
                "name another bucket in infra/terraform.tfvars, or remove these notifications."
            ),
        )


def _notifications(s3: Any, bucket: str) -> list[tuple[str, str]]:
    """Return a bucket's notifications: the id, or the kind where it has none, and whom it calls."""
    answer = s3.get_bucket_notification_configuration(Bucket=bucket)
    found = [
        (item.get("Id", kind), item.get("LambdaFunctionArn", ""))
        for kind, items in answer.items()
        if kind.endswith("Configurations")
        for item in items
    ]
    return found + [("EventBridge", "")] * ("EventBridgeConfiguration" in answer)


def _mark(s3: Any, bucket: str) -> str | None:
    """Return who made the bucket, as its mark says; None where there is no mark that says it."""
    try:
        body = s3.get_object(Bucket=bucket, Key=names.BUCKET_MARK)["Body"].read()
    except ClientError as error:
        if explain(error).code in ("NoSuchKey", "404"):
            return None
        raise
    try:
        return str(json.loads(body)["by"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None
