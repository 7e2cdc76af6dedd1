//! Which engine runs the SQL: the embedded one, Amazon Athena, or a Trino cluster of the user's own.

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
    Athena,
    /// The cluster's address.
    Trino(String),
}

impl FromStr for EngineName {
    type Err = String;

    fn from_str(text: &str) -> Result<EngineName, String> {
        match text.split_once('=') {
            Some(("trino", url)) if !url.is_empty() => Ok(EngineName::Trino(url.to_owned())),
            _ if text == "embedded" => Ok(EngineName::Embedded),
            _ if text == "athena" => Ok(EngineName::Athena),
            _ => Err("write embedded, athena, or trino=http://host:port".to_owned()),
        }
    }
}

/// Options of every command that runs SQL.
#[derive(Debug, Clone, Args)]
pub struct EngineArguments {
    /// What runs the SQL: embedded, athena, or trino=URL; the last two must see the same files (docs/engines.md).
    #[arg(long, value_name = "ENGINE", default_value = "embedded")]
    pub engine: EngineName,
    /// The cluster's catalog.
    #[arg(long, value_name = "NAME")]
    pub catalog: Option<String>,
    /// The catalog's schema, with the tables that `apportion schema` makes.
    #[arg(long, value_name = "NAME")]
    pub schema: Option<String>,
    /// Athena's workgroup; APPORTION_WORKGROUP without it, else primary.
    #[arg(long, value_name = "NAME")]
    pub workgroup: Option<String>,
    /// Athena's database, with the tables of sql/schema; APPORTION_DATABASE without it, else apportion.
    #[arg(long, value_name = "NAME")]
    pub database: Option<String>,
    /// Where Athena puts results, if the workgroup does not say.
    #[arg(long, value_name = "s3://BUCKET/PREFIX/")]
    pub results: Option<String>,
}

impl Default for EngineArguments {
    fn default() -> Self {
        EngineArguments {
            engine: EngineName::Embedded,
            catalog: None,
            schema: None,
            workgroup: None,
            database: None,
            results: None,
        }
    }
}

impl EngineArguments {
    /// Whether the engine reads files of this machine by itself, wherever they lie.
    pub fn is_embedded(&self) -> bool {
        self.engine == EngineName::Embedded
    }

    /// The engine. `delivered_root` is what the engine calls the folder of the delivered bill, for commands that read that.
    pub async fn open(&self, delivered_root: Option<String>) -> Result<Arc<dyn QueryEngine>, Failure> {
        if !matches!(self.engine, EngineName::Trino(_)) && (self.catalog.is_some() || self.schema.is_some()) {
            return Err(Failure::bad_input("--catalog and --schema are a cluster's: name one with --engine trino=URL"));
        }
        let of_athena = [&self.workgroup, &self.database, &self.results];
        if self.engine != EngineName::Athena && of_athena.iter().any(|option| option.is_some()) {
            return Err(Failure::bad_input("--workgroup, --database and --results are Athena's: write --engine athena"));
        }
        match &self.engine {
            EngineName::Embedded => Ok(embedded()),
            EngineName::Athena => self.athena(delivered_root).await,
            EngineName::Trino(url) => Ok(self.trino(url, delivered_root)?),
        }
    }

    /// The engine for a command that reads the delivered bill where it lies; `bill_as` is what the engine calls its folder.
    pub async fn open_over_bill(&self, bill_as: Option<&str>) -> Result<Arc<dyn QueryEngine>, Failure> {
        match (self.is_embedded(), bill_as) {
            (true, Some(_)) => Err(Failure::bad_input("--bill-as is for another engine: name it with --engine")),
            (false, None) => {
                Err(Failure::bad_input("name with --bill-as what the engine calls the folder of --bill (docs/engines.md)"))
            }
            _ => self.open(bill_as.map(str::to_owned)).await,
        }
    }

    #[cfg(not(feature = "aws"))]
    async fn athena(&self, _delivered_root: Option<String>) -> Result<Arc<dyn QueryEngine>, Failure> {
        Err(Failure::bad_input(
            "this apportion was built without Athena: build it with `cargo build -p apportion --features aws`",
        ))
    }

    /// Athena, with region, credentials and endpoints from the environment.
    #[cfg(feature = "aws")]
    async fn athena(&self, delivered_root: Option<String>) -> Result<Arc<dyn QueryEngine>, Failure> {
        use apportion_engine_athena::{AthenaEngine, Settings};
        let named = |option: &Option<String>, variable: &str, otherwise: &str| {
            let name = option.clone().or_else(|| apportion_runtime::optional_setting(variable));
            name.unwrap_or_else(|| otherwise.to_owned())
        };
        let workgroup = named(&self.workgroup, "APPORTION_WORKGROUP", "primary");
        let database = named(&self.database, "APPORTION_DATABASE", "apportion");
        // The state machine sleeps fifteen seconds between polls, which most queries do not take.
        let patience = std::time::Duration::from_secs(60);
        let settings = Settings { delivered_root, output: self.results.clone(), patience, ..Settings::new(workgroup, database) };
        let configuration = apportion_runtime::aws::configuration().await;
        let (athena, s3) = (aws_sdk_athena::Client::new(&configuration), aws_sdk_s3::Client::new(&configuration));
        Ok(Arc::new(AthenaEngine::new(athena, s3, settings)))
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
        crate::interrupt::stop_on_signal(&engine)?;
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
        assert_eq!("athena".parse(), Ok(EngineName::Athena));
        assert_eq!("trino=https://x:1".parse(), Ok(EngineName::Trino("https://x:1".to_owned())));
        for text in ["trino", "trino=", "athena=x", "", "TRINO=http://x"] {
            assert!(text.parse::<EngineName>().is_err(), "{text}");
        }
    }

    #[tokio::test]
    async fn an_engines_options_without_the_engine_are_a_mistake() {
        let arguments = EngineArguments { catalog: Some("hive".to_owned()), ..EngineArguments::default() };
        assert!(arguments.open(None).await.is_err());
        let arguments = EngineArguments { workgroup: Some("primary".to_owned()), ..EngineArguments::default() };
        assert!(arguments.open(None).await.is_err());
        assert!(EngineArguments::default().open_over_bill(Some("s3://bill/")).await.is_err());
        let arguments = EngineArguments { engine: EngineName::Athena, ..EngineArguments::default() };
        assert!(arguments.open_over_bill(None).await.is_err());
    }
}
