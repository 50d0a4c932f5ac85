//! A LiteLLM `config.yaml`: which keys of which vendors it uses, and what of it has no counterpart here. Reads; changes nothing.
//!
//! Routing, fallbacks, caching and callbacks are LiteLLM's own: they are named, and not carried over.

use std::collections::BTreeMap;

use keystore_catalog::Provider;
use serde_json::{Map, Value};
use yaml_rust2::{Yaml, YamlLoader};
use zeroize::Zeroizing;

use super::plan::needs_more;

/// How LiteLLM calls vendors that are called otherwise here. Whose name differs by its underscores alone is not listed.
const VENDORS: [(&str, &str); 14] = [
    ("azure", "azure-openai"),
    ("azure_ai", "azure-ai-foundry"),
    ("bedrock", "aws-bedrock"),
    ("cloudflare", "cloudflare-workers-ai"),
    ("cohere_chat", "cohere"),
    ("dashscope", "alibaba-dashscope"),
    ("featherless_ai", "featherless"),
    ("fireworks_ai", "fireworks"),
    ("friendliai", "friendli"),
    ("github", "github-models"),
    ("jina_ai", "jina"),
    ("text-completion-openai", "openai"),
    ("together_ai", "together"),
    ("volcengine", "volcengine-ark"),
];

/// The vendors of models that are named without one.
const MODELS: [(&str, &str); 11] = [
    ("gpt-", "openai"),
    ("chatgpt-", "openai"),
    ("o1", "openai"),
    ("o3", "openai"),
    ("o4", "openai"),
    ("text-embedding-3", "openai"),
    ("dall-e-", "openai"),
    ("whisper-", "openai"),
    ("tts-", "openai"),
    ("claude-", "anthropic"),
    ("command-", "cohere"),
];

/// What stands before the name of a variable.
const VARIABLE: &str = "os.environ/";

/// The parameters of a deployment that are read.
const READ: [&str; 4] = ["model", "api_key", "api_base", "custom_llm_provider"];

/// A configuration.
pub(super) struct Config {
    pub(super) deployments: Vec<Deployment>,
    /// What is not carried over, and why.
    pub(super) left: Vec<String>,
    /// Whether keys stand in it as they are.
    pub(super) holds_keys: bool,
}

/// An entry of `model_list` whose key can be stored.
pub(super) struct Deployment {
    /// What clients of LiteLLM ask for.
    pub(super) asked: String,
    /// What the vendor is asked for.
    pub(super) model: String,
    pub(super) provider: &'static Provider,
    pub(super) key: Zeroizing<String>,
    pub(super) params: BTreeMap<String, String>,
}

/// Text of YAML as a value, with merge keys merged.
///
/// # Errors
/// It is no YAML, or not one document.
pub(super) fn read_yaml(text: &str) -> anyhow::Result<Value> {
    let documents = YamlLoader::load_from_str(text)?;
    match &documents[..] {
        [one] => Ok(value_of(one)),
        _ => anyhow::bail!("it holds {} documents, not one", documents.len()),
    }
}

fn value_of(yaml: &Yaml) -> Value {
    match yaml {
        Yaml::String(text) => Value::String(text.clone()),
        Yaml::Real(number) => number
            .parse::<f64>()
            .map_or_else(|_| Value::String(number.clone()), Value::from),
        Yaml::Integer(number) => Value::from(*number),
        Yaml::Boolean(is) => Value::Bool(*is),
        Yaml::Array(entries) => entries.iter().map(value_of).collect(),
        Yaml::Hash(entries) => {
            let (mut merged, mut own) = (Map::new(), Map::new());
            for (key, value) in entries {
                match (key.as_str(), value_of(value)) {
                    (Some("<<"), Value::Object(more)) => merged.extend(more),
                    (Some(key), value) => drop(own.insert(key.to_owned(), value)),
                    (None, value) => drop(own.insert(text_of(&value_of(key)), value)),
                }
            }
            merged.extend(own);
            Value::Object(merged)
        }
        Yaml::Alias(_) | Yaml::Null | Yaml::BadValue => Value::Null,
    }
}

/// A scalar as text.
fn text_of(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), ToOwned::to_owned)
}

impl Config {
    /// Reads a configuration; `variable` knows the environment that LiteLLM runs in.
    pub(super) fn read(config: &Value, variable: &dyn Fn(&str) -> Option<String>) -> Self {
        let own = config["environment_variables"].as_object();
        let variable = |name: &str| {
            let here = own.and_then(|own| own.get(name)).and_then(Value::as_str);
            match here {
                Some(text) if !text.starts_with(VARIABLE) => Some(text.to_owned()),
                _ => variable(name),
            }
        };
        let mut read = Self {
            deployments: Vec::new(),
            left: Vec::new(),
            holds_keys: false,
        };
        for entry in config["model_list"].as_array().into_iter().flatten() {
            read.add(entry, &variable);
        }
        read.other_sections(config);
        read
    }

    fn add(&mut self, entry: &Value, variable: &dyn Fn(&str) -> Option<String>) {
        let params = &entry["litellm_params"];
        let asked = entry["model_name"].as_str().unwrap_or_default().to_owned();
        let Some(whole) = params["model"].as_str() else {
            self.left.push(format!("model_list, {asked}: it names no model"));
            return;
        };
        let found = vendor(whole, params["custom_llm_provider"].as_str()).and_then(|(provider, model)| {
            let url_params = url_params(provider, params["api_base"].as_str())?;
            let key = self.key(params, provider, variable)?;
            Ok(Deployment {
                asked: asked.clone(),
                model,
                provider,
                key,
                params: url_params,
            })
        });
        match found {
            Ok(deployment) => {
                if deployment.asked != deployment.model {
                    self.left.push(format!(
                        "model_list, {asked}: clients ask {} for `{}` now, by its own name",
                        deployment.provider.slug, deployment.model
                    ));
                }
                self.deployments.push(deployment);
            }
            Err(why) => self.left.push(format!("model_list, {asked}: {why}")),
        }
        let more = params.as_object().into_iter().flat_map(Map::keys);
        let more = more.filter(|name| !READ.contains(&name.as_str())).cloned();
        let info = entry["model_info"].as_object().into_iter().flat_map(Map::keys);
        let names: Vec<_> = more
            .chain(info.map(|name| format!("model_info.{name}")))
            .collect();
        if !names.is_empty() {
            self.left.push(format!(
                "model_list, {asked}: {} of the deployment",
                names.join(", ")
            ));
        }
    }

    fn key(
        &mut self,
        params: &Value,
        provider: &Provider,
        variable: &dyn Fn(&str) -> Option<String>,
    ) -> Result<Zeroizing<String>, String> {
        let names: Vec<String> = match params["api_key"].as_str() {
            Some(text) => match text.strip_prefix(VARIABLE) {
                Some(name) => vec![name.to_owned()],
                None => {
                    self.holds_keys = true;
                    return Ok(Zeroizing::new(text.to_owned()));
                }
            },
            // The variables that LiteLLM looks at by itself are those of the vendors.
            None => provider.env.key.iter().map(ToString::to_string).collect(),
        };
        let value = names.iter().find_map(|name| variable(name));
        match value.filter(|value| !value.is_empty()) {
            Some(value) => Ok(Zeroizing::new(value)),
            None => Err(format!(
                "{} is not set here; set it, or name the file that has it with `--env-file`",
                names.join(" or ")
            )),
        }
    }

    fn other_sections(&mut self, config: &Value) {
        for (section, content) in config.as_object().into_iter().flatten() {
            if section == "model_list" || section == "environment_variables" {
                continue;
            }
            let Some(entries) = content.as_object() else {
                self.left.push(section.clone());
                continue;
            };
            for name in entries.keys() {
                let instead = match name.as_str() {
                    "master_key" => ": management keys take its place (`ks api-key create`)",
                    "max_budget" | "budget_duration" => {
                        ": `ks budget create` makes a budget of the organization"
                    }
                    "default_key_generate_params" | "upperbound_key_generate_params" => {
                        ": `ks org limits` and `ks budget create` hold for everybody"
                    }
                    _ => "",
                };
                self.left.push(format!("{section}.{name}{instead}"));
            }
        }
    }
}

/// The vendor of a model, and the model's own name there.
fn vendor(whole: &str, custom: Option<&str>) -> Result<(&'static Provider, String), String> {
    let find = |name: &str| {
        let known = VENDORS.iter().find(|(theirs, _)| *theirs == name);
        let slug = known.map_or_else(|| name.replace('_', "-"), |(_, ours)| (*ours).to_owned());
        keystore_catalog::provider(&slug).filter(|provider| !provider.dev_only)
    };
    if let Some(custom) = custom {
        let model = whole.strip_prefix(&format!("{custom}/")).unwrap_or(whole);
        let provider = find(custom).ok_or_else(|| format!("no provider is called `{custom}`"))?;
        return Ok((provider, model.to_owned()));
    }
    if let Some((name, model)) = whole.split_once('/') {
        let provider = find(name).ok_or_else(|| format!("no provider is called `{name}`"))?;
        return Ok((provider, model.to_owned()));
    }
    let by_model = MODELS.iter().find(|(start, _)| whole.starts_with(start));
    by_model
        .and_then(|(_, slug)| Some((keystore_catalog::provider(slug)?, whole.to_owned())))
        .ok_or_else(|| format!("`{whole}` does not say whose model it is"))
}

/// What the vendor's address needs to be given, read off the address that is configured.
fn url_params(provider: &Provider, api_base: Option<&str>) -> Result<BTreeMap<String, String>, String> {
    let elsewhere = || {
        format!(
            "its api_base is not the address of {}; `ks provider define` describes a vendor of your own",
            provider.name
        )
    };
    let given = api_base.map(|base| base.trim_end_matches('/'));
    let template = provider.base_url.as_deref().unwrap_or_default();
    let only_param = match &provider.url_params[..] {
        [] => None,
        [one]
            if !provider
                .fields
                .iter()
                .any(|field| field.required && field.name != "key") =>
        {
            Some(one)
        }
        _ => return Err(needs_more(provider).unwrap_or_default()),
    };
    let Some(param) = only_param else {
        return match (needs_more(provider), given) {
            (Some(why), _) => Err(why),
            (None, Some(base)) if !is_at(base, template, provider) => Err(elsewhere()),
            (None, _) => Ok(BTreeMap::new()),
        };
    };
    let parts = template.split_once(&format!("{{{}}}", param.name));
    let value = given.zip(parts).and_then(|(base, (before, after))| {
        let value = base.strip_prefix(before)?.split(['.', '/']).next()?;
        base[before.len() + value.len()..]
            .starts_with(after)
            .then_some(value)
    });
    match (value, given) {
        (Some(value), _) => Ok(BTreeMap::from([(param.name.to_string(), value.to_owned())])),
        (None, Some(_)) => Err(elsewhere()),
        (None, None) => Err(needs_more(provider).unwrap_or_default()),
    }
}

fn is_at(base: &str, origin: &str, provider: &Provider) -> bool {
    let path = provider.openai_base_path.as_deref().unwrap_or_default();
    base == origin || base.strip_prefix(origin) == Some(path) || base.strip_prefix(origin) == Some("/v1")
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"
anchors: &shared
  rpm: 60
model_list:
  - model_name: gpt-4o
    litellm_params: {model: openai/gpt-4o, api_key: os.environ/MY_OPENAI, <<: *shared}
  - model_name: fast
    litellm_params:
      model: claude-haiku-4-5
      api_key: sk-ant-literal
    model_info: {mode: chat}
  - model_name: azure-gpt
    litellm_params: {model: azure/gpt-4o, api_base: "https://acme-eu.openai.azure.com/", api_key: azure-key, api_version: "2024-10-21"}
  - model_name: ours
    litellm_params: {model: openai/llama, api_base: "http://vllm.internal:8000/v1", api_key: none}
  - model_name: groq
    litellm_params: {model: groq/llama-3.3-70b}
  - model_name: bedrock
    litellm_params: {model: bedrock/anthropic.claude, aws_region_name: eu-central-1}
  - model_name: what
    litellm_params: {model: nobody/what}
environment_variables: {GROQ_API_KEY: gsk_1}
litellm_settings: {fallbacks: [{gpt-4o: [fast]}], max_budget: 100}
general_settings: {master_key: sk-1234}
"#;

    fn config() -> Config {
        let value = read_yaml(TEXT).unwrap();
        Config::read(&value, &|name| {
            (name == "MY_OPENAI").then(|| "sk-of-openai".to_owned())
        })
    }

    #[test]
    fn keys_are_found_with_their_vendors() {
        let config = config();
        let found: Vec<_> = config
            .deployments
            .iter()
            .map(|one| {
                (
                    one.asked.as_str(),
                    one.provider.slug.as_ref(),
                    one.model.as_str(),
                    one.key.as_str(),
                )
            })
            .collect();
        let expected = [
            ("gpt-4o", "openai", "gpt-4o", "sk-of-openai"),
            ("fast", "anthropic", "claude-haiku-4-5", "sk-ant-literal"),
            ("azure-gpt", "azure-openai", "gpt-4o", "azure-key"),
            ("groq", "groq", "llama-3.3-70b", "gsk_1"),
        ];
        assert_eq!(found, expected);
        assert_eq!(config.deployments[2].params["resource"], "acme-eu");
        assert!(config.holds_keys);
    }

    #[test]
    fn what_has_no_counterpart_is_named() {
        let left = config().left.join("\n");
        for words in [
            "gpt-4o: rpm of the deployment",
            "fast: clients ask anthropic for `claude-haiku-4-5`",
            "fast: model_info.mode",
            "azure-gpt: api_version",
            "ours: its api_base is not the address of OpenAI",
            "bedrock: ",
            "bedrock: aws_region_name",
            "what: no provider is called `nobody`",
            "litellm_settings.fallbacks",
            "litellm_settings.max_budget: `ks budget create`",
            "general_settings.master_key: management keys",
            "anchors",
        ] {
            assert!(left.contains(words), "{words} in\n{left}");
        }
        assert!(!left.contains("sk-"), "no key is shown:\n{left}");
    }

    #[test]
    fn a_variable_that_is_not_set_is_named() {
        let value = read_yaml("model_list: [{model_name: a, litellm_params: {model: gpt-4o}}]").unwrap();
        let config = Config::read(&value, &|_| None);
        assert!(config.deployments.is_empty());
        assert!(
            config.left[0].contains("OPENAI_API_KEY is not set"),
            "{:?}",
            config.left
        );
        assert!(read_yaml("a: [").is_err());
    }
}
