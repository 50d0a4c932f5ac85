//! Keys in answers that the proxy did not put into the request: a vendor that hands out a new one, or a document that holds one.
//!
//! They are known by their form alone, so that what only looks like a key counts as one. The credential of the call itself is not looked
//! for here: [`super::Scrubber`] has taken it out before. A key that a stream carries in pieces, a few letters an event, is not seen.

use std::sync::{Arc, LazyLock};

use bytes::{Bytes, BytesMut};
use keystore_catalog::ProviderRef;
use keystore_core::ids::RequestId;
use keystore_core::policy::AgentPolicy;
use regex::bytes::{Regex, RegexSet};

use crate::Proxy;
use crate::authorize::Permit;
use crate::cache::Agent;
use crate::config::StrayKeys;
use crate::notices::KeyInAnswer;

/// More bytes than the longest key that is known. So much of a run of key letters is held back, or looked at again, at the border of
/// two chunks.
const LONGEST: usize = 256;

/// Forms that stand for themselves, as their vendors document them, under the name that an event tells.
const FORMS: [(&str, &str); 17] = [
    (
        "anthropic",
        r"sk-ant-(?:api|admin|oat)[0-9]{2}-[A-Za-z0-9_-]{80,120}",
    ),
    (
        "openai",
        r"sk-(?:(?:proj|svcacct|service|admin)-[A-Za-z0-9_-]{40,180}|[A-Za-z0-9]{20}T3BlbkFJ[A-Za-z0-9]{20})",
    ),
    ("openrouter", r"sk-or-v1-[0-9a-f]{64}"),
    ("aws", r"(?:AKIA|ASIA)[A-Z2-7]{16}(?-u:\b)"),
    (
        "github",
        r"gh[pousr]_[A-Za-z0-9]{36,200}|github_pat_[A-Za-z0-9]{22}_[A-Za-z0-9]{59}",
    ),
    ("gitlab", r"glpat-[A-Za-z0-9_-]{20,64}"),
    ("google", r"AIza[A-Za-z0-9_-]{35}"),
    ("stripe", r"[rs]k_live_[A-Za-z0-9]{24,200}"),
    ("slack", r"xox[abprs]-[0-9]{10,13}-[A-Za-z0-9-]{20,100}"),
    ("npm", r"npm_[A-Za-z0-9]{36}"),
    ("pypi", r"pypi-AgEIcHlwaS5vcmc[A-Za-z0-9_-]{50,200}"),
    ("sendgrid", r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
    ("huggingface", r"hf_[A-Za-z]{34}"),
    ("groq", r"gsk_[A-Za-z0-9]{52}"),
    ("xai", r"xai-[A-Za-z0-9]{80}"),
    ("digitalocean", r"do[opr]_v1_[0-9a-f]{64}"),
    ("shopify", r"shp(?:at|ca|pa|ss)_[0-9a-fA-F]{32}"),
];

/// All of them at once. A key begins where no letter, digit or underscore stands before it.
static ANY: LazyLock<Regex> = LazyLock::new(|| {
    let all = FORMS.map(|(_, form)| form).join("|");
    compiled(Regex::new(&format!(r"(?-u:\b)(?:{all})")))
});

/// Which of them something is.
static EACH: LazyLock<RegexSet> =
    LazyLock::new(|| compiled(RegexSet::new(FORMS.map(|(_, form)| format!("^(?:{form})$")))));

fn compiled<T>(made: Result<T, regex::Error>) -> T {
    made.unwrap_or_else(|_| unreachable!("the patterns are constant and tested"))
}

/// Looks for such keys in one answer, and takes them out where that is wanted.
pub(crate) struct Stray {
    /// Nothing is done without it.
    told: Option<Told>,
    takes_out: bool,
    /// What may be the begin of a key: with `takes_out` no one has seen it, else it has passed.
    kept: BytesMut,
}

/// Who is told of the first key of an answer.
struct Told {
    by: Option<Call>,
    /// What the first one looks like, once there was one.
    form: Option<&'static str>,
}

/// The call whose answer it is.
struct Call {
    proxy: Arc<Proxy>,
    agent: Arc<Agent>,
    provider: ProviderRef,
    request: RequestId,
}

impl Call {
    fn tell(self, form: &'static str) {
        let AgentPolicy {
            org, project, agent, ..
        } = self.agent.policy;
        let taken_out = self.proxy.config.stray_keys == StrayKeys::Block;
        self.proxy.note_key_in_answer(KeyInAnswer {
            org,
            project,
            agent,
            provider: self.provider.slug.to_string(),
            form,
            request: self.request,
            taken_out,
        });
    }
}

impl Told {
    fn tell(&mut self, key: &[u8]) {
        if self.form.is_some() {
            return;
        }
        let form = EACH
            .matches(key)
            .iter()
            .next()
            .map_or("", |number| FORMS[number].0);
        self.form = Some(form);
        if let Some(call) = self.by.take() {
            call.tell(form);
        }
    }

    #[cfg(test)]
    const fn to_nobody() -> Self {
        Self { by: None, form: None }
    }
}

impl Stray {
    /// For the answer of a call.
    pub(crate) fn new(proxy: &Arc<Proxy>, permit: &Permit, request: RequestId) -> Self {
        let wanted = proxy.config.stray_keys;
        let told = (wanted != StrayKeys::Pass).then(|| Told {
            by: Some(Call {
                proxy: Arc::clone(proxy),
                agent: Arc::clone(&permit.agent),
                provider: permit.provider().clone(),
                request,
            }),
            form: None,
        });
        Self {
            told,
            takes_out: wanted == StrayKeys::Block,
            kept: BytesMut::new(),
        }
    }

    /// Looks for nothing.
    #[cfg(test)]
    pub(crate) fn off() -> Self {
        Self {
            told: None,
            takes_out: false,
            kept: BytesMut::new(),
        }
    }

    /// What can be passed on now that `chunk` came; may be empty. A key that is taken out becomes as many asterisks.
    pub(crate) fn push(&mut self, chunk: Bytes) -> Bytes {
        if self.told.is_none() || chunk.is_empty() {
            return chunk;
        }
        if !self.takes_out {
            self.look(&chunk);
            return chunk;
        }
        let data = if self.kept.is_empty() {
            chunk
        } else {
            self.kept.extend_from_slice(&chunk);
            self.kept.split().freeze()
        };
        let end = data.len() - open_run(&data);
        self.kept.extend_from_slice(&data[end..]);
        self.clean(data.slice(..end))
    }

    /// What is left when the body has ended.
    pub(crate) fn finish(&mut self) -> Bytes {
        if !self.takes_out {
            self.look_at_kept();
            return Bytes::new();
        }
        let rest = self.kept.split().freeze();
        self.clean(rest)
    }

    /// What can be passed on of an answer that was read whole.
    pub(crate) fn whole(&mut self, body: Bytes) -> Bytes {
        let passed = self.push(body);
        let rest = self.finish();
        if rest.is_empty() {
            return passed;
        }
        let mut all = BytesMut::from(passed);
        all.extend_from_slice(&rest);
        all.freeze()
    }

    /// Tells of a key in what passes, also of one that began in a chunk before.
    fn look(&mut self, chunk: &Bytes) {
        let mut from = 0;
        if !self.kept.is_empty() {
            from = chunk.iter().take_while(|byte| is_of_a_key(**byte)).count();
            self.kept.extend_from_slice(&chunk[..from.min(LONGEST)]);
            if from < chunk.len() {
                self.look_at_kept();
            } else if self.kept.len() <= LONGEST {
                return;
            }
            self.kept.clear();
        }
        let end = chunk.len() - open_run(chunk);
        if let (Some(told), true) = (&mut self.told, from < end)
            && let Some(found) = ANY.find_at(&chunk[..end], from)
        {
            told.tell(found.as_bytes());
        }
        self.kept.extend_from_slice(&chunk[end.max(from)..]);
    }

    fn look_at_kept(&mut self) {
        if let Some(told) = &mut self.told
            && let Some(found) = ANY.find(&self.kept)
        {
            told.tell(found.as_bytes());
        }
    }

    fn clean(&mut self, data: Bytes) -> Bytes {
        let Some(told) = &mut self.told else { return data };
        let mut clean: Option<BytesMut> = None;
        for found in ANY.find_iter(&data) {
            told.tell(found.as_bytes());
            clean.get_or_insert_with(|| BytesMut::from(&data[..]))[found.range()].fill(b'*');
        }
        clean.map_or(data, BytesMut::freeze)
    }
}

/// How many bytes at the end may belong to a key that goes on in the next chunk. A run that is longer than any key is none.
fn open_run(data: &[u8]) -> usize {
    let last = data.iter().rev().take(LONGEST + 1);
    let run = last.take_while(|byte| is_of_a_key(**byte)).count();
    if run > LONGEST { 0 } else { run }
}

const fn is_of_a_key(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.')
}

#[cfg(test)]
mod tests;
