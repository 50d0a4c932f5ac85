//! `[[operations]]` of a provider.

use keystore_core::policy::Access;
use keystore_core::usage::Bucket;

use super::section::{Read, Section, quoted};
use super::template;
use crate::matching;
use crate::provider::{
    ANY_HOST, Billing, Host, MOVES_NOTHING, Operation, OutputCap, PriceTable, Str, UsageShape,
};

const BILLING: &[(&str, Billing)] = &[
    ("metered", Billing::Metered),
    ("per_call", Billing::PerCall),
    ("external", Billing::External),
];

const SHAPES: &[(&str, UsageShape)] = &[
    ("none", UsageShape::None),
    ("openai_chat", UsageShape::OpenaiChat),
    ("openai_responses", UsageShape::OpenaiResponses),
    ("openai_embeddings", UsageShape::OpenaiEmbeddings),
    ("openai_images", UsageShape::OpenaiImages),
    ("openai_audio", UsageShape::OpenaiAudio),
    ("openai_realtime", UsageShape::OpenaiRealtime),
    ("anthropic_messages", UsageShape::AnthropicMessages),
    ("gemini", UsageShape::Gemini),
    ("cohere", UsageShape::Cohere),
    ("bedrock", UsageShape::Bedrock),
    ("xai", UsageShape::Xai),
    ("perplexity", UsageShape::Perplexity),
    ("openrouter", UsageShape::Openrouter),
    ("ollama", UsageShape::Ollama),
    ("voyage", UsageShape::Voyage),
    ("jina", UsageShape::Jina),
    ("replicate", UsageShape::Replicate),
    ("deepgram", UsageShape::Deepgram),
    ("assemblyai", UsageShape::Assemblyai),
    ("elevenlabs", UsageShape::Elevenlabs),
    ("fal", UsageShape::Fal),
    ("tavily", UsageShape::Tavily),
    ("exa", UsageShape::Exa),
    ("serper", UsageShape::Serper),
    ("firecrawl", UsageShape::Firecrawl),
    ("pinecone", UsageShape::Pinecone),
    ("deepl", UsageShape::Deepl),
    ("resend", UsageShape::Resend),
    ("mistral_ocr", UsageShape::MistralOcr),
    ("stripe", UsageShape::Stripe),
    ("video", UsageShape::Video),
];

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// Reads the operations, credential-minting ones first: nothing that stands before them can hide them.
pub(crate) fn read(
    provider: &mut Section,
    hosts: &[Host],
    default: Billing,
    prices: &PriceTable,
) -> Read<Vec<Operation>> {
    let mut operations: Vec<Operation> = Vec::new();
    for section in provider.sections("operations")? {
        let operation = read_one(section, hosts, default, prices)?;
        if operations.iter().any(|other| other.name == operation.name) {
            let problem = format!(
                "the name `{}` stands twice; give each operation its own",
                operation.name
            );
            return Err(provider.error("operations", problem));
        }
        operations.push(operation);
    }
    operations.sort_by_key(|operation| !operation.minting);
    match operations
        .iter()
        .find_map(|operation| shadow(&operations, default, operation))
    {
        Some((operation, first)) => {
            let problem = format!(
                "`{operation}` is never reached, because `{first}` covers its path; move it before, or narrow `{first}`"
            );
            Err(provider.error("operations", problem))
        }
        None => Ok(operations),
    }
}

fn read_one(mut section: Section, hosts: &[Host], default: Billing, prices: &PriceTable) -> Read<Operation> {
    let name = section.required("name")?;
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"._-".contains(&byte);
    if !name.bytes().all(is_plain) || name == "other" {
        return Err(section.error(
            "name",
            "write lower-case letters, digits, `.`, `_` and `-`; `other` is taken",
        ));
    }
    let methods = section.texts("methods")?;
    if let Some(wrong) = methods.iter().find(|method| !METHODS.contains(&method.as_str())) {
        return Err(section.error(
            "methods",
            format!("`{wrong}` is not a method; write some of {}", quoted(&METHODS)),
        ));
    }
    let path = section.required("path")?;
    if let Err(problem) = check_path(&path) {
        return Err(section.error("path", problem));
    }
    let host = section.text("host")?.unwrap_or_default();
    if host != ANY_HOST {
        check_host(&section, &host, hosts)?;
    }
    let access = section.choice("access", &[("read", Access::Read), ("write", Access::Write)])?;
    let usage_shape = section.choice("usage_shape", SHAPES)?.unwrap_or(UsageShape::None);
    let minting = section.flag("minting")?;
    let billing =
        section
            .choice("billing", BILLING)?
            .unwrap_or(if minting { Billing::External } else { default });
    let price_model = section.text("price_model")?;
    check_price(&section, billing, price_model.as_deref(), prices)?;
    let output_cap = section.choice("output_cap", &OutputCap::ALL.map(|cap| (cap.as_str(), cap)))?;
    if output_cap.is_some() && billing != Billing::Metered {
        return Err(section.error(
            "output_cap",
            "has an effect with `metered` billing only; remove it",
        ));
    }
    let end_user = section.text("end_user")?;
    let is_plain =
        |name: &str| !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
    let names = end_user
        .as_deref()
        .map(|member| member.split('.').collect::<Vec<_>>());
    if names.is_some_and(|names| names.len() > 2 || !names.into_iter().all(is_plain)) {
        return Err(section.error(
            "end_user",
            "write a member of the request, such as `user`, or a member of an object in it, such as `metadata.user_id`",
        ));
    }
    let ask_usage = section.flag("ask_usage")?;
    let speaks_chat = matches!(
        usage_shape,
        UsageShape::OpenaiChat | UsageShape::Xai | UsageShape::Openrouter | UsageShape::Perplexity
    );
    if ask_usage && !speaks_chat {
        return Err(section.error(
            "ask_usage",
            "has an effect with the usage shapes of OpenAI's chat only; remove it",
        ));
    }
    let seconds = section.text("seconds")?;
    if seconds.is_some() != (usage_shape == UsageShape::Video) {
        return Err(section.error(
            "seconds",
            "goes with the usage shape `video`; write there which member says the seconds, and remove it elsewhere",
        ));
    }
    let moves = section.text("moves")?;
    if moves.is_some() && billing != Billing::External {
        return Err(section.error(
            "moves",
            "has an effect with `external` billing only: what a call costs is not what it moves; remove one",
        ));
    }
    let is_amount = moves.as_deref().is_some_and(|moves| moves != MOVES_NOTHING);
    if usage_shape == UsageShape::Stripe && !is_amount {
        return Err(section.error(
            "usage_shape",
            "`stripe` confirms what a call moves; write in `moves` which field of the form says that",
        ));
    }
    let operation = Operation {
        name: name.into(),
        methods: methods.into_iter().map(Str::from).collect(),
        path: path.into(),
        host: host.into(),
        access,
        billing,
        usage_shape,
        output_cap,
        end_user: end_user.map(Str::from),
        ask_usage,
        minting,
        seconds: seconds.map(Str::from),
        moves: moves.map(Str::from),
        max_body_bytes: section.count("max_body_bytes")?,
        price_model: price_model.map(Str::from),
        websocket: section.flag("websocket")?,
    };
    section.finish()?;
    Ok(operation)
}

/// Whether `host` is empty or the alias of a host of the provider.
pub(crate) fn check_host(section: &Section, host: &str, hosts: &[Host]) -> Read<()> {
    if host.is_empty() || hosts.iter().any(|known| known.alias == host) {
        return Ok(());
    }
    let names: Vec<&str> = hosts.iter().map(|known| known.alias.as_ref()).collect();
    let instead = if names.is_empty() {
        "the provider has no `[hosts]`".to_owned()
    } else {
        format!("write one of {}", quoted(&names))
    };
    Err(section.error(
        "host",
        format!("`{host}` is not a host of the provider; {instead}, or leave it out for the base host"),
    ))
}

fn check_path(path: &str) -> Result<(), String> {
    let Some(rest) = path.strip_prefix('/') else {
        return Err("must begin with `/`".to_owned());
    };
    let segments: Vec<&str> = rest.split('/').collect();
    for (number, segment) in segments.iter().enumerate() {
        let last = number + 1 == segments.len();
        match *segment {
            "**" if last => {}
            "" => return Err("has an empty segment; remove the slash".to_owned()),
            segment if segment.contains('*') => {
                return Err("`**` can only be the whole last segment".to_owned());
            }
            segment if segment.contains(['%', '?', '#']) => {
                return Err("write the path as it reads decoded, without a query".to_owned());
            }
            segment => match template::placeholders(segment) {
                Ok(names) if names.len() > 1 => {
                    return Err("can have one `{placeholder}` in a segment".to_owned());
                }
                Ok(_) => {}
                Err(problem) => return Err(problem.to_owned()),
            },
        }
    }
    Ok(())
}

fn check_price(section: &Section, billing: Billing, model: Option<&str>, prices: &PriceTable) -> Read<()> {
    let row = model.map(|model| prices.rows.iter().find(|row| row.price.model == model));
    match (billing, row) {
        (_, Some(None)) => Err(section.error(
            "price_model",
            "is not the id of a row of the provider's price file; write one that is",
        )),
        (Billing::PerCall, None) => Err(section.error(
            "price_model",
            "is missing; `per_call` needs the row that has the price",
        )),
        (Billing::PerCall, Some(Some(row))) if row.price.prices.written(Bucket::Requests).is_none() => {
            Err(section.error(
                "price_model",
                "names a row without `units.requests`; write the price of one call there",
            ))
        }
        (Billing::External, Some(_)) => {
            Err(section.error("price_model", "has no effect with `external` billing; remove one"))
        }
        _ => Ok(()),
    }
}

/// The operation and the one before it that takes what it is for.
fn shadow<'a>(
    operations: &'a [Operation],
    default: Billing,
    operation: &'a Operation,
) -> Option<(&'a str, &'a str)> {
    let path = template::fill(&operation.path, |_| Some("x-0")).replace("**", "y-0");
    let methods = if operation.methods.is_empty() {
        vec!["TRACE"]
    } else {
        operation.methods.iter().map(AsRef::as_ref).collect()
    };
    let alias = if operation.host == ANY_HOST {
        ""
    } else {
        operation.host.as_ref()
    };
    let reached = |method: &&str| matching::find(operations, default, method, alias, &path).name;
    methods
        .iter()
        .map(reached)
        .find(|name| *name != operation.name)
        .map(|first| (operation.name.as_ref(), first))
}
