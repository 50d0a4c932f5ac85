//! `ks dev`: one command to a working Keystore on this machine.
//!
//! Embedded SQLite, a generated root key beside it, an owner, a management key, the sandbox provider, a demo agent. What was
//! made once is kept: a second start on the same data has the same owner, key and token. It listens on loopback alone.

mod demo;
mod file;

use std::io::Write;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use keystore_core::Clock;
use keystore_core::policy::Source;
use keystore_proxy::config::ProxyConfig;
use keystore_store::credentials::Credential;
use keystore_store::members::Role;
use keystore_store::{api_keys as key_rows, credentials as credential_rows, tokens as token_rows, users};
use keystore_vault::intake::Given;
use keystore_vault::{NewToken, SystemIds, TokenKind, hash_token};
use keystore_wire::agents::GrantInput;
use keystore_wire::billing::{Post, Posting};
use keystore_wire::credentials::{CreateCredential, DEFAULT_NAME};
use keystore_wire::tokens::CreateToken;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use zeroize::Zeroizing;

use crate::agents;
use crate::api::problem::ApiError;
use crate::api_keys::{self, NewKey};
use crate::app::{App, Parts, Settings, Sockets};
use crate::audit::sinks::Sinks;
use crate::auth::accounts::{self, NewAccount};
use crate::auth::caller::{Caller, Who};
use crate::auth::origin::Origin;
use crate::auth::visitor::Visitor;
use crate::billing::postings;
use crate::clock::SystemClock;
use crate::config::{SecretText, SignUp, TelemetrySection, default_data_dir};
use crate::credentials;
use crate::custody::{CustodyParts, RootKeySource};
use crate::log;
use crate::mail::Shown;
use crate::run::{bind, harden, run, store_options};
use crate::sandbox::{self, Sandbox};
use crate::{operator, pools, ui};
use file::DevFile;

/// The database's file in the data folder.
const DATABASE: &str = "keystore.db";

/// The slug of the sandbox in the catalog.
const SANDBOX: &str = "sandbox";

/// The name of the demo agent, and of what belongs to it.
const DEMO: &str = "demo";

/// Dollars of credit that the newcomer is given.
const WELCOME: &str = "10";

/// How long a drain waits for running answers.
const DRAIN: Duration = Duration::from_secs(5);

const EMAIL: &str = "owner@keystore.local";

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
                shutdown_timeout: DRAIN,
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
        let file = settle(
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

/// The key that the sandbox of this start takes: kept nowhere but sealed.
struct SandboxKey(Zeroizing<String>);

impl SandboxKey {
    fn generate() -> anyhow::Result<Self> {
        let random = NewToken::generate(TokenKind::SignInCode)?.into_text();
        let digits = random.trim_start_matches(TokenKind::SignInCode.prefix());
        Ok(Self(Zeroizing::new(format!("sandbox-{digits}"))))
    }

    fn text(&self) -> SecretText {
        SecretText::new(self.0.to_string())
    }
}

/// Makes what is missing: the owner, the sandbox's credential, the management key, the demo agent with its token. What the
/// file holds is used only as far as it still holds.
async fn settle(
    app: &App,
    kept: Option<DevFile>,
    first_start: bool,
    sandbox_url: &str,
    key: SandboxKey,
    proxy_url: String,
    api_url: String,
) -> anyhow::Result<DevFile> {
    let kept = match (first_start, kept) {
        (true, _) => DevFile::default(),
        (false, Some(kept)) => kept,
        (false, None) => DevFile {
            email: EMAIL.to_owned(),
            ..DevFile::default()
        },
    };
    let (email, password, caller) = owner(app, first_start, kept.email, kept.password).await?;
    let (operator_key, operator) = operator(app, &caller, kept.operator_key).await?;
    seal_sandbox(app, &caller, sandbox_url, &key).await?;
    pool_sandbox(app, &operator, sandbox_url, key).await?;
    Ok(DevFile {
        operator_key,
        api_key: management_key(app, &caller, kept.api_key).await?,
        token: demo_token(app, &caller, kept.token).await?,
        proxy_url,
        api_url,
        email,
        password,
    })
}

async fn owner(
    app: &App,
    first_start: bool,
    email: String,
    password: String,
) -> anyhow::Result<(String, String, Caller)> {
    if !first_start {
        let mut conn = app.store.read().await?;
        let user = users::by_email(&mut conn, &email).await?;
        let user = user.with_context(|| {
            format!("the owner {email} of dev.json does not exist in this database; remove dev.json to go on")
        })?;
        let orgs = accounts::orgs_of(&mut conn, user.id).await?;
        let (org, role) = orgs
            .into_iter()
            .next()
            .context("the owner belongs to no organization")?;
        return Ok((email, password, person(user.id, org.id, role)));
    }
    let secret = NewToken::generate(TokenKind::SignInCode)?.into_text().to_string();
    let password = secret.chars().rev().take(24).collect::<String>();
    let new = NewAccount {
        email: EMAIL,
        password: &password,
        name: "Owner",
        org_name: "Dev",
    };
    let made = accounts::sign_up(app, &new, &Visitor::default()).await?;
    Ok((
        EMAIL.to_owned(),
        password,
        person(made.user.id, made.org.id, Role::Owner),
    ))
}

/// There is no mail server here, so the link goes to the terminal. One code, for the dashboard or for `ks`.
async fn ways_in(app: &App, file: &DevFile) -> anyhow::Result<String> {
    let user = users::by_email(&mut app.store.read().await?, &file.email).await?;
    let user = user.context("the owner is gone")?;
    let code = accounts::sign_in_code(app, user.id).await?;
    let code = code.into_text();
    // Behind the `#`, the code is in no log and in no `Referer`.
    let link = match ui::is_built() {
        true => format!("  {}/#/sign-in?code={}\n\n", file.api_url, code.as_str()),
        false => String::new(),
    };
    Ok(format!(
        "{link}  ks login --api-url {} --code {}",
        file.api_url,
        code.as_str()
    ))
}

/// The owner, acting on their own machine without a session.
fn person(user: keystore_core::ids::UserId, org: keystore_core::ids::OrgId, role: Role) -> Caller {
    Caller {
        org,
        role,
        project: None,
        who: Who::Machine { user },
        origin: Origin::default(),
    }
}

/// The sandbox listens on another port with another key at each start.
async fn seal_sandbox(app: &App, caller: &Caller, url: &str, key: &SandboxKey) -> anyhow::Result<()> {
    let found = {
        let mut conn = app.store.read().await?;
        let project = caller.select_project(&mut conn, None).await?;
        credential_rows::by_name(&mut conn, caller.org, project.id, SANDBOX, DEFAULT_NAME).await?
    };
    match found {
        Some(row) => move_sandbox(app, caller, row, url, key).await?,
        None => {
            let new = serde_json::json!({"provider": SANDBOX, "secret": key.0.as_str(), "baseUrl": url});
            let new: CreateCredential = serde_json::from_value(new)?;
            credentials::create(app, caller, new, false).await?;
        }
    }
    Ok(())
}

/// The same sandbox as one that the operator sells the use of.
async fn pool_sandbox(app: &App, operator: &Caller, url: &str, key: SandboxKey) -> anyhow::Result<()> {
    let pooled = pools::of_org(app, &mut app.store.read().await?, operator.org, Some(SANDBOX)).await?;
    match pooled.into_iter().next() {
        Some(member) => move_sandbox(app, operator, member.credential, url, &key).await,
        None => {
            let new = serde_json::json!({"provider": SANDBOX, "secret": key.0.as_str(), "baseUrl": url});
            pools::add(app, operator, serde_json::from_value(new)?, false).await?;
            Ok(())
        }
    }
}

async fn move_sandbox(
    app: &App,
    caller: &Caller,
    row: Credential,
    url: &str,
    key: &SandboxKey,
) -> anyhow::Result<()> {
    let moved = credentials::Rotation {
        secret: Given::Text(key.0.clone()),
        base_url: Some(url),
        expires_at: None,
        rotate_after: None,
        verify: false,
    };
    credentials::rotate_to(app, caller, row, moved).await?;
    Ok(())
}

/// The operator's organization, with the key of the file while it holds, else a new one.
async fn operator(app: &App, owner: &Caller, kept: String) -> anyhow::Result<(String, Caller)> {
    let (org, key) = operator::set_up(app, owner).await?;
    let there = Caller {
        org,
        role: Role::Owner,
        ..owner.clone()
    };
    let key = match key {
        Some(key) => {
            welcome(app, &there, owner).await?;
            key.into_text().to_string()
        }
        None => management_key(app, &there, kept).await?,
    };
    Ok((key, there))
}

/// Credit for the newcomer, so that what is sold can be tried at once.
async fn welcome(app: &App, operator: &Caller, owner: &Caller) -> anyhow::Result<()> {
    let promo = Post {
        kind: Posting::PromoGrant,
        org: owner.org.to_string(),
        amount: Some(WELCOME.to_owned()),
        vendor_cost: None,
        regards: None,
        expires_at: None,
        subject: "ks dev".to_owned(),
        memo: "to try the marketplace with".to_owned(),
    };
    postings::by_hand(app, operator, &promo).await?;
    Ok(())
}

/// The key of the file while it holds, else a new one.
async fn management_key(app: &App, caller: &Caller, kept: String) -> anyhow::Result<String> {
    let found = key_rows::by_hash(
        &mut app.store.read().await?,
        &hash_token(kept.as_bytes()).0,
        app.clock.now(),
    )
    .await?;
    if found.is_some_and(|key| key.org == caller.org) {
        return Ok(kept);
    }
    let name = format!("ks dev {}", app.clock.now());
    let new = NewKey {
        name: &name,
        role: Role::Owner,
        project: None,
        expires_at: None,
    };
    let mut tx = app.store.begin().await?;
    let (value, _) = api_keys::create(app, &mut tx, caller, &new).await?;
    tx.commit().await?;
    Ok(value.into_text().to_string())
}

/// The token of the file while it holds, else a new one, with the demo agent if that is gone.
async fn demo_token(app: &App, caller: &Caller, kept: String) -> anyhow::Result<String> {
    if is_good(app, caller, &kept).await? {
        return Ok(kept);
    }
    let mut tx = app.store.begin().await?;
    let exists = match agents::find(app, &mut tx, caller, DEMO).await {
        Ok(_) => true,
        Err(error) if error.code() == keystore_wire::Code::NotFound => false,
        Err(error) => return Err(error.into()),
    };
    let grant = GrantInput {
        name: SANDBOX.to_owned(),
        source: Source::Byok,
        credential: None,
        scopes: Vec::new(),
        fallback: None,
    };
    let new = CreateToken {
        agent_id: exists.then(|| DEMO.to_owned()),
        name: Some(DEMO.to_owned()),
        providers: (!exists).then(|| vec![grant]),
        ..CreateToken::default()
    };
    let made = crate::tokens::create(app, &mut tx, caller, new).await?;
    tx.commit().await?;
    Ok(made.value.into_text().to_string())
}

async fn is_good(app: &App, caller: &Caller, token: &str) -> Result<bool, ApiError> {
    let hash = hash_token(token.as_bytes());
    let mut conn = app.store.read().await?;
    let mut after = None;
    loop {
        let page = token_rows::list(&mut conn, caller.org, None, None, after, 500).await?;
        if let Some(row) = page.iter().find(|row| row.hash == hash) {
            return Ok(row.decode()?.check(app.clock.now()).is_ok());
        }
        match page.last() {
            Some(last) if page.len() == 500 => after = Some(last.id),
            _ => return Ok(false),
        }
    }
}
