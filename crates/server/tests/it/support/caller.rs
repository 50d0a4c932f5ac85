//! A caller of the data plane, as an agent's SDK would be: no redirects, no decoding, every answer kept.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use serde_json::{Value, json};

use super::client::plain;
use super::recorder::Recorder;

/// Nothing in these tests takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// An agent's client with its token.
#[derive(Clone)]
pub(crate) struct Caller {
    http: reqwest::Client,
    base: String,
    token: String,
    recorder: Recorder,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
    /// The connection was cut before the end of the body.
    pub(crate) cut: bool,
}

impl Reply {
    /// The first header of this name.
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|value| value.to_str().ok())
    }

    /// The body as text.
    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The request's id.
    #[track_caller]
    pub(crate) fn id(&self) -> String {
        self.header("x-keystore-request-id").unwrap().to_owned()
    }

    /// This answer, if its status is the expected one.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Self {
        assert_eq!(self.status, status, "{}", self.text());
        self
    }

    /// The `error` object, if this is a refusal of ours with this status and code, well formed in every place that SDKs read.
    #[track_caller]
    pub(crate) fn refused(&self, status: u16, code: &str) -> Value {
        let text = self.text();
        assert_eq!(
            (self.status, self.header("x-keystore-error")),
            (status, Some(code)),
            "{text}"
        );
        assert_eq!(self.header("cache-control"), Some("no-store"));
        assert_eq!(self.header("content-type"), Some("application/json"));
        let body = self.json();
        let error = &body["error"];
        assert_eq!(
            (&body["type"], &body["name"], &error["code"], &error["type"]),
            (&json!("error"), &json!(code), &json!(code), &json!(code))
        );
        assert_eq!(body["message"], error["message"]);
        assert!(
            error["remedy"].as_str().is_some_and(|text| !text.is_empty()),
            "{text}"
        );
        if code != "invalid_token" {
            assert_eq!(body["requestId"], json!(self.id()));
        }
        error.clone()
    }
}

impl Caller {
    pub(super) fn new(base: &str, token: &str, recorder: &Recorder) -> Self {
        let http = plain()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(PATIENCE)
            .build()
            .unwrap();
        Self {
            http,
            base: base.to_owned(),
            token: token.to_owned(),
            recorder: recorder.clone(),
        }
    }

    /// A caller at an address where no whole server is.
    pub(crate) fn unrecorded(base: &str, token: &str) -> Self {
        Self::new(base, token, &Recorder::default())
    }

    /// The token.
    pub(crate) fn token(&self) -> &str {
        &self.token
    }

    /// A request without any credential.
    pub(crate) fn bare(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.http
            .request(method.parse().unwrap(), format!("{}{path}", self.base))
    }

    /// A request with the token as a bearer token.
    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        self.bare(method, path).bearer_auth(&self.token)
    }

    /// Sends, and gives the head; the body is the test's to read, and is not kept.
    pub(crate) async fn open(&self, request: reqwest::RequestBuilder) -> reqwest::Response {
        let answer = request.send().await.unwrap();
        self.recorder
            .proxy_answer(answer.url().path(), answer.headers(), b"");
        answer
    }

    /// Sends, and reads the answer to its end.
    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Reply {
        let mut answer = request.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let path = answer.url().path().to_owned();
        let mut body = Vec::new();
        let cut = loop {
            match answer.chunk().await {
                Ok(Some(chunk)) => body.extend_from_slice(&chunk),
                Ok(None) => break false,
                Err(_) => break true,
            }
        };
        self.recorder.proxy_answer(&path, &headers, &body);
        Reply {
            status,
            headers,
            body: body.into(),
            cut,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(self.request("GET", path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Reply {
        self.send(self.request("POST", path).json(body)).await
    }

    /// A POST with directives for the fake provider.
    pub(crate) async fn post_with(&self, path: &str, fake: &str, body: &Value) -> Reply {
        self.send(self.request("POST", path).header("x-fake", fake).json(body))
            .await
    }
}
