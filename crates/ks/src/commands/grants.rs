//! Grants as they are typed: `openai`, `openai:byok`, `openai:byok@staging`, `openai:byok+marketplace=500`, and scopes beside them.

use keystore_core::policy::Source;
use keystore_wire::agents::{FallbackInput, Grant, GrantInput};

/// What stands before the cap of a fallback.
const FALLBACK: &str = "+marketplace=";

/// One `--provider`: `SLUG[:SOURCE][@CREDENTIAL][+marketplace=CENTS]`.
pub(crate) fn parse(text: &str) -> Result<GrantInput, String> {
    let (text, fallback) = match text.split_once(FALLBACK) {
        None => (text, None),
        Some((text, cents)) => match cents.parse() {
            Ok(budget_cents_monthly) => {
                let source = Source::Marketplace;
                let fallback = FallbackInput {
                    source,
                    budget_cents_monthly,
                };
                (text, Some(fallback))
            }
            Err(_) => return Err(format!("expected US cents a month after `{FALLBACK}`")),
        },
    };
    let (head, credential) = match text.split_once('@') {
        Some((head, credential)) if !credential.is_empty() => (head, Some(credential.to_owned())),
        Some(_) => return Err("there is no credential after `@`".to_owned()),
        None => (text, None),
    };
    let (slug, source) = head.split_once(':').unwrap_or((head, "byok"));
    let source = match source {
        "byok" => Source::Byok,
        "marketplace" => Source::Marketplace,
        other => {
            return Err(format!(
                "`{other}` is not a source; write `{slug}:byok` or `{slug}:marketplace`"
            ));
        }
    };
    if slug.is_empty()
        || !slug
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-')
    {
        return Err(format!(
            "`{slug}` is not the name of a provider; `ks provider list --all` shows them"
        ));
    }
    Ok(GrantInput {
        fallback,
        name: slug.to_owned(),
        source,
        credential,
        scopes: Vec::new(),
    })
}

/// Puts each `--scope` on the grant of its provider.
pub(crate) fn with_scopes(mut grants: Vec<GrantInput>, scopes: &[String]) -> anyhow::Result<Vec<GrantInput>> {
    for scope in scopes {
        let slug = scope
            .strip_prefix("provider:")
            .and_then(|rest| rest.rsplit_once(':'))
            .map(|(slug, _)| slug);
        match grants.iter_mut().find(|grant| Some(grant.name.as_str()) == slug) {
            Some(grant) => grant.scopes.push(scope.clone()),
            None => {
                return Err(crate::output::advice(
                    format!("the scope `{scope}` belongs to no `--provider`"),
                    "scopes have the form provider:<slug>:<read|write|*>, beside `--provider <slug>`",
                ));
            }
        }
    }
    Ok(grants)
}

/// What an agent has, with `added` in place of what it had for the same provider, and without `removed`.
pub(crate) fn changed(
    present: &[Grant],
    added: &[GrantInput],
    removed: &[String],
) -> anyhow::Result<Vec<GrantInput>> {
    if let Some(unknown) = removed
        .iter()
        .find(|slug| !present.iter().any(|grant| grant.name == **slug))
    {
        anyhow::bail!("the agent may not use `{unknown}` anyway");
    }
    let kept = present
        .iter()
        .filter(|grant| !removed.contains(&grant.name) && !added.iter().any(|new| new.name == grant.name))
        .map(|grant| GrantInput {
            name: grant.name.clone(),
            source: grant.source,
            credential: grant.credential_id.map(|id| id.to_string()),
            scopes: grant.scopes.clone(),
            fallback: grant.fallback,
        });
    Ok(kept.chain(added.iter().cloned()).collect())
}

/// Grants in one cell.
pub(crate) fn shown(grants: &[Grant]) -> String {
    let each = grants
        .iter()
        .map(|grant| format!("{}:{}", grant.name, grant.source.as_str()));
    each.collect::<Vec<_>>().join(",")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grant_is_typed_in_one_word() {
        let parts = |text: &str| parse(text).map(|grant| (grant.name, grant.source, grant.credential));
        assert_eq!(parts("openai"), Ok(("openai".into(), Source::Byok, None)));
        assert_eq!(
            parts("tavily:marketplace"),
            Ok(("tavily".into(), Source::Marketplace, None))
        );
        assert_eq!(
            parts("openai:byok@staging"),
            Ok(("openai".into(), Source::Byok, Some("staging".into())))
        );
        let backed = parse("openai@staging+marketplace=500").unwrap();
        assert_eq!(backed.credential.as_deref(), Some("staging"));
        assert_eq!(
            backed.fallback.map(|fallback| fallback.budget_cents_monthly),
            Some(500)
        );
        for text in [
            "",
            ":byok",
            "openai:own",
            "OpenAI",
            "openai@",
            "open ai",
            "openai+marketplace",
            "openai+marketplace=x",
        ] {
            assert!(parts(text).is_err(), "{text}");
        }
    }

    #[test]
    fn scopes_go_to_their_provider() {
        let grants = || vec![parse("openai").unwrap(), parse("azure-openai").unwrap()];
        let scoped = with_scopes(grants(), &["provider:azure-openai:read".into()]).unwrap();
        assert!(scoped[0].scopes.is_empty());
        assert_eq!(scoped[1].scopes, ["provider:azure-openai:read"]);
        assert!(with_scopes(grants(), &["provider:stripe:read".into()]).is_err());
        assert!(with_scopes(grants(), &["openai:read".into()]).is_err());
    }

    #[test]
    fn a_change_keeps_what_it_does_not_name() {
        let present = [Grant {
            name: "openai".into(),
            source: Source::Byok,
            credential_id: None,
            scopes: vec!["provider:openai:read".into()],
            fallback: None,
        }];
        let names = |added: &[&str], removed: &[&str]| {
            let added: Vec<_> = added.iter().map(|text| parse(text).unwrap()).collect();
            let removed: Vec<String> = removed.iter().map(|text| (*text).to_owned()).collect();
            changed(&present, &added, &removed)
                .map(|grants| {
                    grants
                        .into_iter()
                        .map(|grant| (grant.name, grant.scopes.len()))
                        .collect::<Vec<_>>()
                })
                .ok()
        };
        assert_eq!(
            names(&["stripe"], &[]),
            Some(vec![("openai".into(), 1), ("stripe".into(), 0)])
        );
        assert_eq!(names(&["openai"], &[]), Some(vec![("openai".into(), 0)]));
        assert_eq!(names(&[], &["openai"]), Some(vec![]));
        assert_eq!(names(&[], &["stripe"]), None);
    }
}
