"""One operation of the API as data, and one call of it before it is sent. What the operations are is generated."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar
from urllib.parse import quote

import httpx

from . import errors
from ._encode import OMIT, Encoder, plain, query
from ._settings import Settings
from ._version import __version__

T = TypeVar("T")

_AGENT = f"keystore-sdk-python/{__version__}"

Repeat = Literal["freely", "under-key", "if-undone"]
"""How far a call may be sent again: what only reads, what has an idempotency key, everything else."""


@dataclass(frozen=True)
class Operation(Generic[T]):
    """An operation of the API."""

    name: str
    """As `openapi.json` calls it."""
    method: str
    path: str
    """With `{name}` where a name or an id goes."""
    decode: Callable[[Any], T]
    """Makes the answer from its JSON."""
    encode: Encoder = plain
    """Makes the JSON of the body."""
    keyed: bool = False
    """Whether it takes an `Idempotency-Key`."""
    public: bool = False
    """Whether it needs no key."""
    accept: str = "application/json"


@dataclass(frozen=True)
class Values:
    """What an operation is called with."""

    path: Mapping[str, str] = field(default_factory=dict)
    query: Mapping[str, Any] = field(default_factory=dict)
    body: Mapping[str, Any] | None = None
    idempotency_key: str | None = None
    timeout: float | None = None
    """Seconds for this call alone."""
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Call:
    """A request that can be sent, and sent again: its bytes and its key stay the same."""

    operation: str
    method: str
    url: str
    params: Mapping[str, str]
    headers: Mapping[str, str]
    content: bytes | None
    timeout: httpx.Timeout
    repeat: Repeat


def prepare(settings: Settings, operation: Operation[Any], values: Values) -> Call:
    """Makes the request of a call."""
    headers = {"accept": operation.accept, "user-agent": _AGENT, **values.headers}
    if not operation.public:
        headers["authorization"] = f"Bearer {settings.require_api_key()}"
    if operation.keyed:
        headers["idempotency-key"] = values.idempotency_key or str(uuid.uuid4())
    content = None
    if values.body is not None:
        headers["content-type"] = "application/json"
        content = json.dumps(operation.encode(values.body), ensure_ascii=False, allow_nan=False).encode()
    return Call(
        operation=operation.name,
        method=operation.method,
        url=settings.api_url + operation.path.format_map({name: _segment(name, v) for name, v in values.path.items()}),
        params=query(values.query),
        headers=headers,
        content=content,
        timeout=settings.timeout_of(values.timeout),
        repeat=_repeat_of(operation),
    )


def _repeat_of(operation: Operation[Any]) -> Repeat:
    if operation.method == "GET":
        return "freely"
    return "under-key" if operation.keyed else "if-undone"


def _segment(name: str, value: object) -> str:
    """One segment of a path. One that is empty or leads elsewhere would make another operation of it."""
    text = value if isinstance(value, str) else ""
    if text in ("", ".", ".."):
        raise ValueError(f"`{name}` must be a name or an id, not {value!r}")
    return quote(text, safe="")


def answer(operation: Operation[T], response: httpx.Response) -> T:
    """What a successful answer says."""
    if not response.content:
        return operation.decode(None)
    try:
        found = response.json()
    except ValueError:
        found = OMIT
    if not isinstance(found, dict):
        raise errors.UnexpectedAnswerError(
            f"{response.request.method} {response.request.url.copy_with(query=None)} was answered with something else than an object of JSON",
            code="unexpected_answer",
            status=response.status_code,
            remedy="does KS_API_URL (or `api_url`) point at Keystore's API, the control plane?",
            request_id=response.headers.get("x-request-id"),
        )
    return operation.decode(found)
