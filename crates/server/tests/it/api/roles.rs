//! The table of roles and rights, from the outside: every operation as every role.

use super::operations::{May, ROLES, Things, operations};
use crate::support::TestApp;

/// Calls name things that do not exist: whoever may is told so, whoever may not is told nothing.
#[tokio::test]
async fn each_role_may_what_the_table_says_and_nothing_else() {
    let app = TestApp::start().await;
    let nothing = Things::nothing();
    for role in ROLES {
        let client = app.key_client(role).await;
        for operation in operations() {
            let allowed = match operation.may {
                May::Roles(roles) => roles.split(' ').any(|name| name == role),
                May::Session => false,
                May::Anybody => continue,
            };
            let mut call = operation.call(&nothing);
            if operation.name == "stream_requests" {
                // The one answer without an end; this one is refused for its form.
                call.path.push_str("?limit=1");
            }
            let answer = call.send(&client).await;
            assert_eq!(
                answer.status != 403,
                allowed,
                "{role} {call:?}: {:#}",
                answer.body
            );
            assert!(answer.status < 500, "{role} {call:?}: {:#}", answer.body);
        }
    }
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
}
