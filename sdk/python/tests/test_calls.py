"""What is sent, what is made of the answer, and what is raised."""

import copy
import pickle
from datetime import datetime, timedelta, timezone

import httpx
import pytest
from conftest import KEY, Server, ok, problem, sent

import keystore_sdk
from keystore_sdk import OMIT, errors, types


def test_names_are_in_snake_case_here_and_in_camel_case_on_the_wire(client):
    server = Server(ok({"id": "tok_1", "agent": {"id": "agt_1", "rpmLimit": 5}}, 201))
    grants = [{"name": "openai", "source": "byok", "fallback": {"source": "marketplace", "budget_cents_monthly": 500}}]
    made = client(server).run(
        lambda ks: ks.tokens.create(name="bot", providers=grants, rpm_limit=5, budget_cents_monthly=None, expires_at=OMIT)
    )
    assert made.agent.rpm_limit == 5
    (request,) = server.requests
    assert (request.method, request.url.path) == ("POST", "/v1/tokens")
    assert request.headers["authorization"] == f"Bearer {KEY}"
    fallback = {"source": "marketplace", "budgetCentsMonthly": 500}
    expected = {"name": "bot", "rpmLimit": 5, "budgetCentsMonthly": None}
    assert sent(request) == {**expected, "providers": [{"name": "openai", "source": "byok", "fallback": fallback}]}


def test_names_of_the_users_own_stay(client):
    server = Server(ok({}))
    definition = {"name": "x", "base_url": "https://x.example", "inject": [{"header": "x_key"}]}
    client(server).run(lambda ks: ks.providers.create(slug="own", definition=definition))
    assert sent(server.requests[0])["definition"] == definition
    client(server).run(lambda ks: ks.credentials.create(provider="x", secret={"account_sid": "AC1", "key": "k"}, params={"site_id": "1"}))
    body = sent(server.requests[1])
    assert body == {"provider": "x", "secret": {"account_sid": "AC1", "key": "k"}, "params": {"site_id": "1"}}


def test_null_and_absent_are_two_things_in_an_update(client):
    server = Server(ok())
    client(server).run(lambda ks: ks.agents.update("bot", rpm_limit=None))
    client(server).run(lambda ks: ks.agents.update("bot"))
    assert [sent(request) for request in server.requests] == [{"rpmLimit": None}, {}]


def test_parameters_and_times(client):
    server = Server(ok({"data": []}))
    since = datetime(2026, 11, 23, 10, 30, tzinfo=timezone(timedelta(hours=1)))
    client(server).run(lambda ks: ks.requests.list(since=since, refused=True, agent=None, status=402).first_page())
    assert dict(server.requests[0].url.params) == {"since": "2026-11-23T09:30:00.000Z", "refused": "true", "status": "402"}
    with pytest.raises(ValueError, match="no time zone"):
        client(server).run(lambda ks: ks.requests.list(since=datetime(2026, 11, 23)).first_page())
    assert len(server.requests) == 1


@pytest.mark.parametrize("name", ["", ".", "..", None])
def test_a_name_never_makes_another_operation_of_a_path(client, name):
    server = Server(ok())
    with pytest.raises(ValueError, match="must be a name or an id"):
        client(server).run(lambda ks: ks.agents.delete(name))
    assert not server.requests


def test_a_name_is_one_segment(client):
    server = Server(ok())
    client(server).run(lambda ks: ks.agents.get("a/b?c#d é"))
    assert server.requests[0].url.raw_path == b"/v1/agents/a%2Fb%3Fc%23d%20%C3%A9"


def test_an_answer_of_a_later_version_is_taken(client):
    answer = {"id": "agt_1", "name": "bot", "status": "asleep", "newThing": {"subThing": 1}, "createdAt": "some day", "providers": None}
    agent = client(Server(ok(answer))).run(lambda ks: ks.agents.get("bot"))
    assert (agent.status, agent.new_thing, agent.created_at, agent.providers) == ("asleep", {"subThing": 1}, "some day", None)
    assert agent.rpm_limit is None
    assert agent.to_dict() == answer


def test_an_answer_is_compared_copied_and_cannot_be_changed():
    agent = types.Agent({"id": "agt_1", "createdAt": "2026-11-23T09:30:00.500Z"})
    assert agent.created_at == datetime(2026, 11, 23, 9, 30, 0, 500_000, tzinfo=timezone.utc)
    for again in (copy.copy(agent), copy.deepcopy(agent), pickle.loads(pickle.dumps(agent)), types.Agent(agent.to_dict())):
        assert again == agent and again is not agent
    assert agent != types.Agent({"id": "agt_2"}) and agent != types.Token(agent.to_dict())
    with pytest.raises(AttributeError, match="cannot be changed"):
        agent.name = "x"


@pytest.mark.parametrize("secret", ["ks_" + "a" * 64, "ksm_" + "b" * 64, "kss_" + "c" * 64, "whsec_" + "d" * 32])
def test_a_secret_is_in_the_answer_and_not_in_its_words(secret):
    made = types.CreatedToken({"id": "tok_1", "token": secret, "agent": {}})
    assert made.token == secret
    assert secret not in repr(made) and "tok_1" in repr(made)


def test_what_is_secret_by_its_name_is_not_in_the_words_either():
    secret = "JBSWY3DPEHPK3PXP"
    uri = f"otpauth://totp/Keystore:ada?secret={secret}"
    enrolment = types.TotpEnrolment({"secret": secret, "uri": uri})
    assert (enrolment.secret, enrolment.uri) == (secret, uri)
    assert repr(enrolment) == "TotpEnrolment(secret='…', uri='otpauth:…')"
    codes = types.RecoveryCodes({"recoveryCodes": ["abcd-efgh", "ijkl-mnop"]})
    assert repr(codes) == "RecoveryCodes(recovery_codes=['…', '…'])"
    assert repr(types.AddedPasskey({"recoveryCodes": ["abcd-efgh"], "passkey": {"id": "pk_1"}})) == (
        "AddedPasskey(recovery_codes=['…'], passkey=Passkey(id='pk_1'))"
    )
    for name in ("secret", "key", "token", "password", "apiKey", "codes"):
        assert secret not in repr(types.Agent({name: secret})), name


def test_a_secret_inside_of_what_this_version_does_not_know_is_hidden():
    key = "ks_" + "a" * 64
    nested = types.Agent({"id": "agt_1", "new": {"token": "x1", "list": [{"apiKey": "x2"}, key, "seen"], "more": 5, "none": None}})
    assert repr(nested) == "Agent(id='agt_1', new={'token': '…', 'list': [{'apiKey': '…'}, 'ks_…', 'seen'], 'more': 5, 'none': None})"


def test_what_only_sounds_secret_is_shown():
    env = types.Env({"key": ["OPENAI_API_KEY"], "baseUrl": []})
    assert repr(env) == "Env(key=['OPENAI_API_KEY'], base_url=[])"
    assert repr(types.Field({"name": "key", "secret": True})) == "Field(name='key', secret=True)"
    assert repr(types.CreatedToken({"token": None, "secretShown": True})) == "CreatedToken(token=None, secret_shown=True)"


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, errors.BadRequestError),
        (401, errors.AuthenticationError),
        (403, errors.PermissionDeniedError),
        (404, errors.NotFoundError),
        (409, errors.ConflictError),
        (413, errors.InvalidRequestError),
        (418, errors.ApiError),
        (422, errors.InvalidRequestError),
        (429, errors.RateLimitedError),
        (500, errors.ServerError),
        (503, errors.UnavailableError),
    ],
)
def test_a_problem_becomes_an_exception_of_its_kind(client, status, kind):
    fields = [{"pointer": "/rpmLimit", "detail": "must be at most 1000000"}]
    answer = problem(status, "a_code", remedy="Do this", requestId="req_1", errors=fields)
    with pytest.raises(kind) as caught:
        client(Server(answer), max_retries=0).run(lambda ks: ks.agents.get("bot"))
    error = caught.value
    assert type(error) is kind
    assert (error.code, error.status, error.remedy, error.request_id) == ("a_code", status, "Do this", "req_1")
    assert error.errors == (errors.FieldError("/rpmLimit", "must be at most 1000000"),)
    assert str(error) == "a_code: What happened (Do this) [req_1]"
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again), again.errors) == (kind, str(error), error.errors)


def test_an_error_of_something_in_between_has_a_code_too(client):
    answer = httpx.Response(502, html="<h1>Bad gateway</h1>", headers={"x-request-id": "req_9"})
    with pytest.raises(errors.ServerError) as caught:
        client(Server(answer), max_retries=0).run(lambda ks: ks.agents.get("bot"))
    assert (caught.value.code, caught.value.request_id) == ("http_502", "req_9")


@pytest.mark.parametrize(
    "answer",
    [
        httpx.Response(200, html="<h1>A dashboard</h1>"),
        httpx.Response(200, json=[]),
        httpx.Response(302, headers={"location": "https://elsewhere.example/"}),
    ],
)
def test_an_answer_that_is_none_of_keystores_is_said_to_be_one(client, answer):
    server = Server(answer)
    with pytest.raises(errors.UnexpectedAnswerError, match="KS_API_URL"):
        client(server).run(lambda ks: ks.agents.get("bot"))
    assert len(server.requests) == 1


def test_what_is_not_set_is_said_before_anything_is_sent(monkeypatch):
    server = Server(ok({"token": "x"}))
    ks = keystore_sdk.Keystore(http_client=httpx.Client(transport=httpx.MockTransport(server)))
    with pytest.raises(errors.ConfigurationError, match="KS_API_KEY"):
        ks.agents.get("bot")
    with pytest.raises(errors.ConfigurationError, match="KS_TOKEN"):
        ks.setup_env()
    assert not server.requests
    ks.auth.log_in(email="ada@example.com", password="correct horse")
    assert "authorization" not in server.requests[0].headers


@pytest.mark.parametrize(
    "options",
    [
        {"api_key": "ks_" + "a" * 64},
        {"agent_token": "ksm_" + "a" * 64},
        {"api_key": "ksm_a\r\nx: y"},
        {"api_url": "keystore.example"},
        {"api_url": "https://user:pw@keystore.example"},
        {"proxy_url": "http://127.0.0.1:port"},
        {"max_retries": -1},
    ],
)
def test_what_cannot_work_is_refused_and_not_repeated(options):
    with pytest.raises(errors.ConfigurationError) as caught:
        keystore_sdk.Keystore(**options)
    assert "a" * 64 not in str(caught.value) and "pw" not in str(caught.value)


def test_the_environment_says_where_and_who(monkeypatch):
    monkeypatch.setenv("KS_API_KEY", KEY)
    monkeypatch.setenv("KS_API_URL", "https://keystore.example/base/")
    server = Server(ok())
    ks = keystore_sdk.Keystore(http_client=httpx.Client(transport=httpx.MockTransport(server)))
    ks.agents.get("bot")
    assert str(server.requests[0].url) == "https://keystore.example/base/v1/agents/bot"
    assert server.requests[0].headers["authorization"] == f"Bearer {KEY}"
    assert KEY not in repr(ks)
