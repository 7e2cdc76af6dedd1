//! The controller's view of a whole close: units by components per invoice, tying to the invoices.

use crate::close::{Close, StatementError, cents, dates};
use crate::render::{RenderError, Rendered, Renderer};
use crate::statement::{Currency, Date, InvoiceCheck, MODEL_VERSION, PeriodDates};
use apportion_core::ledger::{Component, InvoiceKey, LedgerRow};
use apportion_core::money::Money;
use apportion_core::org::UNKNOWN;
use apportion_output::{OutputError, SafeCsv};
use serde::Serialize;
use std::collections::{BTreeMap, BTreeSet};

/// Columns of `summary.csv`, in order: one row for each unit, invoice and component.
pub const SUMMARY_COLUMNS: [&str; 17] = [
    "period",
    "close_id",
    "status",
    "unit_id",
    "unit_name",
    "business_unit",
    "provider",
    "issuer",
    "billing_account_id",
    "invoice_id",
    "component",
    "currency",
    "charged",
    "cents",
    "cash",
    "effective",
    "lines",
];

/// The data of `summary.typ`. Amounts are whole minor units, as in a statement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SummaryData {
    pub version: u32,
    pub period: PeriodDates,
    pub close: String,
    pub provisional: bool,
    pub currency: Currency,
    /// All units together: the sum of the invoices.
    pub total: i64,
    /// Effective cost of all units, rounded once.
    pub effective: i64,
    /// The previous close, if there is one.
    pub previous: Option<PreviousTotal>,
    /// Every unit, by id; `charged` sums to `total`.
    pub units: Vec<UnitLine>,
    /// Every business unit, largest first; `charged` sums to `total`.
    pub business_units: Vec<GroupLine>,
    /// Components with a ledger row, in the ledger's order.
    pub components: Vec<GroupLine>,
    /// Pools, largest magnitude first.
    pub pools: Vec<GroupLine>,
    /// Every invoice with what it is made of.
    pub invoices: Vec<InvoiceBlock>,
    /// What was paid for commitments and what of them was consumed.
    pub commitments: Vec<CommitmentLine>,
    pub exceptions: Vec<ExceptionLine>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PreviousTotal {
    pub period: String,
    pub first: Date,
    pub close: String,
    pub total: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct UnitLine {
    pub id: String,
    pub name: String,
    pub business_unit: String,
    pub direct: i64,
    pub pools: i64,
    pub other: i64,
    pub charged: i64,
    /// Of the previous close; `null` without one.
    pub previous: Option<i64>,
}

/// An amount under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupLine {
    pub id: String,
    pub name: String,
    pub charged: i64,
    pub previous: Option<i64>,
    /// Units that bear it.
    pub units: usize,
}

/// One invoice, with units by components. `columns` names the components; each unit has one amount for each.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InvoiceBlock {
    pub check: InvoiceCheck,
    pub columns: Vec<String>,
    pub units: Vec<InvoiceUnit>,
    /// One for each column.
    pub totals: Vec<i64>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct InvoiceUnit {
    pub id: String,
    pub name: String,
    pub amounts: Vec<i64>,
    pub total: i64,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CommitmentLine {
    /// ARN or id.
    pub id: String,
    /// Upfront fees billed in the period.
    pub upfront: i64,
    /// Recurring fees billed in the period.
    pub recurring: i64,
    /// Effective cost paid for and not used.
    pub unused: i64,
    pub units: usize,
}

/// Something that is right by the rules and that a controller should see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExceptionLine {
    /// `unknown_account`, `unclassified`, `adjustment`, `rounding`, `fallback`, `bill_as_control`.
    pub kind: String,
    /// Account, pool or invoice.
    pub id: String,
    pub name: String,
    pub amount: i64,
}

/// Prints the summary and writes its CSV.
pub fn render(renderer: &Renderer, close: &Close<'_>) -> Result<Rendered, RenderError> {
    let data = data(close)?;
    let csv = summary_csv(close).map_err(|error| StatementError::Csv { unit: "all".to_owned(), reason: error.to_string() })?;
    let ident = format!("apportion/{}/{}/summary", data.period.id, data.close);
    let pdf = renderer.print("summary.typ", "the summary", ident, &data, csv.clone(), &data.period)?;
    Ok(Rendered { pdf, csv })
}

/// The data of the summary, proved: units sum to every invoice and to the total.
pub fn data(close: &Close<'_>) -> Result<SummaryData, StatementError> {
    let figures = &close.figures;
    let rows = figures.rows;
    let total: i128 = rows.iter().map(|row| row.cents).sum();
    let effective: Money = rows.iter().map(|row| row.effective).sum();
    let data = SummaryData {
        version: MODEL_VERSION,
        period: dates(figures.period),
        close: figures.close_id.to_owned(),
        provisional: figures.provisional,
        currency: Currency { code: figures.currency.to_owned(), places: figures.minor_exponent },
        total: cents("the close", total)?,
        effective: cents("the close", effective.round_to_minor(figures.minor_exponent))?,
        previous: previous_total(close)?,
        units: units(close)?,
        business_units: business_units(close)?,
        components: groups(close, |row| Some(row.key.component.as_str().to_owned()), |id| id.to_owned(), false)?,
        pools: groups(
            close,
            |row| (!row.key.pool_id.is_empty()).then(|| row.key.pool_id.clone()),
            |id| close.pool_name(id),
            true,
        )?,
        invoices: invoices(close)?,
        commitments: commitments(close)?,
        exceptions: exceptions(close)?,
    };
    prove(&data)?;
    Ok(data)
}

fn previous_total(close: &Close<'_>) -> Result<Option<PreviousTotal>, StatementError> {
    let Some(previous) = &close.figures.previous else { return Ok(None) };
    let period = dates(previous.period);
    Ok(Some(PreviousTotal {
        period: period.id,
        first: period.first,
        close: previous.close_id.to_owned(),
        total: cents("the previous close", previous.rows.iter().map(|row| row.cents).sum())?,
    }))
}

fn units(close: &Close<'_>) -> Result<Vec<UnitLine>, StatementError> {
    let mut lines = Vec::new();
    for unit in close.units() {
        let rows = close.ledger.rows_of(&unit.id);
        let sum = |of: &dyn Fn(&LedgerRow) -> bool| rows.iter().filter(|row| of(row)).map(|row| row.cents).sum::<i128>();
        let direct = sum(&|row| row.key.pool_id.is_empty() && row.key.component == Component::Direct);
        let pools = sum(&|row| !row.key.pool_id.is_empty());
        let total = sum(&|_| true);
        let before = close.previous.as_ref().map(|ledger| ledger.rows_of(&unit.id).iter().map(|row| row.cents).sum::<i128>());
        lines.push(UnitLine {
            direct: cents("a unit", direct)?,
            pools: cents("a unit", pools)?,
            other: cents("a unit", total - direct - pools)?,
            charged: cents("a unit", total)?,
            previous: before.map(|amount| cents("a unit", amount)).transpose()?,
            id: unit.id,
            name: unit.name,
            business_unit: unit.business_unit,
        });
    }
    Ok(lines)
}

fn business_units(close: &Close<'_>) -> Result<Vec<GroupLine>, StatementError> {
    let names: BTreeMap<String, String> = close.units().into_iter().map(|unit| (unit.id, unit.business_unit)).collect();
    let of = |row: &LedgerRow| Some(names.get(&row.key.unit_id).cloned().unwrap_or_default());
    groups(close, of, |id| id.to_owned(), true)
}

/// Sums of the ledger by any text, with the previous close's; sorted by the text, or by magnitude.
fn groups(
    close: &Close<'_>,
    of: impl Fn(&LedgerRow) -> Option<String>,
    name: impl Fn(&str) -> String,
    by_size: bool,
) -> Result<Vec<GroupLine>, StatementError> {
    let mut sums: BTreeMap<String, (i128, i128, BTreeSet<&str>)> = BTreeMap::new();
    for row in close.figures.rows {
        if let Some(id) = of(row) {
            let sum = sums.entry(id).or_default();
            sum.0 += row.cents;
            sum.2.insert(&row.key.unit_id);
        }
    }
    for row in close.figures.previous.iter().flat_map(|previous| previous.rows) {
        if let Some(id) = of(row) {
            sums.entry(id).or_default().1 += row.cents;
        }
    }
    let mut lines = Vec::with_capacity(sums.len());
    for (id, (now, before, units)) in sums {
        let previous = close.figures.previous.as_ref().map(|_| cents("a sum", before)).transpose()?;
        lines.push(GroupLine { name: name(&id), id, charged: cents("a sum", now)?, previous, units: units.len() });
    }
    if by_size {
        lines.sort_by(|a, b| b.charged.unsigned_abs().cmp(&a.charged.unsigned_abs()).then_with(|| a.id.cmp(&b.id)));
    } else {
        lines.sort_by_key(|line| Component::ALL.iter().position(|component| component.as_str() == line.id));
    }
    Ok(lines)
}

fn invoices(close: &Close<'_>) -> Result<Vec<InvoiceBlock>, StatementError> {
    type Sums<'a> = BTreeMap<&'a str, BTreeMap<Component, i128>>;
    let mut by_invoice: BTreeMap<&InvoiceKey, Sums<'_>> = BTreeMap::new();
    for row in close.figures.rows {
        let units = by_invoice.entry(&row.key.invoice).or_default();
        *units.entry(&row.key.unit_id).or_default().entry(row.key.component).or_default() += row.cents;
    }
    let names: BTreeMap<String, String> = close.units().into_iter().map(|unit| (unit.id, unit.name)).collect();
    let mut blocks = Vec::new();
    for (control, check) in close.figures.controls.iter().zip(close.invoices(&[])?) {
        let units = by_invoice.remove(&control.key).unwrap_or_default();
        let columns: BTreeSet<Component> = units.values().flat_map(|amounts| amounts.keys().copied()).collect();
        let total = |component: &Component| units.values().filter_map(|amounts| amounts.get(component)).sum::<i128>();
        let totals = columns.iter().map(|component| cents("an invoice", total(component))).collect::<Result<_, _>>()?;
        let mut lines = Vec::with_capacity(units.len());
        for (id, amounts) in &units {
            let of = |component: &Component| cents("an invoice", amounts.get(component).copied().unwrap_or(0));
            lines.push(InvoiceUnit {
                id: (*id).to_owned(),
                name: names.get(*id).cloned().unwrap_or_default(),
                amounts: columns.iter().map(of).collect::<Result<_, _>>()?,
                total: cents("an invoice", amounts.values().sum())?,
            });
        }
        let columns = columns.iter().map(|component| component.as_str().to_owned()).collect();
        blocks.push(InvoiceBlock { check, columns, units: lines, totals });
    }
    Ok(blocks)
}

fn commitments(close: &Close<'_>) -> Result<Vec<CommitmentLine>, StatementError> {
    let mut sums: BTreeMap<&str, (i128, i128, Money, BTreeSet<&str>)> = BTreeMap::new();
    for row in close.figures.rows.iter().filter(|row| !row.key.commitment_id.is_empty()) {
        let sum = sums.entry(&row.key.commitment_id).or_default();
        match row.key.component {
            Component::Upfront => sum.0 += row.cents,
            Component::Commitment => sum.1 += row.cents,
            Component::Unused => sum.2 += row.effective,
            _ => {}
        }
        sum.3.insert(&row.key.unit_id);
    }
    let lines = sums.into_iter().map(|(id, (upfront, recurring, unused, units))| {
        Ok(CommitmentLine {
            id: id.to_owned(),
            upfront: cents("a commitment", upfront)?,
            recurring: cents("a commitment", recurring)?,
            unused: cents("a commitment", unused.round_to_minor(close.figures.minor_exponent))?,
            units: units.len(),
        })
    });
    lines.collect()
}

fn exceptions(close: &Close<'_>) -> Result<Vec<ExceptionLine>, StatementError> {
    let mut sums: BTreeMap<(&str, String, String), i128> = BTreeMap::new();
    for row in close.figures.rows {
        let key = &row.key;
        let mut add = |kind, id: &str, name: String| *sums.entry((kind, id.to_owned(), name)).or_default() += row.cents;
        if key.ou_path == UNKNOWN {
            add("unknown_account", &key.account_id, close.account_name(&key.account_id));
        }
        match key.component {
            Component::Unclassified => add("unclassified", &key.charge_type, String::new()),
            Component::Adjustment => add("adjustment", &key.charge_type, String::new()),
            Component::Rounding => add("rounding", &key.invoice.invoice_id, String::new()),
            _ => {}
        }
        if key.rule_id.starts_with("pool.") && key.rule_id.ends_with(".fallback") {
            add("fallback", &key.pool_id, close.pool_name(&key.pool_id));
        }
    }
    let mut lines = Vec::with_capacity(sums.len());
    for ((kind, id, name), amount) in sums {
        lines.push(ExceptionLine { kind: kind.to_owned(), id, name, amount: cents("an exception", amount)? });
    }
    Ok(lines)
}

fn prove(data: &SummaryData) -> Result<(), StatementError> {
    let total = i128::from(data.total);
    let sum = |amounts: &mut dyn Iterator<Item = i64>| amounts.map(i128::from).sum::<i128>();
    let mut checks = vec![
        ("the units", sum(&mut data.units.iter().map(|line| line.charged)), total),
        ("the business units", sum(&mut data.business_units.iter().map(|line| line.charged)), total),
        ("the components", sum(&mut data.components.iter().map(|line| line.charged)), total),
        ("the invoices", sum(&mut data.invoices.iter().map(|block| block.check.payable)), total),
    ];
    for block in &data.invoices {
        let payable = block.check.payable.into();
        checks.push(("an invoice's units", sum(&mut block.units.iter().map(|line| line.total)), payable));
        checks.push(("an invoice's components", sum(&mut block.totals.iter().copied()), payable));
    }
    match checks.into_iter().find(|(_, sum, total)| sum != total) {
        Some((what, sum, total)) => Err(StatementError::DoesNotAdd { unit: "all".to_owned(), what, sum, total }),
        None => Ok(()),
    }
}

/// `summary.csv`: one row for each unit, invoice and component, sorted; its cents sum to the invoices.
pub fn summary_csv(close: &Close<'_>) -> Result<Vec<u8>, OutputError> {
    let figures = &close.figures;
    type Place<'a> = (&'a str, &'a InvoiceKey, Component);
    let mut sums: BTreeMap<Place<'_>, (i128, Money, Money, i128)> = BTreeMap::new();
    for row in figures.rows {
        let sum = sums.entry((&row.key.unit_id, &row.key.invoice, row.key.component)).or_default();
        sum.0 += row.cents;
        sum.1 += row.cash;
        sum.2 += row.effective;
        sum.3 += 1;
    }
    let units = close.units();
    let period = figures.period.to_string();
    let mut csv = SafeCsv::new(&SUMMARY_COLUMNS)?;
    for ((id, invoice, component), (cents, cash, effective, lines)) in sums {
        let unit = units.iter().find(|unit| unit.id == id);
        let texts: [&str; 12] = [
            &period,
            figures.close_id,
            crate::csv::status(figures.provisional),
            id,
            unit.map_or("", |unit| unit.name.as_str()),
            unit.map_or("", |unit| unit.business_unit.as_str()),
            &invoice.provider,
            &invoice.issuer,
            &invoice.billing_account_id,
            &invoice.invoice_id,
            component.as_str(),
            figures.currency,
        ];
        for text in texts {
            csv.text(text)?;
        }
        csv.number(&Money::minor_to_string(cents, figures.minor_exponent))?.integer(cents)?;
        csv.money(cash)?.money(effective)?.integer(lines)?.end_row()?;
    }
    csv.finish()
}
