"""A program of a user of `keystore-sdk`: manages Keystore, and says what it was answered. Checked by type checkers, too."""

from __future__ import annotations

import json
import sys
from datetime import datetime, timedelta, timezone

from keystore_sdk import Keystore, NotFoundError, Page, types


def main(provider_url: str, provider_key: str) -> dict[str, object]:
    said: dict[str, object] = {}
    with Keystore() as ks:
        said["who_am_i"] = ks.auth.who_am_i().role
        project: types.Project = ks.projects.create(name="Threads", slug="threads")
        said["create_project"] = project.slug
        said["update_project"] = ks.projects.update(project.id, name="Threads too").name
        said["list_projects"] = [one.slug for one in ks.projects.list(limit=1)]
        credential = ks.credentials.create(
            provider="openai", name="threads", project="threads", secret=provider_key, base_url=provider_url
        )
        said["create_credential"] = credential.status
        said["get_credential"] = ks.credentials.get(credential.id).name
        said["test_credential"] = ks.credentials.test(credential.id).verdict
        tomorrow = datetime.now(timezone.utc) + timedelta(days=1)
        agent = ks.agents.create(
            name="threads",
            project="threads",
            providers=[{"name": "openai", "source": "byok", "credential": "threads"}],
            rpm_limit=60,
            expires_at=tomorrow,
        )
        said["create_agent"] = [grant.source for grant in agent.providers]
        ends: datetime | None = agent.expires_at
        said["expires_at"] = ends is not None and abs(ends - tomorrow) < timedelta(milliseconds=1)
        said["update_agent"] = ks.agents.update(agent.id, rpm_limit=None, labels=["hr"]).rpm_limit
        said["get_agent"] = ks.agents.get(agent.id).labels
        first: Page[types.Agent] = ks.agents.list(project="threads").first_page()
        said["list_agents"] = [one.name for one in first]
        made = ks.tokens.create(agent_id=agent.id, name="second")
        said["create_token"] = (made.token or "")[:3]
        rotated = ks.tokens.rotate(made.id, overlap_seconds=60)
        said["rotate_token"] = rotated.token is not None and rotated.token != made.token
        said["revoke_token"] = ks.tokens.revoke(rotated.id).status
        said["list_tokens"] = sorted(token.status for token in ks.tokens.list(agent=agent.id))
        budget = ks.budgets.create(agent=agent.id, limit="5.00", window="month", thresholds=[80])
        said["create_budget"] = budget.limit
        said["check_budgets"] = ks.budgets.check(agent=agent.id, provider="openai", model="gpt-5-nano", cost="9").admitted
        raised = ks.budgets.raise_limit(budget.id, limit="10.00", until=tomorrow).raise_
        said["raise_budget"] = raised and raised.limit
        said["get_budget_history"] = len(list(ks.budgets.get_history(budget.id)))
        ks.budgets.delete(budget.id)
        said["pause_agent"] = ks.agents.pause(agent.id).status
        said["resume_agent"] = ks.agents.resume(agent.id).status
        said["list_providers"] = len(list(ks.providers.list(limit=200)))
        said["get_provider"] = ks.providers.get("openai").name
        said["list_requests"] = [request.code for request in ks.requests.list(agent=agent.id)]
        said["get_usage"] = ks.usage.get(by="agent", project="threads").total.errors
        said["list_audit"] = "create_agent" in {entry.action for entry in ks.audit.list(since=tomorrow - timedelta(days=2))}
        said["export_audit"] = [line.split(",")[0] for line in ks.audit.export(format="csv").lines()][:2]
        said["verify_audit"] = ks.audit.verify().ok
        said["create_revocation"] = ks.revocations.create(scope="agent", id=agent.id, reason="done").propagated
        ks.agents.delete(agent.id)
        try:
            ks.agents.get(agent.id)
        except NotFoundError as error:
            said["delete_agent"] = error.code
        ks.credentials.delete(credential.id)
        said["delete_project"] = ks.projects.delete("threads").agents
    return said


if __name__ == "__main__":
    print(json.dumps(main(*sys.argv[1:3])))
