//! `ks dev`: everything is there at the first start, and still there at the second.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use keystore_server::dev::{Dev, DevOptions};
use serde_json::{Value, json};

fn options(data_dir: &Path) -> DevOptions {
    let any_port = Some(([127, 0, 0, 1], 0).into());
    DevOptions {
        data_dir: Some(data_dir.to_owned()),
        proxy_addr: any_port,
        api_addr: any_port,
        allow_upstream: Vec::new(),
        demo_data: false,
        log: None,
    }
}

fn http() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

/// Starts, lets `check` look at the running server with its `dev.json` and its greeting, and stops.
async fn while_running<F: Future<Output = ()>>(data_dir: &Path, check: impl FnOnce(Value, String) -> F) {
    let dev = Dev::start(options(data_dir)).await.unwrap();
    let mut greeting = Vec::new();
    dev.greet(&mut greeting).unwrap();
    let app = dev.app();
    let serving = tokio::spawn(dev.serve());
    let file = std::fs::read_to_string(data_dir.join("dev.json")).unwrap();
    check(
        serde_json::from_str(&file).unwrap(),
        String::from_utf8(greeting).unwrap(),
    )
    .await;
    app.shut_down();
    serving.await.unwrap();
}

async fn chat(file: &Value, stream: bool) -> (u16, String) {
    let answer = http()
        .post(format!("{}/v1/sandbox/v1/chat/completions", file["proxyUrl"].as_str().unwrap()))
        .bearer_auth(file["token"].as_str().unwrap())
        .json(&json!({"model": "sandbox-1", "stream": stream, "messages": [{"role": "user", "content": "one two"}]}))
        .send()
        .await
        .unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

#[tokio::test]
async fn a_newcomer_gets_an_answer_buffered_and_streamed() {
    let folder = tempfile::tempdir().unwrap();
    while_running(folder.path(), |file, greeting| async move {
        let (status, text) = chat(&file, false).await;
        assert_eq!(status, 200, "{text}");
        assert!(text.contains("You said: one two"), "{text}");
        let (status, text) = chat(&file, true).await;
        assert_eq!(status, 200, "{text}");
        assert!(text.contains("data: [DONE]"), "{text}");
        for field in ["proxyUrl", "apiUrl", "token"] {
            assert!(
                greeting.contains(file[field].as_str().unwrap()),
                "{field}: {greeting}"
            );
        }
        assert!(
            !greeting.contains(file["password"].as_str().unwrap()),
            "the password stays in the file"
        );
        let requests = http()
            .get(format!("{}/v1/requests", file["apiUrl"].as_str().unwrap()))
            .bearer_auth(file["apiKey"].as_str().unwrap())
            .send()
            .await
            .unwrap();
        assert_eq!(requests.status(), 200);
    })
    .await;
    for name in ["dev.json", "root.key"] {
        let mode = folder.path().join(name).metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{name}");
    }
}

#[tokio::test]
async fn the_sign_in_code_of_the_greeting_is_good_once() {
    let folder = tempfile::tempdir().unwrap();
    while_running(folder.path(), |file, greeting| async move {
        let code = greeting
            .split("--code ")
            .nth(1)
            .unwrap()
            .split_whitespace()
            .next()
            .unwrap();
        for expected in [200, 401] {
            let answer = http()
                .post(format!("{}/v1/auth/exchange", file["apiUrl"].as_str().unwrap()))
                .json(&json!({"code": code}))
                .send()
                .await
                .unwrap();
            assert_eq!(answer.status(), expected);
        }
    })
    .await;
}

#[tokio::test]
async fn a_second_start_keeps_everything() {
    let folder = tempfile::tempdir().unwrap();
    let kept = |file: &Value| ["apiKey", "token", "email", "password"].map(|name| file[name].clone());
    let (sender, mut receiver) = tokio::sync::mpsc::unbounded_channel();
    for _ in 0..2 {
        let sender = sender.clone();
        while_running(folder.path(), |file, _| async move {
            assert_eq!(
                chat(&file, false).await.0,
                200,
                "the sandbox has a new port and a new key"
            );
            let login = json!({"email": file["email"], "password": file["password"]});
            let answer = http()
                .post(format!("{}/v1/auth/login", file["apiUrl"].as_str().unwrap()))
                .json(&login)
                .send()
                .await
                .unwrap();
            assert_eq!(answer.status(), 200);
            sender.send(file).unwrap();
        })
        .await;
    }
    let (first, second) = (receiver.recv().await.unwrap(), receiver.recv().await.unwrap());
    assert_eq!(kept(&first), kept(&second));
}

#[tokio::test]
async fn it_listens_on_loopback_alone() {
    let folder = tempfile::tempdir().unwrap();
    let open = DevOptions {
        proxy_addr: Some(([0, 0, 0, 0], 0).into()),
        ..options(folder.path())
    };
    let error = Dev::start(open).await.err().unwrap().to_string();
    assert!(error.contains("loopback"), "{error}");
}

#[tokio::test]
async fn invented_days_are_whole_and_only_for_a_new_folder() {
    let folder = tempfile::tempdir().unwrap();
    let with_days = DevOptions {
        demo_data: true,
        ..options(folder.path())
    };
    let dev = Dev::start(with_days.clone()).await.unwrap();
    let app = dev.app();
    let serving = tokio::spawn(dev.serve());
    let file = std::fs::read_to_string(folder.path().join("dev.json")).unwrap();
    let file: Value = serde_json::from_str(&file).unwrap();
    let get = async |path: &str| -> Value {
        let url = format!("{}{path}", file["apiUrl"].as_str().unwrap());
        let answer = http().get(url).bearer_auth(file["apiKey"].as_str().unwrap());
        answer.send().await.unwrap().json().await.unwrap()
    };
    let newest = get("/v1/requests?limit=500").await;
    assert_eq!(newest["data"].as_array().unwrap().len(), 500);
    let agents = get("/v1/agents").await;
    let names: Vec<_> = agents["data"]
        .as_array()
        .unwrap()
        .iter()
        .map(|agent| &agent["name"])
        .collect();
    assert_eq!(names.len(), 5, "{names:?}");
    let invoices = get("/v1/billing/invoices").await;
    assert_ne!(invoices["data"][0]["total"], "0", "{invoices}");
    let budgets = get("/v1/budgets").await;
    let budgets = budgets["data"].as_array().unwrap();
    assert!(budgets.len() >= 5, "{budgets:?}");
    for budget in budgets {
        // Early in a month all of it may be in the month before.
        let months = get(&format!("/v1/budgets/{}/history", budget["id"].as_str().unwrap())).await;
        let spent = |month: &Value| month["spent"].as_str().unwrap().parse::<f64>().unwrap();
        let spent: f64 = months["data"].as_array().unwrap().iter().map(spent).sum();
        assert!(spent > 0.0, "{budget:#} {months:#}");
    }
    // A chain that holds, from the first day on.
    let checkpoints = get("/v1/audit/checkpoints").await;
    assert!(
        checkpoints["data"].as_array().unwrap().len() >= 30,
        "{checkpoints}"
    );
    let verify = format!("{}/v1/audit/verify", file["apiUrl"].as_str().unwrap());
    let verified = http()
        .post(verify)
        .bearer_auth(file["apiKey"].as_str().unwrap())
        .send()
        .await
        .unwrap();
    let verified: Value = verified.json().await.unwrap();
    assert_eq!(verified["problem"], Value::Null, "{verified}");
    app.shut_down();
    serving.await.unwrap();
    let error = Dev::start(with_days).await.err().unwrap().to_string();
    assert!(error.contains("--data-dir"), "{error}");
}
