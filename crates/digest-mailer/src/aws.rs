//! The context of the function as Lambda runs it: settings of the environment become stores and clients.

use crate::{Context, Outbox, Ses};
use apportion_runtime::NamedError;
use apportion_runtime::aws::Settings;
use apportion_runtime::table::Table;

impl Context {
    /// From APPORTION_WORK, _TABLE, _MAIL_FROM and _CONFIGURATION_SET.
    pub async fn from_environment(settings: &Settings) -> Result<Context, NamedError> {
        let work = settings.store("APPORTION_WORK").await?;
        let table = Table::new(aws_sdk_dynamodb::Client::new(settings.aws()), settings.required("APPORTION_TABLE").await?);
        let (sender, set) =
            (settings.required("APPORTION_MAIL_FROM").await?, settings.optional("APPORTION_CONFIGURATION_SET").await?);
        let config = aws_sdk_sesv2::config::Builder::from(settings.aws());
        Ok(Context { outbox: Outbox::Ses(Ses::new(config, table, work.clone(), sender, set)), work })
    }
}
