//! The rollup of a daily run: day rows of the bill as it stands, with those that earlier runs kept of months it lacks.
//!
//! Nothing of a day after the run's date is used, so that a run of a past date says what it would have said then.

use crate::queries::{Query, Started, engine};
use crate::{Context, Error, Output, State, configuration_files, queries, read_staged, write_staged};
use apportion_core::bill::family_of;
use apportion_core::close::{Located, Readiness};
use apportion_core::day::{Day, DayFacts, DayRow, DayRun, HistoryFile, ROLLUP, Restated, UNDATED, newest, ownership, restated};
use apportion_core::period::Period;
use apportion_core::tags::Taxonomy;
use apportion_engine::{Notes, TableFile, daily};
use apportion_output::{day_rows_csv, read_day_rows_csv};
use apportion_runtime::metrics::{Figure, Unit};
use std::collections::{BTreeMap, BTreeSet};

fn staging(error: impl std::fmt::Display) -> Error {
    Error::Staging(error.to_string())
}

/// Days before the date of which nothing counts any more: two months for what comes monthly, and the eight weeks behind each of its days.
const LOOK_BACK_DAYS: i64 = 130;

/// Taxonomy of the day rows, and the resources that they name.
async fn wanted(context: &Context, run: &DayRun) -> Result<(Taxonomy, BTreeSet<String>), Error> {
    let files = configuration_files(context, &run.configuration).await?;
    let loaded = apportion_config::load_files_for_day(&files, run.date.period());
    let loaded = loaded.map_err(|error| Error::BadConfiguration(error.to_string()))?;
    let resources = loaded.mail.map(|mail| mail.anomalies.resources()).unwrap_or_default();
    Ok((ownership(&loaded.configuration), resources))
}

pub(crate) async fn start(context: &Context, run: &DayRun) -> Result<Output, Error> {
    let located: Located = read_staged(context, &run.staging, "bill.json").await?;
    let (taxonomy, resources) = wanted(context, run).await?;
    let mut files = Vec::with_capacity(located.files.len());
    let mut digest = String::new();
    for file in &located.files {
        files.push((file.format.clone(), TableFile::delivered(context.bill.local_path(&file.key), &located, file)));
        digest.push_str(&format!("{:?} {}\n", file.key, file.version));
    }
    let sql = queries::rendered(|format| context.catalogue.daily(&taxonomy, format, &resources))?;
    let query = Query { name: "daily", sql: &sql, inputs_digest: &digest, attempt: run.attempt, notes: Notes::Cells };
    let started = queries::start(context, &query, &files).await?;
    write_staged(context, &run.staging, "queries.json", &started).await?;
    Ok(Output::Day { state: State::Running, awaited: Vec::new() })
}

pub(crate) async fn poll(context: &Context, run: &DayRun) -> Result<Output, Error> {
    let started: Vec<Started> = read_staged(context, &run.staging, "queries.json").await?;
    let polled = queries::poll(context, &started).await;
    let located: Located = read_staged(context, &run.staging, "bill.json").await?;
    if let Some(file) = changed(context, &located).await? {
        // Whatever the query said, it was of files that are gone: the gate has to find the bill again.
        let awaited = vec![format!("the bill: `{file}` was delivered anew while it was read")];
        return Ok(Output::Day { state: State::Waiting, awaited });
    }
    let Some(ended) = polled? else {
        return Ok(Output::Day { state: State::Running, awaited: Vec::new() });
    };
    let (taxonomy, _) = wanted(context, run).await?;
    let mut bill = Vec::new();
    let mut lines = BTreeMap::new();
    for query in &started {
        let part = daily::read(queries::rows(context, query).await?, &taxonomy).await.map_err(engine)?;
        lines.insert(query.format.clone(), part.iter().map(|row| row.rows).sum());
        bill.extend(part);
    }
    let seen = Seen::of(bill, run.date)?;
    if let Some(awaited) = seen.awaited(run.date) {
        let awaited = vec![awaited];
        write_staged(context, &run.staging, "readiness.json", &Readiness { ready: false, awaited: awaited.clone() }).await?;
        return Ok(Output::Day { state: State::Waiting, awaited });
    }
    let names: Vec<String> = taxonomy.dimensions.iter().map(|dimension| dimension.name.clone()).collect();
    let warnings = ended.warnings.into_iter().chain(located.ignored.iter().map(|line| format!("left out: {line}"))).collect();
    collect(context, run, &names, seen, lines, warnings).await?;
    Ok(Output::Day { state: State::Succeeded, awaited: Vec::new() })
}

/// A file that is not the one that was found any more, to the version.
async fn changed(context: &Context, located: &Located) -> Result<Option<String>, Error> {
    for file in &located.files {
        let now = context.bill.head(&file.key).await?;
        if now.is_none_or(|entry| entry.version != file.version) {
            return Ok(Some(file.key.clone()));
        }
    }
    Ok(None)
}

/// The bill as a run of a date sees it.
struct Seen {
    /// By billing period, sorted.
    periods: BTreeMap<Period, Vec<DayRow>>,
    newest_day: Option<Day>,
    later_lines: i64,
}

impl Seen {
    fn of(bill: Vec<DayRow>, date: Day) -> Result<Seen, Error> {
        if bill.is_empty() {
            return Err(Error::BadBill("the bill has no lines: its files hold nothing but a header; export it again".to_owned()));
        }
        let mut seen = Seen { periods: BTreeMap::new(), newest_day: None, later_lines: 0 };
        let limit = date.to_string();
        for row in bill {
            let period: Period = row
                .billing_period
                .parse()
                .map_err(|error| Error::BadBill(format!("{error}; {} bill lines say so: export the bill again", row.rows)))?;
            if period > date.period() || row.day.as_str() > limit.as_str() {
                seen.later_lines += row.rows;
                continue;
            }
            seen.newest_day = seen.newest_day.max(row.date());
            seen.periods.entry(period).or_default().push(row);
        }
        seen.periods.values_mut().for_each(|rows| rows.sort_unstable());
        Ok(seen)
    }

    /// What is missing, if the bill has no line of the date yet.
    fn awaited(&self, date: Day) -> Option<String> {
        match self.newest_day {
            Some(newest) if newest == date => None,
            Some(newest) => Some(format!("bill lines of {date}: the newest usage day in the bill is {newest}")),
            None => Some(format!("bill lines of {date}: the bill has none of that day or before it")),
        }
    }
}

async fn collect(
    context: &Context,
    run: &DayRun,
    names: &[String],
    seen: Seen,
    lines: BTreeMap<String, i64>,
    warnings: Vec<String>,
) -> Result<(), Error> {
    let mut facts = DayFacts {
        lines,
        periods: BTreeMap::new(),
        from_history: BTreeMap::new(),
        newest_day: seen.newest_day,
        family: apportion_core::bill::Family::Unblended,
        currencies: BTreeMap::new(),
        undated_lines: seen.periods.values().flatten().filter(|row| row.day.is_empty()).map(|row| row.rows).sum(),
        later_lines: seen.later_lines,
        staged: Vec::new(),
        restated: Vec::new(),
        warnings,
    };
    // Charge type -> lines with a net cost: what tells the cost family.
    let mut charges: BTreeMap<String, i64> = BTreeMap::new();
    let history = missing(context, run.date, &seen.periods).await?;
    // One period after the other, and none is held longer than it takes: a month of a large bill has a million rows.
    for (period, rows) in seen.periods {
        let (file, found) = keep(context, run, period, names, &rows).await?;
        facts.periods.insert(period.to_string(), file.key());
        facts.restated.extend(found);
        stage_days(context, run, (period, &rows), names, &mut facts, &mut charges).await?;
    }
    for (period, file) in history {
        let mut rows = read(context, file, names).await?;
        let limit = run.date.to_string();
        rows.retain(|row| row.day.as_str() <= limit.as_str());
        facts.from_history.insert(period.to_string(), file.key());
        stage_days(context, run, (period, &rows), names, &mut facts, &mut charges).await?;
    }
    facts.family = family_of(charges.iter().map(|(charge_type, net_rows)| (charge_type.as_str(), *net_rows)));
    if let Some(newest) = facts.newest_day {
        apportion_runtime::metrics::emit([Figure::new("BillAgeDays", Unit::None, run.date.since(newest))]);
    }
    write_staged(context, &run.staging, "rollup.json", &facts).await
}

/// Stages the rows of a billing period, which are sorted, by usage day: `rollup/<day>/<period>.csv`, so that who reads them holds no more
/// than a day.
async fn stage_days(
    context: &Context,
    run: &DayRun,
    (period, rows): (Period, &[DayRow]),
    names: &[String],
    facts: &mut DayFacts,
    charges: &mut BTreeMap<String, i64>,
) -> Result<(), Error> {
    for day in rows.chunk_by(|one, other| one.day == other.day) {
        for row in day {
            *facts.currencies.entry((&row.currency).into()).or_default() += row.rows;
            *charges.entry((&row.charge_type).into()).or_default() += row.net_rows;
        }
        let name = day.first().map(|row| row.day.as_str()).filter(|name| !name.is_empty()).unwrap_or(UNDATED);
        let csv = day_rows_csv(names, day).map_err(staging)?;
        let key = format!("{}{ROLLUP}{name}/{period}.csv", run.staging);
        context.work.put(&key, &csv).await?;
        facts.staged.push(key);
    }
    Ok(())
}

/// Kept files below a prefix, in order.
async fn kept(context: &Context, prefix: &str) -> Result<Vec<HistoryFile>, Error> {
    let entries = context.work.list(prefix).await?;
    let mut files: Vec<HistoryFile> = entries.iter().filter_map(|entry| HistoryFile::of_key(&entry.key)).collect();
    files.sort();
    Ok(files)
}

/// Keeps the day rows of a period for later runs, as a new version where this date has seen something else before; says which
/// days an earlier run saw otherwise.
///
/// A month that is over and has not changed since the newest file is not written again.
async fn keep(
    context: &Context,
    run: &DayRun,
    period: Period,
    names: &[String],
    rows: &[DayRow],
) -> Result<(HistoryFile, Vec<Restated>), Error> {
    let bytes = day_rows_csv(names, rows).map_err(staging)?;
    let files = kept(context, &HistoryFile::prefix(period)).await?;
    if period < run.date.period()
        && let Some(file) = newest(&files, run.date).filter(|file| file.date < run.date)
        && context.work.get(&file.key()).await? == bytes
    {
        return Ok((file, Vec::new()));
    }
    let key = context.work.put_version(&format!("{}{}", HistoryFile::prefix(period), run.date), "csv", &bytes).await?;
    let file = HistoryFile::of_key(&key).ok_or_else(|| Error::Staging(format!("`{key}` is no name of a kept file")))?;
    let Some(before) = newest(&files.into_iter().filter(|other| *other < file).collect::<Vec<_>>(), run.date) else {
        return Ok((file, Vec::new()));
    };
    let found = restated(period, before.date, &read(context, before, names).await?, rows);
    Ok((file, found))
}

/// Periods that the bill lacks, that earlier runs kept, and that are recent enough to count: the newest file of each.
async fn missing(
    context: &Context,
    date: Day,
    there: &BTreeMap<Period, Vec<DayRow>>,
) -> Result<BTreeMap<Period, HistoryFile>, Error> {
    let mut by_period: BTreeMap<Period, Vec<HistoryFile>> = BTreeMap::new();
    for file in kept(context, "daily/rollups/").await? {
        by_period.entry(file.period).or_default().push(file);
    }
    let counts = |period: Period| period <= date.period() && date.since(Day::last_of(period)) <= LOOK_BACK_DAYS;
    let wanted = by_period.into_iter().filter(|(period, _)| counts(*period) && !there.contains_key(period));
    Ok(wanted.filter_map(|(period, files)| newest(&files, date).map(|file| (period, file))).collect())
}

/// Rows of a kept file with the tags in today's order; a dimension that ownership did not need then has no value.
async fn read(context: &Context, file: HistoryFile, names: &[String]) -> Result<Vec<DayRow>, Error> {
    let key = file.key();
    let bytes = context.work.get(&key).await?;
    let (dimensions, mut rows) = read_day_rows_csv(&bytes).map_err(|error| Error::Staging(format!("{key}: {error}")))?;
    let places: Vec<Option<usize>> = names.iter().map(|name| dimensions.iter().position(|known| known == name)).collect();
    for row in &mut rows {
        row.tags = places.iter().map(|place| place.and_then(|at| row.tags.get(at).cloned()).unwrap_or_default()).collect();
    }
    Ok(rows)
}
