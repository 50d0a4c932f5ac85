use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use keystore_core::Micros;
use keystore_core::ids::CredentialId;
use keystore_core::policy::Source;
use keystore_testkit::counts::soak;
use uuid::Uuid;
use zeroize::Zeroizing;

use super::*;
use crate::format::policy_sha256;
use crate::intake::{DeclaredField, Given, intake};
use crate::kms::{Context, KmsError, KmsFault, KmsFuture};
use crate::{DeploymentKey, LocalKms, Opened, RootKey};

/// A clock that stands still until it is moved: wall time and boot time.
pub(crate) struct TestClock(Mutex<(i64, Duration)>);

impl Default for TestClock {
    fn default() -> Self {
        Self(Mutex::new((1_795_426_200_000_000, Duration::from_secs(100))))
    }
}

impl TestClock {
    /// Moves the wall clock only.
    pub(crate) fn step(&self, by_ms: i64) {
        self.0.lock().unwrap().0 += by_ms * 1000;
    }

    pub(crate) fn advance(&self, by: Duration) {
        self.0.lock().unwrap().1 += by;
    }
}

impl Clock for TestClock {
    fn now(&self) -> Micros {
        Micros(self.0.lock().unwrap().0)
    }

    fn boottime(&self) -> Duration {
        self.0.lock().unwrap().1
    }
}

/// A local KMS that can be taken away and counts its unwraps.
struct FlakyKms {
    inner: LocalKms,
    away: AtomicBool,
    unwraps: AtomicUsize,
}

impl Kms for FlakyKms {
    fn wrap<'a>(&'a self, key: &'a Secret, context: &'a Context) -> KmsFuture<'a, Vec<u8>> {
        if self.away.load(Ordering::Relaxed) {
            return Box::pin(async { Err(KmsError::new(KmsFault::Unavailable, "away")) });
        }
        self.inner.wrap(key, context)
    }

    fn unwrap<'a>(&'a self, wrapped: &'a [u8], context: &'a Context) -> KmsFuture<'a, Secret> {
        self.unwraps.fetch_add(1, Ordering::Relaxed);
        if self.away.load(Ordering::Relaxed) {
            return Box::pin(async { Err(KmsError::new(KmsFault::Unavailable, "away")) });
        }
        self.inner.unwrap(wrapped, context)
    }
}

const TTL: Duration = Duration::from_secs(600);

struct World {
    kms: Arc<FlakyKms>,
    clock: Arc<TestClock>,
    vault: Vault,
}

fn root(byte: u8) -> RootKey {
    RootKey::from_text(&format!("{byte:02x}").repeat(32))
        .ok()
        .unwrap()
}

fn deployment(number: u128) -> DeploymentId {
    DeploymentId::new(Uuid::from_u128(number))
}

fn org(number: u128) -> OrgId {
    OrgId::new(Uuid::from_u128(number))
}

fn kek_id(number: u128) -> KekId {
    KekId::new(Uuid::from_u128(number))
}

impl World {
    fn new(root_byte: u8, deployment_number: u128, ttl: Duration) -> Self {
        let kms = Arc::new(FlakyKms {
            inner: LocalKms::new(&root(root_byte)).unwrap(),
            away: AtomicBool::new(false),
            unwraps: AtomicUsize::new(0),
        });
        let clock = Arc::new(TestClock::default());
        let vault = Vault::new(
            Arc::clone(&kms) as Arc<dyn Kms>,
            deployment(deployment_number),
            ttl,
            Arc::clone(&clock) as Arc<dyn Clock>,
        );
        Self { kms, clock, vault }
    }

    fn unwraps(&self) -> usize {
        self.kms.unwraps.load(Ordering::Relaxed)
    }

    fn take_kms_away(&self, away: bool) {
        self.kms.away.store(away, Ordering::Relaxed);
    }

    /// Loads and opens, all the way.
    async fn open(
        &self,
        kek: &WrappedKek,
        context: &SealContext,
        sealed: &[u8],
    ) -> Result<Opened, VaultError> {
        self.vault.load(kek, context.clone(), sealed).await?.open()
    }
}

fn context(org: OrgId) -> SealContext {
    SealContext {
        deployment: deployment(1),
        org,
        credential: CredentialId::new(Uuid::from_u128(7)),
        version: 1,
        provider: "openai".into(),
        source: Source::Byok,
        policy_sha256: policy_sha256(b"{}"),
    }
}

fn secret(text: &str) -> Fields {
    let given = Given::Text(Zeroizing::new(text.to_owned()));
    intake(
        given,
        &[DeclaredField {
            name: "key",
            required: true,
        }],
    )
    .ok()
    .unwrap()
}

#[expect(clippy::disallowed_methods, reason = "the tests of the vault look into it")]
fn key_of(opened: &Opened) -> Option<String> {
    opened.expose_field("key").map(str::to_owned)
}

/// `VaultError`, or the key that should not have come out.
fn outcome(opened: Result<Opened, VaultError>) -> Result<Option<String>, VaultError> {
    opened.map(|opened| key_of(&opened))
}

#[tokio::test]
async fn what_is_sealed_opens_for_its_place() {
    let world = World::new(1, 1, TTL);
    let kek = world.vault.new_kek(org(1), kek_id(1), 1, None).await.unwrap();
    let context = context(org(1));
    let sealed = world
        .vault
        .seal(&kek, &context, &secret("sk-canary-0123456789"))
        .await
        .unwrap();
    assert!(!sealed.windows(9).any(|window| window == b"sk-canary"));
    let opened = world.open(&kek, &context, &sealed).await;
    assert_eq!(outcome(opened), Ok(Some("sk-canary-0123456789".into())));
    // The first bytes and the total length of the published form.
    assert_eq!(sealed[..5], *b"KSE1\x01");
    assert_eq!(sealed[5..21], *kek.id.uuid().as_bytes());
    assert_eq!(
        sealed.len(),
        4 + 1 + 16 + 4 + 12 + 48 + 12 + 4 + (1 + 1 + 3 + 4 + 20) + 16 + 32
    );
}

#[tokio::test]
async fn a_restart_changes_nothing_and_another_root_key_opens_nothing() {
    let world = World::new(1, 1, TTL);
    let kek = world.vault.new_kek(org(1), kek_id(1), 1, None).await.unwrap();
    let key = DeploymentKey::generate().unwrap();
    let wrapped_key = key.wrap(world.kms.as_ref(), deployment(1)).await.unwrap();
    let context = context(org(1));
    let sealed = world.vault.seal(&kek, &context, &secret("sk-1")).await.unwrap();

    let again = World::new(1, 1, TTL);
    assert_eq!(
        outcome(again.open(&kek, &context, &sealed).await),
        Ok(Some("sk-1".into()))
    );
    let key_again = DeploymentKey::unwrap(again.kms.as_ref(), deployment(1), &wrapped_key)
        .await
        .ok()
        .unwrap();
    assert!(key_again.policy_mac().unwrap().verify(
        "agent",
        b"row",
        &key.policy_mac().unwrap().tag("agent", b"row")
    ));

    for other in [World::new(2, 1, TTL), World::new(1, 2, TTL)] {
        let context = SealContext {
            deployment: other.vault.deployment(),
            ..context.clone()
        };
        assert_eq!(
            outcome(other.open(&kek, &context, &sealed).await),
            Err(VaultError::Corrupt)
        );
        assert_eq!(
            DeploymentKey::unwrap(other.kms.as_ref(), other.vault.deployment(), &wrapped_key)
                .await
                .err()
                .map(|error| error.fault),
            Some(KmsFault::Refused)
        );
    }
    assert_eq!(
        DeploymentKey::unwrap(world.kms.as_ref(), deployment(1), &kek.bytes)
            .await
            .err()
            .map(|error| error.fault),
        Some(KmsFault::Refused),
        "a KEK is no deployment key"
    );
    assert_eq!(
        DeploymentKey::unwrap(world.kms.as_ref(), deployment(1), b"")
            .await
            .err()
            .map(|error| error.fault),
        Some(KmsFault::Refused)
    );
}

#[tokio::test]
async fn every_flipped_bit_is_noticed() {
    let world = World::new(1, 1, TTL);
    let kek = world.vault.new_kek(org(1), kek_id(1), 1, None).await.unwrap();
    let context = context(org(1));
    let sealed = world.vault.seal(&kek, &context, &secret("sk-1")).await.unwrap();
    for at in 0..sealed.len() {
        for bit in 0..8 {
            let mut flipped = sealed.clone();
            flipped[at] ^= 1 << bit;
            let opened = outcome(world.open(&kek, &context, &flipped).await);
            assert!(
                matches!(opened, Err(VaultError::Corrupt | VaultError::BadFormat)),
                "byte {at}, bit {bit}: {opened:?}"
            );
        }
    }
    for at in 0..kek.bytes.len() {
        let mut flipped = kek.clone();
        flipped.bytes[at] ^= 1;
        // A vault of its own: this one has the unwrapped KEK at hand.
        let opened = outcome(World::new(1, 1, TTL).open(&flipped, &context, &sealed).await);
        assert_eq!(opened, Err(VaultError::Corrupt), "byte {at} of the KEK");
    }
}

#[tokio::test]
async fn the_commitment_is_checked_before_the_ciphertext() {
    let world = World::new(1, 1, TTL);
    let kek = world.vault.new_kek(org(1), kek_id(1), 1, None).await.unwrap();
    let context = context(org(1));
    let mut sealed = world.vault.seal(&kek, &context, &secret("sk-1")).await.unwrap();
    let last = sealed.len() - 1;
    sealed[last] ^= 1;
    assert_eq!(
        world.vault.load(&kek, context, &sealed).await.err(),
        Some(VaultError::Corrupt)
    );
}

/// Everything that a row of the database says about a credential version.
#[derive(Clone)]
struct Row {
    kek: WrappedKek,
    context: SealContext,
    sealed: Vec<u8>,
}

/// Rows that differ in every field, over two organizations.
async fn rows(world: &World, count: u32) -> Vec<Row> {
    let mut keks = Vec::new();
    for number in 0..2 {
        keks.push(
            world
                .vault
                .new_kek(org(number), kek_id(10 + number), 1, None)
                .await
                .unwrap(),
        );
    }
    let mut rows = Vec::new();
    for number in 0..count {
        let kek = keks[number as usize % 2].clone();
        let context = SealContext {
            credential: CredentialId::new(Uuid::from_u128(100 + u128::from(number))),
            version: 1 + number,
            provider: format!("provider-{number}"),
            source: if number / 2 % 2 == 0 {
                Source::Byok
            } else {
                Source::Marketplace
            },
            policy_sha256: policy_sha256(&number.to_be_bytes()),
            ..context(kek.org)
        };
        let sealed = world
            .vault
            .seal(&kek, &context, &secret(&format!("sk-{number}")))
            .await
            .unwrap();
        rows.push(Row { kek, context, sealed });
    }
    rows
}

#[tokio::test]
async fn no_field_of_a_row_can_be_swapped_with_another_rows() {
    let world = World::new(1, 1, TTL);
    // Every ordered pair of 200 rows in the soak.
    let count = u32::try_from(soak(200, 20)).unwrap();
    let rows = rows(&world, count).await;
    type Swap = (&'static str, fn(&mut Row, &Row));
    let swaps: [Swap; 9] = [
        ("ciphertext", |row, other| row.sealed.clone_from(&other.sealed)),
        ("credential", |row, other| {
            row.context.credential = other.context.credential;
        }),
        ("version", |row, other| {
            row.context.version = other.context.version;
        }),
        ("provider", |row, other| {
            row.context.provider.clone_from(&other.context.provider);
        }),
        ("source", |row, other| row.context.source = other.context.source),
        ("policy", |row, other| {
            row.context.policy_sha256 = other.context.policy_sha256;
        }),
        ("organization", |row, other| row.context.org = other.context.org),
        ("KEK", |row, other| row.kek = other.kek.clone()),
        ("organization and KEK", |row, other| {
            row.context.org = other.context.org;
            row.kek = other.kek.clone();
        }),
    ];
    let mut tried = 0;
    for (at, row) in rows.iter().enumerate() {
        let own = world.open(&row.kek, &row.context, &row.sealed).await;
        assert_eq!(outcome(own), Ok(Some(format!("sk-{at}"))));
        for other in rows
            .iter()
            .filter(|other| other.context.credential != row.context.credential)
        {
            for (name, swap) in &swaps {
                let mut swapped = row.clone();
                swap(&mut swapped, other);
                if (&swapped.context, &swapped.kek) == (&row.context, &row.kek)
                    && swapped.sealed == row.sealed
                {
                    continue;
                }
                tried += 1;
                let opened = world.open(&swapped.kek, &swapped.context, &swapped.sealed).await;
                assert_eq!(outcome(opened), Err(VaultError::Corrupt), "{name}");
            }
        }
    }
    assert!(tried > rows.len() * (rows.len() - 1) * 6, "{tried}");
}

#[tokio::test]
async fn the_inner_parts_of_two_blobs_cannot_be_swapped() {
    let world = World::new(1, 1, TTL);
    let kek = world.vault.new_kek(org(1), kek_id(1), 1, None).await.unwrap();
    let context = context(org(1));
    // Two blobs for the very same place: only the DEKs and IVs differ.
    let one = world.vault.seal(&kek, &context, &secret("sk-one")).await.unwrap();
    let two = world.vault.seal(&kek, &context, &secret("sk-two")).await.unwrap();
    let (wrapped, nonce, text, commitment) = (25..85, 85..97, 101..one.len() - 32, one.len() - 32..one.len());
    for part in [
        wrapped.clone(),
        nonce.clone(),
        text.clone(),
        commitment.clone(),
        wrapped.start..nonce.end,
        nonce.start..text.end,
    ] {
        let mut mixed = one.clone();
        mixed[part.clone()].copy_from_slice(&two[part.clone()]);
        assert_eq!(
            outcome(world.open(&kek, &context, &mixed).await),
            Err(VaultError::Corrupt),
            "{part:?}"
        );
    }
    let mut whole = one.clone();
    whole[wrapped.start..].copy_from_slice(&two[wrapped.start..]);
    assert_eq!(
        outcome(world.open(&kek, &context, &whole).await),
        Ok(Some("sk-two".into())),
        "the offsets are right"
    );
}

#[tokio::test]
async fn no_key_and_iv_is_used_twice() {
    let world = World::new(1, 1, TTL);
    let kek = world.vault.new_kek(org(1), kek_id(1), 1, None).await.unwrap();
    let context = context(org(1));
    let fields = secret("sk-1");
    let seals = soak(10_000_000, 20_000);
    // All under one KEK. Where no two data keys are the same, no IV of a data key can be used twice under it.
    let (mut wrap_nonces, mut deks) = (Vec::with_capacity(seals), Vec::with_capacity(seals));
    for _ in 0..seals {
        let blob = Blob::parse(&world.vault.seal(&kek, &context, &fields).await.unwrap()).unwrap();
        wrap_nonces.push(blob.wrap_nonce);
        let start: [u8; 16] = blob.wrapped_dek[..16].try_into().unwrap();
        deks.push(start);
    }
    wrap_nonces.sort_unstable();
    deks.sort_unstable();
    wrap_nonces.dedup();
    deks.dedup();
    assert_eq!((wrap_nonces.len(), deks.len()), (seals, seals));
}

#[tokio::test]
async fn keys_are_kept_for_their_time_and_no_longer() {
    let world = World::new(1, 1, TTL);
    let kek = world.vault.new_kek(org(1), kek_id(1), 1, None).await.unwrap();
    let context = context(org(1));
    let sealed = world.vault.seal(&kek, &context, &secret("sk-1")).await.unwrap();
    assert_eq!(world.unwraps(), 1);
    // Half of the KEK's time is over when the DEK is loaded: the DEK has the other half.
    world.clock.advance(TTL / 2);
    let credential = world
        .vault
        .load(&kek, context.clone(), &sealed)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    world.take_kms_away(true);
    world.clock.advance(TTL / 2 - Duration::from_nanos(1));
    assert_eq!(outcome(credential.open()), Ok(Some("sk-1".into())));
    assert_eq!(world.unwraps(), 1, "nothing was unwrapped again");
    world.clock.advance(Duration::from_nanos(1));
    assert_eq!(outcome(credential.open()), Err(VaultError::Stale));
    assert_eq!(
        outcome(credential.open_fresh(&world.vault).await),
        Err(VaultError::Sealed)
    );
    assert_eq!(
        world.vault.seal(&kek, &context, &secret("sk-2")).await.err(),
        Some(VaultError::Sealed)
    );
    world.take_kms_away(false);
    let tried = world.unwraps();
    assert_eq!(
        outcome(credential.open_fresh(&world.vault).await),
        Err(VaultError::Sealed),
        "a failure stands for a moment"
    );
    assert_eq!(world.unwraps(), tried);
    world.clock.advance(Duration::from_secs(1));
    assert_eq!(
        outcome(credential.open()),
        Err(VaultError::Stale),
        "an expired key is gone"
    );
    assert_eq!(
        outcome(credential.open_fresh(&world.vault).await),
        Ok(Some("sk-1".into()))
    );
    assert_eq!(outcome(credential.open()), Ok(Some("sk-1".into())));
}

#[tokio::test]
async fn with_no_time_to_live_every_use_asks_the_kms() {
    let world = World::new(1, 1, Duration::ZERO);
    let kek = world.vault.new_kek(org(1), kek_id(1), 1, None).await.unwrap();
    let context = context(org(1));
    let sealed = world.vault.seal(&kek, &context, &secret("sk-1")).await.unwrap();
    let credential = world
        .vault
        .load(&kek, context, &sealed)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    let before = world.unwraps();
    for _ in 0..3 {
        assert_eq!(outcome(credential.open()), Err(VaultError::Stale));
        assert_eq!(
            outcome(credential.open_fresh(&world.vault).await),
            Ok(Some("sk-1".into()))
        );
    }
    assert_eq!(world.unwraps(), before + 3);
    world.take_kms_away(true);
    assert_eq!(
        outcome(credential.open_fresh(&world.vault).await),
        Err(VaultError::Sealed)
    );
}

#[tokio::test]
async fn the_local_kms_refuses_another_key_or_context() {
    let key = Secret::new(vec![5; 32]);
    let kms = LocalKms::new(&root(1)).unwrap();
    let here = Context::deployment("here", deployment(1));
    let there = Context::deployment("there", deployment(1));
    let wrapped = kms.wrap(&key, &here).await.unwrap();
    assert!(kms.unwrap(&wrapped, &here).await.ok().unwrap().expose() == [5; 32]);
    assert_ne!(kms.wrap(&key, &here).await.unwrap(), wrapped);
    let fault = |unwrapped: Result<Secret, KmsError>| unwrapped.err().map(|error| error.fault);
    let refused = Some(KmsFault::Refused);
    assert_eq!(fault(kms.unwrap(&wrapped, &there).await), refused);
    assert_eq!(fault(kms.unwrap(&wrapped[..11], &here).await), refused);
    let other = LocalKms::new(&root(2)).unwrap();
    assert_eq!(fault(other.unwrap(&wrapped, &here).await), refused);
}

#[tokio::test]
async fn a_key_that_is_missed_by_many_at_once_is_asked_for_once() {
    let world = World::new(1, 1, TTL);
    let kek = world.vault.new_kek(org(1), kek_id(1), 1, None).await.unwrap();
    let context = context(org(1));
    let sealed = world.vault.seal(&kek, &context, &secret("sk-1")).await.unwrap();
    world.clock.advance(TTL);
    let before = world.unwraps();
    let loads = (0..50).map(|_| world.vault.load(&kek, context.clone(), &sealed));
    for load in futures_of(loads).await {
        assert!(load.is_ok());
    }
    assert_eq!(world.unwraps(), before + 1);
}

/// All of them, polled in turn.
async fn futures_of<T>(futures: impl Iterator<Item = impl Future<Output = T>>) -> Vec<T> {
    let mut waiting: Vec<_> = futures.map(|future| (Box::pin(future), None)).collect();
    std::future::poll_fn(|context| {
        let mut ready = true;
        for (future, done) in &mut waiting {
            if done.is_none() {
                match future.as_mut().poll(context) {
                    std::task::Poll::Ready(value) => *done = Some(value),
                    std::task::Poll::Pending => ready = false,
                }
            }
        }
        match ready {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    waiting.into_iter().filter_map(|(_, done)| done).collect()
}

#[tokio::test]
async fn a_moved_data_key_opens_the_same_ciphertext_under_the_new_kek_alone() {
    let world = World::new(1, 1, TTL);
    let (old, new) = (
        world.vault.new_kek(org(1), kek_id(1), 1, None).await.unwrap(),
        world.vault.new_kek(org(1), kek_id(2), 2, None).await.unwrap(),
    );
    let place = context(org(1));
    let sealed = world.vault.seal(&old, &place, &secret("sk-1")).await.unwrap();
    let moved = world.vault.rewrap(&old, &new, &place, &sealed).await.unwrap();
    let (before, after) = (Blob::parse(&sealed).unwrap(), Blob::parse(&moved).unwrap());
    assert_eq!(
        (&before.sealed, before.nonce, before.commitment),
        (&after.sealed, after.nonce, after.commitment)
    );
    assert_ne!(before.wrap_nonce, after.wrap_nonce);
    assert_eq!(
        outcome(world.open(&new, &place, &moved).await),
        Ok(Some("sk-1".into()))
    );
    assert_eq!(
        outcome(world.open(&old, &place, &moved).await),
        Err(VaultError::Corrupt)
    );
    assert_eq!(world.vault.check(&new, &place, &moved).await, Ok(()));
    let other = world.vault.new_kek(org(2), kek_id(3), 1, None).await.unwrap();
    assert_eq!(
        world.vault.rewrap(&old, &other, &place, &sealed).await.err(),
        Some(VaultError::Corrupt),
        "not to another organization"
    );
    let elsewhere = SealContext {
        version: 2,
        ..place.clone()
    };
    assert_eq!(
        world.vault.rewrap(&old, &new, &elsewhere, &sealed).await.err(),
        Some(VaultError::Corrupt)
    );
    let destroyed = WrappedKek {
        bytes: Vec::new(),
        ..new
    };
    world.vault.forget(org(1));
    assert_eq!(
        world.vault.check(&destroyed, &place, &moved).await,
        Err(VaultError::Destroyed)
    );
}

#[tokio::test]
async fn a_kek_moves_to_another_root_key() {
    let (world, next) = (World::new(1, 1, TTL), World::new(2, 1, TTL));
    let kek = world.vault.new_kek(org(1), kek_id(1), 1, None).await.unwrap();
    let place = context(org(1));
    let sealed = world.vault.seal(&kek, &place, &secret("sk-1")).await.unwrap();
    let moved = WrappedKek {
        bytes: world.vault.under_root(&kek, next.kms.as_ref()).await.unwrap(),
        ..kek.clone()
    };
    assert_eq!(
        outcome(next.open(&moved, &place, &sealed).await),
        Ok(Some("sk-1".into()))
    );
    next.vault.forget(org(1));
    assert_eq!(
        outcome(next.open(&kek, &place, &sealed).await),
        Err(VaultError::Corrupt)
    );
}

#[tokio::test]
async fn a_credential_of_several_fields_opens_with_all_of_them() {
    let world = World::new(1, 1, TTL);
    let kek = world.vault.new_kek(org(1), kek_id(1), 1, None).await.unwrap();
    let context = context(org(1));
    let declared = ["account", "secret"].map(|name| DeclaredField { name, required: true });
    let given = [("account", "AC1"), ("secret", "größe")];
    let given: BTreeMap<_, _> = given
        .iter()
        .map(|(name, value)| ((*name).to_owned(), Zeroizing::new((*value).to_owned())))
        .collect();
    let fields = intake(Given::Fields(given), &declared).ok().unwrap();
    let sealed = world.vault.seal(&kek, &context, &fields).await.unwrap();
    let opened = world
        .open(&kek, &context, &sealed)
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    #[expect(clippy::disallowed_methods, reason = "the tests of the vault look into it")]
    let values = ["account", "secret", "key"].map(|name| opened.expose_field(name));
    assert_eq!(values, [Some("AC1"), Some("größe"), None]);
}
