//! How much of everything: counts of resources for the wanted number of lines, budgets for the wanted total, sizes of
//! instances and commitments, and the spikes. Integers only; computed before the first line is written.

use super::SampleOptions;
use super::amount::UNITS_PER_DOLLAR;
use super::calendar::{Month, Week};
use super::catalogue::{CATALOGUE, Coverage, Entry, Ladder, Price, product_indexes};
use super::commitments::{Reservation, SavingsPlan, reservations, savings_plans};
use super::company::{Account, Role, accounts};
use super::population::{Population, Series};
use super::random::{Dice, mix, purpose};
use std::collections::BTreeSet;

/// Target of the last month in dollars, before upfront purchases: 3.04 million, with which the bill is about 3.1 million.
const TARGET_DOLLARS: i128 = 3_040_000;
/// From so many lines on no line stands for more than one instance; below, there are too few lines for the money.
const ROWS_FOR_SINGLE_INSTANCES: u64 = 20_000;
/// Negotiated discounts and prices, in thousandths.
pub const EDP: i128 = 60;
pub const PRIVATE_RATE: i128 = 80;
pub const SALES_TAX: i128 = 625;
pub const VAT: i128 = 2000;
/// Parts of the target (1e-4) that are not use: Marketplace, credits, refunds.
pub const MARKETPLACE: i128 = 240;
pub const CREDITS: i128 = 80;
pub const REFUNDS: i128 = 12;
/// Spot instances cost this part of the on-demand rate, in thousandths, before the market's noise.
pub const SPOT: i128 = 360;

/// A day on which one unit's use of one product in one account costs several times as much.
#[derive(Debug, Clone)]
pub struct Spike {
    pub day: usize,
    pub account: usize,
    pub unit: usize,
    pub product: &'static str,
    /// How many times the usual cost.
    pub factor: i128,
}

/// What differs from month to month.
#[derive(Debug)]
pub struct MonthPlan {
    pub month: Month,
    pub months_back: u32,
    /// Wanted total in units of 1e-10, before upfront purchases.
    pub target: i128,
    /// Budget of the first lines of each metered entry, and the weights that share it.
    pub budgets: Vec<i128>,
    pub weights: Vec<i128>,
    pub spikes: Vec<Spike>,
    /// Parts of a million of the month by day, for each of [`Week::ALL`].
    pub day_shares: Vec<Vec<i64>>,
    /// Discounts are billed by day, not by month.
    pub daily_discounts: bool,
    /// So are fees of savings plans and use of Marketplace products.
    pub daily_fees: bool,
}

/// Everything that is decided before writing.
#[derive(Debug)]
pub struct Plan {
    pub seed: u64,
    pub accounts: Vec<Account>,
    pub population: Population,
    pub plans: Vec<SavingsPlan>,
    pub reservations: Vec<Reservation>,
    pub months: Vec<MonthPlan>,
    /// Distinct products, and the product of each entry.
    pub products: Vec<&'static str>,
    pub product_of: Vec<usize>,
    targets: Vec<i128>,
    target_weights: Vec<i128>,
    single: bool,
    /// Days of the last month.
    last_days: i128,
}

/// Rate of an instance (1e-5 per hour), its type, and how many of it one line stands for (more than 1 only in tiny bills).
#[derive(Debug, Clone, Copy)]
pub struct Size {
    pub name: &'static str,
    pub rate: i128,
    pub count: i128,
}

impl Plan {
    pub fn new(options: &SampleOptions, periods: &[apportion_core::period::Period]) -> Self {
        let accounts = accounts(options.accounts, options.seed);
        let month = Month::new(options.period);
        let mut population = Population::new(&accounts, options.seed);
        // Fees, taxes and discounts need some of the lines; how many, and how many lines a series really has, shows a first try.
        let first_try = options.rows * 84 / 100;
        count_series(&mut population, options.rows, first_try);
        let (usage, others) = estimate_lines(&population, &accounts, &month, options.rows);
        let wanted = options.rows.saturating_sub(others).max(options.rows / 4);
        count_series(&mut population, options.rows, first_try * wanted / usage.max(1));
        let (products, product_of) = product_indexes();
        let entries = CATALOGUE.len();
        let mut plan = Plan {
            seed: options.seed,
            plans: savings_plans(options.period, options.seed),
            reservations: reservations(options.period, options.seed),
            accounts,
            population,
            months: Vec::new(),
            products,
            product_of,
            targets: vec![0; entries],
            target_weights: vec![0; entries],
            single: options.rows >= ROWS_FOR_SINGLE_INSTANCES,
            last_days: month.days as i128,
        };
        plan.weigh_instances();
        plan.size_commitments();
        for (index, period) in periods.iter().enumerate() {
            let back = (periods.len() - 1 - index) as u32;
            let month = plan.plan_month(Month::new(*period), back, options.rows);
            plan.months.push(month);
        }
        if let Some(last) = plan.months.last() {
            for (index, entry) in CATALOGUE.iter().enumerate() {
                if matches!(entry.price, Price::Metered(..)) {
                    plan.targets[index] = last.budgets[index];
                }
            }
        }
        plan
    }

    /// Calls `each` for every series of an entry.
    fn for_each(&self, entry: usize, mut each: impl FnMut(&Series)) {
        for index in 0..self.population.counts[entry] {
            each(&self.population.series(&self.accounts, entry, index));
        }
    }

    /// Budgets of entries that are priced by size, in units of 1e-10 per month of the first line.
    fn weigh_instances(&mut self) {
        for (index, entry) in CATALOGUE.iter().enumerate() {
            let mut weights = 0;
            let mut loads = 0;
            self.for_each(index, |series| {
                if series.lives(&self.accounts, 0) {
                    weights += series.weight;
                    loads += series.weight * series.load();
                }
            });
            self.target_weights[index] = weights;
            if weights > 0 {
                self.targets[index] = share_of_target(entry.money, 0) * 1000 * weights / loads.max(1);
            }
        }
    }

    /// The size whose monthly cost is nearest to a series' budget.
    pub fn size(&self, series: &Series) -> Option<Size> {
        let entry = series.entry();
        let Price::Hourly(ladder) = entry.price else { return None };
        if let Coverage::Reservation(index) = entry.coverage {
            let reservation = &self.reservations[index];
            if !reservation.instance_type.is_empty() {
                return Some(Size { name: reservation.instance_type, rate: i128::from(reservation.on_demand), count: 1 });
            }
        }
        let hours = series.schedule.month_hours(30, 22) * series.fleet() as i128;
        let spot = if entry.coverage == Coverage::Spot { SPOT } else { 1000 };
        // units of 1e-10 to rates of 1e-5 per hour
        let budget = self.targets[series.entry] * series.weight / self.target_weights[series.entry].max(1);
        Some(nearest(ladder, budget * 1000 / spot / hours / 100_000, self.single))
    }

    fn size_commitments(&mut self) {
        let mut used = vec![0i128; self.plans.len()];
        let mut instances = vec![0i128; self.reservations.len()];
        for (index, entry) in CATALOGUE.iter().enumerate() {
            match entry.coverage {
                Coverage::SavingsPlans(_) => self.for_each(index, |series| {
                    if let (Some(plan), Some(size)) = (self.plan_of(series), self.size(series)) {
                        let price = self.plans[plan].price;
                        used[plan] += covered_rate(size.rate, price) * size.count * series.fleet() as i128;
                    }
                }),
                Coverage::Reservation(reservation) => instances[reservation] += i128::from(self.population.counts[index]),
                _ => {}
            }
        }
        for (plan, used) in self.plans.iter_mut().zip(used) {
            plan.size(used);
        }
        for (index, entry) in CATALOGUE.iter().enumerate() {
            let (Coverage::Reservation(reservation), Price::Hourly(ladder)) = (entry.coverage, entry.price) else { continue };
            let count = instances[reservation].max(1);
            let size = nearest(ladder, self.targets[index] / count / 720 / 100_000, self.single);
            let on_demand = (size.rate * size.count) as i64;
            self.reservations[reservation].size(size.name, on_demand, instances[reservation]);
        }
    }

    /// The savings plan that pays for a series, once it has begun.
    pub fn plan_of(&self, series: &Series) -> Option<usize> {
        match series.entry().coverage {
            Coverage::SavingsPlans(list) => Some(list[series.index as usize % list.len()]),
            _ => None,
        }
    }

    /// What a series' instances cost in a month at on-demand (or spot) rates, all lines, in units of 1e-10.
    fn instance_cost(&self, series: &Series, month: &Month) -> (i128, i128) {
        let Some(size) = self.size(series) else { return (0, 0) };
        let hours = series.schedule.month_hours(month.days as i128, month.weekdays() as i128);
        let spot = if series.entry().coverage == Coverage::Spot { SPOT } else { 1000 };
        let first = size.rate * size.count * hours * series.fleet() as i128 * 100_000 * spot / 1000;
        (first, first * (series.load() - 1000) / 1000)
    }

    fn plan_month(&self, month: Month, back: u32, rows: u64) -> MonthPlan {
        let mut sums = MonthSums::new();
        for index in 0..CATALOGUE.len() {
            self.for_each(index, |series| {
                if series.lives(&self.accounts, back) {
                    sums.pairs.insert((series.account, self.product_of[index]));
                    self.add_series(&mut sums, series, &month, back);
                }
            });
        }
        // like real use, in proportion to the days of the month
        let target = target(back) * month.days as i128 / self.last_days;
        MonthPlan {
            months_back: back,
            target,
            budgets: budgets(self.metered_money(&sums, target, back, &month), &sums),
            spikes: self.spikes(&month, &sums.weights, back),
            day_shares: Week::ALL.iter().map(|week| month.day_shares(*week)).collect(),
            daily_discounts: discounts_by_day(sums.pairs.len() as u64, month.days as u64, rows),
            daily_fees: fees_by_day(rows),
            weights: sums.weights,
            month,
        }
    }

    fn add_series(&self, sums: &mut MonthSums, series: &Series, month: &Month, back: u32) {
        let index = series.entry;
        let tax = tax_rate(&self.accounts[series.account]);
        if matches!(series.entry().price, Price::Metered(..)) {
            sums.weights[index] += series.weight;
            sums.loads[index] += series.weight * series.load();
            sums.taxes[index] += series.weight * series.load() * tax;
            return;
        }
        let (first, further) = self.instance_cost(series, month);
        let started = match series.entry().coverage {
            Coverage::SavingsPlans(_) => self.plan_of(series).is_some_and(|plan| back <= self.plans[plan].start_back),
            Coverage::Reservation(reservation) => back <= self.reservations[reservation].start_back,
            _ => false,
        };
        let cash = further + if started { 0 } else { first };
        sums.instances += discounted(cash, EDP) * (10_000 + tax) / 10_000;
    }

    /// What is left of the target for the first to last lines of metered use, before discounts and tax.
    fn metered_money(&self, sums: &MonthSums, target: i128, back: u32, month: &Month) -> i128 {
        let hours = month.hours();
        let plans = self.plans.iter().filter(|plan| back <= plan.start_back);
        let plan_fees: i128 = plans.map(|plan| plan.recurring * hours * 100_000).sum();
        let reservations = self.reservations.iter().filter(|reservation| back <= reservation.start_back);
        let reservation_fees: i128 = reservations.map(|one| one.recurring * one.count * hours * 100_000).sum();
        let fixed = target * (MARKETPLACE - CREDITS) / 10_000
            + super::charges::support_fee(target * 93 / 100)
            + discounted(plan_fees + reservation_fees, EDP)
            + sums.instances;
        let (mut parts, mut net) = (0, 0);
        for index in (0..CATALOGUE.len()).filter(|index| sums.loads[*index] > 0) {
            let money = i128::from(CATALOGUE[index].money) * 1000;
            let discount = if CATALOGUE[index].product == "AmazonS3" { EDP + PRIVATE_RATE } else { EDP };
            parts += money;
            net += discounted(money, discount) * (10_000 + sums.taxes[index] / sums.loads[index]) / 10_000;
        }
        ((target - fixed) * parts / net.max(1)).max(target / 20)
    }

    /// Monthly cost of the first line of a metered series, in units of 1e-10.
    pub fn metered(&self, series: &Series, month: &MonthPlan) -> i128 {
        month.budgets[series.entry] * series.weight / month.weights[series.entry].max(1)
    }

    /// Effective cost of a series in a month of 30 days over all its lines, whether it already lives or not: the same in
    /// every month.
    pub fn typical_cost(&self, series: &Series) -> i128 {
        let Some(size) = self.size(series) else {
            return self.targets[series.entry] * series.weight / self.target_weights[series.entry].max(1) * series.load() / 1000;
        };
        let hours = series.schedule.month_hours(30, 22) * series.fleet() as i128;
        let price = match series.entry().coverage {
            Coverage::OnDemand => 1000,
            Coverage::Spot => SPOT,
            Coverage::SavingsPlans(_) => self.plan_of(series).map_or(1000, |plan| i128::from(self.plans[plan].price)),
            Coverage::Reservation(_) => 560,
        };
        size.rate * size.count * hours * 100_000 * (series.load() - 1000 + price) / 1000
    }

    fn spikes(&self, month: &Month, weights: &[i128], back: u32) -> Vec<Spike> {
        let mut dice = Dice::new(mix(purpose(self.seed, "spikes"), self.month_key(month)));
        let candidates: Vec<usize> = (0..CATALOGUE.len())
            .filter(|index| {
                let entry: &Entry = &CATALOGUE[*index];
                entry.spikes && matches!(entry.price, Price::Metered(..)) && weights[*index] > 0
            })
            .collect();
        let mut list: Vec<Spike> = Vec::new();
        if candidates.is_empty() {
            return list;
        }
        for number in 0..8u64 {
            let entry = *dice.pick(&candidates);
            let best = (0..12)
                .map(|_| self.population.series(&self.accounts, entry, dice.below(self.population.counts[entry])))
                .filter(|series| series.lives(&self.accounts, back) && self.accounts[series.account].role == Role::Workload)
                .max_by_key(|series| series.weight);
            let day = 4 + dice.below(month.days as u64 - 5) as usize;
            let factor = 3 + dice.below(6) as i128;
            let Some(series) = best else { continue };
            let product = CATALOGUE[entry].product;
            let (account, unit) = (series.account, series.owners[0]);
            if list.iter().any(|spike| spike.account == account && spike.unit == unit && spike.product == product) {
                continue;
            }
            list.push(Spike { day, account, unit, product, factor });
            // every third one lasts two days
            if number % 3 == 0 && day + 1 < month.days {
                list.push(Spike { day: day + 1, account, unit, product, factor });
            }
        }
        list.sort_by(|a, b| (a.day, a.account, a.product, a.unit).cmp(&(b.day, b.account, b.product, b.unit)));
        list
    }

    /// A key for a calendar month.
    pub fn month_key(&self, month: &Month) -> u64 {
        u64::from(month.period.year()) * 12 + u64::from(month.period.month())
    }
}

/// Wanted total of the month so many months before the last: 3 % less for each.
fn target(back: u32) -> i128 {
    (0..back).fold(TARGET_DOLLARS * UNITS_PER_DOLLAR, |amount, _| amount * 100 / 103)
}

fn share_of_target(parts: i64, back: u32) -> i128 {
    target(back) * i128::from(parts) / 10_000
}

/// Rate of tax on an account's charges, in parts of 10,000.
pub fn tax_rate(account: &Account) -> i128 {
    match (account.emea, account.taxed) {
        (true, _) => VAT,
        (false, true) => SALES_TAX,
        _ => 0,
    }
}

/// A savings plan's rate (1e-5) for an on-demand rate.
pub fn covered_rate(rate: i128, price: i64) -> i128 {
    rate * i128::from(price) / 1000
}

/// The size whose rate is nearest; unless `single`, as many of the largest as it takes.
fn nearest(ladder: Ladder, wanted: i128, single: bool) -> Size {
    let mut best = Size { name: ladder[0].0, rate: i128::from(ladder[0].1), count: 1 };
    for pair in ladder.windows(2) {
        if wanted * 2 > i128::from(pair[0].1 + pair[1].1) {
            best = Size { name: pair[1].0, rate: i128::from(pair[1].1), count: 1 };
        }
    }
    if !single {
        best.count = ((wanted + best.rate / 2) / best.rate).max(1);
    }
    best
}

/// Sums over the series of a month, by entry where they are lists.
struct MonthSums {
    weights: Vec<i128>,
    /// Weights times the cost of all lines in thousandths of the first.
    loads: Vec<i128>,
    /// Loads times the tax rate in parts of 10,000.
    taxes: Vec<i128>,
    /// What instances cost with discounts and tax.
    instances: i128,
    pairs: BTreeSet<(usize, usize)>,
}

impl MonthSums {
    fn new() -> Self {
        let zeros = vec![0; CATALOGUE.len()];
        MonthSums { weights: zeros.clone(), loads: zeros.clone(), taxes: zeros, instances: 0, pairs: BTreeSet::new() }
    }
}

fn discounted(amount: i128, permille: i128) -> i128 {
    amount * (1000 - permille) / 1000
}

/// Shares the money for metered use among the entries that have any, for their first lines.
fn budgets(metered: i128, sums: &MonthSums) -> Vec<i128> {
    let present = |index: &usize| sums.weights[*index] > 0;
    let parts: i128 = (0..CATALOGUE.len()).filter(present).map(|index| i128::from(CATALOGUE[index].money)).sum();
    (0..CATALOGUE.len())
        .map(|index| {
            let money = metered * i128::from(CATALOGUE[index].money) / parts.max(1);
            if present(&index) { money * 1000 / (sums.loads[index] / sums.weights[index]).max(1) } else { 0 }
        })
        .collect()
}

/// Lines of use in the last month, and lines of everything else.
fn estimate_lines(population: &Population, accounts: &[Account], month: &Month, rows: u64) -> (u64, u64) {
    let mut pairs = BTreeSet::new();
    let mut usage = 0;
    for (entry_index, entry) in CATALOGUE.iter().enumerate() {
        for index in 0..population.counts[entry_index] {
            let series = population.series(accounts, entry_index, index);
            if series.lives(accounts, 0) {
                pairs.insert((series.account, entry.product));
                usage += series.line_count(month);
            }
        }
    }
    let days = month.days as u64;
    let pairs = pairs.len() as u64;
    let discounts = if discounts_by_day(pairs, days, rows) { pairs * days } else { pairs };
    let fees = if fees_by_day(rows) { 15 * days } else { 15 };
    (usage, discounts + pairs / 2 + fees + 30)
}

/// Whether fees of savings plans and use of Marketplace products are billed by day.
fn fees_by_day(rows: u64) -> bool {
    rows >= 3_000
}

/// Whether discounts are billed by day: unless they would be most of the bill.
fn discounts_by_day(pairs: u64, days: u64, rows: u64) -> bool {
    pairs * days <= rows / 6
}

/// Numbers of series such that a month of about `rows` lines has about `usage` lines of use.
fn count_series(population: &mut Population, rows: u64, usage: u64) {
    let hourly = match rows {
        0..50_000 => 0,
        50_000..2_000_000 => 100,
        _ => 700,
    };
    let mut remaining_rows = usage;
    let mut remaining_parts: u64 = CATALOGUE.iter().map(|entry| entry.rows).sum();
    // Entries priced by size come first: where their money buys no more instances, the others take the lines.
    let by_size = |entry: &Entry| matches!(entry.price, Price::Hourly(_));
    let order = (0..CATALOGUE.len()).filter(|index| by_size(&CATALOGUE[*index]));
    for index in order.chain((0..CATALOGUE.len()).filter(|index| !by_size(&CATALOGUE[*index]))) {
        let entry = &CATALOGUE[index];
        let wanted = remaining_rows * entry.rows / remaining_parts.max(1);
        let lines: u64 = entry.lines.iter().map(|line| line.chance).sum();
        let negation = u64::from(matches!(entry.coverage, Coverage::SavingsPlans(_))) * 1000;
        let each = lines * entry.fleet + negation; // lines in thousandths per series and interval
        let wanted_hourly = if entry.hourly { wanted * hourly / 1000 } else { 0 };
        let mut by_hour = wanted_hourly * 1000 / (each * 27 * 24);
        let mut by_day = (wanted - by_hour * each * 27 * 24 / 1000) * 1000 / (each * 28);
        if let Price::Hourly(ladder) = entry.price {
            let most = share_of_target(entry.money, 0) / (i128::from(ladder[0].1) * 100_000 * 730 * 2 * i128::from(entry.fleet));
            let most = (most as u64).max(1);
            by_hour = by_hour.min(most);
            by_day = by_day.min(most - by_hour);
        }
        if by_hour + by_day == 0 && (rows >= 3_000 || entry.residual && entry.spikes) {
            by_day = 1;
        }
        population.hourly[index] = by_hour;
        population.counts[index] = by_hour + by_day;
        let taken = (by_hour * each * 27 * 24 + by_day * each * 28) / 1000;
        remaining_rows = remaining_rows.saturating_sub(taken);
        remaining_parts -= entry.rows;
    }
}
