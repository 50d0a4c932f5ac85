//! Answers with a value that is told once: what a repeat of the same request gets in its place.

use crate::api_keys::CreatedApiKey;
use crate::tokens::CreatedToken;
use crate::webhooks::CreatedWebhook;

/// An answer whose secret is told once. A repeat of the request, by its `Idempotency-Key`, gets the answer without it.
pub trait ShownOnce {
    /// Takes the value away, and says that it was shown and what to do without it.
    fn hide(&mut self);
}

impl ShownOnce for CreatedToken {
    fn hide(&mut self) {
        self.token = None;
        self.secret_shown = true;
        self.remedy = Some(format!(
            "the value was shown in the first answer; if it is lost, rotate the token: `ks token rotate {}`",
            self.id
        ));
    }
}

impl ShownOnce for CreatedApiKey {
    fn hide(&mut self) {
        self.key = None;
        self.secret_shown = true;
        self.remedy = Some(format!(
            "the value was shown in the first answer; if it is lost, revoke the key (`DELETE /v1/api-keys/{}`) and make another",
            self.api_key.id
        ));
    }
}

impl ShownOnce for CreatedWebhook {
    fn hide(&mut self) {
        self.endpoint.secret = None;
        self.secret_shown = true;
        self.remedy = Some(format!(
            "the secret was shown in the first answer; if it is lost, make another: `ks webhook rotate-secret {}`",
            self.endpoint.id
        ));
    }
}
