//! A Trino cluster beneath the front: the engine that Athena itself is made of. Its own user and password come from the environment.

use super::FrontArguments;
use super::backend::Answer;
use crate::failure::Failure;
use apportion_engine::{EngineError, Poll, QueryEngine, Statement};
use apportion_engine_trino::{Settings, TrinoEngine};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Queries on a cluster, as they stand.
pub struct Cluster {
    settings: Settings,
}

/// Stops what nobody waits for any more.
struct Stop(Option<Arc<TrinoEngine>>);

impl Drop for Stop {
    fn drop(&mut self) {
        if let Some(engine) = self.0.take() {
            tokio::spawn(async move { engine.stop_all().await });
        }
    }
}

impl Cluster {
    pub fn new(url: &str, arguments: &FrontArguments) -> Result<Cluster, Failure> {
        let get = |name: &str| std::env::var(name).ok();
        let settings = Settings::from_variables(url, &arguments.catalog, &arguments.schema, &get);
        Ok(Cluster { settings: settings.map_err(Failure::bad_input)? })
    }

    pub async fn query(&self, sql: &str, scanned: Arc<AtomicU64>) -> Result<Answer, EngineError> {
        // One engine a query: its listener tells of this query only, and nothing of it is kept.
        let engine = TrinoEngine::new(self.settings.clone()).map_err(|error| EngineError::Failed {
            class: apportion_engine::FailureClass::Internal,
            message: error.to_string(),
        })?;
        let engine = Arc::new(engine.with_listener(move |progress| scanned.store(progress.bytes, Ordering::Relaxed)));
        let mut guard = Stop(Some(Arc::clone(&engine)));
        let statement = Statement { name: "query".to_owned(), sql: sql.to_owned(), tables: Vec::new(), lookups: Vec::new() };
        let id = engine.start(&statement, "query").await?;
        loop {
            match engine.poll(&id).await? {
                Poll::Running { .. } => {}
                Poll::Succeeded { .. } => break,
                Poll::Failed { class, message } => return Err(EngineError::Failed { class, message }),
            }
        }
        guard.0 = None;
        Ok(Answer { types: engine.types(&id)?, rows: engine.rows(&id).await? })
    }
}
