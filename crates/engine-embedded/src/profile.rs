//! What a bill holds, in one scan: tag keys and their values with the money on them, accounts, currencies.
//!
//! One machine only: listing keys takes `unnest` of a map, which the shared SQL subset lacks. `sql/profile.sql` is what every
//! engine can say.

use crate::decimal::{from_double, wide_to_money};
use crate::error::{BillError, Place};
use crate::read::{Source, Wanted, dictionary, format_millis};
use apportion_core::hygiene::{TagKey, TagKeys, TagValue};
use apportion_core::money::Money;
use apportion_core::tags::{TagColumn, trim};
use apportion_engine::profile::{AccountProfile, BillProfile, MOST_VALUES, TagKeyProfile, TagValueProfile};
use apportion_engine::schema::{BillFormat, ColumnType};
use apportion_engine::{EngineError, FailureClass, Table, catalogue};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, MapArray, RecordBatch, StringViewArray};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Float64Type, TimestampMillisecondType};
use std::collections::{BTreeMap, HashMap};
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

const TAG_COLUMNS: [TagColumn; 4] =
    [TagColumn::Cur2ResourceTags, TagColumn::Cur2Tags, TagColumn::Cur2CostCategory, TagColumn::FocusTags];

/// Where the columns of a profile stand among those read.
struct Layout {
    amount: usize,
    account: usize,
    name: usize,
    currency: usize,
    period: usize,
    maps: Vec<(TagColumn, usize)>,
}

/// The columns that a profile reads, by position in the format's declared ones.
fn layout(format: BillFormat) -> Option<(Vec<usize>, Layout)> {
    let names = match format {
        BillFormat::Cur2 => [
            "line_item_unblended_cost",
            "line_item_usage_account_id",
            "line_item_usage_account_name",
            "line_item_currency_code",
            "bill_billing_period_start_date",
        ],
        _ => ["BilledCost", "SubAccountId", "SubAccountName", "BillingCurrency", "BillingPeriodStart"],
    };
    let position = |name: &str| format.columns().iter().position(|column| column.name == name);
    let mut projection = names.iter().map(|name| position(name)).collect::<Option<Vec<usize>>>()?;
    let mut maps = Vec::new();
    for column in TAG_COLUMNS {
        if let Some(index) = catalogue::map_column(column, format).and_then(position) {
            maps.push((column, projection.len()));
            projection.push(index);
        }
    }
    Some((projection, Layout { amount: 0, account: 1, name: 2, currency: 3, period: 4, maps }))
}

/// Magnitude and lines.
#[derive(Debug, Clone, Copy, Default)]
struct Weight {
    magnitude: Money,
    rows: i64,
}

impl Weight {
    fn add(&mut self, other: Weight) {
        self.magnitude += other.magnitude;
        self.rows += other.rows;
    }
}

/// Sums of one thread; adding is exact, so their order does not matter.
#[derive(Default)]
struct Sums {
    period: Option<i64>,
    magnitude: Money,
    currencies: HashMap<String, Weight>,
    accounts: HashMap<String, (String, Weight)>,
    tags: HashMap<(TagColumn, String), HashMap<String, Weight>>,
}

impl Sums {
    fn merge(&mut self, other: Sums) {
        self.period = self.period.max(other.period);
        self.magnitude += other.magnitude;
        for (currency, weight) in other.currencies {
            self.currencies.entry(currency).or_default().add(weight);
        }
        for (id, (name, weight)) in other.accounts {
            self.account(&id, &name, weight);
        }
        for (key, values) in other.tags {
            let known = self.tags.entry(key).or_default();
            for (value, weight) in values {
                known.entry(value).or_default().add(weight);
            }
        }
    }

    fn account(&mut self, id: &str, name: &str, weight: Weight) {
        match self.accounts.get_mut(id) {
            Some((known, sum)) => {
                if name > known.as_str() {
                    name.clone_into(known);
                }
                sum.add(weight);
            }
            None => {
                self.accounts.insert(id.to_owned(), (name.to_owned(), weight));
            }
        }
    }

    fn batch(&mut self, batch: &RecordBatch, layout: &Layout) -> Option<()> {
        let column = |index: usize| batch.columns().get(index);
        let amounts = magnitudes(column(layout.amount)?)?;
        let text = |index: usize| column(index).and_then(|array| array.as_string_view_opt());
        let (accounts, names, currencies) = (text(layout.account)?, text(layout.name)?, text(layout.currency)?);
        let period = column(layout.period)?.as_primitive_opt::<TimestampMillisecondType>()?;
        self.period = self.period.max(period.iter().flatten().max());
        let mut groups: HashMap<(&str, &str, &str), Weight> = HashMap::new();
        for (row, magnitude) in amounts.iter().enumerate() {
            let of = |array| text_or_blank(array, row);
            groups.entry((of(accounts), of(names), of(currencies))).or_default().add(Weight { magnitude: *magnitude, rows: 1 });
            self.magnitude += *magnitude;
        }
        for ((id, name, currency), weight) in groups {
            self.currencies.entry(currency.to_owned()).or_default().add(weight);
            self.account(id, name, weight);
        }
        for (tag_column, index) in &layout.maps {
            self.tags(*tag_column, column(*index)?, &amounts)?;
        }
        Some(())
    }

    fn tags(&mut self, column: TagColumn, array: &ArrayRef, amounts: &[Money]) -> Option<()> {
        let map = array.as_any().downcast_ref::<MapArray>()?;
        let (keys, values) = (dictionary(map.keys())?, dictionary(map.values())?);
        let mut pairs: HashMap<(i32, i32), Weight> = HashMap::new();
        for (row, (window, magnitude)) in map.value_offsets().windows(2).zip(amounts).enumerate() {
            if map.is_null(row) {
                continue;
            }
            for entry in window[0] as usize..window[1] as usize {
                if values.keys().is_valid(entry) {
                    let pair = (keys.keys().value(entry), values.keys().value(entry));
                    pairs.entry(pair).or_default().add(Weight { magnitude: *magnitude, rows: 1 });
                }
            }
        }
        let texts = |array: &ArrayRef| cast(array, &DataType::Utf8).ok();
        let (key_texts, value_texts) = (texts(keys.values())?, texts(values.values())?);
        for ((key, value), weight) in pairs {
            let value = value_texts.as_string::<i32>().value(value as usize);
            if trim(value).is_empty() {
                continue;
            }
            let key = (column, key_texts.as_string::<i32>().value(key as usize).to_owned());
            self.tags.entry(key).or_default().entry(value.to_owned()).or_default().add(weight);
        }
        Some(())
    }
}

fn text_or_blank(array: &StringViewArray, row: usize) -> &str {
    if array.is_null(row) { "" } else { array.value(row) }
}

fn magnitudes(array: &ArrayRef) -> Option<Vec<Money>> {
    let units: Option<Vec<i128>> = match array.data_type() {
        DataType::Float64 => {
            let convert = |value: Option<f64>| value.map_or(Some(0), |value| from_double(value, 12).ok());
            array.as_primitive::<Float64Type>().iter().map(convert).collect()
        }
        DataType::Decimal128(_, _) => {
            Some(array.as_primitive::<Decimal128Type>().iter().map(|units| units.map_or(0, wide_to_money)).collect())
        }
        _ => None,
    };
    Some(units?.into_iter().map(|units| Money::from_units(units).abs()).collect())
}

fn scan(source: &Source, wanted: &Arc<[Wanted]>, layout: &Layout, next: &AtomicUsize) -> Result<Sums, BillError> {
    let mut sums = Sums::default();
    let units = source.units();
    while let Some(unit) = units.get(next.fetch_add(1, Ordering::Relaxed)) {
        for batch in source.read(*unit, wanted, 8192)? {
            let file = source.files.get(unit.file).map(|file| file.path.clone()).unwrap_or_default();
            let wrong = || BillError::value(&file, Place::Row(1), "amounts and tags", "they cannot be summed");
            sums.batch(&batch?, layout).ok_or_else(wrong)?;
        }
    }
    Ok(sums)
}

fn by_magnitude(weights: HashMap<String, Weight>) -> Vec<(String, Weight)> {
    let mut sorted: Vec<(String, Weight)> = weights.into_iter().collect();
    sorted.sort_by(|a, b| b.1.magnitude.cmp(&a.1.magnitude).then_with(|| a.0.cmp(&b.0)));
    sorted
}

fn tag_key(column: TagColumn, key: String, values: HashMap<String, Weight>) -> TagKeyProfile {
    let magnitude = values.values().map(|weight| weight.magnitude).sum();
    let mut sorted = by_magnitude(values);
    let values_left_out = sorted.len().saturating_sub(MOST_VALUES) as u64;
    sorted.truncate(MOST_VALUES);
    let value = |(value, weight): (String, Weight)| TagValueProfile { value, magnitude: weight.magnitude, rows: weight.rows };
    TagKeyProfile { column, key, magnitude, values: sorted.into_iter().map(value).collect(), values_left_out }
}

/// The tag keys of a bill's files of one format, and the tag columns that the format has.
pub(crate) async fn tag_keys(files: &[PathBuf], format: BillFormat) -> Result<TagKeys, EngineError> {
    let value = |value: TagValueProfile| TagValue { value: value.value, magnitude: value.magnitude, rows: value.rows };
    let key = |key: TagKeyProfile| TagKey {
        column: key.column,
        key: key.key,
        magnitude: key.magnitude,
        values: key.values.into_iter().map(value).collect(),
    };
    let keys = profile(files, format).await?.tag_keys.into_iter().map(key).collect();
    let columns = TAG_COLUMNS.into_iter().filter(|column| catalogue::map_column(*column, format).is_some()).collect();
    Ok(TagKeys { keys, columns })
}

/// Scans a bill's files of one format on all cores; the same for every order of files and lines.
pub async fn profile(files: &[PathBuf], format: BillFormat) -> Result<BillProfile, EngineError> {
    let broken = |message: &str| EngineError::Failed { class: FailureClass::Bill, message: message.to_owned() };
    let (projection, layout) = layout(format).ok_or_else(|| broken("the format declares no cost column"))?;
    let source = Source::open(&Table::local(format, files.iter().cloned()))?;
    let wanted = source.wanted(&projection);
    debug_assert!(wanted.iter().any(|wanted| wanted.column.kind == ColumnType::Double));
    let threads = std::thread::available_parallelism().map_or(1, NonZeroUsize::get);
    let next = AtomicUsize::new(0);
    let parts: Vec<Result<Sums, BillError>> = std::thread::scope(|scope| {
        let start = |_| scope.spawn(|| scan(&source, &wanted, &layout, &next));
        let handles: Vec<_> = (0..threads).map(start).collect();
        let join = |handle: std::thread::ScopedJoinHandle<'_, Result<Sums, BillError>>| {
            handle.join().unwrap_or_else(|_| Err(BillError::NoFiles("bill".to_owned())))
        };
        handles.into_iter().map(join).collect()
    });
    let mut sums = Sums::default();
    for part in parts {
        sums.merge(part?);
    }
    let period = sums.period.map(format_millis).and_then(|text| text.get(..7)?.parse().ok());
    let period = period.ok_or_else(|| broken("the bill has no line with a billing period — give a bill that has lines"))?;
    let accounts: BTreeMap<String, (String, Weight)> = sums.accounts.into_iter().collect();
    let account = |(id, (name, weight)): (String, (String, Weight))| AccountProfile { id, name, magnitude: weight.magnitude };
    let tags: BTreeMap<(TagColumn, String), HashMap<String, Weight>> =
        sums.tags.into_iter().filter(|(_, values)| !values.is_empty()).collect();
    Ok(BillProfile {
        format: format.as_str().to_owned(),
        period,
        currencies: by_magnitude(sums.currencies).into_iter().map(|(code, weight)| (code, weight.magnitude)).collect(),
        magnitude: sums.magnitude,
        accounts: accounts.into_iter().map(account).collect(),
        tag_keys: tags.into_iter().map(|((column, key), values)| tag_key(column, key, values)).collect(),
    })
}
