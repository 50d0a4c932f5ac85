"""Mistakes that a type checker finds before the program runs: each line with `mistake` at its end, and no other."""

from __future__ import annotations

from keystore_sdk import AsyncKeystore, Keystore, types

ks = Keystore()
ks.agents.create()  # mistake
ks.agents.create(nmae="bot")  # mistake
ks.agents.create(name="bot", rpm_limit="60")  # mistake
ks.tokens.create(name="bot", providers=[{"name": "openai", "source": "own"}])  # mistake
ks.tokens.create(name="bot", providers=[{"source": "byok"}])  # mistake
ks.tokens.create(name="bot", providers=[{"name": "openai", "scope": []}])  # mistake
ks.budgets.create(limit=5, window="month")  # mistake
ks.agents.get("bot").rpm_limti  # mistake
ks.tokens.create(name="bot").token.upper()  # mistake
ks.operator.pool.lists()  # mistake
for each in ks.agents.list():
    each.created_at.isoformat() + each.status.upper()
    each.id + 1  # mistake
status: types.TokenStatus = ks.agents.get("bot").status  # mistake


async def tasks(later: AsyncKeystore) -> None:
    later.agents.get("bot").name  # mistake
    for agent in later.agents.list():  # mistake
        pass
    (await later.agents.get("bot")).name.upper()
