//! AWS Signature Version 4, in the `Authorization` header.
//!
//! What is signed is the request as it will be sent: the caller gives the path and the query in the encoding in which they go out, and
//! the headers that it wants signed. Nothing is sent here, and the caller decides what stands for the body.
//! Source: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html>.

use std::fmt::Write as _;

use aws_lc_rs::hmac;
use keystore_core::time::{date, utc_day};
use keystore_core::{Micros, hex};

use crate::commitment::sha256;
use crate::secret::Secret;

/// The algorithm's name.
const ALGORITHM: &str = "AWS4-HMAC-SHA256";
/// What stands in the place of the body's hash where S3 is not to check the body.
pub const UNSIGNED_PAYLOAD: &str = "UNSIGNED-PAYLOAD";

/// An AWS access key.
#[derive(Clone, Copy)]
pub struct AccessKey<'a> {
    /// Its id, which is not secret.
    pub id: &'a str,
    /// The secret access key.
    pub secret: &'a str,
    /// The token of a temporary key.
    pub session_token: Option<&'a str>,
}

/// What a signature is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope<'a> {
    /// The service, such as `s3` or `kms`.
    pub service: &'a str,
    /// The region, such as `us-east-1`.
    pub region: &'a str,
}

/// A request that is to be signed.
pub struct Unsigned<'a> {
    /// The method.
    pub method: &'a str,
    /// The host as it stands in `Host`.
    pub host: &'a str,
    /// The path as it is sent; begins with `/`.
    pub path: &'a str,
    /// The query as it is sent.
    pub query: Option<&'a str>,
    /// The headers that are signed besides `host` and those that the signature brings; names in lower case, each once.
    pub headers: &'a [(&'a str, &'a str)],
    /// The hash of the body ([`payload_hash`]), or a word that stands for one.
    pub payload_sha256: &'a str,
}

/// What the request has to carry to be signed.
pub struct Signature {
    /// The value of `Authorization`.
    pub authorization: String,
    /// The value of `x-amz-date`.
    pub date: String,
}

/// SHA-256 of a body, in hexadecimal digits.
pub fn payload_hash(body: &[u8]) -> String {
    hex(&sha256(&[body]))
}

/// Signs a request. The caller writes `authorization`, `x-amz-date` and, where the key has one, `x-amz-security-token` into it.
///
/// Times outside of the calendar (before the year 1 or after 9999) are signed as the first second of 1970, which AWS refuses.
pub fn sign(request: &Unsigned<'_>, key: AccessKey<'_>, scope: Scope<'_>, now: Micros) -> Signature {
    let (day, stamp) = stamps(now);
    let mut headers: Vec<(&str, &str)> = request.headers.to_vec();
    headers.push(("host", request.host));
    headers.push(("x-amz-date", &stamp));
    if let Some(token) = key.session_token {
        headers.push(("x-amz-security-token", token));
    }
    headers.sort_unstable();
    let names = headers
        .iter()
        .map(|(name, _)| *name)
        .collect::<Vec<_>>()
        .join(";");
    let canonical = canonical(request, scope.service, &headers, &names);
    let credential_scope = format!("{day}/{}/{}/aws4_request", scope.region, scope.service);
    let to_sign = format!(
        "{ALGORITHM}\n{stamp}\n{credential_scope}\n{}",
        payload_hash(canonical.as_bytes())
    );
    let signature = hmac::sign(&signing_key(key.secret, &day, scope), to_sign.as_bytes());
    Signature {
        authorization: format!(
            "{ALGORITHM} Credential={}/{credential_scope}, SignedHeaders={names}, Signature={}",
            key.id,
            hex(signature.as_ref())
        ),
        date: stamp,
    }
}

/// `YYYYMMDD` and `YYYYMMDD'T'HHMMSS'Z'`.
fn stamps(now: Micros) -> (String, String) {
    let (day, second) = match date(utc_day(now)) {
        Some(day) => (day.replace('-', ""), now.seconds().rem_euclid(86_400)),
        None => ("19700101".to_owned(), 0),
    };
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    let stamp = format!("{day}T{hour:02}{minute:02}{second:02}Z");
    (day, stamp)
}

/// The canonical request.
fn canonical(request: &Unsigned<'_>, service: &str, headers: &[(&str, &str)], names: &str) -> String {
    let mut text = String::with_capacity(512);
    let _ = writeln!(text, "{}", request.method);
    let _ = writeln!(text, "{}", canonical_path(request.path, service));
    let _ = writeln!(text, "{}", canonical_query(request.query.unwrap_or_default()));
    for (name, value) in headers {
        let value = value.split_ascii_whitespace().collect::<Vec<_>>().join(" ");
        let _ = writeln!(text, "{name}:{value}");
    }
    let _ = write!(text, "\n{names}\n{}", request.payload_sha256);
    text
}

/// The path as it was sent, encoded once more; S3 alone takes it as it was sent.
fn canonical_path(path: &str, service: &str) -> String {
    let also: &[u8] = if service == "s3" { b"/%" } else { b"/" };
    let mut encoded = String::with_capacity(path.len() + 16);
    encode(path.as_bytes(), also, &mut encoded);
    encoded
}

/// Names and values decoded, encoded by AWS's rule, and sorted.
fn canonical_query(query: &str) -> String {
    let mut pairs: Vec<(String, String)> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (encoded_anew(name), encoded_anew(value))
        })
        .collect();
    pairs.sort_unstable();
    let pairs: Vec<String> = pairs
        .into_iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    pairs.join("&")
}

fn encoded_anew(text: &str) -> String {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match (first, digits.and_then(|two| u8::from_str_radix(two, 16).ok())) {
            (b'%', Some(byte)) => {
                decoded.push(byte);
                rest = &after[2..];
            }
            (b'+', _) => {
                decoded.push(b' ');
                rest = after;
            }
            (byte, _) => {
                decoded.push(*byte);
                rest = after;
            }
        }
    }
    let mut encoded = String::with_capacity(decoded.len() + 16);
    encode(&decoded, b"", &mut encoded);
    encoded
}

/// Percent-encodes all but what RFC 3986 (2.3) calls unreserved, and `also`.
fn encode(bytes: &[u8], also: &[u8], encoded: &mut String) {
    for byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(byte) || also.contains(byte) {
            encoded.push(char::from(*byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
    }
}

/// The key of one day, region and service.
fn signing_key(secret: &str, day: &str, scope: Scope<'_>) -> hmac::Key {
    let secret = Secret::new(["AWS4", secret].concat().into_bytes());
    let mut key = hmac::Key::new(hmac::HMAC_SHA256, secret.expose());
    for part in [day, scope.region, scope.service, "aws4_request"] {
        key = hmac::Key::new(hmac::HMAC_SHA256, hmac::sign(&key, part.as_bytes()).as_ref());
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: AccessKey<'_> = AccessKey {
        id: "AKIDEXAMPLE",
        secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
        session_token: None,
    };
    const S3_KEY: AccessKey<'_> = AccessKey {
        id: "AKIAIOSFODNN7EXAMPLE",
        secret: "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
        session_token: None,
    };
    /// 2015-08-30T12:36:00Z.
    const SUITE: Micros = Micros::from_seconds(1_440_938_160);
    /// 2013-05-24T00:00:00Z.
    const S3_DAY: Micros = Micros::from_seconds(1_369_353_600);

    fn signature(authorization: &str) -> &str {
        authorization.rsplit_once("Signature=").unwrap().1
    }

    /// One case of AWS's published test suite.
    fn suite(method: &str, path: &str, query: Option<&str>, headers: &[(&str, &str)], body: &str) -> String {
        let request = Unsigned {
            method,
            host: "example.amazonaws.com",
            path,
            query,
            headers,
            payload_sha256: &payload_hash(body.as_bytes()),
        };
        let scope = Scope {
            service: "service",
            region: "us-east-1",
        };
        signature(&sign(&request, EXAMPLE, scope, SUITE).authorization).to_owned()
    }

    #[test]
    fn the_cases_of_the_published_test_suite() {
        let vanilla = "5fa00fa31553b73ebf1942676e86291e8372ff2a2260956d9b8aae1d763fbf31";
        assert_eq!(suite("GET", "/", None, &[], ""), vanilla, "get-vanilla");
        assert_eq!(
            suite("GET", "/", Some("Param2=value2&Param1=value1"), &[], ""),
            "b97d918cfa904a5beff61c982a1b6f458b799221646efd99d3219ec94cdf2500",
            "get-vanilla-query-order-key-case"
        );
        assert_eq!(
            suite("POST", "/", None, &[], ""),
            "5da7c1a2acd57cee7505fc6676e4e544621c30862966e37dddb68e92efbe5d6b",
            "post-vanilla"
        );
        assert_eq!(
            suite(
                "POST",
                "/",
                None,
                &[("content-type", "application/x-www-form-urlencoded")],
                "Param1=value1"
            ),
            "ff11897932ad3f4e8b18135d722051e5ac45fc38421b1da7b9d196a0fe09473a",
            "post-x-www-form-urlencoded"
        );
        let unreserved = "/-._~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
        assert_eq!(
            suite("GET", unreserved, None, &[], ""),
            "07ef7494c76fa4850883e2b006601f940f8a34d404d0cfa977f52a65bbf5f24f",
            "get-unreserved"
        );
    }

    /// An example of the S3 manual, whose requests carry the hash of their body.
    fn s3(method: &str, path: &str, query: Option<&str>, headers: &[(&str, &str)], body: &str) -> String {
        let hash = payload_hash(body.as_bytes());
        let mut headers = headers.to_vec();
        headers.push(("x-amz-content-sha256", &hash));
        let request = Unsigned {
            method,
            host: "examplebucket.s3.amazonaws.com",
            path,
            query,
            headers: &headers,
            payload_sha256: &hash,
        };
        let scope = Scope {
            service: "s3",
            region: "us-east-1",
        };
        signature(&sign(&request, S3_KEY, scope, S3_DAY).authorization).to_owned()
    }

    #[test]
    fn the_examples_of_the_s3_manual() {
        // https://docs.aws.amazon.com/AmazonS3/latest/API/sig-v4-header-based-auth.html
        assert_eq!(
            s3("GET", "/test.txt", None, &[("range", "bytes=0-9")], ""),
            "f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41"
        );
        let put = [
            ("date", "Fri, 24 May 2013 00:00:00 GMT"),
            ("x-amz-storage-class", "REDUCED_REDUNDANCY"),
        ];
        assert_eq!(
            s3("PUT", "/test%24file.text", None, &put, "Welcome to Amazon S3."),
            "98ad721746da40c64f1a55b78f14c238d841ea1380cd77a1b5971af0ece108bd"
        );
        assert_eq!(
            s3("GET", "/", Some("lifecycle"), &[], ""),
            "fea454ca298b7da1c68078a5d1bdbfbbe0d65c699e0f91ac7a200a0136783543"
        );
        assert_eq!(
            s3("GET", "/", Some("max-keys=2&prefix=J"), &[], ""),
            "34b48302e7b5fa45bde8084f4b7868a86f0a534bc59db6670ed5711ef69dc6f7"
        );
    }

    #[test]
    fn the_example_of_the_iam_manual() {
        let request = Unsigned {
            method: "GET",
            host: "iam.amazonaws.com",
            path: "/",
            query: Some("Action=ListUsers&Version=2010-05-08"),
            headers: &[("content-type", "application/x-www-form-urlencoded; charset=utf-8")],
            payload_sha256: &payload_hash(b""),
        };
        let scope = Scope {
            service: "iam",
            region: "us-east-1",
        };
        let signed = sign(&request, EXAMPLE, scope, SUITE);
        assert_eq!(signed.date, "20150830T123600Z");
        assert_eq!(
            signed.authorization,
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/us-east-1/iam/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date, \
             Signature=5d672d79c15b13162d9279b0855cfba6789a8edb4c82c400e06b5924a6f2b5d7"
        );
    }

    #[test]
    fn a_path_is_encoded_once_more_but_for_s3() {
        assert_eq!(
            canonical_path("/model/a%3A1/invoke", "bedrock"),
            "/model/a%253A1/invoke"
        );
        assert_eq!(canonical_path("/model/a:1", "bedrock"), "/model/a%3A1");
        assert_eq!(canonical_path("/a%20b(c)", "s3"), "/a%20b%28c%29");
    }

    #[test]
    fn a_query_is_decoded_encoded_by_one_rule_and_sorted() {
        assert_eq!(
            canonical_query("b=2&a=x+y&a=%7e&c&%41=%2f"),
            "A=%2F&a=x%20y&a=~&b=2&c="
        );
        assert_eq!(canonical_query("a=%zz&a=%"), "a=%25&a=%25zz");
        assert_eq!(canonical_query(""), "");
    }

    #[test]
    fn a_temporary_key_signs_its_token() {
        let request = Unsigned {
            method: "GET",
            host: "example.amazonaws.com",
            path: "/",
            query: None,
            headers: &[],
            payload_sha256: UNSIGNED_PAYLOAD,
        };
        let scope = Scope {
            service: "service",
            region: "eu-west-1",
        };
        let key = AccessKey {
            session_token: Some("token"),
            ..EXAMPLE
        };
        let signed = sign(&request, key, scope, SUITE).authorization;
        assert!(
            signed.contains("SignedHeaders=host;x-amz-date;x-amz-security-token, "),
            "{signed}"
        );
        let other = AccessKey {
            session_token: Some("tokem"),
            ..EXAMPLE
        };
        assert_ne!(sign(&request, other, scope, SUITE).authorization, signed);
    }
}
