"""An agent as anyone would write it: it knows nothing of Keystore. Says what it was answered, and what environment it has."""

import json
import os
import sys

import anthropic
import openai

gpt, claude = sys.argv[1:3]
messages = [{"role": "user", "content": "Hello"}]
print(
    json.dumps(
        {
            "openai": openai.OpenAI().chat.completions.create(model=gpt, messages=messages).choices[0].message.content,
            "anthropic": anthropic.Anthropic().messages.create(model=claude, max_tokens=99, messages=messages).content[0].text,
            "environment": dict(os.environ),
        }
    )
)
