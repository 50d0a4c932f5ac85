//! Passkeys, with an authenticator by hand. A browser's own is in `e2e/test_dashboard.py`.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::factors::{recorded, second_factor};
use crate::support::{Answer, Client, PASSWORD, TestApp};

const PRESENT: u8 = 1;
const VERIFIED: u8 = 4;
const ATTESTED: u8 = 64;

/// One with a passkey for this server.
pub(super) struct Authenticator {
    anonymous: Client,
    origin: String,
    id: [u8; 16],
    pair: Ed25519KeyPair,
}

impl Authenticator {
    pub(super) fn new(app: &TestApp) -> Self {
        let pair = Ed25519KeyPair::generate().unwrap();
        let id = pair.public_key().as_ref()[..16].try_into().unwrap();
        Self {
            anonymous: app.anonymous(),
            origin: app.api_url().replace("127.0.0.1", "localhost"),
            id,
            pair,
        }
    }

    fn client_data(&self, kind: &str, challenge: &Value) -> Vec<u8> {
        let data = json!({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false});
        data.to_string().into_bytes()
    }

    fn data(flags: u8, count: u32) -> Vec<u8> {
        [
            digest(&SHA256, b"localhost").as_ref(),
            &[flags],
            &count.to_be_bytes(),
        ]
        .concat()
    }

    /// What `POST /v1/auth/passkeys` takes.
    pub(super) async fn creation(&self, person: &Client) -> Value {
        let asked = json!({"password": PASSWORD});
        let asked = person.post("/v1/auth/passkeys/begin", &asked).await.expect(200);
        assert_eq!(asked["rpId"], "localhost");
        let client_data = self.client_data("webauthn.create", &asked["challenge"]);
        // {1: 1 (OKP), 3: -8 (EdDSA), -1: 6 (Ed25519), -2: x}
        let key = [
            &[0xa4, 1, 1, 3, 0x27, 0x20, 6, 0x21, 0x58, 32],
            self.pair.public_key().as_ref(),
        ]
        .concat();
        let data = [
            Self::data(PRESENT | VERIFIED | ATTESTED, 0),
            vec![0; 16],
            vec![0, 16],
            self.id.to_vec(),
            key,
        ]
        .concat();
        let head = b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58";
        let object = [&head[..], &[u8::try_from(data.len()).unwrap()], &data].concat();
        json!({"name": "Laptop", "clientData": URL_SAFE_NO_PAD.encode(client_data),
            "attestation": URL_SAFE_NO_PAD.encode(object)})
    }

    pub(super) async fn register(&self, person: &Client) -> Value {
        let body = self.creation(person).await;
        person.post("/v1/auth/passkeys", &body).await.expect(201)
    }

    /// What `POST /v1/auth/passkey` takes: behind the challenge of a first step, or alone.
    pub(super) async fn assertion(&self, first: Option<&Value>, count: u32) -> Value {
        let body = first.map_or_else(|| json!({}), |first| json!({"challenge": first["token"]}));
        let asked = self
            .anonymous
            .post("/v1/auth/passkey/begin", &body)
            .await
            .expect(200);
        let flags = if first.is_some() {
            PRESENT
        } else {
            PRESENT | VERIFIED
        };
        let mut answer = self.sign(&asked["challenge"], flags, count);
        if let Some(first) = first {
            answer["challenge"] = first["token"].clone();
        }
        answer
    }

    fn sign(&self, challenge: &Value, flags: u8, count: u32) -> Value {
        let (client_data, data) = (
            self.client_data("webauthn.get", challenge),
            Self::data(flags, count),
        );
        let signature = self
            .pair
            .sign(&[&data[..], digest(&SHA256, &client_data).as_ref()].concat());
        json!({"id": URL_SAFE_NO_PAD.encode(self.id), "clientData": URL_SAFE_NO_PAD.encode(client_data),
            "authenticatorData": URL_SAFE_NO_PAD.encode(data), "signature": URL_SAFE_NO_PAD.encode(signature)})
    }
}

/// As the authenticator keeps the person: the bytes of their id.
pub(super) async fn handle(person: &Client) -> Value {
    let asked = person
        .post("/v1/auth/passkeys/begin", &json!({"password": PASSWORD}))
        .await;
    asked.expect(200)["userId"].clone()
}

async fn use_passkey(app: &TestApp, body: &Value) -> Answer {
    app.anonymous().post("/v1/auth/passkey", body).await
}

async fn first(app: &TestApp) -> Value {
    let login = json!({"email": "owner@example.com", "password": PASSWORD});
    let answer = app.anonymous().post("/v1/auth/login", &login).await;
    answer.expect_problem(401, "second_factor_required")["challenge"].clone()
}

#[tokio::test]
async fn a_passkey_signs_in_behind_a_password_and_alone_and_each_answer_once() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let authenticator = Authenticator::new(&app);
    let added = authenticator.register(owner).await;
    assert_eq!(added["recoveryCodes"].as_array().unwrap().len(), 10);
    assert_eq!(added["passkey"]["name"], "Laptop");

    let challenge = first(&app).await;
    assert_eq!(challenge["factors"], json!(["passkey", "recovery_code"]));
    let answer = authenticator.assertion(Some(&challenge), 1).await;
    use_passkey(&app, &answer).await.expect(200);
    use_passkey(&app, &answer)
        .await
        .expect_problem(401, "invalid_credentials");

    let mut alone = authenticator.assertion(None, 2).await;
    let nobody = use_passkey(&app, &alone).await;
    nobody.expect_problem(401, "invalid_credentials");
    alone["userHandle"] = handle(owner).await;
    let session = use_passkey(&app, &alone).await.expect(200);
    let session = app.anonymous().with_token(session["token"].as_str().unwrap());
    session.get("/v1/org").await.expect(200);
    let replayed = use_passkey(&app, &alone).await;
    replayed.expect_problem(401, "invalid_credentials");
    let known = session.get("/v1/auth/factors").await.expect(200);
    assert!(known["passkeys"][0]["lastUsedAt"].is_string(), "{known}");
    app.finish().await;
}

#[tokio::test]
async fn what_another_ceremony_person_or_copy_made_is_refused() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let authenticator = Authenticator::new(&app);
    authenticator.register(owner).await;
    let user = handle(owner).await;
    // Alone, it must have been verified who is there.
    let asked = app
        .anonymous()
        .post("/v1/auth/passkey/begin", &json!({}))
        .await
        .expect(200);
    let mut unverified = authenticator.sign(&asked["challenge"], PRESENT, 1);
    unverified["userHandle"] = user.clone();
    let refused = use_passkey(&app, &unverified)
        .await
        .expect_problem(401, "invalid_credentials");
    assert!(
        refused["detail"].as_str().unwrap().contains("verify"),
        "{refused}"
    );
    // The challenge of one ceremony is none for another.
    let challenge = first(&app).await;
    let mut crossed = authenticator.sign(&asked["challenge"], PRESENT | VERIFIED, 1);
    crossed["challenge"] = challenge["token"].clone();
    use_passkey(&app, &crossed)
        .await
        .expect_problem(401, "invalid_credentials");
    // Somebody else's first step.
    let stranger = app.stranger().await;
    second_factor(&stranger).await;
    let login = json!({"email": "stranger@example.com", "password": PASSWORD});
    let theirs = app.anonymous().post("/v1/auth/login", &login).await;
    let theirs = theirs.expect_problem(401, "second_factor_required")["challenge"].clone();
    let answer = authenticator.assertion(Some(&theirs), 1).await;
    use_passkey(&app, &answer)
        .await
        .expect_problem(401, "invalid_credentials");
    // A copy, whose counter is behind.
    let mut good = authenticator.assertion(None, 5).await;
    good["userHandle"] = user.clone();
    use_passkey(&app, &good).await.expect(200);
    let mut copy = authenticator.assertion(None, 5).await;
    copy["userHandle"] = user;
    use_passkey(&app, &copy)
        .await
        .expect_problem(401, "invalid_credentials");
    recorded(owner, "passkey_refused").await;
    // One that is registered already, and a registration that is sent again.
    let body = authenticator.creation(owner).await;
    let taken = owner.post("/v1/auth/passkeys", &body).await;
    taken.expect_problem(409, "already_exists");
    app.finish().await;
}

#[tokio::test]
async fn a_passkey_is_removed_by_its_person_with_their_password() {
    let app = TestApp::start().await;
    let owner = app.owner_client();
    let authenticator = Authenticator::new(&app);
    let added = authenticator.register(owner).await;
    let path = format!(
        "/v1/auth/passkeys/{}/remove",
        added["passkey"]["id"].as_str().unwrap()
    );
    let password = json!({"password": PASSWORD});
    let stranger = app.stranger().await;
    stranger
        .post(&path, &password)
        .await
        .expect_problem(404, "not_found");
    let wrong = owner.post(&path, &json!({"password": "wrong password"})).await;
    wrong.expect_problem(401, "invalid_credentials");
    let app_too = second_factor(owner).await;
    assert!(
        app_too.codes.is_empty(),
        "those that came with the passkey hold on"
    );
    owner.post(&path, &password).await.expect(204);
    let left = owner.get("/v1/auth/factors").await.expect(200);
    assert_eq!(
        (&left["passkeys"], &left["recoveryCodesLeft"]),
        (&json!([]), &json!(10))
    );
    assert_eq!(first(&app).await["factors"], json!(["totp", "recovery_code"]));
    app.finish().await;
}
