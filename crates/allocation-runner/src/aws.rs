//! The context of the function as Lambda runs it: settings of the environment become stores and clients.

use crate::Context;
use apportion_engine::QueryEngine;
use apportion_engine::catalogue::Catalogue;
use apportion_engine_athena::{AthenaEngine, Settings as EngineSettings};
use apportion_output::template_digest;
use apportion_runtime::aws::Settings;
use apportion_runtime::{BAD_SETTING, NamedError};
use std::sync::Arc;

impl Context {
    /// From APPORTION_BILL, _WORK, _CLOSES, _WORKGROUP and _DATABASE; SQL and template are those of APPORTION_RELEASE.
    pub async fn from_environment(settings: &Settings) -> Result<Context, NamedError> {
        let catalogue = Catalogue::from_files(&settings.release("sql").await?);
        Ok(Context {
            bill: settings.store("APPORTION_BILL").await?,
            work: settings.store("APPORTION_WORK").await?,
            closes: settings.store("APPORTION_CLOSES").await?,
            engine: engine(settings).await?,
            catalogue: Arc::new(catalogue.map_err(|error| NamedError::new(BAD_SETTING, error))?),
            own_template: true,
            template_digest: template_digest(&settings.release("template").await?),
        })
    }
}

async fn engine(settings: &Settings) -> Result<Arc<dyn QueryEngine>, NamedError> {
    let (workgroup, database) = (settings.required("APPORTION_WORKGROUP").await?, settings.required("APPORTION_DATABASE").await?);
    let athena = aws_sdk_athena::Client::new(settings.aws());
    // A day reads the bill where it was delivered.
    let delivered_root = Some(settings.required("APPORTION_BILL").await?);
    let settings_of_engine = EngineSettings { delivered_root, ..EngineSettings::new(workgroup, database) };
    Ok(Arc::new(AthenaEngine::new(athena, settings.s3(), settings_of_engine)))
}
