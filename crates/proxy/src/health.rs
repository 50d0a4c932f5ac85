//! Before step 8: whether the host of a call is worth calling with its credential. One circuit for each credential and host, kept
//! with what is [learned](crate::learned) of the credential, in memory.
//!
//! A call that is held back has held nothing and is not recorded as an attempt. One that is let through has a [`Pass`], which is
//! told how the host behaved, once: at the head of the answer, or when none can come any more.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use http::StatusCode;
use keystore_core::Deny;
use keystore_core::circuit::{Change, Circuit, Entry, Verdict};
use keystore_core::destination::Destination;
use keystore_core::ids::{CredentialId, OrgId};

use crate::Proxy;
use crate::authorize::Permit;
use crate::cache::ReadyCredential;
use crate::forward::ForwardError;
use crate::learned::Learned;
use crate::lock::lock;
use crate::notices::Host;

/// The circuits of a credential: as many as hosts that it was sent to.
#[derive(Debug, Default)]
pub(crate) struct Circuits(Mutex<Vec<Kept>>);

#[derive(Debug)]
struct Kept {
    name: String,
    port: u16,
    circuit: Circuit,
}

impl Circuits {
    /// Lets a call to `to` through; gives the host's place here.
    fn enter(&self, to: &Destination, boottime: Duration) -> Result<(usize, Entry), Duration> {
        let mut hosts = lock(&self.0);
        let known = hosts
            .iter()
            .position(|host| host.port == to.port && host.name == to.host);
        let place = known.unwrap_or_else(|| {
            hosts.push(Kept {
                name: to.host.clone(),
                port: to.port,
                circuit: Circuit::default(),
            });
            hosts.len() - 1
        });
        Ok((place, hosts[place].circuit.enter(boottime)?))
    }

    /// Takes in how a call ended; gives what that changed, with the host's name.
    fn leave(
        &self,
        (place, entry): (usize, Entry),
        verdict: Verdict,
        boottime: Duration,
    ) -> Option<(Change, String)> {
        let host = &mut lock(&self.0)[place];
        let change = host.circuit.leave(entry, verdict, boottime)?;
        Some((change, host.name.clone()))
    }
}

/// A call's way through its circuit. Dropping it says that nothing is known of the host.
pub(crate) struct Pass {
    proxy: Arc<Proxy>,
    learned: Arc<Learned>,
    org: OrgId,
    credential: CredentialId,
    /// The provider's name among the metrics.
    provider: &'static str,
    entry: Option<(usize, Entry)>,
}

impl Proxy {
    /// Lets a call through, unless its host has failed too often.
    pub(crate) fn pass(
        self: &Arc<Self>,
        permit: &Permit,
        credential: &ReadyCredential,
    ) -> Result<Pass, Deny> {
        let provider = || permit.provider().slug.to_string();
        let alias = permit.target.alias();
        let host = credential.policy.host(alias).ok_or_else(|| Deny::UnknownHost {
            provider: provider(),
            alias: alias.to_owned(),
        })?;
        let learned = &credential.learned;
        let entry = learned
            .circuits
            .enter(host, self.clock.boottime())
            .map_err(|wait| Deny::CircuitOpen {
                provider: provider(),
                host: host.host.clone(),
                resets_at: self.clock.now().plus(wait),
            })?;
        Ok(Pass {
            proxy: Arc::clone(self),
            learned: Arc::clone(learned),
            org: credential.org,
            credential: credential.id,
            provider: permit.provider().label(),
            entry: Some(entry),
        })
    }
}

impl Pass {
    /// The head of the answer is there. A refusal of what was asked for is no failure, and neither is a rate limit.
    pub(crate) fn answered(mut self, status: StatusCode) {
        let failed = status.is_server_error() && status != StatusCode::NOT_IMPLEMENTED;
        self.leave(if failed {
            Verdict::Failed
        } else {
            Verdict::Answered
        });
    }

    /// No answer came.
    pub(crate) fn failed(mut self, error: &ForwardError) {
        self.leave(match error {
            ForwardError::NotSent { is_ours: true, .. }
            | ForwardError::Stale
            | ForwardError::RequestBody(_) => Verdict::Unknown,
            ForwardError::NotSent { .. } | ForwardError::Broken { .. } | ForwardError::Timeout => {
                Verdict::Failed
            }
        });
    }

    fn leave(&mut self, verdict: Verdict) {
        let Some(entry) = self.entry.take() else { return };
        let boottime = self.proxy.clock.boottime();
        let Some((change, name)) = self.learned.circuits.leave(entry, verdict, boottime) else {
            return;
        };
        match change {
            Change::Opened(_) => self.proxy.metrics.circuit_opened(self.provider),
            Change::Closed => self.proxy.metrics.circuit_closed(self.provider),
        }
        let (org, credential) = (self.org, self.credential);
        self.proxy.note_circuit(
            Host {
                org,
                credential,
                name,
            },
            change,
        );
    }
}

impl Drop for Pass {
    fn drop(&mut self) {
        self.leave(Verdict::Unknown);
    }
}

#[cfg(test)]
mod tests {
    use keystore_core::circuit::{FAILURES_IN_A_ROW, FIRST_PAUSE};
    use keystore_core::destination::Scheme;

    use super::*;

    fn destination(host: &str, port: u16) -> Destination {
        Destination {
            alias: String::new(),
            scheme: Scheme::Https,
            host: host.to_owned(),
            port,
            base_path: String::new(),
        }
    }

    #[test]
    fn a_host_that_fails_leaves_the_others_alone() {
        let circuits = Circuits::default();
        let bad = destination("eu.example.com", 443);
        for failure in 1..=FAILURES_IN_A_ROW {
            let entry = circuits.enter(&bad, Duration::ZERO).unwrap();
            let change = circuits.leave(entry, Verdict::Failed, Duration::ZERO);
            let opened = (Change::Opened(FIRST_PAUSE), "eu.example.com".to_owned());
            assert_eq!(change, (failure == FAILURES_IN_A_ROW).then_some(opened));
        }
        assert_eq!(circuits.enter(&bad, Duration::ZERO), Err(FIRST_PAUSE));
        for good in [
            destination("eu.example.com", 8443),
            destination("us.example.com", 443),
        ] {
            assert!(circuits.enter(&good, Duration::ZERO).is_ok());
        }
    }
}
