//! Finding calls among the pages.

use std::collections::{BTreeMap, HashSet};

use keystore_core::ids::{OrgId, RequestId};

use super::page::{self, Call};
use super::{Filter, RequestRow};
use crate::column::Bind;
use crate::db::{Conn, fetch_all, fetch_built, fetch_one, sql};
use crate::error::StoreError;

/// Pages that are read at a time: some hundred kilobytes at most.
const PAGES: i64 = 32;

/// A page's first `seq`, and its body.
type PageRow = (i64, Vec<u8>);

sql! {
    NEWEST = "SELECT CAST(COALESCE(MAX(last), 0) AS BIGINT) FROM request_pages";
    PAGE_OF = "SELECT CAST(COALESCE(MAX(first), 0) AS BIGINT) FROM request_pages WHERE org = $1 AND first <= $2";
    WITH_IDS = "SELECT p.first, p.body FROM request_ids i JOIN request_pages p ON p.first = i.page \
        WHERE i.org = $1 AND i.head = $2 AND i.least <= $3 AND i.greatest >= $4 ORDER BY i.page DESC";
    BETWEEN = "SELECT last, first, body FROM request_pages WHERE last > $1 AND first <= $2 ORDER BY last LIMIT $3";
}

const OF_ORG: &str = "SELECT p.first, p.body FROM request_pages p WHERE p.org = ";
const OF_AGENT: &str =
    "SELECT p.first, p.body FROM request_agents a JOIN request_pages p ON p.first = a.page WHERE a.org = ";

/// What the ids of about one minute have in common: a UUIDv7 begins with 48 bits of milliseconds. For other ids it is as right,
/// and only not as quick.
pub(crate) fn id_head(id: RequestId) -> i64 {
    let [a, b, c, d, ..] = id.uuid().into_bytes();
    i64::from(u32::from_be_bytes([a, b, c, d]))
}

/// The number (`seq`) of the newest row; 0 when there is none.
///
/// # Errors
///
/// `Unavailable`.
pub async fn newest(conn: &mut Conn) -> Result<i64, StoreError> {
    let (newest,) = fetch_one!(conn, (i64,), NEWEST)?;
    Ok(newest)
}

/// The rows that fit, the newest first, from before `before` (a `seq`) on, at most `limit`.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn list(
    conn: &mut Conn,
    org: OrgId,
    filter: &Filter,
    before: Option<i64>,
    limit: u32,
) -> Result<Vec<RequestRow>, StoreError> {
    let before = before.unwrap_or(i64::MAX);
    let mut rows = Vec::new();
    let mut next = Pages::Before(before);
    loop {
        let pages = pages(conn, org, filter, next).await?;
        let Some((oldest, _)) = pages.last() else {
            return Ok(rows);
        };
        next = Pages::Before(*oldest);
        for (first, body) in &pages {
            for (seq, call) in page::calls(*first, body)?.iter().rev() {
                if rows.len() == limit as usize {
                    return Ok(rows);
                }
                if *seq < before && filter.admits(call) {
                    rows.push(RequestRow::of(*seq, call));
                }
            }
        }
    }
}

/// The rows that fit and came after `after` (a `seq`), the oldest first, at most `limit`: for following.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn since_seq(
    conn: &mut Conn,
    org: OrgId,
    filter: &Filter,
    after: i64,
    limit: u32,
) -> Result<Vec<RequestRow>, StoreError> {
    let mut rows = Vec::new();
    let (begin,): (i64,) = fetch_one!(conn, (i64,), PAGE_OF, org, after)?;
    let mut next = Pages::From(begin);
    loop {
        let pages = pages(conn, org, filter, next).await?;
        let Some((newest, _)) = pages.last() else {
            return Ok(rows);
        };
        next = Pages::From(newest + 1);
        for (first, body) in &pages {
            for (seq, call) in &page::calls(*first, body)? {
                if rows.len() == limit as usize {
                    return Ok(rows);
                }
                if *seq > after && filter.admits(call) {
                    rows.push(RequestRow::of(*seq, call));
                }
            }
        }
    }
}

/// The rows of a request, the newest first: one for each attempt.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn get(conn: &mut Conn, org: OrgId, id: RequestId) -> Result<Vec<RequestRow>, StoreError> {
    let mut rows = Vec::new();
    for (first, body) in fetch_all!(conn, PageRow, WITH_IDS, org, id_head(id), id, id)? {
        let calls = page::calls(first, &body)?;
        let wanted = calls.iter().rev().filter(|(_, call)| call.request() == id);
        rows.extend(wanted.map(|(seq, call)| RequestRow::of(*seq, call)));
    }
    Ok(rows)
}

/// Those of the requests that are known to have been refused, and perhaps others.
pub(crate) async fn refused_of(
    conn: &mut Conn,
    requests: &[(OrgId, RequestId)],
) -> Result<HashSet<RequestId>, StoreError> {
    let mut ranges: BTreeMap<(OrgId, i64), (RequestId, RequestId)> = BTreeMap::new();
    for (org, id) in requests {
        let (least, greatest) = ranges.entry((*org, id_head(*id))).or_insert((*id, *id));
        *least = (*least).min(*id);
        *greatest = (*greatest).max(*id);
    }
    let mut refused = HashSet::new();
    for ((org, head), (least, greatest)) in ranges {
        for (first, body) in fetch_all!(conn, PageRow, WITH_IDS, org, head, greatest, least)? {
            // An attempt of the same request may have ended in an error code of ours.
            for (_, call) in page::calls(first, &body)? {
                if let Call::Refused(refusal) = call {
                    refused.insert(refusal.request);
                }
            }
        }
    }
    Ok(refused)
}

/// The rows behind number `from` up to `to`, of all organizations, oldest first.
///
/// # Errors
///
/// `Unavailable`, `Damaged`.
pub async fn of_all(conn: &mut Conn, from: i64, to: i64) -> Result<Vec<RequestRow>, StoreError> {
    let mut rows = Vec::new();
    each_between(conn, from, to, |seq, call| rows.push(RequestRow::of(seq, call))).await?;
    rows.sort_by_key(|row| row.seq);
    Ok(rows)
}

/// Shows the calls behind number `from` up to `to`, of all organizations, each with its number.
pub(crate) async fn each_between(
    conn: &mut Conn,
    from: i64,
    to: i64,
    mut show: impl FnMut(i64, &Call<'_>),
) -> Result<(), StoreError> {
    let mut after = from;
    loop {
        let pages = fetch_all!(conn, (i64, i64, Vec<u8>), BETWEEN, after, to, PAGES)?;
        for (last, first, body) in &pages {
            let calls = page::calls(*first, body)?;
            let wanted = calls.iter().filter(|(seq, _)| *seq > from && *seq <= to);
            wanted.for_each(|(seq, call)| show(*seq, call));
            after = *last;
        }
        if pages.is_empty() {
            return Ok(());
        }
    }
}

/// Which pages.
#[derive(Clone, Copy)]
enum Pages {
    /// That begin before this `seq`, the newest first.
    Before(i64),
    /// That begin at this `seq` or after it, the oldest first.
    From(i64),
}

/// The next pages of the organization that may have what fits.
async fn pages(
    conn: &mut Conn,
    org: OrgId,
    filter: &Filter,
    which: Pages,
) -> Result<Vec<PageRow>, StoreError> {
    let (head, first) = match filter.agent {
        Some(_) => (OF_AGENT, "a.page"),
        None => (OF_ORG, "p.first"),
    };
    let pages = fetch_built!(conn, PageRow, head, |builder| {
        builder.push_bind(org.raw());
        if let Some(agent) = filter.agent {
            builder.push(" AND a.agent = ").push_bind(agent.raw());
        }
        if let Some(since) = filter.since {
            builder.push(" AND p.until >= ").push_bind(since.raw());
        }
        if let Some(until) = filter.until {
            builder.push(" AND p.since < ").push_bind(until.raw());
        }
        builder.push(" AND ").push(first);
        match which {
            Pages::Before(seq) => builder.push(" < ").push_bind(seq),
            Pages::From(seq) => builder.push(" >= ").push_bind(seq),
        };
        builder.push(" ORDER BY ").push(first);
        builder.push(match which {
            Pages::Before(_) => " DESC LIMIT ",
            Pages::From(_) => " LIMIT ",
        });
        builder.push_bind(PAGES);
    })?;
    Ok(pages)
}
