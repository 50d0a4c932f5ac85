//! Calls of models among the metrics, under the names of OpenTelemetry.

use serde_json::json;

use super::{CHAT, chat, openai};
use crate::support::TestApp;

/// The value of a series: its name with its labels, as they are shown.
fn value(metrics: &str, series: &str) -> Option<f64> {
    let line = metrics.lines().find(|line| line.starts_with(series))?;
    line.rsplit_once(' ')?.1.parse().ok()
}

#[tokio::test]
async fn calls_of_models_are_counted_under_the_names_of_the_conventions() {
    let app = TestApp::start().await;
    let caller = openai(&app, json!({})).await;
    for body in [
        json!({}),
        json!({"stream": true, "stream_options": {"include_usage": true}}),
    ] {
        caller.post(CHAT, &chat(body)).await.expect(200);
    }
    // A fine-tuned model's name says whose it is, and anybody may read the metrics.
    for own in ["ft:gpt-4o-mini-2024-07-18:acme-corp::7p4lURel", "acme-1"] {
        caller.post(CHAT, &chat(json!({"model": own}))).await.expect(200);
    }
    let failing = caller.request("POST", CHAT).header("x-fake", "status=429");
    caller.send(failing.json(&chat(json!({})))).await.expect(429);
    let told = app.fake_upstream().log();
    let told = told
        .iter()
        .filter(|call| !String::from_utf8_lossy(&call.body).contains("acme"));
    let (input, output) = told.fold((0, 0), |sum, call| (sum.0 + call.tokens.0, sum.1 + call.tokens.1));
    let metrics = app.anonymous().get("/metrics").await.expect(200);
    let metrics = metrics.as_str().unwrap();
    assert!(!metrics.contains("acme"), "{metrics}");
    for listed in ["ft:gpt-4o-mini", "_OTHER"] {
        let listed = format!("gen_ai_request_model=\"{listed}\"");
        assert!(metrics.contains(&listed), "{metrics}");
    }
    let model = chat(json!({}))["model"].as_str().unwrap().to_owned();
    let call = format!(
        r#"gen_ai_operation_name="chat",gen_ai_provider_name="openai",gen_ai_request_model="{model}""#
    );
    let of = |name: &str, more: &str| value(metrics, &format!("gen_ai_client_{name}{{{call}{more}}}"));
    assert_eq!(
        of("operation_duration_seconds_count", r#",error_type="""#),
        Some(2.0),
        "{metrics}"
    );
    assert_eq!(
        of("operation_duration_seconds_count", r#",error_type="429""#),
        Some(1.0)
    );
    assert_eq!(of("operation_time_to_first_chunk_seconds_count", ""), Some(3.0));
    let sums =
        ["input", "output"].map(|kind| of("token_usage_sum", &format!(r#",gen_ai_token_type="{kind}""#)));
    assert_eq!(sums, [Some(input as f64), Some(output as f64)], "{metrics}");
    app.finish().await;
}
