//! A rotation whose work ends at every write of it, again and again, under load: no call fails, and nothing is lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use keystore_store::failpoints::Action;
use keystore_testkit::counts::soak;
use keystore_testkit::dice::Dice;
use serde_json::json;

use super::{act, calls, states, status};
use crate::support::TestApp;

/// Where the work ends.
const POINTS: [(&str, Action); 4] = [
    ("tx.begin", Action::Fail),
    ("tx.before_commit", Action::Panic),
    ("tx.after_commit", Action::Panic),
    ("tx.after_commit", Action::Fail),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_goes_on_where_it_ended_while_calls_go_on() {
    let (count, kills) = (soak(100_000, 2_000), soak(100, 10));
    let app = TestApp::start().await;
    app.create_credential("openai").await;
    let token = app
        .create_token_with(
            "bot",
            &["openai"],
            json!({"rpmLimit": 1_000_000, "rpdLimit": 1_000_000}),
        )
        .await;
    let app = Arc::new(app.filled(count).await);
    let (over, answered) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicUsize::new(0)));
    let load: Vec<_> = (0..4)
        .map(|_| {
            let (app, token) = (Arc::clone(&app), token.clone());
            let (over, answered) = (Arc::clone(&over), Arc::clone(&answered));
            tokio::spawn(async move {
                while !over.load(Ordering::Relaxed) {
                    calls(&app, &token).await.expect(200);
                    answered.fetch_add(1, Ordering::Relaxed);
                    tokio::time::sleep(Duration::from_millis(8)).await;
                }
            })
        })
        .collect();
    let (owner, points, mut dice) = (app.owner_client(), app.failpoints(), Dice::new(11));
    act(owner, "rotate").await;
    let mut killed = 0;
    let mut rotations = 1;
    while killed < kills {
        let (point, action) = POINTS[usize::try_from(dice.below(POINTS.len() as u64)).unwrap()];
        let acted = points.acted(point);
        points.set_times(point, action, 1);
        let turn = app.carrying_keys_on();
        let cut = Duration::from_millis(dice.below(150));
        let began = tokio::time::Instant::now();
        while !turn.is_finished() && (points.acted(point) == acted || began.elapsed() < cut) {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        turn.abort();
        let is_cut = turn.await.is_err();
        points.clear(point);
        killed += usize::from(is_cut || points.acted(point) > acted);
        if status(owner).await["job"]["endedAt"].is_string() && killed < kills {
            act(owner, "rotate").await;
            rotations += 1;
        }
    }
    app.carry_keys_on().await;
    over.store(true, Ordering::Relaxed);
    for task in load {
        task.await.unwrap();
    }
    let end = status(owner).await;
    assert_eq!(end["job"]["failed"], 0, "{end:#}");
    let all = u64::try_from(count).unwrap() + 1;
    assert_eq!(end["job"]["done"], all, "everything was opened: {end:#}");
    let held: Vec<_> = states(&end)
        .into_iter()
        .filter(|(_, _, versions)| *versions > 0)
        .collect();
    assert_eq!(held, [(rotations + 1, "active".to_owned(), all)]);
    for generation in 1..=rotations {
        let body = json!({"generation": generation});
        owner.post("/v1/kek/retire", &body).await.expect(200);
    }
    assert!(answered.load(Ordering::Relaxed) > 10);
    println!(
        "{count} credentials, {rotations} rotations, {killed} ends, {} calls, none failed",
        answered.load(Ordering::Relaxed)
    );
    Arc::into_inner(app).unwrap().leave();
}
