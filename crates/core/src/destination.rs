//! Where a credential may go: the destination policy.
//!
//! A policy is drawn up from the catalog when a credential version is sealed, stored beside the ciphertext, and bound into it
//! (its SHA-256 is part of the associated data). Routing, dialling and injection use that stored copy, so neither a newer
//! catalog nor a change in the database can send a credential elsewhere.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// The one service of AWS whose signatures may leave the body out.
pub const S3: &str = "s3";

/// How the connection to a host is made.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scheme {
    /// TLS.
    Https,
    /// Plain text, for loopback and private upstreams only.
    Http,
}

impl Scheme {
    /// The name in a URL.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Https => "https",
            Self::Http => "http",
        }
    }

    /// The port when a URL names none.
    pub const fn default_port(self) -> u16 {
        match self {
            Self::Https => 443,
            Self::Http => 80,
        }
    }
}

/// One host that a credential may be sent to.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Destination {
    /// The name after `~` in the proxy path; empty for the base host.
    pub alias: String,
    /// How to connect.
    pub scheme: Scheme,
    /// A DNS name in lower case or an IP address (IPv6 without brackets); never a pattern.
    pub host: String,
    /// The TCP port, 1 to 65,535.
    pub port: u16,
    /// What stands before every upstream path: empty, or begins with `/` and does not end with one.
    pub base_path: String,
}

impl Destination {
    /// `host`, or `host:port` where the port is not the scheme's own; IPv6 in brackets. The `Host` of upstream requests.
    pub fn authority(&self) -> String {
        let host = if self.host.contains(':') {
            format!("[{}]", self.host)
        } else {
            self.host.clone()
        };
        if self.port == self.scheme.default_port() {
            host
        } else {
            format!("{host}:{}", self.port)
        }
    }
}

/// One place in the request into which secret fields are written. In a template, `{name}` stands for the secret field or the
/// parameter of that name; the main secret is the field `key`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case", deny_unknown_fields)]
pub enum Injection {
    /// `Authorization: Bearer <template>`.
    Bearer {
        /// What stands after `Bearer `, usually `{key}`.
        template: String,
    },
    /// A header of its own.
    Header {
        /// The header's name in lower case.
        name: String,
        /// Its value.
        template: String,
    },
    /// `Authorization: Basic <base64(username:password)>` (RFC 7617).
    Basic {
        /// The user name.
        username: String,
        /// The password; may be empty.
        password: String,
    },
    /// A query parameter.
    Query {
        /// The parameter's name.
        name: String,
        /// Its value before percent-encoding.
        template: String,
    },
    /// A segment put before the upstream path, such as `/bot{key}`.
    Path {
        /// The segment; begins with `/`.
        template: String,
    },
    /// A signature of the whole request by AWS's rule, version 4. The secret access key is the field `key`; a field `session_token` is
    /// sent along where there is one.
    Sigv4 {
        /// The access key's id.
        access_key_id: String,
        /// The service, in the signature.
        service: String,
        /// The region, in the signature.
        region: String,
        /// The services of hosts that are another's, by alias.
        services: BTreeMap<String, String>,
    },
    /// A token that the credential is exchanged for, in `Authorization`.
    Token(TokenSource),
}

/// Where and how a token is fetched (OAuth 2.0, RFC 6749).
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct TokenSource {
    /// By which grant.
    pub grant: TokenGrant,
    /// Where; the path is `base_path`.
    pub endpoint: Destination,
    /// What is asked for, where the vendor wants it said.
    pub scope: Option<String>,
    /// How the client proves who it is.
    pub client_auth: ClientAuth,
    /// Who an assertion is of, where the credential does not say it itself.
    pub issuer: Option<String>,
    /// Further members of the form, and those that the vendor wants otherwise than the grant says.
    pub form: BTreeMap<String, String>,
    /// The scheme under which the token is sent, usually `Bearer`.
    pub scheme: String,
}

/// The names in a signature of AWS.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signature<'a> {
    /// The access key's id.
    pub access_key_id: &'a str,
    /// The service of the host.
    pub service: &'a str,
    /// The region.
    pub region: &'a str,
}

/// How a token is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenGrant {
    /// `client_credentials`: the fields are `client_id` and `key` (the client's secret).
    ClientCredentials,
    /// `refresh_token`: the fields are `key` (the refresh token), `client_id` and `client_secret`.
    RefreshToken,
    /// A signed assertion (RFC 7523): `key` is a Google service account's JSON.
    GcpServiceAccount,
    /// A signed assertion in the way of GitHub: `key` is an app's private key in PEM.
    GithubApp,
}

impl TokenGrant {
    /// The name in a provider's file.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ClientCredentials => "oauth2_client_credentials",
            Self::RefreshToken => "oauth2_refresh",
            Self::GcpServiceAccount => "gcp_service_account",
            Self::GithubApp => "github_app",
        }
    }

    /// The fields that it takes.
    pub const fn fields(self) -> &'static [&'static str] {
        match self {
            Self::ClientCredentials => &["key", "client_id"],
            Self::RefreshToken => &["key", "client_id", "client_secret"],
            Self::GcpServiceAccount | Self::GithubApp => &["key"],
        }
    }
}

/// How a client proves who it is when it asks for a token (RFC 6749, 2.3.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuth {
    /// `Authorization: Basic`.
    Basic,
    /// In the form.
    Body,
    /// Not apart from what the form or the assertion holds.
    None,
}

/// Hosts, injection and rules that a credential version is sealed for.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DestinationPolicy {
    /// The format of this record: 1.
    pub version: u32,
    /// The hosts; the first is the base host (empty alias).
    pub hosts: Vec<Destination>,
    /// What is injected, in order.
    pub injections: Vec<Injection>,
    /// Whether the operator listed these hosts by hand (`baseUrl` of a self-hosted provider or `--allow-upstream`).
    pub self_hosted: bool,
}

impl DestinationPolicy {
    /// The one byte form: compact JSON with the fields in the order of declaration. What is stored is exactly what was hashed.
    pub fn canonical(&self) -> Vec<u8> {
        serde_json::to_vec(self).unwrap_or_default()
    }

    /// Where the token that is injected comes from, if one is.
    pub fn token(&self) -> Option<&TokenSource> {
        self.injections.iter().find_map(|injection| match injection {
            Injection::Token(source) => Some(source),
            _ => None,
        })
    }

    /// How requests to this host are signed, if they are.
    pub fn signature(&self, alias: &str) -> Option<Signature<'_>> {
        self.injections.iter().find_map(|injection| match injection {
            Injection::Sigv4 {
                access_key_id,
                service,
                region,
                services,
            } => Some(Signature {
                access_key_id,
                service: services.get(alias).unwrap_or(service),
                region,
            }),
            _ => None,
        })
    }

    /// Whether the body is signed for this host, and therefore has to be whole before anything is sent.
    pub fn signs_body(&self, alias: &str) -> bool {
        self.signature(alias)
            .is_some_and(|signature| signature.service != S3)
    }

    /// The host with this alias.
    pub fn host(&self, alias: &str) -> Option<&Destination> {
        self.hosts.iter().find(|host| host.alias == alias)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> DestinationPolicy {
        DestinationPolicy {
            version: 1,
            hosts: vec![Destination {
                alias: String::new(),
                scheme: Scheme::Https,
                host: "api.openai.com".into(),
                port: 443,
                base_path: String::new(),
            }],
            injections: vec![Injection::Bearer {
                template: "{key}".into(),
            }],
            self_hosted: false,
        }
    }

    #[test]
    fn the_canonical_form_is_fixed() {
        assert_eq!(
            String::from_utf8(policy().canonical()).unwrap(),
            concat!(
                r#"{"version":1,"hosts":[{"alias":"","scheme":"https","host":"api.openai.com","port":443,"base_path":""}],"#,
                r#""injections":[{"kind":"bearer","template":"{key}"}],"self_hosted":false}"#
            )
        );
        assert_eq!(
            serde_json::from_slice::<DestinationPolicy>(&policy().canonical()).unwrap(),
            policy()
        );
    }

    #[test]
    fn an_authority_names_the_port_only_where_it_must() {
        let mut host = policy().hosts.remove(0);
        assert_eq!(host.authority(), "api.openai.com");
        host.port = 8443;
        assert_eq!(host.authority(), "api.openai.com:8443");
        host.host = "::1".into();
        assert_eq!(host.authority(), "[::1]:8443");
    }
}
