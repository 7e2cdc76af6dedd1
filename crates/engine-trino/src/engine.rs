//! The engine: statements followed by tasks, behind `QueryEngine`.

use crate::error::{Wrong, stopped};
use crate::follow::{self, Page, Work};
use crate::settings::{Settings, SettingsError};
use crate::spool::Spool;
use apportion_core::hygiene::TagKeys;
use apportion_engine::tables::{self, Roots};
use apportion_engine::{EngineError, ExecutionId, Poll, QueryEngine, RowStream, Statement, Table, binding};
use async_trait::async_trait;
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;
use tokio::sync::watch;
use trino_rust_client::Client;

/// A poll waits this long for the end, so that a caller who sleeps between polls seldom has to.
const POLL: Duration = Duration::from_secs(10);
/// How long `stop_all` waits for Trino's answers.
const STOP: Duration = Duration::from_secs(5);

/// What a statement has done so far, by name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Progress {
    pub statement: String,
    /// Per cent of the splits that Trino knows of.
    pub per_cent: Option<u8>,
    pub rows: u64,
    pub bytes: u64,
    pub nodes: u32,
}

type Listener = Arc<dyn Fn(&Progress) + Send + Sync>;

/// Runs statements on a Trino cluster, within a Tokio runtime.
pub struct TrinoEngine {
    client: Arc<Client>,
    settings: Settings,
    listener: Option<Listener>,
    executions: Mutex<BTreeMap<ExecutionId, Execution>>,
    /// How often tag keys were asked for.
    tag_keys: AtomicU64,
    /// Whoever uses it is about to leave.
    leaving: AtomicBool,
}

struct Execution {
    statement: Statement,
    state: watch::Receiver<State>,
    /// Trino's own name of it, once it has one.
    query: Option<String>,
    task: Option<tokio::task::AbortHandle>,
}

#[derive(Debug, Clone)]
enum State {
    Running(Work),
    Succeeded(Work, Arc<Spool>, Vec<String>),
    Failed(Wrong),
}

impl TrinoEngine {
    /// Makes no request yet.
    pub fn new(settings: Settings) -> Result<TrinoEngine, SettingsError> {
        let client = Arc::new(settings.client()?);
        let (executions, tag_keys, leaving) = (Mutex::default(), AtomicU64::new(0), AtomicBool::new(false));
        Ok(TrinoEngine { client, settings, listener: None, executions, tag_keys, leaving })
    }

    /// Tells of every page of every statement.
    pub fn with_listener(self, listener: impl Fn(&Progress) + Send + Sync + 'static) -> TrinoEngine {
        TrinoEngine { listener: Some(Arc::new(listener)), ..self }
    }

    /// Makes schema and tables of `sql/schema` where they are not there yet; gives the tables' names.
    pub async fn create_tables(&self, roots: &Roots, schema_location: Option<&str>) -> Result<Vec<String>, EngineError> {
        let quoted = |name: &str| format!("\"{}\"", name.replace('"', "\"\""));
        let schema = format!("{}.{}", quoted(&self.settings.catalog), quoted(&self.settings.schema));
        let location =
            schema_location.map(|text| format!(" with (location = '{}')", text.replace('\'', "''"))).unwrap_or_default();
        self.execute(&format!("create schema if not exists {schema}{location}")).await?;
        let mut names = Vec::new();
        for table in tables::definitions() {
            self.execute(&tables::trino(&table, &schema, roots)).await?;
            names.push(table.name);
        }
        Ok(names)
    }

    /// Runs a statement that gives no rows, as it stands.
    pub async fn execute(&self, sql: &str) -> Result<(), EngineError> {
        let url = &self.settings.url;
        let run = async {
            let first = follow::submit(&self.client, url, sql).await?;
            follow::follow(&self.client, url, first, |_| {}).await
        };
        run.await.map(|_| ()).map_err(|(class, message)| EngineError::Failed { class, message })
    }

    /// Trino's names of the types of a result's columns, such as `decimal(38,12)`.
    pub fn types(&self, id: &ExecutionId) -> Result<Vec<String>, EngineError> {
        match &*self.state(id)?.borrow() {
            State::Succeeded(_, spool, _) => Ok(spool.types.clone()),
            _ => Err(EngineError::NotFinished(id.0.clone())),
        }
    }

    /// Stops every statement that still runs, and waits some seconds for Trino to say so. No statement starts afterwards.
    pub async fn stop_all(&self) {
        self.leaving.store(true, Ordering::SeqCst);
        let running: Vec<ExecutionId> = self.executions().keys().cloned().collect();
        let stops = futures::future::join_all(running.iter().map(|id| self.stop(id)));
        // Whoever stops everything is about to leave; Trino ends a statement that nobody follows by itself, later.
        if tokio::time::timeout(STOP, stops).await.is_err() {
            tracing::warn!("Trino did not answer in time; it stops the statement by itself in some minutes");
        }
    }

    fn executions(&self) -> MutexGuard<'_, BTreeMap<ExecutionId, Execution>> {
        self.executions.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn state(&self, id: &ExecutionId) -> Result<watch::Receiver<State>, EngineError> {
        let state = self.executions().get(id).map(|execution| execution.state.clone());
        state.ok_or_else(|| EngineError::UnknownExecution(id.0.clone()))
    }

    /// Enters an execution, or finds the one that the token stands for.
    fn enter(&self, id: &ExecutionId, statement: &Statement) -> Result<Option<watch::Sender<State>>, EngineError> {
        let mut executions = self.executions();
        if let Some(known) = executions.get(id) {
            if known.statement != *statement {
                return Err(EngineError::TokenReused { token: id.0.clone(), first: known.statement.name.clone() });
            }
            return Ok(None);
        }
        let (sender, state) = watch::channel(State::Running(Work::default()));
        executions.insert(id.clone(), Execution { statement: statement.clone(), state, query: None, task: None });
        Ok(Some(sender))
    }

    /// Leaves a task that follows a statement to its end.
    fn follow(&self, id: &ExecutionId, name: &str, first: Page, notes: Option<String>, sender: watch::Sender<State>) {
        let (client, url, listener) = (Arc::clone(&self.client), self.settings.url.clone(), self.listener.clone());
        let (query, name) = (first.id.clone(), name.to_owned());
        let task = tokio::spawn(async move {
            let seen = |work: Work| {
                sender.send_replace(State::Running(work));
                if let Some(listener) = &listener {
                    let Work { rows, bytes, nodes, .. } = work;
                    listener(&Progress { statement: name.clone(), per_cent: work.per_cent(), rows, bytes, nodes });
                }
            };
            let ended = async {
                let (spool, work) = follow::follow(&client, &url, first, &seen).await?;
                Ok::<_, Wrong>((spool, work, noted(&client, &url, notes.as_deref()).await?))
            };
            sender.send_replace(match ended.await {
                Ok((spool, work, notes)) => State::Succeeded(work, Arc::new(spool), notes),
                Err(wrong) => State::Failed(wrong),
            });
        });
        if let Some(execution) = self.executions().get_mut(id) {
            execution.query = Some(query);
            execution.task = Some(task.abort_handle());
        }
    }
}

/// Runs the statement that counts what a person should know of the bill.
async fn noted(client: &Client, url: &str, notes: Option<&str>) -> Result<Vec<String>, Wrong> {
    let Some(sql) = notes else { return Ok(Vec::new()) };
    let first = follow::submit(client, url, sql).await?;
    let (spool, _) = follow::follow(client, url, first, |_| {}).await?;
    let read = async { binding::read_notes(spool.rows()?).await };
    read.await.map_err(|error| (error.class(), error.to_string()))
}

#[async_trait]
impl QueryEngine for TrinoEngine {
    async fn start(&self, statement: &Statement, token: &str) -> Result<ExecutionId, EngineError> {
        let id = ExecutionId(token.to_owned());
        let Some(sender) = self.enter(&id, statement)? else { return Ok(id) };
        if self.leaving.load(Ordering::SeqCst) {
            sender.send_replace(State::Failed(stopped()));
            return Ok(id);
        }
        let names = self.settings.binding();
        let bound = binding::bind(statement, &names).and_then(|sql| Ok((sql, binding::notes(statement, &names)?)));
        let (sql, notes) = match bound {
            Ok(bound) => bound,
            Err(error) => {
                sender.send_replace(State::Failed((error.class(), error.to_string())));
                return Ok(id);
            }
        };
        match follow::submit(&self.client, &self.settings.url, &sql).await {
            Ok(first) => self.follow(&id, &statement.name, first, notes, sender),
            Err(wrong) => {
                sender.send_replace(State::Failed(wrong));
            }
        }
        Ok(id)
    }

    /// Waits some seconds for the end.
    async fn poll(&self, id: &ExecutionId) -> Result<Poll, EngineError> {
        let mut state = self.state(id)?;
        let ended = state.wait_for(|state| !matches!(state, State::Running(_)));
        let broken = match tokio::time::timeout(POLL, ended).await {
            // The task is gone and said nothing: it was stopped.
            Ok(Err(_)) => true,
            Ok(Ok(_)) | Err(_) => false,
        };
        let now = state.borrow().clone();
        Ok(match now {
            State::Running(_) if broken => {
                let (class, message) = stopped();
                Poll::Failed { class, message }
            }
            State::Running(work) => Poll::Running { progress: work.per_cent() },
            State::Succeeded(work, _, warnings) => {
                Poll::Succeeded { bytes_read: work.bytes, rows_read: work.rows, cost: None, warnings }
            }
            State::Failed((class, message)) => Poll::Failed { class, message },
        })
    }

    async fn stop(&self, id: &ExecutionId) -> Result<(), EngineError> {
        let (running, query, task) = {
            let executions = self.executions();
            let execution = executions.get(id).ok_or_else(|| EngineError::UnknownExecution(id.0.clone()))?;
            let running = matches!(*execution.state.borrow(), State::Running(_));
            (running, execution.query.clone(), execution.task.clone())
        };
        let (true, Some(query)) = (running, query) else { return Ok(()) };
        let answer = self.client.cancel(&query).await;
        // Trino ends a statement that nobody follows by itself, so the task need not go on whatever the answer was.
        if let Some(task) = task {
            task.abort();
        }
        answer.map_err(|error| {
            let (class, message) = crate::error::classify_request(&error, &self.settings.url);
            EngineError::Failed { class, message }
        })
    }

    async fn rows(&self, id: &ExecutionId) -> Result<RowStream, EngineError> {
        let now = self.state(id)?.borrow().clone();
        match now {
            State::Succeeded(_, spool, _) => spool.rows(),
            State::Failed((class, message)) => Err(EngineError::Failed { class, message }),
            State::Running(_) => Err(EngineError::NotFinished(id.0.clone())),
        }
    }

    async fn tag_keys(&self, bill: &Table) -> Result<TagKeys, EngineError> {
        let statement = binding::tag_keys(bill);
        // Asked anew every time: no token of a caller's stands for it, and the files may have changed under the same names.
        let number = self.tag_keys.fetch_add(1, Ordering::Relaxed);
        let token = format!("{}-{number}", statement.name);
        let stream = apportion_engine::run(self, &statement, &token, Duration::ZERO, tokio::time::sleep).await?;
        binding::read_tag_keys(stream, bill.format).await
    }
}
