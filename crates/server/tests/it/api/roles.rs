//! The table of roles and rights, from the outside: every operation as every role, by a person and by a key.

use super::operations::{May, Operation, ROLES, Things, operations};
use crate::support::{Client, TestApp};

/// What ends a session or a membership comes last.
const LAST: [&str; 4] = ["delete_org", "leave_org", "refresh_session", "log_out"];

fn in_order() -> Vec<Operation> {
    let mut all = operations();
    all.sort_by_key(|operation| {
        LAST.iter()
            .position(|name| *name == operation.name)
            .map_or(0, |at| at + 1)
    });
    all
}

/// Calls name things that do not exist: whoever may is told so, whoever may not is told nothing.
async fn each_operation(client: &Client, role: &str, in_person: bool) {
    let nothing = Things::nothing();
    for operation in in_order() {
        let allowed = match operation.may {
            May::Roles(roles) => roles.split(' ').any(|name| name == role),
            May::People(roles) => in_person && roles.split(' ').any(|name| name == role),
            May::Anybody => continue,
            May::Operator => false,
        };
        if operation.name == "set_up_operator" {
            // For one owner alone; see market.rs.
            continue;
        }
        let mut call = operation.call(&nothing);
        if operation.name == "stream_requests" {
            // The one answer without an end; this one is refused for its form.
            call.path.push_str("?limit=1");
        }
        let answer = call.send(client).await;
        assert_eq!(
            answer.status != 403,
            allowed,
            "{role} {call:?}: {:#}",
            answer.body
        );
        assert!(answer.status < 500, "{role} {call:?}: {:#}", answer.body);
    }
}

#[tokio::test]
async fn each_role_may_what_the_table_says_and_nothing_else() {
    let app = TestApp::start().await;
    for role in ROLES {
        each_operation(&app.key_client(role).await, role, false).await;
        let person = app
            .member(app.owner_client(), &format!("{role}.person@example.com"), role)
            .await;
        each_operation(&person, role, true).await;
    }
    app.finish().await;
}

#[tokio::test]
async fn nobody_who_is_not_signed_in_may_anything() {
    let app = TestApp::start().await;
    let things = Things::make(&app, app.owner_client()).await;
    for operation in operations()
        .iter()
        .filter(|operation| operation.may != May::Anybody)
    {
        let call = operation.call(&things);
        call.send(&app.anonymous())
            .await
            .expect_problem(401, "unauthenticated");
    }
    app.finish().await;
}
