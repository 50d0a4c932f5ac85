//! Which hosts are known to fail. An outage begins when a circuit opens, and is over once the circuit stayed closed for a while: a host
//! that fails and answers by turns has one outage, not one for each turn.

use std::collections::HashMap;
use std::time::Duration;

use keystore_core::ids::{CredentialId, OrgId};

use super::CircuitNotice;

/// How long a host must have answered until its outage is over.
pub(super) const CALM: Duration = Duration::from_secs(300);

/// A host that a credential is sent to.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Host {
    pub(crate) org: OrgId,
    pub(crate) credential: CredentialId,
    pub(crate) name: String,
}

impl Host {
    pub(super) fn fails(self) -> CircuitNotice {
        self.notice(true)
    }

    pub(super) fn answers(self) -> CircuitNotice {
        self.notice(false)
    }

    fn notice(self, fails: bool) -> CircuitNotice {
        CircuitNotice {
            org: self.org,
            credential: self.credential,
            host: self.name,
            fails,
        }
    }
}

/// The hosts that fail, each with the boot time since when it answers again, if it does.
#[derive(Debug, Default)]
pub(super) struct Outages(HashMap<Host, Option<Duration>>);

impl Outages {
    /// A circuit opened. Whether that begins an outage.
    pub(super) fn fails(&mut self, host: &Host) -> bool {
        self.0.insert(host.clone(), None).is_none()
    }

    /// A circuit closed.
    pub(super) fn answers(&mut self, host: &Host, boottime: Duration) {
        if let Some(since) = self.0.get_mut(host) {
            *since = Some(boottime);
        }
    }

    /// Takes out those whose outage is over.
    pub(super) fn over(&mut self, boottime: Duration) -> impl Iterator<Item = Host> {
        let is_over = move |since: &mut Option<Duration>| {
            since.is_some_and(|since| boottime.saturating_sub(since) >= CALM)
        };
        self.0
            .extract_if(move |_, since| is_over(since))
            .map(|(host, _)| host)
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn host(name: &str) -> Host {
        Host {
            org: OrgId::new(Uuid::nil()),
            credential: CredentialId::new(Uuid::nil()),
            name: name.to_owned(),
        }
    }

    #[test]
    fn a_host_that_fails_and_answers_by_turns_has_one_outage() {
        let mut outages = Outages::default();
        let flapping = host("api.example.com");
        assert!(outages.fails(&flapping));
        let mut now = Duration::ZERO;
        for _ in 0..100 {
            outages.answers(&flapping, now);
            now += CALM - Duration::from_secs(1);
            assert_eq!(outages.over(now).count(), 0);
            assert!(!outages.fails(&flapping), "it is known");
            now += CALM;
            assert_eq!(outages.over(now).count(), 0, "it fails");
        }
        assert!(outages.fails(&host("eu.example.com")), "another one");
        outages.answers(&flapping, now);
        assert!(outages.over(now + CALM).eq([flapping.clone()]));
        assert_eq!(outages.over(now + CALM).count(), 0, "once");
        assert!(outages.fails(&flapping), "a new one");
    }

    #[test]
    fn what_never_failed_does_not_answer_again() {
        let mut outages = Outages::default();
        outages.answers(&host("api.example.com"), Duration::ZERO);
        assert_eq!(outages.over(CALM).count(), 0);
    }
}
