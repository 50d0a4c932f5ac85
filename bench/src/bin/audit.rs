//! How fast a million records are taken into the audit tree, and how fast the whole log is verified. SQLite, one core each.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark fails by panicking, and prints"
)]

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use std::time::Instant;

use keystore_core::ids::{AgentId, AttemptId, CredentialId, OrgId, ProjectId, RequestId, TokenId};
use keystore_core::policy::Source;
use keystore_core::record::{ChargeFlags, Ending, Intent, Outcome};
use keystore_core::{Bucket, Micros, NanoUsd, Usage};
use keystore_server::audit::offline::check_database;
use keystore_server::audit::sinks::Sinks;
use keystore_server::dev::Dev;
use keystore_server::run::DevOptions;
use keystore_store::{Durability, Options, Store};
use keystore_testkit::clock::MockClock;
use keystore_testkit::ids::SeededIds;
use uuid::Uuid;

/// Each is an intent and an outcome.
const CALLS: usize = 500_000;
/// Calls that are journalled together.
const TOGETHER: usize = 64;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("keystore.db").display());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        // Makes the deployment.
        let dev = Dev::start(options(folder.path())).await.unwrap();
        stop(dev).await;
        fill(&url).await;
        let dev = Dev::start(options(folder.path())).await.unwrap();
        let (app, began) = (dev.app(), Instant::now());
        app.sign_to(&Sinks::default()).await.unwrap();
        let taken = began.elapsed();
        let key = app.audit_key().await.unwrap();
        drop(app);
        stop(dev).await;
        let began = Instant::now();
        let report = check_database(&url, &key, &[], &mut |_, _| {}).await.unwrap();
        let verified = began.elapsed();
        assert_eq!(report.problem, None);
        let speed = |time: std::time::Duration| report.records as f64 / time.as_secs_f64();
        println!("{} records", report.records);
        println!(
            "taken in: {:.2} s, {:.0} a second",
            taken.as_secs_f64(),
            speed(taken)
        );
        println!(
            "verified: {:.2} s, {:.0} a second",
            verified.as_secs_f64(),
            speed(verified)
        );
    });
}

fn options(folder: &Path) -> DevOptions {
    let anywhere = Some("127.0.0.1:0".parse().unwrap());
    DevOptions {
        data_dir: Some(folder.to_owned()),
        proxy_addr: anywhere,
        api_addr: anywhere,
        allow_upstream: Vec::new(),
        demo_data: false,
        log: None,
    }
}

async fn stop(dev: Dev) {
    dev.app().shut_down();
    dev.serve().await;
}

async fn fill(url: &str) {
    let (clock, ids) = (Arc::new(MockClock::default()), Arc::new(SeededIds::new(1)));
    let (store, _) = Store::open(url, Options::default(), clock, ids).await.unwrap();
    for _ in 0..CALLS / TOGETHER {
        let intents: Vec<_> = (0..TOGETHER).map(|_| intent(&store)).collect();
        let mut written = Vec::new();
        for intent in &intents {
            written.push(store.journal().intent(intent, Durability::Process));
        }
        for written in written {
            written.await.unwrap();
        }
        intents
            .iter()
            .for_each(|intent| store.journal().outcome(&outcome(intent)));
    }
    store.project_now().await.unwrap();
    store.close().await;
}

fn intent(store: &Store) -> Intent<'static> {
    let id = |number| Uuid::from_u128(number);
    Intent {
        attempt: AttemptId::new(store.ids().next()),
        request: RequestId::new(store.ids().next()),
        at: store.clock().now(),
        org: OrgId::new(id(1)),
        project: ProjectId::new(id(2)),
        agent: AgentId::new(id(3)),
        token: TokenId::new(id(4)),
        provider: "openai",
        operation: "chat",
        method: "POST",
        path: "/v1/chat/completions",
        model: Some("gpt-4o-mini"),
        source: Source::Byok,
        credential: CredentialId::new(id(5)),
        credential_version: 1,
        hold: NanoUsd(1_000),
        budgets: Cow::Borrowed(&[]),
        end_user: None,
        query: None,
    }
}

fn outcome(intent: &Intent<'_>) -> Outcome<'static> {
    Outcome {
        attempt: intent.attempt,
        at: Micros(intent.at.0 + 1_000),
        ending: Ending::Complete,
        status: 200,
        served_model: Some("gpt-4o-mini"),
        usage: Usage::ZERO
            .with(Bucket::InputUncached, 100)
            .with(Bucket::OutputText, 50),
        cost: NanoUsd(500),
        flags: ChargeFlags::default(),
        first_byte_us: 500,
        total_us: 1_000,
        request_bytes: 300,
        response_bytes: 900,
        refusal: None,
        market: None,
        steps: None,
    }
}
