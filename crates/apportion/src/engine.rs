//! Which engine runs the SQL: the embedded one, or a Trino cluster of the user's own.

use crate::failure::Failure;
use apportion_engine::QueryEngine;
use apportion_engine_embedded::EmbeddedEngine;
use clap::Args;
use std::str::FromStr;
use std::sync::Arc;

/// What stands after `--engine`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EngineName {
    Embedded,
    /// The cluster's address.
    Trino(String),
}

impl FromStr for EngineName {
    type Err = String;

    fn from_str(text: &str) -> Result<EngineName, String> {
        match text.split_once('=') {
            Some(("trino", url)) if !url.is_empty() => Ok(EngineName::Trino(url.to_owned())),
            _ if text == "embedded" => Ok(EngineName::Embedded),
            _ => Err("write embedded, or trino=http://host:port".to_owned()),
        }
    }
}

/// Options of every command that runs SQL.
#[derive(Debug, Clone, Args)]
pub struct EngineArguments {
    /// What runs the SQL: embedded, or trino=URL, a cluster that sees the same files (docs/engines.md).
    #[arg(long, value_name = "ENGINE", default_value = "embedded")]
    pub engine: EngineName,
    /// The cluster's catalog.
    #[arg(long, value_name = "NAME")]
    pub catalog: Option<String>,
    /// The catalog's schema, with the tables that `apportion schema` makes.
    #[arg(long, value_name = "NAME")]
    pub schema: Option<String>,
}

impl Default for EngineArguments {
    fn default() -> Self {
        EngineArguments { engine: EngineName::Embedded, catalog: None, schema: None }
    }
}

impl EngineArguments {
    /// Whether the engine reads files of this machine by itself, wherever they lie.
    pub fn is_embedded(&self) -> bool {
        self.engine == EngineName::Embedded
    }

    /// The engine. `delivered_root` is what Trino calls the folder of the delivered bill, for commands that read that.
    pub fn open(&self, delivered_root: Option<String>) -> Result<Arc<dyn QueryEngine>, Failure> {
        match &self.engine {
            EngineName::Embedded if self.catalog.is_some() || self.schema.is_some() => {
                Err(Failure::bad_input("--catalog and --schema are a cluster's: name one with --engine trino=URL"))
            }
            EngineName::Embedded => Ok(embedded()),
            EngineName::Trino(url) => Ok(self.trino(url, delivered_root)?),
        }
    }

    #[cfg(not(feature = "trino"))]
    fn trino(&self, _url: &str, _delivered_root: Option<String>) -> Result<Arc<EmbeddedEngine>, Failure> {
        Err(Failure::bad_input(
            "this apportion was built without Trino: build it with `cargo build -p apportion --features trino`",
        ))
    }

    /// The cluster, with what it does on stderr.
    #[cfg(feature = "trino")]
    pub fn trino(&self, url: &str, delivered_root: Option<String>) -> Result<Arc<apportion_engine_trino::TrinoEngine>, Failure> {
        use apportion_engine_trino::{Settings, TrinoEngine};
        let (Some(catalog), Some(schema)) = (&self.catalog, &self.schema) else {
            return Err(Failure::bad_input(
                "--engine trino=URL needs --catalog NAME and --schema NAME, where `apportion schema` made the tables",
            ));
        };
        let get = |name: &str| std::env::var(name).ok();
        let settings = Settings::from_variables(url, catalog, schema, &get).map_err(Failure::bad_input)?;
        let settings = Settings { delivered_root, ..settings };
        let told = std::sync::Mutex::new(std::time::Instant::now());
        let engine = TrinoEngine::new(settings).map_err(Failure::bad_input)?.with_listener(move |progress| tell(&told, progress));
        let engine = Arc::new(engine);
        Ok(engine)
    }
}

/// DataFusion on all cores, or on as many as APPORTION_THREADS says.
pub fn embedded() -> Arc<EmbeddedEngine> {
    Arc::new(match std::env::var("APPORTION_THREADS").ok().and_then(|text| text.parse().ok()) {
        Some(threads) => EmbeddedEngine::with_threads(threads),
        None => EmbeddedEngine::new(),
    })
}

/// A line on stderr every two seconds.
#[cfg(feature = "trino")]
fn tell(told: &std::sync::Mutex<std::time::Instant>, progress: &apportion_engine_trino::Progress) {
    let Ok(mut last) = told.lock() else { return };
    if last.elapsed() < std::time::Duration::from_secs(2) {
        return;
    }
    *last = std::time::Instant::now();
    let per_cent = progress.per_cent.map(|value| format!("{value} %, ")).unwrap_or_default();
    eprintln!("Trino: {}: {per_cent}{} rows read, {} nodes", progress.statement, progress.rows, progress.nodes);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_engine_is_named_by_a_word_or_an_address() {
        assert_eq!("embedded".parse(), Ok(EngineName::Embedded));
        assert_eq!("trino=https://x:1".parse(), Ok(EngineName::Trino("https://x:1".to_owned())));
        for text in ["trino", "trino=", "athena", "", "TRINO=http://x"] {
            assert!(text.parse::<EngineName>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_clusters_options_without_a_cluster_are_a_mistake() {
        let arguments = EngineArguments { catalog: Some("hive".to_owned()), ..EngineArguments::default() };
        assert!(arguments.open(None).is_err());
    }
}
