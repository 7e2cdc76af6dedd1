//! The context of the function as Lambda runs it: settings of the environment become stores and clients.

use crate::{Context, Deployment, InvoiceSource, Invoices, Machine, Release};
use apportion_engine::catalogue::Catalogue;
use apportion_runtime::aws::Settings;
use apportion_runtime::table::Table;
use apportion_runtime::{BAD_SETTING, NamedError};
use std::sync::Arc;

impl Context {
    /// From APPORTION_BILL, _WORK, _CLOSES, _TABLE, _MONTH_END, _DAILY, _APPROVAL and _PAYER; SQL, template and configuration are those of
    /// APPORTION_RELEASE.
    pub async fn from_environment(settings: &Settings) -> Result<Context, NamedError> {
        let catalogue = Catalogue::from_files(&settings.release("sql").await?);
        let release = Release {
            catalogue: Arc::new(catalogue.map_err(|error| NamedError::new(BAD_SETTING, error))?),
            template: Some(Arc::new(settings.release("template").await?)),
        };
        let (bill, work) = (settings.store("APPORTION_BILL").await?, settings.store("APPORTION_WORK").await?);
        let deployment = Some(Arc::new(deployment(settings).await?));
        Ok(Context { release, deployment, ..Context::new(bill, work) })
    }
}

async fn deployment(settings: &Settings) -> Result<Deployment, NamedError> {
    let month_end = machine("APPORTION_MONTH_END", &settings.required("APPORTION_MONTH_END").await?)?;
    let daily = match settings.optional("APPORTION_DAILY").await? {
        Some(arn) => Some(machine("APPORTION_DAILY", &arn)?),
        None => None,
    };
    // The account whose invoices are asked for; `none` asks for none, and closes go by the bill's own sums.
    let payer = settings.optional("APPORTION_PAYER").await?.unwrap_or_else(|| month_end.account().to_owned());
    let invoices = match payer.as_str() {
        "none" => InvoiceSource::File(None),
        account => InvoiceSource::Api(Invoices::new(aws_sdk_invoicing::Client::new(settings.aws()), account)),
    };
    let is_approval_required = match settings.optional("APPORTION_APPROVAL").await?.as_deref() {
        None | Some("none") => false,
        Some("required") => true,
        Some(other) => {
            return Err(NamedError::new(BAD_SETTING, format!("APPORTION_APPROVAL is `{other}`: write `required` or `none`")));
        }
    };
    let table = settings.required("APPORTION_TABLE").await?;
    Ok(Deployment {
        closes: settings.store("APPORTION_CLOSES").await?,
        release: settings.store("APPORTION_RELEASE").await?,
        invoices,
        table: Table::new(aws_sdk_dynamodb::Client::new(settings.aws()), table),
        step_functions: aws_sdk_sfn::Client::new(settings.aws()),
        month_end,
        daily,
        is_approval_required,
    })
}

fn machine(name: &str, arn: &str) -> Result<Machine, NamedError> {
    let wrong = || NamedError::new(BAD_SETTING, format!("{name} is `{arn}`, which is not the ARN of a state machine"));
    Machine::parse(arn).ok_or_else(wrong)
}
