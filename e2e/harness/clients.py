"""The vendors' own clients, set up as their users set them up: a base URL and a key."""

import anthropic
import openai

HELLO = [{"role": "user", "content": "Say something about otters, please."}]


def openai_client(keystore, token, *, fake=None, retries=2):
    """`fake` are directives for the fake upstream."""
    return openai.OpenAI(
        base_url=f"{keystore.proxy_url}/v1/openai/v1",
        api_key=getattr(token, "token", token),
        max_retries=retries,
        default_headers={"x-fake": fake} if fake else {},
    )


def anthropic_client(keystore, token, *, fake=None, retries=2):
    """`fake` are directives for the fake upstream."""
    return anthropic.Anthropic(
        base_url=f"{keystore.proxy_url}/v1/anthropic",
        api_key=getattr(token, "token", token),
        max_retries=retries,
        default_headers={"x-fake": fake} if fake else {},
    )
