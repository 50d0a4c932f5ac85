//! `/v1/auth`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use keystore_proxy::config::ProxyConfig;
use keystore_server::app::{App, Parts, Settings, Sockets};
use keystore_server::audit::sinks::Sinks;
use keystore_server::clock::SystemClock;
use keystore_server::config::{SecretText, SignUp};
use keystore_server::custody::{CustodyParts, RootKeySource};
use keystore_server::mail::Shown;
use keystore_store::Options;
use keystore_testkit::clock::MockClock;
use keystore_vault::SystemIds;
use serde_json::json;
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::support::{Client, PASSWORD, Setup, TestApp};

fn login(email: &str, password: &str) -> serde_json::Value {
    json!({"email": email, "password": password})
}

async fn with_clock() -> (TestApp, Arc<MockClock>) {
    let (app, clock) = TestApp::clocked().await;
    (app, clock)
}

#[tokio::test]
async fn signing_up_makes_a_person_an_organization_and_a_session() {
    let app = TestApp::start().await;
    let me = app.owner_client().get("/v1/auth/me").await.expect(200);
    assert_eq!(me["via"], "session");
    assert_eq!(me["role"], "owner");
    assert_eq!(me["user"]["email"], "owner@example.com");
    assert_eq!(me["org"]["slug"], "acme-inc");
    assert_eq!(me["proxyUrl"], app.proxy_url());
    let projects = app.owner_client().get("/v1/projects").await.expect(200);
    assert_eq!(projects["data"][0]["slug"], "default");
    assert!(app.owner_client().token().starts_with("kss_"));
    app.finish().await;
}

#[tokio::test]
async fn fields_of_a_sign_up_are_checked_all_at_once() {
    let app = TestApp::start().await;
    let body = json!({"email": "nobody", "password": "short", "name": " ", "orgName": "x"});
    let problem = app
        .anonymous()
        .post("/v1/auth/signup", &body)
        .await
        .expect_problem(422, "invalid_request");
    let pointers: Vec<_> = problem["errors"]
        .as_array()
        .unwrap()
        .iter()
        .map(|error| &error["pointer"])
        .collect();
    assert_eq!(pointers, ["/email", "/password", "/name"]);
    assert!(
        !problem.to_string().contains("short"),
        "a password is not repeated"
    );

    let taken = json!({"email": "OWNER@example.com", "password": PASSWORD, "name": "B", "orgName": "B"});
    app.anonymous()
        .post("/v1/auth/signup", &taken)
        .await
        .expect_problem(409, "already_exists");
    app.finish().await;
}

#[tokio::test]
async fn closed_sign_up_lets_the_first_person_in_and_nobody_else() {
    let app = TestApp::with(Setup {
        signup: SignUp::Closed,
        ..Setup::default()
    })
    .await;
    let body = json!({"email": "b@example.com", "password": PASSWORD, "name": "B", "orgName": "B"});
    app.anonymous()
        .post("/v1/auth/signup", &body)
        .await
        .expect_problem(403, "sign_up_closed");
    app.finish().await;
}

#[tokio::test]
async fn signing_in_and_out() {
    let app = TestApp::start().await;
    let answer = app
        .anonymous()
        .post("/v1/auth/login", &login("Owner@Example.com ", PASSWORD))
        .await;
    let cookie = answer.headers["set-cookie"].to_str().unwrap().to_owned();
    let body = answer.expect(200);
    assert_eq!(body["orgs"][0]["role"], "owner");
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("SameSite=Strict"),
        "{cookie}"
    );
    let session = app.anonymous().with_token(body["token"].as_str().unwrap());
    session.get("/v1/org").await.expect(200);
    assert_eq!(session.post("/v1/auth/logout", &json!(null)).await.status, 204);
    session
        .get("/v1/org")
        .await
        .expect_problem(401, "unauthenticated");
    app.owner_client().get("/v1/org").await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn a_wrong_password_and_an_unknown_address_answer_alike() {
    let app = TestApp::start().await;
    let known = app
        .anonymous()
        .post("/v1/auth/login", &login("owner@example.com", "wrong password"))
        .await;
    let unknown = app
        .anonymous()
        .post("/v1/auth/login", &login("nobody@example.com", "wrong password"))
        .await;
    let names =
        |answer: &crate::support::Answer| answer.headers.keys().map(ToString::to_string).collect::<Vec<_>>();
    assert_eq!(names(&known), names(&unknown));
    let (mut known, mut unknown) = (
        known.expect_problem(401, "invalid_credentials"),
        unknown.expect_problem(401, "invalid_credentials"),
    );
    known["requestId"].take();
    unknown["requestId"].take();
    assert_eq!(known, unknown);
    app.finish().await;
}

#[tokio::test]
async fn guesses_at_an_account_are_slowed_down_whether_it_exists_or_not() {
    let (app, clock) = with_clock().await;
    for email in ["owner@example.com", "nobody@example.com"] {
        for _ in 0..5 {
            app.anonymous()
                .post("/v1/auth/login", &login(email, "wrong password"))
                .await
                .expect_problem(401, "invalid_credentials");
        }
        let blocked = app
            .anonymous()
            .post("/v1/auth/login", &login(email, PASSWORD))
            .await;
        let wait: u64 = blocked.headers["retry-after"].to_str().unwrap().parse().unwrap();
        assert!((1..=3).contains(&wait), "{wait}");
        blocked.expect_problem(429, "too_many_attempts");
    }
    clock.advance(Duration::from_secs(3));
    app.anonymous()
        .post("/v1/auth/login", &login("owner@example.com", PASSWORD))
        .await
        .expect(200);
    // The success forgot the failures of the account.
    app.anonymous()
        .post("/v1/auth/login", &login("owner@example.com", "wrong password"))
        .await
        .expect_problem(401, "invalid_credentials");
    app.finish().await;
}

#[tokio::test]
async fn guesses_from_one_address_at_many_accounts_are_slowed_down() {
    let (app, _clock) = with_clock().await;
    for number in 0..20 {
        let email = format!("person{number}@example.com");
        app.anonymous()
            .post("/v1/auth/login", &login(&email, "wrong password"))
            .await
            .expect_problem(401, "invalid_credentials");
    }
    app.anonymous()
        .post("/v1/auth/login", &login("another@example.com", "wrong password"))
        .await
        .expect_problem(429, "too_many_attempts");
    app.owner_client().get("/v1/org").await.expect(200);
    app.finish().await;
}

/// A guess counts before it is looked at: those that come at once are no more than those that come one after the other.
#[tokio::test]
async fn guesses_from_one_address_at_once_are_no_more_than_others() {
    let (app, _clock) = with_clock().await;
    let mut guesses = JoinSet::new();
    for number in 0..40 {
        let anonymous = app.anonymous();
        let guess = login(&format!("person{number}@example.com"), "wrong password");
        guesses.spawn(async move { anonymous.post("/v1/auth/login", &guess).await.status });
    }
    let answers = guesses.join_all().await;
    let looked_at = answers.iter().filter(|status| **status == 401).count();
    let slowed = answers.iter().filter(|status| **status == 429).count();
    assert_eq!((looked_at, slowed), (20, 20), "{answers:?}");
    app.finish().await;
}

#[tokio::test]
async fn a_right_password_takes_its_own_count_back_and_no_other() {
    let (app, clock) = with_clock().await;
    let right = async || {
        let body = login("owner@example.com", PASSWORD);
        app.anonymous().post("/v1/auth/login", &body).await
    };
    let guesses = std::cell::Cell::new(0);
    let wrong = async || {
        guesses.set(guesses.get() + 1);
        let body = login(&format!("person{}@example.com", guesses.get()), "wrong password");
        app.anonymous().post("/v1/auth/login", &body).await
    };
    // Many people share an address.
    for _ in 0..25 {
        right().await.expect(200);
    }
    let kept = "SELECT COUNT(*) FROM login_attempts WHERE subject NOT LIKE 'mail:%'";
    assert_eq!(app.number(kept).await, 0, "nothing is left of what was right");
    for _ in 0..19 {
        wrong().await.expect_problem(401, "invalid_credentials");
        clock.advance(Duration::from_millis(1));
    }
    right().await.expect(200);
    wrong().await.expect_problem(401, "invalid_credentials");
    wrong().await.expect_problem(429, "too_many_attempts");
    // After a second one is looked at; the right one does not make the next one wait.
    clock.advance(Duration::from_secs(1));
    right().await.expect(200);
    right().await.expect(200);
    wrong().await.expect_problem(401, "invalid_credentials");
    wrong().await.expect_problem(429, "too_many_attempts");
    app.finish().await;
}

/// Another password was not guessed: it opens the account again, and buys no guess at others.
#[tokio::test]
async fn a_new_password_forgets_the_failures_of_the_account_alone() {
    let (app, _clock) = with_clock().await;
    let guess = async |email: &str| {
        let body = login(email, "wrong password");
        app.anonymous().post("/v1/auth/login", &body).await
    };
    let forgot = json!({"email": "owner@example.com"});
    app.anonymous()
        .post("/v1/auth/forgot-password", &forgot)
        .await
        .expect(202);
    let code = app.mailed_code("owner@example.com", "reset-password").await;
    for number in 0..19 {
        let email = match number {
            0..5 => "owner@example.com".to_owned(),
            number => format!("person{number}@example.com"),
        };
        guess(&email).await.expect_problem(401, "invalid_credentials");
    }
    let reset = json!({"code": code, "password": "another horse battery"});
    app.anonymous()
        .post("/v1/auth/reset-password", &reset)
        .await
        .expect(204);
    guess("owner@example.com")
        .await
        .expect_problem(401, "invalid_credentials");
    guess("another@example.com")
        .await
        .expect_problem(429, "too_many_attempts");
    app.leave();
}

#[tokio::test]
async fn a_session_slides_for_seven_days_and_then_ends() {
    let (app, clock) = with_clock().await;
    let day = Duration::from_secs(24 * 3600);
    clock.advance(6 * day);
    app.owner_client().get("/v1/org").await.expect(200);
    clock.advance(6 * day);
    app.owner_client().get("/v1/org").await.expect(200);
    clock.advance(7 * day);
    app.owner_client()
        .get("/v1/org")
        .await
        .expect_problem(401, "unauthenticated");
    app.finish().await;
}

#[tokio::test]
async fn refreshing_ends_the_old_value() {
    let app = TestApp::start().await;
    let fresh = app
        .owner_client()
        .post("/v1/auth/refresh", &json!(null))
        .await
        .expect(200);
    app.owner_client()
        .get("/v1/org")
        .await
        .expect_problem(401, "unauthenticated");
    let fresh = app.anonymous().with_token(fresh["token"].as_str().unwrap());
    fresh.get("/v1/org").await.expect(200);
    app.finish().await;
}

#[tokio::test]
async fn an_unknown_sign_in_code_is_refused() {
    let app = TestApp::start().await;
    let body = json!({"code": format!("ksc_{}", "0".repeat(64))});
    app.anonymous()
        .post("/v1/auth/exchange", &body)
        .await
        .expect_problem(401, "invalid_credentials");
    app.finish().await;
}

#[tokio::test]
async fn the_cookie_counts_from_our_own_origin_alone() {
    let app = TestApp::start().await;
    let cookie = format!("keystore_session={}", app.owner_client().token());
    let anonymous = app.anonymous();
    let with = |method: &str, path: &str, site: Option<&str>| {
        let request = anonymous.request(method, path).header("cookie", &cookie);
        match site {
            Some(site) => request.header("sec-fetch-site", site),
            None => request,
        }
    };
    anonymous.send(with("GET", "/v1/org", None)).await.expect(200);
    anonymous
        .send(with("POST", "/v1/auth/refresh", None))
        .await
        .expect_problem(403, "cross_site");
    anonymous
        .send(with("POST", "/v1/auth/refresh", Some("cross-site")))
        .await
        .expect_problem(403, "cross_site");
    anonymous
        .send(with("GET", "/v1/org", Some("same-site")))
        .await
        .expect_problem(403, "cross_site");
    anonymous
        .send(with("POST", "/v1/auth/refresh", Some("same-origin")))
        .await
        .expect(200);
    app.finish().await;
}

/// A server that is reached through TLS.
struct BehindTls {
    url: String,
    serving: tokio::task::JoinHandle<()>,
    _folder: tempfile::TempDir,
}

impl BehindTls {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listen = || async { TcpListener::bind(("127.0.0.1", 0)).await.unwrap() };
        let sockets = Sockets {
            proxy: listen().await,
            proxy_tls: None,
            api: listen().await,
            api_tls: None,
        };
        let url = format!("http://{}", sockets.api.local_addr().unwrap());
        let database = folder.path().join("keystore.db");
        let clock = Arc::new(SystemClock);
        let parts = Parts {
            store_url: SecretText::new(format!("sqlite://{}", database.display())),
            store_options: Options::default(),
            root_key: RootKeySource::FileOrNew(folder.path().join("root.key")),
            custody: CustodyParts::default(),
            proxy: ProxyConfig::default(),
            settings: Settings {
                signup: SignUp::Closed,
                secure_cookies: true,
                behind_tls: true,
                dev: false,
                proxy_url: "https://proxy.keystore.example".to_owned(),
                api_url: "https://keystore.example".to_owned(),
                allow_upstream: BTreeSet::new(),
                audit_retention: None,
            },
            mailer: Arc::new(Shown::Log),
            payments: None,
            audit_sinks: Sinks::default(),
            ids: Arc::new(SystemIds::new(clock.clone())),
            clock,
        };
        let app = App::start(parts).await.unwrap();
        Self {
            url,
            serving: tokio::spawn(async move { app.serve(sockets, Duration::from_secs(2)).await }),
            _folder: folder,
        }
    }
}

impl Drop for BehindTls {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

/// A page of another host of the same domain can set a cookie for all of it, but none with the prefix.
#[tokio::test]
async fn behind_tls_a_cookie_from_a_sibling_is_not_read() {
    let server = BehindTls::start().await;
    let client = Client::new(&server.url);
    let sign_up =
        json!({"email": "owner@example.com", "password": PASSWORD, "name": "Ada", "orgName": "Acme"});
    let signed_up = client.post("/v1/auth/signup", &sign_up).await;
    let set = signed_up.headers["set-cookie"].to_str().unwrap().to_owned();
    let body = signed_up.expect(201);
    let token = body["token"].as_str().unwrap();
    let attributes = "Path=/; HttpOnly; SameSite=Strict; Max-Age=604800; Secure";
    assert_eq!(set, format!("__Host-keystore_session={token}; {attributes}"));

    let me = async |cookies: &str| {
        let request = client.request("GET", "/v1/auth/me").header("cookie", cookies);
        client.send(request).await
    };
    let own = format!("__Host-keystore_session={token}");
    me(&own).await.expect(200);
    me(&format!("keystore_session=kss_theirs; {own}"))
        .await
        .expect(200);
    for cookies in [
        format!("keystore_session={token}"),
        format!("{own}; __Host-keystore_session=kss_theirs"),
        format!("{own}; {own}"),
    ] {
        me(&cookies).await.expect_problem(401, "unauthenticated");
    }

    let log_out = client
        .request("POST", "/v1/auth/logout")
        .header("cookie", &own)
        .header("sec-fetch-site", "same-origin");
    let gone = client.send(log_out).await;
    assert_eq!(
        gone.headers["set-cookie"],
        "__Host-keystore_session=; Path=/; HttpOnly; SameSite=Strict; Max-Age=0; Secure"
    );
    me(&own).await.expect_problem(401, "unauthenticated");
}

#[tokio::test]
async fn of_two_session_cookies_none_counts() {
    let app = TestApp::start().await;
    let own = format!("keystore_session={}", app.owner_client().token());
    let anonymous = app.anonymous();
    let twice = anonymous
        .request("GET", "/v1/org")
        .header("cookie", format!("keystore_session=kss_theirs; {own}"));
    anonymous.send(twice).await.expect_problem(401, "unauthenticated");
    let lines = anonymous
        .request("GET", "/v1/org")
        .header("cookie", &own)
        .header("cookie", &own);
    anonymous.send(lines).await.expect_problem(401, "unauthenticated");
    app.finish().await;
}

#[tokio::test]
async fn an_agents_token_opens_nothing_here() {
    let app = TestApp::start().await;
    app.create_credential("openai").await;
    let token = app.create_token("agent", &["openai"]).await;
    app.anonymous()
        .with_token(&token)
        .get("/v1/agents")
        .await
        .expect_problem(401, "unauthenticated");
    app.finish().await;
}

#[tokio::test]
async fn failed_sign_ins_are_recorded_where_the_account_belongs_and_do_not_flood() {
    let (app, clock) = with_clock().await;
    let recorded = async || {
        let path = "/v1/audit?action=log_in_failed";
        app.owner_client().get(path).await.expect(200)["data"].clone()
    };
    for attempt in 0..9 {
        app.anonymous()
            .post("/v1/auth/login", &login("owner@example.com", "wrong password"))
            .await
            .expect_problem(401, "invalid_credentials");
        app.anonymous()
            .post("/v1/auth/login", &login("nobody@example.com", "wrong password"))
            .await
            .expect_problem(401, "invalid_credentials");
        if attempt > 3 {
            clock.advance(Duration::from_secs(60));
        }
    }
    let me = app.owner_client().get("/v1/auth/me").await.expect(200);
    while recorded().await.as_array().unwrap().len() < 4 {
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let entries = recorded().await;
    let counts: Vec<_> = entries
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["after"]["failures"].as_u64().unwrap())
        .collect();
    assert_eq!(counts, [8, 4, 2, 1], "the newest first");
    assert_eq!(entries[0]["actor"], "anonymous");
    assert_eq!(entries[0]["subject"], me["user"]["id"]);
    assert_eq!(entries[0]["address"], "127.0.0.1");
    app.finish().await;
}
