//! The declared columns of each export format, and the detection of a format from a file's columns.
//!
//! Declared is what our SQL reads; unknown further columns are fine. Names compare without case, since Athena folds it.
//! Required is what no line can be charged without. An optional column may be absent and then reads as NULL, unless the bill
//! holds a line type whose effective cost stands only there (`needed_by`).

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

/// Format of a billing export.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum BillFormat {
    /// AWS CUR 2.0.
    Cur2,
    /// FOCUS 1.0 and 1.1: no invoice id.
    Focus10,
    /// FOCUS 1.2.
    Focus12,
    /// FOCUS 1.3 and 1.4.
    Focus13,
}

/// What a column holds, whatever the file's own type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ColumnType {
    Text,
    /// An amount: double or decimal in Parquet, decimal text in CSV.
    Double,
    /// UTC.
    Timestamp,
    /// `map<string,string>` in Parquet, a JSON object in CSV.
    TextMap,
}

/// A declared column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    pub name: &'static str,
    pub kind: ColumnType,
    pub required: bool,
    /// Line item types (CUR) that cannot be charged without this column, optional for bills that have none of them.
    pub needed_by: &'static [&'static str],
}

const fn column(name: &'static str, kind: ColumnType, required: bool) -> Column {
    Column { name, kind, required, needed_by: &[] }
}
const fn must_text(name: &'static str) -> Column {
    column(name, ColumnType::Text, true)
}
const fn text(name: &'static str) -> Column {
    column(name, ColumnType::Text, false)
}
const fn must_amount(name: &'static str) -> Column {
    column(name, ColumnType::Double, true)
}
const fn amount(name: &'static str) -> Column {
    column(name, ColumnType::Double, false)
}
const fn must_time(name: &'static str) -> Column {
    column(name, ColumnType::Timestamp, true)
}
const fn time(name: &'static str) -> Column {
    column(name, ColumnType::Timestamp, false)
}
const fn map(name: &'static str) -> Column {
    column(name, ColumnType::TextMap, false)
}
const fn needed(column: Column, needed_by: &'static [&'static str]) -> Column {
    Column { needed_by, ..column }
}

/// Not of any specification: what some exporters add to say that a delivery is whole.
pub const COMPLETION_STATUS: &str = "x_DatasetCompletionStatus";

const CUR2: &[Column] = &[
    text("identity_line_item_id"),
    must_text("bill_billing_entity"),
    text("bill_bill_type"),
    text("bill_invoicing_entity"),
    must_text("bill_invoice_id"),
    must_text("bill_payer_account_id"),
    text("bill_payer_account_name"),
    must_time("bill_billing_period_start_date"),
    must_text("line_item_usage_account_id"),
    text("line_item_usage_account_name"),
    must_text("line_item_line_item_type"),
    time("line_item_usage_start_date"),
    must_text("line_item_product_code"),
    text("line_item_operation"),
    text("line_item_usage_type"),
    text("line_item_line_item_description"),
    text("line_item_resource_id"),
    must_text("line_item_currency_code"),
    amount("line_item_usage_amount"),
    must_amount("line_item_unblended_cost"),
    amount("line_item_net_unblended_cost"),
    amount("pricing_public_on_demand_cost"),
    text("product_region_code"),
    needed(text("reservation_reservation_a_r_n"), &["DiscountedUsage", "RIFee"]),
    needed(amount("reservation_effective_cost"), &["DiscountedUsage"]),
    amount("reservation_net_effective_cost"),
    needed(amount("reservation_unused_amortized_upfront_fee_for_billing_period"), &["RIFee"]),
    amount("reservation_net_unused_amortized_upfront_fee_for_billing_period"),
    needed(amount("reservation_unused_recurring_fee"), &["RIFee"]),
    amount("reservation_net_unused_recurring_fee"),
    amount("reservation_amortized_upfront_fee_for_billing_period"),
    amount("reservation_net_amortized_upfront_fee_for_billing_period"),
    needed(
        text("savings_plan_savings_plan_a_r_n"),
        &["SavingsPlanCoveredUsage", "SavingsPlanNegation", "SavingsPlanRecurringFee", "SavingsPlanUpfrontFee"],
    ),
    needed(amount("savings_plan_savings_plan_effective_cost"), &["SavingsPlanCoveredUsage"]),
    amount("savings_plan_net_savings_plan_effective_cost"),
    needed(amount("savings_plan_total_commitment_to_date"), &["SavingsPlanRecurringFee"]),
    needed(amount("savings_plan_used_commitment"), &["SavingsPlanRecurringFee"]),
    amount("savings_plan_amortized_upfront_commitment_for_billing_period"),
    amount("savings_plan_net_amortized_upfront_commitment_for_billing_period"),
    map("resource_tags"),
    map("tags"),
    map("cost_category"),
    text(COMPLETION_STATUS),
];

macro_rules! focus {
    ($($own:expr),* $(,)?) => {
        &[
            must_amount("BilledCost"),
            must_text("BillingAccountId"),
            text("BillingAccountName"),
            must_text("BillingCurrency"),
            must_time("BillingPeriodStart"),
            must_text("ChargeCategory"),
            text("ChargeClass"),
            text("ChargeDescription"),
            text("ChargeFrequency"),
            time("ChargePeriodStart"),
            text("CommitmentDiscountId"),
            text("CommitmentDiscountStatus"),
            must_amount("EffectiveCost"),
            text("InvoiceIssuerName"),
            amount("ListCost"),
            text("RegionId"),
            text("ResourceId"),
            must_text("ServiceName"),
            text("SubAccountId"),
            text("SubAccountName"),
            map("Tags"),
            text(COMPLETION_STATUS),
            $($own),*
        ]
    };
}
const FOCUS_1_0: &[Column] = focus![must_text("ProviderName")];
const FOCUS_1_2: &[Column] = focus![must_text("ProviderName"), must_text("InvoiceId")];
// FOCUS 1.4 drops ProviderName, 1.3 has both.
const FOCUS_1_3: &[Column] = focus![text("ProviderName"), must_text("ServiceProviderName"), must_text("InvoiceId")];

/// Why the columns of a file are not a bill that we can read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SchemaError {
    #[error(
        "this is a legacy CUR (column `{0}`), which is not supported: make a CUR 2.0 export in AWS Data Exports, \
         which AWS back-fills on request"
    )]
    LegacyCur(String),
    #[error("{}", missing_message(*nearest, missing, extra))]
    Missing {
        nearest: BillFormat,
        /// Required columns that are not there.
        missing: Vec<String>,
        /// Columns that are there and not declared: a renamed one is among them.
        extra: Vec<String>,
    },
    #[error("column `{0}` is there twice (names compare without case): make the export anew")]
    Duplicate(String),
}

fn missing_message(nearest: BillFormat, missing: &[String], extra: &[String]) -> String {
    let signed = |sign: &str, names: &[String], most: usize| {
        let mut text: Vec<String> = names.iter().take(most).map(|name| format!("{sign} {name}")).collect();
        if names.len() > most {
            text.push(format!("{sign} … {} more", names.len() - most));
        }
        text.join("\n  ")
    };
    let mut lines = format!(
        "the columns are not those of a bill; the nearest format is {}, and against it these required columns are missing (-):\n  {}",
        nearest.title(),
        signed("-", missing, 40)
    );
    if !extra.is_empty() {
        lines.push_str(&format!("\nand these are unknown (+), perhaps renamed:\n  {}", signed("+", extra, 15)));
    }
    lines.push_str("\nAdd the missing columns to the export, under these names, and export again.");
    lines
}

/// The text is none of the format words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a bill format: cur2, focus_1_0, focus_1_2 or focus_1_3")]
pub struct FormatError(pub String);

impl BillFormat {
    pub const ALL: [BillFormat; 4] = [BillFormat::Cur2, BillFormat::Focus10, BillFormat::Focus12, BillFormat::Focus13];

    /// Word in file names and manifests.
    pub fn as_str(self) -> &'static str {
        match self {
            BillFormat::Cur2 => "cur2",
            BillFormat::Focus10 => "focus_1_0",
            BillFormat::Focus12 => "focus_1_2",
            BillFormat::Focus13 => "focus_1_3",
        }
    }

    /// Name for people.
    pub fn title(self) -> &'static str {
        match self {
            BillFormat::Cur2 => "CUR 2.0",
            BillFormat::Focus10 => "FOCUS 1.0",
            BillFormat::Focus12 => "FOCUS 1.2",
            BillFormat::Focus13 => "FOCUS 1.3",
        }
    }

    /// Every declared column.
    pub fn columns(self) -> &'static [Column] {
        match self {
            BillFormat::Cur2 => CUR2,
            BillFormat::Focus10 => FOCUS_1_0,
            BillFormat::Focus12 => FOCUS_1_2,
            BillFormat::Focus13 => FOCUS_1_3,
        }
    }

    /// Column that tells what a line is, which `Column::needed_by` speaks of.
    pub fn line_type_column(self) -> &'static str {
        if self == BillFormat::Cur2 { "line_item_line_item_type" } else { "ChargeCategory" }
    }

    /// Column that is unique within one file, and only there; FOCUS has none.
    pub fn line_id_column(self) -> Option<&'static str> {
        (self == BillFormat::Cur2).then_some("identity_line_item_id")
    }

    /// Checks a file's columns against this format: all required ones there, none twice.
    pub fn check(self, columns: &[String]) -> Result<(), SchemaError> {
        let names = folded(columns)?;
        let is_missing = |column: &&Column| column.required && !names.contains(&column.name.to_ascii_lowercase());
        let missing: Vec<String> = self.columns().iter().filter(is_missing).map(|column| column.name.to_owned()).collect();
        if missing.is_empty() {
            return Ok(());
        }
        let declared: BTreeSet<String> = self.columns().iter().map(|column| column.name.to_ascii_lowercase()).collect();
        let extra = columns.iter().filter(|name| !declared.contains(&name.to_ascii_lowercase())).cloned().collect();
        Err(SchemaError::Missing { nearest: self, missing, extra })
    }

    /// The format that a file's columns are, or why they are none, as a difference to the nearest.
    pub fn detect(columns: &[String]) -> Result<BillFormat, SchemaError> {
        let names = folded(columns)?;
        let has = |name: &str| names.contains(name);
        if let Some(legacy) = columns.iter().find(|name| is_legacy(name)) {
            return Err(SchemaError::LegacyCur(legacy.clone()));
        }
        // An Athena table of a legacy CUR has the same names but for the payer's name and the maps.
        let modern = ["bill_payer_account_name", "resource_tags", "tags", "cost_category"].iter().any(|name| has(name));
        if has("identity_line_item_id") && !modern {
            return Err(SchemaError::LegacyCur("identity_line_item_id` without `bill_payer_account_name".to_owned()));
        }
        let nearest = nearest(&names);
        nearest.check(columns).map(|()| nearest)
    }
}

fn is_legacy(name: &str) -> bool {
    let prefixes = ["bill/", "lineitem/", "identity/", "product/", "pricing/", "reservation/", "savingsplan/"];
    let name = name.to_ascii_lowercase();
    prefixes.iter().any(|prefix| name.starts_with(prefix))
}

fn folded(columns: &[String]) -> Result<BTreeSet<String>, SchemaError> {
    let mut names = BTreeSet::new();
    for name in columns {
        if !names.insert(name.to_ascii_lowercase()) {
            return Err(SchemaError::Duplicate(name.clone()));
        }
    }
    Ok(names)
}

fn nearest(names: &BTreeSet<String>) -> BillFormat {
    let count =
        |format: BillFormat| format.columns().iter().filter(|column| names.contains(&column.name.to_ascii_lowercase())).count();
    if count(BillFormat::Cur2) >= count(BillFormat::Focus13).max(1) {
        return BillFormat::Cur2;
    }
    if names.contains("serviceprovidername") {
        BillFormat::Focus13
    } else if names.contains("invoiceid") {
        BillFormat::Focus12
    } else {
        BillFormat::Focus10
    }
}

impl fmt::Display for BillFormat {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

impl FromStr for BillFormat {
    type Err = FormatError;
    fn from_str(text: &str) -> Result<Self, FormatError> {
        BillFormat::ALL.into_iter().find(|format| format.as_str() == text).ok_or_else(|| FormatError(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(format: BillFormat) -> Vec<String> {
        format.columns().iter().map(|column| column.name.to_owned()).collect()
    }

    #[test]
    fn each_format_is_found_by_its_columns_in_any_case_and_order_with_extras() {
        for format in BillFormat::ALL {
            let mut columns = names(format);
            columns.reverse();
            columns.push("x_anything".to_owned());
            assert_eq!(BillFormat::detect(&columns), Ok(format));
            let lower: Vec<String> = columns.iter().map(|name| name.to_ascii_lowercase()).collect();
            assert_eq!(BillFormat::detect(&lower), Ok(format));
            assert_eq!(format.as_str().parse(), Ok(format));
        }
    }

    #[test]
    fn a_renamed_column_is_shown_as_a_difference() {
        let columns: Vec<String> =
            names(BillFormat::Focus12).into_iter().map(|name| name.replace("BilledCost", "Billed_Cost")).collect();
        let error = BillFormat::detect(&columns).unwrap_err().to_string();
        assert!(error.contains("FOCUS 1.2") && error.contains("- BilledCost") && error.contains("+ Billed_Cost"), "{error}");
    }

    #[test]
    fn legacy_cur_is_named() {
        for columns in [vec!["identity/LineItemId", "bill/BillType"], vec!["identity_line_item_id", "bill_payer_account_id"]] {
            let columns: Vec<String> = columns.into_iter().map(str::to_owned).collect();
            let error = BillFormat::detect(&columns).unwrap_err().to_string();
            assert!(error.contains("legacy CUR") && error.contains("CUR 2.0 export"), "{error}");
        }
    }

    #[test]
    fn a_column_twice_is_refused() {
        let mut columns = names(BillFormat::Cur2);
        columns.push("TAGS".to_owned());
        assert_eq!(BillFormat::detect(&columns), Err(SchemaError::Duplicate("TAGS".to_owned())));
    }

    #[test]
    fn nothing_at_all_is_an_error() {
        assert!(matches!(BillFormat::detect(&[]), Err(SchemaError::Missing { .. })));
    }
}
