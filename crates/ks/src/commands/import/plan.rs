//! What of a `.env` file is a provider's key, and what becomes of it. Decides; changes nothing.

use std::collections::{BTreeMap, BTreeSet};

use keystore_catalog::Provider;
use keystore_core::token::is_token;
use keystore_wire::secret::MAIN_FIELD;

use super::dotenv::{Assigned, Change, Dotenv};

/// What is shorter is no key, unless somebody says so.
const SHORTEST: usize = 8;

/// A variable with a key.
pub(super) struct Found<'a> {
    pub(super) variable: &'a Assigned,
    pub(super) provider: &'static Provider,
    /// Where the file's own base URL leads, if that is not the vendor.
    pub(super) base_url: Option<String>,
}

/// What people say of variables.
#[derive(Default)]
pub(super) struct Said {
    /// Whose key a variable holds, by its name.
    pub(super) named: BTreeMap<String, String>,
    /// Those that stay as they are.
    pub(super) left: BTreeSet<String>,
    /// Whether an agent is made: it has one key of each provider.
    pub(super) agent: bool,
}

/// What is to be done.
pub(super) struct Plan<'a> {
    pub(super) keys: Vec<Found<'a>>,
    /// What people should know.
    pub(super) notes: Vec<String>,
}

/// Finds the keys of a file.
///
/// # Errors
/// All that stands in the way, for people.
pub(super) fn plan<'a>(file: &'a Dotenv, said: &Said) -> Result<Plan<'a>, Vec<String>> {
    let (mut keys, mut notes, mut problems) = (Vec::<Found<'_>>::new(), Vec::new(), Vec::new());
    for variable in file.assigned() {
        let provider = match provider_of(variable, said) {
            Ok(Some(provider)) => provider,
            Ok(None) => continue,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        if let Some(note) = unfit(variable, provider, said) {
            notes.push(note);
            continue;
        }
        let base_url = match base_url(file, provider) {
            Ok(base_url) => base_url,
            Err(problem) => {
                problems.push(problem);
                continue;
            }
        };
        let found = Found {
            variable,
            provider,
            base_url,
        };
        match keys
            .iter()
            .find_map(|other| clash(other, &found).filter(|_| said.agent))
        {
            Some(problem) => problems.push(problem),
            None => keys.push(found),
        }
    }
    problems.dedup();
    match problems.is_empty() {
        true => Ok(Plan { keys, notes }),
        false => Err(problems),
    }
}

/// Whose key a variable holds, if it holds one.
fn provider_of(variable: &Assigned, said: &Said) -> Result<Option<&'static Provider>, String> {
    let (name, value) = (&variable.name, variable.value.as_str());
    // A reference is replaced where it leads.
    let is_none = value.is_empty() || value.starts_with('$') || is_token(value.as_bytes());
    if is_none || said.left.contains(name) {
        return Ok(None);
    }
    if let Some(slug) = said.named.get(name) {
        return match keystore_catalog::provider(slug) {
            Some(provider) => Ok(Some(provider)),
            None => Err(format!("{name}: no provider is called `{slug}`")),
        };
    }
    let candidates = candidates(name, value);
    match candidates[..] {
        [] => Ok(None),
        [provider] => Ok(Some(provider)),
        [first, ..] => {
            let slugs: Vec<_> = candidates.iter().map(|one| one.slug.as_ref()).collect();
            Err(format!(
                "{name} may be a key of `{}`; say which: `--as {name}={}`",
                slugs.join("`, `"),
                first.slug
            ))
        }
    }
}

/// Whose key a variable may hold: by its name and its value, else by its name, else by its value.
fn candidates(name: &str, value: &str) -> Vec<&'static Provider> {
    let by_value = keystore_catalog::recognise_key(value);
    let by_name: Vec<_> = keystore_catalog::providers()
        .iter()
        .filter(|provider| !provider.dev_only && provider.env.key.iter().any(|key| key == name))
        .collect();
    let both: Vec<_> = by_name
        .iter()
        .copied()
        .filter(|one| by_value.iter().any(|other| one.slug == other.slug))
        .collect();
    [both, by_name, by_value]
        .into_iter()
        .find(|found| !found.is_empty())
        .unwrap_or_default()
}

/// Why a variable is not taken, though its provider is known.
fn unfit(variable: &Assigned, provider: &Provider, said: &Said) -> Option<String> {
    let name = &variable.name;
    if let Some(why) = needs_more(provider) {
        return Some(format!("{name} stays as it is: {why}"));
    }
    let is_known = provider
        .key_pattern
        .as_ref()
        .is_some_and(|pattern| pattern.prefixed);
    let fits = keystore_catalog::recognise_key(&variable.value)
        .iter()
        .any(|other| other.slug == provider.slug);
    let is_one = fits || (!is_known && variable.value.len() >= SHORTEST);
    (!is_one && !said.named.contains_key(name)).then(|| {
        format!(
            "{name} does not look like a key of {} and stays as it is",
            provider.name
        )
    })
}

/// What else a credential of a provider needs beside its key, if it does.
pub(super) fn needs_more(provider: &Provider) -> Option<String> {
    let more = provider
        .fields
        .iter()
        .any(|field| field.required && field.name != MAIN_FIELD);
    (more || !provider.url_params.is_empty() || provider.base_url.is_none()).then(|| {
        format!(
            "{} needs more than a key; `ks provider add {}` takes it all",
            provider.name, provider.slug
        )
    })
}

/// Where the base URL of the file leads, without what the SDK puts behind it; none where that is the vendor.
fn base_url(file: &Dotenv, provider: &Provider) -> Result<Option<String>, String> {
    for url in provider.env.base_url.iter() {
        let given = file.assigned().iter().rev().find(|one| one.name == url.name);
        let Some(value) = given.map(|one| one.value.trim_end_matches('/')) else {
            continue;
        };
        if value.is_empty() || value.starts_with('$') {
            continue;
        }
        let Some(base) = value.strip_suffix(url.path.trim_end_matches('/')) else {
            return Err(format!(
                "{} leads to {value}, which does not end with `{}` as that of {} does; the key may be of another vendor: `ks provider define` \
                 describes one, and `--leave` keeps the variable of its key as it is",
                url.name, url.path, provider.name
            ));
        };
        return Ok((provider.base_url.as_deref() != Some(base)).then(|| base.to_owned()));
    }
    Ok(None)
}

fn clash(other: &Found<'_>, found: &Found<'_>) -> Option<String> {
    let (one, two) = (&other.variable.name, &found.variable.name);
    if other.provider.slug != found.provider.slug || other.variable.value == found.variable.value {
        return None;
    }
    let vendor = &found.provider.name;
    Some(match one == two {
        true => format!(
            "{one} stands twice, with different keys of {vendor}; delete the line that does not count"
        ),
        false => format!(
            "{one} and {two} hold different keys of {vendor}, and an agent has one of each provider; import one, and the other for another \
             agent (`--leave {two}`)"
        ),
    })
}

impl Plan<'_> {
    /// What becomes of the file: its variables, and what comes to its end. Without a token, keys are taken out.
    pub(super) fn changes(
        &self,
        proxy_url: &str,
        token: Option<&str>,
    ) -> (BTreeMap<String, Change>, BTreeMap<String, String>) {
        let (mut changes, mut added) = (BTreeMap::new(), BTreeMap::new());
        for Found {
            variable, provider, ..
        } in &self.keys
        {
            let base = format!("{proxy_url}/v1/{}", provider.slug);
            let name = &variable.name;
            let change = match token {
                Some(token) if is_served(provider) => Change::Set(token.to_owned()),
                Some(_) => Change::TakeOut(format!(
                    "{name} is in Keystore: point the client at {base} with the token of KS_TOKEN"
                )),
                None => Change::TakeOut(format!(
                    "{name} is in Keystore: `ks run` gives a program an agent's token"
                )),
            };
            changes.insert(name.clone(), change);
            for url in provider.env.base_url.iter().filter(|_| token.is_some()) {
                let value = format!("{base}{}", url.path);
                changes.insert(url.name.to_string(), Change::Set(value.clone()));
                added.insert(url.name.to_string(), value);
            }
        }
        for (name, value) in token
            .map(|token| [("KS_PROXY_URL", proxy_url), ("KS_TOKEN", token)])
            .into_iter()
            .flatten()
        {
            changes.insert(name.to_owned(), Change::Set(value.to_owned()));
            added.insert(name.to_owned(), value.to_owned());
        }
        (changes, added)
    }
}

/// Whether the vendor's SDK reads its address from the environment. Otherwise it would send the token to the vendor.
pub(super) fn is_served(provider: &Provider) -> bool {
    !provider.env.base_url.is_empty()
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROXY: &str = "http://127.0.0.1:8400";

    /// A variable, its provider, and an address of its own.
    type Taken = (String, String, Option<String>);

    fn openai(filling: char) -> String {
        format!("sk-proj-{}", filling.to_string().repeat(40))
    }

    fn found(text: &str, said: &Said) -> Result<Vec<Taken>, Vec<String>> {
        let file = Dotenv::parse(text).unwrap();
        let plan = plan(&file, said)?;
        let all = plan.keys.iter().map(|one| {
            (
                one.variable.name.clone(),
                one.provider.slug.to_string(),
                one.base_url.clone(),
            )
        });
        Ok(all.collect())
    }

    fn with_agent() -> Said {
        Said {
            agent: true,
            ..Said::default()
        }
    }

    #[test]
    fn keys_are_known_by_name_and_by_shape() {
        let text = format!(
            "OPENAI_API_KEY={}\nMY_KEY=sk-ant-api03-{}AA\nCOHERE_API_KEY=anything\nDEBUG=1\nREF=${{MY_KEY}}\nOTHER_TOKEN=ks_{}\n\
             AWS_BEARER_TOKEN_BEDROCK=needs-a-region-too\n",
            openai('a'),
            "b".repeat(93),
            "0".repeat(64)
        );
        let pairs = [
            ("OPENAI_API_KEY", "openai"),
            ("MY_KEY", "anthropic"),
            ("COHERE_API_KEY", "cohere"),
        ];
        let pairs = pairs.map(|(name, slug)| (name.to_owned(), slug.to_owned(), None));
        assert_eq!(found(&text, &with_agent()).unwrap(), pairs);
        let placeholder = found("OPENAI_API_KEY=your-key-here\n", &with_agent());
        assert_eq!(placeholder.unwrap(), []);
    }

    #[test]
    fn what_cannot_be_decided_is_not_guessed() {
        let two = format!("OPENAI_API_KEY={}\nSECOND={}\n", openai('a'), openai('b'));
        let problems = found(&two, &with_agent()).unwrap_err();
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(!problems[0].contains("sk-proj"));
        assert_eq!(
            found(&two, &Said::default()).unwrap().len(),
            2,
            "no agent, no clash"
        );
        let unknown = Said {
            named: BTreeMap::from([("X".to_owned(), "nobody".to_owned())]),
            ..Said::default()
        };
        assert!(found("X=1", &unknown).unwrap_err()[0].contains("no provider"));
    }

    #[test]
    fn a_key_of_another_address_goes_to_that_address() {
        let with = |url: &str| {
            found(
                &format!("OPENAI_API_KEY={}\nOPENAI_BASE_URL={url}", openai('a')),
                &with_agent(),
            )
        };
        assert_eq!(with("https://api.openai.com/v1/").unwrap()[0].2, None);
        assert_eq!(with("${LLM_URL}").unwrap()[0].2, None);
        let gateway = with("https://gateway.example/openai/v1").unwrap();
        assert_eq!(gateway[0].2.as_deref(), Some("https://gateway.example/openai"));
        assert!(with("https://gateway.example/chat").unwrap_err()[0].contains("OPENAI_BASE_URL"));
    }

    #[test]
    fn the_file_gets_the_token_only_where_it_goes_to_the_proxy() {
        let text = format!(
            "OPENAI_API_KEY={}\nRESEND_API_KEY=re_{}\n",
            openai('a'),
            "b".repeat(30)
        );
        let file = Dotenv::parse(&text).unwrap();
        let plan = plan(&file, &with_agent()).unwrap();
        let served = keystore_catalog::provider("resend").is_some_and(is_served);
        let (changes, added) = plan.changes(PROXY, Some("ks_1"));
        assert_eq!(changes["OPENAI_API_KEY"], Change::Set("ks_1".to_owned()));
        assert_eq!(added["OPENAI_BASE_URL"], format!("{PROXY}/v1/openai/v1"));
        assert_eq!(
            changes["RESEND_API_KEY"] == Change::Set("ks_1".to_owned()),
            served
        );
        let (changes, added) = plan.changes(PROXY, None);
        assert!(added.is_empty());
        assert!(
            changes
                .values()
                .all(|change| matches!(change, Change::TakeOut(_)))
        );
    }
}
