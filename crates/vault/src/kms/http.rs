//! Calls to a KMS over HTTP: TLS, no redirects, no proxies of the environment, a time limit, and tries again where that helps.

use std::future::Future;
use std::time::Duration;

use serde::de::{Deserialize, DeserializeOwned, Deserializer};
use zeroize::Zeroizing;

use super::{KmsError, KmsFault};
use crate::random;

/// How long one call may take.
const ATTEMPT: Duration = Duration::from_secs(3);
/// How long a connection may take.
const CONNECT: Duration = Duration::from_secs(2);
/// After this long, nothing is tried again. A request of an agent waits for it.
const DEADLINE: Duration = Duration::from_secs(5);
/// The wait before the second try, at most; it doubles.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The most bytes of an answer that are read.
const MOST_BYTES: usize = 256 * 1024;

/// A client for KMSs. Clones share its connections.
#[derive(Clone)]
pub(super) struct Http(reqwest::Client);

/// An answer, whatever its status.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Zeroizing<Vec<u8>>,
}

/// A text of an answer or a file that is wiped after use.
pub(super) struct Hidden(pub(super) Zeroizing<String>);

impl<'de> Deserialize<'de> for Hidden {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(|text| Self(Zeroizing::new(text)))
    }
}

impl std::ops::Deref for Hidden {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Http {
    pub(super) fn new(extra_ca: Option<&[u8]>) -> Result<Self, KmsError> {
        let unusable = |error: reqwest::Error| {
            KmsError::new(KmsFault::Denied, format!("the client cannot be made: {error}"))
        };
        let mut builder = reqwest::Client::builder()
            .timeout(ATTEMPT)
            .connect_timeout(CONNECT)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .pool_idle_timeout(Duration::from_secs(30));
        if let Some(pem) = extra_ca {
            let certificates = reqwest::Certificate::from_pem_bundle(pem).map_err(unusable)?;
            builder = builder.tls_certs_merge(certificates);
        }
        Ok(Self(builder.build().map_err(unusable)?))
    }

    pub(super) fn post(&self, url: &str) -> reqwest::RequestBuilder {
        self.0.post(url)
    }

    pub(super) fn get(&self, url: &str) -> reqwest::RequestBuilder {
        self.0.get(url)
    }

    pub(super) fn put(&self, url: &str) -> reqwest::RequestBuilder {
        self.0.put(url)
    }
}

/// Sends a request once.
pub(super) async fn send(request: reqwest::RequestBuilder) -> Result<Answer, KmsError> {
    let lost = |error: reqwest::Error| {
        let error = error.without_url();
        KmsError::new(KmsFault::Unavailable, chain(&error))
    };
    let mut answer = request.send().await.map_err(lost)?;
    let status = answer.status().as_u16();
    let mut body = Zeroizing::new(Vec::with_capacity(4096));
    while let Some(chunk) = answer.chunk().await.map_err(lost)? {
        if body.len() + chunk.len() > MOST_BYTES {
            return Err(KmsError::new(KmsFault::Unavailable, "the answer is too long"));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(Answer { status, body })
}

impl Answer {
    pub(super) fn is_success(&self) -> bool {
        (200..300).contains(&self.status)
    }

    /// The body as JSON of this form. What does not have it is no answer.
    pub(super) fn json<T: DeserializeOwned>(&self) -> Result<T, KmsError> {
        serde_json::from_slice(&self.body).map_err(|_| {
            KmsError::new(
                KmsFault::Unavailable,
                format!("an answer ({}) that is not of the documented form", self.status),
            )
        })
    }

    /// What the status alone says.
    pub(super) fn fault_of_status(&self) -> KmsFault {
        match self.status {
            429 => KmsFault::Throttled,
            401 | 403 => KmsFault::Denied,
            404 => KmsFault::Disabled,
            400..500 => KmsFault::Refused,
            _ => KmsFault::Unavailable,
        }
    }
}

/// The error with what caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(Some(error), |error| error.source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

/// Tries until it succeeds, fails for good, or the time is up. The waits are random, so that many servers do not come at once.
pub(super) async fn patiently<T, F>(attempt: impl FnMut() -> F) -> Result<T, KmsError>
where
    F: Future<Output = Result<T, KmsError>>,
{
    patiently_within(DEADLINE, attempt).await
}

async fn patiently_within<T, F>(deadline: Duration, mut attempt: impl FnMut() -> F) -> Result<T, KmsError>
where
    F: Future<Output = Result<T, KmsError>>,
{
    let until = tokio::time::Instant::now() + deadline;
    let mut longest = FIRST_WAIT;
    loop {
        let Ok(outcome) = tokio::time::timeout_at(until, attempt()).await else {
            return Err(KmsError::new(KmsFault::Unavailable, "no answer in time"));
        };
        let error = match outcome {
            Err(error) if error.fault.passes() => error,
            done => return done,
        };
        let wait = longest.mul_f64(jitter());
        if tokio::time::Instant::now() + wait >= until {
            return Err(error);
        }
        tokio::time::sleep(wait).await;
        longest *= 2;
    }
}

/// From a half to one.
fn jitter() -> f64 {
    let [byte] = random::bytes().unwrap_or([255]);
    0.5 + f64::from(byte) / 510.0
}

/// Whether secrets may be sent to a URL: by HTTPS, or to this machine.
pub fn may_carry_secrets(url: &str) -> bool {
    let is_here = |host: &str| {
        host == "localhost"
            || host
                .trim_matches(['[', ']'])
                .parse::<std::net::IpAddr>()
                .is_ok_and(|address| address.is_loopback())
    };
    reqwest::Url::parse(url).is_ok_and(|url| {
        let is_plain = url.scheme() == "http" && url.username().is_empty();
        url.scheme() == "https" || is_plain && url.host_str().is_some_and(is_here)
    })
}

/// An address that credentials may be sent to.
pub(super) fn checked(url: &str) -> Result<String, KmsError> {
    if may_carry_secrets(url) && !url.contains('@') {
        return Ok(url.trim_end_matches('/').to_owned());
    }
    Err(KmsError::new(
        KmsFault::Denied,
        format!("{url} is no address for a KMS: expected https://…"),
    ))
}

/// A form as `application/x-www-form-urlencoded`.
pub(super) fn form(fields: &[(&str, &str)]) -> Zeroizing<String> {
    let mut form = form_urlencoded::Serializer::new(String::with_capacity(4096));
    form.extend_pairs(fields);
    Zeroizing::new(form.finish())
}

/// The type of [`form`].
pub(super) const FORM: &str = "application/x-www-form-urlencoded";

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicUsize, Ordering};

    #[test]
    fn credentials_go_over_tls_or_nowhere_else() {
        for good in [
            "https://vault.example:8200",
            "http://127.0.0.1:1",
            "http://[::1]:1",
            "http://localhost",
        ] {
            assert!(checked(good).is_ok(), "{good}");
        }
        for bad in [
            "http://vault.example",
            "http://10.0.0.1",
            "ftp://a",
            "",
            "https://user@a",
            "http://127.0.0.1.example",
        ] {
            assert!(checked(bad).is_err(), "{bad}");
        }
    }

    #[tokio::test]
    async fn what_passes_is_tried_again_and_what_does_not_is_not() {
        for (fault, most) in [
            (KmsFault::Denied, 1),
            (KmsFault::Disabled, 1),
            (KmsFault::Refused, 1),
        ] {
            let tries = AtomicUsize::new(0);
            let outcome: Result<(), _> = patiently_within(Duration::from_secs(60), || async {
                tries.fetch_add(1, Ordering::Relaxed);
                Err(KmsError::new(fault, "no"))
            })
            .await;
            assert_eq!((outcome.unwrap_err().fault, tries.into_inner()), (fault, most));
        }
        let tries = AtomicUsize::new(0);
        let outcome = patiently_within(Duration::from_secs(60), || async {
            match tries.fetch_add(1, Ordering::Relaxed) {
                0 => Err(KmsError::new(KmsFault::Throttled, "slow down")),
                1 => Err(KmsError::new(KmsFault::Unavailable, "gone")),
                _ => Ok(7),
            }
        })
        .await;
        assert_eq!((outcome.unwrap(), tries.into_inner()), (7, 3));
        let never = patiently_within(Duration::from_millis(20), || {
            std::future::pending::<Result<(), _>>()
        });
        assert_eq!(never.await.unwrap_err().fault, KmsFault::Unavailable);
    }
}
