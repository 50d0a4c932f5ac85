//! Step 6: rates. A request counts in the rates of its agent at the provider, and in those of its project and its organization
//! where these have a ceiling: in all of them or in none. One that a later step refuses gives its counts back.

use std::sync::{Arc, Mutex};

use keystore_core::Deny;
use keystore_core::deny::RateScope;
use keystore_core::rate::{Admitted, Arrival, CountedTokens, RateLimits, Rates};

use crate::Proxy;
use crate::authorize::Permit;
use crate::lock::lock;

/// Rates that limit a request.
#[derive(Debug, Clone)]
pub(crate) struct Ceiling {
    pub(crate) scope: RateScope,
    pub(crate) rates: Arc<Mutex<Rates>>,
    pub(crate) limits: RateLimits,
}

/// One request's places in the rates. Dropping it gives them back, unless the request went on.
#[must_use]
#[derive(Debug)]
pub(crate) struct Admission {
    places: Vec<Place>,
}

#[derive(Debug)]
struct Place {
    ceiling: Ceiling,
    admitted: Admitted,
    tokens: Option<CountedTokens>,
}

/// A call that runs, in the rates. Dropping it ends it there.
#[derive(Debug)]
pub(crate) struct Run {
    places: Vec<Place>,
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
    /// Counts the request.
    ///
    /// # Errors
    ///
    /// The first limit that does not allow it.
    pub(crate) fn admit(&self, permit: &Permit) -> Result<Admission, Deny> {
        let arrival = self.arrival();
        let own = Ceiling {
            scope: RateScope::Agent,
            rates: Arc::clone(&permit.grant().rates),
            limits: self.limits(&permit.agent.policy),
        };
        let mut admission = Admission {
            places: Vec::with_capacity(1 + permit.agent.ceilings.len()),
        };
        for ceiling in std::iter::once(own).chain(permit.agent.ceilings.iter().cloned()) {
            let admitted = lock(&ceiling.rates)
                .try_admit(arrival, &ceiling.limits, ceiling.scope)
                .map_err(Deny::RateLimited)?;
            admission.places.push(Place {
                ceiling,
                admitted,
                tokens: None,
            });
        }
        Ok(admission)
    }

    /// Now, by both clocks.
    pub(crate) fn arrival(&self) -> Arrival {
        Arrival {
            now: self.clock.now(),
            boottime: self.clock.boottime(),
        }
    }
}

impl Admission {
    /// Counts the tokens that the call is expected to use, where they are limited.
    ///
    /// # Errors
    ///
    /// The first limit that does not allow them.
    pub(crate) fn count_tokens(&mut self, arrival: Arrival, expected: u64) -> Result<(), Deny> {
        for place in &mut self.places {
            let Ceiling { scope, rates, limits } = &place.ceiling;
            if let Some(limit) = limits.tpm.filter(|_| expected > 0) {
                let counted = lock(rates).try_tokens(arrival, limit, expected, *scope);
                place.tokens = Some(counted.map_err(Deny::RateLimited)?);
            }
        }
        Ok(())
    }

    /// The request is on its way: its counts stay.
    pub(crate) fn keep(mut self) -> (Run, Option<RateLeft>) {
        let places = std::mem::take(&mut self.places);
        let left = places.first().and_then(|place| {
            Some(RateLeft {
                limit: place.ceiling.limits.rpm?,
                remaining: place.admitted.remaining,
                resets_at: place.admitted.resets_at.0.div_euclid(1_000_000) + 1,
            })
        });
        (Run { places }, left)
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        for place in &self.places {
            let mut rates = lock(&place.ceiling.rates);
            rates.give_back(place.admitted);
            if let Some(counted) = place.tokens {
                rates.correct(counted, 0);
            }
        }
    }
}

impl Run {
    /// What the call used, in tokens of input and output.
    pub(crate) fn used(&self, tokens: u64) {
        for place in &self.places {
            if let Some(counted) = place.tokens {
                lock(&place.ceiling.rates).correct(counted, tokens);
            }
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        for place in &self.places {
            lock(&place.ceiling.rates).ended();
        }
    }
}
