//! Rates: the same ones for everybody who asks, and never more at a time than they allow.

use std::sync::Arc;
use std::time::Duration;

use keystore_core::Micros;
use keystore_core::deny::RateScope;
use keystore_core::ids::OrgId;
use keystore_core::rate::{Arrival, RateLimits};
use shuttle::sync::atomic::{AtomicUsize, Ordering};
use shuttle::thread;
use uuid::Uuid;

use crate::counters::{Counters, RateKey};
use crate::lock::lock;
use crate::under_all_schedules;

const LIMITS: RateLimits = RateLimits {
    rpm: Some(5),
    rpd: Some(4),
    tpm: None,
    concurrency: Some(2),
};

#[test]
fn never_more_than_the_rates_allow() {
    under_all_schedules(|| {
        let counters = Arc::new(Counters::default());
        let (running, admitted) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
        let threads = [(); 3].map(|()| {
            let counters = Arc::clone(&counters);
            let (running, admitted) = (Arc::clone(&running), Arc::clone(&admitted));
            thread::spawn(move || {
                let arrival = Arrival {
                    now: Micros(0),
                    boottime: Duration::ZERO,
                };
                for _ in 0..2 {
                    let rates = counters.rates(RateKey::Org(OrgId::new(Uuid::nil())));
                    let place = lock(&rates).try_admit(arrival, &LIMITS, RateScope::Org);
                    if place.is_ok() {
                        admitted.fetch_add(1, Ordering::SeqCst);
                        assert!(running.fetch_add(1, Ordering::SeqCst) < 2, "too many at a time");
                        running.fetch_sub(1, Ordering::SeqCst);
                        lock(&rates).ended();
                    }
                }
            })
        });
        for thread in threads {
            thread.join().unwrap();
        }
        assert!(
            (2..=4).contains(&admitted.load(Ordering::SeqCst)),
            "the day has four"
        );
    });
}
