//! What was written, added up exactly while writing: the truth of the bill, and what fees, taxes and discounts are made from.

use super::amount::Amount;
use apportion_core::money::Money;
use std::collections::BTreeMap;

/// Invoices of a month, in the order in which they are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invoice {
    /// Amazon Web Services, Inc., the month's use and fees.
    Main,
    /// The EMEA entity.
    Emea,
    /// The two Marketplace sellers.
    SellerOne,
    SellerTwo,
    /// Upfront purchases.
    Purchase,
    /// Refunds: a credit memo.
    Refund,
}

impl Invoice {
    pub const ALL: [Invoice; 6] =
        [Invoice::Main, Invoice::Emea, Invoice::SellerOne, Invoice::SellerTwo, Invoice::Purchase, Invoice::Refund];
}

/// A sum over lines.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Sum {
    pub rows: u64,
    pub unblended: Money,
    pub effective: Money,
}

impl Sum {
    fn add(&mut self, other: Sum) {
        self.rows += other.rows;
        self.unblended += other.unblended;
        self.effective += other.effective;
    }
}

/// Cash of one account and product, in units of 1e-12: what discounts and taxes follow.
#[derive(Debug, Clone, Default)]
pub struct Charges {
    pub by_day: Vec<i128>,
}

impl Charges {
    pub fn total(&self) -> i128 {
        self.by_day.iter().sum()
    }
}

/// Cost of a spike, and what the same use would have cost without it.
#[derive(Debug, Clone, Copy, Default)]
pub struct SpikeCost {
    pub usual: Money,
    pub extra: Money,
    pub rows: u64,
}

/// Sums over the lines of one part or one month.
#[derive(Debug, Clone)]
pub struct Totals {
    pub lines: BTreeMap<(Invoice, &'static str), Sum>,
    /// (account, product index of the plan) -> cash by day.
    pub charges: BTreeMap<(usize, usize), Charges>,
    /// Savings plan -> day -> effective cost of what it covered.
    pub plan_used: Vec<Vec<i128>>,
    /// Reservation -> instance hours used.
    pub reservation_hours: Vec<i128>,
    pub spikes: Vec<SpikeCost>,
    /// Effective cost of usage lines: all, without a cost center, with one that no unit has.
    pub usage: Money,
    pub untagged: Money,
    pub strange: Money,
}

impl Totals {
    pub fn new(plans: usize, reservations: usize, spikes: usize, days: usize) -> Self {
        Totals {
            lines: BTreeMap::new(),
            charges: BTreeMap::new(),
            plan_used: vec![vec![0; days]; plans],
            reservation_hours: vec![0; reservations],
            spikes: vec![SpikeCost::default(); spikes],
            usage: Money::ZERO,
            untagged: Money::ZERO,
            strange: Money::ZERO,
        }
    }

    /// Counts one line.
    pub fn line(&mut self, invoice: Invoice, line_type: &'static str, unblended: Amount, effective: Amount) {
        let sum = Sum { rows: 1, unblended: unblended.money(), effective: effective.money() };
        self.lines.entry((invoice, line_type)).or_default().add(sum);
    }

    /// Counts cash of an account and product on a day.
    pub fn charge(&mut self, account: usize, product: usize, day: usize, days: usize, cash: Money) {
        let charges = self.charges.entry((account, product)).or_default();
        charges.by_day.resize(days, 0);
        charges.by_day[day] += cash.units();
    }

    /// Adds another part's sums; the order of adding does not matter.
    pub fn add(&mut self, other: Totals) {
        for (key, sum) in other.lines {
            self.lines.entry(key).or_default().add(sum);
        }
        for (key, charges) in other.charges {
            let mine = self.charges.entry(key).or_default();
            mine.by_day.resize(charges.by_day.len(), 0);
            for (mine, theirs) in mine.by_day.iter_mut().zip(charges.by_day) {
                *mine += theirs;
            }
        }
        for (mine, theirs) in self.plan_used.iter_mut().flatten().zip(other.plan_used.into_iter().flatten()) {
            *mine += theirs;
        }
        for (mine, theirs) in self.reservation_hours.iter_mut().zip(other.reservation_hours) {
            *mine += theirs;
        }
        for (mine, theirs) in self.spikes.iter_mut().zip(other.spikes) {
            mine.usual += theirs.usual;
            mine.extra += theirs.extra;
            mine.rows += theirs.rows;
        }
        self.usage += other.usage;
        self.untagged += other.untagged;
        self.strange += other.strange;
    }

    pub fn rows(&self) -> u64 {
        self.lines.values().map(|sum| sum.rows).sum()
    }

    pub fn unblended(&self) -> Money {
        self.lines.values().map(|sum| sum.unblended).sum()
    }

    pub fn effective(&self) -> Money {
        self.lines.values().map(|sum| sum.effective).sum()
    }

    /// Sum over one invoice, and its Tax lines.
    pub fn of_invoice(&self, invoice: Invoice) -> (Sum, Money) {
        let mut total = Sum::default();
        let mut tax = Money::ZERO;
        for ((_, line_type), sum) in self.lines.iter().filter(|((one, _), _)| *one == invoice) {
            total.add(*sum);
            if *line_type == "Tax" {
                tax += sum.unblended;
            }
        }
        (total, tax)
    }
}
