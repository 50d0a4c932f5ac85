//! Settings that `serve` refuses, each with its reason and the way out. `dev` makes its own settings and does not ask.

use std::path::{Component, Path, PathBuf};

use keystore_core::rate::MAX_LIMIT;
use keystore_vault::kms::may_carry_secrets;

use super::{Config, MailTls, SecretText, SignUp};

pub(super) const ONE_ROOT_KEY: &str = "give exactly one of `kms.root`, `kms.key_file`, `kms.key`, `kms.passphrase` and `kms.passphrase_file`: without a root \
     key nothing can be sealed or opened";

/// Every reason not to serve with `config`.
pub(super) fn reasons(config: &Config) -> Vec<String> {
    let mut reasons = Vec::new();
    let (proxy, api) = (&config.proxy, &config.api);
    if !proxy.addr.ip().is_loopback() && proxy.tls.is_none() && !proxy.behind_tls {
        reasons.push(plain_text("proxy", "agents would send their tokens"));
    }
    if !proxy.addr.ip().is_loopback() && proxy.hosts.is_empty() {
        reasons.push(
            "`proxy.hosts` is empty while `proxy.addr` is not a loopback address: name the hosts that agents use, so that \
             requests meant for another host are refused"
                .to_owned(),
        );
    }
    if !api.addr.ip().is_loopback() && api.tls.is_none() && !api.behind_tls {
        reasons.push(plain_text("api", "people would send passwords and provider keys"));
    }
    if !api.addr.ip().is_loopback() && api.signup == SignUp::Open && config.mail.host.is_none() {
        reasons.push(
            "`api.signup = \"open\"` on an address that is not loopback, and no `mail.host`: anyone who reaches it could make an \
             account under an address that is not theirs; set up `[mail]`, or set it to \"closed\""
                .to_owned(),
        );
    }
    let mail = &config.mail;
    if mail.host.is_some() && mail.from.is_none() {
        reasons.push("`mail.host` is set and `mail.from` is not: say who mails are from".to_owned());
    }
    if mail.host.is_some() && config.api.public_url.is_none() && !api.addr.ip().is_loopback() {
        reasons.push(
            "`mail.host` is set and `api.public_url` is not: links in mails would name an address that nobody reaches".to_owned(),
        );
    }
    if let Some(host) = &mail.host
        && mail.tls == MailTls::None
        && host != "localhost"
        && !host
            .parse::<std::net::IpAddr>()
            .is_ok_and(|address| address.is_loopback())
    {
        reasons.push(format!(
            "`mail.tls = \"none\"` and `mail.host` ({host}) is not this machine: codes that open accounts would travel in plain \
             text; set it to \"starttls\" or \"implicit\""
        ));
    }
    let has_password = mail.password.is_some() || mail.password_file.is_some();
    if mail.user.is_some() != has_password {
        reasons.push(
            "`mail.user` and `mail.password` (or `mail.password_file`) go together: with one of them alone nobody is logged in at the mail \
             server"
                .to_owned(),
        );
    }
    if let Some(endpoint) = &config.telemetry.otlp_endpoint
        && !may_carry_secrets(endpoint)
    {
        reasons.push(format!(
            "`telemetry.otlp_endpoint` ({endpoint}) does not begin with https:// and is not this machine: who calls whom would travel in \
             plain text"
        ));
    }
    let payments = &config.payments;
    if payments.is_on() {
        let given = |value: &Option<SecretText>, file: bool| {
            file || value
                .as_ref()
                .is_some_and(|value| !value.expose().trim().is_empty())
        };
        if !given(
            &payments.stripe_webhook_secret,
            payments.stripe_webhook_secret_file.is_some(),
        ) {
            reasons.push(
                "`[payments]` is set up and `payments.stripe_webhook_secret` is missing or empty: anybody could say that they \
                 paid"
                .to_owned(),
            );
        }
        if !given(&payments.stripe_key, payments.stripe_key_file.is_some()) {
            reasons.push("`[payments]` is set up and `payments.stripe_key` is missing or empty".to_owned());
        }
        if !may_carry_secrets(&payments.stripe_url) {
            reasons.push(
                "`payments.stripe_url` does not begin with https:// and is not this machine: the account's key would travel in plain text"
                    .to_owned(),
            );
        }
    }
    if config.kms.ways() != 1 {
        reasons.push(ONE_ROOT_KEY.to_owned());
    }
    if config.kms.max_wraps == 0 || config.kms.max_wraps > 1 << 32 {
        reasons.push(
            "`kms.max_wraps` is not between 1 and 2^32: random IVs under one AES-256-GCM key are safe for at most so many"
                .to_owned(),
        );
    }
    if let Some(key) = &config.kms.key_file
        && is_inside(key, &config.store.data_dir)
    {
        reasons.push(format!(
            "`kms.key_file` ({}) lies inside the data directory ({}): a copy of the data would carry the key that opens it; \
             keep the key elsewhere",
            key.display(),
            config.store.data_dir.display()
        ));
    }
    for (name, limit) in [
        ("limits.default_rpm", config.limits.default_rpm),
        ("limits.default_rpd", config.limits.default_rpd),
    ] {
        if limit > MAX_LIMIT {
            reasons.push(format!("`{name}` is {limit}; the most is {MAX_LIMIT}"));
        }
    }
    reasons
}

fn plain_text(section: &str, danger: &str) -> String {
    format!(
        "`{section}.addr` is not a loopback address and there is no TLS: {danger} in plain text; set `{section}.tls`, or \
         `{section}.behind_tls = true` if something in front of it terminates TLS"
    )
}

/// Whether `file` lies in `dir`, links followed as far as the paths exist.
fn is_inside(file: &Path, dir: &Path) -> bool {
    resolved(file).starts_with(resolved(dir))
}

fn resolved(path: &Path) -> PathBuf {
    if let Ok(real) = path.canonicalize() {
        return real;
    }
    match (path.parent(), path.components().next_back()) {
        (Some(parent), Some(Component::Normal(name))) if !parent.as_os_str().is_empty() => {
            resolved(parent).join(name)
        }
        _ => std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SAFE: &str = "[kms]\nkey_file = \"/etc/keystore/root.key\"\n";

    fn reasons_of(text: &str) -> Vec<String> {
        reasons(&Config::parse(text).unwrap())
    }

    #[test]
    fn loopback_with_a_key_elsewhere_is_safe() {
        assert_eq!(reasons_of(SAFE), Vec::<String>::new());
        for fit in [
            "http://localhost:4318",
            "http://[::1]:4318",
            "http://127.0.0.1/",
            "https://user:pass@collector.example",
        ] {
            let telemetry = format!("{SAFE}[telemetry]\notlp_endpoint = \"{fit}\"\n");
            assert_eq!(reasons_of(&telemetry), Vec::<String>::new());
        }
    }

    #[test]
    fn sign_up_may_be_open_where_addresses_can_be_confirmed() {
        let open = "[api]\naddr = \"192.0.2.1:8401\"\nbehind_tls = true\npublic_url = \"https://ks.example\"\nsignup = \"open\"\n\
            [mail]\nhost = \"mx.example\"\nfrom = \"a@b.example\"\n";
        assert_eq!(reasons_of(&format!("{SAFE}{open}")), Vec::<String>::new());
    }

    #[test]
    fn each_danger_is_named_alone() {
        let cases = [
            ("[proxy]\naddr = \"0.0.0.0:8400\"\nhosts = [\"a\"]\n", "proxy.tls"),
            (
                "[proxy]\naddr = \"[::]:8400\"\nbehind_tls = true\n",
                "proxy.hosts",
            ),
            ("[api]\naddr = \"192.0.2.1:8401\"\n", "api.tls"),
            ("[payments]\nstripe_key = \"sk\"\n", "stripe_webhook_secret"),
            (
                "[payments]\nstripe_key = \"sk\"\nstripe_webhook_secret = \" \"\n",
                "stripe_webhook_secret",
            ),
            ("[payments]\nstripe_webhook_secret = \"whsec\"\n", "stripe_key"),
            (
                "[payments]\nstripe_key = \"sk\"\nstripe_webhook_secret = \"whsec\"\nstripe_url = \"http://a\"\n",
                "stripe_url",
            ),
            (
                "[api]\naddr = \"192.0.2.1:8401\"\nbehind_tls = true\nsignup = \"open\"\n",
                "api.signup",
            ),
            ("[limits]\ndefault_rpm = 1000001\n", "limits.default_rpm"),
            ("[limits]\ndefault_rpd = 1000001\n", "limits.default_rpd"),
            (
                "[telemetry]\notlp_endpoint = \"http://collector:4318\"\n",
                "telemetry.otlp_endpoint",
            ),
            // A user before the host, which is elsewhere.
            (
                "[telemetry]\notlp_endpoint = \"http://localhost:4318@evil.example\"\n",
                "telemetry.otlp_endpoint",
            ),
            (
                "[mail]\nhost = \"mx.example\"\nfrom = \"a@b.example\"\nuser = \"ks\"\n",
                "mail.password",
            ),
            ("max_wraps = 4294967297\n", "kms.max_wraps"),
            ("[mail]\nhost = \"mx.example\"\n", "mail.from"),
            (
                "[mail]\nhost = \"mx.example\"\nfrom = \"a@b.example\"\ntls = \"none\"\n",
                "mail.tls",
            ),
            (
                "[mail]\nhost = \"mx.example\"\nfrom = \"a@b.example\"\n[api]\naddr = \"192.0.2.1:8401\"\nbehind_tls = true\n",
                "api.public_url",
            ),
            (
                "[store]\ndata_dir = \"/etc/keystore\"\n",
                "inside the data directory",
            ),
        ];
        for (text, word) in cases {
            let found = reasons_of(&format!("{SAFE}{text}"));
            assert_eq!(found.len(), 1, "{text}: {found:?}");
            assert!(found[0].contains(word), "{text}: {found:?}");
        }
    }

    #[test]
    fn a_root_key_is_given_in_exactly_one_way() {
        assert_eq!(reasons_of("").len(), 1);
        assert_eq!(reasons_of("[kms]\nkey = \"a\"\npassphrase = \"b\"\n").len(), 1);
        assert_eq!(reasons_of("[kms]\npassphrase = \"b\"\n").len(), 0);
    }

    #[test]
    fn a_link_does_not_hide_that_the_key_is_inside() {
        let dir = tempfile::tempdir().unwrap();
        let data = dir.path().join("data");
        std::fs::create_dir(&data).unwrap();
        std::os::unix::fs::symlink(&data, dir.path().join("elsewhere")).unwrap();
        assert!(is_inside(&dir.path().join("elsewhere/root.key"), &data));
        assert!(is_inside(&data.join("../data/root.key"), &data));
        assert!(!is_inside(&dir.path().join("root.key"), &data));
    }
}
