//! Slowing down guesses at passwords and codes, per account and per address.
//!
//! An attempt counts against the account and the address before the password is looked at, so that guesses in parallel count too, and is
//! taken back when it was right. Accounts that do not exist are counted in the same way, so that throttling tells nothing about them.

use std::net::IpAddr;
use std::time::Duration;

use keystore_core::Micros;
use keystore_store::{Store, StoreError, Tx, login_attempts};

/// How many attempts are free, and how long the waits after them become.
struct Rule {
    free: u32,
    longest: Duration,
}

/// A person who forgot a password meets this one; short enough that nobody can lock somebody else out for long.
const ACCOUNT: Rule = Rule {
    free: 5,
    longest: Duration::from_secs(60),
};

/// Only who knows the password meets this one: a code has six digits, and three of them are right at any time.
const FACTOR: Rule = Rule {
    free: 5,
    longest: Duration::from_secs(15 * 60),
};

/// Many people may share an address, but nobody needs many wrong passwords from one.
const ADDRESS: Rule = Rule {
    free: 20,
    longest: Duration::from_secs(15 * 60),
};

/// After this long without a failure a subject starts afresh.
const QUIET: Duration = Duration::from_secs(3600);

/// The longest address that there is (RFC 5321, 4.5.3.1.3, without the brackets). What is longer counts by its beginning: nobody
/// who is not signed in writes as much as they like into the database.
const MOST_EMAIL_BYTES: usize = 254;

/// An attempt may be made only after this long.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TryLater(pub(crate) Duration);

/// Who attempts: the account that was named, whether it exists or not, and where from.
pub(crate) struct Subjects {
    account: String,
    address: String,
    rule: &'static Rule,
}

impl Subjects {
    /// `email` in lower case. IPv6 addresses count by their /64, which one customer usually has whole.
    pub(crate) fn new(email: &str, address: Option<IpAddr>) -> Self {
        let network = match address.map(|address| address.to_canonical()) {
            Some(IpAddr::V4(address)) => address.to_string(),
            Some(IpAddr::V6(address)) => {
                let [a, b, c, d, ..] = address.segments();
                format!("{a:x}:{b:x}:{c:x}:{d:x}::/64")
            }
            None => "unknown".to_owned(),
        };
        Self {
            account: format!(
                "account:{}",
                &email[..email.floor_char_boundary(MOST_EMAIL_BYTES)]
            ),
            address: format!("address:{network}"),
            rule: &ACCOUNT,
        }
    }

    /// Who asks for a mail: counted apart, so that asking keeps nobody from signing in.
    pub(crate) fn of_mail(email: &str, address: Option<IpAddr>) -> Self {
        let Self {
            account,
            address,
            rule,
        } = Self::new(email, address);
        Self {
            account: format!("mail:{account}"),
            address: format!("mail:{address}"),
            rule,
        }
    }

    /// Who gives the code of a second factor: counted apart, so that the right password does not buy guesses at it.
    pub(crate) fn of_factor(email: &str, address: Option<IpAddr>) -> Self {
        let Self { account, address, .. } = Self::new(email, address);
        Self {
            account: format!("factor:{account}"),
            address,
            rule: &FACTOR,
        }
    }
}

/// An attempt that is counted, once against the account and once against the address.
pub(crate) struct Attempt<'a> {
    subjects: &'a Subjects,
    /// Which one it is at the account since the last that was right.
    pub(crate) number: u32,
    at: Micros,
    /// When the one before it was made from the address; the same time where none counts any more.
    before: Micros,
}

/// Counts an attempt at the account and from the address; unless one of them has to wait: then it gives how long, and counts nothing.
pub(crate) async fn begin<'a>(
    store: &Store,
    subjects: &'a Subjects,
    now: Micros,
) -> Result<Result<Attempt<'a>, TryLater>, StoreError> {
    let mut tx = store.begin().await?;
    let quiet_since = quiet_since(now);
    let mut before = now;
    for (subject, rule) in [(&subjects.account, subjects.rule), (&subjects.address, &ADDRESS)] {
        let attempts = login_attempts::get(&mut tx, subject).await?;
        let attempts = attempts.filter(|attempts| attempts.last_at >= quiet_since);
        if let Some(wait) = attempts.and_then(|found| wait(rule, found.failures, now.since(found.last_at))) {
            return Ok(Err(TryLater(wait)));
        }
        before = attempts.map_or(now, |found| found.last_at);
    }
    let counted = login_attempts::fail(&mut tx, &subjects.account, now, quiet_since).await?;
    login_attempts::fail(&mut tx, &subjects.address, now, quiet_since).await?;
    tx.commit().await?;
    Ok(Ok(Attempt {
        subjects,
        number: counted.failures,
        at: now,
        before,
    }))
}

/// The password was wrong, and stays counted: forgets what is too old to count, so that what anonymous callers leave behind does not
/// pile up.
pub(crate) async fn failed(store: &Store, now: Micros) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    login_attempts::delete_old(&mut tx, quiet_since(now)).await?;
    tx.commit().await
}

/// The password was right: forgets the failures of the account, and this attempt alone of the address. The others from there stay, so that
/// an account of one's own does not buy guesses at others.
pub(crate) async fn succeeded(store: &Store, attempt: Attempt<'_>) -> Result<(), StoreError> {
    let mut tx = store.begin().await?;
    forget(&mut tx, attempt).await?;
    tx.commit().await
}

/// As [`succeeded`], in the transaction that the success is made in.
pub(crate) async fn forget(tx: &mut Tx, attempt: Attempt<'_>) -> Result<(), StoreError> {
    let Subjects { account, address, .. } = attempt.subjects;
    login_attempts::clear(tx, account).await?;
    login_attempts::take_back(tx, address, attempt.at, attempt.before).await
}

/// The account has another password: forgets its failures. Nothing was attempted, so the address keeps all of its own.
pub(crate) async fn renewed(tx: &mut Tx, subjects: &Subjects) -> Result<(), StoreError> {
    login_attempts::clear(tx, &subjects.account).await
}

/// How long is left to wait after `failures`, the last of them `since` ago: one second doubled with each failure.
fn wait(rule: &Rule, failures: u32, since: Duration) -> Option<Duration> {
    let over = failures.checked_sub(rule.free)?;
    let whole = Duration::from_secs(1_u64.checked_shl(over).unwrap_or(u64::MAX)).min(rule.longest);
    whole.checked_sub(since).filter(|left| !left.is_zero())
}

fn quiet_since(now: Micros) -> Micros {
    Micros(
        now.0
            .saturating_sub(i64::try_from(QUIET.as_micros()).unwrap_or(i64::MAX)),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest() {
        let at_once = |failures| wait(&ACCOUNT, failures, Duration::ZERO).map(|wait| wait.as_secs());
        assert_eq!(at_once(4), None);
        assert_eq!(at_once(5), Some(1));
        assert_eq!(at_once(8), Some(8));
        assert_eq!(at_once(11), Some(60));
        assert_eq!(at_once(u32::MAX), Some(60));
        assert_eq!(
            wait(&ACCOUNT, 8, Duration::from_secs(3)),
            Some(Duration::from_secs(5))
        );
        assert_eq!(wait(&ACCOUNT, 8, Duration::from_secs(8)), None);
    }

    #[test]
    fn a_subject_is_short_whatever_the_address() {
        let account = |email: &str| Subjects::new(email, "::1".parse().ok()).account;
        let long = "ä".repeat(100_000);
        assert!(account(&long).len() <= "account:".len() + MOST_EMAIL_BYTES);
        assert_eq!(account(&long), account(&format!("{long}@x")));
        assert_ne!(account("a@b"), account("a@c"));
    }

    #[test]
    fn an_ipv6_customer_is_one_subject_and_mapped_ipv4_is_ipv4() {
        let subject = |address: &str| Subjects::new("a@b", address.parse().ok()).address;
        assert_eq!(subject("2001:db8:1:2::1"), subject("2001:db8:1:2:ffff::9"));
        assert_ne!(subject("2001:db8:1:2::1"), subject("2001:db8:1:3::1"));
        assert_eq!(subject("::ffff:192.0.2.7"), subject("192.0.2.7"));
    }
}
