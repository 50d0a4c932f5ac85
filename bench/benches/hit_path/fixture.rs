//! One proxy with everything on, served over an in-memory stream: SQLite with its journal on the disk, a sealed credential, an
//! agent with a budget and rates, and the fake upstream on loopback in a thread of its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, mpsc};
use std::time::Duration;

use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use keystore_bench::load::body;
use keystore_core::ids::{AgentId, BudgetId, CredentialId, DeploymentId, KekId, OrgId, ProjectId, TokenId};
use keystore_core::policy::{AgentPolicy, BudgetPolicy, Grant, ScopePolicy, Source, TokenPolicy};
use keystore_core::window::Window;
use keystore_core::{Clock, IdSource, Micros};
use keystore_proxy::config::ProxyConfig;
use keystore_proxy::listener::ConnInfo;
use keystore_proxy::{Proxy, ProxyParts};
use keystore_store::{Options, Store, agents, budgets, credentials, keks, orgs, projects, scopes, tokens};
use keystore_testkit::clock::MockClock;
use keystore_testkit::upstream::{FakeUpstream, Options as UpstreamOptions};
use keystore_vault::intake::{DeclaredField, Given, intake};
use keystore_vault::{
    DeploymentKey, Kms, LocalKms, NewToken, PolicyMac, RootKey, SealContext, SealedCredential, SystemIds,
    TokenKind, Vault, policy_sha256,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::runtime::Runtime;
use tokio_util::task::TaskTracker;

const KEY: &str = "sk-bench-0123456789abcdef0123456789abcdef";
const PROVIDER: &str = "openai";
/// Enough that everything is cached, connected and allocated that will be.
const WARM: usize = 64;

/// A client on the in-memory stream.
pub(crate) struct Client {
    runtime: Runtime,
    stream: DuplexStream,
    request: Vec<u8>,
    answer: Vec<u8>,
    _folder: tempfile::TempDir,
}

impl Client {
    /// A warm proxy.
    pub(crate) fn warm(stream: bool) -> Self {
        let upstream = upstream();
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let folder = tempfile::tempdir().unwrap();
        let (client, token) = runtime.block_on(async {
            let (proxy, token) = proxy(upstream, folder.path()).await;
            let (client, server) = tokio::io::duplex(256 << 10);
            let conn = ConnInfo {
                peer: SocketAddr::from(([127, 0, 0, 1], 40_000)),
                tls: false,
            };
            TaskTracker::new().spawn(async move {
                let service = service_fn(move |request| {
                    let proxy = Arc::clone(&proxy);
                    async move { Ok::<_, std::convert::Infallible>(proxy.handle(request, conn).await) }
                });
                http1::Builder::new()
                    .serve_connection(TokioIo::new(server), service)
                    .await
            });
            (client, token)
        });
        let mut client = Self {
            runtime,
            stream: client,
            request: request(&token, stream),
            answer: Vec::with_capacity(64 << 10),
            _folder: folder,
        };
        client.send(WARM);
        client
    }

    /// Sends that many requests, one after the other, and reads their answers.
    pub(crate) fn send(&mut self, requests: usize) {
        let Self {
            runtime,
            stream,
            request,
            answer,
            ..
        } = self;
        runtime.block_on(async {
            for _ in 0..requests {
                stream.write_all(request).await.unwrap();
                read_answer(stream, answer).await;
            }
        });
    }
}

async fn read_answer(stream: &mut DuplexStream, answer: &mut Vec<u8>) {
    answer.clear();
    loop {
        assert!(stream.read_buf(answer).await.unwrap() > 0, "cut off");
        let Some(end) = memchr::memmem::find(answer, b"\r\n\r\n") else {
            continue;
        };
        let head = &answer[..end];
        assert!(head.starts_with(b"HTTP/1.1 200"), "{}", answer.escape_ascii());
        let whole = match memchr::memmem::find(head, b"content-length: ") {
            Some(at) => {
                let digits = head[at + 16..].iter().take_while(|byte| byte.is_ascii_digit());
                let length = digits.fold(0, |sum, digit| sum * 10 + usize::from(digit - b'0'));
                answer.len() >= end + 4 + length
            }
            None => answer.ends_with(b"\r\n0\r\n\r\n"),
        };
        if whole {
            return;
        }
    }
}

/// A chat completion as an SDK sends it, to the proxy.
pub(crate) fn request(token: &str, stream: bool) -> Vec<u8> {
    let body = body(stream);
    format!(
        "POST /v1/{PROVIDER}/v1/chat/completions HTTP/1.1\r\nhost: 127.0.0.1:8400\r\naccept: application/json\r\ncontent-type: \
         application/json\r\nuser-agent: OpenAI/Python 2.7.1\r\nx-stainless-lang: python\r\nauthorization: Bearer \
         {token}\r\ncontent-length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The fake upstream, in a thread that lives as long as the process.
fn upstream() -> SocketAddr {
    let (tell, told) = mpsc::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let fake = FakeUpstream::with(UpstreamOptions {
                fixed: true,
                ..UpstreamOptions::default()
            });
            let fake = fake.await.unwrap();
            tell.send(fake.addr()).unwrap();
            std::future::pending::<()>().await;
        });
    });
    told.recv().unwrap()
}

async fn proxy(upstream: SocketAddr, folder: &std::path::Path) -> (Arc<Proxy>, String) {
    let clock: Arc<dyn Clock> = Arc::new(MockClock::default());
    let ids: Arc<dyn IdSource> = Arc::new(SystemIds::new(Arc::clone(&clock)));
    let url = format!("sqlite://{}", folder.join("keystore.db").display());
    let (store, recovery) = Store::open(&url, Options::default(), Arc::clone(&clock), Arc::clone(&ids))
        .await
        .unwrap();
    let kms: Arc<dyn Kms> = Arc::new(LocalKms::new(&RootKey::generate().unwrap()).unwrap());
    let deployment = DeploymentId::new(ids.next());
    let key = DeploymentKey::generate().unwrap();
    let policy_mac = key.policy_mac().unwrap();
    let vault = Arc::new(Vault::new(
        kms,
        deployment,
        Duration::from_secs(3_600),
        Arc::clone(&clock),
    ));
    let token = Tenant {
        store: &store,
        vault: &vault,
        mac: &policy_mac,
        ids: ids.as_ref(),
        now: clock.now(),
    }
    .set_up(upstream)
    .await;
    let proxy = Proxy::new(ProxyParts {
        config: ProxyConfig {
            allow_private: [upstream.to_string()].into(),
            ..ProxyConfig::default()
        },
        store,
        recovery,
        vault,
        policy_mac,
        clock,
        ids,
    });
    (proxy.unwrap(), token)
}

/// What a tenant is written with.
struct Tenant<'a> {
    store: &'a Store,
    vault: &'a Vault,
    mac: &'a PolicyMac,
    ids: &'a dyn IdSource,
    now: Micros,
}

impl Tenant<'_> {
    /// An organization with a credential for the upstream and an agent that may use it; gives the agent's token.
    async fn set_up(&self, upstream: SocketAddr) -> String {
        let (org, project) = self.organization().await;
        let credential = self.credential(org, project, upstream).await;
        let agent = AgentId::new(self.ids.next());
        let budget = BudgetId::new(self.ids.next());
        let budget = BudgetPolicy {
            project: Some(project),
            agent: Some(agent),
            ..BudgetPolicy::new(budget, org, 1_000_000_000_000_000, Window::Month)
        };
        let policy = AgentPolicy {
            grants: vec![Grant::new(PROVIDER, Source::Byok, Some(credential))],
            rpm_limit: Some(1_000_000),
            rpd_limit: Some(1_000_000),
            budgets: vec![budget.budget],
            ..AgentPolicy::new(agent, org, project)
        };
        let value = NewToken::generate(TokenKind::Agent).unwrap();
        let token = TokenPolicy {
            token: TokenId::new(self.ids.next()),
            hash: value.hash().0,
            agent,
            expires_at: None,
            revoked: false,
        };
        let mut tx = self.store.begin().await.unwrap();
        let mac = self.mac.tag("agent", &policy.canonical());
        let new = agents::NewAgent {
            name: "bench",
            policy: &policy,
            mac: &mac,
            at: self.now,
        };
        agents::insert(&mut tx, &new).await.unwrap();
        for scope in [None, Some(project)] {
            let scope = ScopePolicy::open(org, scope);
            let mac = self.mac.tag("scope", &scope.canonical());
            scopes::put(&mut tx, &scope, &mac, self.now).await.unwrap();
        }
        let mac = self.mac.tag("budget", &budget.canonical());
        budgets::insert(&mut tx, &budget, &mac, self.now).await.unwrap();
        let mac = self.mac.tag("token", &token.canonical());
        let new = tokens::NewToken {
            org,
            name: "bench",
            policy: &token,
            mac: &mac,
            at: self.now,
        };
        assert!(tokens::insert(&mut tx, &new).await.unwrap());
        tx.commit().await.unwrap();
        value.into_text().to_string()
    }

    async fn organization(&self) -> (OrgId, ProjectId) {
        let (org, project) = (OrgId::new(self.ids.next()), ProjectId::new(self.ids.next()));
        let kek = self
            .vault
            .new_kek(org, KekId::new(self.ids.next()), 1, None)
            .await
            .unwrap();
        let mut tx = self.store.begin().await.unwrap();
        let row = orgs::Org {
            id: org,
            slug: "bench".to_owned(),
            name: "Bench".to_owned(),
            time_zone: "UTC".to_owned(),
            previous_time_zone: None,
            time_zone_changed_at: None,
            event_mails: true,
            second_factor_required: false,
            created_at: self.now,
            updated_at: self.now,
        };
        orgs::insert(&mut tx, &row).await.unwrap();
        let row = keks::Kek {
            id: kek.id,
            org,
            generation: kek.generation,
            wrapped: kek.bytes,
            customer: None,
            wraps: 0,
            imported: false,
            verified_at: None,
            state: keks::KekState::Active,
            created_at: self.now,
        };
        keks::insert(&mut tx, &row).await.unwrap();
        let row = projects::Project {
            id: project,
            org,
            slug: "default".to_owned(),
            name: "Default".to_owned(),
            labels: Vec::new(),
            created_at: self.now,
            updated_at: self.now,
        };
        projects::insert(&mut tx, &row).await.unwrap();
        tx.commit().await.unwrap();
        (org, project)
    }

    async fn credential(&self, org: OrgId, project: ProjectId, upstream: SocketAddr) -> CredentialId {
        let provider = keystore_catalog::provider(PROVIDER).unwrap();
        let base = format!("http://{upstream}");
        let policy = provider
            .destination_policy(&BTreeMap::new(), Some(&base), &|_| true)
            .unwrap()
            .canonical();
        let id = CredentialId::new(self.ids.next());
        let kek = keks::active(&mut self.store.read().await.unwrap(), org)
            .await
            .unwrap()
            .unwrap();
        let context = SealContext {
            deployment: self.vault.deployment(),
            org,
            credential: id,
            version: 1,
            provider: PROVIDER.to_owned(),
            source: Source::Byok,
            policy_sha256: policy_sha256(&policy),
        };
        let kek = keystore_vault::WrappedKek {
            id: kek.id,
            generation: kek.generation,
            org,
            bytes: kek.wrapped,
            customer: kek.customer,
        };
        let version = credentials::CredentialVersion {
            credential: id,
            version: 1,
            sealed: self.vault.seal(&kek, &context, &secret()).await.unwrap(),
            policy,
            kek: kek.id,
            kek_generation: kek.generation,
            created_at: self.now,
        };
        let row = credentials::Credential {
            id,
            org,
            project,
            provider: PROVIDER.to_owned(),
            name: "default".to_owned(),
            source: Source::Byok,
            status: credentials::CredentialStatus::Untested,
            current_version: 1,
            params: BTreeMap::new(),
            base_url: Some(base),
            labels: Vec::new(),
            agreements: serde_json::Value::Object(serde_json::Map::new()),
            expires_at: None,
            rotate_after: None,
            last_used_at: None,
            tested_at: None,
            created_at: self.now,
            updated_at: self.now,
        };
        let mut tx = self.store.begin().await.unwrap();
        credentials::insert(&mut tx, &row, &version).await.unwrap();
        tx.commit().await.unwrap();
        id
    }
}

fn secret() -> keystore_vault::Fields {
    let declared = [DeclaredField {
        name: "key",
        required: true,
    }];
    intake(Given::Text(KEY.to_owned().into()), &declared).unwrap()
}

/// A credential in memory, sealed.
pub(crate) fn sealed() -> SealedCredential {
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    runtime.block_on(async {
        let clock: Arc<dyn Clock> = Arc::new(MockClock::default());
        let ids = SystemIds::new(Arc::clone(&clock));
        let kms: Arc<dyn Kms> = Arc::new(LocalKms::new(&RootKey::generate().unwrap()).unwrap());
        let deployment = DeploymentId::new(ids.next());
        let vault = Vault::new(kms, deployment, Duration::from_secs(3_600), clock);
        let org = OrgId::new(ids.next());
        let kek = vault.new_kek(org, KekId::new(ids.next()), 1, None).await.unwrap();
        let context = || SealContext {
            deployment,
            org,
            credential: CredentialId::new(uuid::Uuid::nil()),
            version: 1,
            provider: PROVIDER.to_owned(),
            source: Source::Byok,
            policy_sha256: policy_sha256(b"{}"),
        };
        let sealed = vault.seal(&kek, &context(), &secret()).await.unwrap();
        vault.load(&kek, context(), &sealed).await.unwrap()
    })
}
