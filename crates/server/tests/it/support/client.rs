//! A client of the API that speaks plain JSON, so that tests see what crosses the wire.

use reqwest::header::HeaderMap;
use serde_json::Value;

use super::described;
use super::recorder::Recorder;

/// A client, perhaps with a session or a key.
#[derive(Clone)]
pub(crate) struct Client {
    http: reqwest::Client,
    base: String,
    token: Option<String>,
    recorder: Recorder,
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    /// `null` for an empty body; a string for one that is not JSON.
    pub(crate) body: Value,
}

impl Answer {
    /// The body, if the status is the expected one.
    #[track_caller]
    pub(crate) fn expect(self, status: u16) -> Value {
        assert_eq!(self.status, status, "{:#}", self.body);
        self.body
    }

    /// The detail of a problem, if status and code are the expected ones and it is well formed.
    #[track_caller]
    pub(crate) fn expect_problem(self, status: u16, code: &str) -> Value {
        assert_eq!(
            (self.status, self.body["code"].as_str()),
            (status, Some(code)),
            "{:#}",
            self.body
        );
        assert_eq!(self.headers["content-type"], "application/problem+json");
        assert_eq!(self.body["status"], status);
        assert_eq!(
            self.body["requestId"],
            self.headers["x-request-id"].to_str().unwrap()
        );
        self.body
    }
}

/// A client for plain HTTP: loading the machine's certificates takes longer than most calls.
pub(super) fn plain() -> reqwest::ClientBuilder {
    reqwest::Client::builder().no_proxy().tls_certs_only([])
}

impl Client {
    pub(crate) fn new(base: &str) -> Self {
        Self {
            http: plain().build().unwrap(),
            base: base.to_owned(),
            token: None,
            recorder: Recorder::default(),
        }
    }

    /// The same, with its answers kept in `recorder`.
    pub(crate) fn recorded(&self, recorder: &Recorder) -> Self {
        Self {
            recorder: recorder.clone(),
            ..self.clone()
        }
    }

    /// The same, at another address.
    pub(crate) fn at(&self, base: &str) -> Self {
        Self {
            base: base.to_owned(),
            ..self.clone()
        }
    }

    pub(crate) fn with_token(&self, token: &str) -> Self {
        Self {
            token: Some(token.to_owned()),
            ..self.clone()
        }
    }

    pub(crate) fn token(&self) -> &str {
        self.token.as_deref().unwrap()
    }

    /// A request to be completed by hand.
    pub(crate) fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let request = self
            .http
            .request(method.parse().unwrap(), format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request,
        }
    }

    pub(crate) async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let request = request.build().unwrap();
        let method = request.method().to_string();
        let answer = self.http.execute(request).await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        let path = answer.url().path().to_owned();
        let text = answer.text().await.unwrap();
        self.recorder.api_answer(&path, &headers, text.as_bytes());
        let body = match text.is_empty() {
            true => Value::Null,
            false => serde_json::from_str(&text).unwrap_or(Value::String(text)),
        };
        described::check(&method, &path, status, &body);
        Answer {
            status,
            headers,
            body,
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(self.request("GET", path)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        self.send(self.request("DELETE", path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        self.recorder.api_request(body);
        self.send(self.request("POST", path).json(body)).await
    }

    /// As [`Client::post`], for a body that is made where it is asked.
    pub(crate) async fn post_owned(&self, path: &str, body: Value) -> Answer {
        self.post(path, &body).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request("PATCH", path).json(body)).await
    }
}
