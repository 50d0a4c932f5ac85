"""Google's Python client through the proxy."""

import uuid

import pytest
from google import genai

from harness import checks, prices
from harness.clients import WORDS, gemini_client

TEXT = "Say something about otters, please."
INPUT = prices.input_tokens("user", TEXT)
USED = {
    "usage": {"input_uncached": INPUT, "output_text": 12},
    "cost": prices.cost("gemini", "gemini-2.0-flash", input_tokens=INPUT, output_tokens=12),
}
TOOL = genai.types.Tool(
    function_declarations=[
        genai.types.FunctionDeclaration(name="weather", parameters_json_schema={"type": "object", "properties": {}})
    ]
)


@pytest.fixture
def fake(world):
    return world.fakes["gemini"]


@pytest.fixture
def agent(keystore):
    return keystore.agent("gemini")


@pytest.fixture
def model():
    return f"gemini-2.0-flash-0{uuid.uuid4().hex[:12]}"


@pytest.fixture
def client(keystore, agent):
    return gemini_client(keystore, agent)


def test_content(keystore, agent, client, fake, model):
    answer = client.models.generate_content(model=model, contents=TEXT)
    assert (answer.text, answer.usage_metadata.candidates_token_count) == (WORDS, 12)
    assert checks.only(fake, model).path == f"/v1/models/{model}:generateContent"
    assert checks.recorded(keystore, agent, **USED)["model"] == model


def test_content_streamed(keystore, agent, client, fake, model):
    chunks = list(client.models.generate_content_stream(model=model, contents=TEXT))
    assert len(chunks) == 12 and "".join(chunk.text for chunk in chunks) == WORDS
    assert chunks[-1].usage_metadata.candidates_token_count == 12
    assert checks.only(fake, model).line["target"].endswith(":streamGenerateContent?alt=sse")
    checks.recorded(keystore, agent, **USED)


def test_a_chat_calls_a_tool_and_answers(client, fake, model):
    chat = client.chats.create(model=model, config=genai.types.GenerateContentConfig(tools=[TOOL]))
    call = chat.send_message(TEXT).function_calls[0]
    assert (call.name, call.args) == ("weather", {"city": "Paris"})
    answer = chat.send_message(genai.types.Part.from_function_response(name="weather", response={"sky": "clear"}))
    assert answer.text == WORDS
    assert [len(one.json["contents"]) for one in fake.received(model)] == [1, 3]


def test_tokens_are_counted_and_texts_embedded(keystore, agent, client, model):
    assert client.models.count_tokens(model=model, contents=TEXT).total_tokens > 8
    answer = client.models.embed_content(model="gemini-embedding-001", contents=["one", "two"])
    assert [one.values for one in answer.embeddings] == [[0.125, -0.25, 0.5, 0.0]] * 2
    keystore.requests(agent, count=2)


def test_a_model_is_read(client, fake):
    assert client.models.get(model="gemini-2.5-flash").input_token_limit == 1_048_576
    checks.only(fake, path="/v1/models/gemini-2.5-flash")


@pytest.mark.parametrize(
    ("status", "kind", "name"),
    [
        (400, genai.errors.ClientError, "INVALID_ARGUMENT"),
        (429, genai.errors.ClientError, "RESOURCE_EXHAUSTED"),
        (503, genai.errors.ServerError, "UNAVAILABLE"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True], ids=["whole", "streamed"])
def test_errors_of_the_vendor(keystore, agent, fake, model, status, kind, name, streamed):
    client = gemini_client(keystore, agent, fake=f"status={status}")
    with pytest.raises(kind, match="fake|quota") as caught:
        if streamed:
            list(client.models.generate_content_stream(model=model, contents=TEXT))
        else:
            client.models.generate_content(model=model, contents=TEXT)
    assert (caught.value.code, caught.value.status) == (status, name)
    checks.recorded(keystore, agent, status=status)


def test_a_key_that_the_vendor_refuses(keystore, world, model):
    """Gemini answers 400, which is no error of the caller here."""
    bad = "AIza" + ("B4dCanaryGem" * 3)[:35]
    keystore.ks("provider", "add", "gemini", "--name", "dead", "--base-url", world.fakes["gemini"].url, "--key-stdin",
                "--no-verify", stdin=bad)  # fmt: skip
    client = gemini_client(keystore, keystore.agent("gemini:byok@dead"))
    with pytest.raises(genai.errors.ServerError, match="ks provider rotate gemini") as caught:
        client.models.generate_content(model=model, contents=TEXT)
    assert caught.value.code == 502


def test_refused(keystore, fake, model):
    agent = keystore.agent("stripe")
    client = gemini_client(keystore, agent)
    arrived = len(fake.received())
    with pytest.raises(genai.errors.ClientError, match=f"ks agent update {agent.name} --provider gemini:byok") as caught:
        client.models.generate_content(model=model, contents=TEXT)
    assert caught.value.code == 403
    checks.refused(keystore, agent, fake, "provider_not_granted", 403, arrived)


def test_what_makes_tokens_is_closed(keystore, agent, fake):
    options = genai.types.HttpOptions(base_url=f"{keystore.proxy_url}/v1/gemini", api_version="v1alpha")
    client = genai.Client(api_key=agent.token, http_options=options)
    arrived = len(fake.received())
    with pytest.raises(genai.errors.ClientError, match="makes or reveals credentials") as caught:
        client.auth_tokens.create(config={"uses": 1})
    assert caught.value.code == 403
    checks.refused(keystore, agent, fake, "operation_denied", 403, arrived)
