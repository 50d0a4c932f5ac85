//! How the pools are used, counted until the control plane takes it and writes it down. The request path waits for none of it.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use keystore_core::Micros;
use keystore_core::ids::{CredentialId, OrgId};
use keystore_core::pool::Quota;
use keystore_store::pool_uses::{Of, Use, hour};

use crate::authorize::Permit;
use crate::lock::lock;

/// What was counted and not taken yet.
#[derive(Debug, Default)]
pub(crate) struct Uses(Mutex<HashMap<Of, Use>>);

impl Uses {
    /// A call got a key, after it waited so long; at once where it did not wait.
    pub(crate) fn granted(&self, of: Of, waited: Option<Duration>) {
        self.change(of, |used| {
            used.granted += 1;
            if let Some(waited) = waited {
                used.waited += 1;
                let ms = u64::try_from(waited.as_millis()).unwrap_or(u64::MAX);
                used.waited_ms = used.waited_ms.saturating_add(ms);
            }
        });
    }

    /// A call got no key.
    pub(crate) fn refused(&self, of: Of) {
        self.change(of, |used| used.refused += 1);
    }

    /// A call went on with another key.
    pub(crate) fn failed_over(&self, of: Of) {
        self.change(of, |used| used.failed_over += 1);
    }

    /// A vendor said that there is nothing left of a limit.
    pub(crate) fn limited(&self, of: Of) {
        self.change(of, |used| used.most_used = 1_000);
    }

    /// A vendor said what is left of its limits.
    pub(crate) fn left(&self, of: Of, quotas: &[Quota]) {
        let most_used = quotas.iter().filter_map(used_permille).max();
        if let Some(most_used) = most_used {
            self.change(of, |used| used.most_used = used.most_used.max(most_used));
        }
    }

    /// What was counted since this was asked last.
    pub(crate) fn take(&self) -> Vec<(Of, Use)> {
        lock(&self.0).drain().collect()
    }

    /// Puts back what was taken and could not be written.
    pub(crate) fn put_back(&self, counted: Vec<(Of, Use)>) {
        for (of, back) in counted {
            self.change(of, |used| {
                used.granted += back.granted;
                used.waited += back.waited;
                used.waited_ms = used.waited_ms.saturating_add(back.waited_ms);
                used.refused += back.refused;
                used.failed_over += back.failed_over;
                used.most_used = used.most_used.max(back.most_used);
            });
        }
    }

    fn change(&self, of: Of, change: impl FnOnce(&mut Use)) {
        change(lock(&self.0).entry(of).or_default());
    }
}

/// Of what something is counted.
pub(crate) fn of(at: Micros, provider: &str, org: OrgId, credential: Option<CredentialId>) -> Of {
    Of {
        hour: hour(at),
        provider: provider.to_owned(),
        org,
        credential,
    }
}

/// The same, of a call that has a key.
pub(crate) fn of_call(permit: &Permit, credential: CredentialId, at: Micros) -> Of {
    let tenant = permit.agent.policy.org;
    of(at, &permit.provider().slug, tenant, Some(credential))
}

/// How much of a limit is used, in thousandths.
fn used_permille(quota: &Quota) -> Option<u64> {
    let limit = quota.limit.filter(|limit| *limit > 0)?;
    let used = u128::from(limit.saturating_sub(quota.remaining));
    u64::try_from(used * 1_000 / u128::from(limit)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_share_of_a_limit_counts() {
        let quota = |limit, remaining| Quota {
            counts_requests: true,
            limit,
            remaining,
            resets_at: None,
        };
        let uses = Uses::default();
        let key = of(
            Micros::from_seconds(7_200),
            "openai",
            OrgId::new(uuid::Uuid::nil()),
            None,
        );
        assert_eq!(key.hour, 2);
        uses.left(key.clone(), &[quota(None, 5), quota(Some(0), 0)]);
        assert!(uses.take().is_empty(), "nothing is known");
        uses.left(key.clone(), &[quota(Some(100), 75), quota(Some(1_000), 100)]);
        uses.left(key.clone(), &[quota(Some(100), 90)]);
        uses.granted(key.clone(), Some(Duration::from_millis(30)));
        uses.granted(key.clone(), None);
        let taken = uses.take();
        uses.put_back(taken);
        uses.refused(key.clone());
        let expected = Use {
            granted: 2,
            waited: 1,
            waited_ms: 30,
            refused: 1,
            failed_over: 0,
            most_used: 900,
        };
        assert_eq!(uses.take(), [(key, expected)]);
    }
}
