//! Second factors: one-time codes, recovery codes, the second step of a sign-in, and organizations that require one.

use std::sync::Arc;
use std::time::Duration;

use aws_lc_rs::hmac;
use keystore_core::{Clock as _, Micros};
use keystore_server::break_glass;
use keystore_testkit::clock::MockClock;
use serde_json::{Value, json};

use crate::support::{Client, PASSWORD, TestApp};

const OWNER: &str = "owner@example.com";
const STEP: Duration = Duration::from_secs(30);

/// What an app shows for this key at this time: the test's own reckoning of RFC 6238.
pub(super) fn totp(key: &str, now: Micros) -> String {
    let bits: Vec<u8> = key
        .bytes()
        .flat_map(|letter| {
            let value = match letter {
                b'A'..=b'Z' => letter - b'A',
                digit => digit - b'2' + 26,
            };
            (0..5).rev().map(move |bit| (value >> bit) & 1)
        })
        .collect();
    let key: Vec<u8> = bits
        .chunks_exact(8)
        .map(|byte| byte.iter().fold(0, |all, bit| all << 1 | bit))
        .collect();
    let key = hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &key);
    let tag = hmac::sign(&key, &(now.0 / 30_000_000).to_be_bytes());
    let at = usize::from(tag.as_ref()[19] & 15);
    let word: [u8; 4] = tag.as_ref()[at..at + 4].try_into().unwrap();
    format!("{:06}", (u32::from_be_bytes(word) & 0x7fff_ffff) % 1_000_000)
}

/// A person's app and recovery codes.
pub(super) struct Factor {
    pub(super) key: String,
    pub(super) codes: Vec<String>,
}

pub(super) async fn begin_totp(person: &Client) -> String {
    let made = person
        .post("/v1/auth/totp", &json!({"password": PASSWORD}))
        .await
        .expect(200);
    let key = made["secret"].as_str().unwrap().to_owned();
    assert!(made["uri"].as_str().unwrap().contains(&key), "{made}");
    key
}

async fn set_up(person: &Client, now: Micros) -> Factor {
    let key = begin_totp(person).await;
    let code = json!({"code": totp(&key, now)});
    let codes = person.post("/v1/auth/totp/confirm", &code).await.expect(200);
    let codes = codes["recoveryCodes"].as_array().unwrap().iter();
    let codes: Vec<_> = codes.map(|code| code.as_str().unwrap().to_owned()).collect();
    Factor { key, codes }
}

/// As a person would, by the clock on the wall.
pub(super) async fn second_factor(person: &Client) -> Factor {
    set_up(person, keystore_server::clock::SystemClock.now()).await
}

/// The newest entry of what is recorded behind the answer.
pub(super) async fn recorded(reader: &Client, action: &str) -> Value {
    loop {
        let found = reader
            .get(&format!("/v1/audit?action={action}"))
            .await
            .expect(200);
        if let Some(entry) = found["data"].as_array().unwrap().first() {
            return entry.clone();
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// The first step; gives the challenge.
async fn first(app: &TestApp, email: &str) -> Value {
    let login = json!({"email": email, "password": PASSWORD});
    let answer = app.anonymous().post("/v1/auth/login", &login).await;
    assert!(!answer.headers.contains_key("set-cookie"), "no session begins");
    answer.expect_problem(401, "second_factor_required")["challenge"].take()
}

async fn second(app: &TestApp, challenge: &Value, code: &str) -> crate::support::Answer {
    let body = json!({"challenge": challenge["token"], "code": code});
    app.anonymous().post("/v1/auth/second-factor", &body).await
}

async fn with_factor() -> (TestApp, Arc<MockClock>, Factor) {
    let (app, clock) = TestApp::clocked().await;
    let factor = set_up(app.owner_client(), clock.now()).await;
    assert_eq!(factor.codes.len(), 10);
    clock.advance(STEP);
    (app, clock, factor)
}

#[tokio::test]
async fn a_sign_in_has_two_steps_and_no_code_is_taken_twice() {
    let (app, clock, factor) = with_factor().await;
    let challenge = first(&app, OWNER).await;
    assert_eq!(challenge["factors"], json!(["totp", "recovery_code"]));
    let code = totp(&factor.key, clock.now());
    let session = second(&app, &challenge, &code).await.expect(200);
    let session = app.anonymous().with_token(session["token"].as_str().unwrap());
    session.get("/v1/org").await.expect(200);

    let used = second(&app, &challenge, &factor.codes[0]).await;
    used.expect_problem(401, "invalid_credentials");
    let again = first(&app, OWNER).await;
    second(&app, &again, &code)
        .await
        .expect_problem(401, "invalid_credentials");
    clock.advance(STEP);
    let (here, next) = (
        totp(&factor.key, clock.now()),
        totp(&factor.key, clock.now().plus(STEP)),
    );
    second(&app, &again, &next).await.expect(200);
    let third = first(&app, OWNER).await;
    let before = second(&app, &third, &here).await;
    before.expect_problem(401, "invalid_credentials");

    clock.advance(Duration::from_secs(301));
    let late = second(&app, &third, &totp(&factor.key, clock.now())).await;
    late.expect_problem(401, "invalid_credentials");
    // What is secret is nowhere in what the owner can read.
    let factors = session.get("/v1/auth/factors").await.expect(200);
    assert_eq!(factors["recoveryCodesLeft"], 10);
    let log = session.get("/v1/audit?limit=100").await.expect(200).to_string();
    assert!(log.contains("verify_second_factor") && log.contains("confirm_totp"));
    assert!(!log.contains(&factor.key) && !log.contains(&factor.codes[0]));
    app.finish().await;
}

#[tokio::test]
async fn a_code_in_many_hands_at_once_opens_one_session() {
    let (app, clock, factor) = with_factor().await;
    let code = totp(&factor.key, clock.now());
    let (one, two, three) = (
        first(&app, OWNER).await,
        first(&app, OWNER).await,
        first(&app, OWNER).await,
    );
    let (one, two, three) = tokio::join!(
        second(&app, &one, &code),
        second(&app, &two, &code),
        second(&app, &three, &code)
    );
    let mut statuses = [one.status, two.status, three.status];
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 401, 401]);
    app.finish().await;
}

#[tokio::test]
async fn recovery_codes_stand_in_once_each_and_are_renewed_as_a_set() {
    let (app, _clock, factor) = with_factor().await;
    let owner = app.owner_client();
    let typed = factor.codes[3].to_uppercase().replace('-', " ");
    let challenge = first(&app, OWNER).await;
    second(&app, &challenge, &typed).await.expect(200);
    let challenge = first(&app, OWNER).await;
    let used = second(&app, &challenge, &factor.codes[3]).await;
    used.expect_problem(401, "invalid_credentials");
    let left = owner.get("/v1/auth/factors").await.expect(200);
    assert_eq!(left["recoveryCodesLeft"], 9);
    let password = json!({"password": PASSWORD});
    let path = "/v1/auth/recovery-codes";
    let wrong = owner.post(path, &json!({"password": "wrong password"})).await;
    wrong.expect_problem(401, "invalid_credentials");
    let renewed = owner.post(path, &password).await.expect(200);
    assert_eq!(renewed["recoveryCodes"].as_array().unwrap().len(), 10);
    let old = second(&app, &challenge, &factor.codes[4]).await;
    old.expect_problem(401, "invalid_credentials");
    let new = second(&app, &challenge, renewed["recoveryCodes"][0].as_str().unwrap()).await;
    new.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn guesses_at_codes_are_slowed_down_and_the_password_does_not_buy_more() {
    let (app, clock, factor) = with_factor().await;
    for _ in 0..5 {
        let challenge = first(&app, OWNER).await;
        second(&app, &challenge, "000000")
            .await
            .expect_problem(401, "invalid_credentials");
    }
    let challenge = first(&app, OWNER).await;
    let right = totp(&factor.key, clock.now());
    let slowed = second(&app, &challenge, &right).await;
    slowed.expect_problem(429, "too_many_attempts");
    clock.advance(Duration::from_secs(2));
    second(&app, &challenge, &totp(&factor.key, clock.now()))
        .await
        .expect(200);
    assert_eq!(
        recorded(app.owner_client(), "second_factor_failed").await["actor"],
        "anonymous"
    );
    app.finish().await;
}

#[tokio::test]
async fn a_factor_is_turned_on_by_its_first_code_and_off_by_the_password() {
    let (app, clock) = TestApp::clocked().await;
    let owner = app.owner_client();
    let login = json!({"email": OWNER, "password": PASSWORD});
    let other = app.anonymous().post("/v1/auth/login", &login).await.expect(200);
    let other = app.anonymous().with_token(other["token"].as_str().unwrap());
    let out =
        |client: Client| async move { client.get("/v1/org").await.expect_problem(401, "unauthenticated") };
    let wrong = owner
        .post("/v1/auth/totp", &json!({"password": "wrong password"}))
        .await;
    wrong.expect_problem(401, "invalid_credentials");
    let early = owner
        .post("/v1/auth/totp/confirm", &json!({"code": "123456"}))
        .await;
    early.expect_problem(409, "conflict");
    let first_key = begin_totp(owner).await;
    app.anonymous().post("/v1/auth/login", &login).await.expect(200);
    let key = begin_totp(owner).await;
    assert_ne!(first_key, key, "a key that waits makes way for another");
    let confirm = |code: String| json!({"code": code});
    let stale = owner
        .post("/v1/auth/totp/confirm", &confirm(totp(&first_key, clock.now())))
        .await;
    stale.expect_problem(401, "invalid_credentials");
    other.get("/v1/org").await.expect(200);
    owner
        .post("/v1/auth/totp/confirm", &confirm(totp(&key, clock.now())))
        .await
        .expect(200);
    out(other).await;
    first(&app, OWNER).await;
    owner
        .post("/v1/auth/totp", &json!({"password": PASSWORD}))
        .await
        .expect_problem(409, "conflict");

    let remove = json!({"password": PASSWORD});
    owner.post("/v1/auth/totp/remove", &remove).await.expect(204);
    app.anonymous().post("/v1/auth/login", &login).await.expect(200);
    let left = owner.get("/v1/auth/factors").await.expect(200);
    assert_eq!(
        left,
        json!({"passkeys": [], "recoveryCodesLeft": 0, "required": false})
    );
    owner
        .post("/v1/auth/totp/remove", &remove)
        .await
        .expect_problem(404, "not_found");
    owner
        .post("/v1/auth/recovery-codes", &remove)
        .await
        .expect_problem(409, "conflict");
    app.finish().await;
}

#[tokio::test]
async fn neither_a_reset_by_mail_nor_an_invitation_is_a_way_around() {
    let app = TestApp::start().await;
    let grace = app.tenant("grace@example.com", "Grace Labs").await;
    let factor = second_factor(&grace).await;
    let forgot = json!({"email": "grace@example.com"});
    app.anonymous()
        .post("/v1/auth/forgot-password", &forgot)
        .await
        .expect(202);
    let code = app.mailed_code("grace@example.com", "reset-password").await;
    let reset = json!({"code": code, "password": PASSWORD});
    app.anonymous()
        .post("/v1/auth/reset-password", &reset)
        .await
        .expect(204);
    first(&app, "grace@example.com").await;

    let invite = json!({"email": "grace@example.com", "role": "viewer"});
    app.owner_client()
        .post("/v1/invitations", &invite)
        .await
        .expect(201);
    let code = app.mailed_code("grace@example.com", "accept").await;
    let mut accept = json!({"code": code, "password": PASSWORD});
    let path = "/v1/auth/accept-invitation";
    let missing = app.anonymous().post(path, &accept).await;
    missing.expect_problem(401, "second_factor_required");
    accept["secondFactor"] = "wrong".into();
    let wrong = app.anonymous().post(path, &accept).await;
    wrong.expect_problem(401, "invalid_credentials");
    accept["secondFactor"] = factor.codes[0].as_str().into();
    app.anonymous().post(path, &accept).await.expect(200);
    app.leave();
}

#[tokio::test]
async fn who_lacks_the_factor_that_their_organization_requires_only_sets_one_up() {
    let (app, clock) = TestApp::clocked().await;
    let owner = app.owner_client();
    let member = app.member(owner, "member@example.com", "admin").await;
    let key = app.key_client("admin").await;
    let require = json!({"secondFactorRequired": true});
    owner
        .patch("/v1/org", &require)
        .await
        .expect_problem(409, "conflict");
    set_up(owner, clock.now()).await;
    let org = owner.patch("/v1/org", &require).await.expect(200);
    assert_eq!(org["secondFactorRequired"], true);
    owner.get("/v1/agents").await.expect(200);
    key.get("/v1/agents").await.expect(200);

    for path in ["/v1/org", "/v1/orgs", "/v1/agents", "/v1/audit"] {
        let problem = member
            .get(path)
            .await
            .expect_problem(403, "second_factor_missing");
        assert!(problem["remedy"].as_str().unwrap().contains("ks factor add"));
    }
    let me = member.get("/v1/auth/me").await.expect(200);
    assert_eq!(me["secondFactorMissing"], true);
    assert!(owner.get("/v1/auth/me").await.expect(200)["secondFactorMissing"].is_null());
    set_up(&member, clock.now()).await;
    member.get("/v1/agents").await.expect(200);
    let last = member
        .post("/v1/auth/totp/remove", &json!({"password": PASSWORD}))
        .await;
    last.expect_problem(409, "conflict");
    first(&app, "member@example.com").await;
    app.finish().await;
}

#[tokio::test]
async fn whoever_runs_the_machine_takes_lost_factors_away() {
    let app = TestApp::start().await;
    second_factor(app.owner_client()).await;
    let app = app
        .restart_after(async |store| {
            let nobody = break_glass::reset(store, "nobody@example.com").await;
            assert!(nobody.unwrap_err().to_string().contains("nobody has"));
            break_glass::reset(store, OWNER).await.unwrap();
            assert!(
                break_glass::reset(store, OWNER).await.is_err(),
                "there is nothing left"
            );
        })
        .await;
    let old = app.owner_client().get("/v1/org").await;
    old.expect_problem(401, "unauthenticated");
    let login = json!({"email": OWNER, "password": PASSWORD});
    let session = app.anonymous().post("/v1/auth/login", &login).await.expect(200);
    let owner = app.anonymous().with_token(session["token"].as_str().unwrap());
    let entry = recorded(&owner, "reset_factors").await;
    assert_eq!(
        (&entry["actor"], &entry["after"]["endedSessions"]),
        (&json!("system"), &json!(1))
    );
    app.finish().await;
}
