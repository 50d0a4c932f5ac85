//! Coalesces refusals: the first few of an agent, code and second are kept as they are, further ones as one with a count.

use std::collections::HashMap;

use keystore_core::ids::AgentId;
use keystore_core::record::{Record, Refusal};

use super::batch::{self, RecordRef};
use crate::error::StoreError;

/// Refusals of one agent with one code in one second that are kept one by one.
const KEPT_SINGLY: u32 = 8;

/// The refusals of the current second.
#[derive(Default)]
pub(super) struct Flood {
    second: i64,
    agents: HashMap<AgentId, Vec<Slot>>,
    held: usize,
}

struct Slot {
    code: String,
    seen: u32,
    held: Option<Held>,
}

/// Refusals that are kept as one.
struct Held {
    /// A batch of the first one alone.
    first: Vec<u8>,
    count: u32,
}

impl Flood {
    /// Takes a refusal: into `body`, or into the count of its second.
    pub(super) fn take(&mut self, refusal: &Refusal<'_>, body: &mut Vec<u8>) -> Result<(), StoreError> {
        let second = refusal.at.seconds();
        if second != self.second {
            self.release(body)?;
            self.second = second;
        }
        let slots = self.agents.entry(refusal.agent).or_default();
        let slot = match slots.iter_mut().position(|slot| slot.code == refusal.code) {
            Some(index) => &mut slots[index],
            None => {
                slots.push(Slot {
                    code: refusal.code.to_owned(),
                    seen: 0,
                    held: None,
                });
                let last = slots.len() - 1;
                &mut slots[last]
            }
        };
        slot.seen = slot.seen.saturating_add(1);
        if slot.seen <= KEPT_SINGLY {
            return batch::push(body, RecordRef::Refusal(refusal));
        }
        match &mut slot.held {
            Some(held) => held.count = held.count.saturating_add(refusal.count),
            None => {
                let mut first = Vec::new();
                batch::push(&mut first, RecordRef::Refusal(refusal))?;
                slot.held = Some(Held {
                    first,
                    count: refusal.count,
                });
                self.held += 1;
            }
        }
        Ok(())
    }

    /// Whether nothing is held back.
    pub(super) fn is_empty(&self) -> bool {
        self.held == 0
    }

    /// Puts what is held back into `body`.
    pub(super) fn release(&mut self, body: &mut Vec<u8>) -> Result<(), StoreError> {
        self.held = 0;
        let held = self
            .agents
            .drain()
            .flat_map(|(_, slots)| slots)
            .filter_map(|slot| slot.held);
        let mut result = Ok(());
        for held in held {
            result = held.write(body).and(result);
        }
        result
    }
}

impl Held {
    fn write(&self, body: &mut Vec<u8>) -> Result<(), StoreError> {
        for framed in batch::records(&self.first) {
            if let Record::Refusal(refusal) = framed?.record {
                let count = self.count;
                batch::push(body, RecordRef::Refusal(&Refusal { count, ..refusal }))?;
            }
        }
        Ok(())
    }
}
