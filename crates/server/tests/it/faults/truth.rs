//! What must be true of the records, whatever happened: the fake provider's log is compared with them, call by call. Every call names
//! a model of its own, which stands in the log, in the intent and in the price.

use std::collections::BTreeMap;

use keystore_core::record::Ending;
use keystore_store::Store;
use keystore_store::requests::RequestRow;
use keystore_testkit::upstream::Received;

use crate::support::all_rows;

/// What the calls of a test amount to.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sums {
    pub(super) received: usize,
    pub(super) complete: usize,
    pub(super) crashed: usize,
    pub(super) not_sent: usize,
    /// Ended in any other way.
    pub(super) other: usize,
    /// Were ended by a panic.
    pub(super) panicked: usize,
    /// Charged by what the provider reported.
    pub(super) exact: usize,
    /// Nano-dollars charged, and how much of it by what the provider reported.
    pub(super) charged: i64,
    pub(super) reported: i64,
}

impl std::ops::AddAssign for Sums {
    fn add_assign(&mut self, more: Self) {
        self.received += more.received;
        self.complete += more.complete;
        self.crashed += more.crashed;
        self.not_sent += more.not_sent;
        self.other += more.other;
        self.panicked += more.panicked;
        self.exact += more.exact;
        self.charged += more.charged;
        self.reported += more.reported;
    }
}

/// The model of a call: priced as `gpt-5-nano`.
pub(super) fn model(call: usize) -> String {
    format!("gpt-5-nano-{call}")
}

/// What the provider's answer to a request costs, in nano-dollars: 0.05 and 0.4 dollars for a million tokens.
fn cost((input, output): (u64, u64)) -> i64 {
    input as i64 * 50 + output as i64 * 400
}

/// Compares the log with the records, and with what the one budget says was spent.
pub(super) async fn check(store: &Store, spent: i64, log: &[Received]) -> Sums {
    let sums = check_calls(store, log).await;
    assert_eq!(spent, sums.charged, "what the budget spent");
    sums
}

/// Compares the log with the records.
pub(super) async fn check_calls(store: &Store, log: &[Received]) -> Sums {
    let rows = all_rows(store).await;
    let calls: Vec<&RequestRow> = rows.iter().filter(|row| row.model.is_some()).collect();
    let by_model: BTreeMap<&str, &RequestRow> = calls
        .iter()
        .map(|row| (row.model.as_deref().unwrap(), *row))
        .collect();
    assert_eq!(by_model.len(), calls.len(), "one intent and one outcome a call");
    let mut sums = Sums::default();
    let mut received = BTreeMap::new();
    for entry in log.iter().filter(|entry| entry.method == "POST") {
        let model = entry.json()["model"].as_str().unwrap_or_default().to_owned();
        let row = by_model.get(model.as_str());
        assert!(row.is_some(), "{model} arrived without an intent");
        let before = received.insert(model, entry);
        assert!(before.is_none(), "sent twice");
    }
    sums.received = received.len();
    for row in &calls {
        let entry = received.get(row.model.as_deref().unwrap());
        let exact = entry.map_or(0, |entry| cost(entry.tokens));
        match row.ending.unwrap() {
            Ending::NotSent => {
                assert!(entry.is_none() && row.cost.0 == 0, "{row:#?}");
                sums.not_sent += 1;
            }
            Ending::Crash => {
                assert_eq!(row.cost, row.hold, "at what was held: {row:#?}");
                sums.crashed += 1;
            }
            Ending::Complete => sums.complete += 1,
            _ => sums.other += 1,
        }
        if row.refusal.as_deref() == Some("internal") {
            sums.panicked += 1;
        }
        let charged = row.cost.0;
        assert!(charged >= exact, "charged {charged} for {exact}: {row:#?}");
        assert!(
            charged == exact || charged <= row.hold.0,
            "above its hold: {row:#?}"
        );
        let is_reported = row.status != 0 && !row.estimated && row.ending != Some(Ending::Crash);
        if is_reported {
            assert_eq!(charged, exact, "to the nano-dollar: {row:#?}");
            assert!(entry.is_some(), "{row:#?}");
            sums.exact += 1;
            sums.reported += charged;
        }
        sums.charged += charged;
    }
    let nameless: Vec<_> = rows
        .iter()
        .filter(|row| row.model.is_none() && row.cost.0 != 0)
        .collect();
    assert_eq!(nameless, [] as [&RequestRow; 0]);
    sums
}
