//! Which revision of the protocol a call is in, and what that asks of it. 2026-07-28 has no handshake: every call says its revision, in
//! its body and again in headers that must agree. In the two before it, a client asks first (`initialize`), and says in a header what was
//! agreed on.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderMap;
use serde_json::{Value, json};

use super::rpc::{Call, Fault};

/// The present revision.
const CURRENT: &str = "2026-07-28";

/// Those before it that are served, the newer first.
const WITH_HANDSHAKE: [&str; 2] = ["2025-11-25", "2025-06-18"];

/// All of them.
const SERVED: [&str; 3] = [CURRENT, WITH_HANDSHAKE[0], WITH_HANDSHAKE[1]];

const REVISION_HEADER: &str = "mcp-protocol-version";
const METHOD_HEADER: &str = "mcp-method";
const NAME_HEADER: &str = "mcp-name";

const REVISION_KEY: &str = "io.modelcontextprotocol/protocolVersion";
const CAPABILITIES_KEY: &str = "io.modelcontextprotocol/clientCapabilities";
const SERVER_KEY: &str = "io.modelcontextprotocol/serverInfo";

/// For how long a client may keep a list of tools, in milliseconds: a role may change, and every call is checked anew.
const KEEP_MS: u64 = 60_000;

/// What a call's revision has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Revision {
    /// One call is one exchange.
    Stateless,
    /// A client introduces itself first.
    Handshake,
}

/// The revision of a call.
///
/// # Errors
/// One that is not served; headers that are missing, come twice or say something else than the body.
pub(super) fn of(headers: &HeaderMap, call: &Call) -> Result<Revision, Fault> {
    let said = one(headers, REVISION_HEADER)?;
    let meta = call.params.get("_meta");
    let in_body = meta.and_then(|meta| meta.get(REVISION_KEY));
    if said != Some(CURRENT) && in_body.is_none() {
        return match said {
            Some(other) if !WITH_HANDSHAKE.contains(&other) => Err(Fault::revision(other, &SERVED)),
            _ => Ok(Revision::Handshake),
        };
    }
    let Some(in_body) = in_body.and_then(Value::as_str) else {
        return Err(Fault::params(format!(
            "`_meta` must name the revision, as `{REVISION_KEY}`"
        )));
    };
    if !meta.is_some_and(|meta| meta[CAPABILITIES_KEY].is_object()) {
        return Err(Fault::params(format!(
            "`_meta` must say what the client can do, as `{CAPABILITIES_KEY}`"
        )));
    }
    agrees(REVISION_HEADER, said, in_body)?;
    agrees(METHOD_HEADER, one(headers, METHOD_HEADER)?, &call.method)?;
    if call.method == "tools/call" {
        let name = one(headers, NAME_HEADER)?.and_then(decoded);
        agrees(NAME_HEADER, name.as_deref(), call.text("name")?)?;
    }
    match in_body == CURRENT {
        true => Ok(Revision::Stateless),
        false => Err(Fault::revision(in_body, &SERVED)),
    }
}

/// The one value of a header.
fn one<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, Fault> {
    let mut values = headers.get_all(name).iter();
    let (value, more) = (values.next(), values.next());
    if more.is_some() {
        return Err(Fault::header(format!("`{name}` stands in the head twice")));
    }
    let text = value.map(|value| value.to_str());
    text.transpose()
        .map_err(|_| Fault::header(format!("`{name}` is no text")))
}

fn agrees(name: &str, in_head: Option<&str>, in_body: &str) -> Result<(), Fault> {
    match in_head == Some(in_body) {
        true => Ok(()),
        false => Err(Fault::header(format!("`{name}` must say what the body says"))),
    }
}

/// What a header says: the text, or one in base64 (`=?base64?…?=`) where a header could not hold it.
fn decoded(value: &str) -> Option<String> {
    let Some(inner) = value
        .strip_prefix("=?base64?")
        .and_then(|rest| rest.strip_suffix("?="))
    else {
        return Some(value.to_owned());
    };
    String::from_utf8(STANDARD.decode(inner).ok()?).ok()
}

impl Revision {
    /// Whether clients introduce themselves.
    pub(super) fn has_handshake(self) -> bool {
        self == Self::Handshake
    }

    /// A result that the client may keep for a while, for itself alone.
    pub(super) fn cacheable(self, mut result: Value) -> Value {
        if self == Self::Stateless {
            result["ttlMs"] = KEEP_MS.into();
            result["cacheScope"] = "private".into();
        }
        result
    }

    /// A result with what its revision demands of every one.
    pub(super) fn complete(self, mut result: Value) -> Value {
        if self == Self::Stateless {
            result["resultType"] = "complete".into();
            result["_meta"] = json!({SERVER_KEY: server()});
        }
        result
    }
}

/// The answer to `initialize`: the revision that the client asks for, or the newest that is agreed on in this way.
pub(super) fn initialized(call: &Call, instructions: &str) -> Value {
    let asked = call.params.get("protocolVersion").and_then(Value::as_str);
    let agreed = WITH_HANDSHAKE.into_iter().find(|known| Some(*known) == asked);
    json!({
        "protocolVersion": agreed.unwrap_or(WITH_HANDSHAKE[0]),
        "capabilities": capabilities(),
        "serverInfo": server(),
        "instructions": instructions,
    })
}

/// The answer to `server/discover`.
pub(super) fn discovered(instructions: &str) -> Value {
    let result = json!({
        "supportedVersions": SERVED,
        "capabilities": capabilities(),
        "instructions": instructions,
    });
    Revision::Stateless.cacheable(result)
}

fn capabilities() -> Value {
    json!({"tools": {}})
}

fn server() -> Value {
    json!({"name": "keystore", "title": "Keystore", "version": env!("CARGO_PKG_VERSION")})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.append(*name, value.parse().unwrap());
        }
        headers
    }

    fn call(method: &str, params: &Value) -> Call {
        Call {
            id: 1.into(),
            method: method.to_owned(),
            params: params.as_object().unwrap().clone(),
        }
    }

    fn meta(revision: &str) -> Value {
        json!({REVISION_KEY: revision, CAPABILITIES_KEY: {}})
    }

    const VERSION: (&str, &str) = (REVISION_HEADER, CURRENT);

    #[test]
    fn a_call_of_the_present_revision_says_everything_twice() {
        let list = call("tools/list", &json!({"_meta": meta(CURRENT)}));
        let good = headers(&[VERSION, (METHOD_HEADER, "tools/list")]);
        assert_eq!(of(&good, &list), Ok(Revision::Stateless));
        for wrong in [
            headers(&[VERSION]),
            headers(&[(METHOD_HEADER, "tools/list")]),
            headers(&[VERSION, (METHOD_HEADER, "tools/call")]),
            headers(&[(REVISION_HEADER, "2025-11-25"), (METHOD_HEADER, "tools/list")]),
            headers(&[VERSION, VERSION, (METHOD_HEADER, "tools/list")]),
        ] {
            assert!(
                of(&wrong, &list).unwrap_err().is_like(&Fault::header("")),
                "{wrong:?}"
            );
        }
        for params in [
            json!({}),
            json!({"_meta": {REVISION_KEY: CURRENT}}),
            json!({"_meta": {REVISION_KEY: 7}}),
        ] {
            let fault = of(&good, &call("tools/list", &params)).unwrap_err();
            assert!(fault.is_like(&Fault::params("")), "{fault:?}");
        }
        let later = call("tools/list", &json!({"_meta": meta("2099-01-01")}));
        let said = headers(&[(REVISION_HEADER, "2099-01-01"), (METHOD_HEADER, "tools/list")]);
        assert_eq!(of(&said, &later), Err(Fault::revision("2099-01-01", &SERVED)));
    }

    #[test]
    fn the_name_of_a_tool_is_in_the_head_as_well() {
        let whoami = call("tools/call", &json!({"name": "whoami", "_meta": meta(CURRENT)}));
        let with =
            |name: &'static str| headers(&[VERSION, (METHOD_HEADER, "tools/call"), (NAME_HEADER, name)]);
        assert_eq!(of(&with("whoami"), &whoami), Ok(Revision::Stateless));
        assert_eq!(of(&with("=?base64?d2hvYW1p?="), &whoami), Ok(Revision::Stateless));
        assert!(of(&with("=?base64?%?="), &whoami).is_err());
        assert!(of(&with("request_access"), &whoami).is_err());
    }

    #[test]
    fn older_revisions_say_which_in_a_header_or_nothing_yet() {
        let list = call("tools/list", &json!({}));
        for said in [
            &[][..],
            &[(REVISION_HEADER, "2025-11-25")],
            &[(REVISION_HEADER, "2025-06-18")],
        ] {
            assert_eq!(of(&headers(said), &list), Ok(Revision::Handshake));
        }
        for other in ["2024-11-05", "2099-01-01", ""] {
            let said = headers(&[(REVISION_HEADER, other)]);
            assert_eq!(of(&said, &list), Err(Fault::revision(other, &SERVED)), "{other}");
        }
        let agreed = |asked: &str| {
            let asked = call("initialize", &json!({"protocolVersion": asked}));
            initialized(&asked, "")["protocolVersion"].clone()
        };
        assert_eq!(agreed("2025-06-18"), "2025-06-18");
        assert_eq!(agreed("2025-11-25"), "2025-11-25");
        assert_eq!(agreed("2024-11-05"), "2025-11-25");
    }
}
