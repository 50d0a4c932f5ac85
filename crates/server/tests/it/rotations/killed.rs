//! A rotation whose server ends at any step, again and again: there is always an active key that the vendor takes, and at the end no key
//! at the vendor that nobody knows.

use std::collections::BTreeMap;
use std::time::Duration;

use keystore_store::failpoints::Action;
use keystore_testkit::counts::soak;
use keystore_testkit::dice::Dice;
use keystore_testkit::upstream::Behaviour;
use serde_json::{Value, json};

use super::{OPENAI, Site};

/// How a turn ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Before its first write.
    BeforeWrite,
    /// After that, before anything else.
    AfterWrite,
    /// Before the vendor is asked.
    BeforeVendor,
    /// After the vendor has done what it was asked, before that is known.
    AfterVendor,
    /// When there is nothing left to do; but an answer of the vendor is lost.
    AnswerLost,
    /// When there is nothing left to do.
    AtEase,
}

const ENDS: [End; 8] = [
    End::BeforeWrite,
    End::AfterWrite,
    End::AfterWrite,
    End::BeforeVendor,
    End::AfterVendor,
    End::AfterVendor,
    End::AnswerLost,
    End::AtEase,
];

/// The steps at which something can end.
const STEPS: [&str; 7] = ["mint", "verify", "promote", "overlap", "drain", "revoke", "sweep"];

const BEFORE_INTENT: &str = "journal.before_append";

impl Site {
    /// One turn that ends in this way, where it is the vendor's part at its `number`th request. Whether it was ended.
    async fn turn(&self, end: End, number: usize) -> bool {
        let (points, upstream) = (self.app.failpoints(), self.app.fake_upstream());
        let odd = |behaviour: Behaviour| {
            let plain = (0..number).map(|_| Behaviour::default());
            upstream.script(plain.chain([behaviour]));
        };
        let point = match end {
            End::BeforeWrite => "tx.before_commit",
            End::AfterWrite => "tx.after_commit",
            _ => BEFORE_INTENT,
        };
        let (arrived, acted) = (upstream.count(), points.acted(point));
        match end {
            End::BeforeWrite | End::AfterWrite => points.set_times(point, Action::Panic, 1),
            End::BeforeVendor => points.set_times(point, Action::Delay(Duration::from_millis(20)), 1),
            End::AfterVendor => odd(Behaviour {
                head_delay: Duration::from_millis(200),
                ..Behaviour::default()
            }),
            End::AnswerLost => odd(Behaviour {
                no_head: true,
                ..Behaviour::default()
            }),
            End::AtEase => {}
        }
        let turn = self.app.rotating();
        let reached = || match end {
            End::BeforeVendor => points.acted(point) > acted,
            End::AfterVendor => upstream.count() > arrived + number,
            _ => false,
        };
        while !turn.is_finished() && !reached() {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        turn.abort();
        let is_cut = turn.await.is_err();
        points.clear(point);
        upstream.unscript();
        match end {
            // The commit is a task of its own; what waits for it ends with it.
            End::BeforeWrite | End::AfterWrite => points.acted(point) > acted,
            _ => is_cut,
        }
    }

    /// There is an active credential whose key the vendor has.
    async fn check(&self, keys: &BTreeMap<String, String>) {
        let pool = self.operator.get("/v1/operator/pool").await.expect(200);
        let at_vendor = self.keys();
        let serves = |member: &Value| {
            let key = keys.get(member["id"].as_str().unwrap());
            member["state"] == "active" && at_vendor.iter().any(|made| Some(&made.id) == key)
        };
        assert!(
            pool["data"].as_array().unwrap().iter().any(serves),
            "no active key: {pool:#} {at_vendor:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn at_every_step_it_goes_on_where_it_was() {
    let rotations = soak(1_000, 100);
    let mut site = Site::start(OPENAI).await;
    site.plan(OPENAI, json!({"overlapSeconds": 60})).await;
    let mut dice = Dice::new(5);
    // The vendor's ids of the keys, by credential.
    let mut keys = BTreeMap::from([(site.old.clone(), site.old_key.clone())]);
    let mut ended_at: BTreeMap<String, usize> = BTreeMap::new();
    let mut done = 0;
    // As many as asked for, and on until the dice have ended each step often enough.
    let enough = |ended_at: &BTreeMap<String, usize>| {
        STEPS
            .iter()
            .all(|step| ended_at.get(*step).is_some_and(|times| *times >= rotations / 10))
    };
    while done < rotations || (done < 2 * rotations && !enough(&ended_at)) {
        let id = site.begin().await;
        let last = loop {
            let before = site.rotation(&id).await;
            let step = before["step"].as_str().unwrap();
            if step == "done" {
                break before;
            }
            let end = ENDS[usize::try_from(dice.below(ENDS.len() as u64)).unwrap()];
            let at = usize::try_from(dice.below(3)).unwrap();
            if site.turn(end, at).await {
                *ended_at.entry(step.to_owned()).or_default() += 1;
            }
            let after = site.rotation(&id).await;
            if let (Some(new), Some(key)) = (after["new"].as_str(), after["newKey"].as_str()) {
                keys.insert(new.to_owned(), key.to_owned());
            }
            site.check(&keys).await;
            site.clock.advance(Duration::from_secs(dice.below(25)));
        };
        let old = std::mem::replace(&mut site.old, last["new"].as_str().unwrap().to_owned());
        let names = ["of somebody else", last["keyName"].as_str().unwrap()];
        assert_eq!(site.names(), names, "rotation {done}: an orphan at the vendor");
        let gone = site.operator.delete(&format!("/v1/operator/pool/{old}")).await;
        assert_eq!(gone.status, 204);
        done += 1;
        if done % 25 == 0 {
            site = site.restart().await;
        }
    }
    println!("{done} rotations, ended at {ended_at:?}");
    assert!(enough(&ended_at), "{ended_at:?}");
    // What was cut in the middle of a request may stand in the journal as sent.
    site.app.stop().await;
}
