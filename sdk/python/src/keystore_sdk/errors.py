"""What goes wrong, as exceptions.

Every one is a `KeystoreError` with `code` to branch on: codes are stable, words are not. Errors of the API are made from its
problems (RFC 9457); what a vendor says through the proxy stays an exception of the vendor's own client.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class FieldError:
    """What is wrong with one field of a request."""

    pointer: str
    """A JSON pointer into the body, such as `/rpmLimit`; `?name` for a parameter."""
    detail: str
    """What is wrong there."""


class KeystoreError(Exception):
    """Anything that this package raises on purpose."""

    code: str
    """Stable, to branch on."""
    status: int | None
    """The HTTP status; `None` where there was no answer."""
    remedy: str | None
    """What to do, where something helps."""
    request_id: str | None
    """What to give when asking about it."""
    errors: tuple[FieldError, ...]
    """Which fields are at fault."""

    def __init__(
        self,
        message: str,
        *,
        code: str,
        status: int | None = None,
        remedy: str | None = None,
        request_id: str | None = None,
        errors: tuple[FieldError, ...] = (),
    ) -> None:
        self.message = message
        self.code = code
        self.status = status
        self.remedy = remedy
        self.request_id = request_id
        self.errors = errors
        super().__init__(message)

    def __str__(self) -> str:
        remedy = f" ({self.remedy})" if self.remedy else ""
        request = f" [{self.request_id}]" if self.request_id else ""
        return f"{self.code}: {self.message}{remedy}{request}"

    def __reduce__(self) -> tuple[Any, ...]:
        return (_again, (type(self), self.__dict__))


class ConfigurationError(KeystoreError):
    """Something is not set, or set to what cannot work. Nothing was sent."""

    def __init__(self, message: str, *, remedy: str | None = None, code: str = "configuration") -> None:
        super().__init__(message, code=code, remedy=remedy)


class UnsupportedClientError(ConfigurationError):
    """`wrap` does not know this client, or cannot point it at the proxy."""

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message, remedy=remedy, code="unsupported_client")


class KeystoreConnectionError(KeystoreError):
    """There was no answer: no connection, or one that broke."""

    def __init__(self, message: str, *, code: str = "connection_failed", remedy: str | None = None) -> None:
        super().__init__(message, code=code, remedy=remedy)


class KeystoreTimeoutError(KeystoreConnectionError):
    """There was no answer in time. What was asked for may have been done."""

    def __init__(self, message: str, *, remedy: str | None = None) -> None:
        super().__init__(message, code="timeout", remedy=remedy)


class ApiError(KeystoreError):
    """An answer of the API that is not a success."""

    status: int
    challenge: Mapping[str, Any] | None = None
    """With `second_factor_required`: the `token` for `auth.verify_second_factor`, until when it holds, and which factors there are."""


class BadRequestError(ApiError):
    """400: the request is not framed as it should be."""


class AuthenticationError(ApiError):
    """401: no key or session, or one that does not hold."""


class PermissionDeniedError(ApiError):
    """403: the role does not allow this."""


class NotFoundError(ApiError):
    """404: no such thing in your organization."""


class ConflictError(ApiError):
    """409: a name is taken, or the state forbids the change."""


class InvalidRequestError(ApiError):
    """422, and its kin 413 and 415: fields are not valid; `errors` says which."""


class RateLimitedError(ApiError):
    """429: too many attempts."""


class ServerError(ApiError):
    """5xx: a fault of the server, or of what stands before it."""


class UnavailableError(ServerError):
    """503: it cannot serve now; nothing was changed where `code` is one of the documented ones."""


class UnexpectedAnswerError(ApiError):
    """The answer is none of Keystore's: something else listens at that address."""


_BY_STATUS: Mapping[int, type[ApiError]] = {
    400: BadRequestError,
    401: AuthenticationError,
    403: PermissionDeniedError,
    404: NotFoundError,
    405: BadRequestError,
    409: ConflictError,
    413: InvalidRequestError,
    415: InvalidRequestError,
    422: InvalidRequestError,
    429: RateLimitedError,
    503: UnavailableError,
}


def of_answer(status: int, body: Any, request_id: str | None) -> ApiError:
    """The exception for an answer with this status and body, if the body is JSON."""
    problem = body if isinstance(body, dict) and isinstance(body.get("code"), str) else {}
    kind = _BY_STATUS.get(status, ServerError if status >= 500 else ApiError)
    found = problem.get("errors")
    fields = found if isinstance(found, list) else []
    error = kind(
        str(problem.get("detail") or problem.get("title") or f"the answer was {status}"),
        code=problem.get("code") or f"http_{status}",
        status=status,
        remedy=problem.get("remedy"),
        request_id=problem.get("requestId") or request_id,
        errors=tuple(
            FieldError(str(each.get("pointer", "")), str(each.get("detail", "")))
            for each in fields
            if isinstance(each, dict)
        ),
    )
    error.challenge = problem.get("challenge")
    return error


def _again(kind: type[KeystoreError], members: dict[str, Any]) -> KeystoreError:
    """Makes a copy, for pickle: an exception with named arguments is not made again from its text alone."""
    error = kind.__new__(kind, members.get("message", ""))
    error.__dict__.update(members)
    return error
