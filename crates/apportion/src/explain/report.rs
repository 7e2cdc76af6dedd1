//! An explanation as text, JSON and CSV.

use super::{Amounts, BillRow, Explanation, Line, Others, PoolStep};
use crate::failure::Failure;
use crate::report::{printable, shown};
use apportion_core::money::Money;
use apportion_output::{OutputError, SafeCsv};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// How an explanation is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    Text,
    Json,
    Csv,
}

/// Columns of `explain --csv`, in order: one row for each bill row that is listed, and for what no listed row has.
pub const COLUMNS: [&str; 32] = [
    "period",
    "close_id",
    "status",
    "unit_id",
    "line",
    "component",
    "pool_id",
    "rule_id",
    "provider",
    "issuer",
    "billing_account_id",
    "invoice_id",
    "currency",
    "entry",
    "rows",
    "file",
    "row",
    "line_id",
    "usage_date",
    "account_id",
    "service",
    "charge_type",
    "commitment_id",
    "region",
    "resource_id",
    "description",
    "tags",
    "cash",
    "effective",
    "line_cash",
    "line_effective",
    "share",
];

impl Explanation {
    /// The whole explanation in one text.
    pub fn write(&self, format: Format) -> Result<String, Failure> {
        match format {
            Format::Text => Ok(self.text()),
            Format::Json => Ok(serde_json::to_string_pretty(self).map_err(Failure::other)? + "\n"),
            Format::Csv => {
                let bytes = self.csv().map_err(Failure::other)?;
                String::from_utf8(bytes).map_err(Failure::other)
            }
        }
    }

    fn text(&self) -> String {
        let mut text = String::new();
        let name = if self.unit_name.is_empty() { String::new() } else { format!(" {}", printable(&self.unit_name)) };
        let status = if self.status == "final" { "" } else { " PROVISIONAL" };
        let _ = writeln!(text, "{}{name}, {}{status}, close {}", printable(&self.unit_id), self.period, self.close_id);
        let _ = writeln!(
            text,
            "{} {} charged on {} lines, {} effective",
            self.charged,
            self.currency,
            self.lines.len(),
            shown(self.amounts.effective)
        );
        for line in &self.lines {
            text.push('\n');
            line.write(&mut text, &self.currency);
        }
        text.push_str("\nproved:\n");
        for sentence in &self.proved {
            let _ = writeln!(text, "  {sentence}");
        }
        text
    }

    fn csv(&self) -> Result<Vec<u8>, OutputError> {
        let mut csv = SafeCsv::new(&COLUMNS)?;
        for line in &self.lines {
            for row in &line.bill_rows {
                self.entry(&mut csv, line, "bill_row", Some(row), (1, Some(row.amounts), row.in_line))?;
            }
            if let Some(others) = line.other_bill_rows {
                self.entry(&mut csv, line, "other_bill_rows", None, (others.rows, Some(others.amounts), others.in_line))?;
            }
            if line.rounding != Amounts::default() {
                self.entry(&mut csv, line, "rounding", None, (0, None, line.rounding))?;
            }
            if !line.to_cents.is_zero() {
                let in_line = Amounts { cash: line.to_cents, effective: Money::ZERO };
                self.entry(&mut csv, line, "to_cents", None, (0, None, in_line))?;
            }
        }
        csv.finish()
    }

    fn entry(
        &self,
        csv: &mut SafeCsv,
        line: &Line,
        entry: &str,
        row: Option<&BillRow>,
        (rows, amounts, in_line): (i64, Option<Amounts>, Amounts),
    ) -> Result<(), OutputError> {
        csv.text(&self.period)?.text(&self.close_id)?.text(self.status)?.text(&self.unit_id)?.integer(line.line as i128)?;
        for text in [
            &line.component,
            &line.pool_id,
            &line.rule_id,
            &line.provider,
            &line.issuer,
            &line.billing_account_id,
            &line.invoice_id,
            &self.currency,
        ] {
            csv.text(text)?;
        }
        csv.text(entry)?.integer(rows.into())?;
        csv.text(row.map_or("", |row| &row.file))?.number(&row.map_or(String::new(), |row| row.row.to_string()))?;
        let tags = match row {
            Some(row) if !row.tags.is_empty() => serde_json::to_string(&row.tags).unwrap_or_default(),
            _ => String::new(),
        };
        let texts: [&str; 10] = match row {
            None => [""; 10],
            Some(row) => [
                &row.line_id,
                &row.usage_date,
                &row.account_id,
                &row.service,
                &row.charge_type,
                &row.commitment_id,
                &row.region,
                &row.resource_id,
                &row.description,
                &tags,
            ],
        };
        for text in texts {
            csv.text(text)?;
        }
        let number = |money: Option<Money>| money.map_or(String::new(), Money::to_fixed);
        csv.number(&number(amounts.map(|amounts| amounts.cash)))?.number(&number(amounts.map(|amounts| amounts.effective)))?;
        csv.money(in_line.cash)?.money(in_line.effective)?.number(&line.share)?;
        csv.end_row()
    }
}

/// Both amounts on one line of text; the second only where it differs.
fn both(amounts: Amounts) -> String {
    if amounts.cash == amounts.effective {
        shown(amounts.cash)
    } else {
        format!("{} cash, {} effective", shown(amounts.cash), shown(amounts.effective))
    }
}

/// The whole, and what of it is in the line unless that is all of it.
fn of_whole(amounts: Amounts, in_line: Amounts) -> String {
    if amounts == in_line { both(amounts) } else { format!("{}; in this line: {}", both(amounts), both(in_line)) }
}

fn named(parts: &[&str]) -> String {
    let parts: Vec<String> = parts.iter().filter(|part| !part.is_empty()).map(|part| printable(part)).collect();
    if parts.is_empty() { "(nothing named)".to_owned() } else { parts.join(" · ") }
}

fn tag_list(tags: &BTreeMap<String, String>) -> String {
    tags.iter().map(|(name, value)| format!("{name}={value}")).collect::<Vec<_>>().join(" ")
}

impl Line {
    fn write(&self, text: &mut String, currency: &str) {
        let what = if self.pool_id.is_empty() {
            named(&[&self.service, &self.charge_type, &self.account_id, &self.commitment_id])
        } else {
            format!("pool {}", named(&[&self.pool_id, &self.pool_name]))
        };
        let _ = writeln!(text, "line {}: {}, {what}: {} {currency}", self.line, self.component, self.charged);
        let invoice = if self.invoice_id.is_empty() { "(none)" } else { &self.invoice_id };
        let issuer = if self.issuer.is_empty() { &self.provider } else { &self.issuer };
        let _ = writeln!(text, "  invoice   {} of {}", printable(invoice), printable(issuer));
        let _ = writeln!(
            text,
            "  rule      {}{}",
            printable(&self.rule_id),
            match self.rule.as_str() {
                "" => String::new(),
                rule => format!(": {}", printable(rule)),
            }
        );
        if !self.driver_unit.is_empty() {
            let _ = writeln!(
                text,
                "  share     {} of {} ({}) = {}",
                self.driver_value,
                self.driver_total,
                printable(&self.driver_unit),
                self.share
            );
        }
        let _ = writeln!(text, "  exact     {}; {} to whole cents", both(self.amounts), shown(self.to_cents));
        for pool in &self.pools {
            pool.write(text);
        }
        if self.rounding != Amounts::default() {
            let _ = writeln!(
                text,
                "  rounding  {}: the invoice differs from its bill lines; no bill row has it",
                both(self.rounding)
            );
        }
        let _ = writeln!(
            text,
            "  rollup    {}: lines of the bill that are alike to every rule",
            rows_word(count(self.rollup_rows.len(), &self.other_rollup_rows), "row")
        );
        for row in &self.rollup_rows {
            let name = named(&[
                &row.service,
                &row.charge_type,
                &row.account_id,
                &row.account_name,
                &row.commitment_id,
                &tag_list(&row.tags),
            ]);
            let _ =
                writeln!(text, "    {name}: {}, {}", rows_word(row.bill_rows, "bill row"), of_whole(row.amounts, row.in_line));
        }
        others(text, &self.other_rollup_rows);
        let _ = writeln!(text, "  bill      {}", rows_word(count(self.bill_rows.len(), &self.other_bill_rows), "row"));
        for row in &self.bill_rows {
            row.write(text);
        }
        others(text, &self.other_bill_rows);
    }
}

fn rows_word(number: i64, word: &str) -> String {
    format!("{number} {word}{}", if number == 1 { "" } else { "s" })
}

fn count(listed: usize, others: &Option<Others>) -> i64 {
    listed as i64 + others.map_or(0, |others| others.rows)
}

fn others(text: &mut String, others: &Option<Others>) {
    if let Some(others) = others {
        let _ = writeln!(text, "    the other {}: {}", others.rows, of_whole(others.amounts, others.in_line));
    }
}

impl PoolStep {
    fn write(&self, text: &mut String) {
        let feeds = if self.feeds.is_empty() { String::new() } else { format!(", which fed {}", printable(&self.feeds)) };
        let _ = writeln!(
            text,
            "  pool      {}{feeds}: held {} ({}) of this invoice, from {}",
            printable(&self.pool_id),
            of_whole(self.amounts, self.in_line),
            self.component,
            rows_word(count(self.sources.len(), &self.other_sources), "source")
        );
        for source in &self.sources {
            let from = if source.from_pool_id.is_empty() { String::new() } else { format!("from pool {}", source.from_pool_id) };
            let owner = if source.owner_value.is_empty() { String::new() } else { format!("owner tag `{}`", source.owner_value) };
            let name = named(&[&from, &source.service, &source.charge_type, &source.account_id, &owner, &source.rule_id]);
            let _ = writeln!(text, "    {name}: {}", of_whole(source.amounts, source.in_line));
        }
        others(text, &self.other_sources);
    }
}

impl BillRow {
    fn write(&self, text: &mut String) {
        let name =
            named(&[&self.usage_date, &self.service, &self.charge_type, &self.account_id, &self.resource_id, &self.description]);
        let _ = writeln!(text, "    {name}: {}", of_whole(self.amounts, self.in_line));
        let id = if self.line_id.is_empty() { String::new() } else { format!(", id {}", printable(&self.line_id)) };
        let tags = if self.tags.is_empty() { String::new() } else { format!(", {}", printable(&tag_list(&self.tags))) };
        let _ = writeln!(text, "      {} row {}{id} ({}){tags}", self.file, self.row, printable(&self.delivered_as));
    }
}
