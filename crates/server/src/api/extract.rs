//! Bodies, queries and path segments of requests, with failures as problems.

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{FromRequest, FromRequestParts, Request};
use http::request::Parts;
use http::{StatusCode, header};
use keystore_wire::problem::Code;
use serde::de::DeserializeOwned;
use serde_path_to_error::{Path, Segment};

use super::problem::ApiError;
use crate::app::App;

/// The JSON body. Unknown members, duplicate members and values of the wrong form are refused with a JSON pointer.
#[derive(Debug)]
pub(crate) struct Body<T>(pub(crate) T);

/// The query string. Unknown names are refused.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

/// The one parameter of the path, parsed. One that cannot be parsed names nothing: 404.
#[derive(Debug)]
pub(crate) struct Id<T>(pub(crate) T);

impl<T: DeserializeOwned> FromRequest<Arc<App>> for Body<T> {
    type Rejection = ApiError;

    async fn from_request(request: Request, app: &Arc<App>) -> Result<Self, ApiError> {
        let is_json = request
            .headers()
            .get(header::CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|text| {
                text.split(';')
                    .next()
                    .unwrap_or("")
                    .trim()
                    .eq_ignore_ascii_case("application/json")
            });
        let bytes = Bytes::from_request(request, app).await.map_err(unreadable)?;
        if !is_json {
            return Err(ApiError::new(
                Code::UnsupportedMediaType,
                "send the body as JSON, with `content-type: application/json`",
            ));
        }
        Ok(Self(parsed(&bytes)?))
    }
}

/// The object that is written so.
///
/// # Errors
/// `bad_request` for what is not JSON, `invalid_request` for what has another form.
pub(crate) fn parsed<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, ApiError> {
    // Serde takes a list for an object, by the order of its members.
    if bytes.trim_ascii_start().starts_with(b"[") {
        return Err(ApiError::new(Code::Invalid, "the body must be a JSON object"));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut deserializer).map_err(|error| {
        if error.inner().is_data() {
            ApiError::field(pointer(error.path()), words(error.inner()))
        } else {
            ApiError::new(
                Code::BadRequest,
                format!("the body is not JSON: {}", error.inner()),
            )
        }
    })?;
    deserializer.end().map_err(|error| {
        ApiError::new(
            Code::BadRequest,
            format!("the body is not one JSON value: {error}"),
        )
    })?;
    Ok(value)
}

pub(super) fn unreadable(rejection: BytesRejection) -> ApiError {
    use axum::response::IntoResponse;
    match rejection.into_response().status() {
        StatusCode::PAYLOAD_TOO_LARGE => ApiError::new(
            Code::BodyTooLarge,
            format!("a body may have at most {} bytes", super::BODY_LIMIT_BYTES),
        ),
        _ => ApiError::new(
            Code::BadRequest,
            "the body ended early or is not framed correctly",
        ),
    }
}

/// Without the position, which says nothing to somebody who did not write the bytes by hand, and without the value, which
/// may be a secret.
fn words(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let text = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(words, _)| words);
    match text
        .split_once("invalid type: ")
        .or_else(|| text.split_once("invalid value: "))
    {
        Some((_, rest)) => match rest.split_once(", expected ") {
            Some((_, expected)) => format!("expected {expected}"),
            None => "the value has the wrong form".to_owned(),
        },
        None => text.to_owned(),
    }
}

fn pointer(path: &Path) -> String {
    path.iter().fold(String::new(), |mut pointer, segment| {
        let name = match segment {
            Segment::Seq { index } => index.to_string(),
            Segment::Map { key } => key.clone(),
            Segment::Enum { variant } => variant.clone(),
            Segment::Unknown => return pointer,
        };
        pointer.push('/');
        pointer.push_str(&name.replace('~', "~0").replace('/', "~1"));
        pointer
    })
}

impl<T: DeserializeOwned> FromRequestParts<Arc<App>> for Query<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        axum::extract::Query::from_request_parts(parts, app)
            .await
            .map(|axum::extract::Query(value)| Self(value))
            .map_err(|error| {
                ApiError::new(
                    Code::Invalid,
                    format!("the query is not valid: {}", error.body_text()),
                )
            })
    }
}

impl<T: std::str::FromStr + Send> FromRequestParts<Arc<App>> for Id<T> {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let text = axum::extract::Path::<String>::from_request_parts(parts, app)
            .await
            .map_err(|_| ApiError::not_found("resource"))?;
        text.0
            .parse()
            .map(Self)
            .map_err(|_| ApiError::not_found("resource"))
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its form is of interest")]
    struct Outer {
        list: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "only its form is of interest")]
    struct Inner {
        number: u32,
    }

    fn failure(text: &str) -> (String, String) {
        let mut deserializer = serde_json::Deserializer::from_str(text);
        let error = serde_path_to_error::deserialize::<_, Outer>(&mut deserializer).unwrap_err();
        (pointer(error.path()), words(error.inner()))
    }

    #[test]
    fn a_wrong_value_is_named_by_its_place_and_never_repeated() {
        let (pointer, words) = failure(r#"{"list":[{"number":1},{"number":"sk-secret"}]}"#);
        assert_eq!(
            (pointer.as_str(), words.as_str()),
            ("/list/1/number", "expected u32")
        );
        let (pointer, words) = failure(r#"{"list":[{"numbr":1}]}"#);
        assert_eq!(pointer, "/list/0/numbr");
        assert!(words.starts_with("unknown field `numbr`"), "{words}");
    }
}
