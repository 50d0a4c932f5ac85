//! The outbox: an event's deliveries are written in the transaction that writes the event, so that none is lost, whenever the server
//! stops, and none is sent of an event that did not happen.

use keystore_core::ids::{DeliveryId, WebhookId};
use keystore_core::webhook::{PATIENCE, wants};
use keystore_store::events::Event;
use keystore_store::{Tx, deliveries, webhooks};

use crate::api::problem::ApiResult;
use crate::app::App;

/// Lets an event that was just written wait for every webhook that is told of its kind.
///
/// # Errors
/// The store's.
pub(crate) async fn fill(app: &App, tx: &mut Tx, event: &Event) -> ApiResult<()> {
    for webhook in webhooks::active(tx, event.org).await? {
        if wants(&webhook.events, &event.kind) {
            put(app, tx, webhook.id, event).await?;
        }
    }
    Ok(())
}

/// Lets an event that was just written wait for one webhook.
///
/// # Errors
/// The store's.
pub(super) async fn put(app: &App, tx: &mut Tx, webhook: WebhookId, event: &Event) -> ApiResult<DeliveryId> {
    let id = DeliveryId::new(app.ids.next());
    deliveries::insert(tx, id, webhook, event, event.at.plus(PATIENCE)).await?;
    Ok(id)
}
