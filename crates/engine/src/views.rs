//! The views: statements of `sql/views/` that a person runs with `apportion query`, on any engine.

use crate::catalogue::{CatalogueError, Value, render};
use crate::query::Lookup;
use crate::schema::BillFormat;
use apportion_core::bill::Family;
use apportion_core::tags::Taxonomy;
use std::collections::BTreeMap;

/// One statement of `sql/views/`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct View {
    pub name: &'static str,
    /// What it answers, in a few words.
    pub title: &'static str,
    pub text: &'static str,
    /// Columns of its result, in their order.
    pub columns: &'static [&'static str],
}

/// Columns of views that hold amounts or counts.
const NUMBERS: [&str; 11] =
    ["accounts", "billed", "cash", "committed_rows", "effective", "list", "place", "resources", "rows", "saved", "untagged_rows"];

/// Every view, in the order in which they are listed.
pub const VIEWS: [View; 10] = [
    View {
        name: "spend_by_account",
        title: "Spend by linked account",
        text: include_str!("../../../sql/views/spend_by_account.sql"),
        columns: &["billing_period", "account_id", "account_name", "currency", "cash", "effective", "list", "rows"],
    },
    View {
        name: "payer_and_linked",
        title: "The payer's own cost against that of its linked accounts",
        text: include_str!("../../../sql/views/payer_and_linked.sql"),
        columns: &["billing_period", "billing_account_id", "side", "currency", "accounts", "cash", "effective", "rows"],
    },
    View {
        name: "spend_by_ou",
        title: "Spend by organizational unit",
        text: include_str!("../../../sql/views/spend_by_ou.sql"),
        columns: &["billing_period", "ou", "currency", "cash", "effective", "rows"],
    },
    View {
        name: "spend_by_service",
        title: "Spend by service",
        text: include_str!("../../../sql/views/spend_by_service.sql"),
        columns: &["billing_period", "service", "currency", "cash", "effective", "list", "rows"],
    },
    View {
        name: "spend_by_region",
        title: "Spend by region",
        text: include_str!("../../../sql/views/spend_by_region.sql"),
        columns: &["billing_period", "region", "currency", "cash", "effective", "list", "rows"],
    },
    View {
        name: "trend_by_ou",
        title: "Each day's spend by organizational unit",
        text: include_str!("../../../sql/views/trend_by_ou.sql"),
        columns: &["usage_day", "ou", "currency", "cash", "effective", "rows"],
    },
    View {
        name: "top_accounts_by_ou",
        title: "The ten accounts with the most cost in each organizational unit",
        text: include_str!("../../../sql/views/top_accounts_by_ou.sql"),
        columns: &["billing_period", "ou", "currency", "place", "account_id", "account_name", "cash", "effective", "rows"],
    },
    View {
        name: "services_by_ou",
        title: "Services of each organizational unit",
        text: include_str!("../../../sql/views/services_by_ou.sql"),
        columns: &["billing_period", "ou", "service", "currency", "cash", "effective", "rows"],
    },
    View {
        name: "discount_efficiency",
        title: "List price against effective cost of use, by service",
        text: include_str!("../../../sql/views/discount_efficiency.sql"),
        columns: &["billing_period", "service", "currency", "list", "effective", "saved", "rows"],
    },
    View {
        name: "daily_by_owner",
        title: "Each day's spend by owning tag, with what is untagged, unknown and committed",
        text: include_str!("../../../sql/views/daily_by_owner.sql"),
        columns: &[
            "usage_day",
            "owner",
            "currency",
            "billed",
            "effective",
            "resources",
            "rows",
            "untagged_rows",
            "committed_rows",
        ],
    },
];

impl View {
    /// The view of that name.
    pub fn named(name: &str) -> Option<View> {
        VIEWS.into_iter().find(|view| view.name == name)
    }

    /// Whether a column holds amounts or counts.
    pub fn is_number(column: &str) -> bool {
        NUMBERS.contains(&column)
    }

    /// The statement for a format, in the cost family that counts for the bill.
    pub fn render(&self, taxonomy: &Taxonomy, format: BillFormat, family: Family) -> Result<String, CatalogueError> {
        let (cash, effective) = match family {
            Family::Unblended => ("cash_unblended", "effective_unblended"),
            Family::Net => ("cash_net", "effective_net"),
        };
        let mut parameters = BTreeMap::from([("effective".to_owned(), Value::Column(effective))]);
        if self.text.contains("{{cash}}") {
            parameters.insert("cash".to_owned(), Value::Column(cash));
        }
        render(self.text, taxonomy, format, &parameters)
    }
}

/// The table `owner_spelling`: each folded spelling of an owning tag's value, and the unit that it means.
pub fn owner_spelling(taxonomy: &Taxonomy) -> Lookup {
    let owner = taxonomy.dimensions.iter().find(|dimension| dimension.name == taxonomy.owner);
    let mut spellings: BTreeMap<String, String> = BTreeMap::new();
    if let Some(owner) = owner {
        spellings.extend(owner.canonical.iter().map(|value| (owner.fold(value), value.clone())));
        spellings.extend(owner.value_aliases.clone());
    }
    Lookup {
        name: "owner_spelling".to_owned(),
        columns: vec!["spelling".to_owned(), "owner".to_owned()],
        rows: spellings.into_iter().map(|(spelling, owner)| vec![spelling, owner]).collect(),
    }
}
