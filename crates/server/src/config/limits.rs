//! `[limits]`: what holds for agents that set nothing of their own.

use keystore_core::rate::{DEFAULT_RPD, DEFAULT_RPM};
use serde::{Deserialize, Serialize};

/// Default limits.
#[derive(Debug, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct LimitsSection {
    /// Requests in any 60 seconds per agent and provider, 0 to 1,000,000. Default 60.
    pub default_rpm: u32,
    /// Requests in a UTC day per agent and provider, 0 to 1,000,000. Default 10,000.
    pub default_rpd: u32,
}

impl Default for LimitsSection {
    fn default() -> Self {
        Self {
            default_rpm: DEFAULT_RPM,
            default_rpd: DEFAULT_RPD,
        }
    }
}
