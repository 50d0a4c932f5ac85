//! How organizations pay, who they are on invoices, and which taxes they are billed.

use keystore_core::ids::OrgId;
use keystore_core::invoice::{Party, TaxRule};
use keystore_store::{Conn, billing, orgs};
use keystore_wire::billing::{SetTerms, Tax, Terms};
use keystore_wire::patch::Patch;

use super::open;
use super::postings::customer;
use crate::api::billing::party as shown_party;
use crate::api::problem::{ApiError, ApiResult, Fields};
use crate::app::App;
use crate::audit::Event;
use crate::auth::caller::Caller;
use crate::credits;
use crate::names::is_short;

/// The most lines of an address, and the most taxes.
const MAX_ADDRESS: usize = 8;
const MAX_TAXES: usize = 10;

/// What stands in the database.
#[derive(Debug, Clone, Default, serde::Serialize, serde::Deserialize)]
struct Stored {
    party: Option<Party>,
    #[serde(default)]
    taxes: Vec<TaxRule>,
}

async fn stored(conn: &mut Conn, org: OrgId) -> ApiResult<Stored> {
    match billing::terms(conn, org).await? {
        Some(body) => serde_json::from_str(&body).map_err(ApiError::internal),
        None => Ok(Stored::default()),
    }
}

/// Who an organization is on invoices, and its taxes. One that has ended goes by its id.
///
/// # Errors
/// The store's.
pub(crate) async fn on_invoices(conn: &mut Conn, org: OrgId) -> ApiResult<(Party, Vec<TaxRule>)> {
    let Stored { party, taxes } = stored(conn, org).await?;
    let party = match party {
        Some(party) => party,
        None => Party {
            name: orgs::get(conn, org)
                .await?
                .map_or(org.to_string(), |org| org.name),
            ..Party::default()
        },
    };
    Ok((party, taxes))
}

/// The terms of an organization.
///
/// # Errors
/// `not_found`.
pub(crate) async fn get(app: &App, conn: &mut Conn, org: OrgId) -> ApiResult<Terms> {
    if orgs::get(conn, org).await?.is_none() {
        return Err(ApiError::not_found("organization"));
    }
    let (party, taxes) = on_invoices(conn, org).await?;
    Ok(Terms {
        org_id: org,
        limit: credits::get(app, conn, org).await?.limit,
        party: shown_party(party),
        taxes: taxes
            .into_iter()
            .map(|rule| Tax {
                name: rule.name,
                per_mille: rule.per_mille,
                providers: rule.providers,
            })
            .collect(),
    })
}

/// Changes them. A limit is in force on the next request.
///
/// # Errors
/// `invalid_request`, `not_found`.
pub(crate) async fn set(app: &App, caller: &Caller, body: SetTerms) -> ApiResult<Terms> {
    let org = customer(&body.org)?;
    check(&body)?;
    let (mut tx, lives) = open(app, org).await?;
    if !lives {
        return Err(ApiError::not_found("organization"));
    }
    let before = get(app, &mut tx, org).await?;
    if let Some(limit) = &body.limit {
        let mut credit = credits::get(app, &mut tx, org).await?;
        credit.limit = limit.parse().map_err(|_| wrong_limit())?;
        credits::put(app, &mut tx, &credit).await?;
    }
    let mut terms = stored(&mut tx, org).await?;
    match body.party {
        Patch::Keep => {}
        Patch::Reset => terms.party = None,
        Patch::Set(party) => {
            terms.party = Some(Party {
                name: party.name,
                address: party.address,
                tax_id: party.tax_id,
            });
        }
    }
    if let Some(taxes) = body.taxes {
        let rule = |tax: Tax| TaxRule {
            name: tax.name,
            per_mille: tax.per_mille,
            providers: tax.providers,
        };
        terms.taxes = taxes.into_iter().map(rule).collect();
    }
    let text = serde_json::to_string(&terms).map_err(ApiError::internal)?;
    billing::put_terms(&mut tx, org, &text, app.clock.now()).await?;
    let after = get(app, &mut tx, org).await?;
    Event::new("set_terms", &org)
        .before(&before)?
        .after(&after)?
        .by(&mut tx, caller)?;
    tx.commit().await?;
    Ok(after)
}

fn wrong_limit() -> ApiError {
    ApiError::field("/limit", "expected dollars, 0 or more, such as \"500\"")
}

fn check(body: &SetTerms) -> ApiResult<()> {
    let mut fields = Fields::default();
    if let Some(limit) = &body.limit
        && !limit
            .parse()
            .is_ok_and(|limit: keystore_core::NanoUsd| limit.0 >= 0)
    {
        fields.wrong("/limit", "expected dollars, 0 or more, such as \"500\"");
    }
    if let Patch::Set(party) = &body.party {
        if !is_short(&party.name, 200) {
            fields.wrong("/party/name", "expected 1 to 200 characters");
        }
        if party.address.len() > MAX_ADDRESS || !party.address.iter().all(|line| is_short(line, 200)) {
            fields.wrong(
                "/party/address",
                "expected at most 8 lines of 1 to 200 characters",
            );
        }
        if !party.tax_id.as_ref().is_none_or(|id| is_short(id, 100)) {
            fields.wrong("/party/taxId", "expected 1 to 100 characters");
        }
    }
    for (number, tax) in body.taxes.iter().flatten().enumerate() {
        if !is_short(&tax.name, 100) {
            fields.wrong(format!("/taxes/{number}/name"), "expected 1 to 100 characters");
        }
        if tax.per_mille > 1_000 {
            fields.wrong(format!("/taxes/{number}/perMille"), "expected 0 to 1,000");
        }
        if tax.providers.len() > 500 || !tax.providers.iter().all(|slug| is_short(slug, 100)) {
            fields.wrong(
                format!("/taxes/{number}/providers"),
                "expected slugs of providers",
            );
        }
    }
    if body.taxes.as_ref().is_some_and(|taxes| taxes.len() > MAX_TAXES) {
        fields.wrong("/taxes", format!("expected at most {MAX_TAXES}"));
    }
    fields.check()
}
