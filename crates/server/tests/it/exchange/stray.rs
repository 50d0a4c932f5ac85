//! Keys in answers that are nobody's here: an event, and asterisks where that is wanted.

use keystore_proxy::config::StrayKeys;
use serde_json::{Value, json};

use super::{CHAT, chat, openai};
use crate::support::{Setup, TestApp};

/// The fake vendor gives the name of the model back, in every event of a stream.
const KEY: &str = "ghp_aB3dE5fG7hJ9aB3dE5fG7hJ9aB3dE5fG7hJ9";

async fn events(app: &TestApp) -> Vec<Value> {
    app.do_jobs().await;
    let events = app
        .owner_client()
        .get("/v1/events?kind=agent.key_in_answer")
        .await
        .expect(200);
    events["data"].as_array().unwrap().clone()
}

/// What a call and a stream give back, and the events of both.
async fn both(wanted: StrayKeys) -> (TestApp, [String; 2], Vec<Value>) {
    let app = TestApp::with(Setup {
        proxy: match wanted {
            StrayKeys::Pass => |config| config.stray_keys = StrayKeys::Pass,
            StrayKeys::Flag => |_| (),
            StrayKeys::Block => |config| config.stray_keys = StrayKeys::Block,
        },
        ..Setup::default()
    })
    .await;
    let caller = openai(&app, json!({})).await;
    let mut answers = [const { String::new() }; 2];
    for (answer, stream) in answers.iter_mut().zip([false, true]) {
        let body = chat(json!({"model": KEY, "stream": stream}));
        *answer = caller.post(CHAT, &body).await.text().to_owned();
    }
    let events = events(&app).await;
    (app, answers, events)
}

#[tokio::test]
async fn keys_are_told_of_once_and_taken_out_where_that_is_wanted() {
    for wanted in [StrayKeys::Pass, StrayKeys::Flag, StrayKeys::Block] {
        let (app, answers, events) = both(wanted).await;
        for answer in &answers {
            let (has_key, has_stars) = (answer.contains(KEY), answer.contains(&"*".repeat(KEY.len())));
            assert_eq!(
                (has_key, has_stars),
                match wanted {
                    StrayKeys::Block => (false, true),
                    _ => (true, false),
                },
                "{wanted:?}: {answer}"
            );
        }
        if wanted == StrayKeys::Pass {
            assert_eq!(events, [Value::Null; 0]);
            app.finish().await;
            continue;
        }
        assert_eq!(events.len(), 1, "{events:#?}");
        let event = &events[0];
        let data = &event["data"];
        assert_eq!(event["kind"], "agent.key_in_answer");
        assert_eq!(
            (&data["provider"], &data["form"], &data["takenOut"]),
            (
                &json!("openai"),
                &json!("github"),
                &json!(wanted == StrayKeys::Block)
            )
        );
        let request = format!("/v1/requests/{}", data["request"].as_str().unwrap());
        let request = app.owner_client().get(&request).await.expect(200);
        assert_eq!(request["agentId"], event["subject"], "{request:#}");
        app.finish().await;
    }
}
