//! `/v1/billing`: what an organization may spend, what it was charged, and its invoices; and the operator's books under `/v1/operator`.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::{StatusCode, header};
use keystore_core::NanoUsd;
use keystore_core::ids::{OrgId, TransactionId};
use keystore_core::invoice::{self, BilledBy};
use keystore_core::ledger::{self as books, Account, Kind};
use keystore_store::billing::{self as rows, InvoiceRow};
use keystore_store::{Conn, credits as credit_rows, ledger, orgs};
use keystore_wire::Page;
use keystore_wire::billing::{
    Balance, Customer, Invoice, InvoiceLine, InvoiceSummary, InvoiceTax, ListBooks, ListLedger, Party, Post,
    SetTerms, Terms, TermsQuery, Transaction,
};
use keystore_wire::page::PageQuery;

use super::extract::{Body, Query};
use super::page::Slice;
use super::problem::{ApiError, ApiResult};
use crate::app::App;
use crate::auth::caller::Caller;
use crate::auth::require::{ManageBilling, Operate, Require, Resource, SeeMoney, Target};
use crate::billing::{self, postings, terms};
use crate::credits;

/// What the organization may still spend at the marketplace, and why.
#[utoipa::path(get, path = "/v1/billing/balance", tag = "billing", responses((status = 200, body = Balance)))]
pub(super) async fn get_balance(
    State(app): State<Arc<App>>,
    caller: Require<SeeMoney>,
) -> ApiResult<Json<Balance>> {
    Ok(Json(billing::balance(&app, caller.whole_org()?).await?))
}

/// What the organization was charged and paid, newest first.
#[utoipa::path(get, path = "/v1/billing/ledger", tag = "billing", params(ListLedger),
    responses((status = 200, body = Page<Transaction>)))]
pub(super) async fn list_ledger(
    State(app): State<Arc<App>>,
    caller: Require<ManageBilling>,
    Query(query): Query<ListLedger>,
) -> ApiResult<Json<Page<Transaction>>> {
    let org = caller.whole_org()?;
    let slice = Slice::<TransactionId>::of(query.limit, query.after.as_deref())?;
    let kind = kind(query.kind.as_deref())?;
    app.store.project_now().await?;
    let mut conn = app.store.read().await?;
    let found = ledger::list(&mut conn, org, kind, slice.after, slice.read()).await?;
    page(&slice, &found, shown)
}

/// The organization's invoices, newest first.
#[utoipa::path(get, path = "/v1/billing/invoices", tag = "billing", params(PageQuery),
    responses((status = 200, body = Page<InvoiceSummary>)))]
pub(super) async fn list_invoices(
    State(app): State<Arc<App>>,
    caller: Require<ManageBilling>,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<Page<InvoiceSummary>>> {
    let org = caller.whole_org()?;
    let slice = Slice::<String>::of(query.limit, query.after.as_deref())?;
    let mut conn = app.store.read().await?;
    let found = rows::list(&mut conn, org, slice.after.as_deref(), slice.read()).await?;
    Ok(Json(slice.page(found, |row| row.number.clone(), summary)))
}

/// An invoice: as JSON, or with `.html`, `.pdf` or `.csv` behind its number in that form. The same bytes every time.
#[utoipa::path(get, path = "/v1/billing/invoices/{invoice}", tag = "billing",
    params(("invoice" = String, Path, description = "Number, and the form: `KS-2026-000001`, `KS-2026-000001.pdf`")),
    responses((status = 200, content(
        (Invoice = "application/json"), (String = "text/html"), (String = "application/pdf"), (String = "text/csv")))))]
pub(super) async fn get_invoice(
    State(app): State<Arc<App>>,
    target: Target<ManageBilling, Asked>,
) -> ApiResult<Response> {
    let (_, asked) = target.read(&app).await?;
    let found = invoice::Invoice::from_json(&asked.row.body).map_err(ApiError::internal)?;
    let number = &found.number;
    let attached = |form: &str| format!("attachment; filename=\"{number}.{form}\"");
    Ok(match asked.form {
        Form::Json => Json(wire(found)).into_response(),
        Form::Html => {
            let headers = [
                (header::CONTENT_TYPE, "text/html; charset=utf-8"),
                (header::CONTENT_SECURITY_POLICY, PAGE_POLICY),
            ];
            (headers, found.html()).into_response()
        }
        Form::Pdf => {
            let headers = [
                (header::CONTENT_TYPE, "application/pdf".to_owned()),
                (header::CONTENT_DISPOSITION, attached("pdf")),
            ];
            (headers, found.pdf()).into_response()
        }
        Form::Csv => {
            let headers = [
                (header::CONTENT_TYPE, "text/csv; charset=utf-8".to_owned()),
                (header::CONTENT_DISPOSITION, attached("csv")),
            ];
            (headers, found.csv()).into_response()
        }
    })
}

/// An invoice's page has its style in itself, and nothing else.
const PAGE_POLICY: &str = "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'";

/// Organizations that ever had credit, by id.
#[utoipa::path(get, path = "/v1/operator/customers", tag = "operator", params(PageQuery),
    responses((status = 200, body = Page<Customer>)))]
pub(super) async fn list_customers(
    State(app): State<Arc<App>>,
    _caller: Require<Operate>,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<Page<Customer>>> {
    let slice = Slice::<OrgId>::of(query.limit, query.after.as_deref())?;
    app.store.project_now().await?;
    let mut conn = app.store.read().await?;
    let rows = credit_rows::list(&mut conn, slice.after, slice.read()).await?;
    let mut customers = Vec::new();
    for row in rows {
        customers.push(customer(&app, &mut conn, row.org).await?);
    }
    Ok(Json(slice.page(
        customers,
        |row| row.org_id.to_string(),
        |row| row,
    )))
}

async fn customer(app: &App, conn: &mut Conn, org: OrgId) -> ApiResult<Customer> {
    let credit = credits::get(app, conn, org).await?;
    let balances = ledger::balances(conn, org).await?;
    Ok(Customer {
        org_id: org,
        name: orgs::get(conn, org).await?.map_or(String::new(), |org| org.name),
        granted: credit.granted,
        limit: credit.limit,
        charged: ledger::charged(conn, org).await?,
        balances: Account::ALL
            .into_iter()
            .map(|account| (account.as_str().to_owned(), balances.of(account)))
            .filter(|(_, amount)| *amount != NanoUsd::ZERO)
            .collect(),
    })
}

/// How an organization pays.
#[utoipa::path(get, path = "/v1/operator/terms", tag = "operator", params(TermsQuery),
    responses((status = 200, body = Terms)))]
pub(super) async fn get_terms(
    State(app): State<Arc<App>>,
    _caller: Require<Operate>,
    Query(query): Query<TermsQuery>,
) -> ApiResult<Json<Terms>> {
    let org = postings::customer(&query.customer)?;
    Ok(Json(terms::get(&app, &mut app.store.read().await?, org).await?))
}

/// Changes how an organization pays, who it is on invoices, and its taxes.
#[utoipa::path(post, path = "/v1/operator/terms", tag = "operator", request_body = SetTerms,
    responses((status = 200, body = Terms)))]
pub(super) async fn set_terms(
    State(app): State<Arc<App>>,
    caller: Require<Operate>,
    Body(body): Body<SetTerms>,
) -> ApiResult<Json<Terms>> {
    Ok(Json(terms::set(&app, &caller, body).await?))
}

/// The books of a customer with every entry, newest first; or the calls of all customers that wait for a ruling, oldest first.
#[utoipa::path(get, path = "/v1/operator/ledger", tag = "operator", params(ListBooks),
    responses((status = 200, body = Page<Transaction>)))]
pub(super) async fn list_books(
    State(app): State<Arc<App>>,
    _caller: Require<Operate>,
    Query(query): Query<ListBooks>,
) -> ApiResult<Json<Page<Transaction>>> {
    let slice = Slice::<TransactionId>::of(query.limit, query.after.as_deref())?;
    let kind = kind(query.kind.as_deref())?;
    app.store.project_now().await?;
    let mut conn = app.store.read().await?;
    let found = match &query.customer {
        Some(customer) => {
            let org = postings::customer(customer)?;
            ledger::list(&mut conn, org, kind, slice.after, slice.read()).await?
        }
        None if kind.is_some() => {
            return Err(ApiError::field("?kind", "is chosen of one customer's books"));
        }
        None => ledger::crashes(&mut conn, slice.after, slice.read()).await?,
    };
    page(&slice, &found, books)
}

/// Posts a transaction: what a customer paid, what it is given, what is given back, what a vendor bills otherwise.
#[utoipa::path(post, path = "/v1/operator/ledger", tag = "operator", request_body = Post,
    responses((status = 201, body = Transaction)))]
pub(super) async fn post_to_ledger(
    State(app): State<Arc<App>>,
    caller: Require<Operate>,
    Body(body): Body<Post>,
) -> ApiResult<(StatusCode, Json<Transaction>)> {
    let posted = postings::by_hand(&app, &caller, &body).await?;
    Ok((StatusCode::CREATED, Json(books(&posted)?)))
}

/// The invoices of all customers, newest first.
#[utoipa::path(get, path = "/v1/operator/invoices", tag = "operator", params(PageQuery),
    responses((status = 200, body = Page<InvoiceSummary>)))]
pub(super) async fn list_customer_invoices(
    State(app): State<Arc<App>>,
    _caller: Require<Operate>,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<Page<InvoiceSummary>>> {
    let slice = Slice::<String>::of(query.limit, query.after.as_deref())?;
    let mut conn = app.store.read().await?;
    let found = rows::list_of_all(&mut conn, slice.after.as_deref(), slice.read()).await?;
    Ok(Json(slice.page(found, |row| row.number.clone(), summary)))
}

/// An invoice as a path names it.
#[derive(Debug)]
pub(crate) struct Asked {
    row: InvoiceRow,
    form: Form,
}

/// What an invoice is shown as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Form {
    Json,
    Html,
    Pdf,
    Csv,
}

/// The number of an invoice and its form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Name {
    number: String,
    form: Form,
}

impl FromStr for Name {
    type Err = std::convert::Infallible;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let forms = [(".html", Form::Html), (".pdf", Form::Pdf), (".csv", Form::Csv)];
        let named = forms
            .into_iter()
            .find_map(|(ending, form)| Some((text.strip_suffix(ending)?, form)));
        let (number, form) = named.unwrap_or((text, Form::Json));
        Ok(Self {
            number: number.to_owned(),
            form,
        })
    }
}

impl Resource for Asked {
    type Key = Name;

    const NOUN: &'static str = "invoice";

    async fn find(_: &App, conn: &mut Conn, caller: &Caller, name: &Name) -> ApiResult<Self> {
        // They are the organization's: for a key of a project there are none.
        let found = match caller.project {
            None => rows::get(conn, caller.org, &name.number).await?,
            Some(_) => None,
        };
        let row = found.ok_or_else(|| ApiError::not_found(Self::NOUN))?;
        Ok(Self { row, form: name.form })
    }
}

fn kind(name: Option<&str>) -> ApiResult<Option<Kind>> {
    let Some(name) = name else { return Ok(None) };
    match serde_json::from_value(name.into()) {
        Ok(Kind::Usage) | Err(_) => Err(ApiError::field(
            "?kind",
            "is no kind of transaction other than `usage`",
        )),
        Ok(kind) => Ok(Some(kind)),
    }
}

fn page(
    slice: &Slice<TransactionId>,
    found: &[books::Transaction],
    wire: fn(&books::Transaction) -> ApiResult<Transaction>,
) -> ApiResult<Json<Page<Transaction>>> {
    let shown = found.iter().map(wire).collect::<ApiResult<Vec<_>>>()?;
    Ok(Json(slice.page(shown, |row| row.id.to_string(), |row| row)))
}

/// A transaction as its customer sees it.
fn shown(transaction: &books::Transaction) -> ApiResult<Transaction> {
    let about = transaction.about();
    let owed = transaction.owed()?;
    Ok(Transaction {
        id: about.id,
        at: about.at.into(),
        kind: transaction.kind().as_str().to_owned(),
        amount: NanoUsd::ZERO
            .checked_sub(owed)
            .ok_or(books::LedgerError::Overflow)?,
        subject: about.subject.clone(),
        memo: about.memo.clone(),
        regards: transaction.regards(),
        org_id: None,
        entries: BTreeMap::new(),
    })
}

/// A transaction as the operator sees it.
///
/// # Errors
/// `conflict`: an amount has no opposite.
pub(crate) fn books(transaction: &books::Transaction) -> ApiResult<Transaction> {
    let entries = transaction.entries().iter();
    Ok(Transaction {
        org_id: Some(transaction.about().org),
        entries: entries
            .map(|entry| (entry.account.as_str().to_owned(), entry.amount))
            .collect(),
        ..shown(transaction)?
    })
}

fn summary(row: InvoiceRow) -> InvoiceSummary {
    InvoiceSummary {
        number: row.number,
        org_id: row.org,
        month: row.month.to_string(),
        total: row.total,
        due: row.due,
        created_at: row.created_at.into(),
    }
}

fn wire(invoice: invoice::Invoice) -> Invoice {
    Invoice {
        number: invoice.number,
        org_id: invoice.org_id,
        month: invoice.month.to_string(),
        issued_on: invoice.issued_on,
        currency: invoice.currency,
        seller: party(invoice.seller),
        buyer: party(invoice.buyer),
        lines: invoice.lines.into_iter().map(line).collect(),
        subtotal: invoice.subtotal,
        taxes: invoice
            .taxes
            .into_iter()
            .map(|tax| InvoiceTax {
                name: tax.name,
                per_mille: tax.per_mille,
                base: tax.base,
                amount: tax.amount,
            })
            .collect(),
        tax: invoice.tax,
        total: invoice.total,
        from_credit: invoice.from_credit,
        due: invoice.due,
        rounding: invoice.rounding,
    }
}

fn line(line: invoice::Line) -> InvoiceLine {
    let billed_by = match line.billed_by {
        BilledBy::Operator => "operator",
        BilledBy::Provider => "provider",
    };
    InvoiceLine {
        billed_by: billed_by.to_owned(),
        project_id: line.project_id,
        project: line.project,
        provider: line.provider,
        model: line.model,
        item: line.item,
        units: line.units,
        calls: line.calls,
        exact: line.exact,
        amount: line.amount,
    }
}

pub(crate) fn party(party: invoice::Party) -> Party {
    Party {
        name: party.name,
        address: party.address,
        tax_id: party.tax_id,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_may_end_in_a_form() {
        let name = |text: &str| {
            let name: Name = text.parse().unwrap();
            (name.number, name.form)
        };
        assert_eq!(name("KS-2026-000001"), ("KS-2026-000001".to_owned(), Form::Json));
        assert_eq!(
            name("KS-2026-000001.pdf"),
            ("KS-2026-000001".to_owned(), Form::Pdf)
        );
        assert_eq!(name(".csv"), (String::new(), Form::Csv));
        assert_eq!(name("x.exe"), ("x.exe".to_owned(), Form::Json));
        assert_eq!(kind(Some("top_up")).unwrap(), Some(Kind::TopUp));
        assert!(kind(Some("usage")).is_err() && kind(Some("x")).is_err());
    }
}
