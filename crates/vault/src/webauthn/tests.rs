//! An authenticator by hand, whose every answer can be made wrong in one way.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair,
};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use keystore_core::Micros;
use keystore_core::ids::UserId;
use minicbor::Encoder;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::DeploymentKey;

const NOW: Micros = Micros(1_000_000_000_000_000);

/// A passkey in an authenticator.
enum Pair {
    Es256(EcdsaKeyPair),
    EdDsa(Ed25519KeyPair),
    Rs256(RsaKeyPair),
}

impl Pair {
    fn all() -> [Self; 3] {
        [
            Self::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap()),
            Self::EdDsa(Ed25519KeyPair::generate().unwrap()),
            Self::Rs256(RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap()),
        ]
    }

    fn cose(&self) -> Vec<u8> {
        let mut out = Encoder::new(Vec::new());
        match self {
            Self::Es256(pair) => {
                let point = pair.public_key().as_ref();
                out.map(5)
                    .unwrap()
                    .i64(1)
                    .unwrap()
                    .i64(2)
                    .unwrap()
                    .i64(3)
                    .unwrap()
                    .i64(-7)
                    .unwrap();
                out.i64(-1)
                    .unwrap()
                    .i64(1)
                    .unwrap()
                    .i64(-2)
                    .unwrap()
                    .bytes(&point[1..33])
                    .unwrap();
                out.i64(-3).unwrap().bytes(&point[33..]).unwrap();
            }
            Self::EdDsa(pair) => {
                out.map(4)
                    .unwrap()
                    .i64(1)
                    .unwrap()
                    .i64(1)
                    .unwrap()
                    .i64(3)
                    .unwrap()
                    .i64(-8)
                    .unwrap();
                out.i64(-1)
                    .unwrap()
                    .i64(6)
                    .unwrap()
                    .i64(-2)
                    .unwrap()
                    .bytes(pair.public_key().as_ref())
                    .unwrap();
            }
            Self::Rs256(pair) => {
                // RSAPublicKey (RFC 8017, A.1.1) of 2048 bits: two integers behind heads of a known length.
                let der = pair.public_key().as_ref();
                let (n, e) = (&der[9..265], &der[267..270]);
                out.map(4)
                    .unwrap()
                    .i64(1)
                    .unwrap()
                    .i64(3)
                    .unwrap()
                    .i64(3)
                    .unwrap()
                    .i64(-257)
                    .unwrap();
                out.i64(-1).unwrap().bytes(n).unwrap();
                out.i64(-2).unwrap().bytes(e).unwrap();
            }
        }
        out.into_writer()
    }

    fn sign(&self, message: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match self {
            Self::Es256(pair) => pair.sign(&random, message).unwrap().as_ref().to_vec(),
            Self::EdDsa(pair) => pair.sign(message).as_ref().to_vec(),
            Self::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, message, &mut signature)
                    .unwrap();
                signature
            }
        }
    }
}

fn party() -> Party {
    Party {
        id: "keystore.example".to_owned(),
        origin: "https://keystore.example".to_owned(),
    }
}

fn client_data(kind: &str) -> Value {
    json!({"type": kind, "challenge": URL_SAFE_NO_PAD.encode(b"challenge"), "origin": party().origin, "crossOrigin": false})
}

fn data(flags: u8, count: u32, attested: &[u8]) -> Vec<u8> {
    [
        &sha256(&[b"keystore.example"])[..],
        &[flags],
        &count.to_be_bytes(),
        attested,
    ]
    .concat()
}

fn attested(id: &[u8], key: &[u8]) -> Vec<u8> {
    [
        &[0; 16][..],
        &u16::try_from(id.len()).unwrap().to_be_bytes(),
        id,
        key,
    ]
    .concat()
}

fn object(format: &str, data: &[u8]) -> Vec<u8> {
    let mut out = Encoder::new(Vec::new());
    out.map(3).unwrap().str("fmt").unwrap().str(format).unwrap();
    out.str("attStmt")
        .unwrap()
        .map(0)
        .unwrap()
        .str("authData")
        .unwrap()
        .bytes(data)
        .unwrap();
    out.into_writer()
}

fn registering(client: &Value, object: &[u8]) -> Result<Registered, PasskeyError> {
    register(&party(), client.to_string().as_bytes(), object)
}

/// Signs in with a passkey whose counter is kept as `kept`.
fn proving(
    pair: &Pair,
    client: &Value,
    data: &[u8],
    kept: u32,
    verified: bool,
) -> Result<Proven, PasskeyError> {
    let client = client.to_string();
    let signature = pair.sign(&[data, &sha256(&[client.as_bytes()])].concat());
    let key = PasskeyKey::of_cose(&pair.cose()).unwrap();
    let kept = Kept {
        key: &key,
        count: kept,
        backup_eligible: false,
    };
    let assertion = Assertion {
        client_data: client.as_bytes(),
        authenticator_data: data,
        signature: &signature,
    };
    assert(&party(), kept, assertion, verified)
}

#[test]
fn each_algorithm_registers_and_signs() {
    for pair in Pair::all() {
        let made = data(0b0100_0101, 3, &attested(b"id", &pair.cose()));
        let registered = registering(&client_data("webauthn.create"), &object("none", &made)).unwrap();
        assert_eq!((&registered.id[..], registered.count), (&b"id"[..], 3));
        assert_eq!(registered.key.cose(), pair.cose());
        assert!(!registered.backup_eligible && !registered.backed_up);
        let proven = proving(&pair, &client_data("webauthn.get"), &data(0b101, 4, &[]), 3, true);
        assert_eq!(proven.unwrap().count, 4);
        let client = client_data("webauthn.get").to_string();
        let key = PasskeyKey::of_cose(&pair.cose()).unwrap();
        let (good, kept) = (
            data(0b101, 4, &[]),
            Kept {
                key: &key,
                count: 3,
                backup_eligible: false,
            },
        );
        let mut signature = pair.sign(&[&good[..], &sha256(&[client.as_bytes()])].concat());
        let last = signature.len() - 1;
        signature[last] ^= 1;
        let assertion = Assertion {
            client_data: client.as_bytes(),
            authenticator_data: &good,
            signature: &signature,
        };
        assert_eq!(
            assert(&party(), kept, assertion, true),
            Err(PasskeyError::Signature)
        );
    }
}

#[test]
fn a_registration_that_is_wrong_in_one_way_is_refused_for_it() {
    let pair = Pair::EdDsa(Ed25519KeyPair::generate().unwrap());
    let good = data(0b0100_0101, 0, &attested(b"id", &pair.cose()));
    let create = client_data("webauthn.create");
    assert!(registering(&create, &object("none", &good)).is_ok());
    for (member, value, error) in [
        ("type", json!("webauthn.get"), PasskeyError::Ceremony),
        ("origin", json!("https://evil.example"), PasskeyError::Origin),
        (
            "origin",
            json!("https://keystore.example:444"),
            PasskeyError::Origin,
        ),
        ("origin", json!("http://keystore.example"), PasskeyError::Origin),
        ("crossOrigin", json!(true), PasskeyError::Origin),
        ("topOrigin", json!("https://evil.example"), PasskeyError::Origin),
        ("type", json!(1), PasskeyError::Form),
    ] {
        let mut client = create.clone();
        client[member] = value;
        assert_eq!(
            registering(&client, &object("none", &good)),
            Err(error),
            "{client}"
        );
    }
    let with = |flags| data(flags, 0, &attested(b"id", &pair.cose()));
    let mut other_party = good.clone();
    other_party[0] ^= 1;
    let long = data(0b0100_0101, 0, &attested(&[7; 1024], &pair.cose()));
    let unknown = {
        let mut out = Encoder::new(Vec::new());
        out.map(2)
            .unwrap()
            .i64(1)
            .unwrap()
            .i64(2)
            .unwrap()
            .i64(3)
            .unwrap()
            .i64(-35)
            .unwrap();
        data(0b0100_0101, 0, &attested(b"id", &out.into_writer()))
    };
    for (data, error) in [
        (other_party, PasskeyError::Party),
        (with(0b0100_0100), PasskeyError::Presence),
        (with(0b0100_0001), PasskeyError::Verification),
        (with(0b0101_0101), PasskeyError::Backup),
        (data(0b0000_0101, 0, &[]), PasskeyError::Form),
        ([&good[..], &[0]].concat(), PasskeyError::Form),
        (long, PasskeyError::Form),
        (unknown, PasskeyError::Algorithm),
    ] {
        assert_eq!(registering(&create, &object("none", &data)), Err(error));
    }
    assert_eq!(
        registering(&create, &object("packed", &good)),
        Err(PasskeyError::Attestation)
    );
    for end in 0..good.len() {
        assert!(
            registering(&create, &object("none", &good[..end])).is_err(),
            "{end}"
        );
    }
    let whole = object("none", &good);
    for end in 0..whole.len() {
        assert!(registering(&create, &whole[..end]).is_err(), "{end}");
    }
    assert!(registering(&create, &[&whole[..], &[0]].concat()).is_err());
}

#[test]
fn a_use_that_is_wrong_in_one_way_is_refused_for_it() {
    let pair = Pair::EdDsa(Ed25519KeyPair::generate().unwrap());
    let get = client_data("webauthn.get");
    let prove = |flags, count, kept, verified| proving(&pair, &get, &data(flags, count, &[]), kept, verified);
    assert!(
        prove(0b001, 0, 0, false).is_ok(),
        "one that does not count, and verifies nobody"
    );
    for (flags, count, kept, verified, error) in [
        (0b001, 0, 0, true, PasskeyError::Verification),
        (0b100, 0, 0, true, PasskeyError::Presence),
        (0b10101, 0, 0, true, PasskeyError::Backup),
        (0b11101, 0, 0, true, PasskeyError::Backup),
        (0b101, 7, 7, true, PasskeyError::Counter),
        (0b101, 6, 7, true, PasskeyError::Counter),
        (0b101, 0, 7, true, PasskeyError::Counter),
    ] {
        assert_eq!(
            prove(flags, count, kept, verified),
            Err(error),
            "{flags:b} {count} {kept}"
        );
    }
    let other = Pair::EdDsa(Ed25519KeyPair::generate().unwrap());
    let (client, bytes) = (get.to_string(), data(0b101, 1, &[]));
    let signature = other.sign(&[&bytes[..], &sha256(&[client.as_bytes()])].concat());
    let key = PasskeyKey::of_cose(&pair.cose()).unwrap();
    let kept = Kept {
        key: &key,
        count: 0,
        backup_eligible: false,
    };
    let assertion = Assertion {
        client_data: client.as_bytes(),
        authenticator_data: &bytes,
        signature: &signature,
    };
    assert_eq!(
        assert(&party(), kept, assertion, true),
        Err(PasskeyError::Signature)
    );
}

#[test]
fn keys_of_another_form_are_none() {
    let ec = Pair::Es256(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap()).cose();
    for end in 0..ec.len() {
        assert!(PasskeyKey::of_cose(&ec[..end]).is_err(), "{end}");
    }
    assert!(PasskeyKey::of_cose(&[&ec[..], &[0]].concat()).is_err());
    let twice = {
        let mut out = Encoder::new(Vec::new());
        out.map(2)
            .unwrap()
            .i64(1)
            .unwrap()
            .i64(1)
            .unwrap()
            .i64(1)
            .unwrap()
            .i64(2)
            .unwrap();
        out.into_writer()
    };
    assert_eq!(PasskeyKey::of_cose(&twice), Err(PasskeyError::Form));
}

#[test]
fn a_challenge_is_for_one_ceremony_of_one_person_for_five_minutes() {
    let mac = DeploymentKey::generate().unwrap().policy_mac().unwrap();
    let (ada, grace) = (UserId::new(Uuid::from_u128(1)), UserId::new(Uuid::from_u128(2)));
    let challenge = Challenge::generate(&mac, Ceremony::Prove(ada), NOW).unwrap();
    let open = |ceremony, challenge: &[u8], seconds: i64| {
        Challenge::open(&mac, ceremony, challenge, Micros(NOW.0 + seconds * 1_000_000))
    };
    assert!(open(Ceremony::Prove(ada), &challenge, 299).is_ok());
    for (ceremony, seconds) in [
        (Ceremony::Prove(ada), 300),
        (Ceremony::Prove(grace), 0),
        (Ceremony::Register(ada), 0),
        (Ceremony::SignIn, 0),
    ] {
        assert_eq!(open(ceremony, &challenge, seconds), Err(PasskeyError::Challenge));
    }
    for at in 0..challenge.len() {
        let mut changed = challenge.clone();
        changed[at] ^= 1;
        assert!(open(Ceremony::Prove(ada), &changed, 0).is_err(), "{at}");
    }
    assert_ne!(
        challenge,
        Challenge::generate(&mac, Ceremony::Prove(ada), NOW).unwrap()
    );
    let client = client_data("webauthn.get").to_string();
    assert_eq!(challenge_of(client.as_bytes()).unwrap(), b"challenge");
}
