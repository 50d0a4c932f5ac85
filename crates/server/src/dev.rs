//! `ks dev`: one command to a working Keystore on this machine.
//!
//! Embedded SQLite, a generated root key beside it, an owner, a management key, the sandbox provider, a demo agent. What was
//! made once is kept: a second start on the same data has the same owner, key and token. It listens on loopback alone.

mod demo;
mod file;
mod newcomer;

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use keystore_core::Clock;
use keystore_proxy::config::ProxyConfig;
use keystore_store::users;
use keystore_vault::SystemIds;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use crate::app::{App, Parts, Settings, Sockets};
use crate::audit::sinks::Sinks;
use crate::clock::SystemClock;
use crate::config::{SecretText, SignUp, TelemetrySection, default_data_dir};
use crate::custody::{CustodyParts, RootKeySource};
use crate::log;
use crate::mail::Shown;
use crate::run::{bind, harden, run, store_options};
use crate::sandbox::{self, Sandbox};
use crate::ui;
use file::DevFile;
use newcomer::{SandboxKey, furnish, ways_in};

/// The database's file in the data folder.
const DATABASE: &str = "keystore.db";

/// The slug of the sandbox in the catalog.
const SANDBOX: &str = "sandbox";

/// How long a drain waits for running answers.
const DRAIN: Duration = Duration::from_secs(5);

/// What `ks dev` was told.
#[derive(Debug, Clone, Default)]
pub struct DevOptions {
    /// Where everything is kept; `None` is `$XDG_DATA_HOME/keystore`, else `~/.local/share/keystore`.
    pub data_dir: Option<PathBuf>,
    /// The proxy's address; `None` is `127.0.0.1:8400`.
    pub proxy_addr: Option<SocketAddr>,
    /// The API's address; `None` is `127.0.0.1:8401`.
    pub api_addr: Option<SocketAddr>,
    /// `host:port` of upstreams at private or loopback addresses that may be dialled, and named in `baseUrl`.
    pub allow_upstream: Vec<String>,
    /// Tells of thirty invented days, in a new data folder.
    pub demo_data: bool,
    /// What is logged, a `tracing` filter; `None` is `warn`.
    pub log: Option<String>,
}

/// Runs a complete Keystore on embedded SQLite with a generated root key, an owner account, a management key, the sandbox
/// provider and a demo agent; prints how to use it. A second start on the same data keeps everything.
///
/// # Errors
/// Whatever keeps it from starting, in words for the person at the terminal.
pub async fn dev(options: DevOptions) -> anyhow::Result<()> {
    log::init(
        &TelemetrySection {
            log: options.log.clone().unwrap_or_else(|| "warn".to_owned()),
            ..TelemetrySection::default()
        },
        None,
    )?;
    harden()?;
    let dev = Dev::start(options).await?;
    dev.greet(&mut std::io::stdout().lock())?;
    dev.run().await
}

/// A development server that is set up and bound, and serves when it is run.
pub struct Dev {
    app: Arc<App>,
    sockets: Sockets,
    file: DevFile,
    data_dir: PathBuf,
    /// The command that signs the owner in, once.
    sign_in: String,
    first_start: bool,
}

impl Dev {
    /// Sets everything up, or finds it as it was left.
    ///
    /// # Errors
    /// In words for the person at the terminal.
    pub async fn start(options: DevOptions) -> anyhow::Result<Self> {
        if !options.demo_data {
            return Self::start_at(options, None).await;
        }
        // The days are lived through by a server of their own, so that this one finds what they left, as after any other start.
        let wound = Arc::new(demo::Wound::back());
        let past = Self::start_at(options.clone(), Some(Arc::clone(&wound))).await?;
        demo::live(&past.app, &wound, &past.file).await?;
        past.app.shut_down();
        past.serve().await;
        let now = Self::start_at(options, None).await?;
        Ok(Self {
            first_start: true,
            ..now
        })
    }

    async fn start_at(options: DevOptions, wound: Option<Arc<demo::Wound>>) -> anyhow::Result<Self> {
        let loopback = |port| SocketAddr::from((Ipv4Addr::LOCALHOST, port));
        let proxy_addr = options.proxy_addr.unwrap_or_else(|| loopback(8400));
        let api_addr = options.api_addr.unwrap_or_else(|| loopback(8401));
        if !proxy_addr.ip().is_loopback() || !api_addr.ip().is_loopback() {
            bail!("`ks dev` listens on loopback addresses only: it has no TLS; use `ks serve` for others");
        }
        let data_dir = options
            .data_dir
            .or_else(default_data_dir)
            .context("there is no home directory; name a folder with `--data-dir`")?;
        let store_options = store_options(&data_dir)?;
        let sockets = Sockets {
            proxy: bind(proxy_addr, "--proxy-addr").await?,
            proxy_tls: None,
            api: bind(api_addr, "--api-addr").await?,
            api_tls: None,
        };
        if wound.is_some() && data_dir.join(DATABASE).exists() {
            bail!(
                "`--demo-data` is for a new folder, and {} holds a Keystore already; name another one with `--data-dir`",
                data_dir.display()
            );
        }
        let clock: Arc<dyn Clock> = match &wound {
            Some(wound) => Arc::clone(wound) as _,
            None => Arc::new(SystemClock),
        };
        let (tasks, stop) = (TaskTracker::new(), CancellationToken::new());
        let key = SandboxKey::generate()?;
        let sandbox = Sandbox::start(key.text(), Arc::clone(&clock), &tasks, stop.clone()).await?;
        let upstream = format!("{}", sandbox.addr);
        let mut allowed = options.allow_upstream;
        allowed.push(upstream.clone());
        let proxy_url = format!("http://{}", sockets.proxy.local_addr()?);
        let api_url = format!("http://{}", sockets.api.local_addr()?);
        let parts = Parts {
            store_url: SecretText::new(format!("sqlite://{}", data_dir.join(DATABASE).display())),
            store_options,
            root_key: RootKeySource::FileOrNew(data_dir.join("root.key")),
            custody: CustodyParts::default(),
            proxy: ProxyConfig {
                dev: true,
                allow_private: allowed.iter().cloned().collect(),
                drain_timeout: DRAIN,
                ..ProxyConfig::default()
            },
            settings: Settings {
                signup: SignUp::Closed,
                secure_cookies: false,
                behind_tls: false,
                dev: true,
                proxy_url: proxy_url.clone(),
                api_url: api_url.clone(),
                allow_upstream: allowed.into_iter().collect(),
                audit_retention: None,
            },
            mailer: Arc::new(Shown::Terminal),
            payments: None,
            audit_sinks: Sinks::default(),
            ids: Arc::new(SystemIds::new(Arc::clone(&clock))),
            clock,
        };
        let app = App::start_with(parts, tasks, stop).await?;
        let path = data_dir.join("dev.json");
        let kept = DevFile::read(&path)?;
        let first_start = users::count(&mut app.store.read().await?).await? == 0;
        let file = furnish(
            &app,
            kept,
            first_start,
            &format!("http://{upstream}"),
            key,
            proxy_url,
            api_url,
        )
        .await?;
        file.write(&path)?;
        let sign_in = ways_in(&app, &file).await?;
        Ok(Self {
            app,
            sockets,
            file,
            data_dir,
            sign_in,
            first_start,
        })
    }

    /// Says how to use it.
    ///
    /// # Errors
    /// The writer's.
    pub fn greet(&self, out: &mut dyn Write) -> std::io::Result<()> {
        let file = &self.file;
        let began = if self.first_start {
            "Keystore is set up and running."
        } else {
            "Keystore is running."
        };
        let call = |stream: &str| {
            format!(
                "  curl -sN {}/v1/{SANDBOX}/v1/chat/completions \\\n    -H 'authorization: Bearer {}' \\\n    -H \
                 'content-type: application/json' \\\n    -d '{{\"model\":\"{}\",{stream}\"messages\":[{{\"role\":\
                 \"user\",\"content\":\"Hello!\"}}]}}'",
                file.proxy_url,
                file.token,
                sandbox::MODEL
            )
        };
        writeln!(out, "{began}\n")?;
        writeln!(out, "  Proxy (for agents)   {}", file.proxy_url)?;
        if ui::is_built() {
            writeln!(out, "  Dashboard            {}", file.api_url)?;
        }
        writeln!(out, "  API (for people)     {}", file.api_url)?;
        writeln!(out, "  API description      {}/openapi.json\n", file.api_url)?;
        writeln!(
            out,
            "Call a model through it (a fake one, so no account is needed):\n\n{}\n",
            call("")
        )?;
        writeln!(out, "The same as a stream:\n\n{}\n", call("\"stream\":true,"))?;
        writeln!(out, "Sign in (good once, for ten minutes):\n\n{}\n", self.sign_in)?;
        writeln!(
            out,
            "Password, management key and token: {}",
            self.data_dir.join("dev.json").display()
        )?;
        writeln!(out, "Stop it with Ctrl-C; the next start keeps everything.")?;
        out.flush()
    }

    /// What is served. [`App::shut_down`] ends [`Dev::serve`].
    pub fn app(&self) -> Arc<App> {
        Arc::clone(&self.app)
    }

    /// Serves until it is told to shut down.
    pub async fn serve(self) {
        self.app.serve(self.sockets, DRAIN).await;
    }

    /// Serves until a signal.
    ///
    /// # Errors
    /// The signals cannot be heard.
    pub async fn run(self) -> anyhow::Result<()> {
        run(&self.app, self.sockets, Duration::ZERO).await
    }
}
