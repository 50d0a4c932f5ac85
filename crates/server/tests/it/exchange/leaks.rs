//! A vendor that gives the credential back, in every form, cut everywhere, for as long as the body is.

use std::collections::BTreeMap;
use std::time::Duration;

use keystore_testkit::counts::soak;
use reqwest::{Client, RequestBuilder};
use serde_json::json;

use super::{MODELS, openai};
use crate::support::{CANARY, Canaries, TestApp};

/// What of one piece is looked at again with the next: no form of the credential is longer.
const OVERLAP: usize = 4 * CANARY.len();

/// How many bytes came, how many of them are asterisks, and how often each form of the credential was among them.
async fn read(request: RequestBuilder) -> (usize, usize, BTreeMap<String, usize>) {
    let canaries = Canaries::new([CANARY]);
    let mut answer = request.send().await.unwrap();
    assert_eq!(answer.status(), 200);
    let (mut bytes, mut stars, mut found, mut kept) = (0, 0, BTreeMap::new(), Vec::new());
    let mut look = |kept: &[u8]| {
        for form in canaries.in_bytes(kept) {
            *found.entry(form.to_owned()).or_default() += 1;
        }
    };
    while let Some(piece) = answer.chunk().await.unwrap() {
        bytes += piece.len();
        stars += piece.iter().filter(|byte| **byte == b'*').count();
        kept.extend_from_slice(&piece);
        if kept.len() > 64 * OVERLAP {
            look(&kept);
            kept.drain(..kept.len() - OVERLAP);
        }
    }
    look(&kept);
    (bytes, stars, found)
}

#[tokio::test]
async fn no_form_of_a_credential_passes_however_it_is_cut() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({})).await;
    let vendor = Client::builder().no_proxy().build().unwrap();
    // The longest that is decoded is 256 MiB.
    let length = soak(200_000_000, 2_000_000);
    for encoded in ["", "; gzip"] {
        let leak = |request: RequestBuilder| {
            let told = format!("leak-bytes={length}{encoded}");
            request.header("x-fake", told).timeout(Duration::from_secs(600))
        };
        let (bytes, stars, found) = read(leak(caller.request("GET", MODELS))).await;
        assert_eq!(found, BTreeMap::new(), "{encoded}");
        assert!(
            bytes >= length && stars > length / 2,
            "{bytes} bytes, {stars} of them asterisks"
        );
        // As the vendor sent it.
        if encoded.is_empty() {
            let direct = format!("{}/v1/models", app.fake_upstream().url());
            let (sent, none, found) = read(leak(vendor.get(direct).bearer_auth(CANARY))).await;
            assert_eq!((sent, none), (bytes, 0), "every byte has its place");
            let often = length / 100 / CANARY.len();
            assert!(
                found.len() == 7 && found.values().all(|times| *times > often),
                "{found:?}"
            );
        }
    }
    app.leave();
}
