//! Who calls, in which organization, with which role. What they may do is in `require`.
//!
//! The organization comes from the session or the key, never from a body, a path or a header, and it is the first argument of
//! every query.

use std::sync::Arc;
use std::time::Duration;

use axum::extract::FromRequestParts;
use http::request::Parts;
use http::{HeaderMap, Method, header};
use keystore_core::Micros;
use keystore_core::ids::{ApiKeyId, OrgId, ProjectId, SessionId, UserId};
use keystore_store::members::Role;
use keystore_store::{Tx, api_keys, members, orgs, projects, sessions};
use keystore_vault::{TokenKind, hash_token};
use keystore_wire::problem::Code;

use super::origin::Origin;
use super::rights::Authority;
use crate::api::problem::ApiError;
use crate::app::App;

/// The cookie that carries a session where there is no TLS.
pub(crate) const COOKIE: &str = "keystore_session";

/// The cookie that carries a session behind TLS. By its prefix a browser takes it from this host alone: a page of another host of the
/// same domain cannot set one that would be read in its place.
pub(crate) const HOST_COOKIE: &str = "__Host-keystore_session";

/// How long a session lasts without being used.
pub(crate) const SESSION_LIFE: Duration = Duration::from_secs(7 * 24 * 3600);

/// How old a note of use may be before it is written again.
const NOTE_EVERY: Duration = Duration::from_secs(60);

/// Somebody who proved who they are.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    /// The organization in which they act.
    pub(crate) org: OrgId,
    /// What they may do in it.
    pub(crate) role: Role,
    /// The one project that their key is bound to, if it is.
    pub(crate) project: Option<ProjectId>,
    /// Who they are.
    pub(crate) who: Who,
    /// Where the request comes from.
    pub(crate) origin: Origin,
}

/// A person or a key.
#[derive(Debug, Clone)]
pub(crate) enum Who {
    /// A person in a session.
    User {
        /// The person.
        user: UserId,
        /// The session.
        session: SessionId,
        /// When the session ends unless it is used.
        expires_at: Micros,
        /// Whether a second factor was proven in it.
        second_factor: bool,
    },
    /// The owner of the machine that `ks dev` runs on, while it sets itself up.
    Machine {
        /// The person.
        user: UserId,
    },
    /// A management key.
    Key {
        /// The key.
        id: ApiKeyId,
        /// When it ends.
        expires_at: Option<Micros>,
        /// The person behind it, by whatever chain of keys.
        made_by: Option<UserId>,
    },
}

impl Caller {
    /// The person who answers for what the caller hands out: when they go, it goes.
    pub(crate) fn answers(&self) -> Option<UserId> {
        match self.who {
            Who::User { user, .. } | Who::Machine { user } => Some(user),
            Who::Key { made_by, .. } => made_by,
        }
    }

    /// The same caller as the person who answers, acting on their own account: for what is made for them elsewhere.
    pub(crate) fn as_person(&self, user: UserId) -> Self {
        Self {
            who: Who::Machine { user },
            ..self.clone()
        }
    }

    /// What they may hand out at most.
    pub(crate) fn authority(&self) -> Authority {
        let until = match self.who {
            Who::Key { expires_at, .. } => expires_at,
            Who::User { .. } | Who::Machine { .. } => None,
        };
        Authority {
            role: self.role,
            project: self.project,
            until,
        }
    }

    /// The organization, unless the caller's key is bound to a project of it: for what belongs to the whole.
    ///
    /// # Errors
    /// `forbidden`.
    pub(crate) fn whole_org(&self) -> Result<OrgId, ApiError> {
        match self.project {
            None => Ok(self.org),
            Some(_) => Err(ApiError::new(
                Code::Forbidden,
                "your key is bound to a project; this belongs to the whole organization",
            )),
        }
    }

    /// The person and the session: for what a management key cannot do.
    ///
    /// # Errors
    /// `forbidden`.
    pub(crate) fn person(&self) -> Result<(UserId, SessionId), ApiError> {
        match self.who {
            Who::User { user, session, .. } => Ok((user, session)),
            Who::Key { .. } | Who::Machine { .. } => Err(ApiError::new(
                Code::Forbidden,
                "a management key has no session; sign in with `ks login` to do this",
            )),
        }
    }

    /// That the caller still has the role they came with, from now until the end of the transaction: before handing out what
    /// would outlive its loss.
    ///
    /// # Errors
    /// `unauthenticated`.
    pub(crate) async fn confirm(&self, tx: &mut Tx, now: Micros) -> Result<(), ApiError> {
        let held = orgs::hold(tx, self.org).await?;
        let role = match self.who {
            Who::User { user, .. } | Who::Machine { user } => {
                members::get(tx, self.org, user).await?.map(|member| member.role)
            }
            Who::Key { id, .. } => api_keys::get(tx, self.org, id)
                .await?
                .filter(|key| key.revoked_at.is_none() && key.expires_at.is_none_or(|at| at > now))
                .map(|key| key.role),
        };
        match held && role == Some(self.role) {
            true => Ok(()),
            false => Err(ApiError::unauthenticated()),
        }
    }

    /// Whether the caller may see and touch things of `project`; `None` is what belongs to the whole organization.
    pub(crate) fn reaches(&self, project: impl Into<Option<ProjectId>>) -> bool {
        self.project.is_none() || self.project == project.into()
    }

    /// The project that a body or a query selects by id or slug: the caller's own, else `default`, when it selects none.
    ///
    /// # Errors
    /// `not_found` when there is none that the caller may reach.
    pub(crate) async fn select_project(
        &self,
        conn: &mut keystore_store::Conn,
        selected: Option<&str>,
    ) -> Result<projects::Project, ApiError> {
        let found = match (selected.map(str::parse::<ProjectId>), selected, self.project) {
            (Some(Ok(id)), ..) => projects::get(conn, self.org, id).await?,
            (_, Some(slug), _) => projects::by_slug(conn, self.org, slug).await?,
            (_, None, Some(own)) => projects::get(conn, self.org, own).await?,
            (_, None, None) => projects::by_slug(conn, self.org, DEFAULT_PROJECT).await?,
        };
        found
            .filter(|project| self.reaches(project.id))
            .ok_or_else(|| ApiError::not_found("project"))
    }

    /// The project that a list is narrowed to: the selected one, else the caller's own, else all.
    ///
    /// # Errors
    /// `not_found` when there is none that the caller may reach.
    pub(crate) async fn narrow(
        &self,
        conn: &mut keystore_store::Conn,
        selected: Option<&str>,
    ) -> Result<Option<ProjectId>, ApiError> {
        match selected {
            Some(_) => Ok(Some(self.select_project(conn, selected).await?.id)),
            None => Ok(self.project),
        }
    }
}

/// The project that every organization starts with.
pub(crate) const DEFAULT_PROJECT: &str = "default";

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let Identified(caller) = Identified::from_request_parts(parts, app).await?;
        match lacks_factor(app, &caller).await? {
            false => Ok(caller),
            true => Err(ApiError::new(
                Code::SecondFactorMissing,
                "the organization requires a second factor of its members, and you have none yet",
            )
            .remedy("set one up with `ks factor add`, or in the dashboard under Settings; until then nothing else is open")),
        }
    }
}

/// A caller who may lack the second factor that their organization requires: for what they do to have one, or to leave.
#[derive(Debug)]
pub(crate) struct Identified(pub(crate) Caller);

impl FromRequestParts<Arc<App>> for Identified {
    type Rejection = ApiError;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, ApiError> {
        let (value, from_cookie) = presented(&parts.headers, cookie_name(app.settings.secure_cookies))?;
        if from_cookie && !is_same_origin(&parts.method, &parts.headers) {
            return Err(ApiError::new(
                Code::CrossSite,
                "a request from another site cannot use your session; use a management key instead",
            ));
        }
        let origin = Origin::of(parts);
        if value.starts_with(TokenKind::Session.prefix()) {
            of_session(app, value, origin).await.map(Self)
        } else if value.starts_with(TokenKind::ApiKey.prefix()) && !from_cookie {
            of_key(app, value, origin).await.map(Self)
        } else {
            Err(ApiError::unauthenticated())
        }
    }
}

/// Whether the caller is a person without the second factor that their organization requires. Who has one proved it in their session.
///
/// # Errors
/// The store's.
pub(crate) async fn lacks_factor(app: &App, caller: &Caller) -> Result<bool, ApiError> {
    match caller.who {
        Who::User {
            second_factor: false, ..
        } => Ok(orgs::requires_second_factor(&mut app.store.read().await?, caller.org).await?),
        Who::User { .. } | Who::Key { .. } | Who::Machine { .. } => Ok(false),
    }
}

/// The name of the cookie that carries a session.
pub(crate) const fn cookie_name(secure: bool) -> &'static str {
    match secure {
        true => HOST_COOKIE,
        false => COOKIE,
    }
}

/// The one bearer value, else that of the one cookie of this name; and whether it was the cookie's.
fn presented<'a>(headers: &'a HeaderMap, name: &str) -> Result<(&'a str, bool), ApiError> {
    let mut authorizations = headers.get_all(header::AUTHORIZATION).iter();
    match (authorizations.next(), authorizations.next()) {
        (Some(value), None) => {
            let (scheme, value) = value
                .to_str()
                .ok()
                .and_then(|text| text.split_once(' '))
                .ok_or_else(ApiError::unauthenticated)?;
            match scheme.eq_ignore_ascii_case("bearer") {
                true => Ok((value, false)),
                false => Err(ApiError::unauthenticated()),
            }
        }
        (Some(_), Some(_)) => Err(ApiError::unauthenticated()),
        (None, _) => cookie(headers, name).map(|value| (value, true)),
    }
}

/// The value of the cookie. Of two, one is not ours, and nothing says which.
fn cookie<'a>(headers: &'a HeaderMap, name: &str) -> Result<&'a str, ApiError> {
    let mut values = headers
        .get_all(header::COOKIE)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|line| line.split(';'))
        .filter_map(|pair| pair.trim().strip_prefix(name)?.strip_prefix('='));
    match (values.next(), values.next()) {
        (Some(value), None) => Ok(value),
        _ => Err(ApiError::unauthenticated()),
    }
}

/// Whether a browser sent this from a page of ours. `SameSite=Strict` keeps the cookie from other sites already; this also
/// keeps it from other origins of the same site. What is safe by its method may come without either header.
fn is_same_origin(method: &Method, headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin" || (site == "none" && method.is_safe());
    }
    match (text("origin"), text("host")) {
        (Some(origin), Some(host)) => origin
            .split_once("://")
            .is_some_and(|(_, own)| own.eq_ignore_ascii_case(host)),
        (None, _) => method.is_safe(),
        (Some(_), None) => false,
    }
}

async fn of_session(app: &App, value: &str, origin: Origin) -> Result<Caller, ApiError> {
    let now = app.clock.now();
    let mut conn = app.store.read().await?;
    let session = sessions::by_hash(&mut conn, &hash_token(value.as_bytes()).0, now)
        .await?
        .ok_or_else(ApiError::unauthenticated)?;
    let member = members::get(&mut conn, session.org, session.user_id)
        .await?
        .ok_or_else(ApiError::unauthenticated)?;
    drop(conn);
    let mut expires_at = session.expires_at;
    if now.since(session.last_seen_at) >= NOTE_EVERY {
        expires_at = now.plus(SESSION_LIFE);
        let mut tx = app.store.begin().await?;
        sessions::touch(&mut tx, session.id, now, expires_at).await?;
        tx.commit().await?;
    }
    Ok(Caller {
        org: session.org,
        role: member.role,
        project: None,
        who: Who::User {
            user: session.user_id,
            session: session.id,
            expires_at,
            second_factor: session.second_factor,
        },
        origin,
    })
}

async fn of_key(app: &App, value: &str, origin: Origin) -> Result<Caller, ApiError> {
    let now = app.clock.now();
    let key = api_keys::by_hash(&mut app.store.read().await?, &hash_token(value.as_bytes()).0, now)
        .await?
        .ok_or_else(ApiError::unauthenticated)?;
    if key.last_used_at.is_none_or(|at| now.since(at) >= NOTE_EVERY) {
        let mut tx = app.store.begin().await?;
        api_keys::touch(&mut tx, key.id, now).await?;
        tx.commit().await?;
    }
    Ok(Caller {
        org: key.org,
        role: key.role,
        project: key.project,
        who: Who::Key {
            id: key.id,
            expires_at: key.expires_at,
            made_by: key.created_by,
        },
        origin,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (name.parse().unwrap(), value.parse().unwrap()))
            .collect()
    }

    #[test]
    fn a_session_cookie_counts_only_from_our_own_pages() {
        type Case = (Method, &'static [(&'static str, &'static str)], bool);
        let cases: &[Case] = &[
            (Method::POST, &[("sec-fetch-site", "same-origin")], true),
            (Method::POST, &[("sec-fetch-site", "same-site")], false),
            (Method::POST, &[("sec-fetch-site", "cross-site")], false),
            (Method::POST, &[("sec-fetch-site", "none")], false),
            (Method::GET, &[("sec-fetch-site", "none")], true),
            (Method::GET, &[("sec-fetch-site", "cross-site")], false),
            (
                Method::POST,
                &[("origin", "https://ks.example"), ("host", "ks.example")],
                true,
            ),
            (
                Method::POST,
                &[("origin", "https://evil.example"), ("host", "ks.example")],
                false,
            ),
            (Method::POST, &[("origin", "null"), ("host", "ks.example")], false),
            (Method::POST, &[("host", "ks.example")], false),
            (Method::GET, &[("host", "ks.example")], true),
        ];
        for (method, pairs, expected) in cases {
            assert_eq!(
                is_same_origin(method, &headers(pairs)),
                *expected,
                "{method} {pairs:?}"
            );
        }
    }

    #[test]
    fn one_bearer_value_or_else_the_cookie() {
        let found = |pairs: &[(&'static str, &'static str)]| {
            let map: HeaderMap = {
                let mut map = HeaderMap::new();
                for (name, value) in pairs {
                    map.append(*name, value.parse().unwrap());
                }
                map
            };
            presented(&map, COOKIE)
                .ok()
                .map(|(value, cookie)| (value.to_owned(), cookie))
        };
        assert_eq!(
            found(&[("authorization", "Bearer kss_1")]),
            Some(("kss_1".into(), false))
        );
        assert_eq!(found(&[("authorization", "Basic kss_1")]), None);
        assert_eq!(
            found(&[("authorization", "Bearer a"), ("authorization", "Bearer a")]),
            None
        );
        assert_eq!(
            found(&[("cookie", "a=b; keystore_session=kss_2; c=d")]),
            Some(("kss_2".into(), true))
        );
        assert_eq!(found(&[("cookie", "xkeystore_session=kss_2")]), None);
        assert_eq!(
            found(&[
                ("authorization", "nonsense"),
                ("cookie", "keystore_session=kss_2")
            ]),
            None,
            "a bad header is not passed over"
        );
        for twice in [
            &[("cookie", "keystore_session=kss_1; keystore_session=kss_2")][..],
            &[
                ("cookie", "keystore_session=kss_1"),
                ("cookie", "keystore_session=kss_1"),
            ],
        ] {
            assert_eq!(found(twice), None, "{twice:?}");
        }
    }

    #[test]
    fn behind_tls_the_cookie_without_the_prefix_is_another_one() {
        let map = headers(&[(
            "cookie",
            "keystore_session=kss_theirs; __Host-keystore_session=kss_ours",
        )]);
        let found = |secure| presented(&map, cookie_name(secure)).ok();
        assert_eq!(found(true), Some(("kss_ours", true)));
        assert_eq!(found(false), Some(("kss_theirs", true)));
    }
}
