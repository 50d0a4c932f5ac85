"""Lists, files, and the stream of events."""

import json

import httpx
import pytest
from conftest import Server, ok, problem

import keystore_sdk._streams as streaming
from keystore_sdk import errors
from keystore_sdk._sse import Event, Parser

PAGES = {None: ["a", "b"], "2": [], "3": ["c"]}
NEXT = {None: "2", "2": "3"}


def pages(request):
    after = request.url.params.get("after")
    body = {"data": [{"id": name} for name in PAGES[after]]}
    return ok(body | ({"next": NEXT[after]} if after in NEXT else {}))


def test_a_list_goes_through_its_pages(client):
    server = Server(pages)
    found = client(server).run(lambda ks: ks.agents.list(project="p", limit=2))
    assert [agent.id for agent in found] == ["a", "b", "c"]
    assert [request.url.params.get("after") for request in server.requests] == [None, "2", "3"]
    assert all(dict(request.url.params) | {"after": ""} == {"project": "p", "limit": "2", "after": ""} for request in server.requests)


def test_nothing_is_asked_for_before_somebody_looks(client):
    server = Server(pages)
    made = client(server)
    made.ks.agents.list()
    assert not server.requests
    (page,) = made.run(lambda ks: ks.agents.list(after="3").pages())
    assert [agent.id for agent in page] == ["c"]


def test_a_list_can_be_had_page_by_page(client):
    found = client(Server(pages)).run(lambda ks: ks.agents.list().pages())
    assert [(len(page.data), page.next) for page in found] == [(2, "2"), (0, "3"), (1, None)]


def test_a_list_that_never_ends_ends_for_now(client):
    # What was between them was no event.
    empty = ok({"data": [], "next": "8"})
    server = Server(ok({"data": [{"id": "1"}], "next": "7"}), empty, ok({"data": [{"id": "2"}], "next": "9"}), ok({"data": [], "next": "9"}))
    found = client(server).run(lambda ks: ks.usage.list_events())
    assert [event.id for event in found] == ["1", "2"] and len(server.requests) == 4


def test_a_page_is_asked_for_again_by_itself(client):
    server = Server(ok({"data": [{"id": "1"}], "next": "7"}), problem(503), ok({"data": [{"id": "2"}]}))
    assert [one.id for one in client(server).run(lambda ks: ks.agents.list())] == ["1", "2"]


def test_a_file_is_had_whole_by_lines_and_on_disk(client, tmp_path):
    text = 'a\r\nb\u2028still b\n\n{"c": "d"}'
    server = Server(httpx.Response(200, content=text.encode(), headers={"content-type": "application/x-ndjson"}))
    made = client(server)
    assert made.run(lambda ks: ks.audit.export(format="csv").read()) == text.encode()
    assert made.run(lambda ks: ks.audit.export().lines()) == ["a", "b\u2028still b", "", '{"c": "d"}']
    made.run(lambda ks: ks.audit.export().save(tmp_path / "audit"))
    assert (tmp_path / "audit").read_bytes() == text.encode()
    assert server.requests[0].url.params["format"] == "csv"


def test_a_file_that_is_refused_says_why(client):
    with pytest.raises(errors.PermissionDeniedError, match="What happened"):
        client(Server(problem(403, "forbidden"))).run(lambda ks: ks.audit.export().read())


def test_an_invoice_is_an_object_or_a_file(client):
    server = Server(ok({"number": "ACME-1"}))
    client(server).run(lambda ks: ks.billing.get_invoice("ACME-1"))
    client(server).run(lambda ks: ks.billing.download_invoice("ACME-1", format="pdf").read())
    assert [request.url.path[-10:] for request in server.requests] == ["ces/ACME-1", "ACME-1.pdf"]


def event(number, **more):
    return f"id: {number}\nevent: request\ndata: {json.dumps({'id': f'req_{number}', **more})}\n\n"


def stream(*events):
    return httpx.Response(200, content="".join(events).encode(), headers={"content-type": "text/event-stream"})


def test_a_stream_is_opened_again_where_it_ended(client):
    server = Server(
        stream(": hello\n\n", event(1), event(2)),
        stream("id: 9\nevent: news\ndata: no JSON\n\n", event(10)),
        httpx.ReadError,
        stream(event(11)),
        problem(401, "unauthenticated"),
    )
    found = []

    def follow(ks):
        requests = ks.requests.stream(agent="bot", last_event_id="0")
        if hasattr(requests, "__iter__"):
            found.extend(request.id for request in _until_refused(requests))
            return requests.last_event_id
        return _until_refused_later(requests, found)

    assert client(server).run(follow) == "11"
    assert found == ["req_1", "req_2", "req_10", "req_11"]
    assert [request.headers["last-event-id"] for request in server.requests] == ["0", "2", "10", "10", "11"]
    assert server.requests[0].url.params["agent"] == "bot"


def _until_refused(requests):
    with pytest.raises(errors.AuthenticationError):
        yield from requests


async def _until_refused_later(requests, found):
    with pytest.raises(errors.AuthenticationError):
        async for request in requests:
            found.append(request.id)
    return requests.last_event_id


def test_a_stream_waits_longer_than_its_pauses(client):
    server = Server(problem(401))
    for limit in (5, 600):
        with pytest.raises(errors.AuthenticationError):
            client(server, timeout=limit).run(lambda ks: ks.requests.stream())
    assert [request.extensions["timeout"]["read"] for request in server.requests] == [60, 600]


@pytest.mark.parametrize("bytes_of_it", ["", ": connected\n\n", ": connected\n\nid: 1\nevent: request\ndata: {"])
def test_a_stream_that_breaks_before_an_event_ends_after_some_attempts(client, pauses, bytes_of_it):
    server = Server(stream(bytes_of_it))
    with pytest.raises(errors.KeystoreConnectionError, match="ends again and again"):
        client(server, max_retries=3).run(lambda ks: ks.requests.stream())
    assert len(server.requests) == 4
    assert len(pauses) == 3 and 0.25 <= pauses[0] <= 0.5 <= pauses[1] <= 1 <= pauses[2] <= 2


def test_an_event_or_a_while_shows_that_a_connection_held(client, pauses, monkeypatch):
    # When it was made, and then when each connection was opened and when it broke.
    seconds = iter([0, 0, 14, 14, 29.5, 29.5, 30, 30, 31])
    monkeypatch.setattr(streaming, "_clock", lambda: next(seconds))
    server = Server(*[stream(": connected\n\n")] * 2, stream(event(1)), stream(": connected\n\n"))
    with pytest.raises(errors.KeystoreConnectionError, match="ends again and again"):
        client(server, max_retries=1).run(lambda ks: ks.requests.stream())
    # Two in a row are too many: the first and the last of these broke early, those between held for a while and had an event.
    assert len(server.requests) == 4
    assert all(0.25 <= waited <= 0.5 for waited in pauses)


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_events_are_the_same_in_pieces_of_any_size(size, end):
    lines = [":a comment", "event: request", "id: 1", "data: one", "data:two", "", "data: \u2028x", "", "event: nothing", "", "id", "data", ""]
    text = (end.join(lines) + end).encode()
    parser = Parser()
    found = [event for at in range(0, len(text), size) for event in parser.feed(text[at : at + size])]
    # The very last CR may be half of a line's end.
    found += parser.feed(b"\n") if end == "\r" else []
    assert found == [Event("request", "one\ntwo", "1"), Event("message", "\u2028x", "1"), Event("message", "", "")]
