//! Step 6: rates. A request that a later step refuses gives its count back.

use std::sync::{Arc, Mutex, PoisonError};

use keystore_core::Deny;
use keystore_core::rate::{Admitted, Arrival, RateLimits, Rates};

use crate::Proxy;
use crate::authorize::Permit;

/// One request's place in the rates. Dropping it gives the place back, unless the request went on.
#[must_use]
#[derive(Debug)]
pub(crate) struct Admission {
    rates: Arc<Mutex<Rates>>,
    limits: RateLimits,
    admitted: Option<Admitted>,
}

/// What an admission leaves, for the headers of the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RateLeft {
    /// Requests a minute.
    pub(crate) limit: u32,
    /// Requests left under it.
    pub(crate) remaining: u32,
    /// When the first of them stops counting, in whole seconds since the epoch, rounded up.
    pub(crate) resets_at: i64,
}

impl Proxy {
    /// Counts the request against the agent's rates at the provider.
    pub(crate) fn admit(&self, permit: &Permit) -> Result<Admission, Deny> {
        let arrival = Arrival {
            now: self.clock.now(),
            boottime: self.clock.boottime(),
        };
        let limits = RateLimits {
            rpm: permit.agent.policy.rpm_limit.unwrap_or(self.config.default_rpm),
            rpd: permit.agent.policy.rpd_limit.unwrap_or(self.config.default_rpd),
        };
        let rates = Arc::clone(&permit.grant().rates);
        let admitted = rates
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .try_admit(arrival, limits)
            .map_err(Deny::RateLimited)?;
        Ok(Admission {
            rates,
            limits,
            admitted: Some(admitted),
        })
    }
}

impl Admission {
    /// The request is on its way: its count stays.
    pub(crate) fn keep(mut self) -> Option<RateLeft> {
        self.admitted.take().map(|admitted| RateLeft {
            limit: self.limits.rpm,
            remaining: admitted.remaining,
            resets_at: admitted.resets_at.0.div_euclid(1_000_000) + 1,
        })
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        if let Some(admitted) = self.admitted.take() {
            self.rates
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .give_back(admitted);
        }
    }
}
