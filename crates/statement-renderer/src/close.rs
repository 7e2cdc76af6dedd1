//! One close, read once for all its statements: rows by unit, totals by pool and invoice.
//!
//! Here the totals are proved before anything is printed: the cents of all rows of an invoice are the invoice's.

use crate::change;
use crate::figures::{Figures, Handed, Ledger, Totals, is_untagged};
use crate::statement::*;
use apportion_core::ledger::{Component, InvoiceKey, LedgerRow};
use apportion_core::model::{UNTAGGED, Unit};
use apportion_core::money::Money;
use apportion_core::period::Period;
use apportion_core::reconcile::{ControlSource, InvoiceDetails};
use apportion_core::text::Text;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

/// Why a statement cannot be made from a ledger. Each is a fault of the close, never of a name or a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StatementError {
    #[error(
        "invoice `{invoice}`: the ledger's rows come to {ledger} minor units and the invoice to {payable}: the close does not reconcile, so no statement is printed"
    )]
    InvoiceDiffers { invoice: String, ledger: i128, payable: i128 },
    #[error(
        "invoice `{invoice}` has ledger rows and no reconciliation line: the close does not reconcile, so no statement is printed"
    )]
    InvoiceUnknown { invoice: String },
    #[error("`{unit}` is neither a unit of units.toml nor in the ledger; the units are: {known}")]
    NoUnit { unit: String, known: String },
    #[error("{what} comes to {amount} minor units, beyond what a statement can print (9.2e18)")]
    TooLarge { what: String, amount: i128 },
    #[error("unit `{unit}`: {what} sums to {sum} minor units and should to {total}: a defect of the renderer, please report it")]
    DoesNotAdd { unit: String, what: &'static str, sum: i128, total: i128 },
    #[error("unit `{unit}`: the CSV cannot be written: {reason}")]
    Csv { unit: String, reason: String },
    #[error("ledger row of unit `{unit}`: {field} `{text}` is not a decimal number")]
    BadNumber { unit: String, field: &'static str, text: String },
}

/// A close whose totals are proved.
pub struct Close<'a> {
    pub(crate) figures: Figures<'a>,
    pub(crate) ledger: Ledger<'a>,
    pub(crate) previous: Option<Ledger<'a>>,
    pub(crate) totals: Arc<Totals>,
}

impl<'a> Close<'a> {
    /// Reads the figures and proves them: ledger cents equal the invoice's, invoice by invoice.
    pub fn new(figures: Figures<'a>) -> Result<Close<'a>, StatementError> {
        let totals = Arc::new(Totals::new(&figures)?);
        Ok(Close::again(figures, totals))
    }

    /// The same figures once more, of which `totals` were made.
    pub(crate) fn again(figures: Figures<'a>, totals: Arc<Totals>) -> Close<'a> {
        let ledger = Ledger::new(figures.rows);
        let previous = figures.previous.map(|previous| Ledger::new(previous.rows));
        Close { figures, ledger, previous, totals }
    }

    /// Everyone who gets a statement: the units of the configuration, and whoever else the ledger names. Sorted by id.
    pub fn units(&self) -> Vec<Unit> {
        let mut units: BTreeMap<String, Unit> =
            self.figures.configuration.units.iter().map(|unit| (unit.id.clone(), unit.clone())).collect();
        for id in self.ledger.by_unit.keys() {
            units.entry((*id).to_owned()).or_insert_with(|| Unit {
                id: (*id).to_owned(),
                name: String::new(),
                business_unit: String::new(),
                owners: Vec::new(),
            });
        }
        units.into_values().collect()
    }

    /// The statement of a unit. A unit without a row gets one that says so.
    pub fn statement(&self, unit_id: &str) -> Result<Statement, StatementError> {
        let units = self.units();
        let unit = units.iter().find(|unit| unit.id == unit_id).ok_or_else(|| StatementError::NoUnit {
            unit: unit_id.to_owned(),
            known: units.iter().map(|unit| unit.id.as_str()).collect::<Vec<_>>().join(", "),
        })?;
        self.statement_of(unit)
    }

    /// As [`Close::statement`], for a unit of [`Close::units`].
    pub fn statement_of(&self, unit: &Unit) -> Result<Statement, StatementError> {
        let rows = self.ledger.rows_of(&unit.id);
        let total: i128 = rows.iter().map(|row| row.cents).sum();
        let effective: Money = rows.iter().map(|row| row.effective).sum();
        let effective = self.minor(effective);
        let is_direct = |row: &LedgerRow| row.key.pool_id.is_empty() && row.key.component == Component::Direct;
        let direct = rows.iter().filter(|row| is_direct(row)).map(|row| row.cents).sum();
        let pools = rows.iter().filter(|row| !row.key.pool_id.is_empty()).map(|row| row.cents).sum();
        let statement = Statement {
            version: MODEL_VERSION,
            period: dates(self.figures.period),
            close: self.figures.close_id.to_owned(),
            provisional: self.figures.provisional,
            currency: Currency { code: self.figures.currency.to_owned(), places: self.figures.minor_exponent },
            unit: UnitName { id: unit.id.clone(), name: unit.name.clone(), business_unit: unit.business_unit.clone() },
            total: cents("the unit's total", total)?,
            summary: Summary {
                direct: cents("direct cost", direct)?,
                pools: cents("the unit's pools", pools)?,
                other: cents("other cost", total - direct - pools)?,
            },
            components: self.components(rows)?,
            services: self.named(&unit.id, |row| row.key.service.clone())?,
            accounts: self.named_accounts(&unit.id)?,
            pools: self.pools(&unit.id)?,
            change: change::since_previous(self, &unit.id)?,
            cash_and_effective: CashAndEffective {
                cash: cents("cash", total)?,
                effective: cents("effective cost", effective)?,
                difference: cents("cash - effective", total - effective)?,
            },
            untagged: self.untagged(&unit.id)?,
            invoices: self.invoices(rows)?,
            lines: self.lines(rows)?,
            proof: Proof { folder: crate::statement_folder(&unit.id), output_version: apportion_core::OUTPUT_VERSION },
        };
        prove(&statement)?;
        Ok(statement)
    }

    pub(crate) fn minor(&self, amount: Money) -> i128 {
        amount.round_to_minor(self.figures.minor_exponent)
    }

    /// Effective amounts as minor units that sum to the rounded sum.
    fn spread(&self, amounts: &[Money]) -> Vec<i128> {
        let total = self.minor(amounts.iter().copied().sum());
        let exponent = self.figures.minor_exponent;
        apportion_core::allocate::largest_remainder_minor(total, amounts, exponent)
            .unwrap_or_else(|| amounts.iter().map(|amount| self.minor(*amount)).collect())
    }

    pub(crate) fn account_name(&self, id: &str) -> String {
        self.figures.account_names.get(id).cloned().unwrap_or_default()
    }

    pub(crate) fn pool_name(&self, id: &str) -> String {
        let pools = &self.figures.configuration.pools;
        pools.iter().find(|pool| pool.id == id && pool.effective.covers(self.figures.period)).map_or_else(
            || id.to_owned(),
            |pool| {
                if pool.name.is_empty() { id.to_owned() } else { pool.name.clone() }
            },
        )
    }

    fn components(&self, rows: &[&LedgerRow]) -> Result<Vec<ComponentLine>, StatementError> {
        let mut sums: BTreeMap<Component, (i128, Money, i128, usize)> = BTreeMap::new();
        for row in rows {
            let sum = sums.entry(row.key.component).or_default();
            sum.0 += row.cents;
            sum.1 += row.effective;
            sum.2 += if row.key.pool_id.is_empty() { 0 } else { row.cents };
            sum.3 += 1;
        }
        let effective = self.spread(&sums.values().map(|sum| sum.1).collect::<Vec<_>>());
        let lines = sums.into_iter().zip(effective).map(|((component, sum), effective)| {
            Ok(ComponentLine {
                component: component.as_str().to_owned(),
                charged: cents("a component", sum.0)?,
                effective: cents("a component", effective)?,
                through_pools: cents("a component", sum.2)?,
                lines: sum.3,
            })
        });
        lines.collect()
    }

    /// Direct cost by any text of its rows, largest magnitude first, with the previous close's.
    fn named(&self, unit: &str, of: impl Fn(&LedgerRow) -> Text) -> Result<Vec<NamedLine>, StatementError> {
        let direct = |row: &&&LedgerRow| row.key.pool_id.is_empty() && row.key.component == Component::Direct;
        let mut sums: BTreeMap<Text, (i128, Money, usize)> = BTreeMap::new();
        for row in self.ledger.rows_of(unit).iter().filter(direct) {
            let sum = sums.entry(of(row)).or_default();
            sum.0 += row.cents;
            sum.1 += row.effective;
            sum.2 += 1;
        }
        let mut before: BTreeMap<Text, i128> = BTreeMap::new();
        if let Some(previous) = &self.previous {
            for row in previous.rows_of(unit).iter().filter(direct) {
                *before.entry(of(row)).or_default() += row.cents;
            }
        }
        let effective = self.spread(&sums.values().map(|sum| sum.1).collect::<Vec<_>>());
        let mut lines = Vec::with_capacity(sums.len());
        for ((id, sum), effective) in sums.into_iter().zip(effective) {
            let previous = self.previous.as_ref().map(|_| before.get(&id).copied().unwrap_or(0));
            lines.push(NamedLine {
                name: (&id).into(),
                id: id.into(),
                place: String::new(),
                charged: cents("a service or account", sum.0)?,
                effective: cents("a service or account", effective)?,
                lines: sum.2,
                previous: previous.map(|amount| cents("a service or account", amount)).transpose()?,
            });
        }
        lines.sort_by(|a, b| b.charged.unsigned_abs().cmp(&a.charged.unsigned_abs()).then_with(|| a.id.cmp(&b.id)));
        Ok(lines)
    }

    fn named_accounts(&self, unit: &str) -> Result<Vec<NamedLine>, StatementError> {
        let mut lines = self.named(unit, |row| row.key.account_id.clone())?;
        let rows = self.ledger.rows_of(unit);
        let places: BTreeMap<&str, &str> =
            rows.iter().map(|row| (row.key.account_id.as_str(), row.key.ou_path.as_str())).collect();
        for line in &mut lines {
            line.name = self.account_name(&line.id);
            line.place = places.get(line.id.as_str()).copied().unwrap_or_default().to_owned();
        }
        Ok(lines)
    }

    fn pools(&self, unit: &str) -> Result<Vec<PoolLine>, StatementError> {
        let mut by_split: BTreeMap<(&str, &str, &str, &str, &str), Vec<&LedgerRow>> = BTreeMap::new();
        for row in self.ledger.rows_of(unit).iter().filter(|row| !row.key.pool_id.is_empty()) {
            let key = &row.key;
            let split = (
                key.pool_id.as_str(),
                key.rule_id.as_str(),
                row.driver_unit.as_str(),
                row.driver_value.as_str(),
                row.share.as_str(),
            );
            by_split.entry(split).or_default().push(row);
        }
        let mut pools = Vec::with_capacity(by_split.len());
        for rows in by_split.values() {
            pools.extend(self.pool_line(unit, rows)?);
        }
        pools.sort_by(|a, b| b.charged.unsigned_abs().cmp(&a.charged.unsigned_abs()).then_with(|| a.id.cmp(&b.id)));
        Ok(pools)
    }

    fn pool_line(&self, unit: &str, rows: &[&LedgerRow]) -> Result<Option<PoolLine>, StatementError> {
        let Some(first) = rows.first() else { return Ok(None) };
        let id = first.key.pool_id.as_str();
        let charged: i128 = rows.iter().map(|row| row.cents).sum();
        let pool = self.totals.pools.get(id).copied().unwrap_or_default();
        let previous = self.previous.as_ref().and_then(|previous| {
            let mut rows = previous.rows_of(unit).iter().filter(|row| row.key.pool_id == id).peekable();
            rows.peek()?;
            Some(rows.map(|row| row.cents).sum::<i128>())
        });
        let components: BTreeSet<&str> = rows.iter().map(|row| row.key.component.as_str()).collect();
        let feeds = self.handed(|handed| handed.from == id, |handed| &handed.to)?;
        let handed: i128 = feeds.iter().map(|fed| i128::from(fed.amount)).sum();
        let total = pool.cents + handed;
        let mut fed_by = self.handed(|handed| handed.to == id, |handed| &handed.from)?;
        for fed in &mut fed_by {
            let part = i128::from(fed.amount).checked_mul(charged).filter(|_| total != 0).map_or(0, |product| product / total);
            fed.charged = cents("a pool", part)?;
        }
        let natural = ratio(unit, &first.driver_value, &first.driver_total)?;
        Ok(Some(PoolLine {
            id: id.to_owned(),
            name: self.pool_name(id),
            rule: (&first.key.rule_id).into(),
            key: key_word(&first.driver_unit).to_owned(),
            driver: (&first.driver_unit).into(),
            driver_unit: self
                .figures
                .configuration
                .drivers
                .get(first.driver_unit.as_str())
                .map_or_else(String::new, |driver| driver.unit.clone()),
            driver_value: (&first.driver_value).into(),
            driver_total: (&first.driver_total).into(),
            share: (&first.share).into(),
            fallback: first.key.rule_id.ends_with(".fallback"),
            limited: !first.share.is_empty() && first.share != natural,
            total: cents("a pool", total)?,
            fed_by,
            feeds,
            charged: cents("a pool", charged)?,
            effective: cents("a pool", self.minor(rows.iter().map(|row| row.effective).sum()))?,
            units: pool.units,
            components: components.into_iter().map(str::to_owned).collect(),
            previous: previous.map(|amount| cents("a pool", amount)).transpose()?,
        }))
    }

    /// What pools handed to pools, by the pool that `of` names.
    fn handed(&self, keep: impl Fn(&Handed) -> bool, of: impl Fn(&Handed) -> &str) -> Result<Vec<FedPool>, StatementError> {
        let mut sums: BTreeMap<&str, Money> = BTreeMap::new();
        for (handed, cash) in self.totals.handed.iter().filter(|(handed, _)| keep(handed)) {
            *sums.entry(of(handed)).or_default() += *cash;
        }
        let pools = sums.into_iter().map(|(id, sum)| {
            let amount = cents("a pool", self.minor(sum))?;
            Ok(FedPool { id: id.to_owned(), name: self.pool_name(id), amount, charged: 0 })
        });
        pools.collect()
    }

    fn untagged(&self, unit: &str) -> Result<Option<Untagged>, StatementError> {
        let charged: i128 = self.ledger.rows_of(unit).iter().filter(|row| is_untagged(row)).map(|row| row.cents).sum();
        let own = self.totals.own_untagged.get(unit);
        if charged == 0 && own.is_none() || self.figures.pool_sources.is_empty() {
            return Ok(None);
        }
        // What another pool handed to the untagged one is not there for want of a tag.
        let from_pools = |handed: &Handed| handed.to == UNTAGGED && handed.component == Component::Pool;
        let fed: i128 = self.handed(from_pools, |handed| &handed.from)?.iter().map(|fed| i128::from(fed.amount)).sum();
        let own_of_fed = fed
            .checked_mul(charged)
            .filter(|_| self.totals.untagged_total != 0)
            .map_or(0, |product| product / self.totals.untagged_total);
        let (charged, total) = (charged - own_of_fed, self.totals.untagged_total - fed);
        let empty = BTreeMap::new();
        let own = own.unwrap_or(&empty);
        let own_total = self.minor(own.values().copied().sum());
        let mut accounts = Vec::with_capacity(own.len());
        for (id, amount) in own {
            accounts.push(NamedAmount {
                id: id.clone(),
                name: self.account_name(id),
                amount: cents("an account", self.minor(*amount))?,
            });
        }
        accounts.sort_by(|a, b| b.amount.unsigned_abs().cmp(&a.amount.unsigned_abs()).then_with(|| a.id.cmp(&b.id)));
        Ok(Some(Untagged {
            charged: cents("untagged cost", charged)?,
            total: cents("untagged cost", total)?,
            own: cents("untagged cost", own_total)?,
            saving: cents("untagged cost", charged - own_total)?,
            accounts,
        }))
    }

    pub(crate) fn invoices(&self, rows: &[&LedgerRow]) -> Result<Vec<InvoiceCheck>, StatementError> {
        let mut own: BTreeMap<&InvoiceKey, i128> = BTreeMap::new();
        for row in rows {
            *own.entry(&row.key.invoice).or_default() += row.cents;
        }
        let checks = self.figures.controls.iter().map(|control| {
            Ok(InvoiceCheck {
                provider: (&control.key.provider).into(),
                issuer: (&control.key.issuer).into(),
                billing_account: (&control.key.billing_account_id).into(),
                invoice: (&control.key.invoice_id).into(),
                source: match control.source {
                    ControlSource::Invoice => "invoice",
                    ControlSource::Bill => "bill",
                    ControlSource::BillSharedId => "bill_shared_id",
                }
                .to_owned(),
                bill: control.bill.to_fixed(),
                payable: cents("an invoice", control.cents)?,
                difference: control.difference.to_fixed(),
                tolerance: control.tolerance.to_fixed(),
                units: cents("an invoice", self.totals.invoice_cents.get(&control.key).copied().unwrap_or(0))?,
                unit: cents("an invoice", own.get(&control.key).copied().unwrap_or(0))?,
                details: control.details.as_ref().map(paper),
            })
        });
        checks.collect()
    }

    fn lines(&self, rows: &[&LedgerRow]) -> Result<Vec<Line>, StatementError> {
        let effective = self.spread(&rows.iter().map(|row| row.effective).collect::<Vec<_>>());
        let lines = rows.iter().zip(effective).map(|(row, effective)| {
            let key = &row.key;
            Ok(Line {
                component: key.component.as_str().to_owned(),
                account: key.account_id.clone(),
                account_name: self.account_name(&key.account_id),
                service: key.service.clone(),
                charge_type: key.charge_type.clone(),
                commitment: key.commitment_id.clone(),
                pool: key.pool_id.clone(),
                pool_name: if key.pool_id.is_empty() { String::new() } else { self.pool_name(&key.pool_id) },
                rule: key.rule_id.clone(),
                invoice: key.invoice.invoice_id.clone(),
                driver_value: row.driver_value.clone(),
                driver_total: row.driver_total.clone(),
                driver: row.driver_unit.clone(),
                share: row.share.clone(),
                charged: cents("a line", row.cents)?,
                effective: cents("a line", effective)?,
            })
        });
        lines.collect()
    }
}

/// What an invoice says beside its total, as a template gets it.
fn paper(details: &InvoiceDetails) -> InvoicePaper {
    let date = |text: &str| {
        let mut parts = text.splitn(3, '-');
        let (year, month, day) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
        (1..=12).contains(&month).then_some(Date { year, month, day })
    };
    InvoicePaper {
        issuer: details.issuer.clone(),
        purchase_order: details.purchase_order.clone(),
        issued: date(&details.issued),
        due: date(&details.due),
        payment_currency: details.payment_currency.clone(),
        payment_total: details.payment_total.map(Money::to_fixed).unwrap_or_default(),
        exchange_rate: details.exchange_rate.clone(),
    }
}

/// What a template calls the key, from the ledger's word for the driver.
pub(crate) fn key_word(driver: &str) -> &'static str {
    match driver {
        "effective_direct" | "effective_direct+earlier_pools" | "cash" | "effective_covered" => "proportional",
        "even" => "even",
        "fixed" => "fixed",
        "headcount" => "headcount",
        "" => "whole",
        _ => "usage",
    }
}

/// `value / total` as the ledger writes a share: twelve decimals, truncated.
pub(crate) fn ratio(unit: &str, value: &str, total: &str) -> Result<String, StatementError> {
    let read = |field, text: &str| -> Result<u128, StatementError> {
        if text.is_empty() {
            return Ok(0);
        }
        let bad = || StatementError::BadNumber { unit: unit.to_owned(), field, text: text.to_owned() };
        let money: Money = text.parse().map_err(|_| bad())?;
        Ok(money.units().max(0) as u128)
    };
    let (value, total) = (read("driver_value", value)?, read("driver_total", total)?);
    if total == 0 {
        return Ok("0.000000000000".to_owned());
    }
    // Amounts are below 1e27 units (core's MAX_AMOUNT), so ten times a rest fits.
    let mut rest = value % total;
    let mut digits = String::with_capacity(12);
    for _ in 0..12 {
        rest *= 10;
        digits.push(char::from(b'0' + (rest / total) as u8));
        rest %= total;
    }
    Ok(format!("{}.{digits}", value / total))
}

/// Minor units as the integers of a template.
pub(crate) fn cents(what: &str, amount: i128) -> Result<i64, StatementError> {
    i64::try_from(amount).map_err(|_| StatementError::TooLarge { what: what.to_owned(), amount })
}

pub(crate) fn dates(period: Period) -> PeriodDates {
    let day = |day| Date { year: period.year(), month: period.month(), day };
    PeriodDates { id: period.to_string(), first: day(1), last: day(period.days()) }
}

/// Every way of summing the page comes to the same total.
fn prove(statement: &Statement) -> Result<(), StatementError> {
    let total = i128::from(statement.total);
    let sum = |amounts: &mut dyn Iterator<Item = i64>| amounts.map(i128::from).sum::<i128>();
    let summary = &statement.summary;
    let mut checks = vec![
        ("the summary", sum(&mut [summary.direct, summary.pools, summary.other].into_iter()), total),
        ("the components", sum(&mut statement.components.iter().map(|line| line.charged)), total),
        ("the invoices", sum(&mut statement.invoices.iter().map(|line| line.unit)), total),
        ("the lines", sum(&mut statement.lines.iter().map(|line| line.charged)), total),
        ("the services", sum(&mut statement.services.iter().map(|line| line.charged)), summary.direct.into()),
        ("the accounts", sum(&mut statement.accounts.iter().map(|line| line.charged)), summary.direct.into()),
        ("the pools", sum(&mut statement.pools.iter().map(|line| line.charged)), summary.pools.into()),
    ];
    if let Some(change) = &statement.change {
        checks.push(("the causes of the change", sum(&mut change.causes.iter().map(|line| line.delta)), change.delta.into()));
        checks.push(("previous total and change", i128::from(change.total) + i128::from(change.delta), total));
    }
    match checks.into_iter().find(|(_, sum, total)| sum != total) {
        Some((what, sum, total)) => Err(StatementError::DoesNotAdd { unit: statement.unit.id.clone(), what, sum, total }),
        None => Ok(()),
    }
}
