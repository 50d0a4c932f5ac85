//! The positive control: a secret that does lie about is found, in every form and place that `finish` looks at.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde_json::json;

use super::{CHAT, chat, openai};
use crate::support::{CANARY, Canaries, TestApp};

#[test]
fn a_planted_secret_is_found_in_every_form() {
    let canaries = Canaries::new([CANARY]);
    let hex: String = CANARY.bytes().map(|byte| format!("{byte:02x}")).collect();
    let percent: String = CANARY.bytes().map(|byte| format!("%{byte:02X}")).collect();
    let mut planted = vec![
        format!("{{\"authorization\":\"Bearer {CANARY}\"}}").into_bytes(),
        hex.to_uppercase().into_bytes(),
        hex.into_bytes(),
        percent.to_lowercase().into_bytes(),
        percent.into_bytes(),
        CANARY.bytes().rev().collect(),
        CANARY.encode_utf16().flat_map(u16::to_le_bytes).collect(),
    ];
    for before in ["", "a", "ab", "abc"] {
        for after in ["", "z", "zz"] {
            let around = format!("{before}{CANARY}{after}");
            planted.push(STANDARD.encode(&around).into_bytes());
            planted.push(URL_SAFE_NO_PAD.encode(&around).into_bytes());
        }
    }
    for bytes in planted {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        assert!(!canaries.in_bytes(&bytes).is_empty(), "{text}");
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("below")).unwrap();
        let noise = vec![7; 10_000];
        std::fs::write(
            folder.path().join("below/file"),
            [&noise[..], &bytes, &noise].concat(),
        )
        .unwrap();
        assert!(!canaries.in_files(folder.path()).is_empty(), "{text}");
    }
    let other = CANARY.replace('4', "5");
    assert_eq!(canaries.in_bytes(other.as_bytes()), [""; 0]);
}

#[tokio::test]
#[should_panic(expected = "while it runs")]
async fn a_secret_in_the_folder_fails_a_test() {
    let app = TestApp::start().await;
    let planted = STANDARD.encode(format!("x{CANARY}"));
    std::fs::write(app.folder().join("planted"), planted).unwrap();
    app.finish().await;
}

#[tokio::test]
#[should_panic(expected = "the answer to /v1/openai/v1/chat/completions")]
async fn a_secret_in_an_answer_fails_a_test() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({})).await;
    // The fake's model names come back; nobody but this test has this one for a secret.
    app.secret("my-secret-model-name");
    caller
        .post(CHAT, &chat(json!({"model": "my-secret-model-name"})))
        .await
        .expect(200);
    app.finish().await;
}

#[tokio::test]
#[should_panic(expected = "arrived without an intent")]
async fn a_request_beside_the_journal_fails_a_test() {
    let app = TestApp::start().await;
    let direct = reqwest::Client::builder().no_proxy().build().unwrap();
    direct.get(app.fake_upstream().url()).send().await.unwrap();
    app.finish().await;
}
