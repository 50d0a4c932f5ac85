//! The pages of requests: the calls that ended in a chunk, put together by organization.

use std::collections::{BTreeMap, BTreeSet};

use keystore_core::ids::{AgentId, OrgId, RequestId};

use super::fold::EndedCall;
use crate::requests::{hour, id_head, page};

/// Calls of a page, the most: so that who reads one does not read many in vain.
const CALLS: usize = 64;

/// A row of `request_pages`, and what becomes rows of the tables that it is found by.
pub(super) struct NewPage {
    /// The first and the last `seq`.
    pub(super) first: i64,
    pub(super) last: i64,
    pub(super) org: OrgId,
    /// The times of admission, in microseconds: from `since` to `until`, both included.
    pub(super) since: i64,
    pub(super) until: i64,
    pub(super) body: Vec<u8>,
    pub(super) agents: BTreeSet<AgentId>,
    /// The least and the greatest id by the heads of ids.
    pub(super) ids: BTreeMap<i64, (RequestId, RequestId)>,
}

/// Puts calls together, which come in the order of `seq`. The pages are in the order of their first ones.
pub(super) fn pages(calls: &[EndedCall<'_>]) -> Vec<NewPage> {
    let mut pages: Vec<Vec<&EndedCall<'_>>> = Vec::new();
    // The page that takes more of an organization's calls.
    let mut growing: BTreeMap<OrgId, usize> = BTreeMap::new();
    for call in calls {
        let at = growing.get(&call.org).copied();
        let at = at.filter(|at| pages[*at].len() < CALLS).unwrap_or_else(|| {
            pages.push(Vec::new());
            growing.insert(call.org, pages.len() - 1);
            pages.len() - 1
        });
        pages[at].push(call);
    }
    pages.iter().filter_map(|calls| NewPage::of(calls)).collect()
}

/// The first and the last page of each organization and hour that a page's oldest or newest call is of. The pages come in their order.
pub(super) fn hours(pages: &[NewPage]) -> BTreeMap<(OrgId, i64), (i64, i64)> {
    let mut hours = BTreeMap::new();
    for page in pages {
        for at in [page.since, page.until] {
            let (_, last) = hours
                .entry((page.org, hour(at)))
                .or_insert((page.first, page.first));
            *last = page.first;
        }
    }
    hours
}

impl NewPage {
    /// None where there are no calls.
    fn of(calls: &[&EndedCall<'_>]) -> Option<Self> {
        let first = calls.first()?;
        let mut page = Self {
            first: first.seq,
            last: first.seq,
            org: first.org,
            since: first.at.0,
            until: first.at.0,
            body: page::empty(calls.iter().map(|call| &call.frames[..])),
            agents: BTreeSet::new(),
            ids: BTreeMap::new(),
        };
        calls.iter().for_each(|call| page.push(call));
        Some(page)
    }

    fn push(&mut self, call: &EndedCall<'_>) {
        self.last = call.seq;
        self.since = self.since.min(call.at.0);
        self.until = self.until.max(call.at.0);
        self.agents.insert(call.agent);
        let (least, greatest) = self.ids.entry(id_head(call.id)).or_insert((call.id, call.id));
        *least = call.id.min(*least);
        *greatest = call.id.max(*greatest);
        // A chunk has far fewer calls.
        let distance = u32::try_from(call.seq - self.first).unwrap_or(u32::MAX);
        page::push(&mut self.body, distance, &call.frames);
    }
}

#[cfg(test)]
mod tests {
    use keystore_core::Micros;
    use keystore_core::record::Refusal;
    use uuid::Uuid;

    use super::*;
    use crate::journal::batch::{self, RecordRef};
    use crate::requests::page::Call;

    fn refusal(id: u128, org: u128, agent: u128) -> Refusal<'static> {
        Refusal {
            request: RequestId::new(Uuid::from_u128(id)),
            at: Micros(i64::try_from(id & 0xff).unwrap()),
            org: OrgId::new(Uuid::from_u128(org)),
            project: keystore_core::ids::ProjectId::new(Uuid::nil()),
            agent: AgentId::new(Uuid::from_u128(agent)),
            token: keystore_core::ids::TokenId::new(Uuid::nil()),
            provider: "openai",
            code: "rate_limited",
            status: 429,
            count: 1,
            model: None,
        }
    }

    /// The pages of refusals, numbered from 10 on.
    fn paged(refusals: &[Refusal<'_>]) -> Vec<NewPage> {
        let mut batch = Vec::new();
        for refusal in refusals {
            batch::push(&mut batch, RecordRef::Refusal(refusal)).unwrap();
        }
        let frames = batch::records(&batch).map(|framed| framed.unwrap().frame);
        let calls = (10..).zip(refusals).zip(frames);
        let calls: Vec<_> = calls
            .map(|((seq, refusal), frame)| EndedCall {
                seq,
                id: refusal.request,
                at: refusal.at,
                org: refusal.org,
                agent: refusal.agent,
                frames: [frame, &[]],
            })
            .collect();
        pages(&calls)
    }

    fn read(page: &NewPage) -> Vec<(i64, RequestId)> {
        let calls = page::calls(page.first, &page.body).unwrap().into_iter();
        calls
            .map(|(seq, call)| match call {
                Call::Refused(refusal) => (seq, refusal.request),
                Call::Ended(..) => panic!("nothing ended"),
            })
            .collect()
    }

    #[test]
    fn a_page_is_of_one_organization_and_keeps_every_seq() {
        let minute = 1 << 96;
        let pages = paged(&[
            refusal(minute + 7, 1, 1),
            refusal(minute + 5, 2, 2),
            refusal(minute + 3, 1, 3),
            refusal(9, 1, 1),
        ]);
        let id = |id| RequestId::new(Uuid::from_u128(id));
        assert_eq!(pages.len(), 2);
        let (one, other) = (&pages[0], &pages[1]);
        assert_eq!(
            read(one),
            [(10, id(minute + 7)), (12, id(minute + 3)), (13, id(9))]
        );
        assert_eq!(read(other), [(11, id(minute + 5))]);
        assert_eq!((one.first, one.last, one.since, one.until), (10, 13, 3, 9));
        assert_eq!(one.agents.len(), 2);
        assert_eq!(one.ids[&1], (id(minute + 3), id(minute + 7)));
        assert_eq!(one.ids[&0], (id(9), id(9)));
        let org = |org| OrgId::new(Uuid::from_u128(org));
        let hours = hours(&pages).into_iter();
        assert!(hours.eq([((org(1), 0), (10, 10)), ((org(2), 0), (11, 11))]));
    }

    #[test]
    fn a_full_page_is_followed_by_another() {
        let refusals: Vec<_> = (0..200).map(|id| refusal(id, 1, 1)).collect();
        let pages = paged(&refusals);
        assert_eq!(pages.len(), 4);
        assert_eq!(hours(&pages).into_values().collect::<Vec<_>>(), [(10, 202)]);
        let seqs = pages.iter().flat_map(read).map(|(seq, _)| seq);
        assert!(seqs.eq(10..210));
    }
}
