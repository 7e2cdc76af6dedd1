//! The functions of the state machines, called in this process over local files.

use crate::walker::{Invoker, NamedError};
use allocation_runner::Context as RunnerContext;
use apportion_engine::QueryEngine;
use apportion_store::Store;
use async_trait::async_trait;
use reconciliation_gate::Context as GateContext;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use statement_renderer::Template;
use statement_renderer::publish;
use std::sync::Arc;

/// Everything that the functions of one run work with.
pub struct LocalFunctions {
    gate: GateContext,
    runner: RunnerContext,
    mapper: ou_mapper::Context,
    renderer: statement_renderer::Context,
    publisher: Option<publish::Context>,
}

/// Where a run reads and writes.
pub struct Places {
    /// The delivered bill.
    pub bill: Store,
    /// `inputs/` and `staging/`.
    pub work: Store,
    /// `closes/` and `provisional/`.
    pub closes: Store,
}

impl LocalFunctions {
    /// `publisher` is absent in a dry run and in `verify`, which never publish.
    pub fn new(
        places: &Places,
        engine: Arc<dyn QueryEngine>,
        template: &Template,
        publisher: Option<publish::Context>,
    ) -> Result<LocalFunctions, statement_renderer::RenderError> {
        Ok(LocalFunctions {
            gate: GateContext { bill: places.bill.clone(), work: places.work.clone() },
            runner: RunnerContext {
                work: places.work.clone(),
                closes: places.closes.clone(),
                engine,
                template_digest: template.digest(),
            },
            mapper: ou_mapper::Context { work: places.work.clone() },
            renderer: statement_renderer::Context::new(places.work.clone(), places.closes.clone(), template)?,
            publisher,
        })
    }
}

fn event<T: DeserializeOwned>(function: &str, payload: Value) -> Result<T, NamedError> {
    serde_json::from_value(payload)
        .map_err(|error| NamedError::new("BadEvent", format!("{function}: the event does not fit: {error}")))
}

fn output<T: Serialize>(result: Result<T, NamedError>) -> Result<Value, NamedError> {
    serde_json::to_value(result?).map_err(|error| NamedError::new("BadOutput", error.to_string()))
}

#[async_trait]
impl Invoker for LocalFunctions {
    async fn invoke(&self, function: &str, payload: Value) -> Result<Value, NamedError> {
        match function {
            "ou_mapper" => {
                let answer = ou_mapper::handle(&self.mapper, event(function, payload)?).await;
                output(answer.map_err(|error| NamedError::new(error.name(), error.to_string())))
            }
            "reconciliation_gate" => {
                let answer = reconciliation_gate::handle(&self.gate, event(function, payload)?).await;
                output(answer.map_err(|error| NamedError::new(error.name(), error.to_string())))
            }
            "allocation_runner" => {
                let answer = allocation_runner::handle(&self.runner, event(function, payload)?).await;
                output(answer.map_err(|error| NamedError::new(error.name(), error.to_string())))
            }
            "statement_renderer" => {
                let answer = statement_renderer::handle(&self.renderer, event(function, payload)?).await;
                output(answer.map_err(|error| NamedError::new(error.name(), error.to_string())))
            }
            "statement_publisher" => {
                let publisher = self
                    .publisher
                    .as_ref()
                    .ok_or_else(|| NamedError::new("NoPublisher", "this run publishes nothing".to_owned()))?;
                let answer = publish::handle(publisher, event(function, payload)?).await;
                output(answer.map_err(|error| NamedError::new(error.name(), error.to_string())))
            }
            other => Err(NamedError::new("UnknownFunction", format!("the state machine names `{other}`, which does not exist"))),
        }
    }
}
