//! `/v1/members`, `/v1/invitations`, `POST /v1/org/leave`.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use http::StatusCode;
use keystore_core::ids::{InvitationId, UserId};
use keystore_store::invitations::{self as invitation_rows, Invitation as InvitationRow};
use keystore_store::members::{self as rows, Person};
use keystore_wire::Page;
use keystore_wire::members::{CreateInvitation, Invitation, Member, MemberChange, UpdateMember};
use keystore_wire::page::PageQuery;

use super::extract::{Body, Query};
use super::page::Slice;
use super::problem::ApiResult;
use super::{api_keys, roles};
use crate::app::App;
use crate::auth::require::{Administer, Require, SeeOrg, Target};
use crate::invitations;
use crate::members::{self, TakenBack};

/// The members, oldest account first.
#[utoipa::path(get, path = "/v1/members", tag = "members", params(PageQuery),
    responses((status = 200, body = Page<Member>)))]
pub(super) async fn list_members(
    State(app): State<Arc<App>>,
    caller: Require<Administer>,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<Page<Member>>> {
    let slice = Slice::<UserId>::of(query.limit, query.after.as_deref())?;
    let org = caller.whole_org()?;
    let found = rows::list(&mut app.store.read().await?, org, slice.after, slice.read()).await?;
    Ok(Json(slice.page(found, |row| row.user_id.to_string(), wire)))
}

/// Gives the member another role, from now on. What they handed out and could not hand out any more goes: management keys, invitations.
#[utoipa::path(patch, path = "/v1/members/{member}", tag = "members", request_body = UpdateMember,
    params(("member" = String, Path, description = "The person's id")), responses((status = 200, body = MemberChange)))]
pub(super) async fn update_member(
    State(app): State<Arc<App>>,
    target: Target<Administer, Person>,
    Body(body): Body<UpdateMember>,
) -> ApiResult<Json<MemberChange>> {
    let (mut tx, member) = target.change(&app).await?;
    let role = roles::stored(body.role);
    let (member, taken) = members::set_role(&app, &mut tx, &target, member, role).await?;
    tx.commit().await?;
    Ok(Json(change(member, taken)))
}

/// Takes the member out of the organization. When this returns, their sessions and the management keys that they answer for do
/// not work there any more. The account stays.
#[utoipa::path(delete, path = "/v1/members/{member}", tag = "members",
    params(("member" = String, Path, description = "The person's id")), responses((status = 200, body = MemberChange)))]
pub(super) async fn remove_member(
    State(app): State<Arc<App>>,
    target: Target<Administer, Person>,
) -> ApiResult<Json<MemberChange>> {
    let (mut tx, member) = target.change(&app).await?;
    let taken = members::remove(&app, &mut tx, &target, &member).await?;
    tx.commit().await?;
    Ok(Json(change(member, taken)))
}

/// Ends the caller's own membership, as an owner or admin could.
#[utoipa::path(post, path = "/v1/org/leave", tag = "members", responses((status = 200, body = MemberChange)))]
pub(super) async fn leave_org(
    State(app): State<Arc<App>>,
    caller: Require<SeeOrg>,
) -> ApiResult<Json<MemberChange>> {
    let mut tx = app.store.begin().await?;
    let (member, taken) = members::leave(&app, &mut tx, &caller).await?;
    tx.commit().await?;
    Ok(Json(change(member, taken)))
}

/// The open invitations, oldest first.
#[utoipa::path(get, path = "/v1/invitations", tag = "members", params(PageQuery),
    responses((status = 200, body = Page<Invitation>)))]
pub(super) async fn list_invitations(
    State(app): State<Arc<App>>,
    caller: Require<Administer>,
    Query(query): Query<PageQuery>,
) -> ApiResult<Json<Page<Invitation>>> {
    let slice = Slice::<InvitationId>::of(query.limit, query.after.as_deref())?;
    let org = caller.whole_org()?;
    let found = invitation_rows::list(&mut app.store.read().await?, org, slice.after, slice.read()).await?;
    Ok(Json(slice.page(found, |row| row.id.to_string(), wire_invitation)))
}

/// Invites somebody by mail.
#[utoipa::path(post, path = "/v1/invitations", tag = "members", request_body = CreateInvitation,
    responses((status = 201, body = Invitation)))]
pub(super) async fn create_invitation(
    State(app): State<Arc<App>>,
    caller: Require<Administer>,
    Body(body): Body<CreateInvitation>,
) -> ApiResult<(StatusCode, Json<Invitation>)> {
    let made = invitations::create(&app, &caller, &body).await?;
    Ok((StatusCode::CREATED, Json(wire_invitation(made))))
}

/// Withdraws the invitation: its link is good for nothing any more.
#[utoipa::path(delete, path = "/v1/invitations/{invitation}", tag = "members",
    params(("invitation" = String, Path, description = "Id")), responses((status = 204)))]
pub(super) async fn delete_invitation(
    State(app): State<Arc<App>>,
    target: Target<Administer, InvitationRow>,
) -> ApiResult<StatusCode> {
    let (mut tx, invitation) = target.change(&app).await?;
    invitations::withdraw(&mut tx, &target, &invitation).await?;
    tx.commit().await?;
    Ok(StatusCode::NO_CONTENT)
}

fn change(member: Person, taken: TakenBack) -> MemberChange {
    MemberChange {
        member: wire(member),
        revoked_api_keys: taken.keys.into_iter().map(api_keys::wire).collect(),
        withdrawn_invitations: taken.invitations.into_iter().map(wire_invitation).collect(),
    }
}

/// The member as an answer and the audit log show them.
pub(crate) fn wire(row: Person) -> Member {
    Member {
        user_id: row.user_id,
        email: row.email,
        name: row.name,
        role: roles::wire(row.role),
        created_at: row.created_at.into(),
    }
}

/// The invitation as an answer and the audit log show it: everything but its code.
pub(crate) fn wire_invitation(row: InvitationRow) -> Invitation {
    Invitation {
        id: row.id,
        email: row.email,
        role: roles::wire(row.role),
        invited_by: row.invited_by,
        created_at: row.created_at.into(),
        expires_at: row.expires_at.into(),
    }
}
