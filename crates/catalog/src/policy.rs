//! From a provider, parameters and perhaps a base URL to a destination policy.

/// Why no destination policy can be drawn up.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PolicyError {
    /// A parameter of the provider was not given.
    #[error("provider {provider} needs the parameter `{name}`: {description}")]
    MissingParam {
        /// The provider.
        provider: String,
        /// The parameter.
        name: String,
        /// What to give.
        description: String,
    },
    /// A parameter that the provider does not have.
    #[error("provider {provider} has no parameter `{name}`{}", .nearest.as_ref().map(|near| format!("; did you mean `{near}`?")).unwrap_or_default())]
    UnknownParam {
        /// The provider.
        provider: String,
        /// What was given.
        name: String,
        /// The parameter most like it.
        nearest: Option<String>,
    },
    /// A parameter's value does not have the form it must have.
    #[error("the parameter `{name}` must match {pattern}: {description}")]
    InvalidParam {
        /// The parameter.
        name: String,
        /// The regular expression.
        pattern: String,
        /// What to give.
        description: String,
    },
    /// The provider has no base URL of its own.
    #[error("provider {provider} runs where you run it: give its base URL")]
    MissingBaseUrl {
        /// The provider.
        provider: String,
    },
    /// The text is not an origin with at most a path.
    #[error("`{url}` is not a base URL: {reason}")]
    InvalidBaseUrl {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The provider has a fixed base URL, and the operator did not list this one.
    #[error("{authority} is not a host of provider {provider}; start the server with `--allow-upstream {authority}` to allow it")]
    BaseUrlNotAllowed {
        /// The provider.
        provider: String,
        /// `host:port`.
        authority: String,
    },
}
