//! The columns of the export, and the batch in which lines are collected on their way to Parquet.
//!
//! What lines of one resource have in common (most text) stands once per batch in a template; a line is a template, an
//! interval and amounts. Text columns are dictionaries over the templates, so a line costs no copying.

use super::amount::Amount;
use super::calendar::{Interval, Intervals};
use super::random::{base32, mix};
use arrow_array::builder::StringBuilder;
use arrow_array::types::Int32Type;
use arrow_array::{
    ArrayRef, DictionaryArray, Float64Array, Int32Array, MapArray, RecordBatch, StringArray, StructArray,
    TimestampMillisecondArray, new_null_array,
};
use arrow_buffer::{BooleanBufferBuilder, NullBuffer, OffsetBuffer, ScalarBuffer};
use arrow_schema::{ArrowError, DataType, Field, Fields, Schema, SchemaRef, TimeUnit};
use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;

/// Text of a template.
pub type Text = Cow<'static, str>;

macro_rules! columns {
    ($name:ident, $($variant:ident => $column:literal),* $(,)?) => {
        /// Columns of one kind, each with its name in the export.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum $name { $($variant),* }
        impl $name {
            pub const ALL: &'static [$name] = &[$($name::$variant),*];
            pub const fn column(self) -> &'static str {
                match self { $($name::$variant => $column),* }
            }
        }
    };
}

columns!(TextColumn,
    BillType => "bill_bill_type",
    BillingEntity => "bill_billing_entity",
    InvoicingEntity => "bill_invoicing_entity",
    InvoiceId => "bill_invoice_id",
    PayerId => "bill_payer_account_id",
    PayerName => "bill_payer_account_name",
    AccountId => "line_item_usage_account_id",
    AccountName => "line_item_usage_account_name",
    LineType => "line_item_line_item_type",
    Product => "line_item_product_code",
    Operation => "line_item_operation",
    UsageType => "line_item_usage_type",
    Description => "line_item_line_item_description",
    ResourceId => "line_item_resource_id",
    LegalEntity => "line_item_legal_entity",
    TaxType => "line_item_tax_type",
    Currency => "line_item_currency_code",
    Zone => "line_item_availability_zone",
    Rate => "line_item_unblended_rate",
    Term => "pricing_term",
    Unit => "pricing_unit",
    LeaseLength => "pricing_lease_contract_length",
    OfferingClass => "pricing_offering_class",
    PurchaseOption => "pricing_purchase_option",
    ServiceCode => "product_servicecode",
    Family => "product_product_family",
    InstanceType => "product_instance_type",
    Region => "product_region_code",
    ReservationArn => "reservation_reservation_a_r_n",
    ReservationStart => "reservation_start_time",
    ReservationEnd => "reservation_end_time",
    ReservationCount => "reservation_number_of_reservations",
    SubscriptionId => "reservation_subscription_id",
    PlanArn => "savings_plan_savings_plan_a_r_n",
    PlanStart => "savings_plan_start_time",
    PlanEnd => "savings_plan_end_time",
    PlanOffering => "savings_plan_offering_type",
    PlanPayment => "savings_plan_payment_option",
    PlanTerm => "savings_plan_purchase_term",
    PlanRegion => "savings_plan_region",
    PlanFamily => "savings_plan_instance_type_family",
);

columns!(AmountColumn,
    UsageAmount => "line_item_usage_amount",
    Unblended => "line_item_unblended_cost",
    Blended => "line_item_blended_cost",
    PublicCost => "pricing_public_on_demand_cost",
    ReservationEffective => "reservation_effective_cost",
    ReservationRecurringForUsage => "reservation_recurring_fee_for_usage",
    ReservationAmortizedForUsage => "reservation_amortized_upfront_cost_for_usage",
    ReservationAmortizedForPeriod => "reservation_amortized_upfront_fee_for_billing_period",
    ReservationUnusedAmortized => "reservation_unused_amortized_upfront_fee_for_billing_period",
    ReservationUnusedRecurring => "reservation_unused_recurring_fee",
    ReservationUnusedQuantity => "reservation_unused_quantity",
    ReservationUpfrontValue => "reservation_upfront_value",
    PlanEffective => "savings_plan_savings_plan_effective_cost",
    PlanRate => "savings_plan_savings_plan_rate",
    PlanTotalCommitment => "savings_plan_total_commitment_to_date",
    PlanUsedCommitment => "savings_plan_used_commitment",
    PlanAmortizedForPeriod => "savings_plan_amortized_upfront_commitment_for_billing_period",
    PlanRecurringForPeriod => "savings_plan_recurring_commitment_for_billing_period",
);

/// Columns that exist and hold no value: net costs (this bill has its discounts on rows of their own) and discount totals.
const EMPTY_AMOUNTS: [&str; 11] = [
    "line_item_net_unblended_cost",
    "reservation_net_effective_cost",
    "reservation_net_amortized_upfront_fee_for_billing_period",
    "reservation_net_unused_amortized_upfront_fee_for_billing_period",
    "reservation_net_unused_recurring_fee",
    "savings_plan_net_savings_plan_effective_cost",
    "savings_plan_net_amortized_upfront_commitment_for_billing_period",
    "savings_plan_net_recurring_commitment_for_billing_period",
    "discount_total_discount",
    "discount_bundled_discount",
    "line_item_normalization_factor",
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    LineId,
    Interval,
    Start,
    End,
    PeriodStart,
    PeriodEnd,
    Text(TextColumn),
    Amount(AmountColumn),
    NullAmount,
    ResourceTags,
    Tags,
    CostCategory,
    Product,
    Discount,
}

/// Names and kinds of all columns, in the order of the export: by name, as Data Exports writes them.
fn layout() -> Vec<(&'static str, Kind)> {
    let mut list = vec![
        ("identity_line_item_id", Kind::LineId),
        ("identity_time_interval", Kind::Interval),
        ("line_item_usage_start_date", Kind::Start),
        ("line_item_usage_end_date", Kind::End),
        ("bill_billing_period_start_date", Kind::PeriodStart),
        ("bill_billing_period_end_date", Kind::PeriodEnd),
        ("resource_tags", Kind::ResourceTags),
        ("tags", Kind::Tags),
        ("cost_category", Kind::CostCategory),
        ("product", Kind::Product),
        ("discount", Kind::Discount),
    ];
    list.extend(TextColumn::ALL.iter().map(|column| (column.column(), Kind::Text(*column))));
    list.extend(AmountColumn::ALL.iter().map(|column| (column.column(), Kind::Amount(*column))));
    list.extend(EMPTY_AMOUNTS.iter().map(|column| (*column, Kind::NullAmount)));
    list.sort_by_key(|(name, _)| *name);
    list
}

/// Names of all columns in order, for the manifest.
pub fn column_names() -> Vec<(&'static str, &'static str)> {
    layout()
        .into_iter()
        .map(|(name, kind)| {
            let word = match kind {
                Kind::Start | Kind::End | Kind::PeriodStart | Kind::PeriodEnd => "timestamp",
                Kind::Amount(_) | Kind::NullAmount => "double",
                Kind::ResourceTags | Kind::Tags | Kind::CostCategory | Kind::Product => "map<string,string>",
                Kind::Discount => "map<string,double>",
                Kind::LineId | Kind::Interval | Kind::Text(_) => "string",
            };
            (name, word)
        })
        .collect()
}

fn dictionary() -> DataType {
    DataType::Dictionary(Box::new(DataType::Int32), Box::new(DataType::Utf8))
}

fn timestamp() -> DataType {
    DataType::Timestamp(TimeUnit::Millisecond, None)
}

fn entry_fields(value: DataType) -> Fields {
    let key = if value == DataType::Float64 { DataType::Utf8 } else { dictionary() };
    Fields::from(vec![Field::new("key", key, false), Field::new("value", value, true)])
}

fn map_field(value: DataType) -> Arc<Field> {
    Arc::new(Field::new("key_value", DataType::Struct(entry_fields(value)), false))
}

/// The schema of a part.
pub fn schema() -> SchemaRef {
    let fields: Vec<Field> = layout()
        .into_iter()
        .map(|(name, kind)| {
            let kind = match kind {
                Kind::LineId => DataType::Utf8,
                Kind::Interval | Kind::Text(_) => dictionary(),
                Kind::Start | Kind::End | Kind::PeriodStart | Kind::PeriodEnd => timestamp(),
                Kind::Amount(_) | Kind::NullAmount => DataType::Float64,
                Kind::ResourceTags | Kind::Tags | Kind::CostCategory | Kind::Product => {
                    DataType::Map(map_field(dictionary()), false)
                }
                Kind::Discount => DataType::Map(map_field(DataType::Float64), false),
            };
            Field::new(name, kind, true)
        })
        .collect();
    Arc::new(Schema::new(fields))
}

/// What lines of one resource and kind have in common.
#[derive(Debug, Clone)]
pub struct Template {
    /// Distinguishes line ids.
    pub key: u64,
    texts: Vec<Option<Text>>,
    pub resource_tags: Vec<(Text, Text)>,
    pub tags: Vec<(Text, Text)>,
    pub cost_category: Vec<(Text, Text)>,
    pub product_name: Text,
}

impl Template {
    pub fn new(key: u64) -> Self {
        let mut template = Template {
            key,
            texts: vec![None; TextColumn::ALL.len()],
            resource_tags: Vec::new(),
            tags: Vec::new(),
            cost_category: Vec::new(),
            product_name: Cow::Borrowed(""),
        };
        // empty, not NULL, where there is no commitment
        template.set(TextColumn::ReservationArn, "");
        template.set(TextColumn::PlanArn, "");
        template
    }

    pub fn set(&mut self, column: TextColumn, text: impl Into<Text>) -> &mut Self {
        self.texts[column as usize] = Some(text.into());
        self
    }

    pub fn clear(&mut self, column: TextColumn) -> &mut Self {
        self.texts[column as usize] = None;
        self
    }
}

#[derive(Debug, Default)]
struct Sparse {
    rows: Vec<u32>,
    values: Vec<f64>,
}

#[derive(Debug, Default)]
struct Pool {
    ids: HashMap<Text, i32>,
    texts: Vec<Text>,
}

impl Pool {
    fn id(&mut self, text: &Text) -> i32 {
        if let Some(id) = self.ids.get(text) {
            return *id;
        }
        let id = self.texts.len() as i32;
        self.ids.insert(text.clone(), id);
        self.texts.push(text.clone());
        id
    }

    fn array(&self) -> ArrayRef {
        Arc::new(StringArray::from_iter_values(self.texts.iter().map(Cow::as_ref)))
    }
}

#[derive(Debug, Default)]
struct MapColumn {
    keys: Vec<i32>,
    values: Vec<i32>,
    offsets: Vec<i32>,
    /// Where each template's entries begin and end in `entries`.
    ranges: Vec<(usize, usize)>,
    entries: Vec<(i32, i32)>,
}

impl MapColumn {
    fn template(&mut self, pool: &mut Pool, list: &[(Text, Text)]) {
        let from = self.entries.len();
        self.entries.extend(list.iter().map(|(key, value)| (pool.id(key), pool.id(value))));
        self.ranges.push((from, self.entries.len()));
    }

    fn push(&mut self, template: usize) {
        let (from, to) = self.ranges[template];
        for (key, value) in &self.entries[from..to] {
            self.keys.push(*key);
            self.values.push(*value);
        }
        self.offsets.push(self.keys.len() as i32);
    }

    fn array(self, texts: &ArrayRef) -> Result<ArrayRef, ArrowError> {
        let column = |ids: Vec<i32>| -> Result<ArrayRef, ArrowError> {
            Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(Int32Array::from(ids), Arc::clone(texts))?))
        };
        let mut offsets = vec![0];
        offsets.extend(self.offsets);
        let entries = StructArray::try_new(entry_fields(dictionary()), vec![column(self.keys)?, column(self.values)?], None)?;
        let offsets = OffsetBuffer::new(ScalarBuffer::from(offsets));
        Ok(Arc::new(MapArray::try_new(map_field(dictionary()), offsets, entries, None, false)?))
    }
}

/// Lines on their way to a file.
#[derive(Debug, Default)]
pub struct Batch {
    templates: Vec<Template>,
    keys: Vec<i32>,
    intervals: Vec<i32>,
    amounts: Vec<Sparse>,
    pool: Pool,
    maps: [MapColumn; 4],
}

impl Batch {
    pub fn new() -> Self {
        let amounts = AmountColumn::ALL.iter().map(|_| Sparse::default()).collect();
        Batch { amounts, ..Batch::default() }
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    /// Registers a template and returns its number.
    pub fn template(&mut self, template: Template) -> i32 {
        let name = [(Cow::Borrowed("product_name"), template.product_name.clone())];
        let product: &[(Text, Text)] = if template.product_name.is_empty() { &[] } else { &name };
        self.maps[0].template(&mut self.pool, &template.resource_tags);
        self.maps[1].template(&mut self.pool, &template.tags);
        self.maps[2].template(&mut self.pool, &template.cost_category);
        self.maps[3].template(&mut self.pool, product);
        self.templates.push(template);
        self.templates.len() as i32 - 1
    }

    /// Adds a line.
    pub fn push(&mut self, template: i32, interval: u32, amounts: &[(AmountColumn, Amount)]) {
        let row = self.keys.len() as u32;
        self.keys.push(template);
        self.intervals.push(interval as i32);
        for (column, amount) in amounts {
            let sparse = &mut self.amounts[*column as usize];
            sparse.rows.push(row);
            sparse.values.push(amount.to_f64());
        }
        for map in &mut self.maps {
            map.push(template as usize);
        }
    }

    /// The collected lines as one record batch; `intervals` is what [`Batch::push`] meant.
    pub fn finish(self, schema: &SchemaRef, intervals: &Intervals) -> Result<RecordBatch, ArrowError> {
        let rows = self.keys.len();
        let list = intervals.list();
        let keys = Int32Array::from(self.keys);
        let texts = self.pool.array();
        let mut maps = self.maps.into_iter();
        let mut next_map = || maps.next().unwrap_or_default().array(&texts);
        let (resource_tags, tags, cost_category, product) = (next_map()?, next_map()?, next_map()?, next_map()?);
        let millisecond = |pick: &dyn Fn(&Interval) -> i64| -> ArrayRef {
            let values = self.intervals.iter().map(|interval| pick(&list[*interval as usize]));
            Arc::new(TimestampMillisecondArray::from_iter_values(values))
        };
        let whole = &list[super::calendar::WHOLE_MONTH as usize];
        let mut columns = Vec::with_capacity(schema.fields().len());
        for (_, kind) in layout() {
            columns.push(match kind {
                Kind::LineId => line_ids(&self.templates, keys.values(), &self.intervals),
                Kind::Interval => {
                    let names = StringArray::from_iter_values(list.iter().map(|interval| interval.text.as_str()));
                    let ids = Int32Array::from(self.intervals.clone());
                    Arc::new(DictionaryArray::<Int32Type>::try_new(ids, Arc::new(names))?)
                }
                Kind::Start => millisecond(&|interval| interval.start),
                Kind::End => millisecond(&|interval| interval.end),
                Kind::PeriodStart => millisecond(&|_| whole.start),
                Kind::PeriodEnd => millisecond(&|_| whole.end),
                Kind::Text(column) => text_column(&self.templates, column, &keys)?,
                Kind::Amount(column) => amount_column(&self.amounts[column as usize], rows),
                Kind::NullAmount => new_null_array(&DataType::Float64, rows),
                Kind::ResourceTags => Arc::clone(&resource_tags),
                Kind::Tags => Arc::clone(&tags),
                Kind::CostCategory => Arc::clone(&cost_category),
                Kind::Product => Arc::clone(&product),
                Kind::Discount => empty_map(rows)?,
            });
        }
        RecordBatch::try_new(Arc::clone(schema), columns)
    }
}

fn text_column(templates: &[Template], column: TextColumn, keys: &Int32Array) -> Result<ArrayRef, ArrowError> {
    let values: StringArray = templates.iter().map(|template| template.texts[column as usize].as_deref()).collect();
    if templates.iter().all(|template| template.texts[column as usize].is_none()) {
        return Ok(new_null_array(&dictionary(), keys.values().len()));
    }
    Ok(Arc::new(DictionaryArray::<Int32Type>::try_new(keys.clone(), Arc::new(values))?))
}

fn amount_column(sparse: &Sparse, rows: usize) -> ArrayRef {
    if sparse.rows.is_empty() {
        return new_null_array(&DataType::Float64, rows);
    }
    if sparse.rows.len() == rows {
        return Arc::new(Float64Array::from(sparse.values.clone()));
    }
    let mut values = vec![0.0; rows];
    let mut present = BooleanBufferBuilder::new(rows);
    present.append_n(rows, false);
    for (row, value) in sparse.rows.iter().zip(&sparse.values) {
        values[*row as usize] = *value;
        present.set_bit(*row as usize, true);
    }
    Arc::new(Float64Array::new(ScalarBuffer::from(values), Some(NullBuffer::new(present.finish()))))
}

/// 39 characters of the template, 13 of the interval: alike in length to real ids, and short once compressed.
fn line_ids(templates: &[Template], keys: &[i32], intervals: &[i32]) -> ArrayRef {
    let heads: Vec<String> = templates.iter().map(|template| base32(mix(template.key, 77), 39)).collect();
    let mut builder = StringBuilder::with_capacity(keys.len(), keys.len() * 52);
    let mut id = [0u8; 52];
    for (template, interval) in keys.iter().zip(intervals) {
        let template = *template as usize;
        id[..39].copy_from_slice(heads[template].as_bytes());
        let mut tail = mix(templates[template].key, 1_000_000 + *interval as u64);
        for byte in &mut id[39..] {
            *byte = b"abcdefghijklmnopqrstuvwxyz234567"[(tail & 31) as usize];
            tail >>= 5;
        }
        builder.append_value(str::from_utf8(&id).unwrap_or_default());
    }
    Arc::new(builder.finish())
}

fn empty_map(rows: usize) -> Result<ArrayRef, ArrowError> {
    let columns: Vec<ArrayRef> =
        vec![Arc::new(StringArray::from(Vec::<&str>::new())), Arc::new(Float64Array::from(Vec::<f64>::new()))];
    let entries = StructArray::try_new(entry_fields(DataType::Float64), columns, None)?;
    let offsets = OffsetBuffer::new(ScalarBuffer::from(vec![0; rows + 1]));
    Ok(Arc::new(MapArray::try_new(map_field(DataType::Float64), offsets, entries, None, false)?))
}
