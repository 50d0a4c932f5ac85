//! Thirty invented days for `ks dev --demo-data`, so that a newcomer sees what Keystore shows once it is used.
//!
//! A clock that is wound back is let run forward, a day at a time, and each thing is made through the API when it is its turn: the log,
//! its checkpoints, budgets and invoices are as if it had been so. The vendors' keys are invented and open nothing; what agents called
//! stands in the journal, but no vendor was asked. What can really be called is the sandbox, as always.

mod traffic;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use anyhow::{Context, bail};
use axum::Router;
use axum::body::Body;
use http::{Request, header};
use http_body_util::BodyExt;
use keystore_core::{Clock, Micros};
use serde_json::{Value, json};

use self::traffic::{Calls, Traffic, read};
use super::DevFile;
use crate::api;
use crate::app::App;
use crate::clock::SystemClock;

/// How many days there are to tell of.
const DAYS: i64 = 30;

const DAYS_MICROS: i64 = DAYS * 24 * 3_600_000_000;

const HOUR: Duration = Duration::from_secs(3600);

/// The system's clock, behind by what has not been lived through yet.
pub(super) struct Wound(AtomicI64);

impl Wound {
    /// A clock that shows the time [`DAYS`] ago.
    pub(super) fn back() -> Self {
        Self(AtomicI64::new(DAYS_MICROS))
    }

    fn forward(&self, by: Duration) {
        let micros = i64::try_from(by.as_micros()).unwrap_or(i64::MAX);
        self.0.fetch_sub(micros, Ordering::SeqCst);
    }

    /// Shows the time that it is.
    fn catch_up(&self) {
        self.0.store(0, Ordering::SeqCst);
    }
}

impl Clock for Wound {
    fn now(&self) -> Micros {
        Micros(SystemClock.now().0 - self.0.load(Ordering::SeqCst))
    }

    fn boottime(&self) -> Duration {
        let lived = DAYS_MICROS - self.0.load(Ordering::SeqCst);
        SystemClock.boottime() + Duration::from_micros(u64::try_from(lived).unwrap_or(0))
    }
}

/// Lives through the days; afterwards the clock is right.
///
/// # Errors
/// The API refuses something, or the store fails.
pub(super) async fn live(app: &Arc<App>, clock: &Wound, file: &DevFile) -> anyhow::Result<()> {
    let owner = Api::new(app, &file.api_key);
    let operator = Api::new(app, &file.operator_key);
    let org = serde_json::from_value(owner.org().await?)?;
    let mut traffic = Traffic::default();
    for day in 0..DAYS {
        happen(day, &owner, &operator, &mut traffic).await?;
        for _ in 0..24 {
            clock.forward(HOUR);
            traffic.hour(app, org).await?;
        }
        app.do_jobs().await?;
    }
    clock.catch_up();
    app.do_jobs().await?;
    Ok(())
}

/// What people did on a day.
async fn happen(day: i64, owner: &Api, operator: &Api, traffic: &mut Traffic) -> anyhow::Result<()> {
    match day {
        0 => begin(owner, operator, traffic).await,
        4 => {
            let budget = json!({"limit": "400.00", "window": "month", "thresholds": [50, 80, 100]});
            traffic.budget(&owner.post("/v1/budgets", &budget).await?, None)?;
            let label = json!({"label": "customer-data", "sources": ["byok"]});
            owner.post("/v1/labels", &label).await.map(drop)
        }
        9 => {
            let project = json!({"name": "Customer 42", "slug": "customer-42"});
            let project = owner.post("/v1/projects", &project).await?;
            let budget = json!({"project": "customer-42", "limit": "20.00", "window": "month"});
            let budget = owner.post("/v1/budgets", &budget).await?;
            traffic.budget(&budget, Some(read(&project["id"])?))?;
            let agent = json!({"name": "onboarding", "project": "customer-42", "budgetCentsMonthly": 1500,
                "providers": [{"name": "anthropic", "source": "marketplace"}]});
            let calls = Calls::new("anthropic", "claude-haiku-4-5", 5).pooled();
            traffic.agent(&owner.post("/v1/tokens", &agent).await?, vec![calls])
        }
        12 => {
            let top_up = json!({"kind": "promo_grant", "org": owner.org().await?, "amount": "150.00",
                "subject": "ks dev", "memo": "credit for what is invented"});
            operator.post("/v1/operator/ledger", &top_up).await.map(drop)
        }
        15 => {
            let secret = json!({"secret": "sk-demo-openai-0000000000000000000000000002"});
            let path = format!("/v1/credentials/{}/rotate", traffic.own_credential("openai")?);
            owner.post(&path, &secret).await?;
            traffic.rotated("openai");
            Ok(())
        }
        18 => owner
            .post("/v1/agents/nightly-evals/pause", &Value::Null)
            .await
            .map(drop),
        19 => owner
            .post("/v1/agents/nightly-evals/resume", &Value::Null)
            .await
            .map(drop),
        22 => {
            let limits = json!({"rpmLimit": 30, "budgetCentsMonthly": 9000});
            owner.patch("/v1/agents/research", &limits).await.map(drop)
        }
        _ => Ok(()),
    }
}

/// The first day: keys, what is sold, and the first agents.
async fn begin(owner: &Api, operator: &Api, traffic: &mut Traffic) -> anyhow::Result<()> {
    for (provider, name, secret) in [
        (
            "openai",
            "openai production",
            "sk-demo-openai-0000000000000000000000000001",
        ),
        ("gemini", "gemini", "AIzaDemo00000000000000000000000000000001"),
        ("tavily", "tavily", "tvly-demo-00000000000000000000000001"),
        ("resend", "resend", "re_demo_00000000000000000000000001"),
    ] {
        let credential = json!({"provider": provider, "name": name, "secret": secret});
        traffic.credential(
            provider,
            false,
            &owner.post("/v1/credentials", &credential).await?,
        )?;
    }
    let pooled =
        json!({"provider": "anthropic", "name": "pool-1", "secret": "sk-ant-demo-000000000000000000000001"});
    traffic.credential(
        "anthropic",
        true,
        &operator.post("/v1/operator/pool", &pooled).await?,
    )?;
    let listing = json!({"provider": "anthropic", "published": true});
    operator.post("/v1/operator/listings", &listing).await?;
    owner
        .post("/v1/marketplace/anthropic/enable", &Value::Null)
        .await?;
    let agents = [
        (
            json!({"name": "support-bot", "rpmLimit": 120, "budgetCentsMonthly": 12000, "providers": [
                {"name": "openai", "source": "byok"}, {"name": "anthropic", "source": "marketplace"},
                {"name": "resend", "source": "byok", "scopes": ["provider:resend:write"]}]}),
            vec![
                Calls::new("openai", "gpt-5-mini", 34),
                Calls::new("anthropic", "claude-sonnet-4-5", 12).pooled(),
            ],
        ),
        (
            json!({"name": "research", "rpmLimit": 20, "budgetCentsMonthly": 5000, "providers": [
                {"name": "openai", "source": "byok"}, {"name": "gemini", "source": "byok"}, {"name": "tavily", "source": "byok"}]}),
            vec![
                Calls::new("gemini", "gemini-2.5-pro", 9),
                Calls::new("openai", "gpt-5", 6),
            ],
        ),
        (
            json!({"name": "nightly-evals", "budgetCentsMonthly": 3000, "providers": [
                {"name": "openai", "source": "byok"}, {"name": "gemini", "source": "byok"}]}),
            vec![
                Calls::new("openai", "gpt-5-nano", 22).at_night(),
                Calls::new("gemini", "gemini-2.5-flash", 14).at_night(),
            ],
        ),
    ];
    for (agent, calls) in agents {
        traffic.agent(&owner.post("/v1/tokens", &agent).await?, calls)?;
    }
    let key = json!({"name": "finance", "role": "viewer"});
    owner.post("/v1/api-keys", &key).await.map(drop)
}

/// The API, called as anybody calls it.
struct Api {
    router: Router,
    authorization: String,
}

impl Api {
    fn new(app: &Arc<App>, key: &str) -> Self {
        Self {
            router: api::router(app),
            authorization: format!("Bearer {key}"),
        }
    }

    async fn org(&self) -> anyhow::Result<Value> {
        Ok(self.send("GET", "/v1/org", &Value::Null).await?["id"].take())
    }

    async fn post(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send("POST", path, body).await
    }

    async fn patch(&self, path: &str, body: &Value) -> anyhow::Result<Value> {
        self.send("PATCH", path, body).await
    }

    async fn send(&self, method: &str, path: &str, body: &Value) -> anyhow::Result<Value> {
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header(header::HOST, "127.0.0.1")
            .header(header::AUTHORIZATION, &self.authorization)
            .header(header::CONTENT_TYPE, "application/json");
        let body = if body.is_null() {
            Body::empty()
        } else {
            Body::from(body.to_string())
        };
        let mut router = self.router.clone();
        let answer = match tower_service::Service::call(&mut router, request.body(body)?).await {
            Ok(answer) => answer,
            Err(never) => match never {},
        };
        let status = answer.status();
        let read = answer.into_body().collect().await?.to_bytes();
        if !status.is_success() {
            bail!("{method} {path}: {status} {}", String::from_utf8_lossy(&read));
        }
        if read.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_slice(&read).with_context(|| format!("{method} {path}"))
    }
}
