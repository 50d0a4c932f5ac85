//! Invoices sum to the ledger, month after month, and are shown safely and always the same.

use super::*;
use crate::ids::TransactionId;
use crate::ledger::{About, Account, Balances, Transaction};
use crate::time::Micros;
use proptest::prelude::*;
use uuid::Uuid;

fn org() -> OrgId {
    OrgId::new(Uuid::from_u128(1))
}

fn exact(provider: &str, item: &str, amount: i64) -> Exact {
    Exact {
        billed_by: BilledBy::Operator,
        project: "default".to_owned(),
        project_id: Some(ProjectId::new(Uuid::from_u128(2))),
        provider: provider.to_owned(),
        model: "m".to_owned(),
        item: item.to_owned(),
        units: 3,
        calls: 2,
        amount: NanoUsd(amount),
    }
}

fn draft(lines: Vec<Exact>, owed: i64) -> Draft {
    let net = NanoUsd(lines.iter().map(|line| line.amount.0).sum());
    Draft {
        org: org(),
        month: "2026-12".parse().unwrap(),
        seller: Party {
            name: "Keystore Ltd".to_owned(),
            address: vec!["1 Main Street".to_owned()],
            tax_id: Some("DE123".to_owned()),
        },
        buyer: Party {
            name: "Acme <&\"'> (Zürich)".to_owned(),
            ..Party::default()
        },
        lines,
        taxes: vec![TaxRule {
            name: "VAT".to_owned(),
            per_mille: 77,
            providers: vec!["openai".to_owned()],
        }],
        net,
        owed: NanoUsd(owed),
    }
}

const NUMBER: Number = Number { year: 2027, place: 1 };

#[test]
fn lines_are_rounded_once_and_taxed_where_the_rule_says() {
    let cent = 10_000_000;
    let lines = vec![
        exact("tavily", "searches", 4 * cent + 1),
        exact("openai", "output_text", 100 * cent + cent / 2),
        exact("openai", "input_uncached", 1),
    ];
    let (invoice, close) = draft(lines, 104 * cent + cent / 2 + 2).invoice(NUMBER).unwrap();
    let amounts: Vec<_> = invoice.lines.iter().map(|line| line.amount.to_string()).collect();
    assert_eq!(amounts, ["0.00", "1.01", "0.04"]);
    // 7.7 % of 1.01.
    assert_eq!(
        (
            invoice.subtotal.to_string(),
            invoice.tax.to_string(),
            invoice.total.to_string()
        ),
        ("1.05".to_owned(), "0.08".to_owned(), "1.13".to_owned())
    );
    assert_eq!((invoice.due, invoice.from_credit), (invoice.total, NanoUsd::ZERO));
    assert_eq!(close.rounding, NanoUsd(cent / 2 - 2));
    assert_eq!(invoice.number, "KS-2027-000001");
    assert_eq!(invoice.issued_on, "2027-01-01");
}

#[test]
fn credit_pays_before_anything_is_due() {
    let cent = 10_000_000;
    let paid = |owed| {
        let (invoice, _) = draft(vec![exact("tavily", "searches", 50 * cent)], owed)
            .invoice(NUMBER)
            .unwrap();
        (invoice.from_credit.0 / cent, invoice.due.0 / cent)
    };
    assert_eq!(paid(-100 * cent), (50, 0));
    assert_eq!(paid(20 * cent), (30, 20));
    assert_eq!(paid(70 * cent), (-20, 70));
}

#[test]
fn lines_that_the_ledger_does_not_know_make_no_invoice() {
    let mut wrong = draft(vec![exact("tavily", "searches", 5)], 5);
    wrong.net = NanoUsd(4);
    assert_eq!(
        wrong.invoice(NUMBER).unwrap_err(),
        InvoiceError::DoesNotSum {
            lines: NanoUsd(5),
            ledger: NanoUsd(4)
        }
    );
}

fn shown() -> Invoice {
    let mut byok = exact("anthropic", "calls", 0);
    byok.billed_by = BilledBy::Provider;
    let mut hostile = exact("openai", "output_text", 1_234_567_890);
    hostile.project = "=cmd|' /C calc'!A0".to_owned();
    hostile.model = "<script>alert(\"x\")</script>, \\(".to_owned();
    draft(vec![byok, hostile], 1_234_567_890)
        .invoice(NUMBER)
        .unwrap()
        .0
}

#[test]
fn a_page_escapes_everything() {
    let html = shown().html();
    assert!(html.contains("&lt;script&gt;alert(&quot;x&quot;)&lt;/script&gt;"));
    assert!(html.contains("Acme &lt;&amp;&quot;&#39;&gt; (Zürich)"));
    assert!(!html.contains("<script") && !html.contains("src=") && !html.contains("url("));
    assert!(html.contains("0.00 (billed by provider)"));
}

#[test]
fn a_spreadsheet_gets_no_formula() {
    let csv = shown().csv();
    assert!(csv.contains(",'=cmd|' /C calc'!A0,openai,\"<script>alert(\"\"x\"\")</script>, \\(\",output_text,3,2,1.23456789,1.23\r\n"));
    let long = csv.lines().map(|line| line.matches(',').count());
    assert!(long.into_iter().all(|commas| commas >= 10));
}

#[test]
fn the_same_draft_is_the_same_bytes() {
    let (one, other) = (shown(), shown());
    assert_eq!(one.to_json().unwrap(), other.to_json().unwrap());
    assert_eq!(one.pdf(), other.pdf());
    let back = Invoice::from_json(&one.to_json().unwrap()).unwrap();
    assert_eq!(back, one);
    assert_eq!(back.pdf(), one.pdf());
}

#[test]
fn many_lines_take_many_pages() {
    let lines = (0..200)
        .map(|line| exact("openai", &format!("item {line}"), 0))
        .collect();
    let pdf = draft(lines, 0).invoice(NUMBER).unwrap().0.pdf();
    let pdf = String::from_utf8_lossy(&pdf);
    assert!(
        pdf.contains("/Count 4"),
        "{}",
        pdf.matches("/Type /Page ").count()
    );
    assert_eq!(pdf.matches("(item ").count(), 200);
}

/// A month of a customer: what it used, paid and got back.
#[derive(Debug, Clone)]
struct Business {
    usage: Vec<(u8, i64)>,
    crash: Option<(i64, i64)>,
    top_up: i64,
    refund: i64,
    pays: bool,
}

fn business() -> impl Strategy<Value = Business> {
    (
        prop::collection::vec((0..6_u8, 0..3_000_000_000_i64), 0..30),
        prop::option::of((1..50_000_000_i64, 0..50_000_000_i64)),
        prop_oneof![Just(0), 1..2_000_i64],
        prop_oneof![4 => Just(0), 1 => 1..100_000_000_i64],
        any::<bool>(),
    )
        .prop_map(|(usage, crash, top_up, refund, pays)| Business {
            usage,
            crash,
            top_up,
            refund,
            pays,
        })
}

/// The books of one customer.
#[derive(Default)]
struct Books {
    now: Balances,
    transactions: u128,
}

impl Books {
    fn about(&mut self) -> About {
        self.transactions += 1;
        About {
            id: TransactionId::new(Uuid::from_u128(self.transactions)),
            org: org(),
            at: Micros(0),
            subject: String::new(),
            memo: String::new(),
        }
    }

    fn post(&mut self, transaction: &Transaction) {
        self.now.add(transaction).unwrap();
    }

    fn revenue(&self) -> i64 {
        -self.now.of(Account::Revenue).0 - self.now.of(Account::Refund).0
    }
}

proptest! {
    // 25 months each: 1,000 where there are 40 cases.
    #[test]
    fn invoices_sum_to_the_ledger(months in prop::collection::vec(business(), 25)) {
        let mut books = Books::default();
        let (mut billed, mut taxed, mut rounded, mut due, mut paid) = (0, 0, 0, 0, 0);
        let mut month: Month = "2026-01".parse().unwrap();
        for (place, business) in (1..).zip(months) {
            let before = books.revenue();
            let mut lines: Vec<_> = ["openai", "tavily"]
                .iter()
                .flat_map(|provider| ["a", "b", "c"].map(|item| exact(provider, item, 0)))
                .collect();
            for (line, amount) in business.usage {
                lines[usize::from(line)].amount.0 += amount;
                if amount > 0 {
                    let about = books.about();
                    books.post(&Transaction::usage(about, NanoUsd(amount), NanoUsd(amount / 2)).unwrap());
                }
            }
            if let Some((hold, charge)) = business.crash {
                let (about, ruling_about) = (books.about(), books.about());
                let crash = Transaction::crash(about, NanoUsd(hold)).unwrap();
                let ruling = crate::ledger::CrashRuling {
                    charge: NanoUsd(charge.min(hold)),
                    vendor_cost: NanoUsd::ZERO,
                };
                books.post(&crash);
                // One in two waits.
                if charge % 2 == 0 {
                    books.post(&Transaction::rule_on_crash(ruling_about, &crash, ruling).unwrap());
                    lines.push(exact("", "crash_ruling", charge.min(hold)));
                }
            }
            if business.top_up > 0 {
                let about = books.about();
                books.post(&Transaction::top_up(about, NanoUsd::from_cents(business.top_up).unwrap()).unwrap());
            }
            if business.refund > 0 {
                let about = books.about();
                books.post(&Transaction::refund(about, NanoUsd(business.refund)).unwrap());
                lines.push(exact("", "refund", -business.refund));
            }
            let owed = books.now.of(Account::CustomerCredit).0 + books.now.of(Account::Suspense).0;
            let draft = Draft {
                month,
                net: NanoUsd(books.revenue() - before),
                ..draft(lines, owed)
            };
            let (invoice, close) = draft.invoice(Number { year: 2026, place }).unwrap();
            let cents = |amount: NanoUsd| amount.0 % 10_000_000;
            prop_assert_eq!(cents(invoice.total) + cents(invoice.due) + cents(invoice.tax), 0);
            let about = books.about();
            match Transaction::invoice(about, close) {
                Ok(transaction) => books.post(&transaction),
                Err(error) => prop_assert_eq!(error, crate::ledger::LedgerError::Empty),
            }
            if business.pays && invoice.due > NanoUsd::ZERO {
                let about = books.about();
                books.post(&Transaction::payment(about, invoice.due, invoice.due).unwrap());
                paid += invoice.due.0;
            }
            billed += invoice.subtotal.0;
            taxed += invoice.tax.0;
            rounded += invoice.rounding.0;
            due += invoice.due.0;
            // What was not in suspense is billed to the cent: nothing is left over, month after month.
            let left = books.now.of(Account::CustomerCredit).0 + books.now.of(Account::Suspense).0;
            prop_assert!(left <= 0 && left % 10_000_000 == 0, "{left}");
            month = month.next();
        }
        prop_assert_eq!(billed, books.revenue() + rounded);
        prop_assert_eq!(NanoUsd(-rounded), books.now.of(Account::Rounding));
        prop_assert_eq!(NanoUsd(-taxed), books.now.of(Account::TaxPayable));
        prop_assert_eq!(NanoUsd(due - paid), books.now.of(Account::Receivable));
        prop_assert_eq!(books.now.sum(), 0);
    }
}
