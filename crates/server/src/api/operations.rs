//! From one list of handlers, what is served and what is described.
//!
//! They are two functions because the description is some megabytes of code that makes a text: a server has the text
//! ([`DESCRIPTION`](super::DESCRIPTION)), and needs neither the code nor the time.

use axum::Router;
use axum::handler::Handler;
use axum::routing::MethodRouter;
use utoipa::openapi::HttpMethod;
use utoipa_axum::PathItemExt as _;

/// Makes `served()` and `described()` of handlers, each named by its module and itself, and each with `#[utoipa::path]`.
macro_rules! operations {
    ($($module:ident :: $handler:ident),* $(,)?) => {
        /// Every operation, where its attribute says.
        fn served() -> axum::Router<Arc<App>> {
            use utoipa::Path as _;
            let router = axum::Router::new();
            $(let router = pastey::paste! {
                operations::at(
                    router,
                    &$module::[<__path_ $handler>]::path(),
                    $module::[<__path_ $handler>]::methods(),
                    &$module::$handler,
                )
            };)*
            router
        }

        /// Every operation, as its attribute describes it.
        fn described() -> utoipa_axum::router::OpenApiRouter<Arc<App>> {
            let router = utoipa_axum::router::OpenApiRouter::with_openapi(Description::openapi());
            $(let router = router.routes(utoipa_axum::routes!($module::$handler));)*
            router
        }
    };
}
pub(super) use operations;

/// `router` with `handler` at `path` for `methods`.
pub(super) fn at<S, H, T>(router: Router<S>, path: &str, methods: Vec<HttpMethod>, handler: &H) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
    H: Handler<T, S>,
    T: 'static,
{
    let methods = methods.into_iter().fold(MethodRouter::new(), |router, method| {
        router.on(method.to_method_filter(), handler.clone())
    });
    router.route(path, methods)
}
