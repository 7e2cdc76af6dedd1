//! The contexts of the function as Lambda runs it, under its two names: settings of the environment become stores and clients.

use crate::signer::{Kms, Signer};
use crate::{Context, Template, publish};
use apportion_runtime::aws::Settings;
use apportion_runtime::{BAD_SETTING, NamedError};

impl Context {
    /// From APPORTION_WORK and _CLOSES; the template is that of APPORTION_RELEASE.
    pub async fn from_environment(settings: &Settings) -> Result<Context, NamedError> {
        let bad = |error: &dyn std::fmt::Display| NamedError::new(BAD_SETTING, format!("APPORTION_RELEASE: {error}"));
        let template = Template::from_files(settings.release("template").await?).map_err(|error| bad(&error))?;
        let (work, closes) = (settings.store("APPORTION_WORK").await?, settings.store("APPORTION_CLOSES").await?);
        // What closes were made from lies where it was frozen, beside the staged files.
        let context = Context::new(work.clone(), closes, &template).map_err(|error| bad(&error))?;
        Ok(context.with_inputs(work))
    }
}

impl publish::Context {
    /// From APPORTION_WORK, _CLOSES, _RETENTION and _SIGNING_KEY.
    pub async fn from_environment(settings: &Settings) -> Result<publish::Context, NamedError> {
        let key = settings.required("APPORTION_SIGNING_KEY").await?;
        let signer = Some(Signer::Kms(Kms::new(aws_sdk_kms::Client::new(settings.aws()), key)));
        Ok(publish::Context { work: settings.store("APPORTION_WORK").await?, closes: settings.closes().await?, signer })
    }
}
