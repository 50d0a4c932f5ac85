//! The mails of a test: kept, and read as people do.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use keystore_server::mail::{Mail, Mailer, Sending};

/// Every mail so far. Clones share them.
#[derive(Clone, Default)]
pub(super) struct Mails(Arc<Inner>);

#[derive(Default)]
struct Inner {
    kept: Mutex<Vec<(String, String)>>,
    delivering: AtomicBool,
}

impl Mails {
    fn to(&self, to: &str) -> Vec<String> {
        let mails = self.0.kept.lock().unwrap_or_else(PoisonError::into_inner);
        mails
            .iter()
            .filter(|(address, _)| address == to)
            .map(|(_, text)| text.clone())
            .collect()
    }

    /// From now on the server is told that mails reach their addresses.
    pub(super) fn deliver(&self) {
        self.0.delivering.store(true, Ordering::SeqCst);
    }

    pub(super) fn keep(&self, to: String, text: String) {
        self.0
            .kept
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push((to, text));
    }

    /// How many mails to `to` have this in them.
    pub(super) fn count(&self, to: &str, about: &str) -> usize {
        self.to(to).iter().filter(|text| text.contains(about)).count()
    }

    /// The code in the newest mail to `to` that is for this command: mails are sent in the background, so it may take a moment.
    pub(super) async fn code(&self, to: &str, command: &str) -> String {
        for _ in 0..500 {
            let command = format!("ks account {command} ");
            if let Some(text) = self.to(to).iter().rev().find(|text| text.contains(&command)) {
                let (_, rest) = text.split_once("--code ").unwrap();
                return rest.split_whitespace().next().unwrap().to_owned();
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("no mail to {to}");
    }
}

impl Mailer for Mails {
    fn send(&self, mail: Mail) -> Sending<'_> {
        self.keep(mail.to, mail.text);
        Box::pin(std::future::ready(Ok(())))
    }

    fn delivers(&self) -> bool {
        self.0.delivering.load(Ordering::SeqCst)
    }
}
