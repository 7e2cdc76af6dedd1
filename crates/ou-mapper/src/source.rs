//! Where the organization comes from, and what may go wrong there.

use serde::{Deserialize, Serialize};

/// Where the organization comes from.
#[derive(Clone, Debug)]
pub enum OrgSource {
    /// The file that the run names; without one the organization is empty.
    File,
    /// AWS Organizations, walked as it stands now. A run that names a file goes by the file all the same.
    #[cfg(feature = "aws")]
    Organizations(crate::Organizations),
}

/// Why Organizations could not be read. Each says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SourceError {
    #[error(
        "Organizations refused {operation} {attempts} times for too many requests ({detail}): other tools of the organization share its rates; try again later or slow them down"
    )]
    Throttled { operation: &'static str, attempts: u32, detail: String },
    #[error(
        "no right to {operation} ({detail}): allow it to the mapper's role, in the management or a delegated administrator account"
    )]
    Denied { operation: &'static str, detail: String },
    #[error("{operation} was refused for its credentials ({detail}): renew them and start again; the walk goes on where it was")]
    ExpiredCredentials { operation: &'static str, detail: String },
    #[error("Organizations could not be reached or failed {attempts} times at {operation} ({detail}): try again later")]
    Unavailable { operation: &'static str, attempts: u32, detail: String },
    #[error("Organizations refused {operation} ({detail})")]
    Refused { operation: &'static str, detail: String },
    #[error("the organization changed during each of {walks} walks, last: {last}; run again at a quieter hour")]
    Unsettled { walks: u32, last: String },
    #[error(
        "the walk has not ended after {calls} calls and {requests} requests: look for what takes up the organization's rates"
    )]
    Endless { calls: u32, requests: u64 },
}

impl SourceError {
    /// The name that a state machine catches.
    pub fn name(&self) -> &'static str {
        match self {
            SourceError::Throttled { .. } => "OrganizationsThrottled",
            SourceError::Denied { .. } => "OrganizationsDenied",
            SourceError::ExpiredCredentials { .. } => "ExpiredCredentials",
            SourceError::Unavailable { .. } => "OrganizationsUnavailable",
            SourceError::Refused { .. } => "OrganizationsRefused",
            SourceError::Unsettled { .. } | SourceError::Endless { .. } => "OrganizationUnsettled",
        }
    }
}

/// Figures of a walk.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Figures {
    /// Calls of the function that worked on it.
    pub calls: u32,
    /// Walks begun: a second one where the organization changed during the first.
    pub walks: u32,
    pub requests: u64,
    /// Requests that were sent again.
    pub retries: u64,
    /// Answers that said "too many requests".
    pub throttled: u64,
}
