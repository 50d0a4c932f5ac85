//! Every operation of the control plane: who may call it, and how it is called well.
//!
//! The tests of roles, of isolation and of the audit log are made from this table and from the description of the API, so that an
//! operation without a row here is a failed test.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::support::{Answer, Client, PASSWORD, TestApp};

/// A part of the name of everything that [`Things::make`] makes, and of nothing else.
pub(super) const CANARY_NAME: &str = "canaryname";

/// Who may.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum May {
    /// Callers with one of these roles.
    Roles(&'static str),
    /// People with one of these roles, in a session; a management key never.
    People(&'static str),
    /// Everybody, signed in or not.
    Anybody,
    /// Owners and admins of the operator's organization, and nobody of another one.
    Operator,
}

/// The roles.
pub(super) const ROLES: [&str; 5] = ["owner", "admin", "member", "billing", "viewer"];

const ALL: May = May::Roles("owner admin member billing viewer");
const EVERY_PERSON: May = May::People("owner admin member billing viewer");
const OWNER: May = May::Roles("owner");
const OWNER_IN_PERSON: May = May::People("owner");
const SEE_AGENTS: May = May::Roles("owner admin member viewer");
const SEE_AUDIT: May = May::Roles("owner admin viewer");
const MANAGE_AGENTS: May = May::Roles("owner admin member");
const MANAGE_MARKETPLACE: May = May::Roles("owner admin billing");
const MANAGE_BILLING: May = May::Roles("owner billing");
const ADMINISTER: May = May::Roles("owner admin");

type Body = fn(&Things) -> Value;

const NONE: Body = |_| Value::Null;

const AUTO_TOP_UP: Body = |_| json!({"below": "10", "amount": "50", "monthly": "500"});

/// Name, who may, and a body that is accepted.
const TABLE: &[(&str, May, Body)] = &[
    (
        "sign_up",
        May::Anybody,
        |_| json!({"email": "new@example.com", "password": PASSWORD, "name": "New", "orgName": "New"}),
    ),
    (
        "log_in",
        May::Anybody,
        |_| json!({"email": "owner@example.com", "password": PASSWORD}),
    ),
    ("exchange_code", May::Anybody, |_| json!({"code": "none"})),
    ("log_out", EVERY_PERSON, NONE),
    ("refresh_session", EVERY_PERSON, NONE),
    (
        "switch_org",
        EVERY_PERSON,
        |things| json!({"orgId": things.id("org")}),
    ),
    ("who_am_i", ALL, NONE),
    (
        "forgot_password",
        May::Anybody,
        |_| json!({"email": "owner@example.com"}),
    ),
    (
        "reset_password",
        May::Anybody,
        |_| json!({"code": "none", "password": PASSWORD}),
    ),
    ("send_verification", EVERY_PERSON, NONE),
    ("verify_email", May::Anybody, |_| json!({"code": "none"})),
    (
        "accept_invitation",
        May::Anybody,
        |_| json!({"code": "none", "password": PASSWORD, "name": "Invited"}),
    ),
    (
        "change_password",
        EVERY_PERSON,
        |_| json!({"password": PASSWORD, "newPassword": PASSWORD}),
    ),
    (
        "verify_second_factor",
        May::Anybody,
        |_| json!({"challenge": "none", "code": "none"}),
    ),
    ("get_factors", EVERY_PERSON, NONE),
    ("begin_totp", EVERY_PERSON, |_| json!({"password": PASSWORD})),
    ("confirm_totp", EVERY_PERSON, |_| json!({"code": "none"})),
    ("remove_totp", EVERY_PERSON, |_| json!({"password": PASSWORD})),
    (
        "renew_recovery_codes",
        EVERY_PERSON,
        |_| json!({"password": PASSWORD}),
    ),
    ("begin_passkey", EVERY_PERSON, |_| json!({"password": PASSWORD})),
    (
        "add_passkey",
        EVERY_PERSON,
        |_| json!({"name": "Laptop", "clientData": "e30", "attestation": "oA"}),
    ),
    ("remove_passkey", EVERY_PERSON, |_| json!({"password": PASSWORD})),
    ("ask_passkey", May::Anybody, |_| json!({})),
    (
        "sign_in_with_passkey",
        May::Anybody,
        |_| json!({"id": "AA", "clientData": "e30", "authenticatorData": "", "signature": ""}),
    ),
    ("list_sessions", EVERY_PERSON, NONE),
    ("end_session", EVERY_PERSON, NONE),
    ("end_sessions", EVERY_PERSON, |_| json!({"keepThis": true})),
    ("list_orgs", ALL, NONE),
    ("create_org", EVERY_PERSON, |_| json!({"name": "Another"})),
    ("get_org", ALL, NONE),
    ("update_org", OWNER, |_| json!({"timeZone": "Europe/Berlin"})),
    ("delete_org", OWNER_IN_PERSON, NONE),
    (
        "transfer_org",
        OWNER_IN_PERSON,
        |things| json!({"userId": things.id("member")}),
    ),
    ("get_org_limits", ALL, NONE),
    ("update_org_limits", ADMINISTER, |_| json!({"rpmLimit": 500})),
    ("get_project_limits", ALL, NONE),
    (
        "update_project_limits",
        ADMINISTER,
        |_| json!({"maxConcurrency": 5}),
    ),
    ("get_org_abuse_rules", ALL, NONE),
    (
        "update_org_abuse_rules",
        ADMINISTER,
        |_| json!({"refusals": {"action": "alert"}}),
    ),
    ("get_project_abuse_rules", ALL, NONE),
    (
        "update_project_abuse_rules",
        ADMINISTER,
        |_| json!({"spendRate": {"action": "pause", "threshold": "5.00", "windowSeconds": 600}}),
    ),
    ("get_agent_abuse_rules", SEE_AGENTS, NONE),
    (
        "update_agent_abuse_rules",
        ADMINISTER,
        |_| json!({"identicalRequests": {"action": "off"}}),
    ),
    ("get_kek_status", ADMINISTER, NONE),
    ("rotate_kek", ADMINISTER, NONE),
    ("rewrap_keks", ADMINISTER, NONE),
    ("verify_keks", ADMINISTER, NONE),
    ("retire_kek", ADMINISTER, |_| json!({"generation": 1})),
    (
        "destroy_kek",
        OWNER_IN_PERSON,
        |_| json!({"generation": 1, "confirm": 1}),
    ),
    // With the right word every other operation would find its credentials unreadable; see keks.rs.
    ("shred_keks", OWNER_IN_PERSON, |_| json!({"confirm": "another"})),
    ("set_customer_key", OWNER, |_| json!({"key": null})),
    ("begin_kek_import", OWNER, NONE),
    (
        "finish_kek_import",
        OWNER,
        |_| json!({"id": "imp_00000000000000000000000000", "wrappedKey": ""}),
    ),
    ("leave_org", EVERY_PERSON, NONE),
    ("list_members", ADMINISTER, NONE),
    ("update_member", ADMINISTER, |_| json!({"role": "member"})),
    ("remove_member", ADMINISTER, NONE),
    ("list_invitations", ADMINISTER, NONE),
    (
        "create_invitation",
        ADMINISTER,
        |_| json!({"email": "fresh@example.com", "role": "viewer"}),
    ),
    ("delete_invitation", ADMINISTER, NONE),
    ("list_projects", ALL, NONE),
    ("get_project", ALL, NONE),
    ("create_project", ADMINISTER, |_| json!({"name": "Fresh"})),
    ("update_project", ADMINISTER, |_| json!({"labels": ["phi"]})),
    ("delete_project", ADMINISTER, NONE),
    ("get_api_key", ADMINISTER, NONE),
    ("update_api_key", ADMINISTER, |_| json!({"name": "renamed"})),
    ("list_providers", ALL, NONE),
    ("get_provider", ALL, NONE),
    (
        "create_provider",
        ADMINISTER,
        |_| json!({"slug": "fresh", "definition": {"name": "Fresh", "category": "llm", "self_hosted": true}}),
    ),
    (
        "update_provider",
        ADMINISTER,
        |_| json!({"definition": {"category": "search"}}),
    ),
    ("delete_provider", ADMINISTER, NONE),
    ("list_api_keys", ADMINISTER, NONE),
    (
        "create_api_key",
        ADMINISTER,
        |_| json!({"name": "fresh", "role": "viewer"}),
    ),
    ("delete_api_key", ADMINISTER, NONE),
    ("list_credentials", SEE_AGENTS, NONE),
    (
        "create_credential",
        ADMINISTER,
        |_| json!({"provider": "anthropic", "name": "fresh", "secret": "sk-ant-fresh"}),
    ),
    ("get_credential", SEE_AGENTS, NONE),
    ("delete_credential", ADMINISTER, NONE),
    (
        "rotate_credential",
        ADMINISTER,
        |_| json!({"secret": "sk-rotated"}),
    ),
    ("test_credential", ADMINISTER, NONE),
    ("update_credential", ADMINISTER, |_| json!({"labels": ["x"]})),
    ("reseal_credential", ADMINISTER, NONE),
    ("list_agents", SEE_AGENTS, NONE),
    ("create_agent", MANAGE_AGENTS, |_| json!({"name": "fresh"})),
    ("get_agent", SEE_AGENTS, NONE),
    ("update_agent", MANAGE_AGENTS, |_| json!({"rpmLimit": 1})),
    ("delete_agent", MANAGE_AGENTS, NONE),
    ("pause_agent", MANAGE_AGENTS, NONE),
    ("resume_agent", MANAGE_AGENTS, NONE),
    ("revoke_agent", MANAGE_AGENTS, NONE),
    ("list_tokens", SEE_AGENTS, NONE),
    ("create_token", MANAGE_AGENTS, |_| json!({"name": "fresh"})),
    ("get_token", SEE_AGENTS, NONE),
    ("revoke_token", MANAGE_AGENTS, NONE),
    ("rotate_token", MANAGE_AGENTS, |_| json!({})),
    ("list_budgets", ALL, NONE),
    (
        "create_budget",
        MANAGE_AGENTS,
        |things| json!({"agent": things.id("agent"), "limit": "5", "window": "day"}),
    ),
    ("get_budget", ALL, NONE),
    ("update_budget", MANAGE_AGENTS, |_| json!({"limit": "7.50"})),
    ("delete_budget", MANAGE_AGENTS, NONE),
    (
        "raise_budget",
        MANAGE_AGENTS,
        |_| json!({"limit": "9", "until": "2099-01-01T00:00:00Z"}),
    ),
    ("end_budget_raise", MANAGE_AGENTS, NONE),
    ("get_budget_history", ALL, NONE),
    ("get_budget_holds", ALL, NONE),
    (
        "check_budgets",
        ALL,
        |things| json!({"agent": things.id("agent"), "provider": "openai", "cost": "0.01"}),
    ),
    ("list_prices", ALL, NONE),
    (
        "set_price",
        ADMINISTER,
        |_| json!({"provider": "openai", "model": "gpt-5-mini", "units": {"input_uncached": "0.20"}}),
    ),
    (
        "unset_price",
        ADMINISTER,
        |_| json!({"provider": "openai", "model": "a-tune"}),
    ),
    ("get_price_in_force", ALL, NONE),
    ("list_label_rules", ALL, NONE),
    (
        "set_label_rule",
        OWNER,
        |_| json!({"label": "eu-only", "providers": ["openai"]}),
    ),
    ("unset_label_rule", OWNER, |_| json!({"label": "a-label"})),
    ("list_listings", ALL, NONE),
    ("get_listing", ALL, NONE),
    ("enable_listing", MANAGE_MARKETPLACE, NONE),
    ("disable_listing", MANAGE_MARKETPLACE, NONE),
    ("list_migrations", SEE_AGENTS, NONE),
    (
        "create_migration",
        MANAGE_MARKETPLACE,
        |things| json!({"provider": "openai", "to": "marketplace", "agents": [things.id("agent")]}),
    ),
    ("undo_migration", MANAGE_MARKETPLACE, NONE),
    ("set_up_operator", OWNER, NONE),
    ("list_pool_credentials", May::Operator, NONE),
    (
        "create_pool_credential",
        May::Operator,
        |_| json!({"provider": "anthropic", "name": "fresh", "secret": "sk-ant-fresh"}),
    ),
    ("get_pool_credential", May::Operator, NONE),
    ("update_pool_credential", May::Operator, |_| json!({"weight": 2})),
    ("delete_pool_credential", May::Operator, NONE),
    ("get_pool_tenants", May::Operator, NONE),
    (
        "set_pool_tenant",
        May::Operator,
        |things| json!({"provider": "openai", "org": things.id("org"), "weight": 2}),
    ),
    ("get_pool_rules", May::Operator, NONE),
    (
        "set_pool_rule",
        May::Operator,
        |_| json!({"provider": "openai", "action": "alert", "threshold": 50}),
    ),
    ("get_key_plan", May::Operator, NONE),
    (
        "set_key_plan",
        May::Operator,
        |_| json!({"driver": "manual", "everyDays": 90}),
    ),
    ("list_rotations", May::Operator, NONE),
    (
        "create_rotation",
        May::Operator,
        |things| json!({"credential": things.id("pooled")}),
    ),
    ("get_rotation", May::Operator, NONE),
    (
        "give_rotation_key",
        May::Operator,
        |_| json!({"secret": "sk-another"}),
    ),
    ("confirm_rotation_revoked", May::Operator, NONE),
    ("undo_rotation", May::Operator, NONE),
    (
        "set_listing",
        May::Operator,
        |_| json!({"provider": "anthropic", "published": true}),
    ),
    ("get_price_book", May::Operator, NONE),
    ("get_sales", May::Operator, NONE),
    ("get_exposure", May::Operator, NONE),
    ("get_pool_use", May::Operator, NONE),
    ("reconcile", May::Operator, |_| {
        json!({"provider": "openai", "report": {"data": [{"start_time": 1_795_651_200, "end_time": 1_795_737_600,
            "results": [{"amount": {"value": 1.25, "currency": "usd"}}]}]}})
    }),
    (
        "change_prices",
        May::Operator,
        |_| json!({"add": [{"markup": {"percent": "10"}}]}),
    ),
    ("list_customers", May::Operator, NONE),
    ("get_terms", May::Operator, NONE),
    (
        "set_terms",
        May::Operator,
        |things| json!({"org": things.id("org"), "limit": "5", "taxes": [{"name": "VAT", "perMille": 190}]}),
    ),
    ("list_books", May::Operator, NONE),
    (
        "post_to_ledger",
        May::Operator,
        |things| json!({"kind": "top_up", "org": things.id("org"), "amount": "5"}),
    ),
    ("list_customer_invoices", May::Operator, NONE),
    ("get_balance", ALL, NONE),
    ("create_top_up", MANAGE_BILLING, |_| json!({"amount": "50"})),
    ("get_auto_top_up", MANAGE_BILLING, NONE),
    ("set_auto_top_up", MANAGE_BILLING, AUTO_TOP_UP),
    ("delete_auto_top_up", MANAGE_BILLING, NONE),
    ("list_payments", May::Operator, NONE),
    (
        "settle_payment",
        May::Operator,
        |_| json!({"paid": true, "subject": "transfer 1"}),
    ),
    ("receive_stripe_event", May::Anybody, |_| json!({})),
    ("list_ledger", MANAGE_BILLING, NONE),
    ("list_invoices", MANAGE_BILLING, NONE),
    ("get_invoice", MANAGE_BILLING, NONE),
    ("list_access_requests", SEE_AGENTS, NONE),
    ("get_access_request", SEE_AGENTS, NONE),
    ("approve_access_request", MANAGE_AGENTS, |_| json!({})),
    (
        "deny_access_request",
        MANAGE_AGENTS,
        |_| json!({"reason": "not now"}),
    ),
    ("list_events", ALL, NONE),
    ("list_webhooks", ADMINISTER, NONE),
    (
        "create_webhook",
        ADMINISTER,
        |_| json!({"url": "https://hooks.invalid/new", "events": ["*"]}),
    ),
    ("get_webhook", ADMINISTER, NONE),
    ("update_webhook", ADMINISTER, |_| json!({"events": ["agent.*"]})),
    ("delete_webhook", ADMINISTER, NONE),
    ("rotate_webhook_secret", ADMINISTER, |_| json!({})),
    ("test_webhook", ADMINISTER, NONE),
    ("list_webhook_deliveries", ADMINISTER, NONE),
    ("get_webhook_delivery", ADMINISTER, NONE),
    ("redeliver_webhook", ADMINISTER, NONE),
    ("list_revocations", SEE_AGENTS, NONE),
    (
        "create_revocation",
        MANAGE_AGENTS,
        |things| json!({"scope": "agent", "id": things.id("agent")}),
    ),
    ("delete_revocation", ADMINISTER, NONE),
    ("get_usage", ALL, NONE),
    ("get_usage_events", ALL, NONE),
    ("list_requests", SEE_AGENTS, NONE),
    ("stream_requests", SEE_AGENTS, NONE),
    ("get_request", SEE_AGENTS, NONE),
    ("list_audit", SEE_AUDIT, NONE),
    ("get_audit_key", SEE_AUDIT, NONE),
    ("list_audit_checkpoints", SEE_AUDIT, NONE),
    ("get_audit_proof", SEE_AUDIT, NONE),
    ("export_audit", SEE_AUDIT, NONE),
    ("verify_audit", SEE_AUDIT, |_| json!({})),
    ("hash_audit_value", SEE_AUDIT, |_| json!({"value": "a value"})),
];

/// Members of bodies and queries that name a thing: the member, and the thing.
const REFERENCES: [(&str, &str); 5] = [
    ("project", "project"),
    ("agent", "agent"),
    ("agentId", "agent"),
    ("orgId", "org"),
    ("userId", "member"),
];

/// What `scope` and `id` of a body can name.
const SCOPES: [&str; 3] = ["project", "agent", "token"];

/// A thing of every kind, by the name that paths give it.
#[derive(Clone)]
pub(super) struct Things(BTreeMap<&'static str, String>);

/// The address of the person behind `member`.
pub(super) const MEMBER: &str = "member.canaryname@example.com";

/// The address that `invitation` went to.
pub(super) const INVITED: &str = "invited.canaryname@example.com";

impl Things {
    /// Makes them in the organization of `owner`.
    pub(super) async fn make(app: &TestApp, owner: &Client) -> Self {
        let canary = |kind: &str| format!("{kind} {CANARY_NAME}");
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let me = owner.get("/v1/auth/me").await.expect(200);
        let credential = json!({"provider": "openai", "name": canary("credential"), "secret": "sk-things",
            "baseUrl": app.fake_upstream().url()});
        let credential = owner.post("/v1/credentials", &credential).await.expect(201);
        let grant = json!({"name": "openai", "source": "byok", "credential": credential["id"]});
        let token = json!({"name": canary("agent"), "providers": [grant], "budgetCentsMonthly": 1000});
        let token = owner.post("/v1/tokens", &token).await.expect(201);
        let key = json!({"name": canary("key"), "role": "viewer"});
        let key = owner.post("/v1/api-keys", &key).await.expect(201);
        let provider = json!({"name": canary("provider"), "category": "llm", "self_hosted": true});
        let provider = json!({"slug": "own-provider", "definition": provider});
        owner.post("/v1/providers", &provider).await.expect(201);
        let project = json!({"name": canary("project"), "slug": "things"});
        let project = owner.post("/v1/projects", &project).await.expect(201);
        let revocation = json!({"scope": "project", "id": "things", "reason": canary("revocation")});
        let revocation = owner.post("/v1/revocations", &revocation).await.expect(200);
        let price = json!({"provider": "openai", "model": "a-tune", "units": {"input_uncached": "1"}});
        owner.post("/v1/prices", &price).await.expect(200);
        let label = json!({"label": "a-label", "sources": ["byok"]});
        owner.post("/v1/labels", &label).await.expect(200);
        let operator = app.operator().await;
        let pooled = json!({"provider": "openai", "name": canary("pooled"), "secret": "sk-pooled",
            "baseUrl": app.fake_upstream().url()});
        let pooled = operator.post("/v1/operator/pool", &pooled).await.expect(201);
        let rotating = json!({"provider": "openai", "name": canary("rotating"), "secret": "sk-rotating",
            "baseUrl": app.fake_upstream().url()});
        let rotating = operator.post("/v1/operator/pool", &rotating).await.expect(201);
        let rotation = json!({"credential": rotating["id"]});
        let rotation = operator
            .post("/v1/operator/rotations", &rotation)
            .await
            .expect(201);
        // No name ends so (RFC 6761): what is sent there waits.
        let webhook =
            json!({"name": canary("webhook"), "url": "https://hooks.invalid/", "events": ["webhook.test"]});
        let webhook = owner.post("/v1/webhooks", &webhook).await.expect(201);
        let webhook = text(&webhook["endpoint"]["id"]);
        let delivery = owner
            .post(&format!("/v1/webhooks/{webhook}/test"), &Value::Null)
            .await
            .expect(200);
        owner
            .post("/v1/marketplace/openai/enable", &Value::Null)
            .await
            .expect(204);
        let moving = json!({"name": canary("moved"), "providers": [{"name": "openai", "source": "byok"}]});
        let moving = owner.post("/v1/agents", &moving).await.expect(201);
        let migration = json!({"provider": "openai", "to": "marketplace", "agents": [moving["id"]]});
        let migration = owner.post("/v1/migrations", &migration).await.expect(200);
        owner
            .post("/v1/billing/auto-top-up", &AUTO_TOP_UP(&Self(BTreeMap::new())))
            .await
            .expect(200);
        app.top_up().await;
        let payments = operator.get("/v1/operator/payments").await.expect(200);
        let mine = |payment: &&Value| payment["orgId"] == me["org"]["id"];
        let payment = payments["data"].as_array().unwrap().iter().find(mine).unwrap();
        let member = app.member(owner, MEMBER, "viewer").await;
        let member = member.get("/v1/auth/me").await.expect(200);
        let invitation = json!({"email": INVITED, "role": "viewer"});
        let invitation = owner.post("/v1/invitations", &invitation).await.expect(201);
        let chat = json!({"model": "gpt-4o-mini", "messages": [{"role": "user", "content": "hi"}]});
        let request = app
            .caller(token["token"].as_str().unwrap())
            .post("/v1/openai/v1/chat/completions", &chat)
            .await
            .expect(200);
        // The owner has another one, in which they are the operator.
        let sessions = owner.get("/v1/auth/sessions").await.expect(200);
        let another = |session: &&Value| session["current"] == false;
        let session = sessions["data"].as_array().unwrap().iter().find(another).unwrap();
        let asks = app.anonymous().with_token(token["token"].as_str().unwrap());
        let wanted = json!({"budgetCentsMonthly": 2000, "reason": canary("access request")});
        let access = asks.tool("request_access", wanted).await;
        Self(BTreeMap::from([
            ("org", text(&me["org"]["id"])),
            ("project", text(&project["id"])),
            ("provider", "own-provider".to_owned()),
            ("credential", text(&credential["id"])),
            ("agent", text(&token["agent"]["id"])),
            ("token", text(&token["id"])),
            ("budget", text(&token["agent"]["budget"]["id"])),
            ("apiKey", text(&key["apiKey"]["id"])),
            ("request", request.id()),
            ("member", text(&member["user"]["id"])),
            ("invitation", text(&invitation["id"])),
            ("revocation", text(&revocation["id"])),
            ("accessRequest", text(&access["id"])),
            ("listing", "openai".to_owned()),
            ("pooled", text(&pooled["id"])),
            ("migration", text(&migration["id"])),
            // Months close too seldom for one here; see billing.rs.
            ("invoice", "KS-1970-000001".to_owned()),
            ("rotation", text(&rotation["id"])),
            ("payment", text(&payment["id"])),
            ("webhook", webhook),
            ("session", text(&session["id"])),
            // With one, its owner could not sign in as all tests do; see passkeys.rs.
            ("passkey", "psk_00000000000000000000000001".to_owned()),
            ("delivery", text(&delivery["id"])),
        ]))
    }

    /// Ids that nothing has.
    pub(super) fn nothing() -> Self {
        let id = |prefix: &str| format!("{prefix}_00000000000000000000000000");
        Self(BTreeMap::from([
            ("org", id("org")),
            ("project", id("prj")),
            ("provider", "none".to_owned()),
            ("credential", id("crd")),
            ("agent", id("agt")),
            ("token", id("tok")),
            ("budget", id("bud")),
            ("apiKey", id("key")),
            ("request", id("req")),
            ("member", id("usr")),
            ("invitation", id("ivt")),
            ("revocation", id("rvk")),
            ("accessRequest", id("acr")),
            ("listing", "none".to_owned()),
            ("pooled", id("crd")),
            ("migration", id("mov")),
            ("invoice", "KS-1970-000002".to_owned()),
            ("rotation", id("rot")),
            ("payment", id("pay")),
            ("webhook", id("whk")),
            ("session", id("ses")),
            ("passkey", id("psk")),
            ("delivery", id("dlv")),
        ]))
    }

    pub(super) fn id(&self, kind: &str) -> &str {
        self.0
            .get(kind)
            .unwrap_or_else(|| panic!("no thing is called `{kind}`"))
    }

    /// Every id but that of the organization.
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        let things = self
            .0
            .iter()
            .filter(|(kind, _)| !matches!(**kind, "org" | "provider" | "listing"));
        things.map(|(_, id)| id.as_str())
    }
}

/// An operation as the description of the API has it, with its row of the table.
pub(super) struct Operation {
    pub(super) name: String,
    pub(super) method: String,
    pub(super) may: May,
    pub(super) path: String,
    body: Body,
    /// Members of the query that name a thing.
    query: Vec<(&'static str, &'static str)>,
    /// Members of the body that name a thing.
    members: Vec<(&'static str, &'static str)>,
    /// The body names a thing by `scope` and `id`.
    scoped: bool,
}

/// Every operation of the description, in its order.
pub(super) fn operations() -> Vec<Operation> {
    let document: Value = serde_json::from_str(&keystore_server::api::openapi_json().unwrap()).unwrap();
    let rows: BTreeMap<_, _> = TABLE
        .iter()
        .map(|(name, may, body)| (*name, (*may, *body)))
        .collect();
    assert_eq!(rows.len(), TABLE.len(), "a name has two rows");
    let mut found = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let name = operation["operationId"].as_str().unwrap();
            let Some((may, body)) = rows.get(name) else {
                panic!("`{name}` has no row in the table of operations");
            };
            found.push(Operation {
                name: name.to_owned(),
                method: method.to_uppercase(),
                may: *may,
                path: path.clone(),
                body: *body,
                query: references(|member| {
                    let parameters = operation["parameters"].as_array();
                    parameters
                        .into_iter()
                        .flatten()
                        .any(|parameter| parameter["in"] == "query" && parameter["name"] == member)
                }),
                members: references(|member| has_member(&document, operation, member)),
                scoped: has_member(&document, operation, "scope") && has_member(&document, operation, "id"),
            });
        }
    }
    let names: BTreeSet<_> = found.iter().map(|operation| operation.name.as_str()).collect();
    let gone: Vec<_> = rows.keys().filter(|name| !names.contains(*name)).collect();
    assert!(gone.is_empty(), "rows without an operation: {gone:?}");
    found
}

fn references(has: impl Fn(&str) -> bool) -> Vec<(&'static str, &'static str)> {
    REFERENCES.into_iter().filter(|(member, _)| has(member)).collect()
}

fn has_member(document: &Value, operation: &Value, member: &str) -> bool {
    let schema = &operation["requestBody"]["content"]["application/json"]["schema"]["$ref"];
    let Some(reference) = schema.as_str() else {
        return false;
    };
    let pointer = reference.trim_start_matches('#');
    !document.pointer(pointer).unwrap()["properties"][member].is_null()
}

/// One way to call an operation.
#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) what: String,
    pub(super) method: String,
    pub(super) path: String,
    pub(super) body: Value,
}

impl Call {
    pub(super) async fn send(&self, client: &Client) -> Answer {
        let request = client.request(&self.method, &self.path);
        client
            .send(if self.body.is_null() {
                request
            } else {
                request.json(&self.body)
            })
            .await
    }
}

impl Operation {
    /// Whether it changes something.
    pub(super) fn changes(&self) -> bool {
        self.method != "GET"
    }

    /// Whether its path names a thing of an organization. A provider's name may be another organization's too.
    pub(super) fn names_a_thing(&self) -> bool {
        let is_a_name = self.path.contains("{provider}") || self.path.contains("{listing}");
        self.path.contains('{') && !is_a_name
    }

    /// The operation on these things, as it should be called.
    pub(super) fn call(&self, things: &Things) -> Call {
        let mut path = self.path.clone();
        for (kind, id) in &things.0 {
            path = path.replace(&format!("{{{kind}}}"), id);
        }
        assert!(!path.contains('{'), "{path}: no thing is called so");
        Call {
            what: self.name.clone(),
            method: self.method.clone(),
            path,
            body: (self.body)(things),
        }
    }

    /// Every call that names one thing of `foreign`, and beside it only things of `own`.
    pub(super) fn calls_on_foreign(&self, own: &Things, foreign: &Things) -> Vec<Call> {
        let mut calls = Vec::new();
        if self.names_a_thing() {
            let path = self.call(foreign).path;
            calls.push(Call {
                path,
                ..self.call(own)
            });
        }
        for (member, kind) in &self.query {
            let mut call = self.call(own);
            call.path = format!("{}?{member}={}", call.path, foreign.id(kind));
            call.what = format!("{} ?{member}", self.name);
            calls.push(call);
        }
        for (member, kind) in &self.members {
            let mut call = self.call(own);
            call.body[*member] = foreign.id(kind).into();
            call.what = format!("{} /{member}", self.name);
            calls.push(call);
        }
        for scope in SCOPES.iter().filter(|_| self.scoped) {
            let mut call = self.call(own);
            call.body["scope"] = (*scope).into();
            call.body["id"] = foreign.id(scope).into();
            call.what = format!("{} {scope}", self.name);
            calls.push(call);
        }
        calls
    }
}
