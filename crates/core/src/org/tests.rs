#![allow(clippy::unwrap_used)]
use super::*;
use proptest::prelude::*;

fn day(text: &str) -> Day {
    text.parse().unwrap()
}

/// One account, below an OU of that name.
fn tree(ou: &str, account: &str) -> OrgSnapshot {
    let unit = OrganizationalUnit { id: "ou-1".into(), name: ou.into(), parent_id: "r-1".into() };
    let account = Account { id: "100000000001".into(), name: account.into(), parent_id: "ou-1".into(), state: "ACTIVE".into() };
    OrgSnapshot { root_ids: vec!["r-1".into()], units: vec![unit], accounts: vec![account] }
}

fn dated(text: &str, ou: &str) -> DatedTree {
    DatedTree { from: day(text), snapshot: day(text), tree: tree(ou, text) }
}

fn stretches(snapshots: &[(&str, &str)]) -> Option<Vec<(String, String)>> {
    let snapshots = snapshots.iter().map(|(text, ou)| dated(text, ou)).collect();
    let found = Organization::by_day("2026-09".parse().unwrap(), snapshots)?;
    Some(found.stretches().iter().map(|stretch| (stretch.from.to_string(), stretch.snapshot.to_string())).collect())
}

#[test]
fn a_period_is_cut_where_an_ou_changed_and_nowhere_else() {
    let is = |pairs: &[(&str, &str)]| Some(pairs.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect::<Vec<_>>());
    // A, B, A; the newest before the month holds at its start, what lies after it does not count.
    let moves = [("2026-07-31", "X"), ("2026-08-30", "A"), ("2026-09-06", "B"), ("2026-09-21", "A"), ("2026-10-01", "C")];
    assert_eq!(
        stretches(&moves),
        is(&[("2026-09-01", "2026-08-30"), ("2026-09-06", "2026-09-06"), ("2026-09-21", "2026-09-21")])
    );
    // Nothing moved: one stretch, by the newest snapshot.
    assert_eq!(stretches(&[("2026-08-30", "A"), ("2026-09-06", "A"), ("2026-09-30", "A")]), is(&[("2026-09-01", "2026-09-30")]));
    // Days before the first snapshot go by it.
    assert_eq!(
        stretches(&[("2026-09-10", "A"), ("2026-09-12", "B")]),
        is(&[("2026-09-01", "2026-09-10"), ("2026-09-12", "2026-09-12")])
    );
    // One of the first day itself holds from it on.
    assert_eq!(stretches(&[("2026-08-30", "A"), ("2026-09-01", "B")]), is(&[("2026-09-01", "2026-09-01")]));
    assert_eq!(stretches(&[("2026-10-01", "A")]), None);
    assert_eq!(stretches(&[]), None);
}

#[test]
fn one_tree_is_written_as_before_and_several_as_a_list() {
    let one = Organization::from(tree("A", "a"));
    assert_eq!(serde_json::to_string(&one).unwrap(), serde_json::to_string(&tree("A", "a")).unwrap());
    assert_eq!((one.changes(), one.stretches()), (vec![], vec![]));
    let two = Organization::by_day("2026-09".parse().unwrap(), vec![dated("2026-08-30", "A"), dated("2026-09-06", "B")]).unwrap();
    let text = serde_json::to_string(&two).unwrap();
    assert!(text.starts_with(r#"{"Trees":[{"From":"2026-09-01","Snapshot":"2026-08-30","Roots":[{"Id":"r-1"}]"#), "{text}");
    assert_eq!(two.changes(), [day("2026-09-01"), day("2026-09-06")]);
    assert_eq!(two.clone().account_names()["100000000001"], "2026-09-06");
    for organization in [one, two] {
        let text = serde_json::to_string(&organization).unwrap();
        assert_eq!(serde_json::from_str::<Organization>(&text).unwrap(), organization);
    }
    assert!(serde_json::from_str::<Organization>(r#"{"Trees":[]}"#).is_err());
}

proptest! {
    /// Each day has the OU of the newest snapshot that is not after it, and what a close wrote down gives itself.
    #[test]
    fn every_day_goes_by_the_newest_snapshot_not_after_it(snapshots in prop::collection::btree_map(-40i64..40, 0usize..3, 1..12)) {
        let first = day("2026-09-01");
        let given: Vec<DatedTree> = snapshots
            .iter()
            .map(|(offset, ou)| dated(&first.plus(*offset).unwrap().to_string(), ["A", "B", "C"][*ou]))
            .collect();
        let period = "2026-09".parse().unwrap();
        let Some(found) = Organization::by_day(period, given) else {
            prop_assert!(snapshots.keys().all(|offset| *offset >= 30));
            return Ok(());
        };
        let text = serde_json::to_string(&found).unwrap();
        let trees: Vec<DatedTree> = match serde_json::from_str(&text).unwrap() {
            Form::ByDay { trees } => trees,
            Form::One(_) => vec![],
        };
        prop_assert_eq!(&Organization::by_day(period, trees).unwrap(), &found);
        for offset in 0..30 {
            let expected = snapshots.range(..=offset).next_back().or_else(|| snapshots.iter().next()).unwrap().1;
            let earlier = found.earlier().collect::<Vec<_>>();
            let next = found.stretches().iter().rposition(|stretch| stretch.from <= first.plus(offset).unwrap()).unwrap();
            let tree = earlier.get(next).map_or(found.end(), |(_, tree)| *tree);
            prop_assert_eq!(&tree.units[0].name, ["A", "B", "C"][*expected]);
        }
    }
}
