"""Who calls, and what they may do: the same for every service.

Signatures are recomputed and policies evaluated by ministack's own functions of these names; this
module asks them for the calls that ministack never sees, and closes what it leaves open: requests
without a signature, and keys that it takes for the account's root without looking at the secret.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import hashlib
import hmac
import json
import re
import secrets
import threading
import time
import uuid
from collections.abc import Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit
from xml.sax.saxutils import unescape

from localaws.backend import Backend
from localaws.plain import CALLER
from localaws.settings import Settings
from localaws.wire import AwsError, Headers, Receive, Scope, read_body

Need = tuple[str, str]
"""An action and the resource it is done to: (`glue:StartJobRun`, its job's ARN)."""

_UNKNOWN_KEY = "The security token included in the request is invalid."
_PAYLOADS = (
    "UNSIGNED-PAYLOAD",
    "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
)
"""What may stand for the hash of a body."""
_FORWARDED = b"x-forwarded-proto"
_PARTS = ("Credential=", "SignedHeaders=", "Signature=")
PASS_ROLE = "iam:PassRole"  # noqa: S105 - no password
# What a link of signature version 2 may say unsigned: which part of a listing is shown.
_OF_LISTINGS = frozenset(
    (
        "continuation-token", "delimiter", "encoding-type", "fetch-owner", "key-marker",
        "list-type", "marker", "max-keys", "max-parts", "max-uploads", "part-number-marker",
        "prefix", "start-after", "upload-id-marker", "version-id-marker", "x-id",
    )
)  # fmt: skip
_OF_OLD_LINKS = frozenset(("AWSAccessKeyId", "Signature", "Expires", "content-md5", "content-type"))
_LONGEST_LINK_SECONDS = 7 * 24 * 3600
_SKEW = dt.timedelta(minutes=15)
_DATE = re.compile(r"20\d\d(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])T([01]\d|2[0-3])[0-5]\d[0-5]\dZ")
# Larger bodies are hashed in a thread: a hundred megabytes would hold the loop for a moment.
_LARGE = 1 << 20


@dataclass(frozen=True)
class Caller:
    """Whose key signed a request; the server itself is its root."""

    access_key_id: str
    service: str = ""
    """The service that the request was signed for."""


@dataclass(frozen=True)
class Session:
    """Temporary credentials of a role."""

    access_key_id: str
    secret_access_key: str
    session_token: str

    def environment(self) -> dict[str, str]:
        return {
            "AWS_ACCESS_KEY_ID": self.access_key_id,
            "AWS_SECRET_ACCESS_KEY": self.secret_access_key,
            "AWS_SESSION_TOKEN": self.session_token,
        }


class CredentialsError(AwsError):
    """A request that nobody signed whom this server knows."""


class _Request:
    """A request as it arrived: what its signature covers."""

    def __init__(self, scope: Scope) -> None:
        self.method: str = scope["method"]
        self.path: str = (scope.get("raw_path") or quote(scope["path"]).encode()).decode("latin-1")
        text = scope.get("query_string", b"").decode("latin-1")
        self.query = parse_qs(text, keep_blank_values=True)
        self.url = f"http://host{self.path}" + (f"?{text}" if text else "")
        self.headers: dict[str, str] = {}
        for raw_name, raw_value in scope["headers"]:
            name, value = raw_name.decode("latin-1").lower(), raw_value.decode("utf-8", "replace")
            self.headers[name] = f"{self.headers[name]},{value}" if name in self.headers else value

    def parameter(self, name: str) -> str:
        return str(self.query.get(name, [""])[0])

    @property
    def is_presigned(self) -> bool:
        return "authorization" not in self.headers and "X-Amz-Algorithm" in self.query

    @property
    def is_old_link(self) -> bool:
        """Whether it is a link of signature version 2, which boto3 still makes in us-east-1."""
        return "authorization" not in self.headers and "AWSAccessKeyId" in self.query

    @property
    def payload(self) -> str:
        """The hash of the body, or what stands in its place, as the client declares it."""
        return self.headers.get("x-amz-content-sha256", "")


class Callers:
    """The callers of one server. ministack must have been imported, in its environment."""

    def __init__(self, settings: Settings, backend: Backend) -> None:
        self._settings = settings
        self._backend = backend
        self._root = settings.keys.access_key_id
        self._of_services: set[str] = set()
        self._of_lambdas: dict[tuple[str, str], Session] = {}
        self._lock = threading.Lock()

    @property
    def root(self) -> Caller:
        """The account's root: the server itself, and whoever holds the key of its folder."""
        return Caller(self._root)

    def as_it_came(self, caller: Caller, scope: Scope) -> Scope:
        """Return a request as AWS would see it: a run and a Lambda reach it over TLS alone.

        So a bucket that refuses plain HTTP takes what they send here, too. Of others nobody may say
        how they came: ministack believes a header. Who signed it stands in the scope from here on.
        """
        headers = [pair for pair in scope["headers"] if pair[0] != _FORWARDED]
        if caller.access_key_id in self._of_services:
            headers.append((_FORWARDED, b"https"))
        return {**scope, "headers": headers, CALLER: caller}

    def is_root(self, caller: Caller) -> bool:
        """Return whether a caller may everything."""
        return caller.access_key_id == self._root

    async def identify(self, scope: Scope, receive: Receive) -> tuple[Caller, bytes]:
        """Return who signed a request, and its body; raise CredentialsError where nobody did."""
        if self._settings.any_key:
            return self.root, await read_body(receive)
        request = _Request(scope)
        # Before the body is read: a stranger does not make this server hold gigabytes.
        signature, secret = self._claimed(request)
        _check_key(request, signature.access_key_id)
        if isinstance(signature, _OldLink):
            _check_extent(request, routed_to(scope))
        body = await read_body(receive)
        if len(body) > _LARGE:
            await asyncio.to_thread(_check, request, signature, secret, body)
        else:
            _check(request, signature, secret, body)
        return Caller(signature.access_key_id, signature.service), body

    def _claimed(self, request: _Request) -> tuple[Any, str]:
        """Return the parts of a signature and the secret with which it must have been made."""
        from ministack.core.sigv4 import parse_header_signature, parse_query_signature

        if request.is_old_link:
            signature: Any = _old_link(request)
        elif request.is_presigned:
            signature = parse_query_signature(request.query)
        elif request.headers.get("authorization", "").startswith("AWS4-HMAC-SHA256"):
            if any(request.headers["authorization"].count(part) > 1 for part in _PARTS):
                raise CredentialsError("IncompleteSignature", "A parameter came twice.", 400)
            signature = parse_header_signature(request.headers)
        elif "authorization" in request.headers:
            raise CredentialsError("UnsupportedSignature", "Use AWS4-HMAC-SHA256.", 400)
        else:
            message = "Request is missing Authentication Token"
            raise CredentialsError("MissingAuthenticationToken", message, 403)
        if isinstance(signature, tuple):
            raise CredentialsError(str(signature[0]), str(signature[1]), 403)
        if not _is_service(signature.service):
            message = f"Credential should be scoped to a valid service, not {signature.service!r}."
            raise CredentialsError("SignatureDoesNotMatch", message, 403)
        token = request.headers.get("x-amz-security-token", "")
        if request.is_presigned or request.is_old_link:
            token = request.parameter("X-Amz-Security-Token") or request.parameter(
                "x-amz-security-token"
            )
        return signature, self._secret(signature.access_key_id, token)

    def _secret(self, access_key_id: str, token: str) -> str:
        from ministack.core.iam_evaluator import (
            CredentialResolutionError,
            is_root_access_key,
            resolve_credential,
        )

        if is_root_access_key(access_key_id) and access_key_id != self._root:
            # `test`, account numbers, nothing at all: ministack's root, and anybody's guess.
            raise CredentialsError("UnrecognizedClientException", _UNKNOWN_KEY, 403)
        found = resolve_credential(access_key_id, self._settings.account_id, token)
        if isinstance(found, CredentialResolutionError):
            raise CredentialsError(found.code, found.message, 403)
        return str(found.secret_access_key)

    async def permit(self, caller: Caller, needs: Iterable[Need]) -> None:
        """Raise AwsError where a caller may not do all of `needs`, or passes a role that is none.

        A role stands there as the request gives it, and is judged by the ARN that it has.
        """
        if self.is_root(caller):
            return
        for action, resource in needs:
            if action != PASS_ROLE:
                self.authorize(caller, [(action, resource)])
                continue
            found = await self._role(resource)
            arn = found[0] if found else self.role_arn(resource)
            self.authorize(caller, [(action, arn)])
            if not found and caller.service != "lambda":  # which says so in words of its own
                raise AwsError("InvalidInputException", f"There is no role {arn}.")

    def authorize(self, caller: Caller, needs: Iterable[Need]) -> None:
        """Raise AwsError where the policies of a caller do not allow all of `needs`."""
        if self.is_root(caller):
            return
        from ministack.core.iam_actions import identity_denial_message
        from ministack.core.iam_evaluator import AuthError, enforce, pin_request_origin

        for action, resource in needs:
            service = action.partition(":")[0]
            # What services do with S3 in a caller's name goes over TLS on AWS.
            pin_request_origin(self._settings.host, service == "s3")
            denied = enforce(
                caller.access_key_id, action, service, self._settings.region, resource_arn=resource
            )
            if isinstance(denied, AuthError):
                raise CredentialsError(denied.code, denied.message, 403)
            if denied is not None:
                explicit = denied.decision == "Deny"
                message = identity_denial_message(action, denied.principal_arn, resource, explicit)
                raise AwsError("AccessDeniedException", message)

    def role_arn(self, role: str) -> str:
        """Return the ARN of a role that is given by its name or its ARN."""
        if role.startswith("arn:"):
            return role
        return f"arn:aws:iam::{self._settings.account_id}:role/{role}"

    async def role_of_profile(self, profile: str) -> str:
        """Return the ARN of the role in an instance profile; empty where there is none.

        `profile` is a name or an ARN.
        """
        name = profile.rpartition("/")[2]
        answer = await self._backend.query(
            "iam", Action="GetInstanceProfile", InstanceProfileName=name
        )
        found = re.search("<Roles>.*?<Arn>(.*?)</Arn>", answer, re.DOTALL)
        return unescape(found[1]) if found else ""

    async def session(self, role: str, service: str, name: str, seconds: float) -> Session:
        """Return credentials under which `service` (glue.amazonaws.com) acts as a role.

        Raises AwsError where there is no such role, or its trust does not name the service.
        """
        if self._settings.any_key:
            keys = self._settings.keys
            return Session(keys.access_key_id, keys.secret_access_key, "")
        arn = await self._assumable(role, service)
        if not arn:
            message = f"{service} cannot assume the role {self.role_arn(role)}."
            raise AwsError("AccessDeniedException", message)
        return self._register(arn, name, time.time() + seconds)

    async def check_role_of_lambda(self, role: str) -> None:
        """Raise AwsError where a role is none, or one that Lambda may not assume: AWS asks at once.

        ministack asks whether there is such a role.
        """
        if self._settings.any_key or await self._assumable(role, "lambda.amazonaws.com"):
            return
        message = "The role defined for the function cannot be assumed by Lambda."
        raise AwsError("InvalidParameterValueException", message)

    async def _assumable(self, role: str, service: str) -> str:
        """Return the ARN of a role; empty where there is none, or its trust names no `service`."""
        from ministack.core.iam_evaluator import evaluate_trust_policy

        found = await self._role(role)
        if not found or not evaluate_trust_policy(_as_seen_by(found[1], service), service):
            return ""
        return found[0]

    def lambda_environment(self, config: dict[str, Any]) -> dict[str, str]:
        """Return the credentials of a Lambda: those of its role, the same while the server lives.

        ministack's own are computed from the names of function and role, so that every user of the
        machine could sign with them.
        """
        function, role = str(config.get("FunctionArn", "")), str(config.get("Role", ""))
        with self._lock:
            made = self._of_lambdas.get((function, role))
            if made is None:
                made = self._register(role, str(config.get("FunctionName", "")), None)
                self._of_lambdas[function, role] = made
        return made.environment()

    def _register(self, role_arn: str, name: str, until: float | None) -> Session:
        """Return new credentials of a role that ministack knows from now on."""
        from ministack.services import sts

        account, role = self._settings.account_id, role_arn.rpartition("/")[2]
        made = Session(
            f"ASIA{secrets.token_hex(8).upper()}",
            secrets.token_urlsafe(30),
            secrets.token_urlsafe(96),
        )
        known = {
            "Arn": f"arn:aws:sts::{account}:assumed-role/{role}/{name[:64]}",
            "UserId": f"{role}:{name[:64]}",
            "AccountId": account,
            "SecretAccessKey": made.secret_access_key,
            "SessionToken": made.session_token,
        }
        self._of_services.add(made.access_key_id)
        sts.register_session(made.access_key_id, known | ({"Expiration": until} if until else {}))
        return made

    async def _role(self, role: str) -> tuple[str, str] | None:
        """Return ARN and trust policy of a role, given by name or ARN; None where there is none.

        A name is one role's whatever its path is: an ARN with another path is that of no role.
        """
        name = role.rpartition("/")[2]
        answer = await self._backend.query("iam", Action="GetRole", RoleName=name)
        found = re.search("<Arn>(.*?)</Arn>", answer)
        trust = re.search("<AssumeRolePolicyDocument>(.*?)</AssumeRolePolicyDocument>", answer)
        arn = unescape(found[1]) if found else ""
        if not arn or not trust or (role.startswith("arn:") and role != arn):
            return None
        return arn, unquote(unescape(trust[1]))


_caller: ContextVar[Caller | None] = ContextVar("localaws_caller", default=None)


def set_caller(caller: Caller) -> None:
    """Say for whom the rest of this task works, and what it starts."""
    _caller.set(caller)


def current_caller() -> Caller | None:
    """Return for whom this task works; None where that is the server itself."""
    return _caller.get()


def _as_seen_by(trust: str, service: str) -> dict[str, Any]:
    """Return what a trust policy says of a service; ministack evaluates those of AWS alone."""
    try:
        statements = json.loads(trust).get("Statement", [])
    except (ValueError, AttributeError, RecursionError):
        statements = []
    named = []
    for one in statements if isinstance(statements, list) else [statements]:
        principal = one.get("Principal")
        services = principal.get("Service", []) if isinstance(principal, dict) else []
        if principal == "*" or service in ([services] if isinstance(services, str) else services):
            named.append({**one, "Principal": "*"})
    return {"Statement": named}


def _check(request: _Request, signature: Any, secret: str, body: bytes) -> None:
    """Raise CredentialsError where a signature is not that of this request, made now."""
    from ministack.core.sigv4 import header_signature_failure

    if isinstance(signature, _OldLink):
        _check_old_link(request, signature, secret)
        return
    _check_time(request, signature)
    _check_coverage(request, signature)
    try:
        failure = header_signature_failure(
            signature, secret, request.method, request.path, request.query, request.headers, body,
            presigned=request.is_presigned,
        )  # fmt: skip
    except TypeError as error:  # hmac compares no text but ASCII
        message = "The request signature we calculated does not match the signature you provided."
        raise CredentialsError("SignatureDoesNotMatch", message, 403) from error
    if failure:
        raise CredentialsError(str(failure[0]), str(failure[1]), 403)
    declared = request.payload
    if re.fullmatch(r"[0-9a-f]{64}", declared):
        if not hmac.compare_digest(hashlib.sha256(body).hexdigest(), declared):
            message = "The provided 'x-amz-content-sha256' header does not match what was computed."
            raise AwsError("XAmzContentSHA256Mismatch", message)
    elif declared and signature.service != "s3":
        raise CredentialsError("SignatureDoesNotMatch", "The payload must be signed.", 403)
    elif declared and declared not in _PAYLOADS:
        raise CredentialsError("SignatureDoesNotMatch", f"No such payload: {declared}.", 403)


def _check_key(request: _Request, access_key_id: str) -> None:
    """Raise CredentialsError where ministack would take a request for that of another key.

    It reads for itself whose rights count, from a link's parameters of either version.
    """
    from ministack.core.router import extract_access_key_id

    if extract_access_key_id(request.headers, request.query) != access_key_id:
        message = "Only one auth mechanism allowed: the request names two access keys."
        raise CredentialsError("InvalidArgument", message, 400)


def _check_extent(request: _Request, service: str) -> None:
    """Raise CredentialsError where an old link asks for what its signature does not cover."""
    from botocore.auth import HmacV1QueryAuth

    covered = {*HmacV1QueryAuth.QSAOfInterest, *_OF_LISTINGS, *_OF_OLD_LINKS}
    unsigned = [name for name in request.query if name not in covered]
    unsigned = [name for name in unsigned if not name.lower().startswith("x-amz-")]
    if unsigned or service != "s3":
        message = f"There were parameters present in the link which were not signed: {unsigned}"
        if not unsigned:
            message = f"A link of signature version 2 opens S3, and not {service}."
        raise CredentialsError("AccessDenied", message, 403)


def _check_time(request: _Request, signature: Any) -> None:
    from ministack.core.sigv4 import request_time_failure

    if not _DATE.fullmatch(signature.amz_date):
        message = f"Date must be in ISO-8601 'basic format'. Got {signature.amz_date!r}."
        raise CredentialsError("IncompleteSignature", message, 400)
    if request.is_presigned:
        _check_link_time(request, signature.amz_date)
    elif failure := request_time_failure(signature):
        raise CredentialsError(str(failure[0]), str(failure[1]), 403)


def _check_link_time(request: _Request, date: str) -> None:
    text = request.parameter("X-Amz-Expires")
    seconds = int(text) if re.fullmatch(r"[0-9]{1,6}", text) else -1
    if not 1 <= seconds <= _LONGEST_LINK_SECONDS:
        raise CredentialsError("AccessDenied", "X-Amz-Expires must be 1 to 604800 seconds.", 403)
    try:
        signed = dt.datetime.strptime(date, "%Y%m%dT%H%M%SZ").replace(tzinfo=dt.UTC)
    except ValueError as error:  # the 30th of February
        raise CredentialsError("AccessDenied", f"There is no {date}.", 403) from error
    now = dt.datetime.now(dt.UTC)
    if signed > now + _SKEW or now > signed + dt.timedelta(seconds=seconds):
        raise CredentialsError("AccessDenied", "Request has expired", 403)


def _check_coverage(request: _Request, signature: Any) -> None:
    """Raise CredentialsError where something that decides what is done was not signed."""
    signed = set(signature.signed_headers.split(";"))
    needed = {"host"} | {name for name in request.headers if name.startswith("x-amz-")}
    if missing := sorted(needed - signed):
        message = f"There were headers present in the request which were not signed: {missing}"
        raise CredentialsError("AccessDenied", message, 403)


@dataclass(frozen=True)
class _OldLink:
    """A link of signature version 2, which only S3 takes."""

    access_key_id: str
    signature: str
    expires: str
    service: str = "s3"


def _old_link(request: _Request) -> _OldLink:
    return _OldLink(
        *(request.parameter(name) for name in ("AWSAccessKeyId", "Signature", "Expires"))
    )


def _check_old_link(request: _Request, link: _OldLink, secret: str) -> None:
    from botocore.auth import HmacV1QueryAuth
    from botocore.awsrequest import HTTPHeaders
    from botocore.credentials import Credentials

    class Signer(HmacV1QueryAuth):  # type: ignore[misc]
        def _get_date(self) -> str:  # when the link ends, not an hour from now
            return link.expires

    if not re.fullmatch("[0-9]{1,12}", link.expires) or int(link.expires) < time.time():
        raise CredentialsError("AccessDenied", "Request has expired", 403)
    headers = HTTPHeaders()
    # What a link demands of the request stands in its query, under the names of headers.
    hoisted = {name.lower(): values[0] for name, values in request.query.items()}
    for name, value in {**hoisted, **request.headers}.items():  # a header is what ministack obeys
        if name.startswith("x-amz-") or name in ("content-md5", "content-type"):
            headers[name] = value
    signer = Signer(Credentials(link.access_key_id, secret))
    bucket_alone = request.path.rfind("/") == 0 and request.path != "/"  # signed with a slash
    path = f"{request.path}/" if bucket_alone else request.path
    expected = signer.get_signature(request.method, urlsplit(request.url), headers, auth_path=path)
    if not hmac.compare_digest(str(expected).encode(), link.signature.encode()):
        message = "The request signature we calculated does not match the signature you provided."
        raise CredentialsError("SignatureDoesNotMatch", message, 403)


@lru_cache(256)
def _is_service(name: str) -> bool:
    """Return whether a service signs with this name; ministack guesses where none does."""
    from ministack.core.router import detect_service

    headers = {"authorization": f"AWS4-HMAC-SHA256 Credential=key/day/region/{name}/aws4_request"}
    return name == "s3" or detect_service("GET", "/", headers, {}) != "s3"


def routed_to(scope: Scope) -> str:
    """Return the service that answers a request, whatever its signature was made for."""
    from ministack.core.router import detect_service

    request = _Request(scope)
    return str(detect_service(request.method, scope["path"], request.headers, request.query))


def refusal(scope: Scope, error: CredentialsError) -> tuple[int, Headers, bytes]:
    """Return status, headers and body of a refusal, in the words of the service that was called."""
    from ministack.core.iam_actions import access_denied_response

    request, service = _Request(scope), routed_to(scope)
    if error.code == "MissingAuthenticationToken" and "form-urlencoded" in request.headers.get(
        "content-type", ""
    ):
        service = "sts"  # which of the query protocols it is stands in the body alone
    status, headers, body = access_denied_response(
        service, "", "", str(uuid.uuid4()), error_code=error.code, message=error.message,
        headers=request.headers,
    )  # fmt: skip
    pairs = [(name.lower().encode(), str(value).encode()) for name, value in headers.items()]
    return status, [*pairs, (b"content-length", str(len(body)).encode())], body
