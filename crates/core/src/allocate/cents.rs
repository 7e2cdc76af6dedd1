//! Cents, top-down: an invoice's to its units, a unit's to its lines.

use crate::ledger::{InvoiceKey, LedgerRow};
use crate::money::Money;
use crate::reconcile::Control;
use crate::text::Text;
use std::collections::BTreeMap;

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{place}: {total} minor units cannot be spread over amounts that sum to {sum}: the ledger lost or gained money before rounding"
)]
pub struct CentsError {
    pub place: String,
    pub total: i128,
    pub sum: Money,
}

/// Spreads `total` minor units over amounts: truncated toward zero, then the largest remainder in the direction of what is missing.
///
/// Ties go to the earlier amount. Negating total and amounts negates the result. `None` when more is missing than there are
/// amounts, which no set of amounts that sums to the total (to less than one unit) can bring about.
pub fn largest_remainder_minor(total: i128, amounts: &[Money], minor_exponent: u32) -> Option<Vec<i128>> {
    let mut parts = Vec::with_capacity(amounts.len());
    let mut order = Vec::with_capacity(amounts.len());
    for (index, amount) in amounts.iter().enumerate() {
        let (whole, rest) = amount.truncate_to_minor(minor_exponent);
        parts.push(whole);
        order.push((rest, index));
    }
    let missing = total - parts.iter().sum::<i128>();
    let step = missing.signum();
    let count = usize::try_from(missing.unsigned_abs()).ok()?;
    if count > parts.len() {
        return None;
    }
    order.sort_by(|a, b| (b.0 * step).cmp(&(a.0 * step)).then(a.1.cmp(&b.1)));
    for (_, index) in order.iter().take(count) {
        parts[*index] += step;
    }
    Some(parts)
}

/// Gives every row its cents. Rows are sorted by key, so ties fall by unit id, then by the whole key.
pub(super) fn assign(rows: &mut [LedgerRow], controls: &[Control], minor_exponent: u32) -> Result<(), CentsError> {
    let mut by_invoice: BTreeMap<InvoiceKey, BTreeMap<Text, Vec<usize>>> = BTreeMap::new();
    for (index, row) in rows.iter().enumerate() {
        by_invoice.entry(row.key.invoice.clone()).or_default().entry(row.key.unit_id.clone()).or_default().push(index);
    }
    let totals: BTreeMap<&InvoiceKey, i128> = controls.iter().map(|control| (&control.key, control.cents)).collect();
    for (invoice, units) in by_invoice {
        let total = totals.get(&invoice).copied().unwrap_or(0);
        let sums: Vec<Money> = units.values().map(|lines| lines.iter().map(|line| rows[*line].cash).sum()).collect();
        let place = format!("invoice `{}`", invoice.invoice_id);
        let error =
            |place: String, total: i128, amounts: &[Money]| CentsError { place, total, sum: amounts.iter().copied().sum() };
        let shares = largest_remainder_minor(total, &sums, minor_exponent).ok_or_else(|| error(place.clone(), total, &sums))?;
        for ((unit, lines), share) in units.iter().zip(shares) {
            let amounts: Vec<Money> = lines.iter().map(|line| rows[*line].cash).collect();
            let parts = largest_remainder_minor(share, &amounts, minor_exponent)
                .ok_or_else(|| error(format!("{place}, unit `{unit}`"), share, &amounts))?;
            for (line, part) in lines.iter().zip(parts) {
                rows[*line].cents = part;
            }
        }
    }
    Ok(())
}
