//! Passwords, hashed where blocking is allowed and few at a time, so that a flood of sign-ins takes neither the workers nor
//! the memory.

use std::sync::Arc;

use keystore_vault::password;
use tokio::sync::Semaphore;
use zeroize::Zeroizing;

use crate::api::problem::{ApiError, ApiResult};

/// How many run at a time: each takes 19 MiB and a core.
const AT_A_TIME: usize = 2;

/// Hashes and checks passwords.
#[derive(Debug)]
pub(crate) struct Passwords {
    places: Arc<Semaphore>,
}

impl Passwords {
    pub(crate) fn new() -> Self {
        Self {
            places: Arc::new(Semaphore::new(AT_A_TIME)),
        }
    }

    /// What is kept of a password.
    ///
    /// # Errors
    /// The vault's.
    pub(crate) async fn hash(&self, password: &str) -> ApiResult<String> {
        let password = Zeroizing::new(password.to_owned());
        Ok(self.run(move || password::hash(&password)).await??)
    }

    /// Whether this is the password of `stored`. Takes as long when there is no `stored`.
    ///
    /// # Errors
    /// `internal`.
    pub(crate) async fn verify(&self, password: &str, stored: Option<&str>) -> ApiResult<bool> {
        let (password, stored) = (Zeroizing::new(password.to_owned()), stored.map(str::to_owned));
        self.run(move || password::verify(&password, stored.as_deref()))
            .await
    }

    async fn run<T: Send + 'static>(&self, work: impl FnOnce() -> T + Send + 'static) -> ApiResult<T> {
        let place = Arc::clone(&self.places)
            .acquire_owned()
            .await
            .map_err(ApiError::internal)?;
        let work = move || {
            // Held by the work itself: a caller that goes away does not make room for another one.
            let _place = place;
            work()
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(ApiError::internal)
    }
}
