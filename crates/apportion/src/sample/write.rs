//! Writes the sample: parts on several threads, then what depends on their sums, then everything appears under its name.

use super::calendar::{Intervals, months_until};
use super::charges::ChargeWriter;
use super::columns::{Batch, schema};
use super::company::{headcount_csv, network_csv, organization, units_csv};
use super::files::{self, invoice_ids};
use super::plan::{MonthPlan, Plan};
use super::totals::Totals;
use super::usage::{BlockWriter, block_count, block_series};
use super::{MonthReport, SampleError, SampleOptions, SampleReport};
use apportion_core::day::Day;
use apportion_core::period::Period;
use arrow_schema::SchemaRef;
use parquet::arrow::arrow_writer::{ArrowWriter, ArrowWriterOptions};
use parquet::basic::Compression;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;
use serde_json::{Value, json};
use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

/// Bucket, prefix and name of the export.
const BUCKET: &str = "meridian-billing-exports";
const PREFIX: &str = "cur2";
const EXPORT: &str = "meridian-cur2";
/// Says that a folder is a sample; holds its options.
const MARKER: &str = "sample.json";
const CONTENTS: [&str; 6] = ["bill", "drivers", "truth", "organization.json", "invoices.json", MARKER];
const ROWS_PER_PART: u64 = 1_000_000;
const ROWS_PER_GROUP: usize = 250_000;
const ROWS_PER_BATCH: usize = 32_768;

/// Makes the sample. `progress` gets one line per month.
pub fn run(options: &SampleOptions, progress: &mut dyn FnMut(&str)) -> Result<SampleReport, SampleError> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(8);
    run_on(threads, options, progress)
}

/// The same on so many threads, which never changes a byte.
pub(super) fn run_on(
    threads: usize,
    options: &SampleOptions,
    progress: &mut dyn FnMut(&str),
) -> Result<SampleReport, SampleError> {
    options.check()?;
    check_target(&options.out)?;
    let staging = staging(&options.out);
    remove(&staging)?;
    let made = make(threads, options, &staging, progress);
    match made.and_then(|report| publish(&staging, &options.out).map(|()| report)) {
        Ok(report) => Ok(report),
        Err(error) => {
            // The first error is the one that matters; leftovers are removed on the next run too.
            let _ = fs::remove_dir_all(&staging);
            Err(error)
        }
    }
}

fn make(
    threads: usize,
    options: &SampleOptions,
    root: &Path,
    progress: &mut dyn FnMut(&str),
) -> Result<SampleReport, SampleError> {
    let periods = months_until(options.period, options.months);
    let plan = Plan::new(options, &periods);
    let organization_file = root.join("organization.json");
    write_json(&organization_file, &organization(&plan.accounts, options.seed))?;
    date_of(&organization_file, Day::last_of(options.period))?;
    let mut summaries: Vec<Value> = Vec::new();
    let mut truths: Vec<Value> = Vec::new();
    let mut spikes = files::SPIKES_HEADER.as_bytes().to_vec();
    let mut months = Vec::new();
    let mut previous: Option<Vec<String>> = None;
    for month in &plan.months {
        let period = month.month.period;
        let ids = invoice_ids(&plan, month);
        let (totals, parts) = write_month(&plan, month, options, threads, root, &ids)?;
        let list = files::invoices(month, &ids, previous.as_deref(), &totals);
        let in_memory = |source| SampleError::Write { path: root.join("truth/spikes.csv"), source };
        files::spikes(&plan, month, &totals, &mut spikes).map_err(in_memory)?;
        truths.push(files::month_truth(month, &ids, &totals));
        write_drivers(root, period, month.months_back, options.seed)?;
        progress(&format!("{period}: {} lines in {parts} files, {} USD", totals.rows(), totals.unblended()));
        months.push(MonthReport {
            period,
            rows: totals.rows(),
            files: parts,
            invoices: list.len(),
            unblended: totals.unblended(),
            effective: totals.effective(),
            usage: totals.usage,
            untagged: totals.untagged,
            spikes: totals.spikes.iter().filter(|spike| spike.rows > 0).count(),
        });
        summaries.extend(list);
        previous = Some(ids);
    }
    write_json(&root.join("invoices.json"), &json!({"InvoiceSummaries": summaries}))?;
    write_json(&root.join("truth/totals.json"), &json!({"currency": "USD", "periods": truths}))?;
    write_bytes(&root.join("truth/spikes.csv"), &spikes)?;
    write_bytes(&root.join("truth/units.csv"), units_csv().as_bytes())?;
    write_owners(&plan, &root.join("truth/resource_owners.csv"))?;
    write_json(&root.join(MARKER), &marker(options))?;
    let out = &options.out;
    Ok(SampleReport {
        out: out.clone(),
        bill: out.join("bill"),
        organization: out.join("organization.json"),
        invoices: out.join("invoices.json"),
        drivers: out.join("drivers"),
        truth: out.join("truth"),
        months,
    })
}

fn marker(options: &SampleOptions) -> Value {
    json!({
        "made_by": "apportion sample",
        "rows": options.rows,
        "accounts": options.accounts,
        "period": options.period.to_string(),
        "months": options.months,
        "seed": options.seed,
    })
}

/// Writes the export of one month; returns its sums and the number of data files.
fn write_month(
    plan: &Plan,
    month: &MonthPlan,
    options: &SampleOptions,
    threads: usize,
    root: &Path,
    ids: &[String],
) -> Result<(Totals, usize), SampleError> {
    let period = month.month.period;
    let export = root.join("bill").join(PREFIX).join(EXPORT);
    let folder = export.join("data").join(format!("BILLING_PERIOD={period}"));
    create_folder(&folder)?;
    let name = |part: u64| format!("{EXPORT}-{:05}.snappy.parquet", part + 1);
    let schema = schema();
    let blocks = block_count(plan);
    let usage_parts = (options.rows / ROWS_PER_PART + 1).max(3).min(blocks);
    let intervals = Intervals::new(&month.month);
    let job = Job { plan, month, intervals: &intervals, ids, schema: &schema };
    let mut totals = job.empty();
    for part in parts(usage_parts, threads, |part| {
        let range = blocks * part / usage_parts..blocks * (part + 1) / usage_parts;
        job.usage_part(&folder.join(name(part)), range, blocks)
    }) {
        totals.add(part?);
    }
    job.charges_part(&folder.join(name(usage_parts)), &mut totals)?;
    let key = |part: u64| format!("s3://{BUCKET}/{PREFIX}/{EXPORT}/data/BILLING_PERIOD={period}/{}", name(part));
    let keys: Vec<String> = (0..=usage_parts).map(key).collect();
    // as AWS does: the manifest comes after all its data files
    let path = export.join("metadata").join(format!("BILLING_PERIOD={period}")).join(format!("{EXPORT}-Manifest.json"));
    write_json(&path, &files::manifest(EXPORT, month, &keys))?;
    Ok((totals, keys.len()))
}

/// Runs `work` for each part on several threads; results in order of the parts.
fn parts<T: Send>(
    count: u64,
    threads: usize,
    work: impl Fn(u64) -> Result<T, SampleError> + Sync,
) -> Vec<Result<T, SampleError>> {
    let next = AtomicU64::new(0);
    let results: Mutex<Vec<(u64, Result<T, SampleError>)>> = Mutex::new(Vec::new());
    std::thread::scope(|scope| {
        for _ in 0..threads.clamp(1, count.max(1) as usize) {
            scope.spawn(|| {
                loop {
                    let part = next.fetch_add(1, Ordering::Relaxed);
                    if part >= count {
                        break;
                    }
                    let result = work(part);
                    results.lock().unwrap_or_else(std::sync::PoisonError::into_inner).push((part, result));
                }
            });
        }
    });
    let mut results = results.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    results.sort_by_key(|(part, _)| *part);
    results.into_iter().map(|(_, result)| result).collect()
}

/// What the parts of a month share.
struct Job<'a> {
    plan: &'a Plan,
    month: &'a MonthPlan,
    intervals: &'a Intervals,
    ids: &'a [String],
    schema: &'a SchemaRef,
}

impl Job<'_> {
    fn empty(&self) -> Totals {
        let plan = self.plan;
        Totals::new(plan.plans.len(), plan.reservations.len(), self.month.spikes.len(), self.month.month.days)
    }

    fn usage_part(&self, path: &Path, range: std::ops::Range<u64>, blocks: u64) -> Result<Totals, SampleError> {
        let mut totals = self.empty();
        let mut writer = PartWriter::new(path, self.schema)?;
        let mut batch = Batch::new();
        for block in range {
            let series = block_series(self.plan, block, blocks);
            let mut block_writer = BlockWriter {
                plan: self.plan,
                month: self.month,
                intervals: self.intervals,
                invoice_ids: self.ids,
                totals: &mut totals,
            };
            block_writer.write(&series, &mut batch);
            if batch.len() >= ROWS_PER_BATCH {
                writer.write(std::mem::replace(&mut batch, Batch::new()), self.intervals)?;
            }
        }
        writer.write(batch, self.intervals)?;
        writer.close()?;
        Ok(totals)
    }

    fn charges_part(&self, path: &Path, totals: &mut Totals) -> Result<(), SampleError> {
        let mut intervals = self.intervals.clone();
        let mut batch = Batch::new();
        ChargeWriter::new(self.plan, self.month, &mut intervals, self.ids, totals, &mut batch).write();
        let mut writer = PartWriter::new(path, self.schema)?;
        writer.write(batch, &intervals)?;
        writer.close()
    }
}

/// One Parquet file.
struct PartWriter<'a> {
    path: &'a Path,
    schema: &'a SchemaRef,
    writer: ArrowWriter<BufWriter<File>>,
}

impl<'a> PartWriter<'a> {
    fn new(path: &'a Path, schema: &'a SchemaRef) -> Result<Self, SampleError> {
        let file = File::create(path).map_err(|source| SampleError::Write { path: path.to_owned(), source })?;
        let line_id = ColumnPath::from("identity_line_item_id");
        let properties = WriterProperties::builder()
            .set_created_by("apportion sample".to_owned())
            .set_compression(Compression::SNAPPY)
            .set_max_row_group_row_count(Some(ROWS_PER_GROUP))
            .set_statistics_enabled(EnabledStatistics::Chunk)
            // every value differs: a dictionary would only cost time
            .set_column_dictionary_enabled(line_id.clone(), false)
            .set_column_statistics_enabled(line_id, EnabledStatistics::None)
            .build();
        // Without the embedded Arrow schema readers see plain strings, not our dictionaries.
        let options = ArrowWriterOptions::new().with_properties(properties).with_skip_arrow_metadata(true);
        let writer = ArrowWriter::try_new_with_options(BufWriter::with_capacity(1 << 20, file), schema.clone(), options)
            .map_err(|error| parquet_error(path, &error))?;
        Ok(PartWriter { path, schema, writer })
    }

    fn write(&mut self, batch: Batch, intervals: &Intervals) -> Result<(), SampleError> {
        if batch.len() == 0 {
            return Ok(());
        }
        let batch = batch.finish(self.schema, intervals).map_err(|error| parquet_error(self.path, &error))?;
        self.writer.write(&batch).map_err(|error| parquet_error(self.path, &error))
    }

    fn close(self) -> Result<(), SampleError> {
        let mut file = self.writer.into_inner().map_err(|error| parquet_error(self.path, &error))?;
        file.flush().map_err(|source| SampleError::Write { path: self.path.to_owned(), source })
    }
}

fn parquet_error(path: &Path, error: &dyn std::fmt::Display) -> SampleError {
    SampleError::Parquet { path: path.to_owned(), message: error.to_string() }
}

fn write_drivers(root: &Path, period: Period, months_back: u32, seed: u64) -> Result<(), SampleError> {
    let folder = root.join("drivers").join(period.to_string());
    write_bytes(&folder.join("headcount.csv"), headcount_csv(months_back).as_bytes())?;
    write_bytes(&folder.join("network_gb.csv"), network_csv(period, months_back, seed).as_bytes())
}

fn write_owners(plan: &Plan, path: &Path) -> Result<(), SampleError> {
    let failed = |source| SampleError::Write { path: path.to_owned(), source };
    let mut file = BufWriter::new(File::create(path).map_err(failed)?);
    file.write_all(files::OWNERS_HEADER.as_bytes()).map_err(failed)?;
    for month in &plan.months {
        files::owners(plan, month, &mut file).map_err(failed)?;
    }
    file.flush().map_err(failed)
}

/// Gives a file the date of what it says: a daily run names an organization file that is too old.
fn date_of(path: &Path, day: Day) -> Result<(), SampleError> {
    let wrong = |source| SampleError::Write { path: path.to_path_buf(), source };
    let seconds = u64::try_from(day.number() * 86_400).unwrap_or_default();
    let file = fs::File::options().write(true).open(path).map_err(wrong)?;
    file.set_modified(std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds)).map_err(wrong)
}

fn write_json(path: &Path, value: &Value) -> Result<(), SampleError> {
    write_bytes(path, format!("{:#}\n", sorted(value)).as_bytes())
}

/// The same with the keys of objects in order, whether or not serde_json was built to keep the order of insertion.
fn sorted(value: &Value) -> Value {
    match value {
        Value::Array(list) => list.iter().map(sorted).collect(),
        Value::Object(map) => {
            let mut entries: Vec<(&String, &Value)> = map.iter().collect();
            entries.sort_by_key(|(key, _)| *key);
            entries.into_iter().map(|(key, value)| (key.clone(), sorted(value))).collect()
        }
        other => other.clone(),
    }
}

fn write_bytes(path: &Path, bytes: &[u8]) -> Result<(), SampleError> {
    if let Some(folder) = path.parent() {
        create_folder(folder)?;
    }
    fs::write(path, bytes).map_err(|source| SampleError::Write { path: path.to_owned(), source })
}

fn create_folder(path: &Path) -> Result<(), SampleError> {
    fs::create_dir_all(path).map_err(|source| SampleError::Write { path: path.to_owned(), source })
}

/// The folder in which a sample grows: beside its final place, so that the last step is a rename.
fn staging(out: &Path) -> PathBuf {
    let name = out.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_else(|| "sample".to_owned());
    out.with_file_name(format!(".{name}.partial"))
}

/// A target is new, empty, or a sample that may be replaced as a whole.
fn check_target(out: &Path) -> Result<(), SampleError> {
    if out.file_name().is_none() || out.exists() && !out.is_dir() {
        return Err(SampleError::NotAFolder(out.to_owned()));
    }
    if !out.exists() {
        return Ok(());
    }
    let failed = |source| SampleError::Write { path: out.to_owned(), source };
    let mut names = Vec::new();
    for entry in fs::read_dir(out).map_err(failed)? {
        names.push(entry.map_err(failed)?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    if names.is_empty() {
        return Ok(());
    }
    let made = fs::read_to_string(out.join(MARKER)).is_ok_and(|text| text.contains("\"made_by\": \"apportion sample\""));
    let foreign = names.into_iter().find(|name| !made || !CONTENTS.contains(&name.as_str()));
    foreign.map_or(Ok(()), |found| Err(SampleError::NotOurs { out: out.to_owned(), found }))
}

fn remove(path: &Path) -> Result<(), SampleError> {
    match fs::remove_dir_all(path) {
        Ok(()) => Ok(()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(source) => Err(SampleError::Write { path: path.to_owned(), source }),
    }
}

fn publish(staging: &Path, out: &Path) -> Result<(), SampleError> {
    remove(out)?;
    fs::rename(staging, out).map_err(|source| SampleError::Write { path: out.to_owned(), source })
}
