//! Follows one statement from its first answer to its last page.

use crate::error::{Wrong, classify, classify_request, is_passing};
use crate::spool::{Spool, Writer};
use apportion_engine::FailureClass;
use std::time::Duration;
use trino_rust_client::error::Error;
use trino_rust_client::{Client, QueryResult, QueryResultData, Row, Stat};

/// How often a request is made at most; the waits between double from a fifth of a second: six seconds in all.
const ATTEMPTS: u32 = 6;
const FIRST_WAIT: Duration = Duration::from_millis(200);

/// One answer of Trino.
pub(crate) type Page = QueryResult<Row>;

/// What Trino says of a statement at work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Work {
    pub rows: u64,
    pub bytes: u64,
    pub splits: u32,
    pub splits_done: u32,
    pub nodes: u32,
}

impl Work {
    pub fn of(stat: &Stat) -> Work {
        Work {
            rows: stat.processed_rows,
            bytes: stat.processed_bytes,
            splits: stat.total_splits,
            splits_done: stat.completed_splits,
            nodes: stat.nodes,
        }
    }

    /// Per cent of the splits known so far; their number grows while Trino finds files.
    pub fn per_cent(&self) -> Option<u8> {
        (self.splits > 0)
            .then(|| u8::try_from(u64::from(self.splits_done) * 100 / u64::from(self.splits)).unwrap_or(100).min(100))
    }
}

/// A request made again while what fails may pass.
async fn again<T, F>(url: &str, request: impl Fn() -> F) -> Result<T, Wrong>
where
    F: Future<Output = Result<T, Error>>,
{
    let mut wait = FIRST_WAIT;
    for _ in 1..ATTEMPTS {
        match request().await {
            Ok(answer) => return Ok(answer),
            Err(error) if is_passing(&error) => {
                tracing::debug!(%error, "Trino is asked again");
                tokio::time::sleep(wait).await;
                wait *= 2;
            }
            Err(error) => return Err(classify_request(&error, url)),
        }
    }
    request().await.map_err(|error| classify_request(&error, url))
}

/// Submits a statement and gives Trino's first answer, which names it.
pub(crate) async fn submit(client: &Client, url: &str, sql: &str) -> Result<Page, Wrong> {
    again(url, || client.get::<Row>(sql)).await
}

/// Follows a statement to its end; `seen` hears of every page. The rows are on disk then.
pub(crate) async fn follow(client: &Client, url: &str, first: Page, seen: impl Fn(Work)) -> Result<(Spool, Work), Wrong> {
    let here = |what: String| (FailureClass::Internal, format!("the temporary file of a result: {what}"));
    let mut writer = Writer::new().map_err(|error| here(error.to_string()))?;
    let mut header: Option<(Vec<String>, Vec<String>)> = None;
    let mut page = first;
    loop {
        let work = Work::of(&page.stats);
        seen(work);
        if let Some(error) = &page.error {
            return Err(classify(error));
        }
        if header.is_none() {
            header = page.columns.take().map(|columns| columns.into_iter().map(|column| (column.name, column.ty)).unzip());
        }
        match page.data.take() {
            None => {}
            Some(QueryResultData::Direct(rows)) => {
                for row in rows {
                    writer.row(row.into_json()).map_err(here)?;
                }
            }
            Some(QueryResultData::Spooled(_)) => {
                return Err((
                    FailureClass::Internal,
                    format!("Trino at {url} gives results by way of spooled segments, which nobody asked for"),
                ));
            }
        }
        let Some(next) = page.next_uri.take() else {
            let (names, types) = header.unwrap_or_default();
            return Ok((writer.finish(names, types).map_err(here)?, work));
        };
        page = again(url, || client.get_next::<Row>(&next)).await?;
    }
}
