"""The API for tasks, by resource. Written by `sdk/python/generate` from `openapi.json`; not to be edited."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

from .. import params, types
from .._encode import OMIT, Omit
from .._http import AsyncHttp
from .._operations import Values
from .._paging import AsyncPager
from .._streams import AsyncDownload, AsyncEventStream
from . import operations


class AsyncOperatorPool:
    """`ks.operator.pool`"""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    def list(
        self,
        *,
        limit: int | None = None,
        after: str | None = None,
        provider: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPager[types.PoolCredential]:
        """The keys of the pools, oldest first.

        Args:
            limit: How many entries, 1 to 500; 50 by default.
            after: The `next` of the page before.
            provider: Of this provider (slug) alone.
        """
        return self._http.pages(
            operations.list_pool_credentials,
            Values(
                query={"limit": limit, "after": after, "provider": provider},
                timeout=timeout,
            ),
        )

    async def create(
        self,
        *,
        provider: str,
        secret: str | Mapping[str, str],
        base_url: str | None | Omit = OMIT,
        dedicated_to: str | None | Omit = OMIT,
        expires_at: datetime | str | None | Omit = OMIT,
        max_concurrency: int | None | Omit = OMIT,
        name: str | None | Omit = OMIT,
        params: Mapping[str, str] | Omit = OMIT,
        weight: int | None | Omit = OMIT,
        verify: bool | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.PoolCredential:
        """Adds a key to its provider's pool, and publishes the provider where it is new; with `verify` unless
        the vendor refuses it.

        Args:
            base_url: A base URL, where the provider may be self-hosted.
            dedicated_to: The one organization (id) that it serves; all when absent.
            expires_at: When the vendor ends the key.
            max_concurrency: Calls at the same time, 1 to 1,000,000; as many as the vendor lets it when
                absent.
            name: The name, unique for the provider; `default` when absent.
            params: What the provider's URLs need to be given.
            provider: The provider's slug.
            secret: The secret.
            weight: Its share of the calls beside the others', 1 to 1,000; 1 when absent.
            verify: Ask the vendor first, and store nothing that it refuses (`credential_refused`). What it
                can give no answer about is stored as `untested`.
        """
        return await self._http.send(
            operations.create_pool_credential,
            Values(
                query={"verify": verify},
                body={
                    "base_url": base_url,
                    "dedicated_to": dedicated_to,
                    "expires_at": expires_at,
                    "max_concurrency": max_concurrency,
                    "name": name,
                    "params": params,
                    "provider": provider,
                    "secret": secret,
                    "weight": weight,
                },
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def get(
        self,
        pooled: str,
        *,
        timeout: float | None = None,
    ) -> types.PoolCredential:
        """A key of a pool.

        Args:
            pooled: Id of the credential
        """
        return await self._http.send(
            operations.get_pool_credential,
            Values(
                path={"pooled": pooled},
                timeout=timeout,
            ),
        )

    async def delete(
        self,
        pooled: str,
        *,
        timeout: float | None = None,
    ) -> None:
        """Takes a key out of its pool and deletes it. No request that begins after the answer uses it; calls
        that run end on it.

        Args:
            pooled: Id of the credential
        """
        return await self._http.send(
            operations.delete_pool_credential,
            Values(
                path={"pooled": pooled},
                timeout=timeout,
            ),
        )

    async def update(
        self,
        pooled: str,
        *,
        dedicated_to: str | None | Omit = OMIT,
        draining: bool | None | Omit = OMIT,
        max_concurrency: int | None | Omit = OMIT,
        weight: int | None | Omit = OMIT,
        timeout: float | None = None,
    ) -> types.PoolCredential:
        """Changes whom a key serves and how much. In force on the next request.

        Args:
            pooled: Id of the credential
            dedicated_to: The one organization (id) that it serves; `null` is all.
            draining: Whether it ends what it began and takes no more.
            max_concurrency: Calls at the same time, 1 to 1,000,000; `null` is as many as the vendor lets
                it.
            weight: Its share of the calls beside the others', 1 to 1,000.
        """
        return await self._http.send(
            operations.update_pool_credential,
            Values(
                path={"pooled": pooled},
                body={
                    "dedicated_to": dedicated_to,
                    "draining": draining,
                    "max_concurrency": max_concurrency,
                    "weight": weight,
                },
                timeout=timeout,
            ),
        )

    async def get_plan(
        self,
        pooled: str,
        *,
        timeout: float | None = None,
    ) -> types.KeyPlan:
        """How the key is renewed.

        Args:
            pooled: Id
        """
        return await self._http.send(
            operations.get_key_plan,
            Values(
                path={"pooled": pooled},
                timeout=timeout,
            ),
        )

    async def set_plan(
        self,
        pooled: str,
        *,
        driver: types.Driver,
        account: str | None | Omit = OMIT,
        admin: str | None | Omit = OMIT,
        every_days: int | None | Omit = OMIT,
        overlap_seconds: int | None | Omit = OMIT,
        vendor_key: str | None | Omit = OMIT,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.KeyPlan:
        """Sets how the key is renewed, in place of what was set before.

        Args:
            pooled: Id
            account: Where the vendor keeps the keys: at OpenAI, the project.
            admin: The credential (id) of the operator's organization that the vendor's API for keys takes:
                of `openai-admin`, or one of OpenRouter that manages keys.
            driver: Who makes and revokes the keys.
            every_days: A rotation begins by itself every so many days, 1 to 3,650; never when absent.
            overlap_seconds: How long the old and the new key serve side by side, 60 to 604,800 seconds; 600
                when absent.
            vendor_key: The vendor's id of the key that is in use: at OpenAI, that of its service account.
                Without it the operator is asked to revoke that key when it is replaced.
        """
        return await self._http.send(
            operations.set_key_plan,
            Values(
                path={"pooled": pooled},
                body={
                    "account": account,
                    "admin": admin,
                    "driver": driver,
                    "every_days": every_days,
                    "overlap_seconds": overlap_seconds,
                    "vendor_key": vendor_key,
                },
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )


class AsyncOperatorRotations:
    """`ks.operator.rotations`"""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    def list(
        self,
        *,
        limit: int | None = None,
        after: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPager[types.Rotation]:
        """The rotations, newest first.

        Args:
            limit: How many entries, 1 to 500; 50 by default.
            after: The `next` of the page before.
        """
        return self._http.pages(
            operations.list_rotations,
            Values(
                query={"limit": limit, "after": after},
                timeout=timeout,
            ),
        )

    async def create(
        self,
        *,
        credential: str,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.Rotation:
        """Begins to renew the key of a pooled credential, by its plan; without one the operator makes the
        keys. It goes on by itself.

        Args:
            credential: The pooled credential whose key is renewed (id).
        """
        return await self._http.send(
            operations.create_rotation,
            Values(
                body={"credential": credential},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def get(
        self,
        rotation: str,
        *,
        timeout: float | None = None,
    ) -> types.Rotation:
        """A rotation.

        Args:
            rotation: Id
        """
        return await self._http.send(
            operations.get_rotation,
            Values(
                path={"rotation": rotation},
                timeout=timeout,
            ),
        )

    async def give_key(
        self,
        rotation: str,
        *,
        secret: str | Mapping[str, str],
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.Rotation:
        """Gives a rotation the key that it waits for.

        Args:
            rotation: Id
            secret: The secret.
        """
        return await self._http.send(
            operations.give_rotation_key,
            Values(
                path={"rotation": rotation},
                body={"secret": secret},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def confirm_revoked(
        self,
        rotation: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.Rotation:
        """Says that the old key is revoked at the vendor.

        Args:
            rotation: Id
        """
        return await self._http.send(
            operations.confirm_rotation_revoked,
            Values(
                path={"rotation": rotation},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def undo(
        self,
        rotation: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.Rotation:
        """Undoes a rotation while the old key still serves: the new one is revoked.

        Args:
            rotation: Id
        """
        return await self._http.send(
            operations.undo_rotation,
            Values(
                path={"rotation": rotation},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )


class AsyncAccessRequests:
    """`ks.access_requests`"""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    def list(
        self,
        *,
        project: str | None = None,
        agent: str | None = None,
        state: types.AccessState | None = None,
        limit: int | None = None,
        after: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPager[types.AccessRequest]:
        """What agents asked for, newest first.

        Args:
            project: Of this project (id or slug).
            agent: Of this agent (id or name).
            state: Only those that are so far.
            limit: How many entries, 1 to 500; 50 by default.
            after: The `next` of the page before.
        """
        return self._http.pages(
            operations.list_access_requests,
            Values(
                query={"project": project, "agent": agent, "state": state, "limit": limit, "after": after},
                timeout=timeout,
            ),
        )

    async def get(
        self,
        access_request: str,
        *,
        timeout: float | None = None,
    ) -> types.AccessRequest:
        """The request.

        Args:
            access_request: Id
        """
        return await self._http.send(
            operations.get_access_request,
            Values(
                path={"accessRequest": access_request},
                timeout=timeout,
            ),
        )

    async def approve(
        self,
        access_request: str,
        *,
        budget_cents_monthly: int | None | Omit = OMIT,
        credential: str | None | Omit = OMIT,
        models: Sequence[str] | None | Omit = OMIT,
        note: str | None | Omit = OMIT,
        scopes: Sequence[str] | None | Omit = OMIT,
        source: types.Source | None | Omit = OMIT,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.AccessRequest:
        """Grants what was asked for, or the part of it that the body names, with every check of a grant that
        is made by hand. When this returns, the agent's next call passes, with the token that it has.

        Args:
            access_request: Id
            budget_cents_monthly: A smaller month's budget than asked for, in US cents; `null` leaves the
                budget as it is.
            credential: The credential (id or name) of a `byok` grant; otherwise the only one of the
                provider, else the one named `default`.
            models: Fewer models than asked for.
            note: A word for the agent; at most 1,000 characters.
            scopes: Fewer scopes than asked for.
            source: Whose credential; needed where the request leaves it open and the agent has no grant for
                the provider.
        """
        return await self._http.send(
            operations.approve_access_request,
            Values(
                path={"accessRequest": access_request},
                body={
                    "budget_cents_monthly": budget_cents_monthly,
                    "credential": credential,
                    "models": models,
                    "note": note,
                    "scopes": scopes,
                    "source": source,
                },
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def deny(
        self,
        access_request: str,
        *,
        reason: str,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.AccessRequest:
        """Refuses what was asked for, and tells the agent why.

        Args:
            access_request: Id
            reason: Why, which the agent is told: 1 to 1,000 characters.
        """
        return await self._http.send(
            operations.deny_access_request,
            Values(
                path={"accessRequest": access_request},
                body={"reason": reason},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )


class AsyncAgents:
    """`ks.agents`"""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    def list(
        self,
        *,
        project: str | None = None,
        limit: int | None = None,
        after: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPager[types.Agent]:
        """The agents, oldest first.

        Args:
            project: Of this project (id or slug).
            limit: How many entries, 1 to 500; 50 by default.
            after: The `next` of the page before.
        """
        return self._http.pages(
            operations.list_agents,
            Values(
                query={"project": project, "limit": limit, "after": after},
                timeout=timeout,
            ),
        )

    async def create(
        self,
        *,
        name: str,
        allowed_ips: Sequence[str] | Omit = OMIT,
        allowed_models: Sequence[str] | Omit = OMIT,
        budget_cents_monthly: int | None | Omit = OMIT,
        end_users: bool | Omit = OMIT,
        expires_at: datetime | str | None | Omit = OMIT,
        labels: Sequence[str] | Omit = OMIT,
        max_concurrency: int | None | Omit = OMIT,
        project: str | None | Omit = OMIT,
        providers: Sequence[params.GrantInput] | Omit = OMIT,
        rpd_limit: int | None | Omit = OMIT,
        rpm_limit: int | None | Omit = OMIT,
        tpm_limit: int | None | Omit = OMIT,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.Agent:
        """Makes an agent. It has no token yet: `POST /v1/tokens` makes both in one step.

        Args:
            allowed_ips: Addresses it may be used from (CIDR); empty is every address.
            allowed_models: Models it may use, `*` at the end of a name matching the rest; empty is every
                model.
            budget_cents_monthly: US cents in a calendar month of the organization's time zone; absent is no
                limit.
            end_users: Every request must name its end user (`x-keystore-end-user`), for budgets and usage
                by end user.
            expires_at: When it ends by itself.
            labels: Labels, such as `phi`.
            max_concurrency: Calls at the same time, per provider, 0 to 1,000,000; 0 blocks, absent is no
                limit.
            name: The name, unique in the project.
            project: The project (id or slug); the caller's own, or `default`, when absent.
            providers: What it may use; at most one entry a provider.
            rpd_limit: Requests in a UTC day, per provider, 0 to 1,000,000; 0 blocks, absent is the
                deployment's default (10,000).
            rpm_limit: Requests in any minute, per provider, 0 to 1,000,000; 0 blocks, absent is the
                deployment's default (60).
            tpm_limit: Tokens of input and output in any minute, per provider, 0 to 1,000,000,000; 0 blocks,
                absent is no limit.
        """
        return await self._http.send(
            operations.create_agent,
            Values(
                body={
                    "allowed_ips": allowed_ips,
                    "allowed_models": allowed_models,
                    "budget_cents_monthly": budget_cents_monthly,
                    "end_users": end_users,
                    "expires_at": expires_at,
                    "labels": labels,
                    "max_concurrency": max_concurrency,
                    "name": name,
                    "project": project,
                    "providers": providers,
                    "rpd_limit": rpd_limit,
                    "rpm_limit": rpm_limit,
                    "tpm_limit": tpm_limit,
                },
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def get(
        self,
        agent: str,
        *,
        timeout: float | None = None,
    ) -> types.Agent:
        """The agent, with where its month's budget stands.

        Args:
            agent: Id or name
        """
        return await self._http.send(
            operations.get_agent,
            Values(
                path={"agent": agent},
                timeout=timeout,
            ),
        )

    async def delete(
        self,
        agent: str,
        *,
        timeout: float | None = None,
    ) -> None:
        """Deletes the agent with its tokens and budgets. What it did stays in requests and usage.

        Args:
            agent: Id or name
        """
        return await self._http.send(
            operations.delete_agent,
            Values(
                path={"agent": agent},
                timeout=timeout,
            ),
        )

    async def update(
        self,
        agent: str,
        *,
        allowed_ips: Sequence[str] | None | Omit = OMIT,
        allowed_models: Sequence[str] | None | Omit = OMIT,
        budget_cents_monthly: int | None | Omit = OMIT,
        end_users: bool | None | Omit = OMIT,
        expires_at: datetime | str | None | Omit = OMIT,
        labels: Sequence[str] | None | Omit = OMIT,
        max_concurrency: int | None | Omit = OMIT,
        name: str | None | Omit = OMIT,
        providers: Sequence[params.GrantInput] | None | Omit = OMIT,
        rpd_limit: int | None | Omit = OMIT,
        rpm_limit: int | None | Omit = OMIT,
        tpm_limit: int | None | Omit = OMIT,
        timeout: float | None = None,
    ) -> types.Agent:
        """Changes what is named: what is absent stays, `null` goes back to the default. In force on the next
        request.

        Args:
            agent: Id or name
            allowed_ips: All addresses it may be used from; `null` or empty is every address.
            allowed_models: All models it may use; `null` or empty is every model.
            budget_cents_monthly: US cents in a calendar month; `null` is no limit.
            end_users: Whether every request must name its end user.
            expires_at: When it ends by itself; `null` is never.
            labels: All labels.
            max_concurrency: Calls at the same time, per provider; `null` is no limit.
            name: A new name.
            providers: All that it may use from now on.
            rpd_limit: Requests in a UTC day, per provider.
            rpm_limit: Requests in any minute, per provider.
            tpm_limit: Tokens in any minute, per provider; `null` is no limit.
        """
        return await self._http.send(
            operations.update_agent,
            Values(
                path={"agent": agent},
                body={
                    "allowed_ips": allowed_ips,
                    "allowed_models": allowed_models,
                    "budget_cents_monthly": budget_cents_monthly,
                    "end_users": end_users,
                    "expires_at": expires_at,
                    "labels": labels,
                    "max_concurrency": max_concurrency,
                    "name": name,
                    "providers": providers,
                    "rpd_limit": rpd_limit,
                    "rpm_limit": rpm_limit,
                    "tpm_limit": tpm_limit,
                },
                timeout=timeout,
            ),
        )

    async def get_abuse_rules(
        self,
        agent: str,
        *,
        timeout: float | None = None,
    ) -> types.AbuseRules:
        """The rules that watch the agent.

        Args:
            agent: Id or name
        """
        return await self._http.send(
            operations.get_agent_abuse_rules,
            Values(
                path={"agent": agent},
                timeout=timeout,
            ),
        )

    async def update_abuse_rules(
        self,
        agent: str,
        *,
        identical_requests: params.SetAbuseRule | None | Omit = OMIT,
        refusals: params.SetAbuseRule | None | Omit = OMIT,
        spend_rate: params.SetAbuseRule | None | Omit = OMIT,
        timeout: float | None = None,
    ) -> types.AbuseRules:
        """Changes what is named: what is absent stays, `null` goes back to the rule of the project or the
        organization. In force on the next request.

        Args:
            agent: Id or name
            identical_requests: So many identical requests; 30 in 60 seconds where nothing else is said.
            refusals: So many requests are refused; 60 in 60 seconds where nothing else is said.
            spend_rate: Calls cost so many dollars; 10.00 in 600 seconds where nothing else is said.
        """
        return await self._http.send(
            operations.update_agent_abuse_rules,
            Values(
                path={"agent": agent},
                body={
                    "identical_requests": identical_requests,
                    "refusals": refusals,
                    "spend_rate": spend_rate,
                },
                timeout=timeout,
            ),
        )

    async def pause(
        self,
        agent: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.Agent:
        """Refuses the agent's requests until it is resumed.

        Args:
            agent: Id or name
        """
        return await self._http.send(
            operations.pause_agent,
            Values(
                path={"agent": agent},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def resume(
        self,
        agent: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.Agent:
        """Lets a paused agent go on.

        Args:
            agent: Id or name
        """
        return await self._http.send(
            operations.resume_agent,
            Values(
                path={"agent": agent},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def revoke(
        self,
        agent: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.Agent:
        """Ends the agent for good: its tokens are refused as unknown ones are.

        Args:
            agent: Id or name
        """
        return await self._http.send(
            operations.revoke_agent,
            Values(
                path={"agent": agent},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )


class AsyncApiKeys:
    """`ks.api_keys`"""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    def list(
        self,
        *,
        limit: int | None = None,
        after: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPager[types.ApiKey]:
        """The management keys, oldest first, without their values.

        Args:
            limit: How many entries, 1 to 500; 50 by default.
            after: The `next` of the page before.
        """
        return self._http.pages(
            operations.list_api_keys,
            Values(
                query={"limit": limit, "after": after},
                timeout=timeout,
            ),
        )

    async def create(
        self,
        *,
        name: str,
        role: types.Role,
        expires_at: datetime | str | None | Omit = OMIT,
        project: str | None | Omit = OMIT,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.CreatedApiKey:
        """Makes a management key. The value is in this answer and in no other. Nobody can give a key more than
        they hold.

        Args:
            expires_at: When it ends by itself; absent is never.
            name: The name, unique in the organization.
            project: A project (id or slug) to bind it to.
            role: What it may do.
        """
        return await self._http.send(
            operations.create_api_key,
            Values(
                body={"expires_at": expires_at, "name": name, "project": project, "role": role},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def get(
        self,
        api_key: str,
        *,
        timeout: float | None = None,
    ) -> types.ApiKey:
        """The management key, without its value.

        Args:
            api_key: Id
        """
        return await self._http.send(
            operations.get_api_key,
            Values(
                path={"apiKey": api_key},
                timeout=timeout,
            ),
        )

    async def delete(
        self,
        api_key: str,
        *,
        timeout: float | None = None,
    ) -> None:
        """Revokes the management key at once and for good.

        Args:
            api_key: Id
        """
        return await self._http.send(
            operations.delete_api_key,
            Values(
                path={"apiKey": api_key},
                timeout=timeout,
            ),
        )

    async def update(
        self,
        api_key: str,
        *,
        name: str,
        timeout: float | None = None,
    ) -> types.ApiKey:
        """Gives the management key another name. What it may do, where and until when stays.

        Args:
            api_key: Id
            name: A new name, unique in the organization.
        """
        return await self._http.send(
            operations.update_api_key,
            Values(
                path={"apiKey": api_key},
                body={"name": name},
                timeout=timeout,
            ),
        )


class AsyncAudit:
    """`ks.audit`"""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    def list(
        self,
        *,
        limit: int | None = None,
        after: str | None = None,
        project: str | None = None,
        action: str | None = None,
        actor: str | None = None,
        subject: str | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        timeout: float | None = None,
    ) -> AsyncPager[types.AuditEntry]:
        """The audit log, newest first: every change that was made through this API.

        Args:
            limit: How many entries, 1 to 500; 50 by default.
            after: The `next` of the page before.
            project: Of this project (id or slug) alone.
            action: Of this operation alone, such as `create_agent`.
            actor: By this person or management key (id) alone.
            subject: On this thing (id) alone.
            since: From this time on.
            until: Before this time.
        """
        return self._http.pages(
            operations.list_audit,
            Values(
                query={
                    "limit": limit,
                    "after": after,
                    "project": project,
                    "action": action,
                    "actor": actor,
                    "subject": subject,
                    "since": since,
                    "until": until,
                },
                timeout=timeout,
            ),
        )

    def list_checkpoints(
        self,
        *,
        limit: int | None = None,
        after: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPager[types.AuditCheckpoint]:
        """Signed checkpoints of the audit log, the newest first. They are about the whole deployment's log,
        and name nobody.

        Args:
            limit: How many, 1 to 500; 50 by default.
            after: The `next` of the page before.
        """
        return self._http.pages(
            operations.list_audit_checkpoints,
            Values(
                query={"limit": limit, "after": after},
                timeout=timeout,
            ),
        )

    def export(
        self,
        *,
        format: Literal["ndjson", "csv", "ocsf"] | None = None,
        project: str | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        from_: int | None = None,
        timeout: float | None = None,
    ) -> AsyncDownload:
        """The caller's part of the audit log, changes and calls: with a proof for each record, or for other
        tools.

        Args:
            format: `ndjson` by default.
            project: Of this project (id or slug) alone.
            since: From this time on.
            until: Before this time.
            from_: The size of an older checkpoint: the export shows that the log goes on from it.
        """
        return self._http.download(
            operations.export_audit,
            Values(
                query={
                    "format": format,
                    "project": project,
                    "since": since,
                    "until": until,
                    "from": from_,
                },
                timeout=timeout,
            ),
        )

    async def hash_value(
        self,
        *,
        value: str,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.HashedAuditValue:
        """How a value of a query stands in the records of this organization's calls, to find it there.

        Args:
            value: The value, as it stood in the query, decoded.
        """
        return await self._http.send(
            operations.hash_audit_value,
            Values(
                body={"value": value},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def get_key(
        self,
        *,
        timeout: float | None = None,
    ) -> types.AuditKey:
        """The key that checkpoints of the audit log are checked with."""
        return await self._http.send(
            operations.get_audit_key,
            Values(
                timeout=timeout,
            ),
        )

    async def get_proof(
        self,
        request: str,
        *,
        timeout: float | None = None,
    ) -> types.AuditProof:
        """The proof that a call (by its id) or a change (by its number in the audit log) is in the log.

        Args:
            request: A request's id, or the number of an entry
        """
        return await self._http.send(
            operations.get_audit_proof,
            Values(
                path={"request": request},
                timeout=timeout,
            ),
        )

    async def verify(
        self,
        *,
        checkpoint: str | None | Omit = OMIT,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.AuditVerified:
        """Checks the caller's part of the audit log here. Who does not trust this server checks an export
        instead: `ks audit verify`.

        Args:
            checkpoint: An older checkpoint, as a signed note, that the log must go on from.
        """
        return await self._http.send(
            operations.verify_audit,
            Values(
                body={"checkpoint": checkpoint},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )


class AsyncAuth:
    """`ks.auth`"""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    async def accept_invitation(
        self,
        *,
        code: str,
        password: str,
        name: str | None | Omit = OMIT,
        second_factor: str | None | Omit = OMIT,
        timeout: float | None = None,
    ) -> types.SignedIn:
        """Takes an invitation up with the code of its link, and signs in. Who has an account gives its
        password, who has none a new one.

        Args:
            code: The code from the link: good once, for seven days.
            name: Their name, for a new account.
            password: Their password, or a new one of at least ten characters.
            second_factor: The code of their app, or a recovery code, for an account that has a second
                factor.
        """
        return await self._http.send(
            operations.accept_invitation,
            Values(
                body={"code": code, "name": name, "password": password, "second_factor": second_factor},
                timeout=timeout,
            ),
        )

    async def change_password(
        self,
        *,
        new_password: str,
        password: str,
        timeout: float | None = None,
    ) -> None:
        """Sets another password. Every other session of the person ends.

        Args:
            new_password: The new one: at least ten characters.
            password: The password until now.
        """
        return await self._http.send(
            operations.change_password,
            Values(
                body={"new_password": new_password, "password": password},
                timeout=timeout,
            ),
        )

    async def exchange_code(
        self,
        *,
        code: str,
        timeout: float | None = None,
    ) -> types.SignedIn:
        """Signs in with the code of a sign-in link: good once, for ten minutes.

        Args:
            code: The code from the link.
        """
        return await self._http.send(
            operations.exchange_code,
            Values(
                body={"code": code},
                timeout=timeout,
            ),
        )

    async def forgot_password(
        self,
        *,
        email: str,
        timeout: float | None = None,
    ) -> None:
        """Sends a link for a new password to the address, if there is an account for it. The answer does not
        say whether there is.

        Args:
            email: The address.
        """
        return await self._http.send(
            operations.forgot_password,
            Values(
                body={"email": email},
                timeout=timeout,
            ),
        )

    async def log_in(
        self,
        *,
        email: str,
        password: str,
        timeout: float | None = None,
    ) -> types.SignedIn:
        """Signs in with address and password.

        Args:
            email: The address.
            password: The password.
        """
        return await self._http.send(
            operations.log_in,
            Values(
                body={"email": email, "password": password},
                timeout=timeout,
            ),
        )

    async def log_out(
        self,
        *,
        timeout: float | None = None,
    ) -> None:
        """Ends the session."""
        return await self._http.send(
            operations.log_out,
            Values(
                timeout=timeout,
            ),
        )

    async def who_am_i(
        self,
        *,
        timeout: float | None = None,
    ) -> types.Me:
        """Who the caller is, and where the data plane is."""
        return await self._http.send(
            operations.who_am_i,
            Values(
                timeout=timeout,
            ),
        )

    async def refresh_session(
        self,
        *,
        timeout: float | None = None,
    ) -> types.Refreshed:
        """Puts a new value in place of the session's. The old one ends at once."""
        return await self._http.send(
            operations.refresh_session,
            Values(
                timeout=timeout,
            ),
        )

    async def reset_password(
        self,
        *,
        code: str,
        password: str,
        timeout: float | None = None,
    ) -> None:
        """Sets a new password with the code of a link: good once, for an hour. Every session of the person
        ends.

        Args:
            code: The code from the link.
            password: The new password: at least ten characters.
        """
        return await self._http.send(
            operations.reset_password,
            Values(
                body={"code": code, "password": password},
                timeout=timeout,
            ),
        )

    async def send_verification(
        self,
        *,
        timeout: float | None = None,
    ) -> None:
        """Sends the person a link that confirms their address."""
        return await self._http.send(
            operations.send_verification,
            Values(
                timeout=timeout,
            ),
        )

    async def sign_up(
        self,
        *,
        email: str,
        name: str,
        org_name: str,
        password: str,
        timeout: float | None = None,
    ) -> types.SignedUp:
        """Makes an account, with an organization of its own, and signs in.

        Args:
            email: The address to sign in with.
            name: The person's name.
            org_name: The organization's name; its slug is made from it.
            password: At least ten characters.
        """
        return await self._http.send(
            operations.sign_up,
            Values(
                body={"email": email, "name": name, "org_name": org_name, "password": password},
                timeout=timeout,
            ),
        )

    async def switch_org(
        self,
        *,
        org_id: str,
        timeout: float | None = None,
    ) -> types.Me:
        """Lets the session speak for another organization of the same person.

        Args:
            org_id: The organization.
        """
        return await self._http.send(
            operations.switch_org,
            Values(
                body={"org_id": org_id},
                timeout=timeout,
            ),
        )

    async def verify_email(
        self,
        *,
        code: str,
        timeout: float | None = None,
    ) -> None:
        """Confirms an address with the code of a link: good once, for a day.

        Args:
            code: The code from the link.
        """
        return await self._http.send(
            operations.verify_email,
            Values(
                body={"code": code},
                timeout=timeout,
            ),
        )

    async def verify_second_factor(
        self,
        *,
        challenge: str,
        code: str,
        timeout: float | None = None,
    ) -> types.SignedIn:
        """The second step of a sign-in: the challenge of the first one, with a code of the app or a recovery
        code, for a session.

        Args:
            challenge: The `token` of the challenge that the first step answered with.
            code: The six digits that the app shows, or a recovery code.
        """
        return await self._http.send(
            operations.verify_second_factor,
            Values(
                body={"challenge": challenge, "code": code},
                timeout=timeout,
            ),
        )

    async def ask_passkey(
        self,
        *,
        challenge: str | None | Omit = OMIT,
        timeout: float | None = None,
    ) -> types.PasskeyRequest:
        """What the browser is asked to sign for a sign-in with a passkey: alone, or behind a first step.
        Nothing is kept.

        Args:
            challenge: The `token` of the challenge that the first step answered with.
        """
        return await self._http.send(
            operations.ask_passkey,
            Values(
                body={"challenge": challenge},
                timeout=timeout,
            ),
        )

    async def sign_in_with_passkey(
        self,
        *,
        authenticator_data: str,
        client_data: str,
        id: str,
        signature: str,
        challenge: str | None | Omit = OMIT,
        user_handle: str | None | Omit = OMIT,
        timeout: float | None = None,
    ) -> types.SignedIn:
        """Signs in with a passkey: alone, or behind a first step.

        Args:
            authenticator_data: `authenticatorData`.
            challenge: The `token` of the challenge that the first step answered with, where there was one.
            client_data: `clientDataJSON`.
            id: `rawId`.
            signature: `signature`.
            user_handle: `userHandle`; needed where there was no first step.
        """
        return await self._http.send(
            operations.sign_in_with_passkey,
            Values(
                body={
                    "authenticator_data": authenticator_data,
                    "challenge": challenge,
                    "client_data": client_data,
                    "id": id,
                    "signature": signature,
                    "user_handle": user_handle,
                },
                timeout=timeout,
            ),
        )


class AsyncBilling:
    """`ks.billing`"""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    async def get_auto_top_up(
        self,
        *,
        timeout: float | None = None,
    ) -> types.AutoTopUp:
        """How credit is topped up by itself."""
        return await self._http.send(
            operations.get_auto_top_up,
            Values(
                timeout=timeout,
            ),
        )

    async def set_auto_top_up(
        self,
        *,
        amount: str,
        below: str,
        monthly: str,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.AutoTopUp:
        """Has credit topped up by itself when it runs low, from the saved card; without Stripe the operator is
        asked to see to it.

        Args:
            amount: By so much, 1 to 100,000.
            below: When less than this is left, what running calls hold not taken off.
            monthly: At most so much in a UTC month.
        """
        return await self._http.send(
            operations.set_auto_top_up,
            Values(
                body={"amount": amount, "below": below, "monthly": monthly},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def delete_auto_top_up(
        self,
        *,
        timeout: float | None = None,
    ) -> None:
        """Ends that, and forgets the saved card. A payment that is open goes on."""
        return await self._http.send(
            operations.delete_auto_top_up,
            Values(
                timeout=timeout,
            ),
        )

    async def get_balance(
        self,
        *,
        timeout: float | None = None,
    ) -> types.Balance:
        """What the organization may still spend at the marketplace, and why."""
        return await self._http.send(
            operations.get_balance,
            Values(
                timeout=timeout,
            ),
        )

    def list_invoices(
        self,
        *,
        limit: int | None = None,
        after: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPager[types.InvoiceSummary]:
        """The organization's invoices, newest first.

        Args:
            limit: How many entries, 1 to 500; 50 by default.
            after: The `next` of the page before.
        """
        return self._http.pages(
            operations.list_invoices,
            Values(
                query={"limit": limit, "after": after},
                timeout=timeout,
            ),
        )

    async def get_invoice(
        self,
        invoice: str,
        *,
        timeout: float | None = None,
    ) -> types.Invoice:
        """An invoice: as JSON, or with `.html`, `.pdf` or `.csv` behind its number in that form. The same
        bytes every time.

        Args:
            invoice: Number, and the form: `KS-2026-000001`, `KS-2026-000001.pdf`
        """
        return await self._http.send(
            operations.get_invoice,
            Values(
                path={"invoice": invoice},
                timeout=timeout,
            ),
        )

    def download_invoice(
        self,
        invoice: str,
        *,
        format: Literal["csv", "html", "pdf"],
        timeout: float | None = None,
    ) -> AsyncDownload:
        """An invoice, as a file.

        Args:
            invoice: Number, and the form: `KS-2026-000001`, `KS-2026-000001.pdf`
            format: The form of the file.
        """
        return self._http.download(
            operations.get_invoice_file,
            Values(path={"invoice": invoice, "format": format}, timeout=timeout),
        )

    def list_ledger(
        self,
        *,
        limit: int | None = None,
        after: str | None = None,
        kind: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPager[types.Transaction]:
        """What the organization was charged and paid, newest first.

        Args:
            limit: How many entries, 1 to 500; 50 by default.
            after: The `next` of the page before.
            kind: Of this kind alone, other than `usage`.
        """
        return self._http.pages(
            operations.list_ledger,
            Values(
                query={"limit": limit, "after": after, "kind": kind},
                timeout=timeout,
            ),
        )

    async def create_top_up(
        self,
        *,
        amount: str,
        save_card: bool | Omit = OMIT,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.TopUp:
        """Begins a top-up: gives a page of Stripe's on which it can be paid. It is credited when Stripe tells
        that the money is there.

        Args:
            amount: Dollars in whole cents, 1 to 100,000.
            save_card: Save the card, in place of the one that was saved before, so that credit can be
                topped up by itself.
        """
        return await self._http.send(
            operations.create_top_up,
            Values(
                body={"amount": amount, "save_card": save_card},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )


class AsyncBudgets:
    """`ks.budgets`"""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    def list(
        self,
        *,
        limit: int | None = None,
        after: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPager[types.Budget]:
        """The budgets, oldest first, and where each stands.

        Args:
            limit: How many entries, 1 to 500; 50 by default.
            after: The `next` of the page before.
        """
        return self._http.pages(
            operations.list_budgets,
            Values(
                query={"limit": limit, "after": after},
                timeout=timeout,
            ),
        )

    async def create(
        self,
        *,
        limit: str,
        window: types.Window,
        action: types.BudgetAction | None | Omit = OMIT,
        agent: str | None | Omit = OMIT,
        end_user: str | None | Omit = OMIT,
        mode: types.BudgetMode | None | Omit = OMIT,
        model: str | None | Omit = OMIT,
        project: str | None | Omit = OMIT,
        provider: str | None | Omit = OMIT,
        source: types.Source | None | Omit = OMIT,
        thresholds: Sequence[int] | Omit = OMIT,
        unit: types.Unit | None | Omit = OMIT,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.Budget:
        """Makes a budget. In force on the next request; calls before it do not count.

        Args:
            action: What happens at the limit; `deny` when absent.
            agent: Only calls of this agent (id or name).
            end_user: Only calls for this end user, as `x-keystore-end-user` names it; `*` gives each end
                user the limit for itself.
            limit: What may be used in a window, in the unit.
            mode: How the limit holds; `strict` when absent.
            model: Only calls of this model, by its name in the price list or the name that is asked for;
                `*` at the end stands for the rest.
            project: Only calls of this project (id or slug); the caller's own, when the caller is bound to
                one.
            provider: Only calls to this provider (slug).
            source: Only calls with credentials of this kind.
            thresholds: Percentages of the limit, 1 to 100, that are announced once a window as
                `usage.threshold`.
            unit: What is counted; dollars when absent.
            window: How long the limit lasts.
        """
        return await self._http.send(
            operations.create_budget,
            Values(
                body={
                    "action": action,
                    "agent": agent,
                    "end_user": end_user,
                    "limit": limit,
                    "mode": mode,
                    "model": model,
                    "project": project,
                    "provider": provider,
                    "source": source,
                    "thresholds": thresholds,
                    "unit": unit,
                    "window": window,
                },
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def check(
        self,
        *,
        agent: str,
        provider: str,
        cost: str | None | Omit = OMIT,
        end_user: str | None | Omit = OMIT,
        input_tokens: int | None | Omit = OMIT,
        max_output_tokens: int | None | Omit = OMIT,
        model: str | None | Omit = OMIT,
        moved: str | None | Omit = OMIT,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.BudgetCheck:
        """Would such a call be admitted, and why not? Nothing is held and nothing is called.

        Args:
            agent: The agent that would call (id or name).
            cost: What the call costs at most, in dollars, in place of tokens.
            end_user: The end user that it would name.
            input_tokens: Tokens of input; the price of the model tells what they cost. A request never
                holds less than one for each byte of its body.
            max_output_tokens: The most tokens of output; the model's own most when absent.
            model: The model that it would name.
            moved: The money that the call moves, in dollars; nothing when absent.
            provider: The provider that it would call (slug).
        """
        return await self._http.send(
            operations.check_budgets,
            Values(
                body={
                    "agent": agent,
                    "cost": cost,
                    "end_user": end_user,
                    "input_tokens": input_tokens,
                    "max_output_tokens": max_output_tokens,
                    "model": model,
                    "moved": moved,
                    "provider": provider,
                },
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def get(
        self,
        budget: str,
        *,
        end_user: str | None = None,
        timeout: float | None = None,
    ) -> types.Budget:
        """The budget, and where it stands.

        Args:
            budget: Id
            end_user: That of this end user, where the budget counts each by itself.
        """
        return await self._http.send(
            operations.get_budget,
            Values(
                path={"budget": budget},
                query={"endUser": end_user},
                timeout=timeout,
            ),
        )

    async def delete(
        self,
        budget: str,
        *,
        timeout: float | None = None,
    ) -> None:
        """Deletes the budget. What was used of it stays in usage.

        Args:
            budget: Id
        """
        return await self._http.send(
            operations.delete_budget,
            Values(
                path={"budget": budget},
                timeout=timeout,
            ),
        )

    async def update(
        self,
        budget: str,
        *,
        action: types.BudgetAction | None | Omit = OMIT,
        limit: str | None | Omit = OMIT,
        mode: types.BudgetMode | None | Omit = OMIT,
        thresholds: Sequence[int] | None | Omit = OMIT,
        window: types.Window | None | Omit = OMIT,
        timeout: float | None = None,
    ) -> types.Budget:
        """Changes what is named: what is absent stays. In force on the next request; what was used stays used.

        Args:
            budget: Id
            action: What happens at the limit.
            limit: What may be used in a window, in the unit.
            mode: How the limit holds.
            thresholds: All thresholds; `null` is none.
            window: How long the limit lasts, from the end of the present window on.
        """
        return await self._http.send(
            operations.update_budget,
            Values(
                path={"budget": budget},
                body={
                    "action": action,
                    "limit": limit,
                    "mode": mode,
                    "thresholds": thresholds,
                    "window": window,
                },
                timeout=timeout,
            ),
        )

    def get_history(
        self,
        budget: str,
        *,
        end_user: str | None = None,
        limit: int | None = None,
        after: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPager[types.BudgetWindow]:
        """What was used of the budget, by window, the newest first.

        Args:
            budget: Id
            end_user: Those for this end user, where the budget counts each by itself.
            limit: How many entries, 1 to 500; 50 by default.
            after: The `next` of the page before.
        """
        return self._http.pages(
            operations.get_budget_history,
            Values(
                path={"budget": budget},
                query={"endUser": end_user, "limit": limit, "after": after},
                timeout=timeout,
            ),
        )

    def get_holds(
        self,
        budget: str,
        *,
        end_user: str | None = None,
        limit: int | None = None,
        after: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPager[types.BudgetHold]:
        """What running calls hold against the budget, the oldest first.

        Args:
            budget: Id
            end_user: Those for this end user, where the budget counts each by itself.
            limit: How many entries, 1 to 500; 50 by default.
            after: The `next` of the page before.
        """
        return self._http.pages(
            operations.get_budget_holds,
            Values(
                path={"budget": budget},
                query={"endUser": end_user, "limit": limit, "after": after},
                timeout=timeout,
            ),
        )

    async def raise_limit(
        self,
        budget: str,
        *,
        limit: str,
        until: datetime | str,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.Budget:
        """Sets another limit for the time being; a second one takes the place of the first.

        Args:
            budget: Id
            limit: The limit until then, in the unit.
            until: When the budget's own limit is back.
        """
        return await self._http.send(
            operations.raise_budget,
            Values(
                path={"budget": budget},
                body={"limit": limit, "until": until},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def end_raise(
        self,
        budget: str,
        *,
        timeout: float | None = None,
    ) -> types.Budget:
        """Ends a raise before its time.

        Args:
            budget: Id
        """
        return await self._http.send(
            operations.end_budget_raise,
            Values(
                path={"budget": budget},
                timeout=timeout,
            ),
        )


class AsyncCredentials:
    """`ks.credentials`"""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    def list(
        self,
        *,
        project: str | None = None,
        provider: str | None = None,
        due: int | None = None,
        limit: int | None = None,
        after: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPager[types.Credential]:
        """The credentials, oldest first, without their values.

        Args:
            project: Of this project (id or slug).
            provider: Of this provider.
            due: Only those that end, or should be rotated, within this many days, or already have: 0 to
                365.
            limit: How many entries, 1 to 500; 50 by default.
            after: The `next` of the page before.
        """
        return self._http.pages(
            operations.list_credentials,
            Values(
                query={
                    "project": project,
                    "provider": provider,
                    "due": due,
                    "limit": limit,
                    "after": after,
                },
                timeout=timeout,
            ),
        )

    async def create(
        self,
        *,
        provider: str,
        secret: str | Mapping[str, str],
        agreements: Mapping[str, params.Agreement] | Omit = OMIT,
        base_url: str | None | Omit = OMIT,
        expires_at: datetime | str | None | Omit = OMIT,
        labels: Sequence[str] | Omit = OMIT,
        name: str | None | Omit = OMIT,
        params: Mapping[str, str] | Omit = OMIT,
        project: str | None | Omit = OMIT,
        rotate_after: datetime | str | None | Omit = OMIT,
        verify: bool | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.Credential:
        """Seals a provider's secret and stores it, with `verify` unless the vendor refuses it.

        Args:
            agreements: Agreements with the vendor, such as `dpa` and `baa`.
            base_url: A base URL, where the provider may be self-hosted.
            expires_at: When the vendor ends the key.
            labels: Labels, such as `phi`.
            name: The name, unique per project and provider; `default` when absent.
            params: What the provider's URLs need to be given.
            project: The project (id or slug); the caller's own, or `default`, when absent.
            provider: The provider's slug.
            rotate_after: When it should be rotated.
            secret: The secret.
            verify: Ask the vendor first, and store nothing that it refuses (`credential_refused`). What it
                can give no answer about is stored as `untested`.
        """
        return await self._http.send(
            operations.create_credential,
            Values(
                query={"verify": verify},
                body={
                    "agreements": agreements,
                    "base_url": base_url,
                    "expires_at": expires_at,
                    "labels": labels,
                    "name": name,
                    "params": params,
                    "project": project,
                    "provider": provider,
                    "rotate_after": rotate_after,
                    "secret": secret,
                },
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def get(
        self,
        credential: str,
        *,
        timeout: float | None = None,
    ) -> types.Credential:
        """The credential, without its value.

        Args:
            credential: Id
        """
        return await self._http.send(
            operations.get_credential,
            Values(
                path={"credential": credential},
                timeout=timeout,
            ),
        )

    async def delete(
        self,
        credential: str,
        *,
        force: bool | None = None,
        timeout: float | None = None,
    ) -> None:
        """Deletes the credential with all its versions.

        Args:
            credential: Id
            force: Delete it though agents are granted it: their requests are then refused with
                `credential_missing`.
        """
        return await self._http.send(
            operations.delete_credential,
            Values(
                path={"credential": credential},
                query={"force": force},
                timeout=timeout,
            ),
        )

    async def update(
        self,
        credential: str,
        *,
        agreements: Mapping[str, params.Agreement] | None | Omit = OMIT,
        expires_at: datetime | str | None | Omit = OMIT,
        labels: Sequence[str] | None | Omit = OMIT,
        name: str | None | Omit = OMIT,
        rotate_after: datetime | str | None | Omit = OMIT,
        timeout: float | None = None,
    ) -> types.Credential:
        """Changes what is known of a credential beside its secret.

        Args:
            credential: Id
            agreements: Agreements, all of them.
            expires_at: When the vendor ends the key.
            labels: Labels.
            name: Another name.
            rotate_after: When it should be rotated.
        """
        return await self._http.send(
            operations.update_credential,
            Values(
                path={"credential": credential},
                body={
                    "agreements": agreements,
                    "expires_at": expires_at,
                    "labels": labels,
                    "name": name,
                    "rotate_after": rotate_after,
                },
                timeout=timeout,
            ),
        )

    async def reseal(
        self,
        credential: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.Credential:
        """Seals the same secret for where its provider is now. Requests that begin after the answer go there.

        Args:
            credential: Id
        """
        return await self._http.send(
            operations.reseal_credential,
            Values(
                path={"credential": credential},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def rotate(
        self,
        credential: str,
        *,
        secret: str | Mapping[str, str],
        expires_at: datetime | str | None | Omit = OMIT,
        rotate_after: datetime | str | None | Omit = OMIT,
        verify: bool | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.Credential:
        """Puts a new secret in place of the old one, with `verify` unless the vendor refuses it. Requests that
        begin after the answer use the new one; calls that run end on the old one.

        Args:
            credential: Id
            expires_at: When the vendor ends the new key.
            rotate_after: When the new key should be rotated.
            secret: The new secret, with every field.
            verify: Ask the vendor first, and store nothing that it refuses (`credential_refused`). What it
                can give no answer about is stored as `untested`.
        """
        return await self._http.send(
            operations.rotate_credential,
            Values(
                path={"credential": credential},
                query={"verify": verify},
                body={"expires_at": expires_at, "rotate_after": rotate_after, "secret": secret},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def test(
        self,
        credential: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.CredentialTest:
        """Asks the vendor whether it takes the credential, by the cheapest request that the catalog knows.

        Args:
            credential: Id
        """
        return await self._http.send(
            operations.test_credential,
            Values(
                path={"credential": credential},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )


class AsyncEvents:
    """`ks.events`"""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    def list(
        self,
        *,
        limit: int | None = None,
        after: str | None = None,
        project: str | None = None,
        kind: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPager[types.Event]:
        """What happened, newest first.

        Args:
            limit: How many entries, 1 to 500; 50 by default.
            after: The `next` of the page before.
            project: Of this project (id or slug) alone.
            kind: Of this kind alone, such as `usage.threshold`.
        """
        return self._http.pages(
            operations.list_events,
            Values(
                query={"limit": limit, "after": after, "project": project, "kind": kind},
                timeout=timeout,
            ),
        )


class AsyncFactors:
    """`ks.factors`"""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    async def get(
        self,
        *,
        timeout: float | None = None,
    ) -> types.Factors:
        """Your second factors, and how many recovery codes are left."""
        return await self._http.send(
            operations.get_factors,
            Values(
                timeout=timeout,
            ),
        )

    async def begin_totp(
        self,
        *,
        password: str,
        timeout: float | None = None,
    ) -> types.TotpEnrolment:
        """Makes a key for an app that shows one-time codes, shown once. It counts once a code confirmed it.

        Args:
            password: The password.
        """
        return await self._http.send(
            operations.begin_totp,
            Values(
                body={"password": password},
                timeout=timeout,
            ),
        )

    async def confirm_totp(
        self,
        *,
        code: str,
        timeout: float | None = None,
    ) -> types.RecoveryCodes:
        """Lets one-time codes count, given the first one. Your other sessions end. The answer has your
        recovery codes, shown once.

        Args:
            code: The six digits that the app shows.
        """
        return await self._http.send(
            operations.confirm_totp,
            Values(
                body={"code": code},
                timeout=timeout,
            ),
        )

    async def remove_totp(
        self,
        *,
        password: str,
        timeout: float | None = None,
    ) -> None:
        """Takes the app for one-time codes away. Your other sessions end.

        Args:
            password: The password.
        """
        return await self._http.send(
            operations.remove_totp,
            Values(
                body={"password": password},
                timeout=timeout,
            ),
        )

    async def renew_recovery_codes(
        self,
        *,
        password: str,
        timeout: float | None = None,
    ) -> types.RecoveryCodes:
        """Puts new recovery codes in the place of yours, shown once.

        Args:
            password: The password.
        """
        return await self._http.send(
            operations.renew_recovery_codes,
            Values(
                body={"password": password},
                timeout=timeout,
            ),
        )


class AsyncInvitations:
    """`ks.invitations`"""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    def list(
        self,
        *,
        limit: int | None = None,
        after: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPager[types.Invitation]:
        """The open invitations, oldest first.

        Args:
            limit: How many entries, 1 to 500; 50 by default.
            after: The `next` of the page before.
        """
        return self._http.pages(
            operations.list_invitations,
            Values(
                query={"limit": limit, "after": after},
                timeout=timeout,
            ),
        )

    async def create(
        self,
        *,
        email: str,
        role: types.Role,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.Invitation:
        """Invites somebody by mail.

        Args:
            email: Who is invited.
            role: The role they will have. Nobody can give more than they hold.
        """
        return await self._http.send(
            operations.create_invitation,
            Values(
                body={"email": email, "role": role},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def delete(
        self,
        invitation: str,
        *,
        timeout: float | None = None,
    ) -> None:
        """Withdraws the invitation: its link is good for nothing any more.

        Args:
            invitation: Id
        """
        return await self._http.send(
            operations.delete_invitation,
            Values(
                path={"invitation": invitation},
                timeout=timeout,
            ),
        )


class AsyncKek:
    """`ks.kek`"""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    async def get_status(
        self,
        *,
        timeout: float | None = None,
    ) -> types.KekStatus:
        """The organization's keys, and what is being done to them."""
        return await self._http.send(
            operations.get_kek_status,
            Values(
                timeout=timeout,
            ),
        )

    async def set_customer_key(
        self,
        *,
        key: str | None | Omit = OMIT,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.KekStatus:
        """Puts the organization's keys under a key that it holds itself, or takes that away. The key is tried
        first.

        Args:
            key: The key's name; `null` puts the organization's keys under the deployment's root key alone.
        """
        return await self._http.send(
            operations.set_customer_key,
            Values(
                body={"key": key},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def destroy(
        self,
        *,
        confirm: int,
        generation: int,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.KekStatus:
        """Deletes the key of a retired generation, for good.

        Args:
            confirm: The number once more.
            generation: Its number.
        """
        return await self._http.send(
            operations.destroy_kek,
            Values(
                body={"confirm": confirm, "generation": generation},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def begin_import(
        self,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.KekImport:
        """Makes a public key under which a key of the customer's own making can be sent in."""
        return await self._http.send(
            operations.begin_kek_import,
            Values(
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def finish_import(
        self,
        *,
        id: str,
        wrapped_key: str,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.KekStatus:
        """Takes a wrapped key in as another generation.

        Args:
            id: The import's id.
            wrapped_key: The wrapped key in base64.
        """
        return await self._http.send(
            operations.finish_kek_import,
            Values(
                body={"id": id, "wrapped_key": wrapped_key},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def retire(
        self,
        *,
        generation: int,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.KekStatus:
        """Ends the use of a generation under which nothing is sealed any more, once that was verified.

        Args:
            generation: Its number.
        """
        return await self._http.send(
            operations.retire_kek,
            Values(
                body={"generation": generation},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def rewrap(
        self,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.KekStatus:
        """Begins to move what older generations hold to the active one; verification follows."""
        return await self._http.send(
            operations.rewrap_keks,
            Values(
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def rotate(
        self,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.KekStatus:
        """Makes another generation. New versions are sealed under it at once; the others move to it in the
        background.
        """
        return await self._http.send(
            operations.rotate_kek,
            Values(
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def shred(
        self,
        *,
        confirm: str,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.Shredded:
        """Deletes all keys of the organization: none of its credentials can be opened any more. Backups are
        not reached.

        Args:
            confirm: The organization's slug.
        """
        return await self._http.send(
            operations.shred_keks,
            Values(
                body={"confirm": confirm},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def verify(
        self,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.KekStatus:
        """Begins to open every credential version once, to see that it opens."""
        return await self._http.send(
            operations.verify_keks,
            Values(
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )


class AsyncLabels:
    """`ks.labels`"""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    def list(
        self,
        *,
        limit: int | None = None,
        after: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPager[types.LabelRule]:
        """What each label allows, those included that hold without anybody having set them.

        Args:
            limit: How many entries, 1 to 500; 50 by default.
            after: The `next` of the page before.
        """
        return self._http.pages(
            operations.list_label_rules,
            Values(
                query={"limit": limit, "after": after},
                timeout=timeout,
            ),
        )

    async def set(
        self,
        *,
        label: str,
        agreements: Sequence[str] | Omit = OMIT,
        customer_key: bool | Omit = OMIT,
        hosts: Sequence[str] | Omit = OMIT,
        providers: Sequence[str] | Omit = OMIT,
        sources: Sequence[types.Source] | Omit = OMIT,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.LabelRule:
        """Sets what a label allows. In force on the next request.

        Args:
            agreements: Kinds of agreements (`baa`, `dpa`) that must be on record with the credential.
            customer_key: Whether the credential must be under a key that the organization holds itself
                (`/v1/kek/customer-key`).
            hosts: The hosts that may be called; `*.` at the beginning stands for the rest of a name.
            label: The label.
            providers: The providers (slugs) that may be called.
            sources: Whose credentials may serve.
        """
        return await self._http.send(
            operations.set_label_rule,
            Values(
                body={
                    "agreements": agreements,
                    "customer_key": customer_key,
                    "hosts": hosts,
                    "label": label,
                    "providers": providers,
                    "sources": sources,
                },
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def unset(
        self,
        *,
        label: str,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Takes the rule of a label away.

        Args:
            label: The label.
        """
        return await self._http.send(
            operations.unset_label_rule,
            Values(
                body={"label": label},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )


class AsyncMarketplace:
    """`ks.marketplace`"""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    def list(
        self,
        *,
        limit: int | None = None,
        after: str | None = None,
        category: str | None = None,
        search: str | None = None,
        enabled: bool | None = None,
        timeout: float | None = None,
    ) -> AsyncPager[types.Listing]:
        """What is sold, by slug.

        Args:
            limit: How many entries, 1 to 500; 50 by default.
            after: The `next` of the page before.
            category: Of this category alone, such as `llm`.
            search: Whose slug, name or category has this in it.
            enabled: Only those that the organization has enabled, or has not.
        """
        return self._http.pages(
            operations.list_listings,
            Values(
                query={
                    "limit": limit,
                    "after": after,
                    "category": category,
                    "search": search,
                    "enabled": enabled,
                },
                timeout=timeout,
            ),
        )

    async def get(
        self,
        listing: str,
        *,
        timeout: float | None = None,
    ) -> types.ListingDetail:
        """What is sold of a provider, and for how much.

        Args:
            listing: The provider's slug
        """
        return await self._http.send(
            operations.get_listing,
            Values(
                path={"listing": listing},
                timeout=timeout,
            ),
        )

    async def disable(
        self,
        listing: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Disables a provider. Calls with pooled credentials of it are refused when this returns, and running
        ones are cut.

        Args:
            listing: The provider's slug
        """
        return await self._http.send(
            operations.disable_listing,
            Values(
                path={"listing": listing},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def enable(
        self,
        listing: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Enables a provider: from now on agents can be granted it with `"source": "marketplace"`.

        Args:
            listing: The provider's slug
        """
        return await self._http.send(
            operations.enable_listing,
            Values(
                path={"listing": listing},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )


class AsyncMembers:
    """`ks.members`"""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    def list(
        self,
        *,
        limit: int | None = None,
        after: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPager[types.Member]:
        """The members, oldest account first.

        Args:
            limit: How many entries, 1 to 500; 50 by default.
            after: The `next` of the page before.
        """
        return self._http.pages(
            operations.list_members,
            Values(
                query={"limit": limit, "after": after},
                timeout=timeout,
            ),
        )

    async def remove(
        self,
        member: str,
        *,
        timeout: float | None = None,
    ) -> types.MemberChange:
        """Takes the member out of the organization. When this returns, their sessions and the management keys
        that they answer for do not work there any more. The account stays.

        Args:
            member: The person's id
        """
        return await self._http.send(
            operations.remove_member,
            Values(
                path={"member": member},
                timeout=timeout,
            ),
        )

    async def update(
        self,
        member: str,
        *,
        role: types.Role,
        timeout: float | None = None,
    ) -> types.MemberChange:
        """Gives the member another role, from now on. What they handed out and could not hand out any more
        goes: management keys, invitations.

        Args:
            member: The person's id
            role: What they may do from now on.
        """
        return await self._http.send(
            operations.update_member,
            Values(
                path={"member": member},
                body={"role": role},
                timeout=timeout,
            ),
        )


class AsyncMigrations:
    """`ks.migrations`"""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    def list(
        self,
        *,
        limit: int | None = None,
        after: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPager[types.Migration]:
        """The moves, newest first.

        Args:
            limit: How many entries, 1 to 500; 50 by default.
            after: The `next` of the page before.
        """
        return self._http.pages(
            operations.list_migrations,
            Values(
                query={"limit": limit, "after": after},
                timeout=timeout,
            ),
        )

    async def create(
        self,
        *,
        provider: str,
        to: types.Source,
        agents: Sequence[str] | None | Omit = OMIT,
        credential: str | None | Omit = OMIT,
        dry_run: bool | Omit = OMIT,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.Migration:
        """Moves grants of a provider between the agents' own credentials and the pool, all in one step, or
        says what that would do. Tokens stay as they are, and calls that run end where they began.

        Args:
            agents: The agents (ids, or names in the caller's project); all that are granted the provider
                from the other side when absent.
            credential: The credential (id or name) to move to; as for a grant when absent.
            dry_run: Only say what it would do.
            provider: The provider's slug.
            to: Where to.
        """
        return await self._http.send(
            operations.create_migration,
            Values(
                body={
                    "agents": agents,
                    "credential": credential,
                    "dry_run": dry_run,
                    "provider": provider,
                    "to": to,
                },
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def undo(
        self,
        migration: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.Migration:
        """Moves the agents back, where none was changed since.

        Args:
            migration: Id
        """
        return await self._http.send(
            operations.undo_migration,
            Values(
                path={"migration": migration},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )


class AsyncOperator:
    """`ks.operator`"""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http
        self.pool: AsyncOperatorPool = AsyncOperatorPool(http)
        self.rotations: AsyncOperatorRotations = AsyncOperatorRotations(http)

    async def set_up(
        self,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.Operator:
        """Sets up the organization in which the operator acts, and gives a management key of it, once. Only
        for the person who set the deployment up.
        """
        return await self._http.send(
            operations.set_up_operator,
            Values(
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    def list_customers(
        self,
        *,
        limit: int | None = None,
        after: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPager[types.Customer]:
        """Organizations that ever had credit, by id.

        Args:
            limit: How many entries, 1 to 500; 50 by default.
            after: The `next` of the page before.
        """
        return self._http.pages(
            operations.list_customers,
            Values(
                query={"limit": limit, "after": after},
                timeout=timeout,
            ),
        )

    async def get_exposure(
        self,
        *,
        overdue_after_days: int | None = None,
        timeout: float | None = None,
    ) -> types.Exposures:
        """What the operator may lose with each customer, those with the most at risk first.

        Args:
            overdue_after_days: What an invoice left to pay is overdue after so many days, 0 to 365; 30 when
                absent.
        """
        return await self._http.send(
            operations.get_exposure,
            Values(
                query={"overdueAfterDays": overdue_after_days},
                timeout=timeout,
            ),
        )

    def list_invoices(
        self,
        *,
        limit: int | None = None,
        after: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPager[types.InvoiceSummary]:
        """The invoices of all customers, newest first.

        Args:
            limit: How many entries, 1 to 500; 50 by default.
            after: The `next` of the page before.
        """
        return self._http.pages(
            operations.list_customer_invoices,
            Values(
                query={"limit": limit, "after": after},
                timeout=timeout,
            ),
        )

    def list_ledger(
        self,
        *,
        limit: int | None = None,
        after: str | None = None,
        customer: str | None = None,
        kind: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPager[types.Transaction]:
        """The books of a customer with every entry, newest first; or the calls of all customers that wait for
        a ruling, oldest first.

        Args:
            limit: How many entries, 1 to 500; 50 by default.
            after: The `next` of the page before.
            customer: Of this organization (id), newest first. Without one: calls of all organizations that
                wait for a ruling, oldest first.
            kind: Of this kind alone, other than `usage`; only with `customer`.
        """
        return self._http.pages(
            operations.list_books,
            Values(
                query={"limit": limit, "after": after, "customer": customer, "kind": kind},
                timeout=timeout,
            ),
        )

    async def post_to_ledger(
        self,
        *,
        kind: types.Posting,
        org: str,
        amount: str | None | Omit = OMIT,
        expires_at: datetime | str | None | Omit = OMIT,
        memo: str | Omit = OMIT,
        regards: str | None | Omit = OMIT,
        subject: str | Omit = OMIT,
        vendor_cost: str | None | Omit = OMIT,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.Transaction:
        """Posts a transaction: what a customer paid, what it is given, what is given back, what a vendor bills
        otherwise.

        Args:
            amount: Dollars.
            expires_at: When credit that is given away ends.
            kind: The business.
            memo: A remark, at most 500 characters. The customer sees it.
            org: The organization (id).
            regards: The transaction that is ruled on, undone or paid back.
            subject: What it belongs to, such as the number of a bank transfer; at most 200 characters. The
                customer sees it.
            vendor_cost: What the operator pays the vendor, of a ruling.
        """
        return await self._http.send(
            operations.post_to_ledger,
            Values(
                body={
                    "amount": amount,
                    "expires_at": expires_at,
                    "kind": kind,
                    "memo": memo,
                    "org": org,
                    "regards": regards,
                    "subject": subject,
                    "vendor_cost": vendor_cost,
                },
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def set_listing(
        self,
        *,
        provider: str,
        published: bool,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.PriceBook:
        """Publishes or hides a provider.

        Args:
            provider: The provider's slug.
            published: Whether it is published; else it is hidden.
        """
        return await self._http.send(
            operations.set_listing,
            Values(
                body={"provider": provider, "published": published},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    def list_payments(
        self,
        *,
        limit: int | None = None,
        after: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPager[types.Payment]:
        """The payments that began by themselves and are open, oldest first.

        Args:
            limit: How many entries, 1 to 500; 50 by default.
            after: The `next` of the page before.
        """
        return self._http.pages(
            operations.list_payments,
            Values(
                query={"limit": limit, "after": after},
                timeout=timeout,
            ),
        )

    async def settle_payment(
        self,
        payment: str,
        *,
        paid: bool,
        subject: str | Omit = OMIT,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Says what came of an open payment: that the money is there, which is then credited, or that it came
        to nothing.

        Args:
            payment: Id
            paid: Whether the money is there; else the payment comes to nothing.
            subject: What the top-up belongs to, such as the number of a bank transfer; at most 200
                characters. The customer sees it.
        """
        return await self._http.send(
            operations.settle_payment,
            Values(
                path={"payment": payment},
                body={"paid": paid, "subject": subject},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def get_pool_rules(
        self,
        *,
        timeout: float | None = None,
    ) -> types.PoolRules:
        """The rules by which customers are paused for what vendors hold to be abuse."""
        return await self._http.send(
            operations.get_pool_rules,
            Values(
                timeout=timeout,
            ),
        )

    async def set_pool_rule(
        self,
        *,
        action: str,
        provider: str,
        threshold: int | None | Omit = OMIT,
        window_seconds: int | None | Omit = OMIT,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.PoolRule:
        """Sets the rule of a pool, in place of the one before.

        Args:
            action: `off`, `alert` or `pause`.
            provider: The provider's slug.
            threshold: So many answers within the window are too many, 1 to 1,000,000; 5 when absent.
            window_seconds: How long the window is, a minute to a day; a day when absent.
        """
        return await self._http.send(
            operations.set_pool_rule,
            Values(
                body={
                    "action": action,
                    "provider": provider,
                    "threshold": threshold,
                    "window_seconds": window_seconds,
                },
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def get_pool_tenants(
        self,
        *,
        provider: str | None = None,
        timeout: float | None = None,
    ) -> types.PoolTenants:
        """What the operator says of customers inside the pools.

        Args:
            provider: Of this provider (slug) alone.
        """
        return await self._http.send(
            operations.get_pool_tenants,
            Values(
                query={"provider": provider},
                timeout=timeout,
            ),
        )

    async def set_pool_tenant(
        self,
        *,
        org: str,
        provider: str,
        max_concurrency: int | None | Omit = OMIT,
        paused: bool | None | Omit = OMIT,
        weight: int | None | Omit = OMIT,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.PoolTenant:
        """Changes a customer's share and cap inside a pool, pauses it there, or lets it go on. In force on its
        next call; calls that run end.

        Args:
            max_concurrency: The most calls that it has running there at the same time, 1 to 1,000,000;
                `null`: as many as the pool lets it.
            org: The customer (id).
            paused: `true`: it is not served; `false`: it is served again, whoever paused it.
            provider: The provider's slug.
            weight: Its share of the grants while the pool is busy, 1 to 1,000.
        """
        return await self._http.send(
            operations.set_pool_tenant,
            Values(
                body={
                    "max_concurrency": max_concurrency,
                    "org": org,
                    "paused": paused,
                    "provider": provider,
                    "weight": weight,
                },
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def get_pool_use(
        self,
        *,
        by: str | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        provider: str | None = None,
        timeout: float | None = None,
    ) -> types.PoolUseReport:
        """How the pools were used: calls that got a key, waited, got none or went on with another key, and how
        much of the vendors' limits was used.

        Args:
            by: What to group by, with commas: `provider`, `org`, `credential`, `day`, `hour`.
                `provider,credential` when absent.
            since: Of hours from this time on; the last 24 hours when absent.
            until: Of hours up to this time; now when absent.
            provider: Of this provider (slug) alone.
        """
        return await self._http.send(
            operations.get_pool_use,
            Values(
                query={"by": by, "since": since, "until": until, "provider": provider},
                timeout=timeout,
            ),
        )

    async def get_price_book(
        self,
        *,
        timeout: float | None = None,
    ) -> types.PriceBook:
        """The price book in force."""
        return await self._http.send(
            operations.get_price_book,
            Values(
                timeout=timeout,
            ),
        )

    async def change_prices(
        self,
        *,
        add: Sequence[params.PriceRule] | Omit = OMIT,
        base: int | None | Omit = OMIT,
        dry_run: bool | Omit = OMIT,
        remove: Sequence[int] | Omit = OMIT,
        replace: bool | Omit = OMIT,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.PriceChange:
        """Changes the rules of the price book, or says what would change. In force on the next request; what
        was charged stays.

        Args:
            add: Rules to add. One that is for the same as another, in force at the same time, takes its
                place.
            base: The version that this is a change of; refused when another one is in force. Needed with
                `remove` and `replace`.
            dry_run: Only say what would change.
            remove: Numbers of rules to take away, as `GET /v1/operator/prices` counts them in version
                `base`.
            replace: All other rules go.
        """
        return await self._http.send(
            operations.change_prices,
            Values(
                body={"add": add, "base": base, "dry_run": dry_run, "remove": remove, "replace": replace},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def reconcile(
        self,
        *,
        provider: str,
        report: Any,
        post: bool | Omit = OMIT,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.Reconciliation:
        """Compares what a vendor says it bills with what its calls were thought to cost, day by day; posts the
        difference where that is asked for.

        Args:
            post: Post the differences into the operator's books, a transaction a day; otherwise they are
                only shown.
            provider: The provider's slug.
            report: The vendor's cost report as it gave it: a page, or a list of pages, of OpenAI's costs
                API (`GET /v1/organization/costs` by days).
        """
        return await self._http.send(
            operations.reconcile,
            Values(
                body={"post": post, "provider": provider, "report": report},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def get_sales(
        self,
        *,
        by: str | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        provider: str | None = None,
        timeout: float | None = None,
    ) -> types.SalesReport:
        """What was sold of pooled keys, what it cost, and the margin.

        Args:
            by: What to group by, with commas: `provider`, `org`, `credential`, `day`. `provider` when
                absent.
            since: Of UTC days from this time on; the first of the UTC month when absent.
            until: Of UTC days up to this time; now when absent.
            provider: Of this provider (slug) alone.
        """
        return await self._http.send(
            operations.get_sales,
            Values(
                query={"by": by, "since": since, "until": until, "provider": provider},
                timeout=timeout,
            ),
        )

    async def get_terms(
        self,
        *,
        customer: str,
        timeout: float | None = None,
    ) -> types.Terms:
        """How an organization pays.

        Args:
            customer: The organization (id).
        """
        return await self._http.send(
            operations.get_terms,
            Values(
                query={"customer": customer},
                timeout=timeout,
            ),
        )

    async def set_terms(
        self,
        *,
        org: str,
        limit: str | None | Omit = OMIT,
        party: params.Party | None | Omit = OMIT,
        taxes: Sequence[params.Tax] | None | Omit = OMIT,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.Terms:
        """Changes how an organization pays, who it is on invoices, and its taxes.

        Args:
            limit: How far spending may go beyond what was paid, in dollars, to be paid by invoice; `0`:
                everything is paid before.
            org: The organization (id).
            party: Who it is on invoices; `null`: the organization by its name.
            taxes: The taxes that it is billed from the next invoice on.
        """
        return await self._http.send(
            operations.set_terms,
            Values(
                body={"limit": limit, "org": org, "party": party, "taxes": taxes},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )


class AsyncOrg:
    """`ks.org`"""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    async def get(
        self,
        *,
        timeout: float | None = None,
    ) -> types.Org:
        """The caller's organization."""
        return await self._http.send(
            operations.get_org,
            Values(
                timeout=timeout,
            ),
        )

    async def delete(
        self,
        *,
        confirm: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Ends the organization at once and for good, with its members, projects, agents, tokens, credentials,
        budgets and management keys. The session goes on in another organization of the person.

        Args:
            confirm: The organization's slug, so that nobody ends another one than they think.
        """
        return await self._http.send(
            operations.delete_org,
            Values(
                query={"confirm": confirm},
                timeout=timeout,
            ),
        )

    async def update(
        self,
        *,
        event_mails: bool | None | Omit = OMIT,
        name: str | None | Omit = OMIT,
        second_factor_required: bool | None | Omit = OMIT,
        slug: str | None | Omit = OMIT,
        time_zone: str | None | Omit = OMIT,
        timeout: float | None = None,
    ) -> types.Org:
        """Changes what is named. Budgets follow another time zone from their next window.

        Args:
            event_mails: Whether events are mailed to owners and admins; they are, until this says no.
            name: A new name.
            second_factor_required: Whether members need a second factor. Who says yes in a session needs
                one first. Management keys go on working.
            slug: A new name in URLs.
            time_zone: A new time zone; budgets follow it from their next window.
        """
        return await self._http.send(
            operations.update_org,
            Values(
                body={
                    "event_mails": event_mails,
                    "name": name,
                    "second_factor_required": second_factor_required,
                    "slug": slug,
                    "time_zone": time_zone,
                },
                timeout=timeout,
            ),
        )

    async def get_abuse_rules(
        self,
        *,
        timeout: float | None = None,
    ) -> types.AbuseRules:
        """The rules that watch every agent of the organization for which no other is set."""
        return await self._http.send(
            operations.get_org_abuse_rules,
            Values(
                timeout=timeout,
            ),
        )

    async def update_abuse_rules(
        self,
        *,
        identical_requests: params.SetAbuseRule | None | Omit = OMIT,
        refusals: params.SetAbuseRule | None | Omit = OMIT,
        spend_rate: params.SetAbuseRule | None | Omit = OMIT,
        timeout: float | None = None,
    ) -> types.AbuseRules:
        """Changes what is named: what is absent stays, `null` takes a rule away. In force on the next request.

        Args:
            identical_requests: So many identical requests; 30 in 60 seconds where nothing else is said.
            refusals: So many requests are refused; 60 in 60 seconds where nothing else is said.
            spend_rate: Calls cost so many dollars; 10.00 in 600 seconds where nothing else is said.
        """
        return await self._http.send(
            operations.update_org_abuse_rules,
            Values(
                body={
                    "identical_requests": identical_requests,
                    "refusals": refusals,
                    "spend_rate": spend_rate,
                },
                timeout=timeout,
            ),
        )

    async def leave(
        self,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.MemberChange:
        """Ends the caller's own membership, as an owner or admin could."""
        return await self._http.send(
            operations.leave_org,
            Values(
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def get_limits(
        self,
        *,
        timeout: float | None = None,
    ) -> types.Limits:
        """What all calls of the organization together may not pass."""
        return await self._http.send(
            operations.get_org_limits,
            Values(
                timeout=timeout,
            ),
        )

    async def update_limits(
        self,
        *,
        max_concurrency: int | None | Omit = OMIT,
        rpd_limit: int | None | Omit = OMIT,
        rpm_limit: int | None | Omit = OMIT,
        tpm_limit: int | None | Omit = OMIT,
        timeout: float | None = None,
    ) -> types.Limits:
        """Changes what is named: what is absent stays, `null` lifts a limit. In force on the next request.

        Args:
            max_concurrency: Calls at the same time.
            rpd_limit: Requests in a UTC day.
            rpm_limit: Requests in any minute.
            tpm_limit: Tokens of input and output in any minute.
        """
        return await self._http.send(
            operations.update_org_limits,
            Values(
                body={
                    "max_concurrency": max_concurrency,
                    "rpd_limit": rpd_limit,
                    "rpm_limit": rpm_limit,
                    "tpm_limit": tpm_limit,
                },
                timeout=timeout,
            ),
        )

    async def transfer(
        self,
        *,
        user_id: str,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Gives the organization to another member. The caller becomes an admin.

        Args:
            user_id: Who will own it.
        """
        return await self._http.send(
            operations.transfer_org,
            Values(
                body={"user_id": user_id},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    def list(
        self,
        *,
        limit: int | None = None,
        after: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPager[types.Membership]:
        """The organizations that the person belongs to, and what they are there. A management key sees its
        own.

        Args:
            limit: How many entries, 1 to 500; 50 by default.
            after: The `next` of the page before.
        """
        return self._http.pages(
            operations.list_orgs,
            Values(
                query={"limit": limit, "after": after},
                timeout=timeout,
            ),
        )

    async def create(
        self,
        *,
        name: str,
        slug: str | None | Omit = OMIT,
        time_zone: str | None | Omit = OMIT,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.Org:
        """Makes another organization, which the person owns. Their session stays where it is: `POST
        /v1/auth/switch-org` moves it.

        Args:
            name: The name.
            slug: The name in URLs; made from the name when absent.
            time_zone: The IANA time zone of its budgets; UTC when absent.
        """
        return await self._http.send(
            operations.create_org,
            Values(
                body={"name": name, "slug": slug, "time_zone": time_zone},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )


class AsyncPasskeys:
    """`ks.passkeys`"""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    async def begin(
        self,
        *,
        password: str,
        timeout: float | None = None,
    ) -> types.PasskeyCreation:
        """What the browser is asked for to make a passkey. Nothing is kept.

        Args:
            password: The password.
        """
        return await self._http.send(
            operations.begin_passkey,
            Values(
                body={"password": password},
                timeout=timeout,
            ),
        )

    async def add(
        self,
        *,
        attestation: str,
        client_data: str,
        name: str,
        timeout: float | None = None,
    ) -> types.AddedPasskey:
        """Registers the passkey that the authenticator made. Your other sessions end. With your first factor
        come recovery codes, shown once.

        Args:
            attestation: `attestationObject`, of the format `none`.
            client_data: `clientDataJSON`.
            name: What it is called.
        """
        return await self._http.send(
            operations.add_passkey,
            Values(
                body={"attestation": attestation, "client_data": client_data, "name": name},
                timeout=timeout,
            ),
        )

    async def remove(
        self,
        passkey: str,
        *,
        password: str,
        timeout: float | None = None,
    ) -> None:
        """Takes a passkey of yours away. Your other sessions end.

        Args:
            passkey: Id
            password: The password.
        """
        return await self._http.send(
            operations.remove_passkey,
            Values(
                path={"passkey": passkey},
                body={"password": password},
                timeout=timeout,
            ),
        )


class AsyncPrices:
    """`ks.prices`"""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    def list(
        self,
        *,
        limit: int | None = None,
        after: str | None = None,
        provider: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPager[types.Price]:
        """The prices that the organization has set, by provider and model.

        Args:
            limit: How many entries, 1 to 500; 50 by default.
            after: The `next` of the page before.
            provider: Of this provider (slug) alone.
        """
        return self._http.pages(
            operations.list_prices,
            Values(
                query={"limit": limit, "after": after, "provider": provider},
                timeout=timeout,
            ),
        )

    async def set(
        self,
        *,
        model: str,
        provider: str,
        units: Mapping[str, str],
        context_window: int | None | Omit = OMIT,
        max_output_tokens: int | None | Omit = OMIT,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.Price:
        """Sets what the organization pays for a model with its own keys. In force on the next request; what
        was charged stays.

        Args:
            context_window: The most tokens of input and output together, where the list does not say: a
                strict budget needs it.
            max_output_tokens: The most tokens of output, where the list does not say.
            model: The model, by the name that is asked for or the one in the price list; for vendors
                without models the row of the list, such as `email`.
            provider: The provider (slug).
            units: Dollars for a million units, by the name of the unit as usage shows it. What is not named
                has the price of the list.
        """
        return await self._http.send(
            operations.set_price,
            Values(
                body={
                    "context_window": context_window,
                    "max_output_tokens": max_output_tokens,
                    "model": model,
                    "provider": provider,
                    "units": units,
                },
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def get_in_force(
        self,
        *,
        provider: str,
        model: str,
        timeout: float | None = None,
    ) -> types.Price:
        """What a call with the organization's own key is charged by now.

        Args:
            provider: The provider (slug).
            model: The model.
        """
        return await self._http.send(
            operations.get_price_in_force,
            Values(
                query={"provider": provider, "model": model},
                timeout=timeout,
            ),
        )

    async def unset(
        self,
        *,
        model: str,
        provider: str,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> None:
        """Lets the price of the list count again.

        Args:
            model: The model, as it was set.
            provider: The provider (slug).
        """
        return await self._http.send(
            operations.unset_price,
            Values(
                body={"model": model, "provider": provider},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )


class AsyncProjects:
    """`ks.projects`"""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    def list(
        self,
        *,
        limit: int | None = None,
        after: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPager[types.Project]:
        """The projects that the caller reaches, oldest first.

        Args:
            limit: How many entries, 1 to 500; 50 by default.
            after: The `next` of the page before.
        """
        return self._http.pages(
            operations.list_projects,
            Values(
                query={"limit": limit, "after": after},
                timeout=timeout,
            ),
        )

    async def create(
        self,
        *,
        name: str,
        labels: Sequence[str] | Omit = OMIT,
        slug: str | None | Omit = OMIT,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.Project:
        """Makes a project.

        Args:
            labels: Labels.
            name: The name.
            slug: The name in URLs; made from the name when absent.
        """
        return await self._http.send(
            operations.create_project,
            Values(
                body={"labels": labels, "name": name, "slug": slug},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def get(
        self,
        project: str,
        *,
        timeout: float | None = None,
    ) -> types.Project:
        """The project.

        Args:
            project: Id or slug
        """
        return await self._http.send(
            operations.get_project,
            Values(
                path={"project": project},
                timeout=timeout,
            ),
        )

    async def delete(
        self,
        project: str,
        *,
        force: bool | None = None,
        timeout: float | None = None,
    ) -> types.DeletedProject:
        """Deletes the project; one that is not empty only with `force`. Says what went with it.

        Args:
            project: Id or slug
            force: Delete it though it is not empty: its agents, tokens, credentials, budgets and management
                keys go with it.
        """
        return await self._http.send(
            operations.delete_project,
            Values(
                path={"project": project},
                query={"force": force},
                timeout=timeout,
            ),
        )

    async def update(
        self,
        project: str,
        *,
        labels: Sequence[str] | None | Omit = OMIT,
        name: str | None | Omit = OMIT,
        slug: str | None | Omit = OMIT,
        timeout: float | None = None,
    ) -> types.Project:
        """Changes what is named.

        Args:
            project: Id or slug
            labels: All labels.
            name: A new name.
            slug: A new name in URLs and commands.
        """
        return await self._http.send(
            operations.update_project,
            Values(
                path={"project": project},
                body={"labels": labels, "name": name, "slug": slug},
                timeout=timeout,
            ),
        )

    async def get_abuse_rules(
        self,
        project: str,
        *,
        timeout: float | None = None,
    ) -> types.AbuseRules:
        """The rules that watch every agent of the project for which no other is set.

        Args:
            project: Id or slug
        """
        return await self._http.send(
            operations.get_project_abuse_rules,
            Values(
                path={"project": project},
                timeout=timeout,
            ),
        )

    async def update_abuse_rules(
        self,
        project: str,
        *,
        identical_requests: params.SetAbuseRule | None | Omit = OMIT,
        refusals: params.SetAbuseRule | None | Omit = OMIT,
        spend_rate: params.SetAbuseRule | None | Omit = OMIT,
        timeout: float | None = None,
    ) -> types.AbuseRules:
        """Changes what is named: what is absent stays, `null` goes back to the organization's rule. In force
        on the next request.

        Args:
            project: Id or slug
            identical_requests: So many identical requests; 30 in 60 seconds where nothing else is said.
            refusals: So many requests are refused; 60 in 60 seconds where nothing else is said.
            spend_rate: Calls cost so many dollars; 10.00 in 600 seconds where nothing else is said.
        """
        return await self._http.send(
            operations.update_project_abuse_rules,
            Values(
                path={"project": project},
                body={
                    "identical_requests": identical_requests,
                    "refusals": refusals,
                    "spend_rate": spend_rate,
                },
                timeout=timeout,
            ),
        )

    async def get_limits(
        self,
        project: str,
        *,
        timeout: float | None = None,
    ) -> types.Limits:
        """What all calls of the project together may not pass.

        Args:
            project: Id or slug
        """
        return await self._http.send(
            operations.get_project_limits,
            Values(
                path={"project": project},
                timeout=timeout,
            ),
        )

    async def update_limits(
        self,
        project: str,
        *,
        max_concurrency: int | None | Omit = OMIT,
        rpd_limit: int | None | Omit = OMIT,
        rpm_limit: int | None | Omit = OMIT,
        tpm_limit: int | None | Omit = OMIT,
        timeout: float | None = None,
    ) -> types.Limits:
        """Changes what is named: what is absent stays, `null` lifts a limit. In force on the next request.

        Args:
            project: Id or slug
            max_concurrency: Calls at the same time.
            rpd_limit: Requests in a UTC day.
            rpm_limit: Requests in any minute.
            tpm_limit: Tokens of input and output in any minute.
        """
        return await self._http.send(
            operations.update_project_limits,
            Values(
                path={"project": project},
                body={
                    "max_concurrency": max_concurrency,
                    "rpd_limit": rpd_limit,
                    "rpm_limit": rpm_limit,
                    "tpm_limit": tpm_limit,
                },
                timeout=timeout,
            ),
        )


class AsyncProviders:
    """`ks.providers`"""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    def list(
        self,
        *,
        category: str | None = None,
        search: str | None = None,
        custom: bool | None = None,
        limit: int | None = None,
        after: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPager[types.ProviderSummary]:
        """The providers that there are, by slug: the catalog's and the organization's own.

        Args:
            category: Of this category only: `llm`, `search`, `email`, …
            search: Of those only whose slug or name contains this, in whatever case.
            custom: Those only that the organization defined for itself, or, with `false`, those of the
                catalog.
            limit: How many entries, 1 to 500; 50 by default.
            after: The `next` of the page before.
        """
        return self._http.pages(
            operations.list_providers,
            Values(
                query={
                    "category": category,
                    "search": search,
                    "custom": custom,
                    "limit": limit,
                    "after": after,
                },
                timeout=timeout,
            ),
        )

    async def create(
        self,
        *,
        definition: Mapping[str, Any],
        slug: str,
        prices: Mapping[str, Any] | None | Omit = OMIT,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.Provider:
        """Defines a provider of the organization's own, as a file of the catalog would.

        Args:
            definition: What a file of `catalog/providers` says, as JSON.
            prices: What a file of `catalog/prices` says, as JSON.
            slug: The name in paths, scopes and commands; none of the catalog's.
        """
        return await self._http.send(
            operations.create_provider,
            Values(
                body={"definition": definition, "prices": prices, "slug": slug},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def get(
        self,
        provider: str,
        *,
        timeout: float | None = None,
    ) -> types.Provider:
        """All that is known of a provider.

        Args:
            provider: Slug
        """
        return await self._http.send(
            operations.get_provider,
            Values(
                path={"provider": provider},
                timeout=timeout,
            ),
        )

    async def delete(
        self,
        provider: str,
        *,
        force: bool | None = None,
        timeout: float | None = None,
    ) -> None:
        """Deletes a provider of the organization's own.

        Args:
            provider: Slug
            force: Delete its credentials with it, and leave grants of it that open nothing.
        """
        return await self._http.send(
            operations.delete_provider,
            Values(
                path={"provider": provider},
                query={"force": force},
                timeout=timeout,
            ),
        )

    async def update(
        self,
        provider: str,
        *,
        definition: Mapping[str, Any] | Omit = OMIT,
        prices: Mapping[str, Any] | None | Omit = OMIT,
        timeout: float | None = None,
    ) -> types.Provider:
        """Changes a provider of the organization's own. Requests that begin after the answer follow the new
        definition; where stored credentials may go is changed by resealing them.

        Args:
            provider: Slug
            definition: The members to change, as a merge patch (RFC 7396): an absent one stays, `null`
                takes one away, a table is merged and every other value replaced.
            prices: Other prices; `null` for none.
        """
        return await self._http.send(
            operations.update_provider,
            Values(
                path={"provider": provider},
                body={"definition": definition, "prices": prices},
                timeout=timeout,
            ),
        )


class AsyncRequests:
    """`ks.requests`"""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    def list(
        self,
        *,
        project: str | None = None,
        agent: str | None = None,
        provider: str | None = None,
        model: str | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        status: int | None = None,
        code: str | None = None,
        refused: bool | None = None,
        min_cost: str | None = None,
        limit: int | None = None,
        after: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPager[types.Request]:
        """The requests, newest first: one row for each attempt at a provider and for each refusal. A page may
        have fewer than there are, or none, and yet a `next`: where few requests fit, they are looked for in
        several goes.

        Args:
            project: Of this project (id or slug).
            agent: Of this agent (id or name).
            provider: To this provider.
            model: Of this model.
            since: From this time on.
            until: Up to this time (exclusive).
            status: With this status.
            code: Refused with this code.
            refused: Refused (`true`) or not (`false`).
            min_cost: That cost at least this many US dollars.
            limit: How many entries, 1 to 500; 50 by default.
            after: The `next` of the page before.
        """
        return self._http.pages(
            operations.list_requests,
            Values(
                query={
                    "project": project,
                    "agent": agent,
                    "provider": provider,
                    "model": model,
                    "since": since,
                    "until": until,
                    "status": status,
                    "code": code,
                    "refused": refused,
                    "minCost": min_cost,
                    "limit": limit,
                    "after": after,
                },
                timeout=timeout,
            ),
        )

    def stream(
        self,
        *,
        project: str | None = None,
        agent: str | None = None,
        provider: str | None = None,
        model: str | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        status: int | None = None,
        code: str | None = None,
        refused: bool | None = None,
        min_cost: str | None = None,
        last_event_id: str | None = None,
        timeout: float | None = None,
    ) -> AsyncEventStream[types.Request]:
        """The requests as they end, as server-sent events; each has an id to resume from with `Last-Event-ID`.

        Args:
            project: Of this project (id or slug).
            agent: Of this agent (id or name).
            provider: To this provider.
            model: Of this model.
            since: From this time on.
            until: Up to this time (exclusive).
            status: With this status.
            code: Refused with this code.
            refused: Refused (`true`) or not (`false`).
            min_cost: That cost at least this many US dollars.
        """
        return self._http.events(
            operations.stream_requests,
            Values(
                query={
                    "project": project,
                    "agent": agent,
                    "provider": provider,
                    "model": model,
                    "since": since,
                    "until": until,
                    "status": status,
                    "code": code,
                    "refused": refused,
                    "minCost": min_cost,
                },
                timeout=timeout,
            ),
            last_event_id,
        )

    async def get(
        self,
        request: str,
        *,
        timeout: float | None = None,
    ) -> types.Request:
        """The request. With several attempts, the last one.

        Args:
            request: Id
        """
        return await self._http.send(
            operations.get_request,
            Values(
                path={"request": request},
                timeout=timeout,
            ),
        )


class AsyncRevocations:
    """`ks.revocations`"""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    def list(
        self,
        *,
        limit: int | None = None,
        after: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPager[types.Revocation]:
        """What is stopped and can be lifted, oldest first.

        Args:
            limit: How many entries, 1 to 500; 50 by default.
            after: The `next` of the page before.
        """
        return self._http.pages(
            operations.list_revocations,
            Values(
                query={"limit": limit, "after": after},
                timeout=timeout,
            ),
        )

    async def create(
        self,
        *,
        scope: types.RevocationScope,
        id: str | None | Omit = OMIT,
        reason: str | None | Omit = OMIT,
        wait: int | None = None,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.Revoked:
        """Stops the organization, a project or a provider until that is lifted, or an agent or a token for
        good. When this returns, no request that arrives later is forwarded. Calls that are under way are
        cut within a second, which it waits for.

        Args:
            id: Which one: an id, a name or slug where it has one, the slug of a provider. Absent for the
                organization.
            reason: Why, for whoever reads it later; at most 500 characters.
            scope: What kind of thing is stopped.
            wait: 0: do not wait for calls under way; the answer is 202 with `propagated: false`. 1, or
                absent: wait, for a second at most.
        """
        return await self._http.send(
            operations.create_revocation,
            Values(
                query={"wait": wait},
                body={"id": id, "reason": reason, "scope": scope},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def delete(
        self,
        revocation: str,
        *,
        timeout: float | None = None,
    ) -> None:
        """Lets the organization, the project or the provider go on.

        Args:
            revocation: Id
        """
        return await self._http.send(
            operations.delete_revocation,
            Values(
                path={"revocation": revocation},
                timeout=timeout,
            ),
        )


class AsyncSessions:
    """`ks.sessions`"""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    def list(
        self,
        *,
        limit: int | None = None,
        after: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPager[types.Session]:
        """Your own sessions, oldest first: where each began, and when it was last used.

        Args:
            limit: How many entries, 1 to 500; 50 by default.
            after: The `next` of the page before.
        """
        return self._http.pages(
            operations.list_sessions,
            Values(
                query={"limit": limit, "after": after},
                timeout=timeout,
            ),
        )

    async def end(
        self,
        session: str,
        *,
        timeout: float | None = None,
    ) -> None:
        """Ends one of your sessions at once.

        Args:
            session: Id
        """
        return await self._http.send(
            operations.end_session,
            Values(
                path={"session": session},
                timeout=timeout,
            ),
        )

    async def end_all(
        self,
        *,
        keep_this: bool,
        timeout: float | None = None,
    ) -> types.EndedSessions:
        """Ends all of your sessions at once, this one too unless it is to be kept. Management keys stay.

        Args:
            keep_this: Whether the one that asks goes on.
        """
        return await self._http.send(
            operations.end_sessions,
            Values(
                body={"keep_this": keep_this},
                timeout=timeout,
            ),
        )


class AsyncTokens:
    """`ks.tokens`"""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    def list(
        self,
        *,
        agent: str | None = None,
        limit: int | None = None,
        after: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPager[types.Token]:
        """The tokens, oldest first, without their values.

        Args:
            agent: Of this agent (id or name).
            limit: How many entries, 1 to 500; 50 by default.
            after: The `next` of the page before.
        """
        return self._http.pages(
            operations.list_tokens,
            Values(
                query={"agent": agent, "limit": limit, "after": after},
                timeout=timeout,
            ),
        )

    async def create(
        self,
        *,
        agent_id: str | None | Omit = OMIT,
        budget_cents_monthly: int | None | Omit = OMIT,
        expires_at: datetime | str | None | Omit = OMIT,
        name: str | None | Omit = OMIT,
        project: str | None | Omit = OMIT,
        providers: Sequence[params.GrantInput] | None | Omit = OMIT,
        rpd_limit: int | None | Omit = OMIT,
        rpm_limit: int | None | Omit = OMIT,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.CreatedToken:
        """Makes a token, with a new agent or for one that exists. The value is in this answer and in no other.

        Args:
            agent_id: The agent (id or name) that gets one more token.
            budget_cents_monthly: US cents in a calendar month; absent is no limit.
            expires_at: When the token ends by itself.
            name: The name of the new agent and of its token; with `agentId`, of the token alone.
            project: The project (id or slug); the caller's own, or `default`, when absent.
            providers: What the new agent may use.
            rpd_limit: Requests in a UTC day, per provider.
            rpm_limit: Requests in any minute, per provider.
        """
        return await self._http.send(
            operations.create_token,
            Values(
                body={
                    "agent_id": agent_id,
                    "budget_cents_monthly": budget_cents_monthly,
                    "expires_at": expires_at,
                    "name": name,
                    "project": project,
                    "providers": providers,
                    "rpd_limit": rpd_limit,
                    "rpm_limit": rpm_limit,
                },
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def get(
        self,
        token: str,
        *,
        timeout: float | None = None,
    ) -> types.Token:
        """The token, without its value.

        Args:
            token: Id
        """
        return await self._http.send(
            operations.get_token,
            Values(
                path={"token": token},
                timeout=timeout,
            ),
        )

    async def revoke(
        self,
        token: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.Token:
        """Ends the token for good. When this returns, no request with it is forwarded any more.

        Args:
            token: Id
        """
        return await self._http.send(
            operations.revoke_token,
            Values(
                path={"token": token},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def rotate(
        self,
        token: str,
        *,
        overlap_seconds: int | Omit = OMIT,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.CreatedToken:
        """Makes a new token of the same agent; the old one ends after the overlap.

        Args:
            token: Id
            overlap_seconds: How long the old token still holds, in seconds, 0 to 604,800 (a week); 0 by
                default.
        """
        return await self._http.send(
            operations.rotate_token,
            Values(
                path={"token": token},
                body={"overlap_seconds": overlap_seconds},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )


class AsyncUsage:
    """`ks.usage`"""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    async def get(
        self,
        *,
        by: str | None = None,
        since: datetime | str | None = None,
        until: datetime | str | None = None,
        project: str | None = None,
        agent: str | None = None,
        provider: str | None = None,
        model: str | None = None,
        timeout: float | None = None,
    ) -> types.UsageReport:
        """Usage and cost, grouped.

        Args:
            by: `project`, `agent`, `provider`, `model`, `source`, `day`, several with commas; `provider`
                when absent.
            since: From this time on, rounded down to its UTC day; the first day of the present UTC month
                when absent.
            until: Up to this time (exclusive), rounded up to the end of its UTC day; now when absent.
            project: Of this project (id or slug).
            agent: Of this agent (id or name).
            provider: Of this provider.
            model: Of this model.
        """
        return await self._http.send(
            operations.get_usage,
            Values(
                query={
                    "by": by,
                    "since": since,
                    "until": until,
                    "project": project,
                    "agent": agent,
                    "provider": provider,
                    "model": model,
                },
                timeout=timeout,
            ),
        )

    def list_events(
        self,
        *,
        project: str | None = None,
        limit: int | None = None,
        after: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPager[types.UsageEvent]:
        """What calls used, one event each, oldest first. Refusals and attempts that were not sent are none.
        `next` is always there: a meter comes again with it.

        Args:
            project: Of this project (id or slug).
            limit: How many, 1 to 500; 50 by default.
            after: The `next` of the page before; from the beginning when absent.
        """
        return self._http.pages(
            operations.get_usage_events,
            Values(
                query={"project": project, "limit": limit, "after": after},
                timeout=timeout,
            ),
            open_ended=True,
        )


class AsyncWebhooks:
    """`ks.webhooks`"""

    def __init__(self, http: AsyncHttp) -> None:
        self._http = http

    def list(
        self,
        *,
        limit: int | None = None,
        after: str | None = None,
        timeout: float | None = None,
    ) -> AsyncPager[types.Webhook]:
        """The webhooks, oldest first, without their secrets.

        Args:
            limit: How many entries, 1 to 500; 50 by default.
            after: The `next` of the page before.
        """
        return self._http.pages(
            operations.list_webhooks,
            Values(
                query={"limit": limit, "after": after},
                timeout=timeout,
            ),
        )

    async def create(
        self,
        *,
        events: Sequence[str],
        url: str,
        description: str | Omit = OMIT,
        name: str | None | Omit = OMIT,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.CreatedWebhook:
        """Makes a webhook: from now on it is told of the events that it names. The secret that messages are
        signed with is in this answer and in no other.

        Args:
            description: What it is for.
            events: What it is told of: kinds of events, groups such as `agent.*`, or `*`.
            name: A name, unique in the organization.
            url: The address: `https`, unless the operator allows the host and port.
        """
        return await self._http.send(
            operations.create_webhook,
            Values(
                body={"description": description, "events": events, "name": name, "url": url},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def get(
        self,
        webhook: str,
        *,
        timeout: float | None = None,
    ) -> types.Webhook:
        """The webhook, without its secret.

        Args:
            webhook: Id or name
        """
        return await self._http.send(
            operations.get_webhook,
            Values(
                path={"webhook": webhook},
                timeout=timeout,
            ),
        )

    async def update(
        self,
        webhook: str,
        *,
        description: str | None | Omit = OMIT,
        enabled: bool | None | Omit = OMIT,
        events: Sequence[str] | None | Omit = OMIT,
        name: str | None | Omit = OMIT,
        url: str | None | Omit = OMIT,
        timeout: float | None = None,
    ) -> types.Webhook:
        """Changes what is named. Another address is signed for with the same secret.

        Args:
            webhook: Id or name
            description: What it is for.
            enabled: Whether events are sent to it. What waited while it was disabled is sent then, unless
                it is older than 72 hours.
            events: All that it is told of.
            name: A name; `null` is none.
            url: Another address.
        """
        return await self._http.send(
            operations.update_webhook,
            Values(
                path={"webhook": webhook},
                body={
                    "description": description,
                    "enabled": enabled,
                    "events": events,
                    "name": name,
                    "url": url,
                },
                timeout=timeout,
            ),
        )

    async def delete(
        self,
        webhook: str,
        *,
        timeout: float | None = None,
    ) -> None:
        """Deletes the webhook, and what waits to be sent to it.

        Args:
            webhook: Id or name
        """
        return await self._http.send(
            operations.delete_webhook,
            Values(
                path={"webhook": webhook},
                timeout=timeout,
            ),
        )

    async def rotate_secret(
        self,
        webhook: str,
        *,
        overlap_seconds: int | None | Omit = OMIT,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.CreatedWebhook:
        """Gives the webhook another secret, which is in this answer and in no other. Messages are signed with
        both for a while, so that the receiver can change over without missing one.

        Args:
            webhook: Id or name
            overlap_seconds: For how long the secret before signs, too: at most 604800 (a week), 86400 (a
                day) by default, 0 for not at all.
        """
        return await self._http.send(
            operations.rotate_webhook_secret,
            Values(
                path={"webhook": webhook},
                body={"overlap_seconds": overlap_seconds},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    async def test(
        self,
        webhook: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.Delivery:
        """Sends the webhook an event of the kind `webhook.test`, whatever it is told of. The answer tells of a
        delivery that has just begun.

        Args:
            webhook: Id or name
        """
        return await self._http.send(
            operations.test_webhook,
            Values(
                path={"webhook": webhook},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )

    def list_deliveries(
        self,
        webhook: str,
        *,
        limit: int | None = None,
        after: str | None = None,
        status: Literal["pending", "delivered", "dead"] | None = None,
        timeout: float | None = None,
    ) -> AsyncPager[types.Delivery]:
        """What was sent to the webhook, or waits, newest first. It is kept for 30 days.

        Args:
            webhook: Id or name
            limit: How many entries, 1 to 500; 50 by default.
            after: The `next` of the page before.
            status: Those that stand so alone.
        """
        return self._http.pages(
            operations.list_webhook_deliveries,
            Values(
                path={"webhook": webhook},
                query={"limit": limit, "after": after, "status": status},
                timeout=timeout,
            ),
        )

    async def get_delivery(
        self,
        delivery: str,
        *,
        timeout: float | None = None,
    ) -> types.Delivery:
        """The delivery.

        Args:
            delivery: Id
        """
        return await self._http.send(
            operations.get_webhook_delivery,
            Values(
                path={"delivery": delivery},
                timeout=timeout,
            ),
        )

    async def redeliver(
        self,
        delivery: str,
        *,
        idempotency_key: str | None = None,
        timeout: float | None = None,
    ) -> types.Delivery:
        """Sends the event once more, with the same `webhook-id`, and tries it for another 72 hours.

        Args:
            delivery: Id
        """
        return await self._http.send(
            operations.redeliver_webhook,
            Values(
                path={"delivery": delivery},
                idempotency_key=idempotency_key,
                timeout=timeout,
            ),
        )


class AsyncApi:
    """Every resource of the API."""

    def __init__(self, http: AsyncHttp) -> None:
        self.access_requests: AsyncAccessRequests = AsyncAccessRequests(http)
        self.agents: AsyncAgents = AsyncAgents(http)
        self.api_keys: AsyncApiKeys = AsyncApiKeys(http)
        self.audit: AsyncAudit = AsyncAudit(http)
        self.auth: AsyncAuth = AsyncAuth(http)
        self.billing: AsyncBilling = AsyncBilling(http)
        self.budgets: AsyncBudgets = AsyncBudgets(http)
        self.credentials: AsyncCredentials = AsyncCredentials(http)
        self.events: AsyncEvents = AsyncEvents(http)
        self.factors: AsyncFactors = AsyncFactors(http)
        self.invitations: AsyncInvitations = AsyncInvitations(http)
        self.kek: AsyncKek = AsyncKek(http)
        self.labels: AsyncLabels = AsyncLabels(http)
        self.marketplace: AsyncMarketplace = AsyncMarketplace(http)
        self.members: AsyncMembers = AsyncMembers(http)
        self.migrations: AsyncMigrations = AsyncMigrations(http)
        self.operator: AsyncOperator = AsyncOperator(http)
        self.org: AsyncOrg = AsyncOrg(http)
        self.passkeys: AsyncPasskeys = AsyncPasskeys(http)
        self.prices: AsyncPrices = AsyncPrices(http)
        self.projects: AsyncProjects = AsyncProjects(http)
        self.providers: AsyncProviders = AsyncProviders(http)
        self.requests: AsyncRequests = AsyncRequests(http)
        self.revocations: AsyncRevocations = AsyncRevocations(http)
        self.sessions: AsyncSessions = AsyncSessions(http)
        self.tokens: AsyncTokens = AsyncTokens(http)
        self.usage: AsyncUsage = AsyncUsage(http)
        self.webhooks: AsyncWebhooks = AsyncWebhooks(http)
