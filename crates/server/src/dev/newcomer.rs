//! What a newcomer finds: an owner with an organization, the sandbox's credentials, a management key, a demo agent with its token.

use anyhow::Context;
use keystore_core::policy::Source;
use keystore_store::credentials::Credential;
use keystore_store::members::Role;
use keystore_store::{api_keys as key_rows, credentials as credential_rows, tokens as token_rows, users};
use keystore_vault::intake::Given;
use keystore_vault::{NewToken, TokenKind, hash_token};
use keystore_wire::agents::GrantInput;
use keystore_wire::billing::{Post, Posting};
use keystore_wire::credentials::{CreateCredential, DEFAULT_NAME};
use keystore_wire::tokens::CreateToken;
use zeroize::Zeroizing;

use crate::agents;
use crate::api::problem::ApiError;
use crate::api_keys::{self, NewKey};
use crate::app::App;
use crate::auth::accounts::{self, NewAccount};
use crate::auth::caller::{Caller, Who};
use crate::auth::origin::Origin;
use crate::auth::visitor::Visitor;
use crate::billing::postings;
use crate::config::SecretText;
use crate::credentials;
use crate::{operator, pools, ui};

use super::SANDBOX;
use super::file::DevFile;

/// The name of the demo agent, and of what belongs to it.
const DEMO: &str = "demo";

/// Dollars of credit that the newcomer is given.
const WELCOME: &str = "10";

const EMAIL: &str = "owner@keystore.local";

/// The key that the sandbox of this start takes: kept nowhere but sealed.
pub(super) struct SandboxKey(Zeroizing<String>);

impl SandboxKey {
    pub(super) fn generate() -> anyhow::Result<Self> {
        let random = NewToken::generate(TokenKind::SignInCode)?.into_text();
        let digits = random.trim_start_matches(TokenKind::SignInCode.prefix());
        Ok(Self(Zeroizing::new(format!("sandbox-{digits}"))))
    }

    pub(super) fn text(&self) -> SecretText {
        SecretText::new(self.0.to_string())
    }
}

/// Makes what is missing: the owner, the sandbox's credential, the management key, the demo agent with its token. What the
/// file holds is used only as far as it still holds.
pub(super) async fn furnish(
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
pub(super) async fn ways_in(app: &App, file: &DevFile) -> anyhow::Result<String> {
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
