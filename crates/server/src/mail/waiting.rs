//! The mails about events: each begins to wait in the transaction that writes its event, so that none is written twice whenever the
//! server stops, and waits until the mail server has taken it. Only a stop between that and the note of it sends a mail again.

use std::sync::Arc;
use std::time::Duration;

use keystore_core::Micros;
use keystore_core::ids::CredentialId;
use keystore_store::credentials::{self, CredentialStatus};
use keystore_store::mails::{self, Waiting};
use keystore_wire::Time;

use super::events;
use crate::api::problem::ApiResult;
use crate::app::App;
use crate::jobs::TURN;

/// The longest pause between two attempts to send a mail.
const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// How long a mail is tried. By then the next reminder is near.
const GIVE_UP: Duration = Duration::from_secs(3 * 86_400);

/// How many mails are read at once.
const BATCH: u32 = 100;

/// Sends the mails that wait, until the server stops. Beside the jobs: a mail server that is slow to answer holds none of them up.
pub(crate) async fn run(app: Arc<App>) {
    while app.next_turn(TURN, app.mails_wait.notified()).await {
        if let Err(error) = deliver(&app).await {
            tracing::warn!(%error, "events were not mailed; they are tried again in a minute");
        }
    }
}

/// Sends every mail whose time has come. One that is not taken waits as long again as it has waited, an hour at most.
///
/// # Errors
/// The store's.
pub(crate) async fn deliver(app: &App) -> ApiResult<()> {
    let _one_at_a_time = app.delivering.lock().await;
    give_up(app).await?;
    loop {
        let waiting = mails::waiting(&mut app.store.read().await?, app.clock.now(), BATCH).await?;
        for mail in &waiting {
            if app.stop.is_cancelled() {
                return Ok(());
            }
            send(app, mail).await?;
        }
        if waiting.is_empty() {
            return Ok(());
        }
    }
}

async fn send(app: &App, mail: &Waiting) -> ApiResult<()> {
    let sent = match still_holds(app, mail).await? {
        true => app.mailer.send(events::mail(&app.settings.api_url, mail)).await,
        false => Ok(()),
    };
    let mut tx = app.store.begin().await?;
    match sent {
        Ok(()) => mails::done(&mut tx, mail).await?,
        Err(error) => {
            let now = app.clock.now();
            let pause = now.since(mail.made_at).clamp(TURN, LONGEST_PAUSE);
            tracing::error!(%error, event = %mail.event, ?pause, "an event was not mailed; it is tried again");
            mails::put_off(&mut tx, mail, now.plus(pause)).await?;
        }
    }
    Ok(tx.commit().await?)
}

/// Whether what happened to a key is still so: nobody is written to about one that was rotated or deleted meanwhile.
async fn still_holds(app: &App, mail: &Waiting) -> ApiResult<bool> {
    let Ok(id) = mail.subject.parse::<CredentialId>() else {
        return Ok(true);
    };
    let found = credentials::get(&mut app.store.read().await?, mail.org, id).await?;
    let Some(key) = found else { return Ok(false) };
    let is_due = |at: Option<Micros>| {
        let at = at.map(|at| serde_json::json!(Time::from(at)));
        at.as_ref() == mail.data.get("dueAt")
    };
    Ok(match mail.kind.as_str() {
        "credential.expiring" => is_due(key.expires_at),
        "credential.rotation_due" => is_due(key.rotate_after),
        "credential.invalid" => key.status == CredentialStatus::Invalid,
        _ => true,
    })
}

/// Gives up what waited too long.
async fn give_up(app: &App) -> ApiResult<()> {
    let before = app.clock.now().minus(GIVE_UP);
    if mails::old(&mut app.store.read().await?, before).await? == 0 {
        return Ok(());
    }
    let mut tx = app.store.begin().await?;
    mails::delete_old(&mut tx, before).await?;
    Ok(tx.commit().await?)
}
