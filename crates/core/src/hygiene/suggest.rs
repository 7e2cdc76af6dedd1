//! Likely owners of resources without one, learned from those that have one.
//!
//! Four kinds of evidence: the account's owners, the names that resources of one owner begin with, other tags of the same value, and the
//! resource that it belongs to. Each gives every unit a share; shares are joined as odds. All in integers, per mille.

use super::{NAME_DIMENSION, PARENT_DIMENSION, Settings};
use crate::allocate::owner::{Finder, Line};
use crate::bill::{Family, Measure};
use crate::ledger::Component;
use crate::model::{Configuration, Owner};
use crate::money::Money;
use crate::org::OrgSnapshot;
use crate::period::Period;
use crate::text::Text;
use serde::{Deserialize, Serialize};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::hash::{DefaultHasher, Hash, Hasher};

/// One row of `sql/hygiene/resources.sql`: a resource's taggable lines of the window, alike in all that follows.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Resource {
    pub provider: String,
    pub issuer: String,
    pub account_id: String,
    pub service: String,
    pub charge_type: String,
    pub currency: String,
    pub resource_id: String,
    /// Raw values of `resource_taxonomy`'s dimensions, in their order.
    pub tags: Vec<Text>,
    pub effective: Measure,
}

/// Why a unit is likely.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Evidence {
    /// `account`, `name`, `tag <dimension>` or `parent`.
    pub source: String,
    /// The account, what the name begins with, the value, the resource.
    pub detail: String,
    /// Of so many owned resources of that kind so many belong to the unit.
    pub hits: u64,
    pub of: u64,
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {} of {}", self.source, self.detail, self.hits, self.of)
    }
}

/// A likely owner.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suggestion {
    pub account_id: String,
    pub service: String,
    pub resource_id: String,
    pub currency: String,
    /// Effective cost in the window.
    pub amount: Money,
    /// The owning tag's value that names no unit, `""` if untagged.
    pub tag_value: String,
    pub owner: String,
    /// Per mille.
    pub confidence: u32,
    /// What speaks for the owner, the strongest first.
    pub evidence: Vec<Evidence>,
}

/// What a suggestion's id is the digest of: the same resource and owner have the same id on every day.
pub fn suggestion_id(suggestion: &Suggestion) -> String {
    format!("{}\n{}\n{}\n", suggestion.account_id, suggestion.resource_id, suggestion.owner)
}

/// Owned resources by unit.
type Counts = BTreeMap<u32, u64>;

/// A resource that nobody owns.
struct Target {
    service: String,
    currency: String,
    amount: Money,
    tag_value: String,
    name: String,
    parent: String,
    /// (dimension, canonical value).
    tags: BTreeSet<(usize, String)>,
}

/// Learns from a bill's resources, then suggests. Their order does not matter.
pub struct Learner<'a> {
    configuration: &'a Configuration,
    finder: Finder<'a>,
    settings: &'a Settings,
    family: Family,
    name: Option<usize>,
    parent: Option<usize>,
    units: BTreeMap<String, u32>,
    /// Owned resources by digest: the first of their units, and the digest of the parent, 0 if none is named. A large bill names millions:
    /// digests, unlike names, are eight bytes.
    owned: BTreeMap<u64, (u32, u64)>,
    /// What was counted, by digest of resource, unit and fact, so that no fact counts twice, in whatever order its rows come.
    counted: BTreeSet<u64>,
    accounts: BTreeMap<String, Counts>,
    names: BTreeMap<String, Counts>,
    tags: BTreeMap<(usize, String), Counts>,
    targets: BTreeMap<(String, String), Target>,
}

impl<'a> Learner<'a> {
    /// `configuration` has the taxonomy of `resource_taxonomy`.
    pub fn new(
        configuration: &'a Configuration,
        organization: &'a OrgSnapshot,
        period: Period,
        settings: &'a Settings,
        family: Family,
    ) -> Learner<'a> {
        let place = |name: &str| configuration.taxonomy.dimensions.iter().position(|dimension| dimension.name == name);
        Learner {
            finder: Finder::new(configuration, organization, period),
            name: place(NAME_DIMENSION),
            parent: place(PARENT_DIMENSION),
            configuration,
            settings,
            family,
            units: configuration.units.iter().zip(0..).map(|(unit, number)| (unit.id.clone(), number)).collect(),
            owned: BTreeMap::new(),
            counted: BTreeSet::new(),
            accounts: BTreeMap::new(),
            names: BTreeMap::new(),
            tags: BTreeMap::new(),
            targets: BTreeMap::new(),
        }
    }

    /// Takes one row in. A resource that had an owner on some lines counts as owned.
    pub fn observe(&mut self, row: &Resource) {
        let line = Line {
            provider: &row.provider,
            issuer: &row.issuer,
            account_id: &row.account_id,
            service: &row.service,
            charge_type: &row.charge_type,
            tags: &row.tags,
        };
        let found = self.finder.find(line, Component::Direct);
        let key = (row.account_id.clone(), row.resource_id.clone());
        let at = |place: Option<usize>| place.and_then(|place| row.tags.get(place)).cloned().unwrap_or_default();
        if found.by_absence {
            let tags = self.other_tags(row);
            let target = self.targets.entry(key).or_insert_with(|| Target {
                service: row.service.clone(),
                currency: row.currency.clone(),
                amount: Money::ZERO,
                tag_value: String::new(),
                name: String::new(),
                parent: String::new(),
                tags: BTreeSet::new(),
            });
            target.amount += row.effective.of(self.family);
            target.service = target.service.clone().min(row.service.clone());
            target.tag_value = std::mem::take(&mut target.tag_value).max(found.owner_value.into());
            target.name = std::mem::take(&mut target.name).max(at(self.name).into());
            target.parent = std::mem::take(&mut target.parent).max(at(self.parent).into());
            target.tags.extend(tags);
            return;
        }
        // What a line rule gives to a unit says nothing about names and neighbours.
        let Owner::Unit(unit) = &found.owner else { return };
        if !found.rule_id.starts_with("tag.") {
            return;
        }
        let Some(unit) = self.units.get(unit).copied() else { return };
        let resource = digest(&key);
        let parent = Some(at(self.parent)).filter(|parent| !parent.is_empty());
        let parent = parent.map_or(0, |parent| digest(&(row.account_id.clone(), parent)));
        let known = self.owned.entry(resource).or_insert((unit, parent));
        *known = (known.0.min(unit), known.1.max(parent));
        if self.counted.insert(digest(&(resource, unit))) {
            *self.accounts.entry(row.account_id.clone()).or_default().entry(unit).or_default() += 1;
        }
        for pattern in patterns(&row.resource_id, &at(self.name)) {
            if self.counted.insert(digest(&(resource, unit, &pattern))) {
                *self.names.entry(pattern).or_default().entry(unit).or_default() += 1;
            }
        }
        for tag in self.other_tags(row) {
            if self.counted.insert(digest(&(resource, unit, &tag))) {
                *self.tags.entry(tag).or_default().entry(unit).or_default() += 1;
            }
        }
    }

    /// Canonical values of the dimensions that are neither the owning one nor name and parent.
    fn other_tags(&self, row: &Resource) -> BTreeSet<(usize, String)> {
        let taxonomy = &self.configuration.taxonomy;
        let skipped = [self.name, self.parent, taxonomy.owner_index()];
        let tags = taxonomy.dimensions.iter().zip(&row.tags).enumerate();
        let wanted = tags.filter(|(place, _)| !skipped.contains(&Some(*place)));
        wanted.filter_map(|(place, (dimension, raw))| Some((place, dimension.canonical_value(raw)?))).collect()
    }

    /// How often a resource whose parent is known has its parent's owner: (agreeing, all).
    fn kinship(&self) -> (u64, u64) {
        let mut counts = (0, 0);
        for (unit, parent) in self.owned.values().filter(|(_, parent)| *parent != 0) {
            if let Some((owner, _)) = self.owned.get(parent) {
                counts.0 += u64::from(owner == unit);
                counts.1 += 1;
            }
        }
        counts
    }

    /// Resources without an owner, all of them: count and amount, whether or not a suggestion can be made.
    pub fn unowned(&self) -> (usize, Money) {
        let targets = self.targets.iter().filter(|(key, _)| !self.owned.contains_key(&digest(key)));
        targets.fold((0, Money::ZERO), |(count, sum), (_, target)| (count + 1, sum + target.amount))
    }

    /// A likely owner for each resource that has none and for which the evidence suffices, the largest amount first.
    pub fn suggestions(&self) -> Vec<Suggestion> {
        let kinship = self.kinship();
        let ids: BTreeMap<u32, &String> = self.units.iter().map(|(id, number)| (*number, id)).collect();
        let mut made: Vec<Suggestion> = self
            .targets
            .iter()
            .filter(|(key, _)| !self.owned.contains_key(&digest(key)))
            .filter_map(|((account, resource), target)| self.suggest(account, resource, target, kinship, &ids))
            .collect();
        made.sort_by(|a, b| {
            b.amount.cmp(&a.amount).then_with(|| (&a.account_id, &a.resource_id).cmp(&(&b.account_id, &b.resource_id)))
        });
        made
    }

    fn suggest(
        &self,
        account: &str,
        resource: &str,
        target: &Target,
        kinship: (u64, u64),
        ids: &BTreeMap<u32, &String>,
    ) -> Option<Suggestion> {
        let mut sources: Vec<(String, String, Counts)> = Vec::new();
        if let Some(counts) = self.accounts.get(account) {
            sources.push(("account".to_owned(), account.to_owned(), counts.clone()));
        }
        let named =
            patterns(resource, &target.name).into_iter().filter_map(|one| self.names.get(&one).map(|counts| (one, counts)));
        if let Some((pattern, counts)) = named.max_by_key(|(pattern, counts)| (top(counts), pattern.clone())) {
            sources.push(("name".to_owned(), pattern, counts.clone()));
        }
        let tagged = target.tags.iter().filter_map(|tag| self.tags.get(tag).map(|counts| (tag, counts)));
        if let Some(((place, value), counts)) = tagged.max_by_key(|(tag, counts)| (top(counts), (*tag).clone())) {
            let dimension = &self.configuration.taxonomy.dimensions[*place].name;
            sources.push((format!("tag {dimension}"), value.clone(), counts.clone()));
        }
        if let Some((unit, _)) = self.owned.get(&digest(&(account.to_owned(), target.parent.clone()))).filter(|_| kinship.1 > 0) {
            // As sure as parents have proved in this bill; what they miss belongs to nobody in particular.
            let counts = Counts::from([(*unit, kinship.0), (u32::MAX, kinship.1 - kinship.0)]);
            sources.push(("parent".to_owned(), target.parent.clone(), counts));
        }
        let (unit, confidence) = join(&sources)?;
        if confidence < self.settings.minimum_confidence {
            return None;
        }
        let mut evidence: Vec<(u64, Evidence)> = Vec::new();
        for (source, detail, counts) in sources {
            let (hits, of) = (counts.get(&unit).copied().unwrap_or_default(), counts.values().sum());
            evidence.push((share(hits, of), Evidence { source, detail, hits, of }));
        }
        evidence.sort_by(|a, b| b.cmp(a));
        Some(Suggestion {
            account_id: account.to_owned(),
            service: target.service.clone(),
            resource_id: resource.to_owned(),
            currency: target.currency.clone(),
            amount: target.amount,
            tag_value: target.tag_value.clone(),
            owner: (*ids.get(&unit)?).clone(),
            confidence,
            evidence: evidence.into_iter().filter(|(share, _)| *share >= TELLING).map(|(_, one)| one).collect(),
        })
    }
}

/// Eight bytes for a name: of ten million names, one chance in three hundred thousand that two are taken for one, and one count is off.
fn digest(of: &impl Hash) -> u64 {
    let mut hasher = DefaultHasher::new();
    of.hash(&mut hasher);
    hasher.finish()
}

/// Evidence that speaks less for the unit, per mille, is not worth reading.
const TELLING: u64 = 300;

/// Per mille of `hits` in `of`, with two more that miss: a single neighbour proves little.
fn share(hits: u64, of: u64) -> u64 {
    hits * 1000 / (of + 2)
}

fn top(counts: &Counts) -> u64 {
    let of = counts.values().sum();
    counts.values().map(|hits| share(*hits, of)).max().unwrap_or_default()
}

/// The unit with the best odds over all evidence, and its share of all odds, per mille.
fn join(sources: &[(String, String, Counts)]) -> Option<(u32, u32)> {
    let units: BTreeSet<u32> =
        sources.iter().flat_map(|(_, _, counts)| counts.keys().copied()).filter(|unit| *unit != u32::MAX).collect();
    let odds: Vec<(u32, u64)> = units
        .into_iter()
        .map(|unit| {
            let against = sources.iter().fold(1_000_000u64, |rest, (_, _, counts)| {
                let of = counts.values().sum();
                rest * (1000 - share(counts.get(&unit).copied().unwrap_or_default(), of)) / 1000
            });
            (unit, (1_000_000 - against) * 1000 / against.max(1_000))
        })
        .collect();
    let sum: u64 = odds.iter().map(|(_, odds)| odds).sum();
    // One more unit of odds for whoever is not known here.
    let best = odds.iter().rev().max_by_key(|(_, odds)| *odds)?;
    let confidence = best.1 * 1000 / (sum + 50);
    Some((best.0, u32::try_from(confidence).unwrap_or_default()))
}

/// Most words of a name that a pattern keeps.
const WORDS: usize = 4;

/// What a resource's name, and each part of its id that is one, begins with: one to four words, up to the first that holds a digit.
///
/// `arn:aws:rds:us-east-1:100000000009:db:claims-prod-api-03` and `claims-prod-api-03` begin with `claims`, `claims-prod`, `claims-prod-api`.
fn patterns(resource_id: &str, name: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let own = match resource_id.strip_prefix("arn:") {
        // partition, service, region, account, then what is the resource's own
        Some(rest) => rest.splitn(5, ':').nth(4).unwrap_or_default(),
        None => resource_id,
    };
    for part in own.split([':', '/']).chain([name]) {
        let mut pattern = String::new();
        let words = part.split(['-', '_', '.', ' ']).filter(|word| !word.is_empty());
        for word in words.take_while(|word| !word.contains(|character: char| character.is_ascii_digit())).take(WORDS) {
            if !pattern.is_empty() {
                pattern.push('-');
            }
            pattern.push_str(&word.to_lowercase());
            // One or two letters are what AWS begins ids with: i-, vol-, fs-.
            if pattern.chars().count() > 2 {
                found.insert(pattern.clone());
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_begin_with_words_up_to_a_digit() {
        let of = |id: &str, name: &str| patterns(id, name).into_iter().collect::<Vec<_>>();
        let words = ["claims", "claims-prod", "claims-prod-api"];
        assert_eq!(of("claims-prod-api-03", ""), words);
        assert_eq!(of("i-0abc", "Claims_prod.api 03"), words);
        assert_eq!(
            of("arn:aws:rds:us-east-1:100000000009:db:claims-prod-api-03", ""),
            ["claims", "claims-prod", "claims-prod-api", "db"][..3]
        );
        assert_eq!(of("i-0f3a", ""), Vec::<String>::new());
        assert_eq!(of("arn:aws:x", "=cmd()"), ["=cmd()"]);
        assert_eq!(of("a-b-c-d-e-f", ""), ["a-b", "a-b-c", "a-b-c-d"]);
    }

    #[test]
    fn agreeing_evidence_is_surer_and_a_single_neighbour_proves_little() {
        let source = |list: &[(u32, u64)]| (String::new(), String::new(), list.iter().copied().collect::<Counts>());
        let confidence = |sources: &[(String, String, Counts)]| join(sources).map(|(unit, confidence)| (unit, confidence / 100));
        assert_eq!(join(&[]), None);
        assert!(matches!(confidence(&[source(&[(1, 1)])]), Some((1, ..=9))));
        let (most, all) = (source(&[(1, 90), (2, 10)]), source(&[(1, 50)]));
        assert!(join(&[most.clone(), all.clone()]).unwrap_or_default() > join(std::slice::from_ref(&most)).unwrap_or_default());
        assert_eq!(join(&[most, source(&[(2, 200)])]).map(|(unit, _)| unit), Some(2), "the purer evidence wins");
    }
}
