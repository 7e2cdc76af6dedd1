//! Everything but use: fees of commitments, discounts, credits, refunds, Marketplace, support, fees, tax. Made from what was
//! added up while the usage lines were written.

use super::amount::{Amount, UNITS_PER_DOLLAR};
use super::calendar::{Intervals, WHOLE_MONTH};
use super::columns::{AmountColumn as Column, Batch, Template, Text, TextColumn};
use super::commitments::{Payment, Reservation, SavingsPlan, first_day, term_hours};
use super::company::{Account, Role, UNITS};
use super::plan::{CREDITS, EDP, MARKETPLACE, MonthPlan, PRIVATE_RATE, Plan, REFUNDS, tax_rate};
use super::random::{Dice, mix, purpose, uuid};
use super::totals::{Invoice, Totals};
use super::usage::{account_template, plan_texts};
use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Range;

/// Enterprise support: parts of a month's charges, in thousandths, and up to how many dollars.
const SUPPORT_TIERS: [(i128, i128); 4] = [(100, 150_000), (70, 500_000), (50, 1_000_000), (30, i128::MAX / UNITS_PER_DOLLAR)];
const DAY_MILLISECONDS: i64 = 86_400_000;
pub const SELLERS: [&str; 2] = ["Northlake Observability, Inc.", "Cedarline Security LLC"];

/// Enterprise support for charges, both in units of 1e-10.
pub fn support_fee(charges: i128) -> i128 {
    tiers(charges).iter().map(|(_, amount, permille)| amount * permille / 1000).sum()
}

/// (tier, charges within it, thousandths).
fn tiers(charges: i128) -> Vec<(usize, i128, i128)> {
    let mut list = Vec::new();
    let mut from = 0;
    for (tier, (permille, upto)) in SUPPORT_TIERS.into_iter().enumerate() {
        let upto = upto * UNITS_PER_DOLLAR;
        let within = charges.min(upto) - from;
        if within > 0 {
            list.push((tier, within, permille));
        }
        from = upto;
    }
    list
}

/// Writes the lines that are not use.
pub struct ChargeWriter<'a> {
    pub plan: &'a Plan,
    pub month: &'a MonthPlan,
    pub intervals: &'a mut Intervals,
    pub invoice_ids: &'a [String],
    pub totals: &'a mut Totals,
    pub batch: &'a mut Batch,
    next_key: u64,
    /// Taxable cash by account and product, in units of 1e-12.
    taxable: BTreeMap<(usize, String), i128>,
}

impl<'a> ChargeWriter<'a> {
    pub fn new(
        plan: &'a Plan,
        month: &'a MonthPlan,
        intervals: &'a mut Intervals,
        invoice_ids: &'a [String],
        totals: &'a mut Totals,
        batch: &'a mut Batch,
    ) -> Self {
        let next_key = mix(purpose(plan.seed, "charges"), plan.month_key(&month.month));
        ChargeWriter { plan, month, intervals, invoice_ids, totals, batch, next_key, taxable: BTreeMap::new() }
    }

    pub fn write(&mut self) {
        for ((account, product), charges) in &self.totals.charges {
            let name = self.plan.products[*product].to_owned();
            *self.taxable.entry((*account, name)).or_default() += charges.total();
        }
        self.usage_discounts();
        for index in 0..self.plan.plans.len() {
            self.savings_plan(index);
        }
        for index in 0..self.plan.reservations.len() {
            self.reservation(index);
        }
        self.fees();
        self.bundle();
        self.credits();
        self.refunds();
        self.marketplace();
        self.support();
        self.taxes();
    }

    /// A template of an account with a key of its own.
    fn template(
        &mut self,
        account: usize,
        product: &'static str,
        line_type: &'static str,
        description: impl Into<Text>,
    ) -> Template {
        self.next_key = mix(self.next_key, 1);
        let mut template = account_template(self.next_key, &self.plan.accounts[account], self.invoice_ids);
        template.set(TextColumn::Product, product).set(TextColumn::LineType, line_type).set(TextColumn::Description, description);
        template
    }

    /// Writes one line.
    fn push(&mut self, invoice: Invoice, template: Template, line_type: &'static str, interval: u32, line: Line) {
        let mut template = template;
        template.set(TextColumn::InvoiceId, self.invoice_ids[invoice as usize].clone());
        match invoice {
            Invoice::Purchase => drop(template.set(TextColumn::BillType, "Purchase")),
            Invoice::Refund => drop(template.set(TextColumn::BillType, "Refund")),
            _ => {}
        }
        let template = self.batch.template(template);
        self.push_again(invoice, template, line_type, interval, line);
    }

    fn push_again(&mut self, invoice: Invoice, template: i32, line_type: &'static str, interval: u32, line: Line) {
        let mut amounts = vec![(Column::UsageAmount, line.amount), (Column::Unblended, line.cost)];
        if line.blended {
            amounts.push((Column::Blended, line.cost));
        }
        amounts.extend_from_slice(&line.more);
        self.batch.push(template, interval, &amounts);
        self.totals.line(invoice, line_type, line.cost, line.effective);
    }

    /// The intervals of a charge by day or by month, each with the days that it spans.
    fn slots(&self, by_day: bool) -> Vec<(u32, Range<usize>)> {
        let days = self.month.month.days;
        if by_day { (0..days).map(|day| (self.intervals.day(day), day..day + 1)).collect() } else { vec![(WHOLE_MONTH, 0..days)] }
    }

    fn invoice_of(&self, account: usize) -> Invoice {
        if self.plan.accounts[account].emea { Invoice::Emea } else { Invoice::Main }
    }

    /// Discounts of the enterprise agreement and private rates on use, by account and product.
    fn usage_discounts(&mut self) {
        let charges: Vec<((usize, usize), Vec<i128>)> =
            self.totals.charges.iter().map(|(key, charges)| (*key, charges.by_day.clone())).collect();
        for ((account, product), by_day) in charges {
            let name = self.plan.products[product];
            let invoice = self.invoice_of(account);
            let template = self.template(account, name, "EdpDiscount", "EDP Discount");
            let number = self.batch.template(template);
            let mut taken = 0;
            for (interval, days) in self.slots(self.month.daily_discounts) {
                let cost = Amount::of_units(-(by_day[days].iter().sum::<i128>() * EDP / 100_000));
                if !cost.is_zero() {
                    self.push_again(invoice, number, "EdpDiscount", interval, Line::discount(cost));
                    taken += cost.money().units();
                }
            }
            if name == "AmazonS3" {
                let total: i128 = by_day.iter().sum();
                let cost = Amount::of_units(-(total * PRIVATE_RATE / 100_000));
                let template =
                    self.template(account, name, "PrivateRateDiscount", "Private rate discount: S3 storage and requests");
                self.push(invoice, template, "PrivateRateDiscount", WHOLE_MONTH, Line::discount(cost));
                taken += cost.money().units();
            }
            *self.taxable.entry((account, name.to_owned())).or_default() += taken;
        }
    }

    fn savings_plan(&mut self, index: usize) {
        let plan = self.plan.plans[index].clone();
        if self.month.months_back > plan.start_back {
            return;
        }
        let description = format!("{} {} {}yr Savings Plan", plan.offering, plan.payment.text(), plan.years);
        let mut template = self.template(0, plan.product, "SavingsPlanRecurringFee", description.clone());
        self.plan_columns(&mut template, &plan, "SavingsPlanRecurringFee");
        let number = self.batch.template(template);
        let mut discount = self.template(0, plan.product, "EdpDiscount", "EDP Discount");
        discount.product_name = Cow::Borrowed(plan.product_name);
        let discount = self.batch.template(discount);
        let used = self.totals.plan_used[index].clone();
        for (interval, days) in self.slots(self.month.daily_fees) {
            let hours = 24 * days.len() as i128;
            let fee = |rate: i128| Amount::of_units(rate * hours * 100_000);
            let used = Amount::of_units(used[days].iter().sum::<i128>() / 100);
            let commitment = fee(plan.commitment);
            let cost = fee(plan.recurring);
            self.push_again(
                Invoice::Main,
                number,
                "SavingsPlanRecurringFee",
                interval,
                Line {
                    amount: Amount::new(hours as i64, 0),
                    cost,
                    effective: Amount::of_units(commitment.units() - used.units()),
                    blended: true,
                    more: vec![
                        (Column::PlanTotalCommitment, commitment),
                        (Column::PlanUsedCommitment, used),
                        (Column::PlanAmortizedForPeriod, fee(plan.amortized)),
                        (Column::PlanRecurringForPeriod, cost),
                    ],
                },
            );
            let off = Amount::of_units(-(cost.units() * EDP / 1000));
            if !off.is_zero() {
                self.push_again(Invoice::Main, discount, "EdpDiscount", interval, Line::discount(off));
            }
        }
        if self.month.months_back == plan.start_back && plan.payment != Payment::No {
            let fee = Amount::of_units(plan.upfront_fee() * 100_000);
            self.upfront_plan(&plan, fee, 0, description);
        }
    }

    fn plan_columns(&mut self, template: &mut Template, plan: &SavingsPlan, line_type: &'static str) {
        plan_texts(template, plan, line_type);
        template
            .set(TextColumn::UsageType, plan.fee_usage_type.clone())
            .set(TextColumn::Operation, "")
            .set(TextColumn::ServiceCode, plan.product)
            .set(TextColumn::Unit, "Hrs");
        template.product_name = Cow::Borrowed(plan.product_name);
    }

    fn upfront_plan(&mut self, plan: &SavingsPlan, fee: Amount, day: usize, description: String) {
        let mut template = self.template(0, plan.product, "SavingsPlanUpfrontFee", format!("{description}: one-time fee"));
        self.plan_columns(&mut template, plan, "SavingsPlanUpfrontFee");
        let start = self.month.month.millisecond(day * 24);
        let interval = self.intervals.add(start, start + term_hours(plan.years) as i64 * 3_600_000);
        self.push(Invoice::Purchase, template, "SavingsPlanUpfrontFee", interval, Line::upfront(fee));
    }

    fn reservation(&mut self, index: usize) {
        let reservation = self.plan.reservations[index].clone();
        if self.month.months_back > reservation.start_back {
            return;
        }
        let owner = self.plan.accounts.iter().position(|account| account.role == Role::Services).unwrap_or(0);
        let (product, service) = match index {
            0 => ("AmazonEC2", "Amazon Elastic Compute Cloud"),
            1 => ("AmazonRDS", "Amazon Relational Database Service"),
            _ => ("AmazonElastiCache", "Amazon ElastiCache"),
        };
        let hours = reservation.count * self.month.month.hours();
        let unused = hours - self.totals.reservation_hours[index];
        let fee = |rate: i128, hours: i128| Amount::of_units(rate * hours * 100_000);
        let cost = fee(reservation.recurring, hours);
        let unused_amortized = fee(reservation.amortized, unused);
        let unused_recurring = fee(reservation.recurring, unused);
        let description = format!(
            "USD {} hourly fee per {} instance ({})",
            super::usage::decimal_text(reservation.recurring as i64, 5),
            reservation.instance_type,
            reservation.payment.text()
        );
        let mut template = self.template(owner, product, "RIFee", description);
        reservation_columns(&mut template, &reservation, product, service);
        self.push(
            Invoice::Main,
            template,
            "RIFee",
            WHOLE_MONTH,
            Line {
                amount: Amount::of_units(hours * UNITS_PER_DOLLAR),
                cost,
                effective: Amount::of_units(unused_amortized.units() + unused_recurring.units()),
                blended: true,
                more: vec![
                    (Column::ReservationAmortizedForPeriod, fee(reservation.amortized, hours)),
                    (Column::ReservationUnusedAmortized, unused_amortized),
                    (Column::ReservationUnusedRecurring, unused_recurring),
                    (Column::ReservationUnusedQuantity, Amount::of_units(unused * UNITS_PER_DOLLAR)),
                    (Column::ReservationUpfrontValue, fee(reservation.amortized, term_hours(reservation.years))),
                ],
            },
        );
        let mut basis = cost.money().units();
        if !cost.is_zero() {
            let off = Amount::of_units(-(cost.units() * EDP / 1000));
            let template = self.template(owner, product, "EdpDiscount", "EDP Discount");
            self.push(Invoice::Main, template, "EdpDiscount", WHOLE_MONTH, Line::discount(off));
            basis += off.money().units();
        }
        if index == 1 {
            let off = Amount::of_units(-(cost.units() * 5 / 100));
            let template = self.template(owner, product, "RiVolumeDiscount", "RI volume discount: 5 %");
            self.push(Invoice::Main, template, "RiVolumeDiscount", WHOLE_MONTH, Line::discount(off));
            basis += off.money().units();
        }
        *self.taxable.entry((owner, product.to_owned())).or_default() += basis;
        if self.month.months_back == reservation.start_back && reservation.payment != Payment::No {
            let text = format!("Sign up charge for subscription: {}, planId: 1", reservation.subscription);
            let mut template = self.template(owner, product, "Fee", text);
            reservation_columns(&mut template, &reservation, product, service);
            let start = self.month.month.millisecond(0);
            let interval = self.intervals.add(start, start + term_hours(reservation.years) as i64 * 3_600_000);
            let fee = Amount::of_units(reservation.upfront_fee() * 100_000);
            self.push(Invoice::Purchase, template, "Fee", interval, Line::upfront(fee));
        }
    }

    /// A domain for a year, training seats, and flat-rate delivery plans.
    fn fees(&mut self) {
        let month = self.month.month.clone();
        let key = mix(purpose(self.plan.seed, "fees"), self.plan.month_key(&month));
        let mut dice = Dice::new(key);
        let workload = self.workload(&mut dice);
        let day = dice.below(20) as usize + 2;
        let start = month.millisecond(day * 24);
        let year = self.intervals.add(start, start + 365 * DAY_MILLISECONDS);
        let mut template = self.template(workload, "AmazonRegistrar", "Fee", "Renewal of meridian-health.example for 1 year");
        template.set(TextColumn::UsageType, "DomainRenewal-example").product_name = Cow::Borrowed("Amazon Registrar");
        self.push(Invoice::Main, template, "Fee", year, Line::charge(Amount::new(1400, 2)));
        let mut template = self.template(0, "AWSSkillBuilder", "Fee", "AWS Skill Builder Team subscription, 60 seats");
        template.product_name = Cow::Borrowed("AWS Skill Builder");
        self.push(Invoice::Main, template, "Fee", WHOLE_MONTH, Line::charge(Amount::new(224_000, 2)));
        for (number, (plan, cents)) in [("Business", 20_000), ("Premium", 100_000)].into_iter().enumerate() {
            let account = self.workload(&mut dice);
            let text = format!("CloudFront flat-rate pricing plan: {plan}");
            let mut template = self.template(account, "AmazonCloudFront", "FlatRateSubscription", text);
            let unit = &UNITS[self.plan.accounts[account].unit];
            template.set(TextColumn::UsageType, format!("FlatRate-{plan}")).product_name = Cow::Borrowed("Amazon CloudFront");
            if number == 0 {
                template.resource_tags = vec![(Cow::Borrowed("user_cost_center"), Cow::Borrowed(unit.id))];
            }
            self.push(
                self.invoice_of(account),
                template,
                "FlatRateSubscription",
                WHOLE_MONTH,
                Line::charge(Amount::new(cents, 2)),
            );
            *self.taxable.entry((account, "AmazonCloudFront".to_owned())).or_default() += i128::from(cents) * 10_000_000_000;
        }
    }

    /// An open workload account.
    fn workload(&self, dice: &mut Dice) -> usize {
        let open = |(index, account): (usize, &Account)| (account.role == Role::Workload && !account.closed).then_some(index);
        let list: Vec<usize> = self.plan.accounts.iter().enumerate().filter_map(open).collect();
        if list.is_empty() { 0 } else { *dice.pick(&list) }
    }

    /// The security bundle of CloudFront: part of its cost given back.
    fn bundle(&mut self) {
        let product = self.plan.products.iter().position(|name| *name == "AmazonCloudFront");
        let found: Vec<(usize, i128)> = self
            .totals
            .charges
            .iter()
            .filter(|((_, one), _)| Some(*one) == product)
            .map(|((account, _), charges)| (*account, charges.total()))
            .take(4)
            .collect();
        for (account, cash) in found {
            let off = Amount::of_units(-(cash * 30 / 10_000));
            if off.is_zero() {
                continue;
            }
            let template = self.template(account, "AmazonCloudFront", "BundledDiscount", "CloudFront Security Savings Bundle");
            self.push(self.invoice_of(account), template, "BundledDiscount", WHOLE_MONTH, Line::discount(off));
            *self.taxable.entry((account, "AmazonCloudFront".to_owned())).or_default() += off.money().units();
        }
    }

    /// Migration and promotional credits on a few accounts.
    fn credits(&mut self) {
        let key = mix(purpose(self.plan.seed, "credits"), self.plan.month_key(&self.month.month));
        let mut dice = Dice::new(key);
        let total = self.month.target * CREDITS / 10_000;
        let parts = [
            ("AmazonEC2", "MAP2.0 migration credit", 45),
            ("AmazonRDS", "MAP2.0 migration credit", 25),
            ("AmazonBedrock", "AWS Promotional Credit: generative AI", 20),
            ("AmazonS3", "AWS Credit for service event", 10),
        ];
        for (product, text, percent) in parts {
            let account = self.workload(&mut dice);
            let cost = Amount::of_units(-(total * percent / 100 * (930 + i128::from(dice.below(141))) / 1000));
            let template = self.template(account, product, "Credit", text);
            self.push(self.invoice_of(account), template, "Credit", WHOLE_MONTH, Line::discount(cost));
        }
    }

    /// A refund of use every third month and in the last one, and there a savings plan bought by mistake and returned.
    fn refunds(&mut self) {
        let back = self.month.months_back;
        if !back.is_multiple_of(3) {
            return;
        }
        let key = mix(purpose(self.plan.seed, "refunds"), self.plan.month_key(&self.month.month));
        let mut dice = Dice::new(key);
        let total = self.month.target * REFUNDS / 10_000;
        for (product, percent, text) in [
            ("AmazonEC2", 60, "Refund for data transfer billed in error"),
            ("AmazonRedshift", 40, "Refund: service level agreement"),
        ] {
            let account = self.workload(&mut dice);
            let cost = Amount::cents_of_units(-(total * percent / 100));
            let template = self.template(account, product, "Refund", text);
            self.push(Invoice::Refund, template, "Refund", WHOLE_MONTH, Line::discount(cost));
        }
        if back == 0 {
            self.returned_plan(key);
        }
    }

    fn returned_plan(&mut self, key: u64) {
        let Some(first) = self.plan.plans.first() else { return };
        let id = uuid(key);
        let begin = first_day(self.month.month.period) + 8;
        let plan = SavingsPlan {
            arn: format!("arn:aws:savingsplans::{}:savingsplan/{id}", super::company::PAYER_ID),
            fee_usage_type: "ComputeSP:1yrAllUpfront".to_owned(),
            years: 1,
            payment: Payment::All,
            start: super::calendar::instant(begin * DAY_MILLISECONDS),
            end: super::calendar::instant((begin + 365) * DAY_MILLISECONDS),
            ..first.clone()
        };
        let fee = Amount::new(876_000, 2);
        self.upfront_plan(&plan, fee, 8, "Compute All Upfront 1yr Savings Plan".to_owned());
        let text = format!("Refund for one-time fee for Savings Plan ID: {id}");
        let mut template = self.template(0, plan.product, "Refund", text);
        self.plan_columns(&mut template, &plan, "Refund");
        let interval = self.intervals.day(10);
        self.push(
            Invoice::Refund,
            template,
            "Refund",
            interval,
            Line { effective: Amount::ZERO, ..Line::discount(fee.negated()) },
        );
    }

    /// Two sellers: a monthly contract and metered use by day, some of it tagged.
    fn marketplace(&mut self) {
        let total = self.month.target * MARKETPLACE / 10_000;
        let key = purpose(self.plan.seed, "marketplace");
        let names = [("Observability Cloud", "8vx2m9ojk5p3a1b0ncqd7eg4t"), ("Endpoint Shield", "3hw9k1rtb7zq5y0s8fmc2xdu6")];
        for (seller, (name, product)) in names.into_iter().enumerate() {
            let invoice = if seller == 0 { Invoice::SellerOne } else { Invoice::SellerTwo };
            let mut dice = Dice::new(mix(key, seller as u64));
            let share = total * if seller == 0 { 62 } else { 38 } / 100;
            let contract = share * 30 / 100;
            let services = self.plan.accounts.iter().position(|account| account.role == Role::Services).unwrap_or(0);
            let template = self.template(services, product, "Fee", format!("{name}: monthly platform contract"));
            let template = seller_columns(template, seller, name);
            let fee = Amount::cents_of_units(contract);
            self.push(invoice, template, "Fee", WHOLE_MONTH, Line::charge(fee));
            self.tax_seller(invoice, services, product, seller, fee.money().units());
            let mut accounts: Vec<usize> = (0..4).map(|_| self.workload(&mut dice)).collect();
            accounts.sort_unstable();
            accounts.dedup();
            for (number, account) in accounts.iter().enumerate() {
                let mut template = self.template(*account, product, "Usage", format!("{name}: hosts and ingested events"));
                template
                    .set(TextColumn::UsageType, "SoftwareUsage:Units")
                    .set(TextColumn::Unit, "Units")
                    .set(TextColumn::Term, "OnDemand");
                let unit = &UNITS[self.plan.accounts[*account].unit];
                if number % 4 != 3 {
                    template.resource_tags = vec![(Cow::Borrowed("user_cost_center"), Cow::Borrowed(unit.id))];
                }
                let template = seller_columns(template, seller, name);
                let cash = self.seller_usage(invoice, template, (share - contract) / accounts.len() as i128, &mut dice);
                self.tax_seller(invoice, *account, product, seller, cash);
            }
        }
    }

    fn seller_usage(&mut self, invoice: Invoice, template: Template, share: i128, dice: &mut Dice) -> i128 {
        let mut template = template;
        template.set(TextColumn::InvoiceId, self.invoice_ids[invoice as usize].clone());
        let number = self.batch.template(template);
        let mut cash = 0;
        for (interval, days) in self.slots(self.month.daily_fees) {
            let part: i64 = self.month.day_shares[1][days].iter().sum();
            let cost = Amount::of_units(share * i128::from(part) / 1_000_000 * (950 + i128::from(dice.below(101))) / 1000);
            self.push_again(
                invoice,
                number,
                "Usage",
                interval,
                Line { amount: Amount::of_units(cost.units() * 4), ..Line::charge(cost) },
            );
            cash += cost.money().units();
        }
        cash
    }

    fn tax_seller(&mut self, invoice: Invoice, account: usize, product: &'static str, seller: usize, cash: i128) {
        let rate = if self.plan.accounts[account].taxed { 625 } else { 0 };
        let template = self.template(account, product, "Tax", format!("Tax for product code {product}"));
        let mut template = seller_columns(template, seller, "");
        template.set(TextColumn::TaxType, "USSalesTax");
        self.push(invoice, template, "Tax", WHOLE_MONTH, Line::discount(Amount::cents_of_units(cash * rate / 1_000_000)));
    }

    /// Enterprise support on the payer, one line a tier.
    fn support(&mut self) {
        let billed = |invoice| self.totals.of_invoice(invoice).0.unblended.units();
        let charges = ((billed(Invoice::Main) + billed(Invoice::Emea)) / 100).max(0);
        for (tier, within, permille) in tiers(charges) {
            let text = format!("AWS Support (Enterprise): {} % of monthly AWS usage, tier {}", permille / 10, tier + 1);
            let mut template = self.template(0, "AWSSupportEnterprise", "Fee", text);
            template.set(TextColumn::ServiceCode, "AWSSupportEnterprise").product_name =
                Cow::Borrowed("AWS Support (Enterprise)");
            let cost = Amount::cents_of_units(within * permille / 1000);
            self.push(Invoice::Main, template, "Fee", WHOLE_MONTH, Line::charge(cost));
        }
    }

    /// One line per account and product whose charges are taxed, in whole cents; a few come to nothing, as in real bills.
    fn taxes(&mut self) {
        let taxable = std::mem::take(&mut self.taxable);
        for ((account, product), cash) in taxable {
            let rate = tax_rate(&self.plan.accounts[account]);
            if rate == 0 {
                continue;
            }
            let emea = self.plan.accounts[account].emea;
            let text = format!("Tax for product code {product}");
            let mut template = self.template(account, "", "Tax", text);
            template.set(TextColumn::Product, product).set(TextColumn::TaxType, if emea { "VAT" } else { "USSalesTax" });
            let cost = Amount::cents_of_units(cash.max(0) / 100 * rate / 10_000);
            self.push(self.invoice_of(account), template, "Tax", WHOLE_MONTH, Line::discount(cost));
        }
    }
}

/// Amounts of a line.
struct Line {
    amount: Amount,
    cost: Amount,
    effective: Amount,
    blended: bool,
    more: Vec<(Column, Amount)>,
}

impl Line {
    /// A line without blended cost: discounts, credits, refunds, tax.
    fn discount(cost: Amount) -> Self {
        Line { amount: Amount::new(1, 0), cost, effective: cost, blended: false, more: Vec::new() }
    }

    fn charge(cost: Amount) -> Self {
        Line { blended: true, ..Line::discount(cost) }
    }

    /// Cash without effective cost.
    fn upfront(cost: Amount) -> Self {
        Line { effective: Amount::ZERO, ..Line::charge(cost) }
    }
}

fn reservation_columns(template: &mut Template, reservation: &Reservation, product: &'static str, service: &'static str) {
    template
        .set(TextColumn::ReservationArn, reservation.arn.clone())
        .set(TextColumn::ReservationStart, reservation.start.clone())
        .set(TextColumn::ReservationEnd, reservation.end.clone())
        .set(TextColumn::ReservationCount, reservation.count.to_string())
        .set(TextColumn::SubscriptionId, reservation.subscription.clone())
        .set(TextColumn::LeaseLength, format!("{}yr", reservation.years))
        .set(TextColumn::OfferingClass, "standard")
        .set(TextColumn::PurchaseOption, reservation.payment.text())
        .set(TextColumn::Term, "Reserved")
        .set(TextColumn::InstanceType, reservation.instance_type)
        .set(TextColumn::UsageType, format!("HeavyUsage:{}", reservation.instance_type))
        .set(TextColumn::ServiceCode, product)
        .set(TextColumn::Region, "us-east-1");
    template.product_name = Cow::Borrowed(service);
}

fn seller_columns(template: Template, seller: usize, name: &'static str) -> Template {
    let mut template = template;
    template
        .set(TextColumn::BillingEntity, "AWS Marketplace")
        .set(TextColumn::InvoicingEntity, SELLERS[seller])
        .set(TextColumn::LegalEntity, SELLERS[seller]);
    template.product_name = Cow::Borrowed(name);
    template
}
