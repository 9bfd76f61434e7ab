"""The ASGI application: our services first, ministack for all the rest."""

from __future__ import annotations

import asyncio
import logging
import os
import sqlite3
from collections.abc import Callable, Sequence
from urllib.parse import parse_qs, unquote

from localaws import statedir
from localaws.athena.service import AthenaService
from localaws.audit import keep_decisions
from localaws.backend import Backend
from localaws.callers import (
    PASS_ROLE,
    Caller,
    Callers,
    CredentialsError,
    Need,
    refusal,
    routed_to,
    set_caller,
)
from localaws.checkpoint import Checkpoint
from localaws.damage import Damage, check_control
from localaws.durable import DurableObjects
from localaws.events import Delivery, EventStore
from localaws.glue.java import find_java
from localaws.glue.service import GlueService
from localaws.guard import Guard
from localaws.notifications import Notifications
from localaws.permissions import (
    check_services,
    passed_to_function,
    passed_to_host,
    passed_to_profile,
    role_of_function,
)
from localaws.plain import PlainObjects
from localaws.ports import HEALTH_PATH
from localaws.quicker import make_quicker
from localaws.readings import (
    asked_of,
    check_body,
    check_form,
    check_headers_of,
    check_subresource,
    needs_of,
    parameters_of,
)
from localaws.recovery import load_objects
from localaws.settings import Settings
from localaws.troubles import Troubles
from localaws.wire import (
    AsgiApp,
    AwsError,
    Receive,
    Scope,
    Send,
    Service,
    again,
    header,
    live,
    parse_payload,
    send_answer,
    send_error,
    send_json,
    send_refusal,
    too_deep,
)

logger = logging.getLogger(__name__)

# The SDK for Go, and Terraform with it, closes the body of its request when the answer begins.
# Where its writer has not noticed its own end by then, the connection breaks, the answer is lost
# and the request is sent again: a service in the same machine is quick enough for that, one time
# in a thousand. AWS never is.
_PATIENCE_SECONDS = 0.01
_IN_NEED_OF_PATIENCE = b"aws-sdk-go"


# By which a client says whose bucket it means: all buckets here are of one account.
_OWNER_HEADERS = (b"x-amz-expected-bucket-owner", b"x-amz-source-expected-bucket-owner")

# RenameObject is for directory buckets alone; ministack makes an empty object of such a request.
_RENAME_HEADER = b"x-amz-rename-source"

# An operation of another name changes something, and shows that there is room again.
_READING = ("Get", "List", "BatchGet", "Search", "Describe")


class LocalAws:
    """An ASGI application that answers its services' operations and hands on every other request.

    Every request must be signed by somebody whom this server knows. One that is not ours reaches
    `backend` with its `send` untouched, and its scope but for one header: S3 is the hot path.
    """

    def __init__(
        self,
        settings: Settings,
        services: Sequence[Service],
        backend: AsgiApp,
        callers: Callers,
        troubles: Troubles,
        damage: Damage,
        standby: Callable[[], str],
    ) -> None:
        self._settings = settings
        self._standby = standby
        self._troubles = troubles
        self._damage = damage
        self._callers = callers
        self._services = {service.prefix: service for service in services}
        self._backend = backend

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await live(self._backend, scope, receive, send, start=self._start, close=self._close)
        elif scope["method"] == "GET" and scope["path"] == HEALTH_PATH:
            await self._be_patient(scope)
            await send_json(send, self._health())
        else:
            await self._be_patient(scope)
            await self._serve(scope, receive, send)

    async def _be_patient(self, scope: Scope) -> None:
        if _IN_NEED_OF_PATIENCE in header(scope, b"user-agent"):
            await asyncio.sleep(_PATIENCE_SECONDS)

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            caller, body = await self._callers.identify(scope, receive)
            role = ""
            # The path first: S3 is the hot path, and hardly a key of it has this word.
            if "functions" in unquote(scope["path"]) and (
                "lambda" in {caller.service, routed_to(scope)}
            ):
                role = role_of_function(scope["method"], scope["path"], body)
            await self._callers.permit(caller, await self._passed_roles(scope, caller, body))
            if role:
                await self._callers.check_role_of_lambda(role)
            self._check_headers(scope)
            self._check_reading(scope, caller, body)
        except CredentialsError as error:
            await send_answer(send, *refusal(scope, error))
            return
        except AwsError as error:
            await send_refusal(scope, send, error)
            return
        target = header(scope, b"x-amz-target").decode("latin-1")
        service = self._owner(target) if scope["method"] == "POST" and target else None
        if service is None:
            scope = self._callers.as_it_came(caller, scope)
            try:
                await self._backend(scope, again(body, receive), send)
            except RecursionError:  # ministack has read JSON, and has answered nothing yet
                await send_refusal(scope, send, too_deep())
        else:
            await self._answer(service, target.partition(".")[2], caller, body, send)

    def _check_headers(self, scope: Scope) -> None:
        """Refuse what ministack passes over: whose a bucket is said to be, and a new name."""
        for name in _OWNER_HEADERS:
            owner = header(scope, name).decode("latin-1")
            if owner and owner != self._settings.account_id:
                raise AwsError("AccessDenied", "Access Denied", status=403)
        if header(scope, _RENAME_HEADER):
            raise AwsError("NotImplemented", "There are no directory buckets here.", status=501)

    def _check_reading(self, scope: Scope, caller: Caller, body: bytes) -> None:
        """Refuse what ministack would judge as one thing, and do as another."""
        method, path = scope["method"], scope["path"]
        asked = parse_qs(scope.get("query_string", b"").decode("latin-1"), keep_blank_values=True)
        check_headers_of(asked)
        form = parameters_of(body, header(scope, b"content-type"))
        is_root = self._callers.is_root(caller)
        # A header says which service is called, a link does not: routing takes time.
        is_link = not header(scope, b"authorization") and not self._settings.any_key
        if is_link and "Action" in form:
            message = "There were parameters present in the request which were not signed: Action"
            raise AwsError("AccessDenied", message, status=403)
        if is_root and not asked_of(asked):
            return
        signed = "" if is_link else caller.service
        if signed != "s3" and (signed or routed_to(scope) != "s3"):
            if not is_root:
                check_form(scope, body)
            return
        check_subresource(method, path, asked)
        if not is_root:
            try:
                self._callers.authorize(caller, needs_of(method, path, asked))
            except AwsError as error:
                raise AwsError("AccessDenied", error.message, status=403) from error
            check_body(method, asked, path, form, body)

    async def _passed_roles(self, scope: Scope, caller: Caller, body: bytes) -> list[Need]:
        """Return the roles that a request hands on: whoever passes one needs the right to.

        ministack asks for none of them; those of Glue's jobs are its service's.
        """
        if self._callers.is_root(caller):
            return []
        services, roles = {caller.service, routed_to(scope)}, []
        check_services(services)
        of_forms = services & {"ec2", "iam"} or scope["path"] == "/"
        form = scope.get("query_string", b"") + b"&" + (body if of_forms else b"")
        if "lambda" in services and "/functions" in scope["path"]:
            roles.append(passed_to_function(body) if scope["method"] in ("POST", "PUT") else "")
        roles += [await self._callers.role_of_profile(one) for one in passed_to_host(form)]
        roles += passed_to_profile(form)
        return [(PASS_ROLE, role) for role in roles if role]

    def _owner(self, target: str) -> Service | None:
        prefix, _, operation = target.partition(".")
        service = self._services.get(prefix)
        return service if service is not None and service.owns(operation) else None

    def _health(self) -> dict[str, object]:
        """Return who answers on this port, so that a client can tell this server from another."""
        return {
            "pid": os.getpid(),
            "state_dir": str(self._settings.state_dir),
            "services": sorted(self._services),
            "troubles": [*self._damage.sentences, *self._troubles.sentences()],
            "java": str(find_java().home or ""),
            "standby": self._standby(),
        }

    async def _answer(
        self, service: Service, operation: str, caller: Caller, body: bytes, send: Send
    ) -> None:
        try:
            if caller.service and caller.service != service.signing_name:
                wanted = f"'{service.signing_name}'"
                message = f"Credential should be scoped to correct service: {wanted}."
                raise AwsError("InvalidSignatureException", message)
            set_caller(caller)
            payload = parse_payload(body)
            await self._callers.permit(caller, service.needs(operation, payload))
            answer = await service.call(operation, payload)
            if not operation.startswith(_READING):
                self._troubles.clear(service.prefix)
            await send_json(send, answer)
        except AwsError as error:
            await send_error(send, error)
        except sqlite3.OperationalError as error:
            failure = self._troubles.unwritten(service.prefix, f"What {operation} asks for", error)
            await send_error(send, AwsError("InternalServiceException", failure, status=500))
        except Exception:
            logger.exception("%s.%s failed", service.prefix, operation)
            failure = f"{operation} failed inside the local AWS: its log has the traceback."
            await send_error(send, AwsError("InternalServiceException", failure, status=500))

    async def _start(self) -> None:
        for service in self._services.values():
            await service.start()
        statedir.keep_reserve(self._settings.state_dir)

    async def _close(self) -> None:
        for service in reversed(self._services.values()):
            try:
                await service.close()
            except Exception:
                # The others, and ministack's state, must still be saved.
                logger.exception("%s did not close cleanly", service.prefix)


def _seal_lambdas(callers: Callers) -> None:
    """Give Lambdas credentials that nobody can guess: ministack has no setting for it."""
    from ministack.core import lambda_runtime
    from ministack.services import lambda_svc

    for module in (lambda_runtime, lambda_svc):
        if not hasattr(module, "execution_credentials"):
            raise RuntimeError(f"{module.__name__} of this ministack gives its credentials elsehow")
        module.execution_credentials = callers.lambda_environment


def _keeps_a_trail() -> bool:
    """Return whether ministack's CloudTrail keeps each call, which its dispatch tells it."""
    return os.environ.get("CLOUDTRAIL_RECORDING") == "1"


def create_app(settings: Settings) -> AsgiApp:
    """Return the local AWS as an ASGI application; set ministack's environment before."""
    troubles, damage = Troubles(settings.state_dir), Damage(settings.state_dir)
    # ministack reads its environment when it is imported, so not before this call.
    from ministack.core import persistence

    check_control(
        settings.control_dir,
        damage,
        persistence.SERVICE_STATE_FORMAT_VERSIONS,
        persistence.STATE_FORMAT_VERSION,
        persistence._json_object_hook,
    )
    from ministack.app import app as ministack

    load_objects(settings.s3_data_dir, damage)
    make_quicker()
    objects = ministack
    if not settings.any_key and not settings.audit and not _keeps_a_trail():
        # Else a denial would be kept twice, and a call by the short way not at all.
        objects = PlainObjects(ministack, settings)
    durable = DurableObjects(objects, settings, troubles)
    store = EventStore(settings.events_dir / "events.db", damage)
    delivery = Delivery(store, Backend(durable, settings), settings, troubles)
    notifications = Notifications(durable, store, delivery, settings, troubles)
    kept = Checkpoint(notifications, settings.control_dir, troubles, damage)
    backend = Backend(kept, settings)
    callers = Callers(settings, backend)
    if not settings.any_key:
        _seal_lambdas(callers)
    if settings.audit:
        keep_decisions(settings.audit_file)
    glue = GlueService(settings, backend, callers, damage, troubles)
    services: list[Service] = [glue, AthenaService(settings, glue, callers, damage, troubles)]
    local_aws = LocalAws(settings, services, kept, callers, troubles, damage, glue.standby)
    return Guard(settings, local_aws)
