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

/// Pages that are looked at for one answer, about: whoever wants more comes again, and others get at the database meanwhile.
const MOST_PAGES: usize = 1_024;

/// Microseconds of an hour.
const HOUR: i64 = 3_600_000_000;

/// A page's first `seq`, and its body.
type PageRow = (i64, Vec<u8>);

sql! {
    NEWEST = "SELECT CAST(COALESCE(MAX(last), 0) AS BIGINT) FROM request_pages";
    PAGE_OF = "SELECT CAST(COALESCE(MAX(first), 0) AS BIGINT) FROM request_pages WHERE org = $1 AND first <= $2";
    LEAST = "SELECT MIN(least) FROM request_hours WHERE org = $1 AND hour >= $2";
    GREATEST = "SELECT MAX(greatest) FROM request_hours WHERE org = $1 AND hour <= $2";
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

/// The hour of a time in microseconds, counted from 1970.
pub(crate) fn hour(at: i64) -> i64 {
    at.div_euclid(HOUR)
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

/// Some of the calls that fit.
#[derive(Debug, Clone, PartialEq)]
pub struct Found {
    /// The calls, in the order that was asked for.
    pub rows: Vec<RequestRow>,
    /// From which `seq` to look on; none where all was looked at. There may be one though no call was found so far.
    pub next: Option<i64>,
}

/// The calls that fit, the newest first, from before `before` (a `seq`) on, at most `limit`.
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
) -> Result<Found, StoreError> {
    let before = before.unwrap_or(i64::MAX);
    let (least, greatest) = span(conn, org, filter).await?;
    let span = (least, greatest.min(before.saturating_sub(1)));
    find(conn, org, filter, Side::Before(before), span, limit).await
}

/// The calls that fit and came after `after` (a `seq`), the oldest first, at most `limit`: for following.
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
) -> Result<Found, StoreError> {
    let (begin,): (i64,) = fetch_one!(conn, (i64,), PAGE_OF, org, after)?;
    let (least, greatest) = span(conn, org, filter).await?;
    let span = (least.max(begin), greatest);
    find(conn, org, filter, Side::After(after), span, limit).await
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

/// On which side of a `seq` calls are looked for, the nearest first.
#[derive(Clone, Copy)]
enum Side {
    Before(i64),
    After(i64),
}

impl Side {
    fn has(self, seq: i64) -> bool {
        match self {
            Self::Before(end) => seq < end,
            Self::After(begin) => seq > begin,
        }
    }
}

/// From which page to which the calls of the filter's time stand; of these, not all have any.
async fn span(conn: &mut Conn, org: OrgId, filter: &Filter) -> Result<(i64, i64), StoreError> {
    let least = match filter.since {
        Some(since) => fetch_one!(conn, (Option<i64>,), LEAST, org, hour(since.0))?.0,
        None => Some(i64::MIN),
    };
    let greatest = match filter.until {
        Some(until) => fetch_one!(conn, (Option<i64>,), GREATEST, org, hour(until.0))?.0,
        None => Some(i64::MAX),
    };
    // Of such a time there is none.
    Ok((least.unwrap_or(i64::MAX), greatest.unwrap_or(i64::MIN)))
}

/// Looks for calls on this side in the pages of `span`.
async fn find(
    conn: &mut Conn,
    org: OrgId,
    filter: &Filter,
    side: Side,
    mut span: (i64, i64),
    limit: u32,
) -> Result<Found, StoreError> {
    let (mut rows, mut looked_at, mut far) = (Vec::new(), 0, None);
    while looked_at < MOST_PAGES {
        let pages = pages(conn, org, filter, side, span).await?;
        let Some((end, _)) = pages.last() else {
            return Ok(Found { rows, next: None });
        };
        span = match side {
            Side::Before(_) => (span.0, end - 1),
            Side::After(_) => (end + 1, span.1),
        };
        for (first, body) in &pages {
            let mut calls = page::calls(*first, body)?;
            if let Side::Before(_) = side {
                calls.reverse();
            }
            for (seq, call) in calls {
                far = Some(seq);
                if !side.has(seq) || !filter.admits(&call) {
                    continue;
                }
                if rows.len() == limit as usize {
                    let next = rows.last().map(|row: &RequestRow| row.seq);
                    return Ok(Found { rows, next });
                }
                rows.push(RequestRow::of(seq, &call));
            }
        }
        looked_at += pages.len();
    }
    Ok(Found { rows, next: far })
}

/// The next pages of the organization, between two of them, that may have what fits.
async fn pages(
    conn: &mut Conn,
    org: OrgId,
    filter: &Filter,
    side: Side,
    (least, greatest): (i64, i64),
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
        builder
            .push(" AND ")
            .push(first)
            .push(" BETWEEN ")
            .push_bind(least);
        builder.push(" AND ").push_bind(greatest);
        builder.push(" ORDER BY ").push(first);
        builder.push(match side {
            Side::Before(_) => " DESC LIMIT ",
            Side::After(_) => " LIMIT ",
        });
        builder.push_bind(PAGES);
    })?;
    Ok(pages)
}
