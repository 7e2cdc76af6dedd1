//! The statement for machines: one row for each ledger row of the unit. Columns are documented in `docs/formats.md`.

use crate::close::{Close, StatementError};
use apportion_core::model::Unit;
use apportion_core::money::Money;

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

/// One cell: text is made safe against formula injection, numbers stay numbers.
enum Cell<'a> {
    Text(&'a str),
    Number(String),
}

/// `statement.csv` of a unit: header and one row for each ledger row, in the ledger's order, `\n` line ends, UTF-8.
pub fn statement_csv(close: &Close<'_>, unit: &Unit) -> Result<Vec<u8>, StatementError> {
    let figures = &close.figures;
    let period = figures.period.to_string();
    let mut out = String::with_capacity(256 * (1 + close.ledger.rows_of(&unit.id).len()));
    out.push_str(&COLUMNS.join(","));
    out.push('\n');
    for row in close.ledger.rows_of(&unit.id) {
        let key = &row.key;
        let account_name = close.account_name(&key.account_id);
        let pool_name = if key.pool_id.is_empty() { String::new() } else { close.pool_name(&key.pool_id) };
        let cells = [
            Cell::Text(&period),
            Cell::Text(figures.close_id),
            Cell::Text(if figures.provisional { "PROVISIONAL" } else { "final" }),
            Cell::Text(&unit.id),
            Cell::Text(&unit.name),
            Cell::Text(&unit.business_unit),
            Cell::Text(key.component.as_str()),
            Cell::Text(&key.pool_id),
            Cell::Text(&pool_name),
            Cell::Text(&key.rule_id),
            Cell::Text(&key.invoice.provider),
            Cell::Text(&key.invoice.issuer),
            Cell::Text(&key.invoice.billing_account_id),
            Cell::Text(&key.invoice.invoice_id),
            Cell::Text(&key.account_id),
            Cell::Text(&account_name),
            Cell::Text(&key.ou_path),
            Cell::Text(&key.service),
            Cell::Text(&key.charge_type),
            Cell::Text(&key.commitment_id),
            Cell::Text(&key.currency),
            Cell::Number(Money::minor_to_string(row.cents, figures.minor_exponent)),
            Cell::Number(row.cents.to_string()),
            Cell::Number(row.cash.to_fixed()),
            Cell::Number(row.effective.to_fixed()),
            Cell::Number(row.driver_value.clone()),
            Cell::Number(row.driver_total.clone()),
            Cell::Text(&row.driver_unit),
            Cell::Number(row.share.clone()),
            Cell::Number(apportion_core::OUTPUT_VERSION.to_string()),
        ];
        write_row(&mut out, &cells);
    }
    Ok(out.into_bytes())
}

fn write_row(out: &mut String, cells: &[Cell<'_>]) {
    for (index, cell) in cells.iter().enumerate() {
        if index > 0 {
            out.push(',');
        }
        match cell {
            Cell::Number(number) => out.push_str(number),
            Cell::Text(text) => write_text(out, text),
        }
    }
    out.push('\n');
}

/// RFC 4180 quoting, and a `'` before what a spreadsheet would run as a formula.
fn write_text(out: &mut String, text: &str) {
    let prefix = if text.starts_with(['=', '+', '-', '@', '\t', '\r', '\0']) { "'" } else { "" };
    if prefix.is_empty() && !text.contains(['"', ',', '\n', '\r']) {
        out.push_str(text);
        return;
    }
    out.push('"');
    out.push_str(prefix);
    out.push_str(&text.replace('"', "\"\""));
    out.push('"');
}
