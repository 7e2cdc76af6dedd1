//! The statement for machines: one row for each ledger row of the unit. Columns are documented in `docs/formats.md`.

use crate::close::{Close, StatementError};
use apportion_core::model::Unit;
use apportion_core::money::Money;
use apportion_output::{OutputError, SafeCsv};

/// Columns of `statement.csv`, in order.
pub const COLUMNS: [&str; 30] = [
    "period",
    "close_id",
    "status",
    "unit_id",
    "unit_name",
    "business_unit",
    "component",
    "pool_id",
    "pool_name",
    "rule_id",
    "provider",
    "issuer",
    "billing_account_id",
    "invoice_id",
    "account_id",
    "account_name",
    "ou_path",
    "service",
    "charge_type",
    "commitment_id",
    "currency",
    "charged",
    "cents",
    "cash",
    "effective",
    "driver_value",
    "driver_total",
    "driver_unit",
    "share",
    "output_version",
];

/// `PROVISIONAL` or `final`, in the column `status` of every file of ours.
pub(crate) fn status(provisional: bool) -> &'static str {
    if provisional { "PROVISIONAL" } else { "final" }
}

/// `statement.csv` of a unit: header and one row for each ledger row, in the ledger's order. Text cells are safe against formula
/// injection, numbers are plain.
pub fn statement_csv(close: &Close<'_>, unit: &Unit) -> Result<Vec<u8>, StatementError> {
    write(close, unit).map_err(|error| StatementError::Csv { unit: unit.id.clone(), reason: error.to_string() })
}

fn write(close: &Close<'_>, unit: &Unit) -> Result<Vec<u8>, OutputError> {
    let figures = &close.figures;
    let period = figures.period.to_string();
    let mut csv = SafeCsv::new(&COLUMNS)?;
    for row in close.ledger.rows_of(&unit.id) {
        let key = &row.key;
        let account_name = close.account_name(&key.account_id);
        let pool_name = if key.pool_id.is_empty() { String::new() } else { close.pool_name(&key.pool_id) };
        let texts: [&str; 21] = [
            &period,
            figures.close_id,
            status(figures.provisional),
            &unit.id,
            &unit.name,
            &unit.business_unit,
            key.component.as_str(),
            &key.pool_id,
            &pool_name,
            &key.rule_id,
            &key.invoice.provider,
            &key.invoice.issuer,
            &key.invoice.billing_account_id,
            &key.invoice.invoice_id,
            &key.account_id,
            &account_name,
            &key.ou_path,
            &key.service,
            &key.charge_type,
            &key.commitment_id,
            &key.currency,
        ];
        for text in texts {
            csv.text(text)?;
        }
        csv.number(&Money::minor_to_string(row.cents, figures.minor_exponent))?.integer(row.cents)?;
        csv.money(row.cash)?.money(row.effective)?.number(&row.driver_value)?.number(&row.driver_total)?;
        csv.text(&row.driver_unit)?.number(&row.share)?.integer(apportion_core::OUTPUT_VERSION.into())?;
        csv.end_row()?;
    }
    csv.finish()
}
