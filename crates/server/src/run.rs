//! The two ways to run the server: `serve` for production, `dev` for one command to a working Keystore.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use keystore_core::Clock;
use keystore_proxy::config::ProxyConfig;
use keystore_proxy::listener::tls_from_pem;
use keystore_store::Options;
use keystore_vault::{SystemIds, fips, memory};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

pub use crate::dev::{DevOptions, dev};

use crate::app::{App, Parts, Settings, Sockets};
use crate::clock::SystemClock;
use crate::config::{self, Config, ProxySection, RootKey, TlsFiles};
use crate::custody::{CustodyParts, RootKeySource};
use crate::log;
use crate::mail::{Mailer, Shown, Smtp, SmtpSettings};
use crate::otlp::{self, Exporter};
use crate::payments::Stripe;

/// How long the API's own running answers may take at shutdown.
const API_DRAIN: Duration = Duration::from_secs(10);

/// Runs the server until SIGTERM or SIGINT: production. Refuses unsafe settings with the reason.
///
/// # Errors
/// Whatever keeps it from starting, in words for the operator.
pub async fn serve(config: Config) -> anyhow::Result<()> {
    config.check_safety()?;
    let exporter = config.telemetry.exporter()?;
    log::init(&config.telemetry, exporter.as_ref().map(Exporter::lines))?;
    harden()?;
    let sockets = sockets(&config).await?;
    let (drain_delay, addrs) = (
        config.proxy.drain_delay,
        (sockets.proxy.local_addr()?, sockets.api.local_addr()?),
    );
    let stop = CancellationToken::new();
    let starting = App::start_on(parts(config)?, &sockets, stop.clone());
    let Some(app) = unless_told_to_stop(starting, &stop).await? else {
        return Ok(());
    };
    tracing::info!(proxy = %addrs.0, api = %addrs.1, version = env!("CARGO_PKG_VERSION"), "serving");
    if let Some(exporter) = exporter {
        app.tasks.spawn(otlp::run(Arc::clone(&app), exporter));
    }
    run(&app, sockets, drain_delay).await
}

/// A start that may take as long as the root key is away; a signal ends it.
async fn unless_told_to_stop(
    starting: impl Future<Output = anyhow::Result<Option<Arc<App>>>>,
    stop: &CancellationToken,
) -> anyhow::Result<Option<Arc<App>>> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::pin!(starting);
    tokio::select! {
        started = &mut starting => return started,
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    stop.cancel();
    starting.await
}

/// Serves until a signal, then drains; a second signal cuts the drain short.
///
/// # Errors
/// The signals cannot be heard, or another server has taken over the database.
pub(crate) async fn run(app: &Arc<App>, sockets: Sockets, drain_delay: Duration) -> anyhow::Result<()> {
    let (mut terminate, mut interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    let serving = app.serve(sockets, API_DRAIN);
    tokio::pin!(serving);
    let is_superseded = tokio::select! {
        () = &mut serving => return Ok(()),
        _ = terminate.recv() => false,
        _ = interrupt.recv() => false,
        () = app.store.superseded() => true,
    };
    tracing::info!("draining; a second signal cuts what is running");
    app.refuse_ready();
    let drain = async {
        tokio::time::sleep(drain_delay).await;
        app.shut_down();
    };
    let drained = async { tokio::join!(serving, drain) };
    tokio::select! {
        _ = drained => {}
        _ = terminate.recv() => cut(app).await,
        _ = interrupt.recv() => cut(app).await,
    }
    anyhow::ensure!(
        !is_superseded,
        "the connection that held the database's lock was lost, and another Keystore server runs on it now; this one has ended"
    );
    Ok(())
}

/// What runs is cut by the end of the process; the journal has its intents, and the next start settles them.
async fn cut(app: &App) {
    tracing::warn!("cut by a second signal");
    app.store.close().await;
}

/// No core dumps, no reading of this process by others, and nothing in swap where that is allowed. Not being able to is worth a word, not
/// a refusal; not being in FIPS mode in a build for it is one.
pub(crate) fn harden() -> anyhow::Result<()> {
    fips::check()?;
    if let Err(error) = memory::harden() {
        tracing::warn!(%error, "the process could not be hardened against dumps of its memory");
    }
    memory::lock();
    Ok(())
}

async fn sockets(config: &Config) -> anyhow::Result<Sockets> {
    Ok(Sockets {
        proxy: bind(config.proxy.addr, "proxy.addr").await?,
        proxy_tls: tls(config.proxy.tls.as_ref())?,
        api: bind(config.api.addr, "api.addr").await?,
        api_tls: tls(config.api.tls.as_ref())?,
    })
}

/// Binds an address, and says what to do when it is taken.
pub(crate) async fn bind(addr: SocketAddr, key: &str) -> anyhow::Result<TcpListener> {
    TcpListener::bind(addr).await.with_context(|| {
        format!("{addr} cannot be bound; is another server running, or choose another address (`{key}`)")
    })
}

fn tls(files: Option<&TlsFiles>) -> anyhow::Result<Option<Arc<rustls::ServerConfig>>> {
    match files {
        Some(files) => Ok(Some(tls_from_pem(&files.cert_file, &files.key_file)?)),
        None => Ok(None),
    }
}

fn parts(config: Config) -> anyhow::Result<Parts> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let ambient = config::ambient();
    let root_key = source(config.kms.root_key()?);
    let custody = CustodyParts {
        previous: config.kms.previous()?.map(source),
        kms: config.kms.settings(&ambient)?,
        ambient,
        kek_ttl: config.kms.kek_ttl,
        customer_keys: config.kms.customer_keys.clone(),
        max_wraps: config.kms.max_wraps,
        max_age: config.kms.max_age,
    };
    let secure = |tls: bool, behind: bool| tls || behind;
    let settings = Settings {
        signup: config.api.signup,
        secure_cookies: secure(config.api.tls.is_some(), config.api.behind_tls),
        behind_tls: config.api.behind_tls,
        dev: false,
        proxy_url: proxy_url(&config.proxy),
        api_url: api_url(&config),
        allow_upstream: config.upstream.allow_private.iter().cloned().collect(),
        audit_retention: config.audit.retention(),
    };
    Ok(Parts {
        store_url: config.store.url()?,
        store_options: Options {
            durability: config.store.durability,
            ..store_options(&config.store.data_dir)?
        },
        root_key,
        custody,
        mailer: mailer(&config)?,
        payments: payments(&config)?,
        audit_sinks: config.audit.sinks()?,
        settings,
        ids: Arc::new(SystemIds::new(Arc::clone(&clock))),
        clock,
        proxy: ProxyConfig {
            hosts: config.proxy.hosts,
            behind_tls: config.proxy.behind_tls,
            default_rpm: config.limits.default_rpm,
            default_rpd: config.limits.default_rpd,
            dev: false,
            connect_timeout: config.upstream.connect_timeout,
            head_timeout: config.upstream.head_timeout,
            idle_timeout: config.upstream.idle_timeout,
            stall_timeout: config.proxy.stall_timeout,
            stray_keys: config.proxy.stray_keys,
            durability: config.store.durability,
            allow_private: config.upstream.allow_private.into_iter().collect(),
            extra_ca: config.upstream.extra_ca,
            drain_timeout: config.proxy.drain_timeout,
            max_connections: config.proxy.max_connections,
            ..ProxyConfig::default()
        },
    })
}

fn source(key: RootKey) -> RootKeySource {
    match key {
        RootKey::Kms(name) => RootKeySource::Kms(name),
        RootKey::File(path) => RootKeySource::File(path),
        RootKey::Text(text) => RootKeySource::Text(text),
        RootKey::Passphrase(text) => RootKeySource::Passphrase(text),
    }
}

/// Where agents reach the data plane: as they are told, else by its first name, else at its address.
fn proxy_url(proxy: &ProxySection) -> String {
    if let Some(url) = &proxy.public_url {
        return url.trim_end_matches('/').to_owned();
    }
    let (scheme, usual) = match proxy.tls.is_some() || proxy.behind_tls {
        true => ("https", 443),
        false => ("http", 80),
    };
    let Some(host) = proxy.hosts.first() else {
        return format!("{scheme}://{}", proxy.addr);
    };
    let names_port = host
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    // What stands in front has a port of its own, the usual one unless the name says another.
    match names_port || proxy.behind_tls || proxy.addr.port() == usual {
        true => format!("{scheme}://{host}"),
        false => format!("{scheme}://{host}:{}", proxy.addr.port()),
    }
}

/// Where people reach the control plane: as they are told, else its address.
fn api_url(config: &Config) -> String {
    let api = &config.api;
    let scheme = if api.tls.is_some() || api.behind_tls {
        "https"
    } else {
        "http"
    };
    match &api.public_url {
        Some(url) => url.trim_end_matches('/').to_owned(),
        None => format!("{scheme}://{}", api.addr),
    }
}

fn payments(config: &Config) -> anyhow::Result<Option<Stripe>> {
    let Some((key, webhook)) = config.payments.stripe()? else {
        return Ok(None);
    };
    Ok(Some(Stripe::new(&config.payments.stripe_url, key, &webhook)?))
}

fn mailer(config: &Config) -> anyhow::Result<Arc<dyn Mailer>> {
    let mail = &config.mail;
    let (Some(host), Some(from)) = (&mail.host, &mail.from) else {
        return Ok(Arc::new(Shown::Log));
    };
    let password = mail.password()?;
    Ok(Arc::new(Smtp::new(SmtpSettings {
        host: host.clone(),
        port: mail.port,
        tls: mail.tls,
        login: mail.user.clone().zip(password),
        from: from.clone(),
    })?))
}

/// The spool lies in the data directory, which is made if it does not exist, for its owner alone.
pub(crate) fn store_options(data_dir: &Path) -> anyhow::Result<Options> {
    use std::os::unix::fs::DirBuilderExt;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data_dir)
        .with_context(|| format!("the data directory {} cannot be made", data_dir.display()))?;
    Ok(Options {
        spool: Some(data_dir.join("spool.bin")),
        ..Options::default()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each setting has a value of its own, so that none can stand in the place of another.
    #[test]
    fn every_setting_gets_to_its_place() {
        use std::os::unix::fs::OpenOptionsExt as _;
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        let file = |name: &str, text: &str| {
            let mut options = std::fs::File::options();
            let file = options.write(true).create_new(true).mode(0o600).open(path(name));
            std::io::Write::write_all(&mut file.unwrap(), text.as_bytes()).unwrap();
            path(name).display().to_string()
        };
        let text = format!(
            r#"
            [store]
            url_file = "{url}"
            data_dir = "{data}"
            durability = "power"
            [kms]
            passphrase_file = "{passphrase}"
            kek_ttl = "61s"
            max_wraps = 62
            max_age = "63s"
            customer_keys = ["aws"]
            [proxy]
            hosts = ["ks.example"]
            stall_timeout = "64s"
            drain_timeout = "65s"
            max_connections = 66
            stray_keys = "pass"
            [api]
            signup = "closed"
            public_url = "https://api.example/"
            [upstream]
            connect_timeout = "67s"
            head_timeout = "68s"
            idle_timeout = "69s"
            allow_private = ["127.0.0.1:70"]
            extra_ca = "/71.pem"
            [limits]
            default_rpm = 72
            default_rpd = 73
            [audit]
            retention_days = 74
            s3_url = "https://bucket.example"
            s3_access_key = "AKIA"
            s3_secret_key_file = "{s3}"
            on_sink_failure = "{on_failure}"
            sink_grace = "75s"
            [payments]
            stripe_key_file = "{stripe}"
            stripe_webhook_secret_file = "{webhook}"
            [mail]
            host = "mx.example"
            from = "a@b.example"
            user = "ks"
            password_file = "{mail}"
            "#,
            url = file("url", "postgres://ks@db/ks\n"),
            data = path("data").display(),
            passphrase = file("passphrase", "correct horse\n"),
            s3 = file("s3", "s3-secret\n"),
            stripe = file("stripe", "sk_test_1\n"),
            webhook = file("webhook", "whsec_1\n"),
            mail = file("mail", "mail-secret\n"),
            on_failure = "refuse",
        );
        let of = |text: &str| parts(Config::parse(text).unwrap()).unwrap();
        let seconds = Duration::from_secs;
        let found = of(&text);
        assert_eq!(found.store_url.expose(), "postgres://ks@db/ks");
        assert_eq!(found.store_options.spool, Some(path("data").join("spool.bin")));
        assert!(
            matches!(found.root_key, RootKeySource::Passphrase(text) if text.expose() == "correct horse")
        );
        let custody = found.custody;
        assert_eq!(
            (
                custody.kek_ttl,
                custody.max_wraps,
                custody.max_age,
                custody.customer_keys.len()
            ),
            (seconds(61), 62, seconds(63), 1)
        );
        let proxy = found.proxy;
        assert_eq!(proxy.hosts, ["ks.example"]);
        assert_eq!(
            (proxy.stall_timeout, proxy.drain_timeout, proxy.max_connections),
            (seconds(64), seconds(65), 66)
        );
        assert_eq!(
            (proxy.connect_timeout, proxy.head_timeout, proxy.idle_timeout),
            (seconds(67), seconds(68), seconds(69))
        );
        assert!(proxy.allow_private.contains("127.0.0.1:70"));
        assert_eq!(proxy.extra_ca, Some("/71.pem".into()));
        assert_eq!((proxy.default_rpm, proxy.default_rpd), (72, 73));
        assert!(matches!(
            proxy.stray_keys,
            keystore_proxy::config::StrayKeys::Pass
        ));
        for durability in [proxy.durability, found.store_options.durability] {
            assert!(matches!(durability, keystore_store::Durability::Power));
        }
        let settings = found.settings;
        assert!(matches!(settings.signup, crate::config::SignUp::Closed));
        assert_eq!(settings.api_url, "https://api.example");
        assert_eq!(settings.audit_retention, Some(seconds(74 * 86_400)));
        assert!(found.payments.is_some() && !settings.dev && !proxy.dev);
        assert_eq!(found.audit_sinks.refuse_after(), Some(seconds(75)));
        let warned = of(&text.replace("\"refuse\"", "\"warn\""));
        assert_eq!(warned.audit_sinks.refuse_after(), None);
    }

    #[test]
    fn agents_are_told_an_address_that_they_reach() {
        let with = |text: &str| proxy_url(&toml::from_str(text).unwrap());
        let tls = "tls = { cert_file = \"c\", key_file = \"k\" }";
        for (section, told) in [
            ("", "http://127.0.0.1:8400"),
            ("hosts = [\"localhost\"]", "http://localhost:8400"),
            ("hosts = [\"[::1]\"]", "http://[::1]:8400"),
            ("hosts = [\"ks.example:9000\"]", "http://ks.example:9000"),
            (
                "hosts = [\"ks.example\"]\nbehind_tls = true",
                "https://ks.example",
            ),
            (
                "hosts = [\"ks.example\"]\nbehind_tls = true\npublic_url = \"https://ks.example:8443/\"",
                "https://ks.example:8443",
            ),
            (
                &format!("hosts = [\"ks.example\"]\n{tls}"),
                "https://ks.example:8400",
            ),
            (
                &format!("addr = \"[::]:443\"\nhosts = [\"ks.example\"]\n{tls}"),
                "https://ks.example",
            ),
        ] {
            assert_eq!(with(section), told, "{section}");
        }
    }
}
