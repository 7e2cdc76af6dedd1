//! The context of the function as Lambda runs it: settings of the environment become stores and clients.

use crate::{Context, Release};
use apportion_engine::catalogue::Catalogue;
use apportion_runtime::aws::Settings;
use apportion_runtime::{BAD_SETTING, NamedError};
use std::sync::Arc;

impl Context {
    /// From APPORTION_BILL and _WORK; SQL and template are those of APPORTION_RELEASE.
    pub async fn from_environment(settings: &Settings) -> Result<Context, NamedError> {
        let catalogue = Catalogue::from_files(&settings.release("sql").await?);
        let release = Release {
            catalogue: Arc::new(catalogue.map_err(|error| NamedError::new(BAD_SETTING, error))?),
            template: Some(Arc::new(settings.release("template").await?)),
        };
        let (bill, work) = (settings.store("APPORTION_BILL").await?, settings.store("APPORTION_WORK").await?);
        Ok(Context { release, ..Context::new(bill, work) })
    }
}
