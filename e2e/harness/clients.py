"""The vendors' own clients, set up as their users set them up: a base URL and a key.

`fake` are directives for the fake upstream, which pass through the proxy as a header like any other.
"""

import anthropic
import cohere
import openai
import requests
import resend
import stripe
import tavily
from google import genai
from langchain_openai import ChatOpenAI
from mistralai.client import Mistral

HELLO = [{"role": "user", "content": "Say something about otters, please."}]
# What the fake answers when it is told nothing else.
WORDS = " ".join(f"w{number}" for number in range(1, 13))


def key(token):
    return getattr(token, "token", token)


def headers(fake):
    return {"x-fake": fake} if fake else {}


def openai_client(keystore, token, *, fake=None, retries=2):
    return openai.OpenAI(
        base_url=f"{keystore.proxy_url}/v1/openai/v1",
        api_key=key(token),
        max_retries=retries,
        default_headers=headers(fake),
    )


def anthropic_client(keystore, token, *, fake=None, retries=2):
    return anthropic.Anthropic(
        base_url=f"{keystore.proxy_url}/v1/anthropic",
        api_key=key(token),
        max_retries=retries,
        default_headers=headers(fake),
    )


def gemini_client(keystore, token, *, fake=None):
    options = genai.types.HttpOptions(base_url=f"{keystore.proxy_url}/v1/gemini", headers=headers(fake))
    return genai.Client(api_key=key(token), http_options=options)


def cohere_client(keystore, token, *, fake=None):
    options = {"additional_headers": headers(fake), "max_retries": 0}
    return cohere.ClientV2(key(token), base_url=f"{keystore.proxy_url}/v1/cohere"), {"request_options": options}


def mistral_client(keystore, token, *, fake=None):
    return Mistral(api_key=key(token), server_url=f"{keystore.proxy_url}/v1/mistral"), {"http_headers": headers(fake)}


def langchain_client(keystore, token, model, *, fake=None, **options):
    return ChatOpenAI(
        model=model,
        base_url=f"{keystore.proxy_url}/v1/openai/v1",
        api_key=key(token),
        max_retries=0,
        default_headers=headers(fake),
        **options,
    )


def stripe_client(keystore, token):
    return stripe.StripeClient(
        key(token), base_addresses={"api": f"{keystore.proxy_url}/v1/stripe"}, max_network_retries=0
    )


def tavily_client(keystore, token, *, fake=None):
    session = requests.Session()
    session.headers.update(headers(fake))
    return tavily.TavilyClient(key(token), api_base_url=f"{keystore.proxy_url}/v1/tavily", session=session)


class Resend(resend.RequestsClient):
    """The client's own transport, with a header for the fake. The rest of Resend's client is a module with two variables."""

    def __init__(self, fake):
        super().__init__()
        self.fake = fake

    def request(self, method, url, headers, **rest):
        return super().request(method, url, {**headers, "x-fake": self.fake}, **rest)
