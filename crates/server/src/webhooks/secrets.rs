//! Secrets of webhooks: sealed when they are made, opened to sign, moved when the organization's KEK changes.
//!
//! Calls of a KMS come before the transaction that writes what they gave, as everywhere.

use keystore_core::ids::{KekId, OrgId, WebhookId};
use keystore_store::keks;
use keystore_store::webhooks::{self as rows, Webhook};
use keystore_vault::{SecretPlace, VaultError, WebhookSecret, WrappedKek};
use keystore_wire::problem::Code;

use crate::api::problem::{ApiError, ApiResult};
use crate::app::App;
use crate::custody::wrapped;
use crate::jobs::go_on_after;

/// Organizations that are seen to at a time.
const AT_A_TIME: u32 = 64;

/// The secrets that sign now: the present one first.
pub(crate) type Signing = Vec<WebhookSecret>;

/// Seals a secret under the active KEK. Gives that KEK, too.
///
/// # Errors
/// `sealed`, `customer_key_unavailable`; the store's.
pub(super) async fn seal(
    app: &App,
    org: OrgId,
    webhook: WebhookId,
    url: &str,
    secret: &WebhookSecret,
) -> ApiResult<(KekId, Vec<u8>)> {
    let kek = active(app, org).await?;
    app.count_wraps(&kek, 1).await?;
    let place = SecretPlace { webhook, url };
    Ok((kek.id, app.vault.seal_webhook_secret(&kek, place, secret).await?))
}

/// Puts another secret in the place of a webhook's; the one before stays beside it where it is to sign, too.
///
/// # Errors
/// As [`seal`].
pub(super) async fn replace(
    app: &App,
    row: &mut Webhook,
    secret: &WebhookSecret,
    overlaps: bool,
) -> ApiResult<()> {
    let before = match overlaps {
        true => open_one(app, row, &row.secret).await?,
        false => None,
    };
    let url = row.url.clone();
    put(app, row, &url, secret, before.as_ref()).await
}

/// Points a webhook at another address, and binds its secrets to that.
///
/// # Errors
/// As [`seal`]; `conflict` when they were sealed under a key that was destroyed.
pub(super) async fn bind(app: &App, row: &mut Webhook, url: String) -> ApiResult<()> {
    let (present, before) = both(app, row).await?;
    let present = present.ok_or_else(lost)?;
    put(app, row, &url, &present, before.as_ref()).await?;
    row.url = url;
    Ok(())
}

/// The secrets that sign a message to a webhook now; `None` where they were destroyed.
///
/// # Errors
/// `sealed`, `customer_key_unavailable`; the store's.
pub(super) async fn signing(app: &App, row: &Webhook) -> ApiResult<Option<Signing>> {
    let Some(present) = open_one(app, row, &row.secret).await? else {
        return Ok(None);
    };
    let mut signing = vec![present];
    let is_on = row.previous_until.is_some_and(|until| app.clock.now() < until);
    if let Some(previous) = row.previous.as_ref().filter(|_| is_on) {
        signing.extend(open_one(app, row, previous).await?);
    }
    Ok(Some(signing))
}

/// Moves the secrets of an organization to its active KEK.
///
/// # Errors
/// As [`seal`].
pub(crate) async fn follow(app: &App, org: OrgId) -> ApiResult<()> {
    let mut conn = app.store.read().await?;
    let Some(kek) = keks::active(&mut conn, org).await? else {
        return Ok(());
    };
    let all = rows::list(&mut conn, org, None, u32::MAX).await?;
    drop(conn);
    for before in all.iter().filter(|row| row.kek != kek.id) {
        let (Some(present), previous) = both(app, before).await? else {
            continue;
        };
        let (mut after, url) = (before.clone(), before.url.clone());
        put(app, &mut after, &url, &present, previous.as_ref()).await?;
        let mut tx = app.store.begin().await?;
        rows::reseal(&mut tx, before, &after).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Does that for all organizations with secrets under another KEK. One whose KMS does not answer holds none of the others up.
///
/// # Errors
/// The store's.
pub(crate) async fn follow_all(app: &App) -> ApiResult<()> {
    let mut after = None;
    loop {
        let found = rows::moved(&mut app.store.read().await?, after, AT_A_TIME).await?;
        let Some(last) = found.last() else { return Ok(()) };
        after = Some(*last);
        for org in found {
            let what = "secrets of webhooks were not moved to the active key";
            go_on_after(org, follow(app, org).await, what)?;
        }
    }
}

async fn active(app: &App, org: OrgId) -> ApiResult<WrappedKek> {
    let row = keks::active(&mut app.store.read().await?, org).await?;
    let row = row.ok_or_else(|| {
        ApiError::new(
            Code::Sealed,
            "the organization has no active key-encryption key, so nothing can be sealed",
        )
    })?;
    Ok(wrapped(&row))
}

/// Seals both secrets under the active KEK, for `url`.
async fn put(
    app: &App,
    row: &mut Webhook,
    url: &str,
    present: &WebhookSecret,
    previous: Option<&WebhookSecret>,
) -> ApiResult<()> {
    let (kek, sealed) = seal(app, row.org, row.id, url, present).await?;
    row.previous = match previous {
        Some(previous) => {
            let (same, sealed) = seal(app, row.org, row.id, url, previous).await?;
            if same != kek {
                return Err(ApiError::new(
                    Code::Conflict,
                    "the organization's key was rotated just now; nothing was changed; try again",
                ));
            }
            Some(sealed)
        }
        None => None,
    };
    (row.kek, row.secret) = (kek, sealed);
    Ok(())
}

/// The secrets of a webhook, as far as the keys that they are sealed under are there.
async fn both(app: &App, row: &Webhook) -> ApiResult<(Option<WebhookSecret>, Option<WebhookSecret>)> {
    let present = open_one(app, row, &row.secret).await?;
    let previous = match &row.previous {
        Some(sealed) => open_one(app, row, sealed).await?,
        None => None,
    };
    Ok((present, previous))
}

/// Opens one secret; `None` where its KEK was destroyed.
async fn open_one(app: &App, row: &Webhook, sealed: &[u8]) -> ApiResult<Option<WebhookSecret>> {
    let Some(kek) = keks::get(&mut app.store.read().await?, row.org, row.kek).await? else {
        return Ok(None);
    };
    let place = SecretPlace {
        webhook: row.id,
        url: &row.url,
    };
    match app.vault.open_webhook_secret(&wrapped(&kek), place, sealed).await {
        Ok(secret) => Ok(Some(secret)),
        Err(VaultError::Destroyed) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

fn lost() -> ApiError {
    ApiError::new(
        Code::Conflict,
        "the webhook's secret was sealed under a key that was destroyed",
    )
    .remedy("make another secret: `ks webhook rotate-secret`")
}
