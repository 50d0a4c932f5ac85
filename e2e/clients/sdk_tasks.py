"""The same program as `sdk_threads.py`, for tasks."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import datetime, timedelta, timezone

from keystore_sdk import AsyncKeystore, NotFoundError, Page, types


async def main(provider_url: str, provider_key: str) -> dict[str, object]:
    said: dict[str, object] = {}
    async with AsyncKeystore() as ks:
        said["who_am_i"] = (await ks.auth.who_am_i()).role
        project: types.Project = await ks.projects.create(name="Tasks", slug="tasks")
        said["create_project"] = project.slug
        said["update_project"] = (await ks.projects.update(project.id, name="Tasks too")).name
        said["list_projects"] = [one.slug async for one in ks.projects.list(limit=1)]
        credential = await ks.credentials.create(
            provider="openai", name="tasks", project="tasks", secret=provider_key, base_url=provider_url
        )
        said["create_credential"] = credential.status
        said["get_credential"] = (await ks.credentials.get(credential.id)).name
        said["test_credential"] = (await ks.credentials.test(credential.id)).verdict
        tomorrow = datetime.now(timezone.utc) + timedelta(days=1)
        agent = await ks.agents.create(
            name="tasks",
            project="tasks",
            providers=[{"name": "openai", "source": "byok", "credential": "tasks"}],
            rpm_limit=60,
            expires_at=tomorrow,
        )
        said["create_agent"] = [grant.source for grant in agent.providers]
        ends: datetime | None = agent.expires_at
        said["expires_at"] = ends is not None and abs(ends - tomorrow) < timedelta(milliseconds=1)
        said["update_agent"] = (await ks.agents.update(agent.id, rpm_limit=None, labels=["hr"])).rpm_limit
        said["get_agent"] = (await ks.agents.get(agent.id)).labels
        first: Page[types.Agent] = await ks.agents.list(project="tasks").first_page()
        said["list_agents"] = [one.name for one in first]
        made = await ks.tokens.create(agent_id=agent.id, name="second")
        said["create_token"] = (made.token or "")[:3]
        rotated = await ks.tokens.rotate(made.id, overlap_seconds=60)
        said["rotate_token"] = rotated.token is not None and rotated.token != made.token
        said["revoke_token"] = (await ks.tokens.revoke(rotated.id)).status
        said["list_tokens"] = sorted([token.status async for token in ks.tokens.list(agent=agent.id)])
        budget = await ks.budgets.create(agent=agent.id, limit="5.00", window="month", thresholds=[80])
        said["create_budget"] = budget.limit
        said["check_budgets"] = (await ks.budgets.check(agent=agent.id, provider="openai", model="gpt-5-nano", cost="9")).admitted
        raised = (await ks.budgets.raise_limit(budget.id, limit="10.00", until=tomorrow)).raise_
        said["raise_budget"] = raised and raised.limit
        said["get_budget_history"] = len([one async for one in ks.budgets.get_history(budget.id)])
        await ks.budgets.delete(budget.id)
        said["pause_agent"] = (await ks.agents.pause(agent.id)).status
        said["resume_agent"] = (await ks.agents.resume(agent.id)).status
        said["list_providers"] = len([one async for one in ks.providers.list(limit=200)])
        said["get_provider"] = (await ks.providers.get("openai")).name
        said["list_requests"] = [request.code async for request in ks.requests.list(agent=agent.id)]
        said["get_usage"] = (await ks.usage.get(by="agent", project="tasks")).total.errors
        said["list_audit"] = "create_agent" in {entry.action async for entry in ks.audit.list(since=tomorrow - timedelta(days=2))}
        said["export_audit"] = [line.split(",")[0] async for line in ks.audit.export(format="csv").lines()][:2]
        said["verify_audit"] = (await ks.audit.verify()).ok
        said["create_revocation"] = (await ks.revocations.create(scope="agent", id=agent.id, reason="done")).propagated
        await ks.agents.delete(agent.id)
        try:
            await ks.agents.get(agent.id)
        except NotFoundError as error:
            said["delete_agent"] = error.code
        await ks.credentials.delete(credential.id)
        said["delete_project"] = (await ks.projects.delete("tasks")).agents
    return said


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(*sys.argv[1:3]))))
