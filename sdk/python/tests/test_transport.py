"""Which requests go through the proxy, as what, and where the token goes: to the proxy, and nowhere else."""

import asyncio
import json

import httpx
import pytest
from conftest import TOKEN

import keystore_sdk
from keystore_sdk import errors
from keystore_sdk._generated.catalog import PROVIDERS

PROXY = "http://127.0.0.1:8400"
HOSTS = sorted({host.host for provider in PROVIDERS for host in provider.hosts if not host.pattern})


class Inner(httpx.BaseTransport, httpx.AsyncBaseTransport):
    """Keeps what would be sent."""

    def __init__(self, answer=None):
        self.sent = []
        self.answer = answer or (lambda request: httpx.Response(200))
        self.closed = False

    def handle_request(self, request):
        request.read()
        self.sent.append(request)
        return self.answer(request)

    async def handle_async_request(self, request):
        await request.aread()
        self.sent.append(request)
        return self.answer(request)

    def close(self):
        self.closed = True


def through(method="GET", url="", providers=None, hosts=None, proxy=PROXY, **options):
    """What is sent in place of a request, which is the same for threads and for tasks."""
    found = []
    ks = keystore_sdk.Keystore(agent_token=TOKEN, proxy_url=proxy)
    inner = Inner()
    with httpx.Client(transport=ks.transport(inner, providers=providers, hosts=hosts)) as client:
        response = client.request(method, url, **options)
    assert TOKEN not in str(response.request.url) and TOKEN not in str(response.request.headers.raw)
    found.extend(inner.sent)

    async def tasks():
        later = Inner()
        async with httpx.AsyncClient(transport=ks.async_transport(later, providers=providers, hosts=hosts)) as client:
            await client.request(method, url, **options)
        found.extend(later.sent)

    asyncio.run(tasks())
    one, other = found
    assert (one.url, one.content) == (other.url, other.content)
    assert sorted(one.headers.raw) == sorted(other.headers.raw)
    return one


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://api.openai.com/v1/chat/completions?a=1&b=%2F", "/v1/openai/v1/chat/completions?a=1&b=%2F"),
        ("https://API.OpenAI.com:443/v1/models", "/v1/openai/v1/models"),
        ("https://eu.api.openai.com/v1/models", "/v1/openai~eu/v1/models"),
        ("https://api.anthropic.com/v1/messages", "/v1/anthropic/v1/messages"),
        ("https://api.groq.com/openai/v1/models", "/v1/groq/openai/v1/models"),
        ("https://uploads.github.com/repos/a%2Fb/c", "/v1/github~uploads/repos/a%2Fb/c"),
        ("https://api.stripe.com", "/v1/stripe/"),
        ("https://api.resend.com/emails", "/v1/resend/emails"),
        ("https://api.telegram.org/file/bot1:real/x", "/v1/telegram~file/x"),
        ("https://api.telegram.org/bot1:real/getMe", "/v1/telegram/getMe"),
        ("https://hooks.slack.com/services/T1/B2/real", "/v1/slack-webhook/"),
        ("https://generativelanguage.googleapis.com/v1beta/models?key=real&pageSize=%33&%6bey=real", "/v1/gemini/v1beta/models?pageSize=%33"),
    ],
)
def test_a_request_to_a_vendor_goes_to_the_proxy(url, expected):
    sent = through(url=url)
    assert str(sent.url) == PROXY + expected
    assert sent.headers["host"] == "127.0.0.1:8400"
    assert sent.headers.get_list("authorization") == [f"Bearer {TOKEN}"]
    assert b"real" not in sent.url.raw_path


def test_what_it_says_stays_and_the_vendors_key_does_not_leave():
    headers = {"x-api-key": "sk-ant-real", "authorization": "Bearer real", "x-goog-api-key": "real", "anthropic-version": "2023-06-01"}
    sent = through("POST", "https://api.anthropic.com/v1/messages", headers=headers, json={"model": "claude"})
    assert json.loads(sent.content) == {"model": "claude"} and sent.method == "POST"
    assert sent.headers["anthropic-version"] == "2023-06-01" and sent.headers["content-length"] == str(len(sent.content))
    assert b"real" not in b" ".join(value for _, value in sent.headers.raw)


def test_the_proxy_may_stand_at_a_path():
    sent = through(url="https://api.openai.com/v1/models", proxy="https://keystore.example:8443/proxy/")
    assert str(sent.url) == "https://keystore.example:8443/proxy/v1/openai/v1/models"
    assert sent.headers["host"] == "keystore.example:8443"


def test_hosts_with_a_part_of_the_customers_own_go_there_for_providers_that_are_named():
    url = "https://mine.openai.azure.com/openai/deployments/x/chat/completions"
    assert through(url=url).url.host == "mine.openai.azure.com"
    sent = through(url=url, providers=["azure-openai"])
    assert str(sent.url) == f"{PROXY}/v1/azure-openai/openai/deployments/x/chat/completions"
    for other in ("https://mine.openai.azure.com.evil.example/", "https://a.b.openai.azure.com/", "https://openai.azure.com/"):
        assert TOKEN not in str(through(url=other, providers=["azure-openai"]).headers.raw)


def test_only_the_providers_that_are_named():
    assert through(url="https://api.openai.com/v1/models", providers=["anthropic"]).url.host == "api.openai.com"
    assert through(url="https://api.openai.com/v1/x", providers=["openai-admin", "openai"]).url.path == "/v1/openai/v1/x"
    assert through(url="https://api.openai.com/v1/x", providers=["openai-admin"]).url.path == "/v1/openai-admin/v1/x"
    with pytest.raises(errors.ConfigurationError, match="opnai"):
        through(url="https://api.openai.com/", providers=["opnai"])


def test_hosts_of_ones_own():
    hosts = {"LLM.example.com": "my-llm", "grafana.example.com": "grafana"}
    assert str(through(url="https://llm.example.com/v1/x?a=1", hosts=hosts).url) == f"{PROXY}/v1/my-llm/v1/x?a=1"
    assert through(url="https://grafana.example.com/api", hosts=hosts, providers=["openai"]).url.path == "/v1/grafana/api"
    assert through(url="https://api.llm.example.com/", hosts=hosts).url.host == "api.llm.example.com"
    for wrong in ({"https://llm.example.com": "x"}, {"llm.example.com:8443": "x"}, {"llm.example.com": "../x"}, {"*": "x"}):
        with pytest.raises(errors.ConfigurationError):
            through(url="https://api.openai.com/", hosts=wrong)


def test_every_host_of_the_catalog_goes_to_the_proxy():
    assert len(HOSTS) > 400
    ks = keystore_sdk.Keystore(agent_token=TOKEN)
    inner = Inner()
    paths = {host.host: host.path for provider in PROVIDERS for host in provider.hosts if not host.pattern}
    with httpx.Client(transport=ks.transport(inner)) as client:
        for host in HOSTS:
            client.get(f"https://{host}{paths[host]}/x")
    assert {request.url.host for request in inner.sent} == {"127.0.0.1"}
    assert all(request.headers["authorization"] == f"Bearer {TOKEN}" for request in inner.sent)


def strangers():
    """URLs that look like a vendor's and are none."""
    some = [host for host in HOSTS if host.count(".") >= 1][:40]
    for number, host in enumerate(some):
        yield f"https://{host}.evil{number}.example/v1/x"
        yield f"https://evil-{host}/v1/x"
        yield f"https://sub.{host}/v1/x" if f"sub.{host}" not in HOSTS else f"https://sub-{host}/"
        yield f"https://{host}@evil{number}.example/v1/x"
        yield f"https://evil{number}.example/{host}/v1?host={host}"
    yield from ("http://api.openai.com/v1/models", "https://api.openai.com:8443/v1/models", "https://api.openai.com./v1/models")
    yield from ("https://аpi.openai.com/v1/models", "https://example.com/", "http://127.0.0.1:8400/v1/openai/v1/models", "http://localhost/")


def test_the_token_goes_to_no_other_host():
    urls = list(strangers())
    assert len(urls) > 200
    for url in urls:
        # A client of httpx makes a header of what stands before `@`.
        own = {"x-api-key": "own"} if "@" in url else {"authorization": "Bearer own", "x-api-key": "own"}
        sent = through("POST", url, headers=own, content=b"body")
        assert sent.url == httpx.URL(url) and sent.content == b"body"
        assert own.items() <= dict(sent.headers).items()
        assert TOKEN.encode() not in b" ".join([sent.url.raw_path, *(value for _, value in sent.headers.raw)])


def test_a_redirect_does_not_carry_it_away():
    def answer(request):
        if request.url.host == "127.0.0.1":
            return httpx.Response(302, headers={"location": "https://evil.example/next"})
        return httpx.Response(200)

    inner = Inner(answer)
    ks = keystore_sdk.Keystore(agent_token=TOKEN)
    with httpx.Client(transport=ks.transport(inner), follow_redirects=True) as client:
        client.get("https://api.openai.com/v1/models", headers={"authorization": "Bearer placeholder"})
    assert [request.url.host for request in inner.sent] == ["127.0.0.1", "evil.example"]
    assert "authorization" not in inner.sent[1].headers
    assert inner.closed


def test_a_body_that_comes_bit_by_bit_passes():
    sent = through("POST", "https://api.openai.com/v1/files", files={"file": ("a.txt", b"text")}, headers={"content-type": "multipart/form-data; boundary=x"})
    assert b"a.txt" in sent.content and sent.headers["content-type"].startswith("multipart/form-data")
