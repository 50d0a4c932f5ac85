//! The HTTP client of the control plane: paths in, `wire` types out. It asks once and never retries; what a refusal means is
//! said in the server's own words.

mod lines;
mod stream;

use std::fmt;
use std::time::Duration;

use anyhow::Context;
use keystore_core::{Clock, Micros};
use keystore_server::clock::SystemClock;
use keystore_wire::{Page, Problem};
use reqwest::header::HeaderMap;
use reqwest::{Method, RequestBuilder, Response, StatusCode, Url};
use serde::Serialize;
use serde::de::DeserializeOwned;
use zeroize::Zeroizing;

pub(crate) use lines::Lines;
pub(crate) use stream::Events;

use crate::output::advice;
use crate::settings::Settings;

const TIMEOUT: Duration = Duration::from_secs(60);
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// The most pages that are fetched for one list.
const MOST_PAGES: usize = 1_000;

/// The server refused: its problem, as it said it.
#[derive(Debug)]
pub(crate) struct Refused(pub(crate) Box<Problem>);

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({})", self.0.detail, self.0.code)?;
        // A problem with one field says it in its detail already.
        for error in self
            .0
            .errors
            .iter()
            .filter(|error| !self.0.detail.contains(&error.detail))
        {
            write!(f, "\n  {}: {}", error.pointer, error.detail)?;
        }
        Ok(())
    }
}

impl std::error::Error for Refused {}

impl Refused {
    /// What to do, and what to say when asking for help.
    pub(crate) fn hints(&self) -> Vec<String> {
        let mut hints: Vec<String> = self.0.remedy.iter().cloned().collect();
        if hints.is_empty() && self.0.code == "unauthenticated" {
            hints.push("sign in with `ks login`, or set KS_API_KEY".to_owned());
        }
        if self.0.status >= 500
            && let Some(id) = &self.0.request_id
        {
            hints.push(format!("the request id is {id}"));
        }
        hints
    }
}

/// What a server that was asked without a key answered.
pub(crate) struct Probe {
    /// The status.
    pub(crate) status: StatusCode,
    /// The body, if it is text of a sensible length.
    pub(crate) body: String,
    /// How far the server's clock is ahead of ours, from its `Date` header; whole seconds.
    pub(crate) ahead_seconds: Option<i64>,
}

/// A connection to one control plane.
pub(crate) struct Client {
    http: reqwest::Client,
    base: Url,
    key: Option<Zeroizing<String>>,
}

impl Client {
    /// A client for these settings.
    ///
    /// # Errors
    /// The address is not a URL.
    pub(crate) fn new(settings: &Settings) -> anyhow::Result<Self> {
        let base = address(&settings.api_url)?;
        Ok(Self {
            http: http_for(&base)?,
            base,
            key: settings.api_key.clone(),
        })
    }

    /// Whether the server is on this machine.
    pub(crate) fn is_local(&self) -> bool {
        is_loopback(&self.base)
    }

    /// The same client with another key.
    pub(crate) fn with_key(mut self, key: Option<Zeroizing<String>>) -> Self {
        self.key = key;
        self
    }

    /// Reads one thing.
    pub(crate) async fn get<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &impl Serialize,
    ) -> anyhow::Result<T> {
        self.answer(self.request(Method::GET, path)?.query(query)).await
    }

    /// Reads a whole list, page by page; at most `most` entries.
    ///
    /// # Errors
    /// Those of a request, and that the list goes on behind the most pages that are fetched: what was found is not all then.
    pub(crate) async fn list<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &impl Serialize,
        most: usize,
    ) -> anyhow::Result<Vec<T>> {
        let (entries, whole) = self.list_so_far(path, query, most).await?;
        whole.map(|()| entries)
    }

    /// As [`Self::list`], for who can use a part: what was found, and whether that is all of it.
    pub(crate) async fn list_so_far<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &impl Serialize,
        most: usize,
    ) -> anyhow::Result<(Vec<T>, anyhow::Result<()>)> {
        let mut entries = Vec::new();
        let mut after: Option<String> = None;
        for _ in 0..MOST_PAGES {
            let limit = most.saturating_sub(entries.len()).min(500).to_string();
            let mut paging = vec![("limit", limit)];
            paging.extend(after.take().map(|after| ("after", after)));
            let request = self.request(Method::GET, path)?.query(query).query(&paging);
            let page: Page<T> = self.answer(request).await?;
            entries.extend(page.data);
            after = page.next;
            if after.is_none() || entries.len() >= most {
                return Ok((entries, Ok(())));
            }
        }
        let goes_on = advice(
            format!(
                "{MOST_PAGES} pages of the list were read, and it goes on; {} found so far",
                entries.len()
            ),
            "ask for less of it: for a shorter time, with --since where the command has it",
        );
        Ok((entries, Err(goes_on)))
    }

    /// Sends a body and reads the answer.
    pub(crate) async fn post<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        self.answer(self.request(Method::POST, path)?.json(body)).await
    }

    /// As [`Self::post`], with a query.
    pub(crate) async fn post_with<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &impl Serialize,
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        self.answer(self.request(Method::POST, path)?.query(query).json(body))
            .await
    }

    /// Asks for an act that needs no body, and reads the answer.
    pub(crate) async fn act<T: DeserializeOwned>(&self, path: &[&str]) -> anyhow::Result<T> {
        self.answer(self.request(Method::POST, path)?).await
    }

    /// Asks for an act whose answer does not matter.
    pub(crate) async fn act_quietly(&self, path: &[&str]) -> anyhow::Result<()> {
        self.send(self.request(Method::POST, path)?).await.map(drop)
    }

    /// Changes a thing and reads what became of it.
    pub(crate) async fn patch<T: DeserializeOwned>(
        &self,
        path: &[&str],
        body: &impl Serialize,
    ) -> anyhow::Result<T> {
        self.answer(self.request(Method::PATCH, path)?.json(body)).await
    }

    /// Sends a body for an act whose answer does not matter.
    pub(crate) async fn post_quietly(&self, path: &[&str], body: &impl Serialize) -> anyhow::Result<()> {
        self.send(self.request(Method::POST, path)?.json(body))
            .await
            .map(drop)
    }

    /// Deletes a thing.
    pub(crate) async fn delete(&self, path: &[&str]) -> anyhow::Result<()> {
        self.delete_with(path, &()).await
    }

    /// Deletes a thing, with something more to say.
    pub(crate) async fn delete_with(&self, path: &[&str], query: &impl Serialize) -> anyhow::Result<()> {
        self.send(self.request(Method::DELETE, path)?.query(query))
            .await
            .map(drop)
    }

    /// Deletes a thing and reads what went with it.
    pub(crate) async fn remove<T: DeserializeOwned>(
        &self,
        path: &[&str],
        query: &impl Serialize,
    ) -> anyhow::Result<T> {
        self.answer(self.request(Method::DELETE, path)?.query(query))
            .await
    }

    /// Deletes a thing with what is used of it.
    pub(crate) async fn delete_forced(&self, path: &[&str]) -> anyhow::Result<()> {
        let request = self.request(Method::DELETE, path)?.query(&[("force", "true")]);
        self.send(request).await.map(drop)
    }

    /// Opens an event stream, after the event with this id.
    pub(crate) async fn events(
        &self,
        path: &[&str],
        query: &impl Serialize,
        last_id: Option<&str>,
    ) -> anyhow::Result<Events> {
        let mut request = self
            .request(Method::GET, path)?
            .query(query)
            .header("accept", "text/event-stream")
            // A stream has no end; it is the connection that may fail.
            .timeout(Duration::from_secs(365 * 86_400));
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        Ok(Events::new(self.send(request).await?))
    }

    /// Reads an answer line by line, for as long as it takes.
    pub(crate) async fn lines(&self, path: &[&str], query: &impl Serialize) -> anyhow::Result<Lines> {
        let request = self.request(Method::GET, path)?.query(query);
        let request = request.timeout(Duration::from_secs(86_400));
        Ok(Lines::new(self.send(request).await?))
    }

    /// Sends a message of another protocol, and reads what is answered, whatever its status.
    pub(crate) async fn message(
        &self,
        path: &str,
        headers: HeaderMap,
        body: String,
    ) -> anyhow::Result<Vec<u8>> {
        let url = self.base.join(path)?;
        let mut request = self
            .http
            .post(url)
            .headers(headers)
            .header("content-type", "application/json")
            .header("accept", "application/json, text/event-stream")
            .body(body);
        if let Some(key) = &self.key {
            request = request.bearer_auth(key.as_str());
        }
        let response = request
            .send()
            .await
            .map_err(|error| unreachable_server(&self.base, &error))?;
        let bytes = response.bytes().await.context("the answer broke off")?;
        Ok(bytes.to_vec())
    }

    /// Reads a file.
    pub(crate) async fn download(&self, path: &[&str]) -> anyhow::Result<Vec<u8>> {
        let response = self.send(self.request(Method::GET, path)?).await?;
        let bytes = response.bytes().await.context("the answer broke off")?;
        Ok(bytes.to_vec())
    }

    fn request(&self, method: Method, path: &[&str]) -> anyhow::Result<RequestBuilder> {
        let mut url = self.base.clone();
        url.path_segments_mut()
            .map_err(|()| anyhow::anyhow!("{} cannot be the address of a server", self.base))?
            .pop_if_empty()
            .push("v1")
            .extend(path);
        let mut request = self.http.request(method, url);
        if let Some(key) = &self.key {
            request = request.bearer_auth(key.as_str());
        }
        Ok(request)
    }

    async fn answer<T: DeserializeOwned>(&self, request: RequestBuilder) -> anyhow::Result<T> {
        let response = self.send(request).await?;
        let bytes = response.bytes().await.context("the answer broke off")?;
        serde_json::from_slice(&bytes).map_err(|error| {
            advice(
                format!(
                    "{} answered with something else than expected: {error}",
                    self.base
                ),
                "is this the control plane of a Keystore of the same version? `ks doctor` checks",
            )
        })
    }

    async fn send(&self, request: RequestBuilder) -> anyhow::Result<Response> {
        let response = request
            .send()
            .await
            .map_err(|error| unreachable_server(&self.base, &error))?;
        let status = response.status();
        if status.is_success() {
            return Ok(response);
        }
        let body = response.bytes().await.unwrap_or_default();
        match serde_json::from_slice::<Problem>(&body) {
            Ok(problem) => Err(Refused(Box::new(problem)).into()),
            Err(_) => Err(advice(
                format!("{} answered {status}, and not as a Keystore does", self.base),
                "check the address with `ks doctor`: it is the control plane's, not the proxy's",
            )),
        }
    }
}

/// Asks an address for a path, without any key.
///
/// # Errors
/// It cannot be reached.
pub(crate) async fn probe(url: &str, path: &str) -> anyhow::Result<Probe> {
    let base = address(url)?;
    let target = base.join(path)?;
    let response = http_for(&base)?
        .get(target)
        .timeout(Duration::from_secs(10))
        .send()
        .await
        .map_err(|error| unreachable_server(&base, &error))?;
    let ahead_seconds = response
        .headers()
        .get("date")
        .and_then(|date| date.to_str().ok())
        .and_then(seconds_ahead);
    let status = response.status();
    let body = response.text().await.unwrap_or_default();
    Ok(Probe {
        status,
        body,
        ahead_seconds,
    })
}

/// An HTTP date (RFC 9110 section 5.6.7, the preferred form) against our clock.
fn seconds_ahead(date: &str) -> Option<i64> {
    const MONTHS: &str = "JanFebMarAprMayJunJulAugSepOctNovDec";
    let mut parts = date.split_once(", ")?.1.split(' ');
    let (day, month, year, time) = (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
    let month = MONTHS.find(month)? / 3 + 1;
    let at: Micros = format!("{year}-{month:02}-{day}T{time}Z").parse().ok()?;
    Some(at.seconds() - SystemClock.now().seconds())
}

fn address(url: &str) -> anyhow::Result<Url> {
    match Url::parse(url) {
        Ok(base) if matches!(base.scheme(), "http" | "https") && base.host_str().is_some() => Ok(base),
        _ => Err(advice(
            format!("`{url}` is not the address of a server"),
            "write it like http://127.0.0.1:8401 or https://keystore.example",
        )),
    }
}

fn is_loopback(base: &Url) -> bool {
    let host = base.host_str().unwrap_or_default().trim_matches(['[', ']']);
    host == "localhost"
        || host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
}

fn http_for(base: &Url) -> anyhow::Result<reqwest::Client> {
    let mut builder = reqwest::Client::builder()
        .user_agent(concat!("ks/", env!("CARGO_PKG_VERSION")))
        .connect_timeout(CONNECT_TIMEOUT)
        .timeout(TIMEOUT)
        // A key is for the server it is meant for.
        .redirect(reqwest::redirect::Policy::none());
    if is_loopback(base) {
        builder = builder.no_proxy();
        if base.scheme() == "http" {
            // Without redirects and a proxy there is no TLS here, and reading all certificates of the machine takes half of the time
            // of a command. Elsewhere a proxy may be asked that itself is spoken to in TLS.
            builder = builder.tls_certs_only([]);
        }
    }
    builder.build().context("cannot set up the HTTP client")
}

fn unreachable_server(base: &Url, error: &reqwest::Error) -> anyhow::Error {
    let mut cause: &dyn std::error::Error = error;
    while let Some(deeper) = cause.source() {
        cause = deeper;
    }
    let remedy = if is_loopback(base) {
        "start one with `ks dev`, or name another with `--api-url` or KS_API_URL"
    } else {
        "check the address, or `ks doctor`"
    };
    advice(format!("cannot reach {base}: {cause}"), remedy)
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;

    use super::*;
    use keystore_wire::Code;

    #[test]
    fn a_refusal_keeps_the_servers_words() {
        let problem = Problem::new(Code::Invalid, "2 fields are not valid")
            .with_error("/rpmLimit", "at most 1000000")
            .with_error("/name", "is missing")
            .with_remedy("lower it");
        let refused = Refused(Box::new(problem));
        assert_eq!(
            refused.to_string(),
            "2 fields are not valid (invalid_request)\n  /rpmLimit: at most 1000000\n  /name: is missing"
        );
        assert_eq!(refused.hints(), ["lower it"]);
    }

    /// A server that answers every request with this page, and its address.
    fn pages(page: &'static str) -> Url {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{page}", page.len());
        thread::spawn(move || {
            for connection in listener.incoming() {
                let mut connection = connection.unwrap();
                let answer = answer.clone();
                thread::spawn(move || {
                    let mut asked = Vec::new();
                    let mut bytes = [0; 1024];
                    while let Ok(length @ 1..) = connection.read(&mut bytes) {
                        asked.extend_from_slice(&bytes[..length]);
                        // One request comes at a time, and none has a body.
                        if asked.ends_with(b"\r\n\r\n") {
                            asked.clear();
                            connection.write_all(answer.as_bytes()).unwrap();
                        }
                    }
                });
            }
        });
        Url::parse(&base).unwrap()
    }

    async fn listed(
        page: &'static str,
        most: usize,
    ) -> (Vec<u32>, anyhow::Result<()>, anyhow::Result<Vec<u32>>) {
        let base = pages(page);
        let client = Client {
            http: http_for(&base).unwrap(),
            base,
            key: None,
        };
        let (found, whole) = client.list_so_far(&["requests"], &(), most).await.unwrap();
        (found, whole, client.list(&["requests"], &(), most).await)
    }

    #[tokio::test]
    async fn a_list_that_is_not_whole_says_so() {
        let (found, whole, list) = listed(r#"{"data": [], "next": "further"}"#, 50).await;
        assert!(found.is_empty());
        let words = "1000 pages of the list were read, and it goes on; 0 found so far";
        assert_eq!(whole.unwrap_err().to_string(), words);
        assert_eq!(list.unwrap_err().to_string(), words);
        for page in [r#"{"data": [7, 8], "next": "further"}"#, r#"{"data": [7, 8]}"#] {
            let (found, whole, list) = listed(page, 2).await;
            assert_eq!(found, [7, 8]);
            assert!(whole.is_ok());
            assert_eq!(list.unwrap(), [7, 8]);
        }
    }

    #[test]
    fn only_web_addresses_are_servers() {
        assert!(address("http://127.0.0.1:8401").is_ok());
        for url in ["127.0.0.1:8401", "file:///etc/passwd", "keystore", ""] {
            assert!(address(url).is_err(), "{url}");
        }
        for (url, loopback) in [
            ("http://127.0.0.1:1", true),
            ("http://[::1]:1", true),
            ("http://localhost", true),
            ("https://keystore.example", false),
        ] {
            assert_eq!(is_loopback(&address(url).unwrap()), loopback, "{url}");
        }
    }

    #[test]
    fn a_date_tells_how_far_the_clocks_are_apart() {
        let ahead = seconds_ahead("Sun, 06 Nov 1994 08:49:37 GMT").unwrap();
        assert!(
            (ahead + SystemClock.now().seconds() - 784_111_777).abs() <= 1,
            "{ahead}"
        );
        assert_eq!(seconds_ahead("yesterday"), None);
    }
}
