"""What is sent again, when, and with which key; and what is not."""

import httpx
import pytest
from conftest import Server, ok, problem

from keystore_sdk import errors

BROKEN = [httpx.ReadError, httpx.RemoteProtocolError, httpx.ReadTimeout, httpx.WriteError]
NOT_SENT = [httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout]


def get(ks):
    return ks.agents.get("bot")


def create(ks):
    return ks.agents.create(name="bot")


def log_in(ks):
    return ks.auth.log_in(email="ada@example.com", password="correct horse")


def update(ks):
    return ks.agents.update("bot", name="writer")


def delete(ks):
    return ks.agents.delete("bot")


KEYLESS = pytest.mark.parametrize("call", [log_in, update, delete], ids=["log_in", "update", "delete"])


@pytest.mark.parametrize("first", [*BROKEN, *NOT_SENT, problem(408), problem(429), problem(502), problem(503), httpx.Response(503), problem(504)])
@pytest.mark.parametrize("call", [get, create], ids=["get", "create"])
def test_what_may_be_repeated_is_repeated_as_it_was(client, pauses, call, first):
    server = Server(first, first, ok())
    assert client(server).run(call).name == "bot"
    assert len(server.requests) == 3 and len(pauses) == 2
    assert 0.25 <= pauses[0] <= 0.5 <= pauses[1] <= 1
    keys = {request.headers.get("idempotency-key") for request in server.requests}
    assert len(keys) == 1 and (keys == {None}) == (call is get)
    assert len({request.content for request in server.requests}) == 1


def test_every_post_has_a_key_of_its_own_or_the_one_that_is_given(client):
    server = Server(ok())
    made = client(server)
    made.run(create)
    made.run(create)
    made.run(lambda ks: ks.agents.create(name="bot", idempotency_key="mine"))
    keys = [request.headers["idempotency-key"] for request in server.requests]
    assert len(set(keys)) == 3 and keys[2] == "mine" and all(len(key) == 36 for key in keys[:2])


@pytest.mark.parametrize("first", [*BROKEN, problem(408), problem(500, "internal"), problem(502), problem(504), httpx.Response(429)])
@KEYLESS
def test_what_has_no_key_is_not_repeated_when_it_may_have_been_carried_out(client, call, first):
    server = Server(first, ok())
    with pytest.raises(errors.KeystoreError):
        client(server).run(call)
    assert len(server.requests) == 1


@pytest.mark.parametrize("answer", [httpx.Response(503), httpx.Response(503, json={"code": "x"}), httpx.Response(503, json=[])])
@KEYLESS
def test_an_unavailable_server_that_is_not_keystore_says_nothing_of_what_was_done(client, call, answer):
    server = Server(answer, ok())
    with pytest.raises(errors.UnavailableError):
        client(server).run(call)
    assert len(server.requests) == 1


@pytest.mark.parametrize("first", [*NOT_SENT, problem(429, "too_many_attempts"), problem(503, "store_unavailable")])
@KEYLESS
def test_what_has_no_key_is_repeated_when_it_was_certainly_not_carried_out(client, call, first):
    server = Server(first, ok())
    client(server).run(call)
    assert len(server.requests) == 2


@pytest.mark.parametrize("fault", [problem(500, "internal"), problem(500), httpx.Response(500)])
def test_a_server_that_does_not_know_how_far_it_came_is_not_asked_again(client, fault):
    server = Server(fault, ok())
    with pytest.raises(errors.ServerError):
        client(server).run(create)
    assert len(server.requests) == 1
    assert client(Server(fault, ok())).run(get).name == "bot"


def test_a_renaming_whose_answer_is_lost_is_not_sent_to_the_name_that_is_gone(client):
    server = Server(httpx.ReadTimeout, problem(404, "not_found"))
    with pytest.raises(errors.KeystoreTimeoutError):
        client(server).run(update)


def test_a_repeat_that_finds_the_first_one_running_comes_again(client):
    server = Server(httpx.ReadTimeout, problem(409, "idempotency_running", {"retry-after": "1"}), ok())
    assert client(server).run(create).name == "bot"
    with pytest.raises(errors.ConflictError):
        client(Server(problem(409, "conflict"))).run(create)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 409, 422])
def test_a_refusal_is_not_repeated(client, status):
    server = Server(problem(status))
    with pytest.raises(errors.ApiError):
        client(server).run(get)
    assert len(server.requests) == 1


def test_the_server_says_when(client, pauses):
    server = Server(problem(429, headers={"retry-after": "7"}), ok())
    client(server).run(get)
    assert 7 <= pauses[0] <= 7.5


def test_the_server_says_when_by_a_date(client, pauses):
    server = Server(problem(503, headers={"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}), ok())
    client(server).run(get)
    assert 0 <= pauses[0] <= 0.5


@pytest.mark.parametrize("headers", [{"retry-after": "61"}, {"x-should-retry": "false"}])
def test_one_that_is_told_not_to_come_soon_does_not(client, pauses, headers):
    server = Server(problem(503, headers=headers))
    with pytest.raises(errors.UnavailableError):
        client(server).run(get)
    assert len(server.requests) == 1 and not pauses


def test_pauses_grow_and_end(client, pauses):
    server = Server(problem(503))
    with pytest.raises(errors.UnavailableError):
        client(server, max_retries=8).run(get)
    assert len(server.requests) == 9
    for number, waited in enumerate(pauses):
        longest = min(8, 0.5 * 2**number)
        assert longest / 2 <= waited <= longest


def test_no_retries_are_none(client):
    server = Server(httpx.ConnectError)
    with pytest.raises(errors.KeystoreConnectionError) as caught:
        client(server, max_retries=0).run(get)
    assert len(server.requests) == 1
    assert (caught.value.code, caught.value.status) == ("connection_failed", None)
    assert "KS_API_URL" in caught.value.remedy and isinstance(caught.value.__cause__, httpx.ConnectError)


def test_an_answer_that_does_not_come_is_a_timeout(client):
    with pytest.raises(errors.KeystoreTimeoutError) as caught:
        client(Server(httpx.ReadTimeout), max_retries=1).run(get)
    assert caught.value.code == "timeout"


@pytest.mark.parametrize("first", [httpx.ConnectError, problem(503, "store_unavailable")])
def test_a_deletion_of_what_is_not_there_is_none_in_any_attempt(client, first):
    for server in (Server(problem(404, "not_found")), Server(first, problem(404, "not_found"))):
        with pytest.raises(errors.NotFoundError):
            client(server).run(delete)


def test_a_call_can_have_a_limit_of_its_own(client):
    server = Server(ok())
    client(server, timeout=30).run(lambda ks: ks.agents.get("bot", timeout=3))
    client(server, timeout=30).run(get)
    limits = [request.extensions["timeout"] for request in server.requests]
    assert [one["read"] for one in limits] == [3, 30] and [one["connect"] for one in limits] == [3, 10]


def test_a_value_that_was_shown_is_not_shown_again(client):
    told = {"id": "tok_1", "agent": {}, "secretShown": True, "remedy": "rotate the token"}
    made = client(Server(httpx.ReadError, ok(told, 201))).run(lambda ks: ks.tokens.create(name="bot"))
    assert (made.token, made.secret_shown, made.remedy) == (None, True, "rotate the token")
