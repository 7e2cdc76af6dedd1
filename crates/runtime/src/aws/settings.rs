//! Settings of a function: `docs/settings.md` lists them.

use crate::service::ServiceError;
use crate::{BAD_SETTING, NamedError, optional_setting};
use apportion_store::{Retention, S3, Store};
use aws_config::SdkConfig;
use std::collections::BTreeMap;

/// A setting that begins with this is the rest's secret in Secrets Manager.
const SECRET: &str = "secret:";

/// The environment, and what it takes to reach AWS.
pub struct Settings {
    aws: SdkConfig,
}

impl Settings {
    pub async fn load() -> Settings {
        Settings { aws: super::configuration().await }
    }

    /// What every client is made from.
    pub fn aws(&self) -> &SdkConfig {
        &self.aws
    }

    /// A setting that the function cannot do without.
    pub async fn required(&self, name: &str) -> Result<String, NamedError> {
        let value = self.optional(name).await?;
        value.ok_or_else(|| bad(name, "is not set: `docs/settings.md` says what it is"))
    }

    /// A setting; an empty one counts as absent. `secret:<id>` is read from Secrets Manager.
    pub async fn optional(&self, name: &str) -> Result<Option<String>, NamedError> {
        let Some(value) = optional_setting(name) else { return Ok(None) };
        let Some(id) = value.strip_prefix(SECRET) else { return Ok(Some(value)) };
        let client = aws_sdk_secretsmanager::Client::new(&self.aws);
        let secret = client.get_secret_value().secret_id(id).send().await.map_err(|error| {
            let error = ServiceError::of("secretsmanager:GetSecretValue", &error);
            NamedError::new(error.name(), format!("the setting {name}: {error}"))
        })?;
        let text = secret.secret_string.filter(|text| !text.is_empty());
        text.map(Some).ok_or_else(|| bad(name, &format!("names the secret `{id}`, which holds no text")))
    }

    /// A client of S3.
    pub fn s3(&self) -> aws_sdk_s3::Client {
        aws_sdk_s3::Client::new(&self.aws)
    }

    /// The store that a setting names: `s3://bucket` or `s3://bucket/prefix`.
    pub async fn store(&self, name: &str) -> Result<Store, NamedError> {
        Ok(Store::S3(self.place(name).await?))
    }

    async fn place(&self, name: &str) -> Result<S3, NamedError> {
        let location = self.required(name).await?;
        S3::parse(self.s3(), &location).map_err(|error| bad(name, &format!("is wrong: {error}")))
    }

    /// The store of closes, with the retention that APPORTION_RETENTION gives what is written there.
    pub async fn closes(&self) -> Result<Store, NamedError> {
        let place = self.place("APPORTION_CLOSES").await?;
        Ok(Store::S3(match self.optional("APPORTION_RETENTION").await? {
            None => place,
            Some(text) => place.with_retention(retention(&text).ok_or_else(|| {
                bad("APPORTION_RETENTION", "is wrong: write `compliance:2557` or `governance:2557`, the number in days")
            })?),
        }))
    }

    /// The files of a folder of the release: `sql`, `configuration` or `template`.
    pub async fn release(&self, folder: &str) -> Result<BTreeMap<String, Vec<u8>>, NamedError> {
        let store = self.store("APPORTION_RELEASE").await?;
        let mut files = store.get_all(&format!("{folder}/")).await.map_err(|error| NamedError::new(error.name(), &error))?;
        files.retain(|name, _| name.split('/').all(|part| !part.starts_with('.')));
        if files.is_empty() {
            return Err(bad("APPORTION_RELEASE", &format!("names {store}, where there is no file below {folder}/")));
        }
        Ok(files)
    }
}

fn bad(name: &str, what: &str) -> NamedError {
    NamedError::new(BAD_SETTING, format!("the environment variable {name} {what}"))
}

fn retention(text: &str) -> Option<Retention> {
    let (mode, days) = text.split_once(':')?;
    let is_compliance = match mode {
        "compliance" => true,
        "governance" => false,
        _ => return None,
    };
    Some(Retention { days: days.parse::<u32>().ok().filter(|days| *days > 0)?, is_compliance })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_retention_is_a_mode_and_days() {
        assert_eq!(retention("compliance:2557"), Some(Retention { days: 2557, is_compliance: true }));
        assert_eq!(retention("governance:1"), Some(Retention { days: 1, is_compliance: false }));
        for text in ["", "compliance", "compliance:0", "compliance:-1", "COMPLIANCE:30", "forever:30", "compliance:30:1"] {
            assert_eq!(retention(text), None, "{text}");
        }
    }
}
