//! Renderer and publisher in one process, for a machine on which nothing is to be kept from either.
//!
//! An event with an `action` is the renderer's, one without is the publisher's. On AWS they are two functions with roles of their own, and
//! only the publisher's may sign.

use crate::publish;
use apportion_runtime::aws::Settings;
use apportion_runtime::{BAD_EVENT, NamedError};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// What both work with.
pub struct Context {
    renderer: crate::Context,
    publisher: publish::Context,
}

impl Context {
    /// From the settings of both.
    pub async fn from_environment(settings: &Settings) -> Result<Context, NamedError> {
        let publisher = publish::Context::from_environment(settings).await?;
        Ok(Context { renderer: crate::Context::from_environment(settings).await?, publisher })
    }
}

#[derive(Debug, thiserror::Error)]
pub enum Error {
    #[error("{0}")]
    Renderer(#[from] crate::Error),
    #[error("{0}")]
    Publisher(#[from] publish::Error),
    #[error("{0}")]
    BadEvent(serde_json::Error),
    #[error("{0}")]
    BadOutput(serde_json::Error),
}

impl Error {
    /// The name that a state machine catches.
    pub fn name(&self) -> &'static str {
        match self {
            Error::Renderer(error) => error.name(),
            Error::Publisher(error) => error.name(),
            Error::BadEvent(_) => BAD_EVENT,
            Error::BadOutput(_) => "BadOutput",
        }
    }
}

/// Runs one step of whichever the event is for.
pub async fn handle(context: &Context, event: Value) -> Result<Value, Error> {
    if event.get("action").is_some() {
        output(crate::handle(&context.renderer, read(event)?).await?)
    } else {
        output(publish::handle(&context.publisher, read(event)?).await?)
    }
}

fn read<Event: DeserializeOwned>(event: Value) -> Result<Event, Error> {
    serde_json::from_value(event).map_err(Error::BadEvent)
}

fn output(output: impl Serialize) -> Result<Value, Error> {
    serde_json::to_value(output).map_err(Error::BadOutput)
}
