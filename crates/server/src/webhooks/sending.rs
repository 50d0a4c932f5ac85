//! Sends what waits. Each webhook is served by a task of its own, one message after the other, so that a dead receiver holds nobody
//! up: neither another webhook, nor a call of the data plane, which knows nothing of this.
//!
//! An outcome is written after the answer. A server that ends between the two sends the message again: at least once, with the same
//! `webhook-id`.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keystore_core::Micros;
use keystore_core::ids::{OrgId, WebhookId};
use keystore_core::webhook::{Health, Outcome, asked_until, next_attempt};
use keystore_proxy::Receipt;
use keystore_store::Tx;
use keystore_store::deliveries::{self, Delivery, DeliveryState};
use keystore_store::webhooks::{self as rows, Webhook, WebhookState};
use keystore_wire::events::Kind;
use keystore_wire::problem::Code;
use tokio::sync::Notify;

use super::messages::{facts, message};
use super::metrics::Counts;
use super::secrets::{self, Signing};
use crate::api::problem::ApiResult;
use crate::api::webhooks::wire;
use crate::app::App;
use crate::audit::Event;
use crate::events::{self, New};

/// How often it is asked what waits.
const TURN: Duration = Duration::from_secs(1);
/// How long a receiver has, from the first byte of the connection to the head of its answer.
const LIMIT: Duration = Duration::from_secs(15);
/// How much of an answer is kept, in bytes.
const EXCERPT: usize = 1_000;
/// Webhooks that are served at the same time.
const AT_A_TIME: usize = 64;
/// Those of one organization.
const AT_A_TIME_OF_ORG: usize = 8;
/// How many messages are sent to one webhook before others have their turn.
const BATCH: u32 = 50;
/// How long a webhook waits whose secret cannot be opened.
const KMS_PAUSE: Duration = Duration::from_secs(60);
/// For how long it is kept what became of a message.
const KEPT: Duration = Duration::from_secs(30 * 86_400);

/// Which webhooks are served just now.
#[derive(Default)]
pub(crate) struct Hooks {
    served: Mutex<HashMap<WebhookId, OrgId>>,
    woken: Notify,
    /// What came of it.
    pub(crate) counts: Counts,
}

impl Hooks {
    /// Lets it be looked at once whether something waits.
    pub(crate) fn wake(&self) {
        self.woken.notify_one();
    }

    /// Takes a webhook to serve, unless somebody does, or so many are served already.
    fn take(self: &Arc<Self>, id: WebhookId, org: OrgId) -> Option<Served> {
        let mut served = self.served.lock().unwrap_or_else(PoisonError::into_inner);
        let of_org = served.values().filter(|other| **other == org).count();
        if served.contains_key(&id) || served.len() >= AT_A_TIME || of_org >= AT_A_TIME_OF_ORG {
            return None;
        }
        served.insert(id, org);
        drop(served);
        Some(Served {
            hooks: Arc::clone(self),
            id,
        })
    }
}

/// A webhook that is served until this is dropped.
struct Served {
    hooks: Arc<Hooks>,
    id: WebhookId,
}

impl Drop for Served {
    fn drop(&mut self) {
        let mut served = self.hooks.served.lock().unwrap_or_else(PoisonError::into_inner);
        served.remove(&self.id);
        drop(served);
        self.hooks.wake();
    }
}

/// Sends what waits, until the server stops.
pub(crate) async fn run(app: Arc<App>) {
    while app.next_turn(TURN, app.hooks.woken.notified()).await {
        if let Err(error) = turn(&app).await {
            tracing::warn!(%error, "webhooks were not looked after; it is tried again in a second");
            tokio::time::sleep(TURN).await;
        }
    }
}

/// Begins to serve the webhooks that something waits for.
async fn turn(app: &Arc<App>) -> ApiResult<()> {
    let most = u32::try_from(4 * AT_A_TIME).unwrap_or(u32::MAX);
    let ready = rows::ready(&mut app.store.read().await?, app.clock.now(), most).await?;
    for (id, org) in ready {
        if let Some(served) = app.hooks.take(id, org) {
            let app = Arc::clone(app);
            app.tasks.clone().spawn(async move { serve(&app, &served).await });
        }
    }
    Ok(())
}

/// Sends everything that may be sent now, and returns when that is done.
///
/// # Errors
/// The store's.
pub(crate) async fn send_all(app: &App) -> ApiResult<()> {
    loop {
        let ready = rows::ready(&mut app.store.read().await?, app.clock.now(), u32::MAX).await?;
        if ready.is_empty() {
            return Ok(());
        }
        for (id, org) in ready {
            match app.hooks.take(id, org) {
                Some(served) => serve(app, &served).await,
                // Somebody else is about to.
                None => tokio::time::sleep(Duration::from_millis(10)).await,
            }
        }
    }
}

async fn serve(app: &App, served: &Served) {
    let done = tokio::select! {
        // What is under way is sent again by the next process.
        () = app.stop.cancelled() => return,
        done = batch(app, served.id) => done,
    };
    if let Err(error) = done {
        tracing::warn!(webhook = %served.id, %error, "a webhook was not served; it is tried again");
        // Not at once: the database is away.
        tokio::time::sleep(TURN).await;
    }
}

/// Sends one message after the other, until one is not taken.
async fn batch(app: &App, id: WebhookId) -> ApiResult<()> {
    let mut conn = app.store.read().await?;
    let Some(webhook) = rows::by_id(&mut conn, id).await? else {
        return Ok(());
    };
    let due = deliveries::due(&mut conn, id, app.clock.now(), BATCH).await?;
    drop(conn);
    if due.is_empty() || webhook.state != WebhookState::Active {
        return Ok(());
    }
    let Some(signing) = unsealed(app, &webhook).await? else {
        return Ok(());
    };
    let mut health = webhook.health();
    for delivery in due {
        let Some(event) = deliveries::event(&mut app.store.read().await?, &delivery).await? else {
            continue;
        };
        let message = message(&webhook, &event, &signing, app.clock.now())?;
        let answer = app.proxy.post(message, EXCERPT, LIMIT).await;
        let outcome = answer
            .as_ref()
            .map_or(Outcome::Refused, |receipt| Outcome::of_status(receipt.status));
        let asked = asked(&answer, outcome, app.clock.now());
        health = health.after(outcome, app.clock.now(), luck(app));
        health = asked.map_or(health, |at| health.not_before(at));
        app.hooks.counts.tried(answer.is_ok().then_some(outcome));
        let mut tx = app.store.begin().await?;
        let tried = tried(app, delivery, outcome, answer, asked);
        let noted = deliveries::tried(&mut tx, &tried).await?;
        let stays = note(app, &mut tx, &webhook, health, outcome).await?;
        tx.commit().await?;
        app.hooks
            .counts
            .died(u64::from(noted && tried.state == DeliveryState::Dead));
        if !stays || outcome != Outcome::Taken {
            break;
        }
    }
    Ok(())
}

/// The secrets to sign with. Where there are none any more, the webhook is disabled; where their KMS is away, it waits.
async fn unsealed(app: &App, webhook: &Webhook) -> ApiResult<Option<Signing>> {
    let (state, wait) = match secrets::signing(app, webhook).await {
        Ok(Some(signing)) => return Ok(Some(signing)),
        Ok(None) => (WebhookState::Lost, Duration::ZERO),
        Err(error) if error.code() == Code::StoreUnavailable => return Err(error),
        Err(error) => {
            tracing::warn!(webhook = %webhook.id, %error, "the secret of a webhook cannot be opened now; it waits a minute");
            (WebhookState::Active, KMS_PAUSE)
        }
    };
    let now = app.clock.now();
    let health = Health {
        next_at: now.plus(wait),
        ..webhook.health()
    };
    let mut tx = app.store.begin().await?;
    let written = rows::tried(&mut tx, webhook.id, state, health, now).await?;
    if written && state == WebhookState::Lost {
        tell(app, &mut tx, webhook.clone(), state).await?;
    }
    tx.commit().await?;
    Ok(None)
}

/// Until when a receiver that did not take a message wants to be left alone.
fn asked(answer: &Result<Receipt, String>, outcome: Outcome, now: Micros) -> Option<Micros> {
    let receipt = answer.as_ref().ok().filter(|_| outcome == Outcome::Refused)?;
    asked_until(receipt.retry_after.as_deref()?, now)
}

/// A delivery after an attempt.
fn tried(
    app: &App,
    before: Delivery,
    outcome: Outcome,
    answer: Result<Receipt, String>,
    asked: Option<Micros>,
) -> Delivery {
    let now = app.clock.now();
    let attempts = before.attempts.saturating_add(1);
    let next = next_attempt(attempts, now, before.give_up_at, asked, luck(app));
    let (state, next_at) = match (outcome, next) {
        (Outcome::Taken, _) => (DeliveryState::Delivered, now),
        (_, Some(at)) => (DeliveryState::Pending, at),
        (_, None) => (DeliveryState::Dead, now),
    };
    let (status, answer, error) = match answer {
        Ok(receipt) => {
            let refused = (outcome != Outcome::Taken).then(|| format!("it answered {}", receipt.status));
            (Some(receipt.status), Some(shown(&receipt.excerpt)), refused)
        }
        Err(reason) => (None, None, Some(reason)),
    };
    Delivery {
        state,
        attempts,
        next_at,
        tried_at: Some(now),
        status,
        answer,
        error,
        ..before
    }
}

/// What may be shown of an answer.
fn shown(excerpt: &[u8]) -> String {
    let plain = |letter: char| match letter.is_control() && letter != '\n' {
        true => char::REPLACEMENT_CHARACTER,
        false => letter,
    };
    String::from_utf8_lossy(excerpt).chars().map(plain).collect()
}

/// Notes how the webhook does, and disables it where it is hopeless, or wants no more. Whether it goes on.
async fn note(
    app: &App,
    tx: &mut Tx,
    webhook: &Webhook,
    health: Health,
    outcome: Outcome,
) -> ApiResult<bool> {
    let now = app.clock.now();
    let state = match outcome {
        Outcome::Gone => WebhookState::Gone,
        Outcome::Refused if health.is_hopeless(now) => WebhookState::Failing,
        _ => WebhookState::Active,
    };
    // Somebody who changed it while the message was under way is not undone.
    let Some(present) = rows::get(tx, webhook.org, webhook.id).await? else {
        return Ok(false);
    };
    if (present.state, &present.url) != (WebhookState::Active, &webhook.url) {
        return Ok(false);
    }
    rows::tried(tx, webhook.id, state, health, now).await?;
    if state == WebhookState::Active {
        return Ok(present.updated_at == webhook.updated_at);
    }
    tell(app, tx, present, state).await?;
    Ok(false)
}

/// Tells that a webhook was disabled.
async fn tell(app: &App, tx: &mut Tx, before: Webhook, state: WebhookState) -> ApiResult<()> {
    let after = Webhook {
        state,
        ..before.clone()
    };
    let mut data = facts(&after);
    data["because"] = match state {
        WebhookState::Gone => "gone",
        WebhookState::Lost => "lost",
        _ => "failing",
    }
    .into();
    Event::new("disable_webhook", &before.id)
        .before(&wire(before))?
        .after(&wire(after.clone()))?
        .by_system(tx, after.org)?;
    let new = New {
        org: after.org,
        project: None,
        kind: Kind::WebhookDisabled,
        subject: after.id.to_string(),
        data,
        once: None,
        mailed: true,
    };
    events::raise(app, tx, new).await
}

/// Gives up what waited too long, and forgets what ended long ago.
///
/// # Errors
/// The store's.
pub(crate) async fn tidy(app: &App) -> ApiResult<()> {
    let (now, before) = (app.clock.now(), app.clock.now().minus(KEPT));
    let mut conn = app.store.read().await?;
    let (late, old) = (
        deliveries::late(&mut conn, now).await?,
        deliveries::old(&mut conn, before).await?,
    );
    drop(conn);
    if late + old == 0 {
        return Ok(());
    }
    let mut tx = app.store.begin().await?;
    let dead = deliveries::give_up(&mut tx, now, "it waited for 72 hours").await?;
    deliveries::delete_old(&mut tx, before).await?;
    tx.commit().await?;
    app.hooks.counts.died(dead);
    Ok(())
}

/// A random number, from where ids are: their last bits are.
fn luck(app: &App) -> u32 {
    let [.., a, b, c, d] = app.ids.next().into_bytes();
    u32::from_be_bytes([a, b, c, d])
}
