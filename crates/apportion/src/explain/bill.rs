//! The frozen bill's own rows behind the lines: read one after the other, summed by rollup row, the largest kept.

use super::evidence::{Evidence, engine_failure};
use super::walk::Walk;
use super::{Amounts, BillRow, Others, broken};
use crate::failure::Failure;
use apportion_core::allocate::share_of;
use apportion_core::bill::{Family, RollupRow};
use apportion_core::money::Money;
use apportion_engine::catalogue::{self, Value};
use apportion_engine::schema::BillFormat;
use apportion_engine::{Row, RowStream};
use futures::StreamExt;
use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet, BinaryHeap, HashMap};

/// The bill rows of every walk.
pub struct Found {
    pub of_walks: Vec<Rows>,
    /// Bill rows that were read and summed.
    pub rows_read: i64,
}

/// The largest bill rows of one walk, and all others as one.
pub struct Rows {
    pub listed: Vec<BillRow>,
    pub others: Option<Others>,
}

/// How much of a rollup row is in a line.
struct Use {
    walk: usize,
    cash: (i128, i128),
    effective: (i128, i128),
}

/// A rollup row that is asked for, and what of it was found so far.
#[derive(Default)]
struct Wanted {
    uses: Vec<Use>,
    rows: i64,
    cash: (Money, Money),
    effective: (Money, Money),
}

/// A bill row as it ranks: by what of it is in the line, then by where it stands.
#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct Ranked {
    cash: Money,
    effective: Money,
    place: Reverse<(String, u64)>,
    row: Box<RankedRow>,
}

#[derive(PartialEq, Eq, PartialOrd, Ord)]
struct RankedRow {
    line_id: String,
    usage_date: String,
    region: String,
    resource_id: String,
    description: String,
    rollup: usize,
    cash: Money,
    effective: Money,
    in_line: (Money, Money),
}

/// Reads every bill row behind the walks and proves each rollup row to be the sum of its own. Keeps `top` rows for each walk.
pub async fn read(evidence: &Evidence, walks: &[Walk], top: usize) -> Result<Found, Failure> {
    let mut wanted: BTreeMap<usize, Wanted> = BTreeMap::new();
    for (walk, one) in walks.iter().enumerate() {
        for (place, part) in &one.rollup {
            let row = &evidence.trace.rollup[*place];
            let cash = ratio(part.cash, row.cash.of(evidence.family));
            let effective = ratio(part.effective, row.effective.of(evidence.family));
            wanted.entry(*place).or_default().uses.push(Use { walk, cash, effective });
        }
    }
    let mut heaps: Vec<BinaryHeap<Reverse<Ranked>>> = walks.iter().map(|_| BinaryHeap::new()).collect();
    for format in BillFormat::ALL {
        let places: Vec<usize> = wanted.keys().copied().filter(|place| evidence.formats[*place] == format).collect();
        if places.is_empty() {
            continue;
        }
        let rows: Vec<&RollupRow> = places.iter().map(|place| &evidence.trace.rollup[*place]).collect();
        let stream = evidence.bill_rows(format, &parameters(evidence, &rows)).await?;
        let is_by_day = !evidence.changes.is_empty();
        let by_key: HashMap<String, usize> =
            rows.iter().zip(&places).map(|(row, place)| (key_of_rollup(row, is_by_day), *place)).collect();
        take(evidence, stream, &by_key, &mut wanted, &mut heaps, top).await?;
    }
    for (place, found) in &wanted {
        prove(&evidence.trace.rollup[*place], found)?;
    }
    let of_walks = walks.iter().zip(heaps).map(|(walk, heap)| rows_of(evidence, walk, heap)).collect::<Result<_, _>>()?;
    Ok(Found { of_walks, rows_read: wanted.values().map(|found| found.rows).sum() })
}

/// `part / whole`; nothing where the whole is nothing, unless the part is all of it.
fn ratio(part: Money, whole: Money) -> (i128, i128) {
    match (part == whole, part.units().signum() * whole.units().signum()) {
        (true, _) => (1, 1),
        (false, 1) => (part.abs().units(), whole.abs().units()),
        (false, _) => (0, 1),
    }
}

/// What the rows have in common with those asked for, so that little else is read.
fn parameters(evidence: &Evidence, rows: &[&RollupRow]) -> BTreeMap<String, Value> {
    let texts = |of: &dyn Fn(&RollupRow) -> &str| Value::Texts(rows.iter().map(|row| of(row).to_owned()).collect());
    let owner = evidence.configuration.taxonomy.owner_index();
    let owner_value = |row: &RollupRow| owner.and_then(|index| row.tags.get(index)).map(String::from).unwrap_or_default();
    let owners: BTreeSet<String> = rows.iter().map(|row| owner_value(row)).collect();
    [
        ("period", Value::Period(evidence.facts.period)),
        ("currency", Value::Text(evidence.facts.currency.clone())),
        ("invoices", texts(&|row| &row.invoice_id)),
        ("accounts", texts(&|row| &row.account_id)),
        ("services", texts(&|row| &row.service)),
        ("charge_types", texts(&|row| &row.charge_type)),
        ("commitments", texts(&|row| &row.commitment_id)),
        ("owner_values", Value::Texts(owners)),
    ]
    .map(|(name, value)| (name.to_owned(), value))
    .into()
}

/// One text for a grain: each value with its length before it, so that no value can pass for another.
fn key<'a>(values: impl Iterator<Item = &'a str>) -> String {
    values.fold(String::new(), |mut key, value| {
        key.push_str(&value.len().to_string());
        key.push(':');
        key.push_str(value);
        key
    })
}

fn key_of_rollup(row: &RollupRow, is_by_day: bool) -> String {
    let grain: [&str; 11] = [
        &row.billing_period,
        &row.provider,
        &row.issuer,
        &row.billing_account_id,
        &row.invoice_id,
        &row.account_id,
        &row.service,
        &row.charge_type,
        row.kind.as_str(),
        &row.commitment_id,
        &row.currency,
    ];
    let day = Some(row.organization_day.as_str()).filter(|_| is_by_day);
    key(grain.into_iter().chain(day).chain(row.tags.iter().map(|tag| tag.as_str())))
}

/// Finds the columns of a result by name.
struct Cells {
    places: BTreeMap<String, usize>,
    key: Vec<usize>,
}

impl Cells {
    fn new(evidence: &Evidence, header: &[String]) -> Result<Cells, Failure> {
        let places: BTreeMap<String, usize> =
            header.iter().enumerate().map(|(place, name)| (name.to_ascii_lowercase(), place)).collect();
        let tags = evidence.configuration.taxonomy.dimensions.iter().map(|dimension| format!("tag_{}", dimension.name));
        let day = Some(catalogue::ORGANIZATION_DAY.to_owned()).filter(|_| !evidence.changes.is_empty());
        let names = apportion_output::ROLLUP_GRAIN.iter().map(|name| (*name).to_owned()).chain(day).chain(tags);
        let lacking = |name: String| Failure::other(format!("bill_rows.sql gives no column {name}: a defect"));
        let key = names.map(|name| places.get(&name).copied().ok_or_else(|| lacking(name))).collect::<Result<_, _>>()?;
        Ok(Cells { places, key })
    }

    /// A cell; NULL is nothing.
    fn text<'a>(&self, row: &'a Row, name: &str) -> &'a str {
        self.places.get(name).map_or("", |place| cell(row, *place))
    }

    fn money(&self, row: &Row, name: &str) -> Result<Money, Failure> {
        let text = self.text(row, name);
        text.parse().map_err(|error| Failure::other(format!("bill_rows.sql, column {name}: {error}")))
    }
}

fn cell(row: &Row, place: usize) -> &str {
    row.get(place).and_then(Option::as_deref).unwrap_or_default()
}

async fn take(
    evidence: &Evidence,
    stream: RowStream,
    by_key: &HashMap<String, usize>,
    wanted: &mut BTreeMap<usize, Wanted>,
    heaps: &mut [BinaryHeap<Reverse<Ranked>>],
    top: usize,
) -> Result<(), Failure> {
    let cells = Cells::new(evidence, &stream.header)?;
    let mut rows = stream.rows;
    while let Some(row) = rows.next().await {
        let row = row.map_err(engine_failure)?;
        let Some(place) = by_key.get(&key(cells.key.iter().map(|place| cell(&row, *place)))) else { continue };
        let Some(found) = wanted.get_mut(place) else { continue };
        let cash = (cells.money(&row, "cash_unblended")?, cells.money(&row, "cash_net")?);
        let effective = (cells.money(&row, "effective_unblended")?, cells.money(&row, "effective_net")?);
        found.rows += 1;
        found.cash.0 += cash.0;
        found.cash.1 += cash.1;
        found.effective.0 += effective.0;
        found.effective.1 += effective.1;
        let own = match evidence.family {
            Family::Unblended => (cash.0, effective.0),
            Family::Net => (cash.1, effective.1),
        };
        for one in &found.uses {
            let in_line = (share_of(own.0, one.cash.0, one.cash.1).0, share_of(own.1, one.effective.0, one.effective.1).0);
            let heap = &mut heaps[one.walk];
            let least = heap.peek().map(|least| (least.0.cash, least.0.effective));
            if heap.len() >= top && least.is_none_or(|least| (in_line.0.abs(), in_line.1.abs()) < least) {
                continue;
            }
            heap.push(Reverse(ranked(&cells, &row, *place, own, in_line)));
            if heap.len() > top {
                heap.pop();
            }
        }
    }
    Ok(())
}

fn ranked(cells: &Cells, row: &Row, rollup: usize, own: (Money, Money), in_line: (Money, Money)) -> Ranked {
    let text = |name: &str| cells.text(row, name).to_owned();
    Ranked {
        cash: in_line.0.abs(),
        effective: in_line.1.abs(),
        place: Reverse((text("bill_file"), text("bill_row").parse().unwrap_or(0))),
        row: Box::new(RankedRow {
            line_id: text("line_id"),
            usage_date: text("usage_day"),
            region: text("region"),
            resource_id: text("resource_id"),
            description: text("description"),
            rollup,
            cash: own.0,
            effective: own.1,
            in_line,
        }),
    }
}

/// The rollup row is the sum of its bill rows, in both cost families.
fn prove(row: &RollupRow, found: &Wanted) -> Result<(), Failure> {
    let is = (row.rows, (row.cash.unblended, row.cash.net), (row.effective.unblended, row.effective.net));
    if (found.rows, found.cash, found.effective) == is {
        return Ok(());
    }
    Err(broken(format!(
        "the rollup row of account {}, {}, {} sums {} bill rows to {} cash and {} effective; the frozen bill has {} rows of {} and {}",
        row.account_id, row.service, row.charge_type, row.rows, is.1.0, is.2.0, found.rows, found.cash.0, found.effective.0
    )))
}

/// What a walk lists: rows by rank, the others as one. What was cut from listed rows is in the others, or, where there are none, goes to
/// the first rows, so that the sum is the line.
fn rows_of(evidence: &Evidence, walk: &Walk, heap: BinaryHeap<Reverse<Ranked>>) -> Result<Rows, Failure> {
    let ranked: Vec<Ranked> = heap.into_sorted_vec().into_iter().map(|reverse| reverse.0).collect();
    let mut listed: Vec<BillRow> = ranked.into_iter().map(|ranked| bill_row(evidence, ranked)).collect();
    let rollup = |place: &usize| &evidence.trace.rollup[*place];
    let all: i64 = walk.rollup.keys().map(|place| rollup(place).rows).sum();
    let rest = all - listed.len() as i64;
    let in_line = walk.rollup.values().copied().sum::<Amounts>() - listed.iter().map(|row| row.in_line).sum();
    if rest > 0 {
        let whole = |place: &usize| {
            let row = rollup(place);
            Amounts { cash: row.cash.of(evidence.family), effective: row.effective.of(evidence.family) }
        };
        let amounts = walk.rollup.keys().map(whole).sum::<Amounts>() - listed.iter().map(|row| row.amounts).sum();
        return Ok(Rows { listed, others: Some(Others { rows: rest, amounts, in_line }) });
    }
    let limit = 2 * listed.len() as i128;
    if in_line.cash.abs().units() > limit || in_line.effective.abs().units() > limit {
        return Err(broken(format!("line {}: its bill rows leave {} of cash unexplained", walk.line, in_line.cash)));
    }
    let unit = |left: &mut Money| {
        let step = Money::from_units(left.units().signum());
        *left -= step;
        step
    };
    let (mut cash, mut effective, count) = (in_line.cash, in_line.effective, listed.len());
    for index in 0..2 * count {
        let row = &mut listed[index % count];
        row.in_line += Amounts { cash: unit(&mut cash), effective: unit(&mut effective) };
    }
    Ok(Rows { listed, others: None })
}

fn bill_row(evidence: &Evidence, ranked: Ranked) -> BillRow {
    let Reverse((name, number)) = ranked.place;
    let row = *ranked.row;
    let rollup = &evidence.trace.rollup[row.rollup];
    let file = evidence.file(&name);
    BillRow {
        file: file.map_or(name, |file| file.path.clone()),
        delivered_as: file.map(|file| file.delivered_as.clone()).unwrap_or_default(),
        row: number,
        line_id: row.line_id,
        usage_date: row.usage_date,
        account_id: String::from(&rollup.account_id),
        service: String::from(&rollup.service),
        charge_type: String::from(&rollup.charge_type),
        commitment_id: String::from(&rollup.commitment_id),
        region: row.region,
        resource_id: row.resource_id,
        description: row.description,
        tags: super::line::tags(evidence, rollup),
        amounts: Amounts { cash: row.cash, effective: row.effective },
        in_line: Amounts { cash: row.in_line.0, effective: row.in_line.1 },
    }
}
