//! The functions of the state machines, called in this process over local files.

use crate::walker::{Invoker, NamedError};
use allocation_runner::Context as RunnerContext;
use apportion_engine::QueryEngine;
use apportion_engine::catalogue::Catalogue;
use apportion_runtime::call;
use apportion_store::Store;
use async_trait::async_trait;
use reconciliation_gate::Context as GateContext;
use serde_json::Value;
use statement_renderer::Template;
use statement_renderer::publish;
use std::sync::Arc;

/// Everything that the functions of one run work with.
pub struct LocalFunctions {
    gate: GateContext,
    runner: RunnerContext,
    mapper: ou_mapper::Context,
    hygiene: tag_hygiene::Context,
    mailer: digest_mailer::Context,
    renderer: statement_renderer::Context,
    publisher: Option<publish::Context>,
}

/// Where a run reads and writes.
pub struct Places {
    /// The delivered bill.
    pub bill: Store,
    /// `inputs/` and `staging/`; of a daily run everything.
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
        let catalogue = Arc::new(Catalogue::builtin());
        Ok(LocalFunctions {
            gate: GateContext::new(places.bill.clone(), places.work.clone()),
            runner: RunnerContext {
                bill: places.bill.clone(),
                work: places.work.clone(),
                closes: places.closes.clone(),
                engine: Arc::clone(&engine),
                catalogue: Arc::clone(&catalogue),
                own_template: false,
                template_digest: template.digest(),
            },
            mapper: ou_mapper::Context { work: places.work.clone(), source: ou_mapper::OrgSource::File },
            hygiene: tag_hygiene::Context {
                bill: places.bill.clone(),
                work: places.work.clone(),
                findings: tag_hygiene::FindingStore::Directory(places.work.clone()),
                engine,
                catalogue,
            },
            mailer: digest_mailer::Context {
                work: places.work.clone(),
                outbox: digest_mailer::Outbox::Directory(places.work.clone()),
            },
            renderer: statement_renderer::Context::new(places.work.clone(), places.closes.clone(), template)?,
            publisher,
        })
    }
}

#[async_trait]
impl Invoker for LocalFunctions {
    async fn invoke(&self, function: &str, payload: Value) -> Result<Value, NamedError> {
        match function {
            "ou_mapper" => call(payload, |event| ou_mapper::handle(&self.mapper, event), ou_mapper::Error::name).await,
            "reconciliation_gate" => {
                call(payload, |event| reconciliation_gate::handle(&self.gate, event), reconciliation_gate::Error::name).await
            }
            "allocation_runner" => {
                call(payload, |event| allocation_runner::handle(&self.runner, event), allocation_runner::Error::name).await
            }
            "tag_hygiene" => call(payload, |event| tag_hygiene::handle(&self.hygiene, event), tag_hygiene::Error::name).await,
            "digest_mailer" => {
                call(payload, |event| digest_mailer::handle(&self.mailer, event), digest_mailer::Error::name).await
            }
            "statement_renderer" => {
                call(payload, |event| statement_renderer::handle(&self.renderer, event), statement_renderer::Error::name).await
            }
            "statement_publisher" => {
                let publisher = self.publisher.as_ref();
                let publisher = publisher.ok_or_else(|| NamedError::new("NoPublisher", "this run publishes nothing"))?;
                call(payload, |event| publish::handle(publisher, event), publish::Error::name).await
            }
            other => Err(NamedError::new("UnknownFunction", format!("the state machine names `{other}`, which does not exist"))),
        }
    }
}
