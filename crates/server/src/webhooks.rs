//! Webhooks: making and changing them. What becomes of an event is in [`outbox`], the sending in [`sending`], what is sent in
//! [`messages`], what is counted in [`metrics`], and secrets in [`secrets`].

pub(crate) mod messages;
pub(crate) mod metrics;
pub(crate) mod outbox;
pub(crate) mod secrets;
pub(crate) mod sending;

use std::net::IpAddr;
use std::time::Duration;

use keystore_core::Micros;
use keystore_core::ids::{DeliveryId, WebhookId};
use keystore_core::webhook::{Health, PATIENCE};
use keystore_store::deliveries::{self, Delivery};
use keystore_store::webhooks::{self as rows, Webhook, WebhookState};
use keystore_store::{Conn, Tx};
use keystore_vault::WebhookSecret;
use keystore_wire::events::Kind;
use keystore_wire::problem::Code;
use keystore_wire::webhooks::{
    CreateWebhook, DEFAULT_OVERLAP_SECONDS, MAX_OVERLAP_SECONDS, MAX_WEBHOOKS, UpdateWebhook,
};
use reqwest::Url;

use crate::api::problem::{ApiError, ApiResult, Fields};
use crate::api::webhooks::{wire, wire_delivery};
use crate::app::App;
use crate::audit::Event;
use crate::auth::caller::Caller;
use crate::auth::require::Resource;
use crate::events::{self, New};
use crate::names::is_short;

/// The most bytes of an address.
const MAX_URL: usize = 2_000;
/// The most bytes of a description.
const MAX_DESCRIPTION: usize = 500;

impl Resource for Webhook {
    /// An id, or a name.
    type Key = String;
    const NOUN: &'static str = "webhook";

    async fn find(_: &App, conn: &mut Conn, caller: &Caller, key: &String) -> ApiResult<Self> {
        let found = match key.parse::<WebhookId>() {
            Ok(id) => rows::get(conn, caller.org, id).await?,
            Err(_) => rows::by_name(conn, caller.org, key).await?,
        };
        found
            .filter(|_| caller.reaches(None))
            .ok_or_else(|| ApiError::not_found(Self::NOUN))
    }
}

impl Resource for Delivery {
    type Key = DeliveryId;
    const NOUN: &'static str = "delivery";

    async fn find(_: &App, conn: &mut Conn, caller: &Caller, key: &DeliveryId) -> ApiResult<Self> {
        let found = deliveries::get(conn, caller.org, *key).await?;
        found
            .filter(|_| caller.reaches(None))
            .ok_or_else(|| ApiError::not_found(Self::NOUN))
    }
}

/// Makes a webhook. Gives its secret, which is told this once.
///
/// # Errors
/// `invalid_request`, `already_exists`, `conflict` when there are many already; `sealed`.
pub(crate) async fn create(
    app: &App,
    caller: &Caller,
    new: CreateWebhook,
) -> ApiResult<(Webhook, WebhookSecret)> {
    let org = caller.whole_org()?;
    let mut fields = Fields::default();
    check_url(app, &mut fields, &new.url);
    check_events(&mut fields, &new.events);
    check_words(&mut fields, new.name.as_deref(), &new.description);
    fields.check()?;
    let (id, now) = (WebhookId::new(app.ids.next()), app.clock.now());
    let secret = WebhookSecret::generate()?;
    let (kek, sealed) = secrets::seal(app, org, id, &new.url, &secret).await?;
    let row = Webhook {
        id,
        org,
        name: new.name.map(trimmed),
        url: new.url,
        events: new.events,
        description: trimmed(new.description),
        state: WebhookState::Active,
        secret: sealed,
        previous: None,
        previous_until: None,
        kek,
        failures: 0,
        failing_since: None,
        tried_at: Micros(0),
        next_at: Micros(0),
        created_at: now,
        updated_at: now,
    };
    let mut tx = app.store.begin().await?;
    caller.confirm(&mut tx, now).await?;
    if rows::count(&mut tx, org).await? >= MAX_WEBHOOKS {
        let full = format!("an organization has at most {MAX_WEBHOOKS} webhooks");
        return Err(ApiError::new(Code::Conflict, full).remedy("delete one that nobody needs"));
    }
    rows::insert(&mut tx, &row).await?;
    Event::new("create_webhook", &id)
        .after(&wire(row.clone()))?
        .by(&mut tx, caller)?;
    tx.commit().await?;
    Ok((row, secret))
}

/// Changes what is named.
///
/// # Errors
/// `invalid_request`, `already_exists`; `sealed` for another address, to which the secret is bound anew.
pub(crate) async fn update(
    app: &App,
    caller: &Caller,
    before: Webhook,
    change: UpdateWebhook,
) -> ApiResult<Webhook> {
    let mut after = before.clone();
    let now = app.clock.now();
    after.name = change.name.apply(after.name).map(trimmed);
    after.description = change.description.map_or(after.description, trimmed);
    after.events = change.events.unwrap_or(after.events);
    after.updated_at = now;
    let mut fields = Fields::default();
    check_events(&mut fields, &after.events);
    check_words(&mut fields, after.name.as_deref(), &after.description);
    if let Some(url) = &change.url {
        check_url(app, &mut fields, url);
    }
    fields.check()?;
    if let Some(url) = change.url.filter(|url| *url != before.url) {
        secrets::bind(app, &mut after, url).await?;
        set_health(&mut after, Health::WELL);
    }
    match change.enabled {
        Some(true) if after.state != WebhookState::Active => {
            after.state = WebhookState::Active;
            set_health(&mut after, Health::WELL);
        }
        Some(false) => after.state = WebhookState::Disabled,
        _ => {}
    }
    write(app, caller, "update_webhook", &before, after).await
}

/// Gives a webhook another secret; the one before signs, too, for so many seconds.
///
/// # Errors
/// `invalid_request`, `sealed`.
pub(crate) async fn rotate_secret(
    app: &App,
    caller: &Caller,
    before: Webhook,
    overlap_seconds: Option<u32>,
) -> ApiResult<(Webhook, WebhookSecret)> {
    let overlap = overlap_seconds.unwrap_or(DEFAULT_OVERLAP_SECONDS);
    if overlap > MAX_OVERLAP_SECONDS {
        let most = format!("must be at most {MAX_OVERLAP_SECONDS}");
        return Err(ApiError::field("/overlapSeconds", most));
    }
    let now = app.clock.now();
    let secret = WebhookSecret::generate()?;
    let mut after = before.clone();
    secrets::replace(app, &mut after, &secret, overlap > 0).await?;
    let until = now.plus(Duration::from_secs(u64::from(overlap)));
    after.previous_until = after.previous.is_some().then_some(until);
    after.updated_at = now;
    let written = write(app, caller, "rotate_webhook_secret", &before, after).await?;
    Ok((written, secret))
}

/// Writes `after` in the place of `before`, if that is still so.
async fn write(
    app: &App,
    caller: &Caller,
    action: &'static str,
    before: &Webhook,
    after: Webhook,
) -> ApiResult<Webhook> {
    let mut tx = app.store.begin().await?;
    caller.confirm(&mut tx, app.clock.now()).await?;
    let now = rows::get(&mut tx, before.org, before.id).await?;
    let now = now.ok_or_else(|| ApiError::not_found(Webhook::NOUN))?;
    if (now.updated_at, &now.secret) != (before.updated_at, &before.secret) {
        return Err(ApiError::new(
            Code::Conflict,
            "the webhook was changed just now by somebody else; nothing was changed; look at it and try again",
        ));
    }
    rows::update(&mut tx, &after).await?;
    Event::new(action, &after.id)
        .before(&wire(now))?
        .after(&wire(after.clone()))?
        .by(&mut tx, caller)?;
    tx.commit().await?;
    app.hooks.wake();
    Ok(after)
}

/// Deletes a webhook, and what waits for it.
///
/// # Errors
/// The store's.
pub(crate) async fn delete(tx: &mut Tx, caller: &Caller, row: Webhook) -> ApiResult<()> {
    rows::delete(tx, row.org, row.id).await?;
    Event::new("delete_webhook", &row.id)
        .before(&wire(row))?
        .by(tx, caller)
}

/// Sends a webhook an event that tests it, at once.
///
/// # Errors
/// `conflict` while it is disabled.
pub(crate) async fn test(app: &App, caller: &Caller, tx: &mut Tx, row: &Webhook) -> ApiResult<Delivery> {
    check_active(row)?;
    let new = New {
        org: row.org,
        project: None,
        kind: Kind::WebhookTest,
        subject: row.id.to_string(),
        data: messages::facts(row),
        once: None,
        mailed: false,
    };
    let event = events::put(app, tx, new).await?;
    let event = event.ok_or_else(|| ApiError::internal(std::io::Error::other("a test is always news")))?;
    let delivery = outbox::put(app, tx, row.id, &event).await?;
    rows::tried(tx, row.id, row.state, rested(row), row.tried_at).await?;
    let delivery = deliveries::get(tx, row.org, delivery).await?;
    let delivery = delivery.ok_or_else(|| ApiError::not_found(Delivery::NOUN))?;
    Event::new("test_webhook", &row.id)
        .after(&wire_delivery(delivery.clone()))?
        .by(tx, caller)?;
    Ok(delivery)
}

/// Sends a delivery once more, whether it was taken, given up or waits.
///
/// # Errors
/// `conflict` while its webhook is disabled.
pub(crate) async fn redeliver(app: &App, caller: &Caller, tx: &mut Tx, row: Delivery) -> ApiResult<Delivery> {
    let webhook = rows::get(tx, caller.org, row.webhook).await?;
    let webhook = webhook.ok_or_else(|| ApiError::not_found(Delivery::NOUN))?;
    check_active(&webhook)?;
    let now = app.clock.now();
    deliveries::again(tx, row.id, now, now.plus(PATIENCE)).await?;
    rows::tried(tx, webhook.id, webhook.state, rested(&webhook), webhook.tried_at).await?;
    let again = deliveries::get(tx, caller.org, row.id).await?;
    let again = again.ok_or_else(|| ApiError::not_found(Delivery::NOUN))?;
    Event::new("redeliver_webhook", &row.id)
        .before(&wire_delivery(row))?
        .after(&wire_delivery(again.clone()))?
        .by(tx, caller)?;
    Ok(again)
}

/// How a webhook does that is asked again at once.
fn rested(row: &Webhook) -> Health {
    Health {
        next_at: Micros(0),
        ..row.health()
    }
}

fn set_health(row: &mut Webhook, health: Health) {
    (row.failures, row.failing_since, row.next_at) = (health.failures, health.failing_since, health.next_at);
}

fn check_active(row: &Webhook) -> ApiResult<()> {
    match row.state {
        WebhookState::Active => Ok(()),
        _ => Err(ApiError::new(
            Code::Conflict,
            "the webhook is disabled, and nothing is sent to it",
        )
        .remedy(format!("enable it: `ks webhook update {} --enable`", row.id))),
    }
}

fn trimmed(text: impl AsRef<str>) -> String {
    text.as_ref().trim().to_owned()
}

fn check_words(fields: &mut Fields, name: Option<&str>, description: &str) {
    if let Some(name) = name {
        crate::names::check_title(fields, "/name", name);
        if name.parse::<WebhookId>().is_ok() {
            fields.wrong("/name", "must not look like an id");
        }
    }
    if !description.is_empty() && !is_short(description, MAX_DESCRIPTION) {
        fields.wrong(
            "/description",
            format!("expected at most {MAX_DESCRIPTION} bytes without control characters"),
        );
    }
}

fn check_events(fields: &mut Fields, events: &[String]) {
    if events.is_empty() || events.len() > Kind::ALL.len() {
        fields.wrong("/events", "expected at least one kind of event, or `*`");
    }
    for (at, wanted) in events.iter().enumerate() {
        let one = std::slice::from_ref(wanted);
        let known = |kind: &&Kind| keystore_core::webhook::wants(one, kind.as_str());
        if !Kind::ALL.iter().any(|kind| known(&kind)) {
            fields.wrong(
                format!("/events/{at}"),
                "is no kind of event, group such as `agent.*`, or `*`; `ks webhook events` lists the kinds",
            );
        }
    }
}

/// Notes what is wrong with an address. What its name resolves to is looked at whenever it is dialled.
fn check_url(app: &App, fields: &mut Fields, text: &str) {
    let mut wrong = |detail: String| fields.wrong("/url", detail);
    if text.len() > MAX_URL {
        return wrong(format!("expected at most {MAX_URL} bytes"));
    }
    let Ok(url) = Url::parse(text) else {
        return wrong("is no address, such as https://example.com/hooks/keystore".to_owned());
    };
    let Some(to) = messages::destination(&url) else {
        return wrong("must begin with https:// and name a host".to_owned());
    };
    if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
        return wrong("must hold neither a user, a password nor a fragment; messages are signed".to_owned());
    }
    let authority = format!("{}:{}", url.host_str().unwrap_or_default(), to.port);
    if app.settings.allow_upstream.contains(&authority) {
        return;
    }
    let may = format!("; an operator can allow {authority} (`upstream.allow_private`)");
    if url.scheme() != "https" {
        return wrong(format!("must begin with https://{may}"));
    }
    let internal = |address: IpAddr| !keystore_proxy::is_public(address);
    if to.host == "localhost" || to.host.parse().is_ok_and(internal) {
        wrong(format!("is no public address{may}"));
    }
}
