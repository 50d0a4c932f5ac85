//! Who holds the keys of a test's server, and what a test does with them.

use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use keystore_core::ids::CredentialId;
use keystore_server::app::App;
use keystore_server::custody::{CustodyParts, RootKeySource};
use keystore_store::{Store, credentials, deployment, keks};
use keystore_testkit::kms::{FakeKms, Service, secrets};
use keystore_vault::intake::{DeclaredField, Given, intake};
use keystore_vault::kms::{Ambient, KeyKind, KmsSettings};
use keystore_vault::{LocalKms, RootKey, SealContext, Vault, WrappedKek, policy_sha256};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::{CANARY, Running, TestApp, store_options};

/// Who holds the keys.
#[derive(Clone)]
pub(crate) struct Holding {
    /// A fake of AWS KMS, where keys may be.
    pub(crate) kms: Option<Arc<FakeKms>>,
    /// Whether the root key is there; otherwise it is in a file.
    pub(crate) root_at_kms: bool,
    /// Whether the root key before was the other one of the two.
    pub(crate) moves: bool,
    /// How long unwrapped keys are kept.
    pub(crate) kek_ttl: Duration,
    /// After so many wraps there is another KEK.
    pub(crate) max_wraps: u64,
}

impl Default for Holding {
    fn default() -> Self {
        Self {
            kms: None,
            root_at_kms: false,
            moves: false,
            kek_ttl: Duration::from_secs(600),
            max_wraps: 1 << 30,
        }
    }
}

impl Holding {
    pub(super) fn root(&self, folder: &Path) -> RootKeySource {
        Self::source(self.root_at_kms, folder)
    }

    fn source(at_kms: bool, folder: &Path) -> RootKeySource {
        match at_kms {
            true => RootKeySource::Kms(Service::Aws.key().parse().unwrap()),
            false => RootKeySource::FileOrNew(folder.join("root.key")),
        }
    }

    pub(super) fn parts(&self, folder: &Path) -> CustodyParts {
        CustodyParts {
            previous: self.moves.then(|| Self::source(!self.root_at_kms, folder)),
            kms: KmsSettings {
                aws_endpoint: self.kms.as_ref().map(|kms| kms.url()),
                ..KmsSettings::default()
            },
            ambient: Ambient::read(|name| match name {
                "AWS_ACCESS_KEY_ID" => Some(secrets::AWS.0.to_owned()),
                "AWS_SECRET_ACCESS_KEY" => Some(secrets::AWS.1.to_owned()),
                _ => None,
            }),
            kek_ttl: self.kek_ttl,
            customer_keys: vec![KeyKind::Aws],
            max_wraps: self.max_wraps,
            ..CustodyParts::default()
        }
    }
}

/// A server that waits for its root key.
pub(crate) struct Waiting {
    starting: Pin<Box<dyn Future<Output = Running>>>,
    stopped: Stopped,
    pub(crate) proxy_url: String,
    pub(crate) api_url: String,
}

/// A server's data without the server.
struct Stopped {
    owner: super::Client,
    upstream: super::FakeUpstream,
    folder: tempfile::TempDir,
    base: super::Base,
    recorder: super::Recorder,
}

impl Waiting {
    /// Does this while the server waits.
    pub(crate) async fn meanwhile<T>(&mut self, checks: impl Future<Output = T>) -> T {
        tokio::select! {
            _ = &mut self.starting => panic!("it has started without its key"),
            done = checks => done,
        }
    }

    /// The server, once it has its key.
    pub(crate) async fn started(self) -> TestApp {
        let running = self.starting.await;
        let Stopped {
            owner,
            upstream,
            folder,
            base,
            recorder,
        } = self.stopped;
        let owner = owner.at(&running.api_url);
        TestApp::of(running, owner, upstream, folder, base, recorder)
    }
}

impl TestApp {
    /// The fake of AWS KMS.
    pub(crate) fn kms(&self) -> &FakeKms {
        self.base.holding.kms.as_ref().unwrap()
    }

    /// The same, to be kept while the server is away.
    pub(crate) fn kms_shared(&self) -> Arc<FakeKms> {
        Arc::clone(self.base.holding.kms.as_ref().unwrap())
    }

    /// Stops the server and starts it again with other holders of its keys.
    pub(crate) async fn restart_held(mut self, change: impl FnOnce(&mut Holding)) -> Self {
        change(&mut self.base.holding);
        self.restart().await
    }

    /// Stops the server and starts it again as `ks serve` does, which waits for a root key that cannot be used.
    pub(crate) async fn restart_waiting(mut self) -> Waiting {
        self.ending.0 = true;
        self.app.shut_down();
        self.serving.await.unwrap();
        let (parts, sockets) = self.base.parts(self.folder.path(), &self.upstream).await;
        let (proxy_url, api_url) = (parts.settings.proxy_url.clone(), parts.settings.api_url.clone());
        let urls = (proxy_url.clone(), api_url.clone());
        let starting = Box::pin(async move {
            let started = App::start_on(parts, &sockets, CancellationToken::new()).await;
            let app = started.unwrap().unwrap();
            let serving = tokio::spawn({
                let app = Arc::clone(&app);
                async move { app.serve(sockets, Duration::from_secs(2)).await }
            });
            Running {
                app,
                serving,
                proxy_url: urls.0,
                api_url: urls.1,
            }
        });
        Waiting {
            starting,
            stopped: Stopped {
                owner: self.owner,
                upstream: self.upstream,
                folder: self.folder,
                base: self.base,
                recorder: self.recorder,
            },
            proxy_url,
            api_url,
        }
    }

    /// Does at once for keys what the server does by itself within seconds.
    pub(crate) async fn carry_keys_on(&self) {
        self.app.carry_keys_on().await.unwrap();
    }

    /// The same, in a task that may be ended at any time.
    pub(crate) fn carrying_keys_on(&self) -> JoinHandle<()> {
        let app = Arc::clone(&self.app);
        tokio::spawn(async move {
            // What a failpoint makes fail is tried again.
            let _ = app.carry_keys_on().await;
        })
    }

    /// Stops the server, stores `count` more credentials like the first one, and starts it again. The root key is in its file.
    pub(crate) async fn filled(mut self, count: usize) -> Self {
        self.ending.0 = true;
        self.app.shut_down();
        self.serving.await.unwrap();
        fill(&self.base, self.folder.path(), count).await;
        let running = self.base.start(self.folder.path(), &self.upstream).await;
        let owner = self.owner.at(&running.api_url);
        Self::of(
            running,
            owner,
            self.upstream,
            self.folder,
            self.base,
            self.recorder,
        )
    }
}

async fn fill(base: &super::Base, folder: &Path, count: usize) {
    let options = store_options(folder);
    let (clock, ids) = (Arc::clone(&base.clock), Arc::clone(&base.ids));
    let (store, _) = Store::open(&base.store_url, options, clock, ids).await.unwrap();
    let mut conn = store.read().await.unwrap();
    let deployment = deployment::get(&mut conn).await.unwrap().unwrap();
    let kek = keks::all(&mut conn, None, 1).await.unwrap().remove(0);
    let first = credentials::list(&mut conn, kek.org, None, None, None, 1)
        .await
        .unwrap()
        .remove(0);
    let version = credentials::current(&mut conn, kek.org, first.id)
        .await
        .unwrap()
        .unwrap();
    drop(conn);
    let root = RootKey::from_file(&folder.join("root.key")).ok().unwrap();
    let kms = Arc::new(LocalKms::new(&root).unwrap());
    let vault = Vault::new(
        kms,
        deployment.id,
        Duration::from_secs(600),
        Arc::clone(&base.clock),
    );
    let wrapped = WrappedKek {
        id: kek.id,
        generation: kek.generation,
        org: kek.org,
        bytes: kek.wrapped.clone(),
        customer: None,
    };
    let declared = [DeclaredField {
        name: "key",
        required: true,
    }];
    let given = || Given::Text(CANARY.to_owned().into());
    let secret = intake(given(), &declared).ok().unwrap();
    let mut left = count;
    while left > 0 {
        let mut tx = store.begin().await.unwrap();
        for number in 0..left.min(1_000) {
            let id = CredentialId::new(base.ids.next());
            let context = SealContext {
                deployment: deployment.id,
                org: kek.org,
                credential: id,
                version: 1,
                provider: first.provider.clone(),
                source: first.source,
                policy_sha256: policy_sha256(&version.policy),
            };
            let row = credentials::Credential {
                id,
                name: format!("filled {left} {number}"),
                ..first.clone()
            };
            let sealed = credentials::CredentialVersion {
                credential: id,
                sealed: vault.seal(&wrapped, &context, &secret).await.unwrap(),
                ..version.clone()
            };
            credentials::insert(&mut tx, &row, &sealed).await.unwrap();
        }
        tx.commit().await.unwrap();
        left -= left.min(1_000);
    }
    store.close().await;
}
