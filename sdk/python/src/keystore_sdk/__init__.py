"""Keystore from Python.

`Keystore` and `AsyncKeystore` manage agents, tokens, credentials and budgets, and run agents that hold no vendor's key.
`types` has the objects of answers, `params` those inside of requests, `errors` what goes wrong.
"""

from . import errors, params, types
from ._client import AsyncKeystore, Keystore
from ._encode import OMIT, Omit
from ._environment import Undo
from ._models import Model
from ._paging import AsyncPager, Page, Pager
from ._streams import AsyncDownload, AsyncEventStream, Download, EventStream
from ._transport import AsyncKeystoreTransport, KeystoreTransport
from ._version import __version__
from .errors import (
    ApiError,
    AuthenticationError,
    BadRequestError,
    ConfigurationError,
    ConflictError,
    FieldError,
    InvalidRequestError,
    KeystoreConnectionError,
    KeystoreError,
    KeystoreTimeoutError,
    NotFoundError,
    PermissionDeniedError,
    RateLimitedError,
    ServerError,
    UnavailableError,
    UnexpectedAnswerError,
    UnsupportedClientError,
)

__all__ = [
    "OMIT",
    "ApiError",
    "AsyncDownload",
    "AsyncEventStream",
    "AsyncKeystore",
    "AsyncKeystoreTransport",
    "AsyncPager",
    "AuthenticationError",
    "BadRequestError",
    "ConfigurationError",
    "ConflictError",
    "Download",
    "EventStream",
    "FieldError",
    "InvalidRequestError",
    "Keystore",
    "KeystoreConnectionError",
    "KeystoreError",
    "KeystoreTimeoutError",
    "KeystoreTransport",
    "Model",
    "NotFoundError",
    "Omit",
    "Page",
    "Pager",
    "PermissionDeniedError",
    "RateLimitedError",
    "ServerError",
    "UnavailableError",
    "Undo",
    "UnexpectedAnswerError",
    "UnsupportedClientError",
    "__version__",
    "errors",
    "params",
    "types",
]
