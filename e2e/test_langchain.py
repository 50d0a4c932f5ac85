"""LangChain's ChatOpenAI through the proxy: OpenAI's client underneath, with calls of its own making."""

import openai
import pytest
from langchain_openai import OpenAIEmbeddings

from harness import checks, prices
from harness.clients import HELLO, WORDS, langchain_client

TEXT = HELLO[0]["content"]
INPUT = prices.input_tokens("user", TEXT)


@pytest.fixture
def agent(keystore):
    return keystore.agent("openai", budget=10_000)


@pytest.fixture
def cost():
    return prices.cost("openai", "gpt-5-nano", input_tokens=INPUT, output_tokens=12)


def test_invoked(keystore, agent, fake_openai, gpt, cost):
    answer = langchain_client(keystore, agent, gpt).invoke(TEXT)
    assert (answer.content, answer.usage_metadata["output_tokens"]) == (WORDS, 12)
    checks.only(fake_openai, gpt)
    checks.recorded(keystore, agent, cost=cost)


def test_streamed(keystore, agent, fake_openai, gpt, cost):
    chunks = list(langchain_client(keystore, agent, gpt).stream(TEXT))
    assert "".join(chunk.content for chunk in chunks) == WORDS
    checks.only(fake_openai, gpt)
    checks.recorded(keystore, agent, cost=cost)


def test_with_the_responses_api(keystore, agent, fake_openai, gpt):
    answer = langchain_client(keystore, agent, gpt, use_responses_api=True).invoke(TEXT)
    assert answer.text == WORDS
    assert checks.only(fake_openai, gpt).path == "/v1/responses"
    checks.recorded(keystore, agent)


def test_a_tool_is_called(keystore, agent, gpt):
    def weather(city: str) -> str:
        """The weather of a city."""
        return f"sunny in {city}"

    answer = langchain_client(keystore, agent, gpt).bind_tools([weather]).invoke(TEXT)
    assert [(call["name"], call["args"]) for call in answer.tool_calls] == [("weather", {"city": "Paris"})]


def test_embeddings(keystore, agent):
    client = OpenAIEmbeddings(
        model="text-embedding-3-small",
        base_url=f"{keystore.proxy_url}/v1/openai/v1",
        api_key=agent.token,
        # Its tokenizer would be downloaded.
        check_embedding_ctx_length=False,
    )
    assert client.embed_documents(["one", "two"]) == [[0.125, -0.25, 0.5, 0.0]] * 2
    checks.recorded(keystore, agent)


def test_an_error_of_the_vendor(keystore, agent, gpt):
    with pytest.raises(openai.RateLimitError, match="Rate limit reached for gpt-fake"):
        langchain_client(keystore, agent, gpt, fake="status=429").invoke(TEXT)
    checks.recorded(keystore, agent, status=429, cost=0)


@pytest.mark.parametrize("streamed", [False, True], ids=["invoked", "streamed"])
def test_refused(keystore, fake_openai, gpt, streamed):
    agent = keystore.agent("openai", budget=0)
    arrived = len(fake_openai.received())
    model = langchain_client(keystore, agent, gpt)
    with pytest.raises(openai.APIStatusError, match="which the budget of") as caught:
        list(model.stream(TEXT)) if streamed else model.invoke(TEXT)
    assert caught.value.status_code == 402
    checks.refused(keystore, agent, fake_openai, "budget_exceeded", 402, arrived)
