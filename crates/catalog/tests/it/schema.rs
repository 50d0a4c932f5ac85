//! What the schema says to those who write a file.

use keystore_catalog::{PriceTable, parse_prices, parse_provider, read_provider};

const GOOD: &str = r#"
name = "X"
category = "llm"
base_url = "https://{region}.x.example"

[params.region]
description = "the region"

[hosts]
files = "https://files.x.example"

[fields.key]
label = "Key"

[fields.app]
label = "App id"

[[inject]]
header = "x-key"
value = "{app}:{key}"

[[operations]]
name = "chat"
methods = ["POST"]
path = "/v1/chat"
"#;

fn problem(slug: &str, text: &str) -> String {
    parse_provider(slug, "x.toml", text, PriceTable::default())
        .unwrap_err()
        .to_string()
}

#[test]
fn the_good_file_is_good() {
    parse_provider("x", "x.toml", GOOD, PriceTable::default()).unwrap();
}

/// Each row changes one thing in the good file, and names the error that must come of it.
#[rustfmt::skip]
const WRONG: &[(&str, &str, &str)] = &[
    ("name = \"X\"", "", "x.toml: name: is missing; write `name = \"…\"`"),
    ("name = \"X\"", "nmae = \"X\"\nname = \"X\"", "x.toml: nmae: is not a known key; did you mean `name`?"),
    ("name = \"X\"", "name = 1", "x.toml: name: write a text in quotes"),
    ("name = \"X\"", "name =", "x.toml: line 2: not valid TOML: "),
    ("category", "categry", "x.toml: category: is missing; write `category = \"…\"`; is `categry` meant to be it?"),
    ("\"llm\"", "\"lmm\"", "x.toml: category: `lmm` is not known; write one of `cloud`, "),
    ("https://{region}", "http://{region}", "x.toml: base_url: must begin with https://"),
    ("https://{region}", "https://{regoin}", "x.toml: base_url: `{regoin}` is not known here; did you mean `{region}`?"),
    ("{region}.x.example", "x.example", "x.toml: params.region: is used nowhere; write it into a host, or remove it"),
    ("{region}.x.example", "{region}.x.example?y", "x.toml: base_url: the host must be a DNS name or an IP address, without user name or password"),
    ("description =", "descripton =", "x.toml: params.region.description: is missing; write `description = \"…\"`; is `descripton` meant to be it?"),
    ("[params.region]", "[params.region]\npattern = \"(?!a)\"", "x.toml: params.region.pattern: is not a regular expression (Rust `regex` syntax, without look-around)"),
    ("files = ", "Files = ", "x.toml: hosts.Files: name it with lower-case letters, digits and single hyphens"),
    ("[fields.key]", "[fields.token]", "x.toml: fields: has no secret field `key`; that is the name of the main one"),
    ("label = \"Key\"", "label = \"Key\"\nsecret = false", "x.toml: fields: has no secret field `key`; that is the name of the main one"),
    ("header = \"x-key\"", "header = \"X-Key\"", "x.toml: inject[0].header: `X-Key` is not a header in lower case that can carry a key"),
    ("header = \"x-key\"", "header = \"host\"", "x.toml: inject[0].header: `host` is not a header in lower case that can carry a key"),
    ("header = \"x-key\"", "header = \"x-key\"\nquery = \"k\"", "x.toml: inject[0]: write exactly one of `bearer`, `header`, `basic`, `query`, `path`"),
    ("{app}:{key}", "{key}", "x.toml: inject: does not use the field `app`; write `{app}` where it goes"),
    ("{app}:{key}", "{ap}:{key}", "x.toml: inject[0]: `{ap}` is not known here; did you mean `{app}`?"),
    ("{app}:{key}", "{app:{key}", "x.toml: inject[0]: has a placeholder that is not a name of lower-case letters, digits and `_`"),
    ("\"POST\"", "\"post\"", "x.toml: operations[0].methods: `post` is not a method; write some of `GET`, "),
    ("\"/v1/chat\"", "\"v1/chat\"", "x.toml: operations[0].path: must begin with `/`"),
    ("\"/v1/chat\"", "\"/v1/**/chat\"", "x.toml: operations[0].path: `**` can only be the whole last segment"),
    ("\"/v1/chat\"", "\"/v1//chat\"", "x.toml: operations[0].path: has an empty segment; remove the slash"),
    ("\"/v1/chat\"", "\"/v1/chat\"\nhost = \"file\"", "x.toml: operations[0].host: `file` is not a host of the provider; write one of `files`, or leave it out for the base host"),
    ("\"/v1/chat\"", "\"/v1/chat\"\nbilling = \"meterd\"", "x.toml: operations[0].billing: `meterd` is not known; did you mean `metered`?"),
    ("\"/v1/chat\"", "\"/v1/chat\"\nbilling = \"free\"", "x.toml: operations[0].billing: `free` is not known; write one of `metered`, `per_call`, `external`"),
    ("\"/v1/chat\"", "\"/v1/chat\"\nbilling = \"per_call\"", "x.toml: operations[0].price_model: is missing; `per_call` needs the row that has the price"),
    ("\"/v1/chat\"", "\"/v1/chat\"\nbilling = \"metered\"\nprice_model = \"z\"", "x.toml: operations[0].price_model: is not the id of a row of the provider's price file; write one that is"),
    ("\"/v1/chat\"", "\"/v1/chat\"\nusage_shape = \"openai-chat\"", "x.toml: operations[0].usage_shape: `openai-chat` is not known; did you mean `openai_chat`?"),
    ("\"/v1/chat\"", "\"/v1/chat\"\nbilling = \"metered\"\noutput_cap = \"max_token\"", "x.toml: operations[0].output_cap: `max_token` is not known; did you mean `max_tokens`?"),
    ("\"/v1/chat\"", "\"/v1/chat\"\noutput_cap = \"max_tokens\"", "x.toml: operations[0].output_cap: has an effect with `metered` billing only; remove it"),
    ("\"/v1/chat\"", "\"/v1/chat\"\nask_usage = true", "x.toml: operations[0].ask_usage: has an effect with the usage shapes of OpenAI's chat only; remove it"),
    ("header = \"x-key\"\nvalue = \"{app}:{key}\"", "sigv4 = { service = \"s\" }", "x.toml: inject[0].sigv4.region: is missing; write `region = \"…\"`"),
    ("header = \"x-key\"\nvalue = \"{app}:{key}\"", "sigv4 = { service = \"s\", region = \"{reigon}\" }", "x.toml: inject[0].sigv4.region: `{reigon}` is not known here; did you mean `{region}`?"),
    ("header = \"x-key\"\nvalue = \"{app}:{key}\"", "sigv4 = { service = \"s\", region = \"{region}\" }", "x.toml: inject[0]: `{access_key_id}` is not known here"),
    ("header = \"x-key\"\nvalue = \"{app}:{key}\"", "oauth2_refresh = { token_url = \"https://x.example\" }", "x.toml: inject[0].oauth2_refresh.client_auth: is missing; write \"basic\", \"body\" or \"none\""),
    ("header = \"x-key\"\nvalue = \"{app}:{key}\"", "oauth2_refresh = { token_url = \"http://x.example\" }", "x.toml: inject[0].oauth2_refresh.token_url: must begin with https://"),
    ("header = \"x-key\"\nvalue = \"{app}:{key}\"", "gcp_service_account = { token_url = \"https://x.example\", client_auth = \"body\" }", "x.toml: inject[0].gcp_service_account.client_auth: has no effect here; remove it"),
    ("header = \"x-key\"\nvalue = \"{app}:{key}\"", "gcp_service_account = { token_url = \"https://x.example\", scop = \"a\" }", "x.toml: inject[0].gcp_service_account.scop: is not a known key; did you mean `scope`?"),
    ("\"/v1/chat\"", "\"/v1/chat\"\naccess = \"admin\"", "x.toml: operations[0].access: `admin` is not known; write one of `read`, `write`"),
    ("\"/v1/chat\"", "\"/v1/chat\"\nmax_body_bytes = 0", "x.toml: operations[0].max_body_bytes: write a whole number above zero, without quotes"),
    ("\"/v1/chat\"", "\"/v1/chat\"\n[[operations]]\nname = \"chat\"\npath = \"/b\"", "x.toml: operations: the name `chat` stands twice; give each operation its own"),
    ("\"/v1/chat\"", "\"/v1/**\"\n[[operations]]\nname = \"b\"\nmethods = [\"POST\"]\npath = \"/v1/b\"", "x.toml: operations: `b` is never reached, because `chat` covers its path; move it before, or narrow `chat`"),
    ("\"/v1/chat\"", "\"/v1/chat\"\n[[operations]]\nname = \"mint\"\npath = \"/v1/**\"\nminting = true", "x.toml: operations: `chat` is never reached, because `mint` covers its path; move it before, or narrow `mint`"),
    ("[hosts]", "[verify]\npath = \"/{key}\"\n[hosts]", "x.toml: verify.path: `{key}` is not known here; write one of `region`, or declare it under `[params]` or `[fields]`"),
    ("[hosts]", "[key]\npattern = \"a\"\n[hosts]", "x.toml: key.kind: is missing; write \"prefixed\" (recognisable by itself) or \"generic\" (length and alphabet only)"),
    ("[hosts]", "[refusal]\nbudget_status = 429\n[hosts]", "x.toml: refusal.budget_status: write a status from 400 to 499 that the vendor's SDK does not retry"),
    ("[hosts]", "[env]\nkey = [\"x_key\"]\n[hosts]", "x.toml: env: `x_key` is not the name of a variable; write it in capitals"),
    ("[hosts]", "[env.base_url]\nX_URL = \"v1/\"\n[hosts]", "x.toml: env.base_url.X_URL: write the path its value ends with, such as \"/v1\", or \"\""),
    ("[hosts]", "[default_headers]\nauthorization = \"x\"\n[hosts]", "x.toml: default_headers.authorization: is not a header in lower case that can be added"),
    ("[hosts]", "[[bad_key]]\nstatus = 401\npointer = \"/a\"\n[hosts]", "x.toml: bad_key[0].values: `pointer` and `values` go together; write both or neither"),
    ("[hosts]", "[[bad_key]]\nstatus = 42\n[hosts]", "x.toml: bad_key[0].status: write an HTTP status, 100 to 599"),
    ("[params.region]", "account_headers = [\"X-Org\"]\n[params.region]", "x.toml: account_headers: `X-Org` is not a header name in lower case"),
    ("[params.region]", "token_slots = [{ heder = \"x\" }]\n[params.region]", "x.toml: token_slots[0]: write exactly one of `header`, `basic`, `query`, `aws`, `path`"),
];

#[test]
fn every_mistake_is_named() {
    for (good, wrong, expected) in WRONG {
        assert!(GOOD.contains(good), "{good}");
        let said = problem("x", &GOOD.replacen(good, wrong, 1));
        assert!(
            said.starts_with(expected),
            "{wrong}\n said {said}\n must {expected}"
        );
    }
    let without = GOOD
        .replacen("base_url", "# base_url", 1)
        .replacen("https://files", "https://{region}", 1);
    assert!(
        problem("x", &without).starts_with("x.toml: base_url: is missing; write `base_url = \"https://…\"`")
    );
}

#[test]
fn a_slug_is_not_a_word_of_paths() {
    for slug in ["chat", "embeddings", "models", "messages", "credentials"] {
        assert!(
            problem(slug, GOOD).contains("is a word of paths under /v1/"),
            "{slug}"
        );
    }
    for slug in ["", "X", "a--b", "-a", "a-", "a_b", "a/b", "ä", &"a".repeat(41)] {
        assert!(problem(slug, GOOD).contains("is not a slug"), "{slug}");
    }
}

#[test]
fn a_table_reads_like_a_text() {
    let table: toml::Table = toml::from_str(GOOD).unwrap();
    let read = read_provider("x", "x.toml", table, PriceTable::default()).unwrap();
    assert_eq!(
        read,
        parse_provider("x", "x.toml", GOOD, PriceTable::default()).unwrap()
    );
}

#[rustfmt::skip]
const WRONG_PRICES: &[(&str, &str)] = &[
    ("[[model]]\nid = \"a\"", "p.toml: model: is not a known key; did you mean `models`?"),
    ("[[models]]\nid = \"a\"", "p.toml: models[0].tokens: has neither `tokens` nor `units`; write a price, or leave the model out"),
    ("[[models]]\ntokens = { input_uncached = \"1\" }", "p.toml: models[0].id: is missing; write `id = \"…\"`"),
    ("[[models]]\nid = \"a\"\ntokens = { input = \"1\" }", "p.toml: models[0].tokens.input: is not counted under `tokens`; did you mean `input_uncached`?"),
    ("[[models]]\nid = \"a\"\ntokens = { pages = \"1\" }", "p.toml: models[0].tokens.pages: is not counted under `tokens`; write one of `input_uncached`, "),
    ("[[models]]\nid = \"a\"\ntokens = { input_uncached = 1.5 }", "p.toml: models[0].tokens.input_uncached: write a text in quotes"),
    ("[[models]]\nid = \"a\"\ntokens = { input_uncached = \"1.0000000001\" }", "p.toml: models[0].tokens.input_uncached: `1.0000000001` is not a price; write dollars as \"1.75\", with at most 9 decimals"),
    ("[[models]]\nid = \"a\"\ntokens = { input_uncached = \"-1\" }", "p.toml: models[0].tokens.input_uncached: `-1` is not a price; "),
    ("[[models]]\nid = \"a\"\ntokens = { input_uncached = \"99999999999\" }", "p.toml: models[0].tokens.input_uncached: `99999999999` is not a price; "),
    ("[[models]]\nid = \"a\"\nunits = { requests = \"1e3\" }", "p.toml: models[0].units.requests: `1e3` is not a price; "),
    ("[[models]]\nid = \"a\"\nunits = { requests = \"1\" }\neffective_from = 2026-01-02\neffective_to = 2026-01-02", "p.toml: models[0].effective_to: must be after effective_from"),
    ("[[models]]\nid = \"a\"\nunits = { requests = \"1\" }\neffective_from = \"tomorrow\"", "p.toml: models[0].effective_from: write a day, such as 2026-11-23"),
    ("[[models]]\nid = \"a\"\nunits = { requests = \"1\" }\neffective_from = 2026-01-02T03:04:05Z", "p.toml: models[0].effective_from: write a day, such as 2026-11-23"),
    ("[[models]]\nid = \"a\"\nunits = { requests = \"1\" }\n[[models]]\nid = \"a\"\nunits = { requests = \"2\" }", "p.toml: models: `a` names both `a` and `a` at the same time; give one an end, or remove the alias"),
    ("[[models]]\nid = \"a\"\naliases = [\"c\"]\nunits = { requests = \"1\" }\n[[models]]\nid = \"b\"\naliases = [\"c\"]\nunits = { requests = \"2\" }", "p.toml: models: `c` names both `a` and `b` at the same time; "),
    ("[[models]]\nid = \"a\"\nunits = { requests = \"1\" }\nmatch = [{ }]", "p.toml: models[0].match[0]: matches every model; "),
    ("[[models]]\nid = \"a\"\nunits = { requests = \"1\" }\nmatch = [{ starts_with = \"\" }]", "p.toml: models[0].match[0].starts_with: is empty, which matches every model; write a text"),
    ("[[models]]\nid = \"a\"\nunits = { requests = \"1\" }\nmatch = [{ regex = \"a\" }]", "p.toml: models[0].match[0]: matches every model; "),
    ("[[models]]\nid = \"a\"\nunits = { requests = \"1\" }\n[[models.tiers]]\nabove_input_tokens = 2\n[[models.tiers]]\nabove_input_tokens = 1", "p.toml: models[0].tiers[1].above_input_tokens: must be more than in the tier before; order the tiers"),
    ("[[models]]\nid = \"a\"\nunits = { requests = \"1\" }\n[[models.variants]]\nservice_tier = \"flex\"\n[[models.variants]]\nservice_tier = \"flex\"", "p.toml: models[0].variants[1].service_tier: `flex` stands twice; remove one"),
    ("[[models]]\nid = \"a\"\nunits = { requests = \"1\" }\n[[models.time_windows]]\nutc = [\"04:00-01:00\"]", "p.toml: models[0].time_windows[0].utc: `04:00-01:00` is not a window; write it as \"01:00-04:00\""),
    ("[[models]]\nid = \"a\"\nunits = { requests = \"1\" }\n[[models.time_windows]]\nutc = [\"01:00-24:01\"]", "p.toml: models[0].time_windows[0].utc: `01:00-24:01` is not a window; "),
    ("[[models]]\nid = \"a\"\nunits = { seconds = \"1\" }\n[[models.choices]]\nunits = { seconds = \"2\" }", "p.toml: models[0].choices[0].when: is missing; write the members of the request"),
    ("[[models]]\nid = \"a\"\nunits = { seconds = \"1\" }\n[[models.choices]]\nwhen = { size = \"a\" }", "p.toml: models[0].choices[0].units: has neither `tokens` nor `units`; write what the choice costs"),
    ("[[models]]\nid = \"a\"\nunits = { seconds = \"1\" }\n[[models.choices]]\nwhen = { size = \"a\" }\nunits = { seconds = \"2\" }\n[[models.choices]]\nwhen = { quality = \"b\", size = \"a\" }\nunits = { seconds = \"3\" }", "p.toml: models[0].choices[1].when: is never reached"),
    ("[[models]]\nid = \"a\"\nunits = { seconds = \"1\" }\n[[models.surcharges]]\ntokens = \"1.1\"", "p.toml: models[0].surcharges[0]: needs a place; write either `inference_geo` or `host`"),
    ("[[models]]\nid = \"a\"\nunits = { seconds = \"1\" }\n[[models.surcharges]]\nhost = \"eu\"\ntokens = \"0.9\"", "p.toml: models[0].surcharges[0].tokens: `0.9` does not multiply a price; "),
    ("[[models]]\nid = \"a\"\nunits = { seconds = \"1\" }\n[[models.surcharges]]\nhost = \"eu\"\ntokens = \"1.1\"\n[[models.surcharges]]\nhost = \"eu\"\ntokens = \"1.2\"", "p.toml: models[0].surcharges[1]: names a place that another names as well; remove one"),
];

#[test]
fn a_surcharge_is_at_a_host_of_the_provider() {
    let prices = |host: &str| {
        let file = format!(
            "[[models]]\nid = \"a\"\ntokens = {{ input_uncached = \"1\" }}\n[[models.surcharges]]\nhost = \"{host}\"\ntokens = \"1.1\""
        );
        parse_prices("p.toml", &file).unwrap()
    };
    let read = |host| parse_provider("x", "x.toml", GOOD, prices(host)).map_err(|error| error.to_string());
    assert!(
        read("mars")
            .unwrap_err()
            .contains("`mars` is not a host of the provider")
    );
    assert_eq!(read("files").map(|provider| provider.prices.rows.len()), Ok(1));
}

#[test]
fn every_mistake_in_prices_is_named() {
    for (wrong, expected) in WRONG_PRICES {
        let said = parse_prices("p.toml", wrong).unwrap_err().to_string();
        assert!(
            said.starts_with(expected),
            "{wrong}\n said {said}\n must {expected}"
        );
    }
}
