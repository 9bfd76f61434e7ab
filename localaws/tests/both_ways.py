"""A local AWS in this process that takes each request for an object by both ways.

Run by test_plain.py, for ministack reads its environment when it is imported. Prints what came of
each case as JSON, by its name: whether the short way answered, and where the answers differ.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import re
import sys
from base64 import b64encode
from errno import ENOSPC
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import quote, unquote, urlencode
from zlib import crc32

from botocore.auth import S3SigV4Auth, SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from localaws import statedir
from localaws.environment import server_environment
from localaws.settings import Settings

# Of each answer its own; a version is new with each PUT.
OWN = {"date", "x-amz-request-id", "x-amzn-requestid", "x-amz-id-2", "x-amz-version-id"}
BODY = b"PAR1 bars"
ALLOWED = {"Effect": "Allow", "Action": "s3:*Object", "Resource": "*"}
DENIED = {"Effect": "Deny", "Action": "s3:*", "Resource": "*/no/*"}
FROM_HERE = {"IpAddress": {"aws:SourceIp": "127.0.0.1/32"}}
FROM_ELSEWHERE = {"IpAddress": {"aws:SourceIp": "10.0.0.0/8"}}
TAGGED = {"StringEquals": {"s3:ExistingObjectTag/kind": "bars"}}
SECURE = {"Bool": {"aws:SecureTransport": "true"}}
ROLES = {
    "all": [ALLOWED],
    "none": [],
    "but-no": [ALLOWED, DENIED],
    "readers": [{**ALLOWED, "Action": "s3:GetObject", "Resource": "arn:aws:s3:::lake/a/*"}],
    "here": [{**ALLOWED, "Condition": FROM_HERE}],
    "elsewhere": [{**ALLOWED, "Condition": FROM_ELSEWHERE}],
    "tagged": [{**ALLOWED, "Condition": TAGGED}],
    "secure": [{**ALLOWED, "Condition": SECURE}],
}
CRC = b64encode(crc32(BODY).to_bytes(4, "big")).decode()
MD5 = b64encode(hashlib.md5(BODY).digest()).decode()  # noqa: S324 - the header is of MD5


class Server:
    """The application, the requests that reached ministack as a whole, and who may sign."""

    def __init__(self, folder: Path) -> None:
        self.settings = Settings(state_dir=statedir.prepare(folder), port=45678)
        for place in (self.settings.temp_dir, self.settings.kept_dir):
            place.mkdir(parents=True)
        os.environ.update(server_environment(self.settings, os.environ))
        keys = self.settings.keys
        self.callers = {"root": Credentials(keys.access_key_id, keys.secret_access_key)}
        self.whole = 0
        import ministack.app

        ministack_app = ministack.app.app

        async def counted(scope: Any, receive: Any, send: Any) -> None:
            self.whole += 1
            await ministack_app(scope, receive, send)

        ministack.app.app = counted
        from localaws.app import create_app

        self.app = create_app(self.settings)

    async def ask(
        self, method: str, path: str, body: bytes = b"", who: str = "root", service: str = "s3",
        region: str = "us-east-1", **headers: str,
    ) -> tuple[int, dict[str, str], bytes]:  # fmt: skip
        """Return status, headers and body of the answer to a signed request."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        request = AWSRequest(method, self.settings.endpoint_url + path, given, body)
        signer = S3SigV4Auth if service == "s3" else SigV4Auth
        signer(self.callers[who], service, region).add_auth(request)
        sent = {"host": f"{self.settings.host}:{self.settings.port}", **dict(request.headers)}
        if body:
            sent["content-length"] = str(len(body))
        plain, _, query = path.partition("?")
        scope = {
            "type": "http", "method": method, "path": unquote(plain), "raw_path": plain.encode(),
            "query_string": query.encode(), "client": ("127.0.0.1", 5), "scheme": "http",
            "headers": [(name.lower().encode(), value.encode()) for name, value in sent.items()],
        }  # fmt: skip
        told: list[Any] = []

        async def receive() -> dict[str, Any]:
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: dict[str, Any]) -> None:
            told.append(message)

        await self.app(scope, receive, send)
        found = {
            name.decode().lower(): value.decode("latin-1") for name, value in told[0]["headers"]
        }
        kept = {name: value for name, value in found.items() if name not in OWN}
        return told[0]["status"], kept, b"".join(part["body"] for part in told[1:])

    async def make_role(self, name: str, statements: list[Any]) -> None:
        """Make a role, and credentials under its name."""
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"AWS": "*"}}
        of_role = {"Version": "2010-05-08", "RoleName": name}
        trusted = {"AssumeRolePolicyDocument": policy(trust)}
        await self.form("iam", Action="CreateRole", **of_role, **trusted)
        if statements:
            rights = {"PolicyName": "rights", "PolicyDocument": policy(*statements)}
            await self.form("iam", Action="PutRolePolicy", **of_role, **rights)
        arn = f"arn:aws:iam::{self.settings.account_id}:role/{name}"
        text = await self.form(
            "sts", Action="AssumeRole", Version="2011-06-15", RoleArn=arn, RoleSessionName="s"
        )
        parts = ("AccessKeyId", "SecretAccessKey", "SessionToken")
        self.callers[name] = Credentials(
            *(re.search(f"<{part}>(.*?)</{part}>", text)[1] for part in parts)
        )

    async def form(self, service: str, **asked: str) -> str:
        kind = "application/x-www-form-urlencoded"
        body = urlencode(asked).encode()
        status, _, text = await self.ask("POST", "/", body, service=service, content_type=kind)
        assert status == 200, text
        return text.decode()

    def sidecar(self, bucket: str, key: str) -> dict[str, Any]:
        """Return what ministack wrote beside an object."""
        folder = self.settings.s3_data_dir / self.settings.account_id / bucket
        path = folder / f"{key}.meta.json"
        told = json.loads(path.read_text()) if path.is_file() else {}
        own = ("last_modified", "version_id", "versions", "key")
        return {name: value for name, value in told.items() if name not in own}


def policy(*statements: Any) -> str:
    """Return statements as a policy document."""
    return json.dumps({"Version": "2012-10-17", "Statement": statements})


async def fill(server: Server) -> None:
    """Make the buckets, objects and roles of the cases."""
    for name, statements in ROLES.items():
        await server.make_role(name, statements)
    for bucket in ("lake", "versions", "locked-up", "secured", "open-to-pages"):
        await server.ask("PUT", f"/{bucket}")
    await server.ask("PUT", "/far-away", service="s3", region="us-east-1", body=(
        b"<CreateBucketConfiguration><LocationConstraint>eu-west-1</LocationConstraint>"
        b"</CreateBucketConfiguration>"))  # fmt: skip
    configured = {
        "versions?versioning": "<VersioningConfiguration><Status>Enabled</Status>"
        "</VersioningConfiguration>",
        "open-to-pages?cors": "<CORSConfiguration><CORSRule><AllowedMethod>GET</AllowedMethod>"
        "<AllowedOrigin>*</AllowedOrigin></CORSRule></CORSConfiguration>",
        "locked-up?policy": policy(
            {"Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*"}
        ),
        "secured?policy": policy({
            "Effect": "Deny", "Principal": "*", "Action": "s3:*", "Resource": "*",
            "Condition": {"Bool": {"aws:SecureTransport": "false"}},
        }),
    }  # fmt: skip
    for path, text in configured.items():
        status, _, answer = await server.ask("PUT", f"/{path}=", text.encode())
        assert status in (200, 204), answer
    kinds = {"a/json": "application/json", "a/xml": "application/xml", "a/text": "text/plain"}
    for key, kind in kinds.items():
        await server.ask("PUT", f"/lake/{key}", BODY, content_type=kind)
    await server.ask("PUT", "/lake/a/tagged", BODY, x_amz_tagging="kind=bars")
    await server.ask("PUT", "/lake/a/told", BODY, x_amz_meta_batch="b1", content_language="pt")
    told = 'attachment; filename="ação.csv"'
    await server.ask("PUT", "/lake/a/named", BODY, content_disposition=told)
    await server.ask("PUT", "/lake/a/cold", BODY, x_amz_storage_class="GLACIER")
    for key in ("a/bars", "a/empty", "no/bars", "a/b/c", "dt=2024-01-02/ticker=PETR4/q.parquet"):
        await server.ask("PUT", f"/lake/{key}", b"" if "empty" in key else BODY)
    for bucket in ("versions", "secured", "open-to-pages", "locked-up"):
        await server.ask("PUT", f"/{bucket}/a/bars", BODY)


def cases() -> dict[str, dict[str, Any]]:
    """Return what is asked, by a name."""
    got = {
        key: {"path": f"/lake/{key}"}
        for key in (
            "a/bars", "a/empty", "a/json", "a/xml", "a/text", "a/tagged", "a/told", "a/cold",
            "a/b", "a/none", "dt=2024-01-02/ticker=PETR4/q.parquet", "a//bars", "a/../bars",
            ".ministack-keys/a", "a/bars.meta.json", "A" * 700, quote("ações"), "a/bars/",
            "a/named",
        )
    }  # fmt: skip
    got |= {
        "checksum asked": {"path": "/lake/a/bars", "x_amz_checksum_mode": "ENABLED"},
        "no bucket": {"path": "/nowhere/a/bars"},
        "a bucket elsewhere": {"path": "/far-away/a/bars"},
        "signed for elsewhere": {"path": "/lake/a/bars", "region": "eu-west-1"},
        "a function's path": {"path": "/lake/2015-03-31/functions/f/invocations"},
        **{f"of {bucket}": {"path": f"/{bucket}/a/bars"}
           for bucket in ("versions", "locked-up", "secured", "open-to-pages")},
        **{f"{key} as {who}": {"path": f"/lake/{key}", "who": who}
           for who in ROLES for key in ("a/bars", "no/bars", "a/tagged", "a/none")},
        **{f"of {bucket} as all": {"path": f"/{bucket}/a/bars", "who": "all"}
           for bucket in ("versions", "locked-up", "secured", "open-to-pages")},
    }  # fmt: skip
    put = {
        "plain": {},
        "empty": {"body": b""},
        "right MD5": {"content_md5": MD5},
        "wrong MD5": {"content_md5": MD5[::-1]},
        "right CRC": {"x_amz_checksum_crc32": CRC, "x_amz_sdk_checksum_algorithm": "CRC32"},
        "wrong CRC": {"x_amz_checksum_crc32": "AAAAAA==", "x_amz_sdk_checksum_algorithm": "CRC32"},
        "with what it is": {"content_type": "application/json"},
        "public": {"x_amz_acl": "public-read"},
        "if it is new": {"if_none_match": "*"},
        "versioned": {"bucket": "versions"},
        "denied to all": {"bucket": "locked-up", "who": "all"},
        "secured": {"bucket": "secured", "who": "all"},
        "no bucket": {"bucket": "nowhere"},
        "below a file": {"key": "a/bars/{}"},
        "where a folder is": {"key": "a/b{}"},
        **{f"as {who}": {"who": who} for who in ROLES},
        **{f"no, as {who}": {"who": who, "key": "no/{}"} for who in ROLES},
    }
    found = {f"GET {name}": {"method": "GET", **how} for name, how in got.items()}
    return found | {f"PUT {name}": {"method": "PUT", **how} for name, how in put.items()}


async def compare(server: Server, method: str, **how: Any) -> dict[str, Any]:
    """Return whether the short way answered, the status, and what the whole way says else."""
    answers, notes = [], []
    for way, odd in (("short", {}), ("whole", {"x_odd": "1"})):
        asked = dict(how)
        if method == "PUT":
            bucket, key = asked.pop("bucket", "lake"), asked.pop("key", "put/{}").format(way)
            asked = {"path": f"/{bucket}/{key}", "body": BODY, **asked}
        before = server.whole
        answers.append(await server.ask(method, **asked, **odd))
        notes.append(server.whole - before)
        if method == "PUT":
            there = await server.ask("GET", asked["path"], x_odd="1")
            told = dict(there[1])
            if there[0] == 200:
                told.pop("last-modified")
            body = there[2] if there[0] == 200 else b""
            answers[-1] = (*answers[-1], there[0], told, body, server.sidecar(bucket, key))
    # An error names its key, which is another one with PUT.
    short, whole = (repr(answer).replace("whole", "short") for answer in answers)
    ids = re.compile(r"<(RequestId|HostId)>.*?</\1>|'content-length': '\d+'")
    if answers[0][0] >= 300:
        short, whole = ids.sub("", short), ids.sub("", whole)
    differ = "" if short == whole else f"{short}\n{whole}"
    return {"short": not notes[0], "status": answers[0][0], "differ": differ}


async def on_a_full_disk(server: Server) -> dict[str, Any]:
    """Return what comes of a PUT over an object where nothing can be written."""
    from ministack.services import s3

    def full(path: str, *_: Any, **how: Any) -> None:
        raise OSError(ENOSPC, "No space left on device", path)

    path = server.settings.s3_data_dir / server.settings.account_id / "lake" / "a" / "bars"
    before = server.whole
    with patch.object(s3, "_atomic_write", full):
        status = (await server.ask("PUT", "/lake/a/bars", b"new bars"))[0]
    whole = server.whole - before
    kept = (await server.ask("GET", "/lake/a/bars"))[2].decode()
    return {"differ": "", "refused": status, "whole": whole, "kept": [kept, path.read_text()]}


def differing_paths(settings: Settings) -> list[str]:
    """Return the keys of which the quick function names another path than ministack's own."""
    from ministack.services import s3

    account = settings.s3_data_dir / settings.account_id
    lake, outside = account / "lake", settings.state_dir / "elsewhere"
    (outside / "below").mkdir(parents=True)
    (outside / "file").write_bytes(b"")
    (lake / "linked").symlink_to(outside)
    (lake / "a" / "link").symlink_to(outside / "file")
    (account / "linked-bucket").symlink_to(outside)
    keys = [
        "a/bars", "a/b/c", "a/b", "a", "new", "new/er/key", "a/new", "a/bars/below", "a/link",
        "linked", "linked/file", "linked/none", "linked/below/none", "a/../a/bars", "./a/bars",
        "a//bars", "/a", "a/", "a/bars.meta.json", "a/x.tmp", "ações/a", "x" * 300, "a\0b",
        ".ministack-keys/a", ".hidden/a", "a/.hidden", "file", "below/none",
    ]  # fmt: skip
    buckets = ["lake", "versions", "none", "linked-bucket", "..", "lake/a", "lake/../versions"]
    bases = [f"{account}/{bucket}" for bucket in buckets] + [str(outside), "/", f"{account}"]
    quick = s3._key_disk_path.__self__
    whole, asked = quick._whole, []
    quick._whole = lambda base, key: asked.append(key) or whole(base, key)
    s3._key_disk_path(f"{account}/lake", "a/bars")
    s3._key_disk_path(f"{account}/versions", "new/er/key")
    if asked:
        return [f"{key} was asked of ministack" for key in asked]
    differing = [
        f"{base}: {key}"
        for base in bases
        for key in keys
        if s3._key_disk_path(base, key) != whole(base, key)
    ]
    look = os.lstat

    def closed(path: str, **how: Any) -> os.stat_result:
        if str(path).startswith(f"{lake}/a"):  # root may look into every folder
            raise PermissionError(13, "Permission denied", path)
        return look(path, **how)

    with patch("os.lstat", closed):
        same = s3._key_disk_path(str(lake), "a/bars") == whole(str(lake), "a/bars")
    return differing if same else [*differing, "a closed folder"]


async def main(folder: Path) -> None:
    """Start, ask each case, end, and print what came of them."""
    server = Server(folder)
    messages: asyncio.Queue[Any] = asyncio.Queue()
    started = asyncio.Event()

    async def said(message: Any) -> None:
        assert "failed" not in message["type"], message
        started.set()

    await messages.put({"type": "lifespan.startup"})
    living = asyncio.create_task(server.app({"type": "lifespan"}, messages.get, said))
    await started.wait()
    await fill(server)
    found = {name: await compare(server, **how) for name, how in cases().items()}
    found["full disk"] = await on_a_full_disk(server)
    found["paths"] = {"differ": differing_paths(server.settings)}
    await messages.put({"type": "lifespan.shutdown"})
    await living
    sys.stdout.write(json.dumps(found))


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1])))
