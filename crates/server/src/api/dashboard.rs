//! The routes of the dashboard's files. What they hold and say is `crate::ui`'s matter.

use axum::extract::OriginalUri;
use axum::response::Response;
use http::HeaderMap;

use super::envelope;
use super::problem::ApiResult;
use crate::ui;

/// A file of the dashboard, or the page itself.
pub(super) async fn dashboard_file(OriginalUri(uri): OriginalUri, headers: HeaderMap) -> ApiResult<Response> {
    match ui::answer(uri.path(), &headers) {
        Some(answer) => Ok(answer),
        None => Err(envelope::not_found().await),
    }
}
