//! What mails say about money and pools: top-ups that were refused, capped, wait or are unclear, and customers that a vendor complains of.

use super::events::{Place, Words};

/// The words of such an event; `None` of another one.
pub(super) fn words(place: &Place<'_>) -> Option<Words> {
    let fact = |name: &str| place.fact(name);
    let (org, subject) = (place.org(), &place.waiting.subject);
    Some(match place.waiting.kind.as_str() {
        "top_up.failed" => {
            let follows = match fact("stopped").as_str() {
                "true" => "Nothing more is tried until the rule is set again, or another card is saved.",
                _ => "It is tried again later.",
            };
            Words {
                subject: "A top-up was refused".to_owned(),
                happened: format!(
                    "The credit of {org} runs low, and a payment of {} dollars was refused: {}. {follows}",
                    fact("amount"),
                    fact("reason")
                ),
                purpose: "To pay with another card, which is saved",
                command: format!("billing top-up {} --save-card", fact("amount")),
            }
        }
        "top_up.capped" => Words {
            subject: "Credit is low and is not topped up".to_owned(),
            happened: format!(
                "Less than {} dollars of the credit of {org} are left, and another top-up would be beyond the {} dollars a month.",
                fact("below"),
                fact("monthly")
            ),
            purpose: "To see the rule",
            command: "billing auto-top-up".to_owned(),
        },
        "top_up.waits" => Words {
            subject: "A top-up waits for you".to_owned(),
            happened: format!(
                "The credit of {} runs low, and by its rule {} dollars are to be paid in.",
                fact("orgId"),
                fact("amount")
            ),
            purpose: "When the money is there",
            command: format!("credit settle {subject} --paid"),
        },
        "top_up.unclear" => Words {
            subject: "It is not known whether a card was charged".to_owned(),
            happened: format!(
                "Stripe has not said for hours whether it made the payment {subject} of {} dollars of {}. Nothing more is asked; \
                 look at Stripe, which has the id in the payment's metadata.",
                fact("amount"),
                fact("orgId")
            ),
            purpose: "If the money is there",
            command: format!("credit settle {subject} --paid"),
        },
        "pool.abuse_detected" => {
            let follows = match fact("action").as_str() {
                "pause" => "It is paused there until you let it go on.",
                _ => "It goes on. It is not told again within an hour.",
            };
            let (provider, org) = (fact("provider"), fact("orgId"));
            Words {
                subject: format!("{provider} complains of a customer"),
                happened: format!(
                    "{provider} held {} calls of {org} with your keys, within {} seconds, to break its rules for use. {follows}",
                    fact("found"),
                    fact("windowSeconds")
                ),
                purpose: "To let it go on, or to pause it with --pause",
                command: format!("pool tenant {provider} {org} --resume"),
            }
        }
        _ => return None,
    })
}
