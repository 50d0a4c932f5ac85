//! `ks provider update`: what is known of a key beside its secret.

use clap::Args;
use keystore_core::Micros;
use keystore_wire::Patch;
use keystore_wire::credentials::{Agreement, Credential, UpdateCredential};

use super::{Context, show};
use crate::cli::name_and_value;
use crate::complete;
use crate::duration;

/// `ks provider update`.
#[derive(Args)]
pub(crate) struct UpdateArgs {
    /// The provider, PROVIDER/NAME, or the key's id
    #[arg(add = complete::credentials())]
    credential: String,
    /// Another name
    #[arg(long, value_name = "NAME")]
    name: Option<String>,
    /// Labels, all of them; `none` for none
    #[arg(long = "label", value_name = "LABEL")]
    labels: Vec<String>,
    /// Agreements with the vendor, all of them; `none` for none
    #[arg(long = "agreement", value_name = "KIND=DATE[,LINK]", value_parser = or_none(agreement))]
    agreements: Vec<Patch<(String, Agreement)>>,
    /// When the vendor ends the key; `none` for no end
    #[arg(long, value_name = "WHEN", value_parser = or_none(duration::parse_future))]
    expires: Option<Patch<Micros>>,
    /// When it should be rotated; `none` for never
    #[arg(long, value_name = "WHEN", value_parser = or_none(duration::parse_future))]
    rotate_after: Option<Patch<Micros>>,
}

/// `KIND=DATE` or `KIND=DATE,LINK`.
pub(super) fn agreement(text: &str) -> Result<(String, Agreement), String> {
    let (kind, rest) =
        name_and_value(text).map_err(|_| "expected KIND=DATE, such as dpa=2026-05-01".to_owned())?;
    let (date, link) = match rest.split_once(',') {
        Some((date, link)) => (date.to_owned(), Some(link.to_owned())),
        None => (rest, None),
    };
    Ok((kind, Agreement { date, link }))
}

/// What `parse` reads, or the word `none`.
fn or_none<T: Clone + Send + Sync + 'static>(
    parse: fn(&str) -> Result<T, String>,
) -> impl Fn(&str) -> Result<Patch<T>, String> + Clone + Send + Sync + 'static {
    move |text| match text {
        "none" => Ok(Patch::Reset),
        text => parse(text).map(Patch::Set),
    }
}

/// `ks provider update`.
pub(crate) async fn update(args: UpdateArgs, context: &Context<'_>) -> anyhow::Result<()> {
    let credential = context.credential(&args.credential).await?;
    let time = |at: Option<Patch<Micros>>| match at.unwrap_or(Patch::Keep) {
        Patch::Keep => Patch::Keep,
        Patch::Reset => Patch::Reset,
        Patch::Set(at) => Patch::Set(at.into()),
    };
    let change = UpdateCredential {
        name: args.name,
        labels: match args.labels.as_slice() {
            [] => Patch::Keep,
            [none] if none == "none" => Patch::Reset,
            _ => Patch::Set(args.labels),
        },
        agreements: match args.agreements.as_slice() {
            [] => Patch::Keep,
            [Patch::Reset] => Patch::Reset,
            _ => Patch::Set(
                args.agreements
                    .into_iter()
                    .filter_map(|agreement| agreement.apply(None))
                    .collect(),
            ),
        },
        expires_at: time(args.expires),
        rotate_after: time(args.rotate_after),
    };
    let id = credential.id.to_string();
    let credential: Credential = context.client.patch(&["credentials", &id], &change).await?;
    show(&credential, context)
}
