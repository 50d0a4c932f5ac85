//! CPU time of the store alone for each call: an intent and an outcome through the journal and into the projections.
//!
//! Thirty-two callers, as many connections under load would be, each with one call at a time. What it prints is the time of all
//! threads of the process, the callers' few instructions included; it says nothing of latency.

#![expect(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a benchmark fails by panicking, and prints"
)]

use std::borrow::Cow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use keystore_core::ids::{AgentId, AttemptId, BudgetId, CredentialId, OrgId, ProjectId, RequestId, TokenId};
use keystore_core::policy::{Source, Unit};
use keystore_core::record::{ChargeFlags, Ending, HeldBudget, Intent, Outcome};
use keystore_core::{Bucket, Micros, NanoUsd, Usage};
use keystore_store::{Durability, Options, Store};
use keystore_testkit::clock::MockClock;
use keystore_testkit::ids::SeededIds;
use rustix::time::{ClockId, clock_gettime};
use tokio_util::task::TaskTracker;
use uuid::Uuid;

const CALLERS: usize = 32;
const CALLS: usize = 100_000;

fn main() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("keystore.db").display());
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .unwrap();
    runtime.block_on(async {
        let (clock, ids) = (Arc::new(MockClock::default()), Arc::new(SeededIds::new(1)));
        let (store, _) = Store::open(&url, Options::default(), clock, ids).await.unwrap();
        calls(&store, CALLS / 20).await;
        store.project_now().await.unwrap();
        let (cpu, wall) = (cpu(), Instant::now());
        calls(&store, CALLS).await;
        let answered = wall.elapsed();
        store.project_now().await.unwrap();
        let spent = self::cpu() - cpu;
        println!(
            "{:.2} us CPU a call, {:.0} calls a second",
            spent.as_secs_f64() * 1e6 / CALLS as f64,
            CALLS as f64 / answered.as_secs_f64(),
        );
        store.close().await;
    });
}

/// User and system time of the process so far.
fn cpu() -> Duration {
    let now = clock_gettime(ClockId::ProcessCPUTime);
    Duration::new(now.tv_sec.try_into().unwrap(), now.tv_nsec.try_into().unwrap())
}

async fn calls(store: &Store, count: usize) {
    let callers = TaskTracker::new();
    for _ in 0..CALLERS {
        let store = store.clone();
        callers.spawn(async move {
            for _ in 0..count / CALLERS {
                let intent = intent(&store);
                let written = store.journal().intent(&intent, Durability::Process);
                written.await.unwrap();
                // The other callers have their turn, as they would while an upstream answers.
                tokio::task::yield_now().await;
                store.journal().outcome(&outcome(&intent));
            }
        });
    }
    callers.close();
    callers.wait().await;
}

fn intent(store: &Store) -> Intent<'static> {
    Intent {
        attempt: AttemptId::new(store.ids().next()),
        request: RequestId::new(store.ids().next()),
        at: store.clock().now(),
        org: OrgId::new(Uuid::from_u128(1)),
        project: ProjectId::new(Uuid::from_u128(2)),
        agent: AgentId::new(Uuid::from_u128(3)),
        token: TokenId::new(Uuid::from_u128(4)),
        provider: "openai",
        operation: "chat.completions",
        method: "POST",
        path: "/v1/chat/completions",
        model: Some("gpt-4o-mini"),
        source: Source::Byok,
        credential: CredentialId::new(Uuid::from_u128(5)),
        credential_version: 1,
        hold: NanoUsd(9_830_400),
        budgets: Cow::Owned(vec![HeldBudget {
            budget: BudgetId::new(Uuid::from_u128(6)),
            window_start: Micros(0),
            unit: Unit::Usd,
            amount: None,
        }]),
        end_user: None,
        query: None,
    }
}

fn outcome(intent: &Intent<'_>) -> Outcome<'static> {
    Outcome {
        attempt: intent.attempt,
        at: intent.at,
        ending: Ending::Complete,
        status: 200,
        served_model: Some("gpt-4o-mini"),
        usage: Usage::ZERO
            .with(Bucket::InputUncached, 25)
            .with(Bucket::OutputText, 120),
        cost: NanoUsd(75_750),
        flags: ChargeFlags::default(),
        first_byte_us: 350,
        total_us: 400,
        request_bytes: 1_024,
        response_bytes: 1_024,
        refusal: None,
        market: None,
        steps: None,
    }
}
