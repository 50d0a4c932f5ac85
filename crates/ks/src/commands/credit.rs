//! `ks credit`: the operator's books of customers: what they paid, are given and owe, and on which terms.

use clap::{Args, Subcommand};
use keystore_core::Micros;
use keystore_core::ids::TransactionId;
use keystore_wire::Patch;
use keystore_wire::billing::{
    Customer, InvoiceSummary, ListBooks, Party, Post, Posting, SetTerms, Tax, Terms, TermsQuery, Transaction,
};
use keystore_wire::page::PageQuery;

use super::Context;
use super::billing::{show_invoices, show_transactions};
use super::find::MOST;
use super::payments::{self, SettleArgs};
use crate::duration;
use crate::output::{facts, table};

/// `ks credit`.
#[derive(Subcommand)]
pub(crate) enum CreditCommand {
    /// List organizations with credit, and what they owe
    #[command(after_help = "Examples:\n  ks credit list\n  ks credit list --output json")]
    List,
    /// Show or change how an organization pays, who it is on invoices, and its taxes
    #[command(
        after_help = "Examples:\n  ks credit terms org_01jd3w8f0qe7ys4c9p2m5n6r7t\n  \
        ks credit terms org_01jd3w8f0qe7ys4c9p2m5n6r7t --limit 500\n  \
        ks credit terms org_01jd3w8f0qe7ys4c9p2m5n6r7t --name 'Acme Inc.' --address '1 Main Street' --address 'Springfield' --tax VAT=190"
    )]
    Terms(TermsArgs),
    /// Note that an organization paid in advance
    #[command(
        after_help = "Example:\n  ks credit top-up org_01jd3w8f0qe7ys4c9p2m5n6r7t 100 --of 'transfer 4711'"
    )]
    TopUp(AmountArgs),
    /// Give credit away
    #[command(
        after_help = "Example:\n  ks credit promo org_01jd3w8f0qe7ys4c9p2m5n6r7t 20 --expires 30d --memo welcome"
    )]
    Promo(PromoArgs),
    /// Give a charge back as credit
    #[command(
        after_help = "Example:\n  ks credit refund org_01jd3w8f0qe7ys4c9p2m5n6r7t 1.25 --memo 'the vendor was down'"
    )]
    Refund(AmountArgs),
    /// Note that an organization paid what it owes by invoices
    #[command(
        after_help = "Example:\n  ks credit payment org_01jd3w8f0qe7ys4c9p2m5n6r7t 512.30 --of KS-2026-000001"
    )]
    Payment(AmountArgs),
    /// Pay a top-up back, or a part of it
    #[command(
        after_help = "Example:\n  ks credit pay-back org_01jd3w8f0qe7ys4c9p2m5n6r7t txn_01jd3w8f0qe7ys4c9p2m5n6r7t 40"
    )]
    PayBack(RegardsArgs),
    /// List calls whose cost nobody knows, because a process died: what was held for them waits for a ruling
    #[command(after_help = "Example:\n  ks credit crashes")]
    Crashes,
    /// Rule what such a call costs its customer; the rest of what was held goes back
    #[command(
        after_help = "Example:\n  ks credit rule org_01jd3w8f0qe7ys4c9p2m5n6r7t txn_01jd3w8f0qe7ys4c9p2m5n6r7t 0.03 --vendor-cost 0.02"
    )]
    Rule(RegardsArgs),
    /// Undo a transaction
    #[command(
        after_help = "Example:\n  ks credit undo org_01jd3w8f0qe7ys4c9p2m5n6r7t txn_01jd3w8f0qe7ys4c9p2m5n6r7t --memo 'posted twice'"
    )]
    Undo(UndoArgs),
    /// Note that a vendor bills more than its calls were thought to cost, or less
    #[command(after_help = "Example:\n  ks credit adjust-cost org_01jd3w8f0qe7ys4c9p2m5n6r7t -- -0.42")]
    AdjustCost(AmountArgs),
    /// List the books of an organization with every entry, newest first
    #[command(after_help = "Example:\n  ks credit ledger org_01jd3w8f0qe7ys4c9p2m5n6r7t --output json")]
    Ledger(BooksArgs),
    /// List payments that began by themselves and are open: those that you see to, and those from cards
    #[command(after_help = "Example:\n  ks credit payments")]
    Payments,
    /// Say what came of such a payment
    #[command(
        after_help = "Examples:\n  ks credit settle pay_01jd3w8f0qe7ys4c9p2m5n6r7t --paid --of 'transfer 4711'\n  \
        ks credit settle pay_01jd3w8f0qe7ys4c9p2m5n6r7t --failed"
    )]
    Settle(SettleArgs),
    /// List the invoices of all organizations, newest first
    #[command(after_help = "Example:\n  ks credit invoices")]
    Invoices,
}

/// What is said of a posting.
#[derive(Args)]
pub(crate) struct WordsArgs {
    /// What it belongs to, such as the number of a transfer; the customer sees it
    #[arg(long = "of", value_name = "WHAT", default_value = "")]
    subject: String,
    /// A remark; the customer sees it
    #[arg(long, value_name = "TEXT", default_value = "")]
    memo: String,
}

/// An amount of an organization.
#[derive(Args)]
pub(crate) struct AmountArgs {
    /// The organization (id)
    #[arg(value_name = "ORG")]
    org: String,
    /// How much
    #[arg(value_name = "DOLLARS")]
    amount: String,
    /// What is said of it.
    #[command(flatten)]
    words: WordsArgs,
}

/// `ks credit promo`.
#[derive(Args)]
pub(crate) struct PromoArgs {
    /// How much, and to whom.
    #[command(flatten)]
    what: AmountArgs,
    /// What is left of it ends then
    #[arg(long, value_name = "WHEN", value_parser = duration::parse_future)]
    expires: Option<Micros>,
}

/// `ks credit pay-back` and `ks credit rule`.
#[derive(Args)]
pub(crate) struct RegardsArgs {
    /// The organization (id)
    #[arg(value_name = "ORG")]
    org: String,
    /// The transaction
    #[arg(value_name = "TRANSACTION")]
    regards: TransactionId,
    /// How much
    #[arg(value_name = "DOLLARS")]
    amount: String,
    /// What the vendor takes for the call, of a ruling
    #[arg(long, value_name = "DOLLARS")]
    vendor_cost: Option<String>,
    /// What is said of it.
    #[command(flatten)]
    words: WordsArgs,
}

/// `ks credit undo`.
#[derive(Args)]
pub(crate) struct UndoArgs {
    /// The organization (id)
    #[arg(value_name = "ORG")]
    org: String,
    /// The transaction
    #[arg(value_name = "TRANSACTION")]
    regards: TransactionId,
    /// What is said of it.
    #[command(flatten)]
    words: WordsArgs,
}

/// `ks credit ledger`.
#[derive(Args)]
pub(crate) struct BooksArgs {
    /// The organization (id)
    #[arg(value_name = "ORG")]
    org: String,
    /// Of this kind
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// At most so many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
    limit: usize,
}

/// `ks credit terms`.
#[derive(Args)]
pub(crate) struct TermsArgs {
    /// The organization (id); the operator's own says who bills
    #[arg(value_name = "ORG")]
    org: String,
    /// How far spending may go beyond what was paid, to be paid by invoice; 0: everything is paid before
    #[arg(long, value_name = "DOLLARS")]
    limit: Option<String>,
    /// Its name on invoices
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// A line of its address; may be given several times
    #[arg(long, value_name = "LINE", requires = "name")]
    address: Vec<String>,
    /// Its number for taxes
    #[arg(long, value_name = "ID", requires = "name")]
    tax_id: Option<String>,
    /// A tax and its rate in thousandths, on all lines or on those of some providers; in place of all there are; may be given several times
    #[arg(long = "tax", value_name = "NAME=PER_MILLE[:PROVIDER,…]", value_parser = tax)]
    taxes: Vec<Tax>,
    /// No taxes
    #[arg(long, conflicts_with = "taxes")]
    no_tax: bool,
}

fn tax(text: &str) -> Result<Tax, String> {
    const EXPECTED: &str =
        "expected a name and a rate in thousandths, such as VAT=190 or VAT=190:openai,tavily";
    let (name, rest) = text.split_once('=').ok_or(EXPECTED)?;
    let (rate, providers) = rest.split_once(':').unwrap_or((rest, ""));
    let providers = providers.split(',').filter(|slug| !slug.is_empty());
    Ok(Tax {
        name: name.to_owned(),
        per_mille: rate.parse().map_err(|_| EXPECTED)?,
        providers: providers.map(str::to_owned).collect(),
    })
}

/// Does what the command says.
pub(crate) async fn run(command: CreditCommand, context: &Context<'_>) -> anyhow::Result<()> {
    let (kind, args) = match command {
        CreditCommand::List => return list(context).await,
        CreditCommand::Terms(args) => return terms(args, context).await,
        CreditCommand::Payments => return payments::list(context).await,
        CreditCommand::Settle(args) => return payments::settle(args, context).await,
        CreditCommand::Crashes => return books(ListBooks::default(), MOST, context).await,
        CreditCommand::Ledger(args) => {
            let query = ListBooks {
                customer: Some(args.org),
                kind: args.kind,
                ..ListBooks::default()
            };
            return books(query, args.limit, context).await;
        }
        CreditCommand::Invoices => {
            let query = PageQuery::default();
            let found = context.client.list(&["operator", "invoices"], &query, MOST);
            let invoices: Vec<InvoiceSummary> = found.await?;
            return show_invoices(&invoices, context);
        }
        CreditCommand::Promo(args) => {
            let body = Post {
                expires_at: args.expires.map(Into::into),
                ..posting(Posting::PromoGrant, args.what)
            };
            return post(&body, context).await;
        }
        CreditCommand::PayBack(args) => return post(&regarding(Posting::PayBack, args), context).await,
        CreditCommand::Rule(args) => return post(&regarding(Posting::CrashRuling, args), context).await,
        CreditCommand::Undo(args) => {
            let body = Post {
                kind: Posting::Reversal,
                org: args.org,
                amount: None,
                vendor_cost: None,
                regards: Some(args.regards),
                expires_at: None,
                subject: args.words.subject,
                memo: args.words.memo,
            };
            return post(&body, context).await;
        }
        CreditCommand::TopUp(args) => (Posting::TopUp, args),
        CreditCommand::Refund(args) => (Posting::Refund, args),
        CreditCommand::Payment(args) => (Posting::Payment, args),
        CreditCommand::AdjustCost(args) => (Posting::CostAdjustment, args),
    };
    post(&posting(kind, args), context).await
}

fn posting(kind: Posting, args: AmountArgs) -> Post {
    Post {
        kind,
        org: args.org,
        amount: Some(args.amount),
        vendor_cost: None,
        regards: None,
        expires_at: None,
        subject: args.words.subject,
        memo: args.words.memo,
    }
}

fn regarding(kind: Posting, args: RegardsArgs) -> Post {
    Post {
        kind,
        org: args.org,
        amount: Some(args.amount),
        vendor_cost: args.vendor_cost,
        regards: Some(args.regards),
        expires_at: None,
        subject: args.words.subject,
        memo: args.words.memo,
    }
}

async fn post(body: &Post, context: &Context<'_>) -> anyhow::Result<()> {
    let posted: Transaction = context.client.post(&["operator", "ledger"], body).await?;
    context
        .output
        .note(&format!("Posted {} of {}", posted.kind, posted.amount));
    context.output.data(&posted, || posted.id.to_string())
}

async fn books(query: ListBooks, limit: usize, context: &Context<'_>) -> anyhow::Result<()> {
    let found = context.client.list(&["operator", "ledger"], &query, limit);
    let transactions: Vec<Transaction> = found.await?;
    show_transactions(&transactions, context)
}

async fn list(context: &Context<'_>) -> anyhow::Result<()> {
    let query = PageQuery::default();
    let found = context.client.list(&["operator", "customers"], &query, MOST);
    let customers: Vec<Customer> = found.await?;
    context.output.data(&customers, || {
        let rows = customers.iter().map(|customer| {
            let balance = |account: &str| {
                let amount = customer.balances.get(account).copied().unwrap_or_default();
                amount.to_string()
            };
            [
                customer.org_id.to_string(),
                customer.name.clone(),
                customer.granted.to_string(),
                customer.limit.to_string(),
                customer.charged.to_string(),
                balance("receivable"),
                balance("suspense"),
            ]
        });
        table(
            [
                "ORGANIZATION",
                "NAME",
                "GRANTED",
                "LIMIT",
                "CHARGED",
                "OWED",
                "WAITING",
            ],
            rows,
        )
    })
}

async fn terms(args: TermsArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let changes = args.limit.is_some() || args.name.is_some() || !args.taxes.is_empty() || args.no_tax;
    let path = ["operator", "terms"];
    let terms: Terms = if changes {
        let party = args.name.map(|name| Party {
            name,
            address: args.address,
            tax_id: args.tax_id,
        });
        let body = SetTerms {
            org: args.org,
            limit: args.limit,
            party: party.map_or(Patch::Keep, Patch::Set),
            taxes: (args.no_tax || !args.taxes.is_empty()).then_some(args.taxes),
        };
        context.client.post(&path, &body).await?
    } else {
        context
            .client
            .get(&path, &TermsQuery { customer: args.org })
            .await?
    };
    context.output.data(&terms, || {
        let taxes = terms.taxes.iter().map(|tax| {
            let on = match tax.providers.is_empty() {
                true => String::new(),
                false => format!(" on {}", tax.providers.join(", ")),
            };
            format!("{} {}/1000{on}", tax.name, tax.per_mille)
        });
        let taxes: Vec<_> = taxes.collect();
        facts([
            ("Organization", terms.org_id.to_string()),
            ("Limit", format!("${}", terms.limit)),
            ("Name", terms.party.name.clone()),
            ("Address", terms.party.address.join(", ")),
            ("Tax id", terms.party.tax_id.clone().unwrap_or_default()),
            ("Taxes", taxes.join("; ")),
        ])
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tax_is_a_name_and_a_rate() {
        let vat = tax("VAT=190:openai,tavily").unwrap();
        assert_eq!((vat.name.as_str(), vat.per_mille), ("VAT", 190));
        assert_eq!(vat.providers, ["openai", "tavily"]);
        assert!(tax("VAT=0").unwrap().providers.is_empty());
        assert!(tax("VAT").is_err() && tax("VAT=19%").is_err());
    }
}
