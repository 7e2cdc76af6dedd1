//! The savings plans and reservations of the group.

use super::calendar::days_from_civil;
use super::company::PAYER_ID;
use super::random::{mix, purpose, uuid};
use apportion_core::period::Period;

/// How a commitment is paid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Payment {
    No,
    Partial,
    All,
}

impl Payment {
    pub const fn text(self) -> &'static str {
        match self {
            Payment::No => "No Upfront",
            Payment::Partial => "Partial Upfront",
            Payment::All => "All Upfront",
        }
    }

    pub const fn compact(self) -> &'static str {
        match self {
            Payment::No => "NoUpfront",
            Payment::Partial => "PartialUpfront",
            Payment::All => "AllUpfront",
        }
    }

    /// Part of the commitment that is paid upfront, in thousandths.
    const fn upfront(self) -> i128 {
        match self {
            Payment::No => 0,
            Payment::Partial => 500,
            Payment::All => 1000,
        }
    }
}

/// A savings plan; amounts per hour in units of 1e-5.
#[derive(Debug, Clone)]
pub struct SavingsPlan {
    pub arn: String,
    pub product: &'static str,
    pub product_name: &'static str,
    pub offering: &'static str,
    pub fee_usage_type: String,
    pub region: &'static str,
    pub family: &'static str,
    pub years: u32,
    pub payment: Payment,
    /// Months before the last one in which it began; that month has the upfront fee.
    pub start_back: u32,
    pub start: String,
    pub end: String,
    /// Price of covered use in thousandths of the on-demand rate.
    pub price: i64,
    pub commitment: i128,
    pub amortized: i128,
    pub recurring: i128,
}

/// A reservation of instances of one type; amounts per instance hour in units of 1e-5.
#[derive(Debug, Clone)]
pub struct Reservation {
    pub arn: String,
    pub years: u32,
    pub payment: Payment,
    pub start_back: u32,
    pub start: String,
    pub end: String,
    pub subscription: String,
    pub instance_type: &'static str,
    pub on_demand: i64,
    pub count: i128,
    pub amortized: i128,
    pub recurring: i128,
}

/// Hours for which a commitment is amortised.
pub const fn term_hours(years: u32) -> i128 {
    years as i128 * 8760
}

fn instant(period: Period, years: u32) -> String {
    format!("{:04}-{:02}-01T00:00:00.000Z", u32::from(period.year()) + years, period.month())
}

/// The month so many months before `last`.
pub fn months_before(last: Period, back: u32) -> Period {
    (0..back).fold(last, |period, _| period.previous())
}

/// What distinguishes one savings plan from another.
struct Offer {
    product: &'static str,
    product_name: &'static str,
    offering: &'static str,
    code: &'static str,
    region: &'static str,
    family: &'static str,
    years: u32,
    payment: Payment,
    start_back: u32,
    price: i64,
}

const COMPUTE: Offer = Offer {
    product: "ComputeSavingsPlans",
    product_name: "Savings Plans for AWS Compute usage",
    offering: "Compute",
    code: "ComputeSP",
    region: "",
    family: "",
    years: 3,
    payment: Payment::No,
    start_back: 26,
    price: 640,
};

const OFFERS: [Offer; 4] = [
    COMPUTE,
    Offer { payment: Payment::Partial, price: 590, ..COMPUTE },
    Offer {
        offering: "EC2 Instance",
        code: "EC2InstanceSP",
        region: "us-east-1",
        family: "m6i",
        years: 1,
        payment: Payment::Partial,
        start_back: 5,
        price: 620,
        ..COMPUTE
    },
    Offer {
        product: "MachineLearningSavingsPlans",
        product_name: "Savings Plans for Machine Learning",
        offering: "SageMaker",
        code: "MLSP",
        years: 1,
        payment: Payment::All,
        start_back: 0,
        price: 700,
        ..COMPUTE
    },
];

/// The plans, not yet sized.
pub fn savings_plans(last: Period, seed: u64) -> Vec<SavingsPlan> {
    let key = purpose(seed, "savings plans");
    let plan = |(index, offer): (usize, &Offer)| {
        let begin = months_before(last, offer.start_back);
        let scope = if offer.family.is_empty() { String::new() } else { format!("{}.", offer.family) };
        let prefix = if offer.region.is_empty() { "" } else { "USE1-" };
        SavingsPlan {
            arn: format!("arn:aws:savingsplans::{PAYER_ID}:savingsplan/{}", uuid(mix(key, index as u64))),
            product: offer.product,
            product_name: offer.product_name,
            offering: offer.offering,
            fee_usage_type: format!("{prefix}{}:{scope}{}yr{}", offer.code, offer.years, offer.payment.compact()),
            region: offer.region,
            family: offer.family,
            years: offer.years,
            payment: offer.payment,
            start_back: offer.start_back,
            start: instant(begin, 0),
            end: instant(begin, offer.years),
            price: offer.price,
            commitment: 0,
            amortized: 0,
            recurring: 0,
        }
    };
    OFFERS.iter().enumerate().map(plan).collect()
}

impl SavingsPlan {
    /// Sizes the plan so that `used` (1e-5 per hour, everything running) is 94 % of it.
    pub fn size(&mut self, used: i128) {
        let commitment = (used * 100 / 94).max(50_000);
        self.commitment = (commitment + 99) / 100 * 100;
        self.amortized = self.commitment * self.payment.upfront() / 1000;
        self.recurring = self.commitment - self.amortized;
    }

    /// Paid on purchase, in units of 1e-5.
    pub fn upfront_fee(&self) -> i128 {
        self.amortized * term_hours(self.years)
    }
}

/// The reservations, not yet sized.
pub fn reservations(last: Period, seed: u64) -> Vec<Reservation> {
    let key = purpose(seed, "reservations");
    let owner = "100000000005";
    let list: [(&str, u32, Payment, u32); 3] =
        [("ec2", 1, Payment::All, 0), ("rds", 3, Payment::Partial, 26), ("elasticache", 3, Payment::No, 26)];
    let mut reservations = Vec::new();
    for (index, (service, years, payment, start_back)) in list.into_iter().enumerate() {
        let begin = months_before(last, start_back);
        let id = uuid(mix(key, index as u64));
        let name = match service {
            "ec2" => format!("reserved-instances/{id}"),
            "rds" => format!("ri:ri-{begin}-{}", &id[..8]),
            _ => format!("reserved-instance:ri-{begin}-{}", &id[..8]),
        };
        reservations.push(Reservation {
            arn: format!("arn:aws:{service}:us-east-1:{owner}:{name}"),
            years,
            payment,
            start_back,
            start: instant(begin, 0),
            end: instant(begin, years),
            subscription: format!("{}", 9_000_000_000 + mix(key, 100 + index as u64) % 999_999_999),
            instance_type: "",
            on_demand: 0,
            count: 0,
            amortized: 0,
            recurring: 0,
        });
    }
    reservations
}

impl Reservation {
    /// Sizes it for `used` instances of a type, with some to spare.
    pub fn size(&mut self, instance_type: &'static str, on_demand: i64, used: i128) {
        self.instance_type = instance_type;
        self.on_demand = on_demand;
        self.count = used + (used / 14).max(1);
        let on_demand = i128::from(on_demand);
        (self.amortized, self.recurring) = match self.payment {
            Payment::No => (0, on_demand * 58 / 100),
            Payment::Partial => (on_demand * 27 / 100, on_demand * 28 / 100),
            Payment::All => (on_demand * 56 / 100, 0),
        };
    }

    /// Paid on purchase, in units of 1e-5.
    pub fn upfront_fee(&self) -> i128 {
        self.amortized * term_hours(self.years) * self.count
    }
}

/// Days since 1970 of the first of a month.
pub fn first_day(period: Period) -> i64 {
    days_from_civil(i64::from(period.year()), i64::from(period.month()), 1)
}
