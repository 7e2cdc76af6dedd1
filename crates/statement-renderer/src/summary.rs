//! The controller's view of a whole close: units by components per invoice, tying to the invoices.

use crate::close::{Close, StatementError, cents, dates};
use crate::render::{RenderError, Renderer};
use crate::statement::{Currency, Date, InvoiceCheck, MODEL_VERSION, PeriodDates};
use apportion_core::allocate::Note;
use apportion_core::ledger::{Component, InvoiceKey, LedgerRow};
use apportion_core::model::Unit;
use apportion_core::money::Money;
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
    /// This close and those before it in the same year; `null` if it is the year's first.
    pub year: Option<YearTotal>,
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
    /// What was paid for commitments, prepaid and recurring, and what of them was amortised and not used, by id.
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
pub struct YearTotal {
    pub year: u16,
    /// Month of the first close of the year.
    pub first: Date,
    /// Closes summed, this one among them.
    pub closes: usize,
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
    /// With the earlier closes of the year; `null` if this is the first.
    pub year_to_date: Option<i64>,
}

/// An amount under a name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct GroupLine {
    pub id: String,
    pub name: String,
    pub charged: i64,
    /// Part of the total, twelve decimals, cut; `""` where the total is nothing.
    pub share: String,
    pub previous: Option<i64>,
    pub year_to_date: Option<i64>,
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
    /// Prepaid: upfront fees billed in the period.
    pub upfront: i64,
    /// The period's part of what was prepaid, now or before.
    pub amortised: i64,
    /// Recurring fees billed in the period.
    pub recurring: i64,
    /// Effective cost of what it covered, and of what was not used.
    pub effective: i64,
    /// Effective cost paid for and not used.
    pub unused: i64,
    /// Units with a line of their own of it.
    pub units: usize,
}

/// Something that is right by the rules and that a controller should see.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ExceptionLine {
    /// `unknown_account`, `unknown_owner`, `untagged`, `unclassified`, `negation`, `adjustment`, `rounding`, `fallback`,
    /// `negative_base`, `bridge`.
    pub kind: String,
    /// Account, tag value, line type, commitment, pool or invoice; `""` where the kind says it all.
    pub id: String,
    pub name: String,
    pub amount: i64,
}

/// The summary's files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Summary {
    pub pdf: Vec<u8>,
    pub csv: Vec<u8>,
    /// All that the page says, for machines: [`SummaryData`].
    pub json: Vec<u8>,
}

/// Prints the summary and writes its CSV and JSON.
pub fn render(renderer: &Renderer, close: &Close<'_>) -> Result<Summary, RenderError> {
    let data = data(close)?;
    let csv = summary_csv(close).map_err(|error| StatementError::Csv { unit: "all".to_owned(), reason: error.to_string() })?;
    let ident = format!("apportion/{}/{}/summary", data.period.id, data.close);
    let pdf = renderer.print("summary.typ", "the summary", ident, &data, csv.clone(), &data.period)?;
    let document = "the summary".to_owned();
    let mut json = serde_json::to_vec_pretty(&data).map_err(|error| RenderError::Data { document, reason: error.to_string() })?;
    json.push(b'\n');
    Ok(Summary { pdf, csv, json })
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
        year: year_total(close, total)?,
        units: units(close)?,
        business_units: business_units(close)?,
        components: groups(close, |_, component, _| Some(component.as_str().to_owned()), |id| id.to_owned(), false)?,
        pools: groups(close, |_, _, pool| (!pool.is_empty()).then(|| pool.to_owned()), |id| close.pool_name(id), true)?,
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

fn year_total(close: &Close<'_>, total: i128) -> Result<Option<YearTotal>, StatementError> {
    let Some(year) = close.figures.year else { return Ok(None) };
    let before: i128 = year.charged.values().sum();
    Ok(Some(YearTotal {
        year: year.first.year(),
        first: dates(year.first).first,
        closes: year.closes + 1,
        total: cents("the year", before + total)?,
    }))
}

fn units(close: &Close<'_>) -> Result<Vec<UnitLine>, StatementError> {
    let mut earlier: BTreeMap<&str, i128> = BTreeMap::new();
    for ((unit, _, _), amount) in close.figures.year.iter().flat_map(|year| &year.charged) {
        *earlier.entry(unit).or_default() += amount;
    }
    let mut lines = Vec::new();
    for unit in all_units(close) {
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
            year_to_date: match close.figures.year {
                None => None,
                Some(_) => Some(cents("a unit", earlier.get(unit.id.as_str()).copied().unwrap_or(0) + total)?),
            },
            id: unit.id,
            name: unit.name,
            business_unit: unit.business_unit,
        });
    }
    Ok(lines)
}

/// The units of the close, and those that were charged before in what is compared or summed here.
fn all_units(close: &Close<'_>) -> Vec<Unit> {
    let mut units: BTreeMap<String, Unit> = close.units().into_iter().map(|unit| (unit.id.clone(), unit)).collect();
    let before = close.figures.previous.iter().flat_map(|previous| previous.rows.iter().map(|row| &row.key.unit_id));
    let year = close.figures.year.iter().flat_map(|year| year.charged.keys().map(|(unit, _, _)| unit));
    for id in before.chain(year) {
        let unnamed = || Unit { id: id.into(), name: String::new(), business_unit: String::new(), owners: Vec::new() };
        units.entry(id.into()).or_insert_with(unnamed);
    }
    units.into_values().collect()
}

fn business_units(close: &Close<'_>) -> Result<Vec<GroupLine>, StatementError> {
    let names: BTreeMap<String, String> = close.units().into_iter().map(|unit| (unit.id, unit.business_unit)).collect();
    let of = |unit: &str, _: Component, _: &str| Some(names.get(unit).cloned().unwrap_or_default());
    groups(close, of, |id| id.to_owned(), true)
}

/// Sums of the ledger by any text of unit, component and pool, with the previous close's; sorted by the text, or by magnitude.
fn groups(
    close: &Close<'_>,
    of: impl Fn(&str, Component, &str) -> Option<String>,
    name: impl Fn(&str) -> String,
    by_size: bool,
) -> Result<Vec<GroupLine>, StatementError> {
    let mut sums: BTreeMap<String, (i128, i128, BTreeSet<&str>)> = BTreeMap::new();
    let of_row = |row: &LedgerRow| of(&row.key.unit_id, row.key.component, &row.key.pool_id);
    for row in close.figures.rows {
        if let Some(id) = of_row(row) {
            let sum = sums.entry(id).or_default();
            sum.0 += row.cents;
            sum.2.insert(&row.key.unit_id);
        }
    }
    for row in close.figures.previous.iter().flat_map(|previous| previous.rows) {
        if let Some(id) = of_row(row) {
            sums.entry(id).or_default().1 += row.cents;
        }
    }
    let mut earlier: BTreeMap<String, i128> = BTreeMap::new();
    for ((unit, component, pool), amount) in close.figures.year.iter().flat_map(|year| &year.charged) {
        if let Some(id) = of(unit, *component, pool) {
            *earlier.entry(id.clone()).or_default() += amount;
            // What the year had and this close has not is a line too, so that the lines sum to the year.
            sums.entry(id).or_default();
        }
    }
    let whole: i128 = close.figures.rows.iter().map(|row| row.cents).sum();
    let mut lines = Vec::with_capacity(sums.len());
    for (id, (now, before, units)) in sums {
        let previous = close.figures.previous.as_ref().map(|_| cents("a sum", before)).transpose()?;
        let year_to_date = match close.figures.year {
            None => None,
            Some(_) => Some(cents("a sum", earlier.get(&id).copied().unwrap_or(0) + now)?),
        };
        lines.push(GroupLine {
            name: name(&id),
            id,
            charged: cents("a sum", now)?,
            share: share(now, whole),
            previous,
            year_to_date,
            units: units.len(),
        });
    }
    if by_size {
        lines.sort_by(|a, b| b.charged.unsigned_abs().cmp(&a.charged.unsigned_abs()).then_with(|| a.id.cmp(&b.id)));
    } else {
        lines.sort_by_key(|line| Component::ALL.iter().position(|component| component.as_str() == line.id));
    }
    Ok(lines)
}

/// `part / whole`, twelve decimals, cut toward zero.
fn share(part: i128, whole: i128) -> String {
    const PLACES: i128 = 1_000_000_000_000;
    match part.checked_mul(PLACES).filter(|_| whole != 0) {
        Some(scaled) => Money::from_units(scaled / whole).to_fixed(),
        None => String::new(),
    }
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
    let mut units: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for row in close.figures.rows.iter().filter(|row| !row.key.commitment_id.is_empty()) {
        units.entry(&row.key.commitment_id).or_default().insert(&row.key.unit_id);
    }
    let mut sums: BTreeMap<&str, [Money; 5]> = BTreeMap::new();
    for line in close.figures.bridge.iter().filter(|line| !line.commitment_id.is_empty()) {
        let sum = sums.entry(&line.commitment_id).or_default();
        let amounts = [line.upfront, -line.true_up, line.cash - line.upfront, line.effective, line.unused];
        sum.iter_mut().zip(amounts).for_each(|(sum, amount)| *sum += amount);
    }
    let amount = |money: Money| cents("a commitment", money.round_to_minor(close.figures.minor_exponent));
    let lines = sums.into_iter().map(|(id, [upfront, amortised, recurring, effective, unused])| {
        Ok(CommitmentLine {
            id: id.to_owned(),
            upfront: amount(upfront)?,
            amortised: amount(amortised)?,
            recurring: amount(recurring)?,
            effective: amount(effective)?,
            unused: amount(unused)?,
            units: units.get(id).map_or(0, BTreeSet::len),
        })
    });
    lines.collect()
}

fn exceptions(close: &Close<'_>) -> Result<Vec<ExceptionLine>, StatementError> {
    let mut sums: BTreeMap<(&str, String, String), i128> = BTreeMap::new();
    let mut add = |kind, id: &str, name: String, amount| *sums.entry((kind, id.to_owned(), name)).or_default() += amount;
    for row in close.figures.rows {
        let key = &row.key;
        match key.component {
            Component::Adjustment => add("adjustment", &key.charge_type, String::new(), row.cents),
            Component::Rounding if row.cents != 0 => add("rounding", &key.invoice.invoice_id, String::new(), row.cents),
            _ => {}
        }
        if key.rule_id.starts_with("pool.") && key.rule_id.ends_with(".fallback") {
            add("fallback", &key.pool_id, close.pool_name(&key.pool_id), row.cents);
        }
    }
    for note in close.figures.notes {
        let (kind, id, name, amount) = match note {
            // Seen above, with its amount.
            Note::PoolFallback { .. } => continue,
            Note::NegativeBase { pool_id, target, base } => ("negative_base", target.as_str(), close.pool_name(pool_id), *base),
            Note::UnknownOwner { value, cash, .. } => ("unknown_owner", value.as_str(), String::new(), *cash),
            Note::UnknownAccount { account_id, cash } => {
                ("unknown_account", account_id.as_str(), close.account_name(account_id), *cash)
            }
            Note::Untagged { cash, .. } => ("untagged", "", String::new(), *cash),
            Note::Unclassified { charge_type, cash, .. } => ("unclassified", charge_type.as_str(), String::new(), *cash),
            Note::NegationWithoutUsage { commitment_id, cash, .. } => ("negation", commitment_id.as_str(), String::new(), *cash),
        };
        add(kind, id, name, close.minor(amount));
    }
    for line in close.figures.bridge {
        let residual = close.minor(line.residual);
        if residual != 0 {
            add("bridge", &line.commitment_id, line.billing_account_id.clone(), residual);
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
    if let Some(year) = &data.year {
        let year_total = i128::from(year.total);
        let of_year = |lines: &mut dyn Iterator<Item = Option<i64>>| lines.flatten().map(i128::from).sum::<i128>();
        checks.push(("the units' year", of_year(&mut data.units.iter().map(|line| line.year_to_date)), year_total));
        checks.push(("the components' year", of_year(&mut data.components.iter().map(|line| line.year_to_date)), year_total));
    }
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
