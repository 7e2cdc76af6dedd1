//! The lines of use: what resources cost by the hour and by the day, and what savings plans and reservations cover.

use super::amount::Amount;
use super::calendar::{Intervals, Week};
use super::catalogue::{CATALOGUE, Coverage, Entry, Price};
use super::columns::{AmountColumn as Column, Batch, Template, Text, TextColumn};
use super::company::{Account, PAYER_ID, PAYER_NAME, Role};
use super::identity::{Tagging, identity};
use super::plan::{MonthPlan, Plan, SPOT, Size, covered_rate};
use super::population::{REGIONS, Series};
use super::random::mix;
use super::totals::{Invoice, Totals};
use apportion_core::money::Money;
use std::borrow::Cow;

/// Untagged money in thousandths of usage, and money whose cost center no unit has.
const UNTAGGED: i128 = 60;
const STRANGE: i128 = 5;
pub const AWS_INC: &str = "Amazon Web Services, Inc.";
pub const AWS_EMEA: &str = "Amazon Web Services EMEA SARL";
/// Series in one block: what is drawn, tagged and written together.
const BLOCK: u64 = 160;

/// Number of blocks of the population.
pub fn block_count(plan: &Plan) -> u64 {
    (plan.population.counts.iter().sum::<u64>() / BLOCK).max(1)
}

/// The series of a block: of each entry its share, those by the hour and those by the day apart.
pub fn block_series(plan: &Plan, block: u64, blocks: u64) -> Vec<Series> {
    let mut list = Vec::new();
    for entry in 0..CATALOGUE.len() {
        let hourly = plan.population.hourly[entry];
        let daily = plan.population.counts[entry] - hourly;
        for (first, count) in [(0, hourly), (hourly, daily)] {
            for index in first + count * block / blocks..first + count * (block + 1) / blocks {
                list.push(plan.population.series(&plan.accounts, entry, index));
            }
        }
    }
    list
}

/// Decides how each member of each series of a block is tagged, so that about 6 % of the block's money is untagged.
pub fn taggings(plan: &Plan, block: &[Series]) -> Vec<[Tagging; 3]> {
    let mut list = vec![[Tagging::Owner; 3]; block.len()];
    let mut total = 0;
    let mut untagged = 0;
    let mut order = Vec::new();
    for (position, series) in block.iter().enumerate() {
        let cost = plan.typical_cost(series);
        total += cost;
        if !series.entry().taggable {
            untagged += cost;
            list[position] = [Tagging::Untagged; 3];
            continue;
        }
        for member in 0..series.fleet() {
            order.push((mix(series.key, 5_000 + member as u64), position, member, cost / series.fleet() as i128));
        }
    }
    order.sort_unstable();
    let mut strange = 0;
    for (draw, position, member, cost) in order {
        if untagged + cost <= total * UNTAGGED / 1000 {
            untagged += cost;
            list[position][member] = Tagging::Untagged;
        } else if draw % 3 == 0 && strange + cost <= total * STRANGE / 1000 {
            strange += cost;
            list[position][member] = Tagging::Strange;
        }
    }
    list
}

/// What pays for a series' first line in a month.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Mode {
    OnDemand,
    Plan(usize),
    Reservation(usize),
}

/// A series in a month, ready to write lines.
struct Live<'a> {
    series: &'a Series,
    size: Option<Size>,
    monthly: i128,
    mode: Mode,
    invoice: Invoice,
    tagging: [Tagging; 3],
    /// Template of each line of each member.
    templates: [[i32; 4]; 3],
    negation: i32,
    /// (day, number of the spike, factor).
    spikes: Vec<(usize, usize, i128)>,
    cash: Vec<Money>,
    effective: [Money; 3],
}

/// Writes the lines of one block in one month.
pub struct BlockWriter<'a> {
    pub plan: &'a Plan,
    pub month: &'a MonthPlan,
    pub intervals: &'a Intervals,
    pub invoice_ids: &'a [String],
    pub totals: &'a mut Totals,
}

/// One interval of use.
#[derive(Clone, Copy)]
struct Slot {
    day: usize,
    hour: Option<usize>,
    interval: u32,
}

/// Cost and amount of a first line.
#[derive(Clone, Copy)]
struct First {
    /// Units of 1e-10 at on-demand (or spot) rates.
    cost: i128,
    usual: i128,
    list: i128,
    amount: i128,
    hours: i128,
    spike: Option<usize>,
}

impl BlockWriter<'_> {
    pub fn write(&mut self, block: &[Series], batch: &mut Batch) {
        let taggings = taggings(self.plan, block);
        let mut lives = Vec::with_capacity(block.len());
        for (series, tagging) in block.iter().zip(taggings) {
            if series.lives(&self.plan.accounts, self.month.months_back) {
                lives.push(self.live(series, tagging, batch));
            }
        }
        for day in 0..self.month.month.days {
            for live in &mut lives {
                if day < live.series.first_day(self.month.months_back) {
                    continue;
                }
                if live.series.hourly {
                    for hour in 0..24 {
                        let slot = Slot { day, hour: Some(hour), interval: self.intervals.hour(day, hour) };
                        self.lines(live, slot, batch);
                    }
                } else {
                    self.lines(live, Slot { day, hour: None, interval: self.intervals.day(day) }, batch);
                }
            }
        }
        for live in lives {
            self.count(&live);
        }
    }

    fn count(&mut self, live: &Live) {
        let product = self.plan.product_of[live.series.entry];
        let days = self.month.month.days;
        for (day, cash) in live.cash.iter().enumerate() {
            if !cash.is_zero() {
                self.totals.charge(live.series.account, product, day, days, *cash);
            }
        }
        for (tagging, effective) in live.tagging.iter().zip(live.effective) {
            self.totals.usage += effective;
            match tagging {
                Tagging::Owner => {}
                Tagging::Strange => self.totals.strange += effective,
                Tagging::Untagged => self.totals.untagged += effective,
            }
        }
    }

    fn live<'b>(&self, series: &'b Series, tagging: [Tagging; 3], batch: &mut Batch) -> Live<'b> {
        let plan = self.plan;
        let account = &plan.accounts[series.account];
        let entry = series.entry();
        let size = plan.size(series);
        let back = self.month.months_back;
        let mode = match entry.coverage {
            Coverage::SavingsPlans(_) => match plan.plan_of(series) {
                Some(index) if back <= plan.plans[index].start_back => Mode::Plan(index),
                _ => Mode::OnDemand,
            },
            Coverage::Reservation(index) if back <= plan.reservations[index].start_back => Mode::Reservation(index),
            _ => Mode::OnDemand,
        };
        let invoice = if account.emea { Invoice::Emea } else { Invoice::Main };
        let spikes = self.month.spikes.iter().enumerate().filter(|(_, spike)| {
            spike.account == series.account
                && spike.unit == series.owners[0]
                && spike.product == entry.product
                && matches!(entry.price, Price::Metered(..))
                && tagging[0] == Tagging::Owner
        });
        let mut live = Live {
            series,
            size,
            monthly: plan.metered(series, self.month),
            mode,
            invoice,
            tagging,
            templates: [[0; 4]; 3],
            negation: 0,
            spikes: spikes.map(|(number, spike)| (spike.day, number, spike.factor)).collect(),
            cash: vec![Money::ZERO; self.month.month.days],
            effective: [Money::ZERO; 3],
        };
        for (member, tagging) in tagging.into_iter().enumerate().take(series.fleet()) {
            let base = self.member_template(series, member, tagging);
            for (number, line) in entry.lines.iter().enumerate().filter(|(number, _)| series.has_line(*number)) {
                let mut template = base.clone();
                template.key = mix(template.key, number as u64);
                describe(&mut template, series, number, size);
                if number == 0 {
                    self.cover(&mut template, mode);
                } else {
                    let (digits, places) = line.rate;
                    template.set(TextColumn::Rate, decimal_text(digits, places));
                }
                live.templates[member][number] = batch.template(template);
            }
            if member == 0
                && let Mode::Plan(index) = mode
            {
                live.negation = batch.template(self.negation(base, series, size, index));
            }
        }
        live
    }

    /// What all lines of one resource have in common.
    fn member_template(&self, series: &Series, member: usize, tagging: Tagging) -> Template {
        let account = &self.plan.accounts[series.account];
        let entry = series.entry();
        let identity = identity(self.plan, series, member, tagging);
        let key = mix(mix(series.key, 9_000 + member as u64), self.plan.month_key(&self.month.month));
        let mut template = account_template(key, account, self.invoice_ids);
        let region = REGIONS[series.region].0;
        template.set(TextColumn::Product, entry.product).set(TextColumn::Region, region);
        if let Some(id) = identity.resource_id {
            template.set(TextColumn::ResourceId, id);
        }
        if matches!(entry.price, Price::Hourly(_)) {
            template.set(TextColumn::Zone, format!("{region}{}", char::from(b'a' + series.zone)));
        }
        template.product_name = Cow::Borrowed(entry.product_name);
        template.resource_tags = identity.tags.into_iter().map(|(key, value)| (Cow::Borrowed(key), value)).collect();
        template
    }

    fn cover(&self, template: &mut Template, mode: Mode) {
        match mode {
            Mode::OnDemand => {}
            Mode::Plan(index) => plan_texts(template, &self.plan.plans[index], "SavingsPlanCoveredUsage"),
            Mode::Reservation(index) => {
                let reservation = &self.plan.reservations[index];
                template
                    .set(TextColumn::LineType, "DiscountedUsage")
                    .set(TextColumn::Term, "Reserved")
                    .set(TextColumn::ReservationArn, reservation.arn.clone())
                    .set(TextColumn::SubscriptionId, reservation.subscription.clone())
                    .set(TextColumn::LeaseLength, format!("{}yr", reservation.years))
                    .set(TextColumn::OfferingClass, "standard")
                    .set(TextColumn::PurchaseOption, reservation.payment.text())
                    .set(TextColumn::Description, format!("{} reserved instance applied", reservation.instance_type));
            }
        }
    }

    fn negation(&self, base: Template, series: &Series, size: Option<Size>, index: usize) -> Template {
        let mut template = base;
        template.key = mix(template.key, 99);
        template.resource_tags.clear();
        describe(&mut template, series, 0, size);
        plan_texts(&mut template, &self.plan.plans[index], "SavingsPlanNegation");
        template.clear(TextColumn::ResourceId).set(
            TextColumn::Description,
            format!("SavingsPlanNegation used by AccountId : {PAYER_ID} and UsageSku : {}", sku(series)),
        );
        template
    }

    /// Writes all lines of one interval.
    fn lines(&mut self, live: &mut Live, slot: Slot, batch: &mut Batch) {
        let Some(first) = self.first(live, slot) else { return };
        let fleet = live.series.fleet();
        let mut negated = 0;
        for member in 0..fleet {
            negated += self.first_line(live, member, first, slot, batch);
            for number in 1..live.series.entry().lines.len() {
                if live.series.has_line(number) {
                    self.further_line(live, member, number, first, slot, batch);
                }
            }
        }
        if let Mode::Plan(_) = live.mode {
            let cost = Amount::of_units(negated).negated();
            let hours = Amount::of_units(first.amount * fleet as i128);
            let amounts = [(Column::UsageAmount, hours), (Column::Unblended, cost), (Column::Blended, cost)];
            batch.push(live.negation, slot.interval, &amounts);
            self.totals.line(live.invoice, "SavingsPlanNegation", cost, Amount::ZERO);
        }
    }

    /// Cost of a first line, `None` where the resource does not run.
    fn first(&self, live: &Live, slot: Slot) -> Option<First> {
        let series = live.series;
        let draw = mix(series.key, 20_000 + u64::from(slot.interval) + self.plan.month_key(&self.month.month) * 1_000_000);
        if let Some(size) = live.size {
            let weekend = self.month.month.is_weekend(slot.day);
            let hours = match slot.hour {
                Some(hour) => i128::from(series.schedule.runs(weekend, hour)),
                None => series.schedule.hours(weekend),
            };
            if hours == 0 {
                return None;
            }
            let list = size.rate * size.count * hours * 100_000;
            let spot = series.entry().coverage == Coverage::Spot;
            let cost = if spot { list * SPOT / 1000 * noise(draw, 150) / 1000 } else { list };
            let amount = size.count * hours * 10_000_000_000;
            return Some(First { cost, usual: cost, list, amount, hours: size.count * hours, spike: None });
        }
        let Price::Metered(digits, places) = series.entry().price else { return None };
        let week = series.entry().week;
        let share = i128::from(self.month.day_shares[week_index(week)][slot.day]);
        let mut usual = live.monthly * share / 1_000_000 * noise(draw, 80) / 1000;
        if let Some(hour) = slot.hour {
            usual = usual * i128::from(week.hour_share(hour)) / 24_000;
        }
        let usual = usual.max(1);
        let spike = live.spikes.iter().find(|(day, _, _)| *day == slot.day);
        let cost = spike.map_or(usual, |(_, _, factor)| usual * factor);
        let amount = cost * 10i128.pow(u32::from(places)) / i128::from(digits);
        Some(First { cost, usual, list: cost, amount, hours: 0, spike: spike.map(|(_, number, _)| *number) })
    }

    /// Writes the first line of a member; returns what a negation takes back.
    fn first_line(&mut self, live: &mut Live, member: usize, first: First, slot: Slot, batch: &mut Batch) -> i128 {
        let template = live.templates[member][0];
        let usage = (Column::UsageAmount, Amount::of_units(first.amount));
        let cost = Amount::of_units(first.cost);
        match live.mode {
            Mode::OnDemand => {
                let list = (Column::PublicCost, Amount::of_units(first.list));
                batch.push(template, slot.interval, &[usage, (Column::Unblended, cost), (Column::Blended, cost), list]);
                self.usage_line(live, member, slot.day, cost, Amount::of_units(first.usual), first.spike);
                0
            }
            Mode::Plan(index) => {
                let rate = live.size.map_or(0, |size| covered_rate(size.rate, self.plan.plans[index].price));
                let effective = Amount::of_units(rate * first.hours * 100_000);
                batch.push(
                    template,
                    slot.interval,
                    &[
                        usage,
                        (Column::Unblended, cost),
                        (Column::Blended, cost),
                        (Column::PublicCost, cost),
                        (Column::PlanEffective, effective),
                        (Column::PlanRate, Amount::new(rate as i64, 5)),
                    ],
                );
                self.totals.line(live.invoice, "SavingsPlanCoveredUsage", cost, effective);
                self.totals.plan_used[index][slot.day] += effective.money().units();
                live.effective[member] += effective.money();
                cost.units()
            }
            Mode::Reservation(index) => {
                let reservation = &self.plan.reservations[index];
                let fee = |rate: i128| Amount::of_units(rate * first.hours * 100_000);
                let effective = fee(reservation.amortized + reservation.recurring);
                batch.push(
                    template,
                    slot.interval,
                    &[
                        usage,
                        (Column::Unblended, Amount::ZERO),
                        (Column::Blended, Amount::ZERO),
                        (Column::PublicCost, cost),
                        (Column::ReservationEffective, effective),
                        (Column::ReservationRecurringForUsage, fee(reservation.recurring)),
                        (Column::ReservationAmortizedForUsage, fee(reservation.amortized)),
                    ],
                );
                self.totals.line(live.invoice, "DiscountedUsage", Amount::ZERO, effective);
                self.totals.reservation_hours[index] += first.hours;
                live.effective[member] += effective.money();
                0
            }
        }
    }

    fn further_line(&mut self, live: &mut Live, member: usize, number: usize, first: First, slot: Slot, batch: &mut Batch) {
        let line = &live.series.entry().lines[number];
        let month = self.plan.month_key(&self.month.month);
        let draw =
            mix(live.series.key, (number as u64 * 8 + member as u64 + 1) * 7_919 + u64::from(slot.interval) * 104_729 + month);
        let (cost, usual) = if line.share == 0 {
            // requests by the handful: digits beyond the tenth decimal, some beyond the twelfth
            let places = [10, 11, 12, 13, 14][(draw % 5) as usize];
            let amount = Amount::new(1 + (draw >> 8) as i64 % 99_999, places);
            (amount, amount)
        } else {
            let factor = i128::from(line.share) * noise(draw, 120);
            (
                Amount::of_units((first.cost * factor / 1_000_000).max(1)),
                Amount::of_units((first.usual * factor / 1_000_000).max(1)),
            )
        };
        let (digits, places) = line.rate;
        let amount = cost.money().units() / 100 * 10i128.pow(u32::from(places)) / i128::from(digits.max(1));
        batch.push(
            live.templates[member][number],
            slot.interval,
            &[
                (Column::UsageAmount, Amount::of_units(amount)),
                (Column::Unblended, cost),
                (Column::Blended, cost),
                (Column::PublicCost, cost),
            ],
        );
        self.usage_line(live, member, slot.day, cost, usual, first.spike);
    }

    fn usage_line(&mut self, live: &mut Live, member: usize, day: usize, cost: Amount, usual: Amount, spike: Option<usize>) {
        let money = cost.money();
        self.totals.line(live.invoice, "Usage", cost, cost);
        live.cash[day] += money;
        live.effective[member] += money;
        if let Some(number) = spike {
            let total = &mut self.totals.spikes[number];
            total.usual += usual.money();
            total.extra += money - usual.money();
            total.rows += 1;
        }
    }
}

/// Thousandths around 1000, `spread` to either side.
fn noise(draw: u64, spread: u64) -> i128 {
    i128::from(1000 - spread + draw % (2 * spread + 1))
}

fn week_index(week: Week) -> usize {
    Week::ALL.iter().position(|one| *one == week).unwrap_or(0)
}

/// A SKU in AWS's shape, the same for all lines of an entry and region.
fn sku(series: &Series) -> String {
    super::random::base36(mix(series.entry as u64 * 31 + series.region as u64, 3), 12).to_uppercase()
}

/// `digits` / 10^`places` in plain decimal.
pub fn decimal_text(digits: i64, places: u8) -> String {
    if places == 0 {
        return digits.to_string();
    }
    let unit = 10i64.pow(u32::from(places));
    let text = format!("{}.{:0width$}", digits / unit, digits % unit, width = usize::from(places));
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

/// Columns that every line of an account has.
pub fn account_template(key: u64, account: &Account, invoice_ids: &[String]) -> Template {
    let mut template = Template::new(key);
    let (invoice, entity) = if account.emea { (Invoice::Emea, AWS_EMEA) } else { (Invoice::Main, AWS_INC) };
    template
        .set(TextColumn::BillType, "Anniversary")
        .set(TextColumn::BillingEntity, "AWS")
        .set(TextColumn::InvoicingEntity, entity)
        .set(TextColumn::LegalEntity, entity)
        .set(TextColumn::InvoiceId, invoice_ids[invoice as usize].clone())
        .set(TextColumn::PayerId, PAYER_ID)
        .set(TextColumn::PayerName, PAYER_NAME)
        .set(TextColumn::AccountId, account.id.clone())
        .set(TextColumn::AccountName, account.name.clone())
        .set(TextColumn::Currency, "USD")
        .set(TextColumn::LineType, "Usage");
    let class = match account.role {
        Role::Workload => match account.environment {
            super::company::Environment::Production => "Production",
            _ => "Nonproduction",
        },
        _ => "Shared",
    };
    template.cost_category = vec![(Text::Borrowed("workload_class"), Text::Borrowed(class))];
    if account.role == Role::Workload {
        let business = super::company::UNITS[account.unit].business_unit;
        template.tags = vec![(Text::Borrowed("accountTag/BusinessUnit"), Text::Borrowed(business))];
    }
    template
}

/// Usage type, operation, description and the like of one line of a resource.
fn describe(template: &mut Template, series: &Series, number: usize, size: Option<Size>) {
    let entry: &Entry = series.entry();
    let line = &entry.lines[number];
    let (_, prefix, place) = REGIONS[series.region];
    let size_name = size.map_or("", |size| size.name);
    // vCPU counts are no part of Fargate's usage type
    let sized = number == 0 && line.usage_type.ends_with([':', '.']);
    let usage_type = format!("{prefix}{}{}", line.usage_type, if sized { size_name } else { "" });
    let (digits, places) = match (number, entry.price, size) {
        (0, Price::Metered(digits, places), _) => (digits, places),
        (0, _, Some(size)) if entry.coverage == Coverage::Spot => ((size.rate * SPOT) as i64, 8),
        (0, _, Some(size)) => (size.rate as i64, 5),
        _ => line.rate,
    };
    let rate = decimal_text(digits, places);
    let what = line.what.replace("{size}", size_name);
    template
        .set(TextColumn::UsageType, usage_type)
        .set(TextColumn::ServiceCode, line.service_code)
        .set(TextColumn::Family, line.family)
        .set(TextColumn::Unit, line.unit)
        .set(TextColumn::Term, if entry.coverage == Coverage::Spot { "Spot" } else { "OnDemand" })
        .set(TextColumn::Description, format!("${rate} {what} - {place}"))
        .set(TextColumn::Rate, rate);
    if !line.operation.is_empty() {
        template.set(TextColumn::Operation, line.operation);
    }
    if number == 0 && size_name.contains('.') {
        template.set(TextColumn::InstanceType, size_name);
    }
}

/// Columns that every line of a savings plan has.
pub fn plan_texts(template: &mut Template, plan: &super::commitments::SavingsPlan, line_type: &'static str) {
    template
        .set(TextColumn::LineType, line_type)
        .set(TextColumn::PlanArn, plan.arn.clone())
        .set(TextColumn::PlanStart, plan.start.clone())
        .set(TextColumn::PlanEnd, plan.end.clone())
        .set(TextColumn::PlanOffering, format!("{} Savings Plans", plan.offering))
        .set(TextColumn::PlanPayment, plan.payment.text())
        .set(TextColumn::PlanTerm, format!("{}yr", plan.years));
    if !plan.region.is_empty() {
        template.set(TextColumn::PlanRegion, plan.region).set(TextColumn::PlanFamily, plan.family);
    }
}
