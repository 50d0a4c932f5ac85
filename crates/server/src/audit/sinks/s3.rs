//! Checkpoints as objects of an S3-compatible bucket, locked in compliance mode where the configuration says for how long: nobody,
//! the account's owner included, can delete or replace one before.

use std::time::Duration;

use anyhow::{Context, bail, ensure};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use keystore_core::Micros;
use keystore_store::audit_tree::Checkpoint;
use keystore_vault::commitment::sha256;
use keystore_vault::kms::may_carry_secrets;
use keystore_vault::sigv4::{AccessKey, Scope, Unsigned, payload_hash, sign};
use reqwest::Url;

use crate::config::SecretText;

/// What a bucket is reached with.
pub struct S3Settings {
    /// Where objects are put: the bucket's address and a prefix, such as `https://logs.s3.eu-central-1.amazonaws.com/keystore/`.
    pub url: String,
    /// The region that requests are signed for.
    pub region: String,
    /// The access key's id.
    pub access_key: String,
    /// The secret access key.
    pub secret_key: SecretText,
    /// How long an object is locked.
    pub lock: Option<Duration>,
}

/// A bucket.
pub struct S3Sink {
    settings: S3Settings,
    url: Url,
    http: reqwest::Client,
}

impl S3Sink {
    /// The bucket of these settings.
    ///
    /// # Errors
    /// The address is none, or not https (http is taken on this machine alone).
    pub fn new(settings: S3Settings) -> anyhow::Result<Self> {
        let text = format!("{}/", settings.url.trim_end_matches('/'));
        let url = Url::parse(&text).with_context(|| format!("`audit.s3_url` ({text}) is no address"))?;
        ensure!(
            may_carry_secrets(&text),
            "`audit.s3_url` does not begin with https://"
        );
        ensure!(url.query().is_none(), "`audit.s3_url` has a query");
        Ok(Self {
            settings,
            url,
            http: reqwest::Client::builder()
                .timeout(super::TIMEOUT)
                .redirect(reqwest::redirect::Policy::none())
                .build()?,
        })
    }

    pub(super) async fn append(&self, new: &Checkpoint, now: Micros) -> anyhow::Result<()> {
        // In the order of sizes by name, and one a checkpoint: an object is never put twice with another content.
        let url = self.url.join(&format!("{:020}-{}.note", new.size, new.at.0))?;
        let host = match (url.host_str(), url.port()) {
            (Some(host), Some(port)) => format!("{host}:{port}"),
            (Some(host), None) => host.to_owned(),
            (None, _) => bail!("`audit.s3_url` names no host"),
        };
        let hash = payload_hash(new.note.as_bytes());
        // A bucket with object lock asks for a checksum of what is put.
        let checksum = BASE64.encode(sha256(&[new.note.as_bytes()]));
        let mut headers = vec![
            ("content-type", "text/plain; charset=utf-8".to_owned()),
            ("x-amz-checksum-sha256", checksum),
            ("x-amz-content-sha256", hash.clone()),
        ];
        if let Some(lock) = self.settings.lock {
            let until = Micros(
                now.0
                    .saturating_add(i64::try_from(lock.as_micros()).unwrap_or(i64::MAX)),
            );
            let until = jiff::Timestamp::from_microsecond(until.0)?;
            headers.push(("x-amz-object-lock-mode", "COMPLIANCE".to_owned()));
            headers.push(("x-amz-object-lock-retain-until-date", format!("{until:.0}")));
        }
        let signed: Vec<(&str, &str)> = headers
            .iter()
            .map(|(name, value)| (*name, value.as_str()))
            .collect();
        let request = Unsigned {
            method: "PUT",
            host: &host,
            path: url.path(),
            query: None,
            headers: &signed,
            payload_sha256: &hash,
        };
        let key = AccessKey {
            id: &self.settings.access_key,
            secret: self.settings.secret_key.expose(),
            session_token: None,
        };
        let scope = Scope {
            service: "s3",
            region: &self.settings.region,
        };
        let signature = sign(&request, key, scope, now);
        let mut put = self.http.put(url).body(new.note.clone());
        for (name, value) in headers {
            put = put.header(name, value);
        }
        let put = put
            .header("x-amz-date", signature.date)
            .header("authorization", signature.authorization);
        let answer = put.send().await.context("the bucket cannot be reached")?;
        let status = answer.status();
        if !status.is_success() {
            let text = answer.text().await.unwrap_or_default();
            let code = text
                .split_once("<Code>")
                .and_then(|(_, rest)| rest.split_once("</Code>"));
            bail!(
                "the bucket answered {status} {}",
                code.map_or("", |(code, _)| code)
            );
        }
        Ok(())
    }
}
