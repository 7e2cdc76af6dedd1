//! The resources: which there are, where, whose, how large, since when. Every one is a function of the seed and its number.

use super::calendar::Month;
use super::catalogue::{CATALOGUE, Coverage, Entry, INSTANCES, Place, Price, VOLUMES};
use super::company::{self, Account, CLOSED_MONTHS_BACK, Environment, Role, UNITS};
use super::random::{Dice, mix, purpose};

/// Name and usage type prefix of a region.
pub const REGIONS: [(&str, &str, &str); 5] = [
    ("us-east-1", "", "US East (N. Virginia)"),
    ("us-east-2", "USE2-", "US East (Ohio)"),
    ("us-west-2", "USW2-", "US West (Oregon)"),
    ("eu-west-1", "EU-", "EU (Ireland)"),
    ("eu-central-1", "EUC1-", "EU (Frankfurt)"),
];

/// When a resource runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedule {
    Always,
    /// All day on week days.
    WeekDays,
    /// Twelve hours on week days.
    OfficeHours,
}

impl Schedule {
    pub const fn hours(self, weekend: bool) -> i128 {
        match self {
            Schedule::Always => 24,
            Schedule::WeekDays => {
                if weekend {
                    0
                } else {
                    24
                }
            }
            Schedule::OfficeHours => {
                if weekend {
                    0
                } else {
                    12
                }
            }
        }
    }

    /// Whether it runs in an hour of a day on which it runs.
    pub const fn runs(self, weekend: bool, hour: usize) -> bool {
        match self {
            Schedule::Always => true,
            Schedule::WeekDays => !weekend,
            Schedule::OfficeHours => !weekend && hour >= 11 && hour < 23,
        }
    }

    pub const fn month_hours(self, days: i128, weekdays: i128) -> i128 {
        match self {
            Schedule::Always => days * 24,
            Schedule::WeekDays => weekdays * 24,
            Schedule::OfficeHours => weekdays * 12,
        }
    }
}

/// A resource, or a fleet of up to three alike in account, size and zone.
#[derive(Debug, Clone)]
pub struct Series {
    pub key: u64,
    pub entry: usize,
    pub index: u64,
    pub account: usize,
    pub region: usize,
    pub zone: u8,
    pub weight: i128,
    /// Months before the last one in which it was launched; `u32::MAX` for those that were always there.
    pub born_back: u32,
    /// Day of that month, counted from 0, on which it was launched.
    pub born_day: usize,
    /// Which lines of its entry it bills, bit by bit.
    pub lines: u8,
    pub schedule: Schedule,
    pub hourly: bool,
    /// The unit that owns each member of the fleet.
    pub owners: [usize; 3],
    /// The instance to which a volume is attached.
    pub parent: Option<u64>,
}

/// How many series each entry has, and how to find their accounts.
#[derive(Debug)]
pub struct Population {
    pub counts: Vec<u64>,
    /// The first of them are metered by the hour.
    pub hourly: Vec<u64>,
    key: u64,
    choices: Vec<(Place, Vec<(u64, usize)>)>,
}

const PLACES: [Place; 8] = [
    Place::Anywhere,
    Place::Production,
    Place::Analytics,
    Place::ContactCenter,
    Place::Network,
    Place::Logging,
    Place::Security,
    Place::SharedServices,
];

impl Population {
    pub fn new(accounts: &[Account], seed: u64) -> Self {
        let choices = PLACES
            .into_iter()
            .map(|place| {
                let mut total = 0;
                let mut list = Vec::new();
                for (index, account) in accounts.iter().enumerate() {
                    let weight = account.weight * affinity(place, account);
                    if weight > 0 {
                        total += weight;
                        list.push((total, index));
                    }
                }
                (place, list)
            })
            .collect();
        Population { counts: vec![0; CATALOGUE.len()], hourly: vec![0; CATALOGUE.len()], key: purpose(seed, "series"), choices }
    }

    fn account(&self, place: Place, dice: &mut Dice) -> usize {
        let found = self.choices.iter().find(|(known, list)| *known == place && !list.is_empty());
        let Some((_, list)) = found.or_else(|| self.choices.first()) else { return 0 };
        let total = list.last().map_or(1, |(total, _)| *total);
        let draw = dice.below(total);
        let position = list.partition_point(|(upto, _)| *upto <= draw);
        list[position.min(list.len() - 1)].1
    }

    /// The series of an entry with a number.
    pub fn series(&self, accounts: &[Account], entry_index: usize, index: u64) -> Series {
        let entry = &CATALOGUE[entry_index];
        let key = mix(mix(self.key, entry_index as u64), index);
        let mut dice = Dice::new(key);
        let committed = entry.place == Place::Production;
        let attached = entry_index == VOLUMES && self.counts[INSTANCES] > 0 && dice.chance(850);
        let weight = i128::from(100 + dice.below(900)) << (dice.draw().trailing_zeros().min(6));
        let hourly = index < self.hourly[entry_index];
        let lines = lines(entry, &mut dice);
        if attached {
            let parent = dice.below(self.counts[INSTANCES]);
            let host = self.series(accounts, INSTANCES, parent);
            return Series {
                key,
                entry: entry_index,
                index,
                weight,
                lines,
                hourly,
                schedule: Schedule::Always,
                parent: Some(parent),
                ..host
            };
        }
        let account = self.account(entry.place, &mut dice);
        let home = &accounts[account];
        let region = region(home, committed, &mut dice);
        let schedule = schedule(entry, home, &mut dice);
        let born_back = if committed || dice.chance(600) { u32::MAX } else { dice.below(25) as u32 };
        let born_day = dice.below(28) as usize;
        let first = owner(home, &mut dice);
        let mut owners = [first; 3];
        for other in owners.iter_mut().skip(1) {
            if dice.chance(150) {
                *other = owner(home, &mut dice);
            }
        }
        Series {
            key,
            entry: entry_index,
            index,
            account,
            region,
            zone: dice.below(3) as u8,
            weight,
            born_back,
            born_day,
            lines,
            schedule,
            hourly,
            owners,
            parent: None,
        }
    }
}

impl Series {
    pub fn entry(&self) -> &'static Entry {
        &CATALOGUE[self.entry]
    }

    pub fn fleet(&self) -> usize {
        self.entry().fleet as usize
    }

    pub fn has_line(&self, line: usize) -> bool {
        self.lines & (1 << line) != 0
    }

    /// Cost of all lines in thousandths of the first line's.
    pub fn load(&self) -> i128 {
        let lines = self.entry().lines.iter().enumerate();
        lines.filter(|(index, _)| self.has_line(*index)).map(|(_, line)| i128::from(line.share)).sum()
    }

    /// Whether it runs in the month so many months before the last.
    pub fn lives(&self, accounts: &[Account], months_back: u32) -> bool {
        let open = !accounts[self.account].closed || months_back >= CLOSED_MONTHS_BACK || self.entry().residual;
        open && months_back <= self.born_back
    }

    /// Lines in a month in which it always lives.
    pub fn line_count(&self, month: &Month) -> u64 {
        let days = match self.schedule {
            Schedule::Always => month.days,
            Schedule::WeekDays | Schedule::OfficeHours => month.weekdays(),
        } as u64;
        let hours = match (self.hourly, self.schedule) {
            (false, _) => 1,
            (true, Schedule::OfficeHours) => 12,
            (true, _) => 24,
        };
        let negation = u64::from(matches!(self.entry().coverage, Coverage::SavingsPlans(_)));
        (u64::from(self.lines.count_ones()) * self.fleet() as u64 + negation) * days * hours
    }

    /// Day of a month, counted from 0, on which its lines begin.
    pub fn first_day(&self, months_back: u32) -> usize {
        if months_back == self.born_back { self.born_day } else { 0 }
    }
}

fn lines(entry: &Entry, dice: &mut Dice) -> u8 {
    let mut mask = 0;
    for (index, line) in entry.lines.iter().enumerate() {
        if dice.chance(line.chance) || index == 0 {
            mask |= 1 << index;
        }
    }
    mask
}

/// How much of what an account spends goes to a kind of place, relative to other accounts.
fn affinity(place: Place, account: &Account) -> u64 {
    let production = account.environment == Environment::Production;
    let business = UNITS[account.unit].business_unit;
    let open = !account.closed;
    match (place, account.role) {
        (_, Role::Payer) => u64::from(place == Place::Anywhere),
        (Place::Anywhere, Role::Workload) => 10,
        (Place::Anywhere, _) => 4,
        (Place::Production, Role::Workload) => u64::from(production && open && !account.emea) * 10,
        (Place::Production, Role::Services) => 10,
        (Place::Analytics, Role::Workload) => u64::from(open) * if business == "Analytics" { 20 } else { 1 },
        (Place::ContactCenter, Role::Workload) => u64::from(open) * if account.unit == company::CONTACT_CENTER { 40 } else { 1 },
        (Place::Network, Role::Network) => 400,
        (Place::Network, Role::Workload) => u64::from(open),
        (Place::Logging, Role::Logging) => 400,
        (Place::Logging, Role::Workload) => u64::from(open),
        (Place::Security, Role::Security) => 400,
        (Place::Security, Role::Workload) => u64::from(open) * 2,
        (Place::SharedServices, Role::Services) => 200,
        (Place::SharedServices, Role::Workload) => u64::from(open) * 2,
        _ => 0,
    }
}

fn region(account: &Account, committed: bool, dice: &mut Dice) -> usize {
    if account.emea {
        return if dice.chance(700) { 3 } else { 4 };
    }
    match dice.below(100) {
        _ if committed => 0,
        0..62 => 0,
        62..85 => 1,
        85..98 => 2,
        _ => 3,
    }
}

fn schedule(entry: &Entry, account: &Account, dice: &mut Dice) -> Schedule {
    if !matches!(entry.price, Price::Hourly(_)) {
        return Schedule::Always;
    }
    let production = account.environment == Environment::Production;
    match dice.below(100) {
        0..8 => Schedule::WeekDays,
        8..48 if !production => Schedule::OfficeHours,
        _ => Schedule::Always,
    }
}

/// Whose a resource in an account is: mostly the account's own unit, sometimes a neighbour's, in shared accounts the platform's.
fn owner(account: &Account, dice: &mut Dice) -> usize {
    let draw = dice.below(1000);
    let other = dice.below(UNITS.len() as u64) as usize;
    if account.role != Role::Workload {
        return if draw < 930 { account.unit } else { other };
    }
    match draw {
        0..870 => account.unit,
        870..960 => {
            let same = |unit: &usize| UNITS[*unit].business_unit == UNITS[account.unit].business_unit;
            let family: Vec<usize> = (0..UNITS.len()).filter(same).collect();
            *dice.pick(&family)
        }
        _ => other,
    }
}
