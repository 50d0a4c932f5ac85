"""Whether a call is sent again, and when. Pure, but for the dice: sending and waiting are the client's.

A repetition must never have a second effect:

- what only reads may be repeated after every failure that may pass;
- a POST with an idempotency key, too, but for a fault of the server: it does not know how far it came, and neither would a repeat;
- PATCH, DELETE and a POST without a key only where it is certain that nothing was done: nothing was sent, or Keystore itself says so
  with 429 or 503.
"""

from __future__ import annotations

import random
import time
from email.utils import parsedate_to_datetime

import httpx

from . import errors
from ._operations import Call

FIRST_PAUSE = 0.5
LONGEST_PAUSE = 8.0
LONGEST_RETRY_AFTER = 60.0
"""A server that says to come again later than that is taken at its word: the caller hears of it at once."""

_PASSING = frozenset({408, 429, 500, 502, 503, 504})

# Nothing was sent when one of these is raised.
_NOT_SENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout)
# No retry helps against these.
_HOPELESS = (httpx.UnsupportedProtocol, httpx.LocalProtocolError, httpx.DecodingError, httpx.TooManyRedirects)


class Attempts:
    """The attempts at one call so far."""

    def __init__(self, call: Call, max_retries: int) -> None:
        self._call = call
        self._left = max_retries
        self._made = 0

    def failed(self, error: httpx.RequestError) -> float:
        """After no answer: seconds to wait. Raises when that was the last attempt."""
        harmless = isinstance(error, _NOT_SENT) or self._call.repeat != "if-undone"
        if isinstance(error, _HOPELESS) or not harmless or not self._take():
            raise no_answer(error, self._call.url) from error
        return pause(self._made)

    def refused(self, response: httpx.Response) -> float:
        """After an answer that is not a success: seconds to wait. Raises when that was the last attempt."""
        error = problem(response)
        told = retry_after(response.headers)
        worth = self._worth(response, error) and (told is None or told <= LONGEST_RETRY_AFTER)
        if not worth or not self._take():
            raise error
        return pause(self._made) if told is None else told + pause(0)

    def _worth(self, response: httpx.Response, error: errors.ApiError) -> bool:
        status = response.status_code
        if response.headers.get("x-should-retry") == "false":
            return False
        if self._call.repeat == "if-undone":
            return status in (429, 503) and _is_problem(response)
        if self._call.repeat == "under-key" and status == 500:
            return False
        return status in _PASSING or error.code == "idempotency_running"

    def _take(self) -> bool:
        self._made += 1
        return self._made <= self._left


def pause(made: int) -> float:
    """Seconds to wait after so many attempts: longer each time, and never all clients at once."""
    return float(min(LONGEST_PAUSE, FIRST_PAUSE * 2 ** max(0, made - 1)) * (0.5 + random.random() / 2))


def retry_after(headers: httpx.Headers) -> float | None:
    """What `retry-after` says, in seconds from now."""
    value = headers.get("retry-after", "").strip()
    if value.isascii() and value.isdigit():
        return float(value)
    try:
        return max(0.0, parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError, IndexError):
        return None


def problem(response: httpx.Response) -> errors.ApiError:
    """The exception for an answer that is not a success; its body was read."""
    request_id = response.headers.get("x-request-id")
    if response.is_redirect:
        return errors.UnexpectedAnswerError(
            f"{response.url.host} sends elsewhere, to {response.headers.get('location')!r}",
            code="unexpected_answer",
            status=response.status_code,
            remedy="set KS_API_URL (or `api_url`) to where the API is",
            request_id=request_id,
        )
    try:
        body = response.json()
    except ValueError:
        body = None
    return errors.of_answer(response.status_code, body, request_id)


def _is_problem(response: httpx.Response) -> bool:
    """Whether Keystore itself answered, and not something in between."""
    if not response.headers.get("content-type", "").startswith("application/problem+json"):
        return False
    try:
        body = response.json()
    except ValueError:
        return False
    return isinstance(body, dict) and isinstance(body.get("code"), str)


def no_answer(error: httpx.RequestError, url: str) -> errors.KeystoreConnectionError:
    """The exception where there was no answer."""
    where = httpx.URL(url).copy_with(path="/", query=None)
    words = str(error) or type(error).__name__
    if isinstance(error, httpx.TimeoutException) and not isinstance(error, _NOT_SENT):
        return errors.KeystoreTimeoutError(f"no answer from {where} in time ({words})", remedy="give a longer `timeout`")
    return errors.KeystoreConnectionError(
        f"no answer from {where} ({words})", remedy="is Keystore running there? KS_API_URL (or `api_url`) says where it is"
    )
