//! Money between customers and the operator: `GET /v1/billing/{balance,ledger,invoices…}`, and the operator's side under
//! `/v1/operator/{customers,terms,ledger,invoices}`.

use std::collections::BTreeMap;

use keystore_core::NanoUsd;
use keystore_core::ids::{OrgId, ProjectId, TransactionId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::patch::Patch;
use crate::time::Time;

/// `GET /v1/billing/balance`: what an organization may still spend at the marketplace, and why.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Balance {
    /// What calls may still cost: what was granted and the limit, less what was charged and is held.
    #[schema(value_type = String, example = "76.50")]
    pub available: NanoUsd,
    /// All that was ever paid in, given or given back, less what was taken out or expired.
    #[schema(value_type = String, example = "100.00")]
    pub granted: NanoUsd,
    /// How far spending may go beyond that, to be paid by invoice; zero where everything is paid before.
    #[schema(value_type = String, example = "0.00")]
    pub limit: NanoUsd,
    /// What calls were charged, ever.
    #[schema(value_type = String, example = "23.48")]
    pub charged: NanoUsd,
    /// What calls that run now may cost beside that.
    #[schema(value_type = String, example = "0.02")]
    pub held: NanoUsd,
    /// What is owed by invoices that are not paid.
    #[schema(value_type = String, example = "0.00")]
    pub receivable: NanoUsd,
    /// What is left of credit that was given away, in the order in which it is used.
    pub promos: Vec<Promo>,
}

/// Credit that was given away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Promo {
    /// The transaction that gave it.
    #[schema(value_type = String, example = "txn_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub id: TransactionId,
    /// How much it was.
    #[schema(value_type = String, example = "20.00")]
    pub amount: NanoUsd,
    /// How much of it is left.
    #[schema(value_type = String, example = "12.34")]
    pub left: NanoUsd,
    /// When the rest ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
}

/// A transaction of the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Transaction {
    /// The id; that of a call is made from its attempt.
    #[schema(value_type = String, example = "txn_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub id: TransactionId,
    /// When it counts.
    pub at: Time,
    /// `usage`, `crash` (a call whose cost is not known: its hold), `crash_ruling`, `top_up`, `promo_grant`, `promo_expiry`, `refund`,
    /// `pay_back`, `invoice`, `payment`, `cost_adjustment` or `reversal`.
    #[schema(example = "top_up")]
    pub kind: String,
    /// How the customer's account changes, in US dollars: negative for what it was charged.
    #[schema(value_type = String, example = "100.00")]
    pub amount: NanoUsd,
    /// What it belongs to: a request, a payment, the number of an invoice.
    #[schema(example = "pay_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub subject: String,
    /// A remark.
    #[schema(example = "Top-up by card")]
    pub memo: String,
    /// The transaction that it rules on, undoes or pays back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub regards: Option<TransactionId>,
    /// The organization; only the operator sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub org_id: Option<OrgId>,
    /// The entries by account, debit positive, credit negative; only the operator sees them.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schema(value_type = BTreeMap<String, String>)]
    pub entries: BTreeMap<String, NanoUsd>,
}

/// Which transactions, newest first.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListLedger {
    /// How many entries, 1 to 500; 50 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Of this kind alone, other than `usage`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// An invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Invoice {
    /// The number, without gaps in each year.
    #[schema(example = "KS-2026-000001")]
    pub number: String,
    /// The organization that is billed.
    #[schema(value_type = String, example = "org_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub org_id: OrgId,
    /// The UTC month that is billed.
    #[schema(example = "2026-11")]
    pub month: String,
    /// The date of the invoice.
    #[schema(example = "2026-12-01")]
    pub issued_on: String,
    /// `USD`.
    #[schema(example = "USD")]
    pub currency: String,
    /// Who bills.
    pub seller: Party,
    /// Who is billed.
    pub buyer: Party,
    /// The lines.
    pub lines: Vec<InvoiceLine>,
    /// The sum of the lines.
    #[schema(value_type = String, example = "1234.56")]
    pub subtotal: NanoUsd,
    /// The taxes.
    pub taxes: Vec<InvoiceTax>,
    /// The sum of the taxes.
    #[schema(value_type = String, example = "0.00")]
    pub tax: NanoUsd,
    /// What the month costs.
    #[schema(value_type = String, example = "1234.56")]
    pub total: NanoUsd,
    /// What of it credit has paid; negative where something from before is due with it.
    #[schema(value_type = String, example = "0.00")]
    pub from_credit: NanoUsd,
    /// What was left to be paid.
    #[schema(value_type = String, example = "1234.56")]
    pub due: NanoUsd,
    /// The lines in cents less the exact ones.
    #[schema(value_type = String, example = "-0.000012")]
    pub rounding: NanoUsd,
}

/// A line of an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvoiceLine {
    /// `operator`, or `provider` for what was used with a key of the customer's own: it costs nothing here.
    #[schema(example = "operator")]
    pub billed_by: String,
    /// The project; absent for a correction.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub project_id: Option<ProjectId>,
    /// Its name when the month closed.
    #[schema(example = "customer-42")]
    pub project: String,
    /// The provider's slug; empty for a correction.
    #[schema(example = "openai")]
    pub provider: String,
    /// The model; empty where none was named.
    #[schema(example = "gpt-5-nano")]
    pub model: String,
    /// What was used: a unit of usage; `held` where nobody knows; the kind of a correction.
    #[schema(example = "output_text")]
    pub item: String,
    /// How much of it.
    pub units: u64,
    /// In how many calls.
    pub calls: u64,
    /// What it costs exactly.
    #[schema(value_type = String, example = "12.345678")]
    pub exact: NanoUsd,
    /// The same in whole cents.
    #[schema(value_type = String, example = "12.35")]
    pub amount: NanoUsd,
}

/// A tax on an invoice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvoiceTax {
    /// The name.
    #[schema(example = "VAT")]
    pub name: String,
    /// The rate in thousandths.
    pub per_mille: u32,
    /// What is taxed.
    #[schema(value_type = String, example = "1234.56")]
    pub base: NanoUsd,
    /// The tax.
    #[schema(value_type = String, example = "234.57")]
    pub amount: NanoUsd,
}

/// An invoice in a list.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct InvoiceSummary {
    /// The number.
    #[schema(example = "KS-2026-000001")]
    pub number: String,
    /// The organization that is billed.
    #[schema(value_type = String, example = "org_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub org_id: OrgId,
    /// The UTC month that is billed.
    #[schema(example = "2026-11")]
    pub month: String,
    /// What the month costs.
    #[schema(value_type = String, example = "1234.56")]
    pub total: NanoUsd,
    /// What was left to be paid.
    #[schema(value_type = String, example = "1234.56")]
    pub due: NanoUsd,
    /// When it was made.
    pub created_at: Time,
}

/// Who sells or buys.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Party {
    /// The name, 1 to 200 characters.
    #[schema(example = "Acme Inc.")]
    pub name: String,
    /// The lines of the address, at most 8.
    #[serde(default)]
    pub address: Vec<String>,
    /// The number under which it is known for taxes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "DE123456789")]
    pub tax_id: Option<String>,
}

/// A tax that an organization is billed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Tax {
    /// The name, 1 to 100 characters.
    #[schema(example = "VAT")]
    pub name: String,
    /// The rate in thousandths of the taxed amount, 0 to 1,000: 190 is 19 percent.
    #[schema(minimum = 0, maximum = 1000)]
    pub per_mille: u32,
    /// On lines of these providers (slugs) only; on every line where there is none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub providers: Vec<String>,
}

/// `POST /v1/operator/terms`: how an organization pays. What is absent stays. The operator's own `party` says who bills.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"org": "org_01jd3w8f0qe7ys4c9p2m5n6r7t", "limit": "500", "taxes": [{"name": "VAT", "perMille": 190}]}))]
pub struct SetTerms {
    /// The organization (id).
    #[schema(value_type = String)]
    pub org: String,
    /// How far spending may go beyond what was paid, in dollars, to be paid by invoice; `0`: everything is paid before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub limit: Option<String>,
    /// Who it is on invoices; `null`: the organization by its name.
    #[serde(default, skip_serializing_if = "Patch::is_keep")]
    #[schema(value_type = Option<Party>)]
    pub party: Patch<Party>,
    /// The taxes that it is billed from the next invoice on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub taxes: Option<Vec<Tax>>,
}

/// How an organization pays.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Terms {
    /// The organization.
    #[schema(value_type = String, example = "org_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub org_id: OrgId,
    /// How far spending may go beyond what was paid.
    #[schema(value_type = String, example = "500.00")]
    pub limit: NanoUsd,
    /// Who it is on invoices.
    pub party: Party,
    /// The taxes that it is billed.
    pub taxes: Vec<Tax>,
}

/// An organization as the operator's books know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Customer {
    /// The organization.
    #[schema(value_type = String, example = "org_01jd3w8f0qe7ys4c9p2m5n6r7t")]
    pub org_id: OrgId,
    /// Its name.
    #[schema(example = "Acme")]
    pub name: String,
    /// All that was ever paid in, given or given back, less what was taken out or expired.
    #[schema(value_type = String, example = "100.00")]
    pub granted: NanoUsd,
    /// How far spending may go beyond that.
    #[schema(value_type = String, example = "0.00")]
    pub limit: NanoUsd,
    /// What calls were charged, ever.
    #[schema(value_type = String, example = "23.48")]
    pub charged: NanoUsd,
    /// Its accounts, debit positive, credit negative. `revenue` less `cogs` is the margin.
    #[schema(value_type = BTreeMap<String, String>)]
    pub balances: BTreeMap<String, NanoUsd>,
}

/// A business that the operator posts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Posting {
    /// The customer paid in advance: `amount`.
    TopUp,
    /// Credit is given away: `amount`, and `expiresAt` where it ends.
    PromoGrant,
    /// A charge is given back as credit: `amount`.
    Refund,
    /// A top-up (`regards`), or `amount` of it, goes back to its payer.
    PayBack,
    /// The customer paid `amount` of what it owes by invoices.
    Payment,
    /// It is ruled what a call that was open when a process died (`regards`) costs: `amount` for the customer, up to what was held,
    /// and `vendorCost` for the operator.
    CrashRuling,
    /// A vendor bills `amount` more than its calls were thought to cost, or less where it is negative; in the operator's own books.
    CostAdjustment,
    /// Another transaction (`regards`) is undone.
    Reversal,
}

/// `POST /v1/operator/ledger`: posts a transaction. Amounts of credit and payments are whole cents.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schema(example = json!({"kind": "top_up", "org": "org_01jd3w8f0qe7ys4c9p2m5n6r7t", "amount": "100", "memo": "bank transfer 4711"}))]
pub struct Post {
    /// The business.
    pub kind: Posting,
    /// The organization (id).
    #[schema(value_type = String)]
    pub org: String,
    /// Dollars.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub amount: Option<String>,
    /// What the operator pays the vendor, of a ruling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vendor_cost: Option<String>,
    /// The transaction that is ruled on, undone or paid back.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub regards: Option<TransactionId>,
    /// When credit that is given away ends.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Time>,
    /// What it belongs to, such as the number of a bank transfer; at most 200 characters. The customer sees it.
    #[serde(default)]
    pub subject: String,
    /// A remark, at most 500 characters. The customer sees it.
    #[serde(default)]
    pub memo: String,
}

/// Which transactions the operator sees.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ListBooks {
    /// How many entries, 1 to 500; 50 by default.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 500)]
    pub limit: Option<u32>,
    /// The `next` of the page before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
    /// Of this organization (id), newest first. Without one: calls of all organizations that wait for a ruling, oldest first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub customer: Option<String>,
    /// Of this kind alone, other than `usage`; only with `customer`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
}

/// Whose terms.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct TermsQuery {
    /// The organization (id).
    pub customer: String,
}
