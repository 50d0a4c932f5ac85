//! Money in advance: `ks billing top-up`, `ks billing auto-top-up`, and what the operator settles with `ks credit payments`.

use clap::Args;
use keystore_core::ids::PaymentId;
use keystore_wire::page::PageQuery;
use keystore_wire::payments::{
    AutoTopUp, AutoTopUpState, CreateTopUp, Payer, Payment, SetAutoTopUp, SettlePayment, TopUp,
};

use super::find::MOST;
use super::{Context, moment, or_dash};
use crate::output::{facts, table};

/// `ks billing top-up`.
#[derive(Args)]
pub(crate) struct TopUpArgs {
    /// How much
    #[arg(value_name = "DOLLARS")]
    amount: String,
    /// Save the card, so that credit can be topped up by itself
    #[arg(long)]
    save_card: bool,
}

/// `ks billing auto-top-up`.
#[derive(Args)]
pub(crate) struct AutoTopUpArgs {
    /// When less than this is left
    #[arg(long, value_name = "DOLLARS", requires_all = ["amount", "monthly"])]
    below: Option<String>,
    /// By so much
    #[arg(long, value_name = "DOLLARS", requires = "below")]
    amount: Option<String>,
    /// At most so much in a UTC month
    #[arg(long, value_name = "DOLLARS", requires = "below")]
    monthly: Option<String>,
    /// No more; the saved card is forgotten
    #[arg(long, conflicts_with = "below")]
    off: bool,
}

/// `ks credit settle`.
#[derive(Args)]
pub(crate) struct SettleArgs {
    /// The payment
    #[arg(value_name = "PAYMENT")]
    payment: PaymentId,
    /// The money is there: it is credited
    #[arg(long, group = "outcome", required_unless_present = "failed")]
    paid: bool,
    /// It came to nothing
    #[arg(long, group = "outcome")]
    failed: bool,
    /// What the top-up belongs to, such as the number of a transfer; the customer sees it
    #[arg(long = "of", value_name = "WHAT", default_value = "", requires = "paid")]
    subject: String,
}

/// Begins a payment.
pub(super) async fn top_up(args: TopUpArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let body = CreateTopUp {
        amount: args.amount,
        save_card: args.save_card,
    };
    let begun: TopUp = context.client.post(&["billing", "top-ups"], &body).await?;
    context.output.note(&format!(
        "Pay ${} on this page; the credit is there when the money is",
        begun.amount
    ));
    context.output.data(&begun, || begun.url.clone())
}

/// Shows, sets or ends how credit is topped up by itself.
pub(super) async fn auto_top_up(args: AutoTopUpArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let path = ["billing", "auto-top-up"];
    if args.off {
        context.client.delete(&path).await?;
        context
            .output
            .note("Credit is not topped up by itself any more, and no card is saved");
        return Ok(());
    }
    let shown: AutoTopUp = match (args.below, args.amount, args.monthly) {
        (Some(below), Some(amount), Some(monthly)) => {
            let body = SetAutoTopUp {
                below,
                amount,
                monthly,
            };
            context.client.post(&path, &body).await?
        }
        _ => context.client.get(&path, &()).await?,
    };
    context.output.data(&shown, || facts(rows(&shown)))
}

fn rows(shown: &AutoTopUp) -> [(&'static str, String); 8] {
    let state = match shown.state {
        AutoTopUpState::Off => "off",
        AutoTopUpState::On => "on",
        AutoTopUpState::NoCard => "no card is saved: ks billing top-up 50 --save-card",
        AutoTopUpState::Paused => "paused after a refusal",
        AutoTopUpState::Stopped => "stopped after refusals; set it again, or save another card",
        AutoTopUpState::ByInvoice => "the organization pays by invoice",
    };
    let dollars = |amount: Option<keystore_core::NanoUsd>| or_dash(amount.map(|amount| format!("${amount}")));
    [
        ("State", state.to_owned()),
        (
            "By",
            match shown.by {
                Payer::Card => "card".to_owned(),
                Payer::Operator => "the operator".to_owned(),
            },
        ),
        ("Below", dollars(shown.below)),
        ("Amount", dollars(shown.amount)),
        ("Monthly at most", dollars(shown.monthly)),
        ("This month", format!("${}", shown.this_month)),
        ("Next try", or_dash(shown.not_before.map(moment))),
        ("Open payment", or_dash(shown.open)),
    ]
}

/// Lists the payments that the operator may have to see to.
pub(super) async fn list(context: &Context<'_>) -> anyhow::Result<()> {
    let query = PageQuery::default();
    let found = context.client.list(&["operator", "payments"], &query, MOST);
    let payments: Vec<Payment> = found.await?;
    context.output.data(&payments, || {
        let rows = payments.iter().map(|payment| {
            [
                payment.id.to_string(),
                payment.org_id.to_string(),
                payment.amount.to_string(),
                match payment.by {
                    Payer::Card => format!("card, asked {} times", payment.asks),
                    Payer::Operator => "operator".to_owned(),
                },
                moment(payment.created_at),
                payment.session.clone().unwrap_or_default(),
            ]
        });
        table(["ID", "ORGANIZATION", "AMOUNT", "BY", "SINCE", "AT STRIPE"], rows)
    })
}

/// Says what came of a payment.
pub(super) async fn settle(args: SettleArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let id = args.payment.to_string();
    let body = SettlePayment {
        paid: args.paid,
        subject: args.subject,
    };
    context
        .client
        .post_quietly(&["operator", "payments", &id], &body)
        .await?;
    context.output.note(match args.paid {
        true => "It is credited",
        false => "It came to nothing; the customer is told",
    });
    Ok(())
}
