//! Requests that are signed: what a client's own SDK says of its signature is gone, and one of ours stands in its place.

use super::*;

const SECRET: &str = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY";
const OLD: &str =
    "AWS4-HMAC-SHA256 Credential=CLIENTS/20150830/us-east-1/x/aws4_request, SignedHeaders=host, Signature=00";

fn ask(service: &str, headers: Vec<(&'static str, &'static str)>) -> Ask {
    Ask {
        provider: "aws",
        headers,
        fields: vec![("key", SECRET), ("access_key_id", "AKIDEXAMPLE")],
        ..Ask::injecting(vec![Injection::Sigv4 {
            access_key_id: "{access_key_id}".into(),
            service: service.into(),
            region: "eu-west-1".into(),
            services: [("files".to_owned(), "s3".to_owned())].into(),
        }])
    }
}

fn value<'h>(headers: &'h [(String, String)], name: &str) -> Option<&'h str> {
    let mut values = headers.iter().filter(|(known, _)| known == name);
    let value = values.next().map(|(_, value)| value.as_str());
    assert!(values.next().is_none(), "{name} stands twice");
    value
}

#[test]
fn a_clients_signature_is_replaced_by_one_of_the_credential() {
    let headers = ask(
        "kms",
        vec![
            ("authorization", OLD),
            ("x-amz-date", "20010101T000000Z"),
            ("x-amz-security-token", "clients-own"),
            ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"),
            ("x-amz-target", "TrentService.ListKeys"),
            ("content-type", "application/x-amz-json-1.1"),
            ("user-agent", "sdk"),
        ],
    );
    // Only S3 has bodies that are signed in pieces.
    assert_eq!(
        Ask {
            alias: "files",
            ..ask(
                "kms",
                vec![("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")]
            )
        }
        .error(),
        InjectError::SignedChunks
    );
    let headers = headers.headers();
    assert_eq!(value(&headers, "x-amz-date"), Some("20150830T123600Z"));
    assert_eq!(value(&headers, "x-amz-security-token"), None);
    assert_eq!(value(&headers, "x-amz-content-sha256"), None);
    let signature = value(&headers, "authorization").unwrap();
    assert!(
        signature.starts_with(
            "AWS4-HMAC-SHA256 Credential=AKIDEXAMPLE/20150830/eu-west-1/kms/aws4_request, \
             SignedHeaders=content-type;host;x-amz-date;x-amz-target, Signature="
        ),
        "{signature}"
    );
    assert!(!headers.iter().any(|(_, value)| value.contains(SECRET)));
}

#[test]
fn a_temporary_keys_token_goes_along_and_is_looked_for_in_the_answer() {
    let mut ask = ask("kms", Vec::new());
    ask.fields.push(("session_token", "temporary-token-0123456789"));
    let built = ask.build().ok().unwrap();
    assert_eq!(
        built.request.headers["x-amz-security-token"],
        "temporary-token-0123456789"
    );
    assert!(built.needles.occur_in(b"{\"t\":\"temporary-token-0123456789\"}"));
}

#[test]
fn s3_may_leave_the_body_out_of_the_signature() {
    let hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
    for (said, sent) in [
        (Some("UNSIGNED-PAYLOAD"), "UNSIGNED-PAYLOAD"),
        (
            Some("STREAMING-UNSIGNED-PAYLOAD-TRAILER"),
            "STREAMING-UNSIGNED-PAYLOAD-TRAILER",
        ),
        (Some(hash), hash),
        (
            None,
            "44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a",
        ),
    ] {
        let said: Vec<_> = said
            .map(|said| ("x-amz-content-sha256", said))
            .into_iter()
            .collect();
        let headers = ask("s3", said).headers();
        assert_eq!(value(&headers, "x-amz-content-sha256"), Some(sent));
        assert!(
            value(&headers, "authorization")
                .unwrap()
                .contains("host;x-amz-content-sha256;x-amz-date")
        );
    }
    for bad in [
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD",
        "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
        "x",
        "",
    ] {
        assert_eq!(
            ask("s3", vec![("x-amz-content-sha256", bad)]).error(),
            InjectError::SignedChunks,
            "{bad}"
        );
    }
}

#[test]
fn a_host_of_another_service_is_signed_for_it() {
    let headers = Ask {
        alias: "files",
        ..ask("kms", Vec::new())
    }
    .headers();
    assert!(
        value(&headers, "authorization")
            .unwrap()
            .contains("/eu-west-1/s3/aws4_request")
    );
}

#[test]
fn a_header_that_comes_twice_is_signed_as_it_is_sent() {
    let headers = ask("kms", vec![("x-amz-meta-a", "1"), ("x-amz-meta-a", "2")])
        .build()
        .ok()
        .unwrap()
        .request
        .headers;
    assert_eq!(headers.get_all("x-amz-meta-a").iter().count(), 2);
    let once = ask("kms", vec![("x-amz-meta-a", "1,2")]).headers();
    assert_eq!(headers["authorization"], value(&once, "authorization").unwrap());
}
