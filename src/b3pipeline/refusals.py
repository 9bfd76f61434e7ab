"""Why a call to AWS failed, and what to do: one table of codes for every library that calls it.

boto3 raises `ClientError` and `BotoCoreError`, obstore and the job put S3's answer into their
text, awswrangler passes boto3's on. `explain` reads all of them.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TypeVar

from botocore.exceptions import BotoCoreError, ClientError
from obstore.exceptions import BaseError

from b3pipeline.errors import B3Error
from b3pipeline.language import later, say

CALL_ERRORS = (ClientError, BotoCoreError, BaseError)
"""What the libraries raise for a call that failed; obstore's missing object is besides a
FileNotFoundError."""

E = TypeVar("E", bound=B3Error)


@dataclass(frozen=True)
class Refusal:
    """Why a call failed: its kind, AWS's own code and words (either may be ''), what to do."""

    kind: str
    code: str
    said: str
    hint: str

    def about(self, what: str) -> str:
        """Return the sentence for a call on `what`, such as "the bucket 'x'"."""
        words = f"{self.code}: {self.said}" if self.code and self.said else self.code or self.said
        sentence = say(_SENTENCES[self.kind], what=what)
        if not words:
            return say("{sentence}.", sentence=sentence)
        return say("{sentence} ({words}).", sentence=sentence, words=words.rstrip("."))


_SENTENCES = {
    "expired": later("the credentials for {what} have expired"),
    "keys": later("the access keys for {what} are not accepted"),
    "no_keys": later("there are no AWS credentials on this machine"),
    "denied": later("access to {what} is denied"),
    "throttled": later("AWS takes no more requests for {what} for now"),
    "gone": later("AWS knows no such thing as {what}"),
    "region": later("{what} lies in another region than the one asked"),
    "clock": later("the clock of this machine is too far from AWS's for {what}"),
    "network": later("{what} cannot be reached"),
    "server": later("AWS failed on its own side with {what}"),
    "other": later("AWS refused work on {what}"),
}
_GO_ON = later("`b3 resume` completes an ingestion that was cut off")
_RENEW = later("get new credentials (in AWS Academy: start the lab, then AWS Details)")
_HINTS = {
    "expired": later("{renew}, then {go_on}."),
    "keys": later(
        "{renew}, the key, the secret and the session token of one block (the environment "
        "wins over ~/.aws/credentials), then {go_on}."
    ),
    "no_keys": later("set AWS_PROFILE, or paste the keys of your account or lab session."),
    "denied": later(
        "in AWS Academy an ended session denies everything: start the lab and copy its "
        "credentials, then {go_on}; elsewhere ask for the right to it, and check region and owner."
    ),
    "throttled": later("wait some minutes, then {go_on}."),
    "gone": later(
        "`b3 doctor` lists what is missing; `b3 local up` or `terraform apply` makes it."
    ),
    "region": later(
        "set AWS_DEFAULT_REGION to the region of the deployment: `b3 outputs` reads it anew."
    ),
    "clock": later("set the clock of this machine (`timedatectl set-ntp true`), then {go_on}."),
    "network": later(
        "see that the network is up, and that AWS_ENDPOINT_URL and the region are right; "
        "then {go_on}."
    ),
    "local": later("see that the local AWS is up: `b3 local status`, `b3 local up`; then {go_on}."),
    "server": later("try again in some minutes: {go_on}."),
    "other": later("`b3 doctor` checks the deployment and your rights on it."),
}

_CODES = {
    "expired": """ExpiredToken ExpiredTokenException TokenRefreshRequired ExpiredCredentials
        RequestExpired UnauthorizedSSOTokenError SSOTokenLoadError TokenRetrievalError
        CredentialRetrievalError LoginRefreshRequired""",
    "keys": """InvalidAccessKeyId SignatureDoesNotMatch InvalidClientTokenId InvalidToken
        UnrecognizedClientException UnrecognizedClient IncompleteSignature InvalidSignature
        IncompleteSignatureException InvalidSignatureException AuthFailure NotSignedUp
        MissingAuthenticationToken MissingAuthenticationTokenException InvalidSecurity
        PartialCredentialsError ProfileNotFound ConfigParseError InvalidConfigError""",
    "no_keys": "NoCredentialsError NoAuthTokenError MissingSecurityHeader",
    "denied": """AccessDenied AccessDeniedException Forbidden UnauthorizedOperation
        UnauthorizedAccess AllAccessDisabled AccountProblem NotAuthorized OptInRequired
        UnauthorizedException PermissionDeniedError UnauthenticatedError 400 401 403""",
    "throttled": """Throttling ThrottlingException ThrottledException TooManyRequestsException
        TooManyRequests SlowDown RequestLimitExceeded RequestThrottled RequestThrottledException
        BandwidthLimitExceeded LimitExceededException ProvisionedThroughputExceededException
        PriorRequestNotComplete EC2ThrottledException 429""",
    "gone": """NoSuchBucket NoSuchKey NoSuchEntity NoSuchUpload NoSuchVersion NotFound
        EntityNotFoundException ResourceNotFoundException ResourceNotFound NotFoundException
        FunctionNotFound MetadataException QueueDoesNotExist
        AWS.SimpleQueueService.NonExistentQueue 404""",
    "region": """PermanentRedirect TemporaryRedirect AuthorizationHeaderMalformed Redirect
        IllegalLocationConstraintException InvalidLocationConstraint InvalidRegionError
        InvalidRegionForResponse NoRegionError 301 307""",
    "clock": "RequestTimeTooSkewed RequestInTheFuture RequestNotYetValid",
    "network": """EndpointConnectionError ConnectTimeoutError ReadTimeoutError ProxyConnectionError
        ConnectionClosedError ConnectionError HTTPClientError SSLError UnknownEndpointError
        NetworkConnection ResponseStreamingError IncompleteReadError InvalidEndpoint""",
    "server": """InternalError InternalFailure InternalServerException InternalServerError
        InternalServiceException ServiceUnavailable ServiceUnavailableException ServiceException
        RequestTimeout OperationAborted BusyException 500 502 503 504""",
}
_KINDS = {
    code.lower(): kind for kind, codes in _CODES.items() for code in codes.split()
}  # pyarrow spells them ACCESS_DENIED: without case and underscore they are alike

# A bare 400 is what a HEAD with an expired token gets: "denied" names both causes.

_XML = re.compile(r"<Code>(\w+)</Code>(?:.*?<Message>(.*?)</Message>)?", re.DOTALL)
_EXCEPTION = re.compile(r"ExceptionName: (\w+) Message: (.*?)(?: \(Request ID|$)", re.MULTILINE)
_JOB = re.compile(r"AWS Error (\w+)")  # pyarrow writes the same
_STATUS = re.compile(r"(?:status code:? |HTTP status )(\d{3})")
_NAMES = re.compile(r"\b[A-Z][a-z]+[A-Z]\w+")
"""Codes and classes that a text quotes, such as what a provider of credentials raised."""
_BARE = {"Bad Request", "Forbidden", "Not Found", "Moved Permanently"}
"""What botocore says of an answer without a body: the status once more."""
_LOST = re.compile(
    r"error sending request|connect|dns error|timed? ?out|connection (reset|closed|refused)",
    re.IGNORECASE,
)
_THIS_MACHINE = re.compile(r"://(127\.0\.0\.1|localhost|\[::1\])\b")
_SIGNED_AT_ANOTHER_TIME = re.compile(r"signature (has )?expired|not yet current", re.IGNORECASE)
_SESSION_OVER = re.compile(r"token.{0,40}expired|expired.{0,20}token", re.IGNORECASE)


def explain(error: BaseException) -> Refusal:
    """Return why a call failed, from whatever library raised it."""
    code, said = _read(error)
    kind = _kind(code, said, error)
    local = kind == "network" and _THIS_MACHINE.search(str(error))
    hint = _HINTS["local"] if local else _HINTS[kind]
    return Refusal(kind, code, said, say(hint, go_on=say(_GO_ON), renew=say(_RENEW)))


def told(error: BaseException, what: str, kind: type[E]) -> E:
    """Return an error of the package that says why a call on `what` failed, and what to do."""
    refusal = explain(error)
    return kind(refusal.about(what), hint=refusal.hint)


def call_failed(error: BaseException) -> tuple[str, str]:
    """Return a sentence and what to try, for a failed call that nobody else has explained."""
    refusal = explain(error)
    return refusal.about(getattr(error, "operation_name", None) or "AWS"), refusal.hint


def _kind(code: str, said: str, error: BaseException) -> str:
    """Return the kind of a refusal: by its code or class, else by what only the text tells."""
    if _SIGNED_AT_ANOTHER_TIME.search(said):
        return "clock"
    if _SESSION_OVER.search(said):
        return "expired"
    classes = [cls.__name__ for cls in type(error).__mro__]
    for name in (code, *classes, *_NAMES.findall(said if not code else "")):
        known = _KINDS.get(name.replace("_", "").lower())
        if known is not None:
            return known
    if isinstance(error, FileNotFoundError):
        return "gone"
    if "redirect without LOCATION" in said:  # obstore hides S3's answer to a wrong region
        return "region"
    return "network" if _LOST.search(said) else "other"


def _read(error: BaseException) -> tuple[str, str]:
    """Return AWS's code and words for a failed call; either may be ''."""
    if isinstance(error, ClientError):
        answer = error.response.get("Error", {})
        code, said = (str(answer.get(part) or "") for part in ("Code", "Message"))
        return code, "" if said in _BARE else said
    text = str(error)
    found = _XML.search(text) or _EXCEPTION.search(text)
    if found:
        return found[1], (found[2] or "").strip()
    status = _JOB.search(text) or _STATUS.search(text)
    code = status[1] if status and status[1].upper() != "UNKNOWN" else ""
    return code, text.partition("\n")[0]
