//! The embedded engine beneath the front: tables of `sql/schema` are found as the files below their folders, in S3 or on this machine.

use super::backend::Answer;
use super::notes::notes;
use super::output::Output;
use crate::failure::Failure;
use apportion_core::close::Content;
use apportion_engine::binding::tag_keys;
use apportion_engine::schema::BillFormat;
use apportion_engine::{Area, EngineError, FailureClass, QueryEngine, Row, RowStream, Statement, Table, tables};
use apportion_engine_embedded::EmbeddedEngine;
use apportion_engine_embedded::resolve::{Read, Resolved, resolve};
use apportion_output::{columns_of, sha256_hex};
use aws_sdk_s3::error::DisplayErrorContext;
use futures::StreamExt;
use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How the statement of `binding::notes` begins.
const NOTES: &str = "select max(\"$path\") as bill_file, ";
/// Names of tables over the bill's own store begin so.
const DELIVERED: &str = "delivered_";

/// Queries over files.
pub struct Embedded {
    engine: EmbeddedEngine,
    /// The work store: frozen bills.
    work: Option<Place>,
    /// The bill's own store.
    bill: Option<Place>,
    s3: aws_sdk_s3::Client,
    /// Copies of objects, by place and ETag.
    cache: tempfile::TempDir,
    tables: BTreeSet<String>,
}

/// A store's root.
type Place = Output;

fn place(option: &str, text: Option<&str>) -> Result<Option<Place>, Failure> {
    let parse = |text: &str| match text.contains("://") {
        true => {
            Output::parse(text).ok_or_else(|| Failure::bad_input(format!("{option} {text}: name a folder or s3://bucket/prefix")))
        }
        false => Ok(Output::Folder(PathBuf::from(text))),
    };
    text.map(parse).transpose()
}

fn failed(class: FailureClass, message: String) -> EngineError {
    EngineError::Failed { class, message }
}

impl Embedded {
    /// `places` are the work store and the bill's own.
    pub fn new([work, bill]: [Option<&str>; 2], s3: aws_sdk_s3::Client) -> Result<Embedded, Failure> {
        let cache = tempfile::tempdir().map_err(|error| Failure::other(format!("a folder for copies of objects: {error}")))?;
        // Those over bills; a small table beside one comes with the query.
        let contents = [Content::Parquet, Content::ParquetDecimal, Content::Csv];
        let of_area = |area| BillFormat::ALL.into_iter().map(move |format| (area, format));
        let kinds = of_area(Area::Frozen).chain(of_area(Area::Delivered));
        let tables = kinds.flat_map(|(area, format)| contents.map(|content| tables::bill_table(area, format, content))).collect();
        let (work, bill) = (place("--work", work)?, place("--bill", bill)?);
        Ok(Embedded { engine: EmbeddedEngine::new(), work, bill, s3, cache, tables })
    }

    fn resolve(&self, sql: &str) -> Result<Resolved, String> {
        resolve(sql, &|name| self.tables.contains(name))
    }

    pub fn check(&self, sql: &str) -> Result<(), String> {
        self.resolve(sql).map(|_| ())
    }

    pub async fn query(&self, sql: &str, scanned: Arc<AtomicU64>) -> Result<Answer, EngineError> {
        let resolved = self.resolve(sql).map_err(|message| failed(FailureClass::Statement, message))?;
        let mut bills = Vec::new();
        for read in &resolved.reads {
            bills.push(self.bill(read).await?);
        }
        if let [bill] = bills.as_slice()
            && is_tag_keys(sql, bill)
        {
            return self.tag_keys(bill, &scanned).await;
        }
        if sql.starts_with(NOTES) {
            return notes(&self.engine, sql, bills, &scanned).await;
        }
        let statement = Statement { name: "query".to_owned(), sql: resolved.sql, tables: bills, lookups: Vec::new() };
        let (types, rows) = self.engine.typed_stream(&statement, scanned).await?;
        Ok(Answer { types, rows })
    }

    /// The files of a bill, which must be of one format.
    async fn bill(&self, read: &Read) -> Result<Table, EngineError> {
        let delivered = read.tables.iter().any(|table| table.starts_with(DELIVERED));
        let (store, option) = if delivered { (&self.bill, "--bill") } else { (&self.work, "--work") };
        let store = store.as_ref().ok_or_else(|| {
            let tables: Vec<&str> = read.tables.iter().map(String::as_str).collect();
            failed(FailureClass::Statement, format!("start the front with {option}: {} lie there", tables.join(", ")))
        })?;
        let names: BTreeSet<&str> = read.paths.iter().filter_map(|path| path.rsplit('/').next()).collect();
        let mut files = Vec::new();
        for location in &read.locations {
            files.extend(self.files(store, location, &|name| names.is_empty() || names.contains(name)).await?);
        }
        let Some(first) = files.first() else {
            let locations: Vec<&str> = read.locations.iter().map(String::as_str).collect();
            return Err(failed(FailureClass::Bill, format!("there is no file in {}", locations.join(", "))));
        };
        let columns = columns_of(first).map_err(|error| failed(FailureClass::Bill, error.to_string()))?.columns;
        let format = BillFormat::detect(&columns);
        let format = format.map_err(|error| failed(FailureClass::Bill, format!("{}: {error}", first.display())))?;
        Ok(Table { name: read.name.clone(), ..Table::local(format, files) })
    }

    /// Paths of the files directly in a folder, fetched where they are objects. Hidden ones do not count, as for Hive.
    async fn files(
        &self,
        store: &Place,
        location: &str,
        wanted: &(dyn Fn(&str) -> bool + Sync),
    ) -> Result<Vec<PathBuf>, EngineError> {
        let visible = |name: &str| !name.starts_with(['.', '_']) && wanted(name);
        match store {
            Output::Folder(root) => {
                let folder = root.join(location);
                let listed = std::fs::read_dir(&folder).and_then(Iterator::collect::<Result<Vec<_>, _>>);
                let listed = listed.map_err(|error| failed(FailureClass::Bill, format!("{}: {error}", folder.display())))?;
                let files = listed.into_iter().filter(|entry| entry.file_name().to_str().is_some_and(visible));
                Ok(files.map(|entry| entry.path()).filter(|path| path.is_file()).collect())
            }
            Output::S3 { bucket, prefix } => self.objects(bucket, &format!("{prefix}{location}/"), &visible).await,
        }
    }

    async fn objects(
        &self,
        bucket: &str,
        prefix: &str,
        wanted: &(dyn Fn(&str) -> bool + Sync),
    ) -> Result<Vec<PathBuf>, EngineError> {
        let unread = |what: String| failed(FailureClass::Internal, format!("s3://{bucket}/{prefix}: {what}"));
        let mut files = Vec::new();
        let mut pages = self.s3.list_objects_v2().bucket(bucket).prefix(prefix).delimiter("/").into_paginator().send();
        while let Some(page) = pages.next().await {
            let page = page.map_err(|error| unread(DisplayErrorContext(error).to_string()))?;
            for object in page.contents() {
                let (Some(key), Some(entity)) = (object.key(), object.e_tag()) else { continue };
                if wanted(key.strip_prefix(prefix).unwrap_or(key)) {
                    files.push(self.fetch(bucket, key, entity).await.map_err(unread)?);
                }
            }
        }
        Ok(files)
    }

    /// A copy of an object, made once for each of its versions.
    async fn fetch(&self, bucket: &str, key: &str, entity: &str) -> Result<PathBuf, String> {
        if Path::new(key).components().any(|part| !matches!(part, Component::Normal(_))) {
            return Err(format!("`{key}` is no key that this machine can keep a copy of"));
        }
        // The key stands in the path, so that a message about the copy names the object.
        let version = self.cache.path().join(sha256_hex(format!("{bucket}\n{entity}").as_bytes()));
        let path = version.join(key);
        let folder = path.parent().unwrap_or(&version).to_owned();
        if path.exists() {
            return Ok(path);
        }
        let object = self.s3.get_object().bucket(bucket).key(key).if_match(entity).send().await;
        let mut body = object.map_err(|error| DisplayErrorContext(error).to_string())?.body;
        std::fs::create_dir_all(&folder).map_err(|error| error.to_string())?;
        let mut copy = tempfile::NamedTempFile::new_in(&folder).map_err(|error| error.to_string())?;
        while let Some(piece) = body.try_next().await.map_err(|error| error.to_string())? {
            std::io::Write::write_all(&mut copy, &piece).map_err(|error| error.to_string())?;
        }
        copy.persist(&path).map_err(|error| error.to_string())?;
        Ok(path)
    }

    /// The tag keys, which the engine lists in its own way since it cannot `unnest` a map, as rows of [`tag_keys`].
    async fn tag_keys(&self, bill: &Table, scanned: &AtomicU64) -> Result<Answer, EngineError> {
        let keys = self.engine.tag_keys(bill).await?;
        let sizes = bill.paths()?.into_iter().filter_map(|path| path.metadata().ok());
        scanned.store(sizes.map(|metadata| metadata.len()).sum(), Ordering::Relaxed);
        let mut rows: Vec<Result<Row, EngineError>> = Vec::new();
        for key in keys.keys {
            let map = apportion_engine::catalogue::map_column(key.column, bill.format).unwrap_or_default();
            let total = key.magnitude.to_string();
            for (place, value) in (1i64..).zip(key.values) {
                let cells = [map.to_owned(), key.key.clone(), value.value, value.magnitude.to_string()];
                let counts = [value.rows.to_string(), total.clone(), place.to_string()];
                rows.push(Ok(cells.into_iter().chain(counts).map(Some).collect()));
            }
        }
        let header = ["map_column", "tag_key", "tag_value", "magnitude", "lines", "total", "place"];
        let types = ["varchar", "varchar", "varchar", "decimal(38,12)", "bigint", "decimal(38,12)", "bigint"];
        let rows = RowStream { header: header.map(str::to_owned).to_vec(), rows: futures::stream::iter(rows).boxed() };
        Ok(Answer { types: types.map(str::to_owned).to_vec(), rows })
    }
}

/// Whether a query is the one that lists a bill's tag keys, bound to tables.
fn is_tag_keys(sql: &str, bill: &Table) -> bool {
    let listing = tag_keys(bill).sql;
    listing.strip_prefix("with").is_some_and(|rest| sql.trim_end().ends_with(rest.trim()))
}
