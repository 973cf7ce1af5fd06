"""What goes wrong, as exceptions: all are a TraindError, and those that a server tells have its code."""

from __future__ import annotations

from typing import Any, Dict, List, NamedTuple, Optional, Type

from traind import _pool, _values

CODES = (
    "OK",
    "CANCELLED",
    "UNKNOWN",
    "INVALID_ARGUMENT",
    "DEADLINE_EXCEEDED",
    "NOT_FOUND",
    "ALREADY_EXISTS",
    "PERMISSION_DENIED",
    "RESOURCE_EXHAUSTED",
    "FAILED_PRECONDITION",
    "ABORTED",
    "OUT_OF_RANGE",
    "UNIMPLEMENTED",
    "INTERNAL",
    "UNAVAILABLE",
    "DATA_LOSS",
    "UNAUTHENTICATED",
)
LONGEST_RETRY = 3600.0  # Seconds. A server that asks for a longer wait is not believed.


class Violation(NamedTuple):
    """One thing that is wrong with a request."""

    field: str  # "spec.network.layers[3].conv2d.kernel".
    description: str

    def __str__(self) -> str:
        return f"{self.field} {self.description}" if self.field else self.description


class Quota(NamedTuple):
    """A quota that is used up."""

    subject: str  # Whose: "users/ada", "server".
    description: str

    def __str__(self) -> str:
        return self.description


class TraindError(Exception):
    """Of everything here the base."""


class ServerError(TraindError):
    """The server refused, or could not be reached."""

    def __init__(
        self,
        code: str,
        message: str,
        *,
        violations: Optional[List[Violation]] = None,
        quotas: Optional[List[Quota]] = None,
        resource: str = "",
        retry_after: Optional[float] = None,
    ) -> None:
        super().__init__(message)
        self.code = code  # "NOT_FOUND".
        self.message = message
        self.violations = violations or []  # All that is wrong with the request, at once.
        self.quotas = quotas or []  # With QuotaExceeded: those of a user that are used up.
        self.resource = resource  # "jobs/mine": what the error is about.
        self.retry_after = retry_after  # Seconds after which the same call may work; None: trying again is of no use.


class InvalidSpec(ServerError, ValueError):
    """The request is wrong; `violations` say where, and what would be right."""

    def __str__(self) -> str:
        if not self.violations:
            return self.message
        return "\n".join(str(violation) for violation in self.violations)


class NotFound(ServerError, LookupError):
    """There is no such thing; or it is another's, and not shared."""


class AlreadyExists(ServerError):
    """The name is taken."""


class FailedPrecondition(ServerError):
    """Not in this state."""


class Aborted(ServerError):
    """It was changed meanwhile: read it again."""


class OutOfRange(ServerError):
    """Past the end."""


class DataLoss(ServerError):
    """Bytes do not match their checksum."""


class Unauthenticated(ServerError):
    """No token, or none that is valid."""


class PermissionDenied(ServerError):
    """Not with this role, or not another's."""


class QuotaExceeded(ServerError):
    """Too much, for this server or this user: `quotas` say of what. With `retry_after` (seconds) the same call may work
    after that time, and was repeated as long as the client's timeout allows.
    """


class Unavailable(ServerError, ConnectionError):
    """No server answers; or, with `retry_after`, one that cannot at the moment."""


class DeadlineExceeded(ServerError, TimeoutError):
    """The server did not answer in time."""


class Cancelled(ServerError):
    """The call, or the work that it asked for, was cancelled."""


class JobFailed(TraindError):
    """A job did not end well. `job` is as it ended; `log` has the last lines of its worker."""

    def __init__(self, job: Any, message: str, log: Optional[List[str]] = None) -> None:
        super().__init__(message)
        self.job = job
        self.log = log or []


class JobCancelled(JobFailed):
    """A job was cancelled before it was done."""


_BY_CODE: Dict[str, Type[ServerError]] = {
    "INVALID_ARGUMENT": InvalidSpec,
    "NOT_FOUND": NotFound,
    "ALREADY_EXISTS": AlreadyExists,
    "FAILED_PRECONDITION": FailedPrecondition,
    "ABORTED": Aborted,
    "OUT_OF_RANGE": OutOfRange,
    "DATA_LOSS": DataLoss,
    "UNAUTHENTICATED": Unauthenticated,
    "PERMISSION_DENIED": PermissionDenied,
    "RESOURCE_EXHAUSTED": QuotaExceeded,
    "UNAVAILABLE": Unavailable,
    "DEADLINE_EXCEEDED": DeadlineExceeded,
    "CANCELLED": Cancelled,
}


def from_status(status: Any) -> ServerError:
    """Of a traind.rpc.Status, with its details."""
    code = CODES[status.code] if 0 < status.code < len(CODES) else "UNKNOWN"
    found: Dict[str, Any] = {}
    for detail in status.details:
        # The details travel under the public names, google.rpc.BadRequest; here they are of traind.rpc.
        name = detail.type_url.rsplit(".", 1)[-1]
        if f"traind.rpc.{name}" in _pool.MESSAGES:
            found[name] = _pool.message_class(f"traind.rpc.{name}").FromString(detail.value)
    bad, resource, retry = found.get("BadRequest"), found.get("ResourceInfo"), found.get("RetryInfo")
    quota = found.get("QuotaFailure")
    violations = [Violation(one.field, one.description) for one in bad.field_violations] if bad else []
    delay = _values.seconds_of(retry.retry_delay) if retry and retry.HasField("retry_delay") else None
    if delay is not None and not 0 <= delay <= LONGEST_RETRY:
        delay = None
    return _BY_CODE.get(code, ServerError)(
        code,
        status.message,
        violations=violations,
        quotas=[Quota(one.subject, one.description) for one in quota.violations] if quota else [],
        resource=resource.resource_name if resource else "",
        retry_after=delay,
    )


def from_rpc(error: Any) -> ServerError:
    """Of a grpc.RpcError."""
    code = error.code().name
    for key, value in error.trailing_metadata() or ():
        if key == "grpc-status-details-bin":
            status = _pool.message_class("traind.rpc.Status").FromString(value)
            if status.code == error.code().value[0]:
                return from_status(status)
    return _BY_CODE.get(code, ServerError)(code, error.details() or code)


def is_retryable(error: ServerError) -> bool:
    return error.code == "UNAVAILABLE" or (error.code == "RESOURCE_EXHAUSTED" and error.retry_after is not None)
