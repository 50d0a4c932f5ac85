"""Whether a call is sent again, and when. Pure, but for the dice: sending and waiting are the client's.

What may be repeated is repeated: reads, updates, deletions, and every POST with an idempotency key, which has no second effect.
A POST without one (signing in and its kin) is sent again only when it certainly was not carried out.
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
        self._in_doubt = False

    def failed(self, error: httpx.RequestError) -> float:
        """After no answer: seconds to wait. Raises when that was the last attempt."""
        not_sent = isinstance(error, _NOT_SENT)
        self._in_doubt = self._in_doubt or not not_sent
        if isinstance(error, _HOPELESS) or not (not_sent or self._call.repeatable) or not self._take():
            raise no_answer(error, self._call.url) from error
        return pause(self._made)

    def refused(self, response: httpx.Response) -> float:
        """After an answer that is not a success: seconds to wait. Raises when that was the last attempt."""
        error = problem(response)
        told = retry_after(response.headers)
        worth = self._worth(response, error) and (told is None or told <= LONGEST_RETRY_AFTER)
        self._in_doubt = self._in_doubt or response.status_code >= 500 or response.status_code == 408
        if not worth or not self._take():
            raise error
        return pause(self._made) if told is None else told + pause(0)

    def is_done(self, response: httpx.Response) -> bool:
        """Whether the answer is one to give back: a success, or that what an attempt before may have deleted is not there."""
        deletes = self._call.method == "DELETE" and self._call.silent
        return response.is_success or (deletes and self._in_doubt and response.status_code == 404)

    def _worth(self, response: httpx.Response, error: errors.ApiError) -> bool:
        status = response.status_code
        if response.headers.get("x-should-retry") == "false":
            return False
        if status == 429:
            return True
        if not self._call.repeatable:
            return False
        if self._call.method == "POST" and error.code == "internal":
            # The server has given up, does not know how far it came, and answers nothing else to this key.
            return False
        return status == 408 or status >= 500 or error.code == "idempotency_running"

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


def no_answer(error: httpx.RequestError, url: str) -> errors.KeystoreConnectionError:
    """The exception where there was no answer."""
    where = httpx.URL(url).copy_with(path="/", query=None)
    words = str(error) or type(error).__name__
    if isinstance(error, httpx.TimeoutException) and not isinstance(error, _NOT_SENT):
        return errors.KeystoreTimeoutError(f"no answer from {where} in time ({words})", remedy="give a longer `timeout`")
    return errors.KeystoreConnectionError(
        f"no answer from {where} ({words})", remedy="is Keystore running there? KS_API_URL (or `api_url`) says where it is"
    )
