//! Every KMS against a fake that checks what it is asked: that keys go round, that nothing else opens, what failures come to, and
//! which identities are found.

#![expect(clippy::disallowed_methods, reason = "tests spawn their own tasks")]

use std::collections::HashSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use keystore_core::ids::{DeploymentId, KekId, OrgId};
use keystore_testkit::kms::{FakeKms, Mood, Service, secrets};
use uuid::Uuid;

use super::*;
use crate::vault::tests::TestClock;
use crate::{LocalKms, RootKey, Vault, VaultError};

const SHARED: &str = secrets::SHARED;

fn context(org: u128) -> Context {
    let place = (
        OrgId::new(Uuid::from_u128(org)),
        KekId::new(Uuid::from_u128(7)),
        1,
    );
    Context::kek(DeploymentId::new(Uuid::from_u128(1)), place, None)
}

/// The settings that point at a fake, and an environment with one identity there.
fn at(service: Service, url: &str) -> (KmsSettings, Vec<(&'static str, String)>) {
    let mut settings = KmsSettings::default();
    let own = |pairs: &[(&'static str, &str)]| {
        let owned = pairs.iter().map(|(name, value)| (*name, (*value).to_owned()));
        owned.collect::<Vec<_>>()
    };
    let environment = match service {
        Service::Aws => {
            settings.aws_endpoint = Some(url.to_owned());
            own(&[
                ("AWS_ACCESS_KEY_ID", secrets::AWS.0),
                ("AWS_SECRET_ACCESS_KEY", secrets::AWS.1),
            ])
        }
        Service::Gcp => {
            settings.gcp_endpoint = Some(url.to_owned());
            own(&[("GCE_METADATA_HOST", url.trim_start_matches("http://"))])
        }
        Service::Azure => {
            settings.azure_endpoint = Some(url.to_owned());
            own(&[
                ("AZURE_TENANT_ID", "tenant"),
                ("AZURE_CLIENT_ID", "client"),
                ("AZURE_CLIENT_SECRET", SHARED),
                ("AZURE_AUTHORITY_HOST", url),
            ])
        }
        Service::Vault => {
            settings.transit = Some(TransitSettings {
                address: url.to_owned(),
                namespace: None,
                auth: TransitAuth::Token { file: None },
            });
            own(&[("VAULT_TOKEN", secrets::VAULT_TOKEN)])
        }
    };
    (settings, environment)
}

fn holders(settings: KmsSettings, environment: &[(&'static str, String)], clock: &Arc<TestClock>) -> Holders {
    let ambient = Ambient::read(|name| {
        let found = environment.iter().find(|(known, _)| *known == name);
        found.map(|(_, value)| value.clone())
    });
    let clock = Arc::clone(clock) as Arc<dyn Clock>;
    Holders::new(settings, ambient, &clock).unwrap()
}

async fn key_at(service: Service) -> (FakeKms, Arc<dyn Kms>) {
    let fake = FakeKms::start(service).await;
    let (settings, environment) = at(service, &fake.url());
    let holders = holders(settings, &environment, &Arc::default());
    let key = holders.open(&service.key().parse().unwrap()).unwrap();
    (fake, key)
}

fn fault<T>(outcome: Result<T, KmsError>) -> KmsFault {
    outcome.err().expect("it failed").fault
}

#[tokio::test]
async fn a_key_goes_round_and_opens_for_its_context_alone() {
    for service in Service::ALL {
        let (fake, kms) = key_at(service).await;
        let key = Secret::new((0..32).collect());
        let wrapped = kms.wrap(&key, &context(1)).await.unwrap();
        let opened = kms.unwrap(&wrapped, &context(1)).await.unwrap();
        assert!(opened.expose() == key.expose(), "{service:?}");
        let again = kms.wrap(&key, &context(1)).await.unwrap();
        assert_ne!(again, wrapped, "{service:?}");
        assert_eq!(
            fault(kms.unwrap(&wrapped, &context(2)).await),
            KmsFault::Refused,
            "{service:?}"
        );
        assert_eq!(fake.violations(), Vec::<String>::new(), "{service:?}");
        // What was changed since does not open; nor does what another key wrapped.
        let places = HashSet::from([0, wrapped.len() / 3, wrapped.len() / 2, wrapped.len() - 1]);
        for place in places {
            let mut changed = wrapped.clone();
            changed[place] ^= 1;
            assert!(
                kms.unwrap(&changed, &context(1)).await.is_err(),
                "{service:?} {place}"
            );
        }
        let (_other_fake, other) = key_at(service).await;
        assert_eq!(
            fault(other.unwrap(&wrapped, &context(1)).await),
            KmsFault::Refused,
            "{service:?}"
        );
        for foreign in [&b""[..], b"x", b"vault:v1:", &[0; 200]] {
            assert!(kms.unwrap(foreign, &context(1)).await.is_err(), "{service:?}");
        }
    }
}

#[tokio::test]
async fn each_failure_is_told_from_the_others_and_passes_without_a_new_client() {
    for service in Service::ALL {
        let (fake, kms) = key_at(service).await;
        let key = Secret::new(vec![3; 32]);
        let wrapped = kms.wrap(&key, &context(1)).await.unwrap();
        for (mood, expected) in [
            (Mood::Denied, KmsFault::Denied),
            (Mood::Disabled, KmsFault::Disabled),
            (Mood::Damaged, KmsFault::Unavailable),
        ] {
            fake.set(mood);
            let before = fake.uses();
            let outcome = match mood {
                Mood::Damaged => kms.wrap(&key, &context(1)).await.map(drop),
                _ => kms.unwrap(&wrapped, &context(1)).await.map(drop),
            };
            assert_eq!(fault(outcome), expected, "{service:?} {mood:?}");
            assert_eq!(
                fake.uses(),
                before + 1,
                "{service:?} {mood:?}: what does not pass is asked once"
            );
            fake.set(Mood::Well);
            assert!(
                kms.unwrap(&wrapped, &context(1)).await.is_ok(),
                "{service:?} {mood:?}"
            );
        }
        assert_eq!(fake.violations(), Vec::<String>::new(), "{service:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_passes_is_tried_again_within_the_time_of_a_request() {
    let mut waits = Vec::new();
    for service in Service::ALL {
        for (mood, expected) in [
            (Mood::Away, KmsFault::Unavailable),
            (Mood::Failing, KmsFault::Unavailable),
            (Mood::Throttled, KmsFault::Throttled),
        ] {
            let (fake, kms) = key_at(service).await;
            waits.push(tokio::spawn(async move {
                let key = Secret::new(vec![3; 32]);
                let wrapped = kms.wrap(&key, &context(1)).await.unwrap();
                fake.set(mood);
                let (began, before) = (Instant::now(), fake.uses());
                assert_eq!(
                    fault(kms.unwrap(&wrapped, &context(1)).await),
                    expected,
                    "{service:?} {mood:?}"
                );
                assert!(began.elapsed() < Duration::from_secs(10), "{service:?} {mood:?}");
                if mood != Mood::Away {
                    assert!(fake.uses() > before + 2, "{service:?} {mood:?}");
                }
                // It comes back while somebody waits.
                let back =
                    tokio::spawn(async move { (kms.unwrap(&wrapped, &context(1)).await.is_ok(), kms) });
                tokio::time::sleep(Duration::from_millis(300)).await;
                fake.set(Mood::Well);
                assert!(back.await.unwrap().0, "{service:?} {mood:?}");
            }));
        }
    }
    for wait in waits {
        wait.await.unwrap();
    }
}

#[tokio::test]
async fn a_slow_answer_is_waited_for_but_not_for_ever() {
    let (fake, kms) = key_at(Service::Vault).await;
    let key = Secret::new(vec![3; 32]);
    fake.set(Mood::Slow(Duration::from_millis(400)));
    assert!(kms.wrap(&key, &context(1)).await.is_ok());
    fake.set(Mood::Slow(Duration::from_secs(60)));
    let began = Instant::now();
    assert_eq!(fault(kms.wrap(&key, &context(1)).await), KmsFault::Unavailable);
    assert!(began.elapsed() < Duration::from_secs(10));
}

/// Wraps once with the identity that the environment has; gives how often one was given out.
async fn signs_in(
    fake: &FakeKms,
    service: Service,
    settings: KmsSettings,
    environment: &[(&'static str, String)],
) -> usize {
    let before = fake.sign_ins();
    let holders = holders(settings, environment, &Arc::default());
    let key = holders.open(&service.key().parse().unwrap()).unwrap();
    let wrapped = key.wrap(&Secret::new(vec![4; 32]), &context(1)).await;
    if let Err(error) = &wrapped {
        panic!("{service:?} {error} {:?}", fake.violations());
    }
    for _ in 0..3 {
        assert!(key.unwrap(wrapped.as_ref().unwrap(), &context(1)).await.is_ok());
    }
    assert_eq!(fake.violations(), Vec::<String>::new());
    fake.sign_ins() - before
}

fn write(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_identities_of_aws_are_found_in_their_order() {
    let fake = FakeKms::start(Service::Aws).await;
    let folder = tempfile::tempdir().unwrap();
    let token = write(folder.path(), "token", SHARED);
    let home = folder.path().to_str().unwrap().to_owned();
    let settings = || at(Service::Aws, &fake.url()).0;
    let off = ("AWS_EC2_METADATA_DISABLED", "true".to_owned());
    let sts = ("AWS_ENDPOINT_URL_STS", fake.url());
    let sign_ins = async |environment: &[(&'static str, String)]| {
        signs_in(&fake, Service::Aws, settings(), environment).await
    };
    assert_eq!(
        sign_ins(&at(Service::Aws, &fake.url()).1).await,
        0,
        "keys of the environment"
    );
    let web = [
        ("AWS_WEB_IDENTITY_TOKEN_FILE", token.clone()),
        (
            "AWS_ROLE_ARN",
            "arn:aws:iam::111122223333:role/keystore".to_owned(),
        ),
        sts.clone(),
        off.clone(),
    ];
    assert_eq!(sign_ins(&web).await, 1, "a web identity");
    let (id, secret) = secrets::AWS;
    write(
        folder.path(),
        ".aws/credentials",
        &["base", "own", "both"]
            .map(|name| format!("[{name}]\naws_access_key_id = {id}\naws_secret_access_key = {secret}\n"))
            .concat(),
    );
    write(
        folder.path(),
        ".aws/config",
        &[("ks", "base"), ("both", "base"), ("own", "own"), ("round", "round")].map(|(name, source)| {
            format!("[profile {name}]\nrole_arn = arn:aws:iam::111122223333:role/keystore\nsource_profile = {source}\n")
        })
        .concat(),
    );
    let profile = |name: &str| {
        [
            ("HOME", home.clone()),
            ("AWS_PROFILE", name.to_owned()),
            sts.clone(),
            off.clone(),
        ]
    };
    assert_eq!(sign_ins(&profile("base")).await, 0, "a profile with keys");
    assert_eq!(sign_ins(&profile("ks")).await, 1, "a profile with a role");
    assert_eq!(sign_ins(&profile("both")).await, 1, "a role comes before keys");
    assert_eq!(sign_ins(&profile("own")).await, 1, "its own keys assume its role");
    let container = [
        (
            "AWS_CONTAINER_CREDENTIALS_FULL_URI",
            format!("{}/container", fake.url()),
        ),
        ("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token),
        off.clone(),
    ];
    assert_eq!(sign_ins(&container).await, 1, "a container");
    let instance = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", fake.url())];
    assert_eq!(sign_ins(&instance).await, 1, "an instance");
    for environment in [
        vec![off.clone()],
        profile("round").to_vec(),
        vec![
            ("HOME", home.clone()),
            ("AWS_PROFILE", "none".to_owned()),
            off.clone(),
        ],
        vec![
            (
                "AWS_CONTAINER_CREDENTIALS_FULL_URI",
                "http://evil.example/c".to_owned(),
            ),
            off,
        ],
    ] {
        let holders = holders(settings(), &environment, &Arc::default());
        let key = holders.open(&Service::Aws.key().parse().unwrap()).unwrap();
        assert_eq!(
            fault(key.wrap(&Secret::new(vec![4; 32]), &context(1)).await),
            KmsFault::Denied
        );
    }
}

#[tokio::test]
async fn the_identities_of_google_are_found_in_their_order() {
    let fake = FakeKms::start(Service::Gcp).await;
    let folder = tempfile::tempdir().unwrap();
    let account = serde_json::json!({
        "type": "service_account", "client_email": "keystore@p.iam.gserviceaccount.com", "private_key_id": "key-1",
        "private_key": fake.service_account_key(), "token_uri": format!("{}/token", fake.url()),
    });
    let person = serde_json::json!({
        "type": "authorized_user", "client_id": "client", "client_secret": SHARED, "refresh_token": SHARED,
        "token_uri": format!("{}/token", fake.url()),
    });
    let account = write(folder.path(), "account.json", &account.to_string());
    write(
        folder.path(),
        ".config/gcloud/application_default_credentials.json",
        &person.to_string(),
    );
    let home = ("HOME", folder.path().to_str().unwrap().to_owned());
    let named = ("GOOGLE_APPLICATION_CREDENTIALS", account);
    let (_, metadata) = at(Service::Gcp, &fake.url());
    for environment in [vec![home.clone(), named], vec![home], metadata] {
        let settings = at(Service::Gcp, &fake.url()).0;
        assert_eq!(signs_in(&fake, Service::Gcp, settings, &environment).await, 1);
    }
    let external = write(folder.path(), "external.json", "{\"type\": \"external_account\"}");
    let (settings, _) = at(Service::Gcp, &fake.url());
    let holders = holders(
        settings,
        &[("GOOGLE_APPLICATION_CREDENTIALS", external)],
        &Arc::default(),
    );
    let key = holders.open(&Service::Gcp.key().parse().unwrap()).unwrap();
    let error = key
        .wrap(&Secret::new(vec![4; 32]), &context(1))
        .await
        .unwrap_err();
    assert!(
        error.detail.contains("external_account are not supported"),
        "{error}"
    );
}

#[tokio::test]
async fn the_identities_of_azure_are_found_in_their_order() {
    let fake = FakeKms::start(Service::Azure).await;
    let folder = tempfile::tempdir().unwrap();
    let token = write(folder.path(), "token", SHARED);
    let (_, secret) = at(Service::Azure, &fake.url());
    let federated = vec![
        ("AZURE_TENANT_ID", "tenant".to_owned()),
        ("AZURE_CLIENT_ID", "client".to_owned()),
        ("AZURE_FEDERATED_TOKEN_FILE", token),
        ("AZURE_AUTHORITY_HOST", fake.url()),
    ];
    let app = vec![
        ("IDENTITY_ENDPOINT", format!("{}/msi/token", fake.url())),
        ("IDENTITY_HEADER", SHARED.to_owned()),
    ];
    let machine = vec![("AZURE_POD_IDENTITY_AUTHORITY_HOST", fake.url())];
    for environment in [secret, federated, app, machine] {
        let settings = at(Service::Azure, &fake.url()).0;
        assert_eq!(signs_in(&fake, Service::Azure, settings, &environment).await, 1);
    }
}

#[tokio::test]
async fn the_ways_to_sign_in_to_a_vault() {
    let fake = FakeKms::start(Service::Vault).await;
    let folder = tempfile::tempdir().unwrap();
    let file = std::path::PathBuf::from(write(folder.path(), "secret", &format!("{SHARED}\n")));
    write(folder.path(), ".vault-token", secrets::VAULT_TOKEN);
    let home = ("HOME", folder.path().to_str().unwrap().to_owned());
    let role = TransitAuth::AppRole {
        mount: "approle".to_owned(),
        role_id: "role".to_owned(),
        secret_id_file: file.clone(),
    };
    let pod = TransitAuth::Kubernetes {
        mount: "kubernetes".to_owned(),
        role: "role".to_owned(),
        token_file: Some(file),
    };
    for (auth, expected) in [(TransitAuth::Token { file: None }, 0), (role, 1), (pod, 1)] {
        let settings = KmsSettings {
            transit: Some(TransitSettings {
                address: fake.url(),
                namespace: Some("team".to_owned()),
                auth,
            }),
            ..KmsSettings::default()
        };
        let environment = [home.clone()];
        assert_eq!(
            signs_in(&fake, Service::Vault, settings, &environment).await,
            expected
        );
    }
}

#[tokio::test]
async fn an_identity_is_renewed_before_its_end_and_by_one_caller() {
    let fake = FakeKms::start(Service::Gcp).await;
    let clock = Arc::new(TestClock::default());
    let (settings, environment) = at(Service::Gcp, &fake.url());
    let holders = holders(settings, &environment, &clock);
    let kms = holders.open(&Service::Gcp.key().parse().unwrap()).unwrap();
    let wrapped = kms.wrap(&Secret::new(vec![4; 32]), &context(1)).await.unwrap();
    assert_eq!(fake.sign_ins(), 1);
    clock.advance(Duration::from_secs(3299));
    kms.unwrap(&wrapped, &context(1)).await.unwrap();
    assert_eq!(fake.sign_ins(), 1, "still good for more than five minutes");
    clock.advance(Duration::from_secs(1));
    let uses: Vec<_> = (0..20)
        .map(|_| {
            let (kms, wrapped) = (Arc::clone(&kms), wrapped.clone());
            tokio::spawn(async move { kms.unwrap(&wrapped, &context(1)).await.is_ok() })
        })
        .collect();
    for done in uses {
        assert!(done.await.unwrap());
    }
    assert_eq!(fake.sign_ins(), 2, "one of twenty asked");
}

#[tokio::test]
async fn it_takes_the_customers_key_and_the_root_key_to_open_a_kek() {
    let fake = FakeKms::start(Service::Aws).await;
    let (settings, environment) = at(Service::Aws, &fake.url());
    let clock = Arc::new(TestClock::default());
    let holders = Arc::new(holders(settings, &environment, &clock));
    let root = |byte: u8| {
        LocalKms::new(
            &RootKey::from_text(&format!("{byte:02x}").repeat(32))
                .ok()
                .unwrap(),
        )
    };
    let vault = |byte: u8| {
        let (kms, clock) = (Arc::new(root(byte).unwrap()), Arc::clone(&clock));
        let deployment = DeploymentId::new(Uuid::from_u128(1));
        Vault::new(kms, deployment, Duration::from_secs(60), clock).with_holders(Arc::clone(&holders))
    };
    let (ours, name) = (vault(1), Service::Aws.key().parse::<KeyName>().unwrap());
    let (org, other) = (OrgId::new(Uuid::from_u128(1)), OrgId::new(Uuid::from_u128(2)));
    ours.try_customer(org, &name).await.unwrap();
    let kek = ours
        .new_kek(org, KekId::new(Uuid::from_u128(3)), 1, Some(&name))
        .await
        .unwrap();
    let without = ours.under_customer(&kek, None).await.unwrap();
    assert_eq!((without.customer.as_deref(), without.id), (None, kek.id));
    let free = ours
        .new_kek(other, KekId::new(Uuid::from_u128(4)), 1, None)
        .await
        .unwrap();

    fake.set(Mood::Disabled);
    assert_eq!(fault(ours.try_customer(org, &name).await), KmsFault::Disabled);
    assert_eq!(
        ours.under_customer(&kek, None).await.err(),
        Some(VaultError::CustomerKey),
        "nobody leaves a customer's key without it"
    );
    assert!(
        ours.under_customer(&free, None).await.is_ok(),
        "others do not notice"
    );
    fake.set(Mood::Well);
    assert!(ours.under_customer(&kek, None).await.is_ok());

    assert_eq!(
        vault(2).under_customer(&kek, None).await.err(),
        Some(VaultError::Corrupt),
        "the customer's key alone opens nothing"
    );
    let renamed = crate::WrappedKek {
        customer: Some("aws:arn:aws:kms:eu-central-1:111122223333:key/another".to_owned()),
        ..kek.clone()
    };
    assert_eq!(
        ours.under_customer(&renamed, None).await.err(),
        Some(VaultError::Corrupt),
        "whoever writes another name into the database sends nothing there"
    );
    assert_eq!(fake.violations(), Vec::<String>::new());
}
