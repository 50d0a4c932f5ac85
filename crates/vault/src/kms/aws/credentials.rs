//! Who the server is at AWS, found as AWS's own tools find it, in their order: the environment, a web identity (IRSA), a profile of
//! the shared files, the container's endpoint (ECS, EKS Pod Identity), the instance's metadata (IMDSv2).
//!
//! Not here: `credential_process`, IAM Identity Center (SSO), and MFA, which need a person or another program.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use keystore_core::Micros;
use serde::Deserialize;
use zeroize::Zeroizing;

use super::Account;
use super::ini::{Section, profile};
use crate::kms::ambient::text_of;
use crate::kms::http::{Answer, FORM, Hidden, checked, form, send};
use crate::kms::{KmsError, KmsFault};
use crate::sigv4::Scope;

/// How long a role is assumed, in seconds.
const ASSUMED_FOR: &str = "3600";
/// The name of the server's sessions.
const SESSION: &str = "keystore";
/// Where a container asks on ECS.
const ECS: &str = "http://169.254.170.2";
/// Addresses besides loopback that a container's endpoint may have without TLS: those of ECS and EKS.
const CONTAINERS: [&str; 3] = ["169.254.170.2", "169.254.170.23", "[fd00:ec2::23]"];
/// Where an instance asks.
const IMDS: &str = "http://169.254.169.254";
/// How many profiles may stand behind one another.
const MOST_PROFILES: usize = 5;

/// An access key, and what else goes with it.
pub(super) struct Identity {
    pub(super) id: String,
    pub(super) secret: Zeroizing<String>,
    pub(super) token: Option<Zeroizing<String>>,
}

type Found = (Identity, Option<Duration>);

/// The first identity that the chain has.
pub(super) async fn find(account: &Account, region: &str) -> Result<Found, KmsError> {
    let env = |name| account.ambient.get(name);
    if let (Some(id), Some(secret)) = (env("AWS_ACCESS_KEY_ID"), env("AWS_SECRET_ACCESS_KEY")) {
        return Ok((fixed(id, secret, env("AWS_SESSION_TOKEN")), None));
    }
    if let (Some(file), Some(role)) = (env("AWS_WEB_IDENTITY_TOKEN_FILE"), env("AWS_ROLE_ARN")) {
        let name = env("AWS_ROLE_SESSION_NAME").unwrap_or(SESSION);
        return by_web_identity(account, region, (Path::new(file), role, name)).await;
    }
    if let Some(found) = by_profile(account, region).await? {
        return Ok(found);
    }
    if let Some(url) = container(account)? {
        return by_container(account, &url).await;
    }
    by_instance(account).await
}

fn fixed(id: &str, secret: &str, token: Option<&str>) -> Identity {
    Identity {
        id: id.to_owned(),
        secret: Zeroizing::new(secret.to_owned()),
        token: token.map(|token| Zeroizing::new(token.to_owned())),
    }
}

fn nobody(why: impl Into<String>) -> KmsError {
    KmsError::new(KmsFault::Denied, why)
}

/// `AssumeRoleWithWebIdentity`, which is not signed: the token is the proof.
async fn by_web_identity(
    account: &Account,
    region: &str,
    (file, role, session): (&Path, &str, &str),
) -> Result<Found, KmsError> {
    let token = text_of(file)?;
    let body = form(&[
        ("Action", "AssumeRoleWithWebIdentity"),
        ("Version", "2011-06-15"),
        ("RoleArn", role),
        ("RoleSessionName", session),
        ("WebIdentityToken", &token),
        ("DurationSeconds", ASSUMED_FOR),
    ]);
    let request = account
        .http
        .post(&sts(account, region)?)
        .header("content-type", FORM)
        .body(body.as_bytes().to_vec());
    assumed(account, &send(request).await?)
}

/// The address of the security token service.
fn sts(account: &Account, region: &str) -> Result<String, KmsError> {
    let env = |name| account.ambient.get(name);
    let top = if region.starts_with("cn-") {
        "amazonaws.com.cn"
    } else {
        "amazonaws.com"
    };
    match env("AWS_ENDPOINT_URL_STS").or_else(|| env("AWS_ENDPOINT_URL")) {
        Some(url) => Ok(format!("{}/", checked(url)?)),
        None => Ok(format!("https://sts.{region}.{top}/")),
    }
}

/// What the security token service answers: XML of a fixed form without attributes that matter here.
fn assumed(account: &Account, answer: &Answer) -> Result<Found, KmsError> {
    let text = std::str::from_utf8(&answer.body).unwrap_or_default();
    if !answer.is_success() {
        let said = [element(text, "Code"), element(text, "Message")].map(Option::unwrap_or_default);
        let fault = match (answer.status, said[0]) {
            (429 | 400, "Throttling" | "ThrottlingException") => KmsFault::Throttled,
            (500.., _) => KmsFault::Unavailable,
            _ => KmsFault::Denied,
        };
        return Err(KmsError::new(
            fault,
            format!("AWS STS answered {}: {}", said[0], said[1]),
        ));
    }
    let all = ["AccessKeyId", "SecretAccessKey", "SessionToken"].map(|name| element(text, name));
    let [Some(id), Some(secret), Some(token)] = all else {
        return Err(KmsError::new(
            KmsFault::Unavailable,
            "AWS STS answered without credentials",
        ));
    };
    let end = element(text, "Expiration").unwrap_or_default();
    Ok((fixed(id, secret, Some(token)), life(account, end)))
}

/// The text of the first element of this name.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    Some(rest.split_once(&format!("</{name}>"))?.0)
}

/// How long until a time such as `2026-05-01T12:00:00Z`.
fn life(account: &Account, end: &str) -> Option<Duration> {
    let end: Micros = end.parse().ok()?;
    Some(end.since(account.clock.now()))
}

/// The profile that `AWS_PROFILE` names, else `default`; `None` when there is none by default.
async fn by_profile(account: &Account, region: &str) -> Result<Option<Found>, KmsError> {
    let named = account.ambient.get("AWS_PROFILE");
    let files = Files::read(account);
    let name = named.unwrap_or("default");
    let mut section = match (files.profile(name), named) {
        (Some(section), _) => section,
        (None, None) => return Ok(None),
        (None, Some(name)) => return Err(nobody(format!("there is no AWS profile {name}"))),
    };
    let (mut roles, mut seen, mut at) = (Vec::new(), BTreeSet::new(), name.to_owned());
    for _ in 0..MOST_PROFILES {
        // A role comes before keys; but a profile that is its own source, or that of one before it, stands there for its keys.
        let is_new = seen.insert(at);
        let role = section.get("role_arn").filter(|_| is_new);
        let Some(role) = role.map(|role| role.to_string()) else {
            let Some(found) = keys(&section) else { break };
            return assume_all(account, region, (found, None), roles).await.map(Some);
        };
        if let Some(file) = section.get("web_identity_token_file") {
            let session = section
                .get("role_session_name")
                .map_or(SESSION, |name| name.as_str());
            let first = by_web_identity(account, region, (Path::new(file.as_str()), &role, session)).await?;
            return assume_all(account, region, first, roles).await.map(Some);
        }
        let Some(source) = section.get("source_profile").cloned() else {
            break;
        };
        roles.push((role, section.get("external_id").cloned()));
        let next = files.profile(&source);
        section = next.ok_or_else(|| nobody(format!("there is no AWS profile {}", source.as_str())))?;
        at = source.to_string();
    }
    match named {
        // A default profile that sets a region alone says nothing of who the server is.
        None => Ok(None),
        Some(name) => Err(nobody(format!(
            "the AWS profile {name} leads to no keys: a role needs a source_profile or a web identity"
        ))),
    }
}

/// The shared files, read once for a look-up.
struct Files {
    credentials: Option<Zeroizing<String>>,
    config: Option<Zeroizing<String>>,
}

impl Files {
    fn read(account: &Account) -> Self {
        let text = |path: Option<PathBuf>| path.and_then(|path| text_of(&path).ok());
        let file = |variable, path| account.ambient.file(variable, path);
        Self {
            credentials: text(file("AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials")),
            config: text(file("AWS_CONFIG_FILE", ".aws/config")),
        }
    }

    /// What both files say of a profile; the credentials file wins.
    fn profile(&self, name: &str) -> Option<Section> {
        let section = |text: &Option<Zeroizing<String>>| profile(text.as_ref()?, name);
        match (section(&self.config), section(&self.credentials)) {
            (None, None) => None,
            (config, credentials) => {
                let both = config.into_iter().chain(credentials);
                Some(both.flatten().collect::<BTreeMap<_, _>>())
            }
        }
    }
}

fn keys(section: &Section) -> Option<Identity> {
    let value = |name: &str| section.get(name).map(|value| value.as_str());
    Some(fixed(
        value("aws_access_key_id")?,
        value("aws_secret_access_key")?,
        value("aws_session_token"),
    ))
}

/// Assumes one role after the other, from the innermost profile outwards.
async fn assume_all(
    account: &Account,
    region: &str,
    first: Found,
    roles: Vec<(String, Option<Zeroizing<String>>)>,
) -> Result<Found, KmsError> {
    let mut found = first;
    for (role, external) in roles.into_iter().rev() {
        let mut fields = vec![
            ("Action", "AssumeRole"),
            ("Version", "2011-06-15"),
            ("RoleArn", role.as_str()),
            ("RoleSessionName", SESSION),
            ("DurationSeconds", ASSUMED_FOR),
        ];
        if let Some(external) = &external {
            fields.push(("ExternalId", external));
        }
        let body = form(&fields);
        let scope = Scope {
            service: "sts",
            region,
        };
        let headers = [("content-type", FORM)];
        let url = sts(account, region)?;
        let answer = account
            .signed((&url, scope), &headers, body.as_bytes(), &found.0)
            .await?;
        found = assumed(account, &answer)?;
    }
    Ok(found)
}

/// Where the container's identity is asked for, if the environment says so.
fn container(account: &Account) -> Result<Option<String>, KmsError> {
    let env = |name| account.ambient.get(name);
    if let Some(path) = env("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI") {
        return Ok(Some(format!("{ECS}{path}")));
    }
    let Some(url) = env("AWS_CONTAINER_CREDENTIALS_FULL_URI") else {
        return Ok(None);
    };
    let host = reqwest::Url::parse(url)
        .ok()
        .and_then(|url| url.host_str().map(str::to_owned));
    if host.is_some_and(|host| CONTAINERS.contains(&host.as_str())) {
        return Ok(Some(url.to_owned()));
    }
    checked(url).map(Some)
}

/// Credentials as the container's endpoint and the instance's metadata give them.
#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Given {
    access_key_id: String,
    secret_access_key: Hidden,
    token: Option<Hidden>,
    #[serde(default)]
    expiration: String,
}

fn given(account: &Account, answer: &Answer, who: &str) -> Result<Found, KmsError> {
    if !answer.is_success() {
        let fault = if answer.status >= 500 {
            KmsFault::Unavailable
        } else {
            KmsFault::Denied
        };
        return Err(KmsError::new(fault, format!("{who} answered {}", answer.status)));
    }
    let given: Given = answer.json()?;
    let end = life(account, &given.expiration);
    let token = given.token.as_deref();
    Ok((fixed(&given.access_key_id, &given.secret_access_key, token), end))
}

async fn by_container(account: &Account, url: &str) -> Result<Found, KmsError> {
    let env = |name| account.ambient.get(name);
    let proof = match env("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE") {
        Some(file) => Some(text_of(Path::new(file))?),
        None => env("AWS_CONTAINER_AUTHORIZATION_TOKEN").map(|token| Zeroizing::new(token.to_owned())),
    };
    let mut request = account.http.get(url);
    if let Some(proof) = proof {
        request = request.header("authorization", proof.as_str());
    }
    given(
        account,
        &send(request).await?,
        "the container's endpoint for credentials",
    )
}

async fn by_instance(account: &Account) -> Result<Found, KmsError> {
    let env = |name| account.ambient.get(name);
    let none =
        "there is no AWS identity: no keys in the environment, no profile, no web identity, no container";
    if env("AWS_EC2_METADATA_DISABLED").is_some_and(|value| value.eq_ignore_ascii_case("true")) {
        return Err(nobody(format!("{none}, and instance metadata is switched off")));
    }
    let base = env("AWS_EC2_METADATA_SERVICE_ENDPOINT")
        .unwrap_or(IMDS)
        .trim_end_matches('/');
    let asked = account
        .http
        .put(&format!("{base}/latest/api/token"))
        .header("x-aws-ec2-metadata-token-ttl-seconds", "21600");
    let token = send(asked)
        .await
        .map_err(|error| nobody(format!("{none}, and no instance metadata ({})", error.detail)))?;
    let text = |answer: &Answer| {
        std::str::from_utf8(&answer.body)
            .map(str::trim)
            .map(str::to_owned)
    };
    let (true, Ok(session)) = (token.is_success(), text(&token)) else {
        return Err(nobody(format!("instance metadata answered {}", token.status)));
    };
    let session = Zeroizing::new(session);
    let read = |path: String| {
        let request = account.http.get(&format!(
            "{base}/latest/meta-data/iam/security-credentials/{path}"
        ));
        send(request.header("x-aws-ec2-metadata-token", session.as_str()))
    };
    let role = read(String::new()).await?;
    let (true, Ok(name)) = (role.is_success(), text(&role)) else {
        return Err(nobody(format!("{none}, and the instance has no role")));
    };
    given(account, &read(name).await?, "instance metadata")
}
