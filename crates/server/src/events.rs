//! What happens becomes events, all in one way ([`raise`]): written once each, told in the log, sent to the organization's webhooks,
//! and mailed to its owners and admins where there is a mail server.
//!
//! What the data plane notices is taken every second, or at once where it should not wait. What a notice means is the business of its
//! own file.

mod abuse;
mod budgets;
mod credentials;
mod pool_tenants;
mod stray_keys;

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use keystore_core::abuse::SILENCE;
use keystore_core::ids::{EventId, OrgId, ProjectId};
use keystore_proxy::notices::Notice;
use keystore_store::{Tx, events, mails};
use keystore_wire::events::Kind;
use keystore_wire::problem::Code;
use serde_json::Value;
use tokio::sync::Mutex;

use crate::api::problem::ApiResult;
use crate::app::App;
use crate::webhooks::outbox;

/// How often it is asked what was noticed.
const TURN: Duration = Duration::from_secs(1);

/// What was taken from the data plane and is not written yet.
pub(crate) type Taken = Mutex<VecDeque<Notice>>;

/// An event to be.
#[derive(Debug, Clone)]
pub(crate) struct New {
    /// The organization.
    pub(crate) org: OrgId,
    /// The project that it belongs to, if it belongs to one.
    pub(crate) project: Option<ProjectId>,
    /// What happened, such as `usage.threshold`.
    pub(crate) kind: Kind,
    /// The id of what it happened to.
    pub(crate) subject: String,
    /// The facts. No secret is one.
    pub(crate) data: Value,
    /// The name of what must not be told twice; without one it is news in any case.
    pub(crate) once: Option<String>,
    /// Whether it is worth a mail.
    pub(crate) mailed: bool,
}

/// The hour that what is told once an hour is told in: a part of the name of its event, so that the next process does not tell again what
/// this one told.
fn hour(app: &App) -> i64 {
    app.clock.now().seconds() / i64::try_from(SILENCE.as_secs()).unwrap_or(1)
}

/// Writes down what was noticed, until the server stops. What cannot be written waits.
pub(crate) async fn run(app: Arc<App>) {
    while app.next_turn(TURN, app.proxy.noticed()).await {
        if let Err(error) = write(&app).await {
            tracing::warn!(%error, "events were not written; they are tried again in a second");
            tokio::time::sleep(TURN).await;
        }
    }
}

/// Writes down what was noticed since the last time, and what waits.
///
/// # Errors
/// `store_unavailable`; what is not written waits on.
pub(crate) async fn write(app: &App) -> ApiResult<()> {
    let mut waiting = app.taken.lock().await;
    waiting.extend(app.proxy.take_notices());
    while let Some(notice) = waiting.front() {
        match tell(app, notice).await {
            Err(error) if error.code() == Code::StoreUnavailable => return Err(error),
            Err(error) => tracing::error!(%error, ?notice, "what was noticed cannot be told"),
            Ok(()) => {}
        }
        waiting.pop_front();
    }
    Ok(())
}

/// Does what a notice asks for, and raises its event, in one transaction.
async fn tell(app: &App, notice: &Notice) -> ApiResult<()> {
    let mut tx = app.store.begin().await?;
    let new = match notice {
        Notice::Budget(notice) => budgets::event(app, &mut tx, notice).await?,
        Notice::Circuit(notice) => credentials::circuit(&mut tx, notice).await?,
        Notice::RefusedKey(notice) => credentials::refused(app, &mut tx, notice).await?,
        Notice::Abuse(notice) => abuse::event(app, &mut tx, notice).await?,
        Notice::KeyInAnswer(notice) => stray_keys::event(app, &mut tx, notice).await?,
        Notice::Signs(notice) => pool_tenants::event(app, &mut tx, notice).await?,
    };
    if let Some(new) = new {
        raise(app, &mut tx, new).await?;
        tx.commit().await?;
        app.mails_wait.notify_one();
        app.hooks.wake();
    }
    Ok(())
}

/// Writes an event that nobody was told of before, with what tells of it: the messages to webhooks, and the mails.
///
/// # Errors
/// The store's.
pub(crate) async fn raise(app: &App, tx: &mut Tx, new: New) -> ApiResult<()> {
    let mailed = new.mailed && app.mailer.delivers();
    let Some(event) = put(app, tx, new).await? else {
        return Ok(());
    };
    outbox::fill(app, tx, &event).await?;
    if mailed {
        mails::queue(tx, &event).await?;
    }
    Ok(())
}

/// Writes an event that nobody was told of before, and nothing that tells of it.
///
/// # Errors
/// The store's.
pub(crate) async fn put(app: &App, tx: &mut Tx, new: New) -> ApiResult<Option<events::Event>> {
    let event = events::Event {
        id: EventId::new(app.ids.next()),
        org: new.org,
        project: new.project,
        kind: new.kind.as_str().to_owned(),
        subject: new.subject,
        at: app.clock.now(),
        data: new.data,
    };
    let once = new.once.unwrap_or_else(|| event.id.to_string());
    if !events::raise(tx, &event, &once).await? {
        return Ok(None);
    }
    let (kind, org, subject, data) = (&event.kind, event.org, &event.subject, &event.data);
    match new.mailed {
        true => tracing::warn!(kind, %org, subject, %data, "an event"),
        false => tracing::info!(kind, %org, subject, %data, "an event"),
    }
    Ok(Some(event))
}
