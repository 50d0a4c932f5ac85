//! `ks billing`: what may still be spent, what was charged, and invoices.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use keystore_wire::billing::{Balance, Invoice, InvoiceSummary, ListLedger, Transaction};
use keystore_wire::page::PageQuery;

use super::find::MOST;
use super::payments::{self, AutoTopUpArgs, TopUpArgs};
use super::{Context, date, moment, or_dash};
use crate::output::{advice, facts, table};

/// `ks billing`.
#[derive(Subcommand)]
pub(crate) enum BillingCommand {
    /// Show what may still be spent at the marketplace, and why
    #[command(after_help = "Examples:\n  ks billing balance\n  ks billing balance --output json")]
    Balance,
    /// Pay in advance by card: prints the page on which it can be done
    #[command(after_help = "Examples:\n  ks billing top-up 50\n  ks billing top-up 50 --save-card")]
    TopUp(TopUpArgs),
    /// Show, change or end how credit is topped up by itself
    #[command(
        after_help = "Examples:\n  ks billing auto-top-up\n  ks billing auto-top-up --below 10 --amount 50 --monthly 500\n  \
        ks billing auto-top-up --off\n\n\
        The card is the one that `ks billing top-up --save-card` saved; --off forgets it. Where cards are not taken, the operator sees to it."
    )]
    AutoTopUp(AutoTopUpArgs),
    /// List what was charged and paid, newest first
    #[command(after_help = "Examples:\n  ks billing ledger\n  ks billing ledger --kind top_up -n 20")]
    Ledger(LedgerArgs),
    /// List invoices, newest first
    #[command(after_help = "Example:\n  ks billing invoices")]
    Invoices,
    /// Show an invoice, or write it to a file
    #[command(
        after_help = "Examples:\n  ks billing invoice KS-2026-000001\n  ks billing invoice KS-2026-000001 --pdf\n  \
        ks billing invoice KS-2026-000001 --csv --to november.csv"
    )]
    Invoice(InvoiceArgs),
}

/// `ks billing ledger`.
#[derive(Args)]
pub(crate) struct LedgerArgs {
    /// Of this kind: crash, crash_ruling, top_up, promo_grant, promo_expiry, refund, pay_back, invoice, payment, reversal
    #[arg(long, value_name = "KIND")]
    kind: Option<String>,
    /// At most so many
    #[arg(long, short = 'n', value_name = "N", default_value_t = 50)]
    limit: usize,
}

/// `ks billing invoice`.
#[derive(Args)]
pub(crate) struct InvoiceArgs {
    /// The number
    #[arg(value_name = "NUMBER")]
    number: String,
    /// As a PDF; into NUMBER.pdf unless --to says otherwise
    #[arg(long, group = "form")]
    pdf: bool,
    /// As comma-separated values
    #[arg(long, group = "form")]
    csv: bool,
    /// As a page to read and print
    #[arg(long, group = "form")]
    html: bool,
    /// Write it to this file
    #[arg(long, value_name = "FILE", requires = "form")]
    to: Option<PathBuf>,
}

/// Does what the command says.
pub(crate) async fn run(command: BillingCommand, context: &Context<'_>) -> anyhow::Result<()> {
    match command {
        BillingCommand::Balance => {
            let balance: Balance = context.client.get(&["billing", "balance"], &()).await?;
            context.output.data(&balance, || shown(&balance))
        }
        BillingCommand::TopUp(args) => payments::top_up(args, context).await,
        BillingCommand::AutoTopUp(args) => payments::auto_top_up(args, context).await,
        BillingCommand::Ledger(args) => ledger(args, context).await,
        BillingCommand::Invoices => {
            let query = PageQuery::default();
            let found = context.client.list(&["billing", "invoices"], &query, MOST);
            let invoices: Vec<InvoiceSummary> = found.await?;
            show_invoices(&invoices, context)
        }
        BillingCommand::Invoice(args) => invoice(args, context).await,
    }
}

fn shown(balance: &Balance) -> String {
    let promos = balance.promos.iter().map(|promo| match promo.expires_at {
        Some(end) => format!("${} until {}", promo.left, date(end)),
        None => format!("${}", promo.left),
    });
    let promos: Vec<_> = promos.collect();
    facts([
        ("Available", format!("${}", balance.available)),
        ("Paid in and given", format!("${}", balance.granted)),
        ("Limit beyond that", format!("${}", balance.limit)),
        ("Charged", format!("${}", balance.charged)),
        ("Held", format!("${}", balance.held)),
        ("Unpaid invoices", format!("${}", balance.receivable)),
        (
            "Of it given",
            or_dash((!promos.is_empty()).then(|| promos.join(", "))),
        ),
    ])
}

async fn ledger(args: LedgerArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let query = ListLedger {
        kind: args.kind,
        ..ListLedger::default()
    };
    let found = context.client.list(&["billing", "ledger"], &query, args.limit);
    let transactions: Vec<Transaction> = found.await?;
    show_transactions(&transactions, context)
}

/// Shows transactions.
pub(super) fn show_transactions(transactions: &[Transaction], context: &Context<'_>) -> anyhow::Result<()> {
    context.output.data(&transactions, || {
        let rows = transactions.iter().map(|transaction| {
            [
                transaction.id.to_string(),
                moment(transaction.at),
                transaction.kind.clone(),
                transaction.amount.to_string(),
                transaction.subject.clone(),
                transaction.memo.clone(),
            ]
        });
        table(["ID", "AT", "KIND", "AMOUNT", "OF", "REMARK"], rows)
    })
}

/// Shows invoices.
pub(super) fn show_invoices(invoices: &[InvoiceSummary], context: &Context<'_>) -> anyhow::Result<()> {
    context.output.data(&invoices, || {
        let rows = invoices.iter().map(|invoice| {
            [
                invoice.number.clone(),
                invoice.month.clone(),
                format!("${}", invoice.total),
                format!("${}", invoice.due),
                invoice.org_id.to_string(),
            ]
        });
        table(["NUMBER", "MONTH", "TOTAL", "DUE", "ORGANIZATION"], rows)
    })
}

async fn invoice(args: InvoiceArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let form = match (args.pdf, args.csv, args.html) {
        (true, ..) => "pdf",
        (_, true, _) => "csv",
        (.., true) => "html",
        _ => return show_invoice(&args.number, context).await,
    };
    let name = format!("{}.{form}", args.number);
    let bytes = context.client.download(&["billing", "invoices", &name]).await?;
    let file = match args.to {
        Some(file) => file,
        None if args.pdf => PathBuf::from(&name),
        None => {
            let text = String::from_utf8(bytes)?;
            return context.output.line(text.trim_end());
        }
    };
    std::fs::write(&file, bytes).map_err(|error| {
        advice(
            format!("{} cannot be written: {error}", file.display()),
            "name another file with --to",
        )
    })?;
    context.output.note(&format!("Wrote {}", file.display()));
    Ok(())
}

async fn show_invoice(number: &str, context: &Context<'_>) -> anyhow::Result<()> {
    let invoice: Invoice = context.client.get(&["billing", "invoices", number], &()).await?;
    context.output.data(&invoice, || {
        let lines = invoice.lines.iter().map(|line| {
            let amount = match line.billed_by.as_str() {
                "provider" => format!("{} (billed by provider)", line.amount),
                _ => line.amount.to_string(),
            };
            [
                line.project.clone(),
                line.provider.clone(),
                line.model.clone(),
                line.item.clone(),
                line.units.to_string(),
                line.calls.to_string(),
                amount,
            ]
        });
        let head = facts([
            ("Invoice", invoice.number.clone()),
            ("Month", invoice.month.clone()),
            ("To", invoice.buyer.name.clone()),
        ]);
        let lines = table(
            ["PROJECT", "PROVIDER", "MODEL", "ITEM", "UNITS", "CALLS", "USD"],
            lines,
        );
        let sums = facts([
            ("Subtotal", invoice.subtotal.to_string()),
            ("Taxes", invoice.tax.to_string()),
            ("Total", invoice.total.to_string()),
            ("From credit", invoice.from_credit.to_string()),
            ("Due", invoice.due.to_string()),
        ]);
        format!("{head}\n\n{lines}\n\n{sums}")
    })
}
