use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, AtomicU64, AtomicUsize, Ordering};

use keystore_core::Micros;
use keystore_core::ids::CredentialId;
use keystore_core::policy::Source;
use uuid::Uuid;

use super::*;
use crate::intake::{Declared, Submitted, intake};
use crate::kms::KmsFuture;
use crate::{LocalKms, Opened, RootKey};

#[derive(Default)]
struct TestClock(AtomicU64);

impl Clock for TestClock {
    fn now(&self) -> Micros {
        Micros(0)
    }

    fn boottime(&self) -> Duration {
        Duration::from_secs(self.0.load(Ordering::SeqCst))
    }
}

/// A KMS that can be switched off, and counts.
struct Switchable {
    inner: LocalKms,
    off: AtomicBool,
    unwraps: AtomicUsize,
}

impl Kms for Switchable {
    fn wrap<'a>(&'a self, key: &'a Secret, context: &'a [u8]) -> KmsFuture<'a, Vec<u8>> {
        self.inner.wrap(key, context)
    }

    fn unwrap<'a>(&'a self, wrapped: &'a [u8], context: &'a [u8]) -> KmsFuture<'a, Secret> {
        self.unwraps.fetch_add(1, Ordering::SeqCst);
        if self.off.load(Ordering::SeqCst) {
            return Box::pin(async { Err(KmsError::Unavailable) });
        }
        self.inner.unwrap(wrapped, context)
    }
}

struct House {
    kms: Arc<Switchable>,
    clock: Arc<TestClock>,
    vault: Vault,
    kek: WrappedKek,
}

const DEPLOYMENT: DeploymentId = DeploymentId::new(Uuid::from_u128(1));
const ORG: OrgId = OrgId::new(Uuid::from_u128(2));

fn kms(root: &str) -> Arc<Switchable> {
    let inner = LocalKms::new(&RootKey::from_text(&root.repeat(32)).unwrap()).unwrap();
    Arc::new(Switchable {
        inner,
        off: AtomicBool::new(false),
        unwraps: AtomicUsize::new(0),
    })
}

async fn house(ttl: u64) -> House {
    let (kms, clock) = (kms("07"), Arc::new(TestClock::default()));
    let vault = Vault::new(kms.clone(), DEPLOYMENT, Duration::from_secs(ttl), clock.clone());
    let kek = vault
        .new_kek(ORG, KekId::new(Uuid::from_u128(3)), 1)
        .await
        .unwrap();
    House {
        kms,
        clock,
        vault,
        kek,
    }
}

fn context(credential: u128) -> SealContext {
    SealContext {
        deployment: DEPLOYMENT,
        org: ORG,
        credential: CredentialId::new(Uuid::from_u128(credential)),
        version: 1,
        provider: "openai".into(),
        source: Source::Byok,
        policy_sha256: [9; 32],
    }
}

fn fields(key: &str) -> Fields {
    let declared = [Declared {
        name: "key",
        required: true,
    }];
    intake(Submitted::Single(Secret::new(key.into())), &declared).unwrap_or_else(|error| panic!("{error}"))
}

#[expect(clippy::disallowed_methods, reason = "a test of this very method")]
fn key_of(opened: &Opened) -> &[u8] {
    opened.expose_field("key").unwrap()
}

#[tokio::test]
async fn what_is_sealed_opens_in_its_own_place() {
    let House { vault, kek, .. } = house(600).await;
    let blob = vault.seal(&kek, &context(1), &fields("sk-canary")).await.unwrap();
    assert!(!blob.windows(9).any(|window| window == b"sk-canary"));
    let loaded = vault.load(&kek, context(1), &blob).await.unwrap();
    assert!(key_of(&loaded.open().unwrap()) == b"sk-canary");
}

#[tokio::test]
async fn no_other_place_opens_it() {
    let House { vault, kek, .. } = house(600).await;
    let blob = vault.seal(&kek, &context(1), &fields("sk-canary")).await.unwrap();
    let mut policy = [9; 32];
    policy[31] = 8;
    let right = context(1);
    let places = [
        SealContext {
            deployment: DeploymentId::new(Uuid::from_u128(9)),
            ..right.clone()
        },
        SealContext {
            org: OrgId::new(Uuid::from_u128(9)),
            ..right.clone()
        },
        SealContext {
            credential: CredentialId::new(Uuid::from_u128(9)),
            ..right.clone()
        },
        SealContext {
            version: 2,
            ..right.clone()
        },
        SealContext {
            provider: "openaj".into(),
            ..right.clone()
        },
        SealContext {
            source: Source::Marketplace,
            ..right.clone()
        },
        SealContext {
            policy_sha256: policy,
            ..right
        },
    ];
    for place in places {
        assert_eq!(
            vault.load(&kek, place.clone(), &blob).await.err(),
            Some(VaultError::Corrupt),
            "{place:?}"
        );
    }
}

#[tokio::test]
async fn a_flipped_bit_anywhere_is_noticed() {
    let House { vault, kek, .. } = house(600).await;
    let blob = vault.seal(&kek, &context(1), &fields("sk-canary")).await.unwrap();
    for at in 0..blob.len() {
        for bit in 0..8 {
            let mut changed = blob.clone();
            changed[at] ^= 1 << bit;
            assert_eq!(
                vault.load(&kek, context(1), &changed).await.err(),
                Some(VaultError::Corrupt),
                "byte {at} bit {bit}"
            );
        }
    }
}

#[tokio::test]
async fn no_part_of_one_blob_fits_into_another() {
    let House { vault, kek, .. } = house(600).await;
    const ROWS: u128 = 12;
    let mut blobs = Vec::new();
    for row in 0..ROWS {
        let sealed = vault
            .seal(&kek, &context(row), &fields(&format!("sk-canary-{row:03}")))
            .await
            .unwrap();
        blobs.push(Blob::parse(&sealed).unwrap());
    }
    for (own, mine) in blobs.iter().enumerate() {
        for (_, other) in blobs.iter().enumerate().filter(|(row, _)| *row != own) {
            let swapped = [
                Blob {
                    wrap_nonce: other.wrap_nonce,
                    ..mine.clone()
                },
                Blob {
                    wrapped_dek: other.wrapped_dek,
                    ..mine.clone()
                },
                Blob {
                    wrap_nonce: other.wrap_nonce,
                    wrapped_dek: other.wrapped_dek,
                    ..mine.clone()
                },
                Blob {
                    nonce: other.nonce,
                    ..mine.clone()
                },
                Blob {
                    sealed: other.sealed.clone(),
                    ..mine.clone()
                },
                Blob {
                    commitment: other.commitment,
                    ..mine.clone()
                },
                other.clone(),
            ];
            for (field, blob) in swapped.iter().enumerate() {
                let loaded = vault.load(&kek, context(own as u128), &blob.to_bytes()).await;
                assert_eq!(
                    loaded.err(),
                    Some(VaultError::Corrupt),
                    "row {own}, field {field}"
                );
            }
        }
    }
}

#[tokio::test]
async fn no_key_and_no_iv_is_used_twice() {
    let House { vault, kek, .. } = house(600).await;
    let (mut ivs, mut keys) = (HashSet::new(), HashSet::new());
    for _ in 0..2_000 {
        let sealed = vault.seal(&kek, &context(1), &fields("sk-canary")).await.unwrap();
        let blob = Blob::parse(&sealed).unwrap();
        assert!(ivs.insert(blob.nonce) && ivs.insert(blob.wrap_nonce) && keys.insert(blob.wrapped_dek));
    }
}

#[tokio::test]
async fn another_root_key_opens_nothing_and_says_so() {
    let House {
        vault, kek, clock, ..
    } = house(600).await;
    let blob = vault.seal(&kek, &context(1), &fields("sk-canary")).await.unwrap();
    let thief = Vault::new(kms("08"), DEPLOYMENT, Duration::from_secs(600), clock);
    assert_eq!(
        thief.load(&kek, context(1), &blob).await.err(),
        Some(VaultError::Corrupt)
    );
}

#[tokio::test]
async fn an_unwrapped_key_is_kept_for_its_time_and_no_longer() {
    let House {
        vault,
        kek,
        clock,
        kms,
    } = house(600).await;
    let blob = vault.seal(&kek, &context(1), &fields("sk-canary")).await.unwrap();
    let loaded = vault.load(&kek, context(1), &blob).await.unwrap();
    assert_eq!(
        kms.unwraps.load(Ordering::SeqCst),
        1,
        "sealing unwrapped the KEK, loading found it"
    );

    kms.off.store(true, Ordering::SeqCst);
    clock.0.store(599, Ordering::SeqCst);
    assert!(loaded.open().is_ok(), "the KMS is away, the key is still kept");
    clock.0.store(600, Ordering::SeqCst);
    assert_eq!(loaded.open().err(), Some(VaultError::Stale));
    assert_eq!(loaded.open_fresh(&vault).await.err(), Some(VaultError::Sealed));
    assert_eq!(
        loaded.open().err(),
        Some(VaultError::Stale),
        "nothing is served from an old key"
    );

    kms.off.store(false, Ordering::SeqCst);
    assert!(
        key_of(&loaded.open_fresh(&vault).await.unwrap()) == b"sk-canary",
        "back without a restart"
    );
    assert!(loaded.open().is_ok());
}

#[tokio::test]
async fn without_a_time_to_keep_keys_every_use_asks_the_kms() {
    let House { vault, kek, kms, .. } = house(0).await;
    let blob = vault.seal(&kek, &context(1), &fields("sk-canary")).await.unwrap();
    let loaded = vault.load(&kek, context(1), &blob).await.unwrap();
    let before = kms.unwraps.load(Ordering::SeqCst);
    assert_eq!(loaded.open().err(), Some(VaultError::Stale));
    assert!(loaded.open_fresh(&vault).await.is_ok() && loaded.open_fresh(&vault).await.is_ok());
    assert_eq!(kms.unwraps.load(Ordering::SeqCst), before + 2);
}
