//! The context of the function as Lambda runs it: settings of the environment become stores and clients.

use crate::{Context, Limits, OrgSource, Organizations};
use apportion_runtime::NamedError;
use apportion_runtime::aws::Settings;

impl Context {
    /// From APPORTION_WORK; the organization is AWS's own.
    pub async fn from_environment(settings: &Settings) -> Result<Context, NamedError> {
        let source = OrgSource::Organizations(Organizations::new(
            aws_sdk_organizations::config::Builder::from(settings.aws()),
            Limits::default(),
        ));
        Ok(Context { work: settings.store("APPORTION_WORK").await?, source })
    }
}
