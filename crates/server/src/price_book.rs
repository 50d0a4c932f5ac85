//! The operator's price book: read, replaced by its next version, and what of it a rule of the API means.

mod rules;

use keystore_core::policy::{Listing, PriceBook, PriceRule};
use keystore_store::{Conn, Tx, price_books};
use keystore_wire::operator::{ChangePrices, SetListing};
use keystore_wire::problem::Code;
use serde::Serialize;

use crate::agents::Forged;
use crate::api::problem::{ApiError, ApiResult};
use crate::app::App;
use crate::audit::Event;
use crate::auth::caller::Caller;
use crate::providers;
pub(crate) use rules::shown;

/// The purpose of the MACs, as the data plane checks them.
const BOOK_MAC: &str = "price_book";

/// The most rules of a book.
const MAX_RULES: usize = 10_000;

/// The book in force.
///
/// # Errors
/// `internal` when it is not ours.
pub(crate) async fn get(app: &App, conn: &mut Conn) -> ApiResult<PriceBook> {
    let Some(row) = price_books::newest(conn).await? else {
        return Ok(PriceBook::default());
    };
    let forged = || ApiError::internal(Forged("price book"));
    if !app.policy_mac.verify(BOOK_MAC, &row.policy, &row.mac) {
        return Err(forged());
    }
    let book = row.decode()?;
    match book.version == row.version {
        true => Ok(book),
        false => Err(forged()),
    }
}

/// Puts the book in force as the next version.
async fn put(app: &App, tx: &mut Tx, book: &mut PriceBook) -> ApiResult<()> {
    book.version += 1;
    let mac = app.policy_mac.tag(BOOK_MAC, &book.canonical());
    price_books::insert(tx, book, &mac, app.clock.now()).await?;
    Ok(())
}

/// Publishes or hides a provider.
///
/// # Errors
/// `unknown_provider`.
pub(crate) async fn set_listing(
    app: &App,
    tx: &mut Tx,
    caller: &Caller,
    new: SetListing,
) -> ApiResult<PriceBook> {
    providers::catalog(&new.provider, app.settings.dev)?;
    let mut book = get(app, tx).await?;
    let before = book.listing(&new.provider).cloned();
    match book
        .listings
        .iter_mut()
        .find(|listing| listing.provider == new.provider)
    {
        Some(listing) => listing.published = new.published,
        None => book.listings.push(Listing {
            provider: new.provider.clone(),
            published: new.published,
        }),
    }
    put(app, tx, &mut book).await?;
    let before = before.map(|listing| SetListing {
        provider: listing.provider,
        published: listing.published,
    });
    Event::new("set_listing", &caller.org)
        .before(&before)?
        .after(&new)?
        .by(tx, caller)?;
    Ok(book)
}

/// Publishes a provider that is not listed yet.
///
/// # Errors
/// The store's.
pub(crate) async fn list_new(app: &App, tx: &mut Tx, caller: &Caller, provider: &str) -> ApiResult<()> {
    if get(app, tx).await?.listing(provider).is_some() {
        return Ok(());
    }
    let new = SetListing {
        provider: provider.to_owned(),
        published: true,
    };
    set_listing(app, tx, caller, new).await.map(drop)
}

/// What a change of the rules came to.
pub(crate) struct Changed {
    /// The book as it is now, or would be.
    pub(crate) version: u64,
    pub(crate) added: Vec<PriceRule>,
    pub(crate) removed: Vec<PriceRule>,
}

#[derive(Serialize)]
struct Recorded {
    version: u64,
    rules: Vec<keystore_wire::operator::PriceRule>,
}

/// Changes the rules, or says what would change.
///
/// # Errors
/// `invalid_request`, `conflict` when another version is in force or there are too many rules.
pub(crate) async fn change(
    app: &App,
    tx: &mut Tx,
    caller: &Caller,
    change: &ChangePrices,
) -> ApiResult<Changed> {
    let mut book = get(app, tx).await?;
    check_base(&book, change)?;
    let new = rules::read(app, tx, &change.add).await?;
    let before = std::mem::take(&mut book.rules);
    let stays = |number: usize, rule: &PriceRule| {
        let taken_away = u32::try_from(number).is_ok_and(|number| change.remove.contains(&number));
        let replaced = new.iter().any(|new| rules::takes_the_place(new, rule));
        !change.replace && !taken_away && !replaced
    };
    for (number, rule) in before.iter().enumerate() {
        if stays(number, rule) || new.contains(rule) {
            book.rules.push(rule.clone());
        }
    }
    for rule in new {
        if !book.rules.contains(&rule) {
            book.rules.push(rule);
        }
    }
    if book.rules.len() > MAX_RULES {
        return Err(ApiError::new(
            Code::Conflict,
            format!("a price book has at most {MAX_RULES} rules"),
        )
        .remedy("one rule for names like each other (`gpt-5*`) stands for many"));
    }
    let added = missing(&book.rules, &before);
    let removed = missing(&before, &book.rules);
    if change.dry_run || (added.is_empty() && removed.is_empty()) {
        return Ok(Changed {
            version: book.version,
            added,
            removed,
        });
    }
    put(app, tx, &mut book).await?;
    let recorded = |version, rules: &[PriceRule]| Recorded {
        version,
        rules: rules.iter().map(shown).collect(),
    };
    Event::new("change_prices", &caller.org)
        .before(&recorded(book.version - 1, &removed))?
        .after(&recorded(book.version, &added))?
        .by(tx, caller)?;
    Ok(Changed {
        version: book.version,
        added,
        removed,
    })
}

fn check_base(book: &PriceBook, change: &ChangePrices) -> ApiResult<()> {
    if change.base.is_none() && (change.replace || !change.remove.is_empty()) {
        return Err(ApiError::field(
            "/base",
            "expected the version that this is a change of, as `GET /v1/operator/prices` says it",
        ));
    }
    match change.base {
        Some(base) if base != book.version => Err(ApiError::new(
            Code::Conflict,
            format!(
                "version {} of the price book is in force, not {base}",
                book.version
            ),
        )
        .remedy("read the prices again, and repeat the change on them")),
        _ => Ok(()),
    }
}

/// Those of `rules` that are not in `others`.
fn missing(rules: &[PriceRule], others: &[PriceRule]) -> Vec<PriceRule> {
    let is_new = |rule: &&PriceRule| !others.contains(rule);
    rules.iter().filter(is_new).cloned().collect()
}
