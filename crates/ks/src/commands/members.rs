//! `ks member`: who belongs to the organization. Invitations go out by mail; who has one uses `ks account accept`.

use clap::{Args, Subcommand};
use keystore_wire::Role;
use keystore_wire::members::{CreateInvitation, Invitation, Member, MemberChange, UpdateMember};
use serde::Serialize;

use super::find::MOST;
use super::{Context, date, moment};
use crate::output::table;
use crate::secret_input;

/// `ks member`.
#[derive(Subcommand)]
pub(crate) enum MemberCommand {
    /// List members and open invitations
    #[command(after_help = "Examples:\n  ks member list\n  ks member list --output json")]
    List,
    /// Invite somebody by mail; again, to send another link
    #[command(after_help = "Example:\n  ks member invite grace@example.com --role member")]
    Invite(InviteArgs),
    /// Change what a member may do
    #[command(after_help = "Example:\n  ks member role grace@example.com admin")]
    Role(RoleArgs),
    /// Take a member out, or withdraw an invitation
    #[command(
        after_help = "Examples:\n  ks member remove grace@example.com\n  ks member remove eve@example.com --yes"
    )]
    Remove(RemoveArgs),
    /// Leave the organization yourself
    #[command(after_help = "Example:\n  ks member leave --yes")]
    Leave {
        /// Do not ask
        #[arg(long, short)]
        yes: bool,
    },
}

/// `ks member invite`.
#[derive(Args)]
pub(crate) struct InviteArgs {
    /// The address
    email: String,
    /// What they may do: owner, admin, member, billing or viewer
    #[arg(long, value_parser = role)]
    role: Role,
}

/// `ks member role`.
#[derive(Args)]
pub(crate) struct RoleArgs {
    /// The member's address, name or id
    member: String,
    /// What they may do: owner, admin, member, billing or viewer
    #[arg(value_parser = role)]
    role: Role,
}

/// `ks member remove`.
#[derive(Args)]
pub(crate) struct RemoveArgs {
    /// The member's address, name or id; or the address of an open invitation
    member: String,
    /// Do not ask
    #[arg(long, short)]
    yes: bool,
}

/// A role by its name.
pub(super) fn role(text: &str) -> Result<Role, String> {
    const ROLES: [Role; 5] = [
        Role::Owner,
        Role::Admin,
        Role::Member,
        Role::Billing,
        Role::Viewer,
    ];
    ROLES
        .into_iter()
        .find(|role| role.as_str() == text)
        .ok_or_else(|| "expected owner, admin, member, billing or viewer".to_owned())
}

/// Does what the command says.
pub(crate) async fn run(command: MemberCommand, context: &Context<'_>) -> anyhow::Result<()> {
    match command {
        MemberCommand::List => list(context).await,
        MemberCommand::Invite(args) => invite(args, context).await,
        MemberCommand::Role(args) => set_role(&args, context).await,
        MemberCommand::Remove(args) => remove(&args, context).await,
        MemberCommand::Leave { yes } => leave(yes, context).await,
    }
}

/// What `ks member list` shows as JSON.
#[derive(Serialize)]
struct People {
    members: Vec<Member>,
    invitations: Vec<Invitation>,
}

async fn list(context: &Context<'_>) -> anyhow::Result<()> {
    let people = People {
        members: context.client.list(&["members"], &(), MOST).await?,
        invitations: invitations(context).await?,
    };
    context.output.data(&people, || {
        let members = people.members.iter().map(|member| {
            [
                member.email.clone(),
                member.name.clone(),
                member.role.as_str().to_owned(),
                format!("since {}", date(member.created_at)),
                member.user_id.to_string(),
            ]
        });
        let invited = people.invitations.iter().map(|invitation| {
            [
                invitation.email.clone(),
                String::new(),
                invitation.role.as_str().to_owned(),
                format!("invited until {}", moment(invitation.expires_at)),
                invitation.id.to_string(),
            ]
        });
        table(["EMAIL", "NAME", "ROLE", "STATUS", "ID"], members.chain(invited))
    })
}

async fn invitations(context: &Context<'_>) -> anyhow::Result<Vec<Invitation>> {
    context.client.list(&["invitations"], &(), MOST).await
}

async fn invite(args: InviteArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let body = CreateInvitation {
        email: args.email,
        role: args.role,
    };
    let invitation: Invitation = context.client.post(&["invitations"], &body).await?;
    context.output.note(&format!(
        "Invited {} as {}; the link is good until {}. Without a mail server it is in the server's log",
        invitation.email,
        invitation.role.as_str(),
        moment(invitation.expires_at)
    ));
    match context.output.is_json() {
        true => context.output.data(&invitation, String::new),
        false => Ok(()),
    }
}

async fn set_role(args: &RoleArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let member = context.member(&args.member).await?;
    let change: MemberChange = context
        .client
        .patch(
            &["members", &member.user_id.to_string()],
            &UpdateMember { role: args.role },
        )
        .await?;
    let words = format!("{} is {} now", member.email, change.member.role.as_str());
    tell(&words, &change, context)
}

async fn remove(args: &RemoveArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let open = invitations(context).await?;
    let invited = open.iter().find(|invitation| {
        invitation.email == args.member.to_lowercase() || invitation.id.to_string() == args.member
    });
    if let Some(invitation) = invited {
        secret_input::confirm(
            &format!("Withdraw the invitation of {}?", invitation.email),
            args.yes,
        )?;
        context
            .client
            .delete(&["invitations", &invitation.id.to_string()])
            .await?;
        context
            .output
            .note(&format!("Withdrew the invitation of {}", invitation.email));
        return Ok(());
    }
    let member = context.member(&args.member).await?;
    secret_input::confirm(
        &format!("Take {} out, with the management keys they made?", member.email),
        args.yes,
    )?;
    let change: MemberChange = context
        .client
        .remove(&["members", &member.user_id.to_string()], &())
        .await?;
    tell(&format!("{} is out", member.email), &change, context)
}

async fn leave(yes: bool, context: &Context<'_>) -> anyhow::Result<()> {
    secret_input::confirm("Leave the organization, with the management keys you made?", yes)?;
    let change: MemberChange = context.client.act(&["org", "leave"]).await?;
    tell("You are out; sign in again with `ks login`", &change, context)
}

/// Says what was done, and what went with it.
fn tell(words: &str, change: &MemberChange, context: &Context<'_>) -> anyhow::Result<()> {
    context.output.note(words);
    for key in &change.revoked_api_keys {
        context.output.warn(&format!(
            "the management key `{}` ({}) was revoked with that",
            key.name,
            key.role.as_str()
        ));
    }
    for invitation in &change.withdrawn_invitations {
        context.output.warn(&format!(
            "the invitation of {} was withdrawn with that",
            invitation.email
        ));
    }
    match context.output.is_json() {
        true => context.output.data(change, String::new),
        false => Ok(()),
    }
}
