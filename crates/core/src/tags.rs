//! Tag dimensions: which keys name one, and which spelling of a value is meant.
//!
//! The alias chain runs in SQL (rendered from the [`Taxonomy`]) and here ([`Dimension::raw_value`]) with the same result;
//! what a value means ([`Dimension::canonical_value`]) is decided here only.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Where a tag key is looked up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TagColumn {
    /// CUR 2.0 `resource_tags`: normalised keys such as `user_cost_center`.
    Cur2ResourceTags,
    /// CUR 2.0 `tags`: prefixed keys such as `resourceTags/CostCenter`, `accountTag/…`.
    Cur2Tags,
    /// CUR 2.0 `cost_category`: normalised category names.
    Cur2CostCategory,
    /// FOCUS `Tags`: keys as the user wrote them.
    FocusTags,
}

/// How tag keys become dimensions.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Taxonomy {
    /// Name of the dimension whose value names the unit (`cost_center` unless configured).
    pub owner: String,
    pub dimensions: Vec<Dimension>,
}

/// One tag dimension such as `cost_center`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dimension {
    /// `[a-z][a-z0-9_]*`: it becomes a column name.
    pub name: String,
    pub mandatory: bool,
    /// Tag keys by column, in order: the first key whose trimmed value is not empty wins.
    pub aliases: BTreeMap<TagColumn, Vec<String>>,
    /// Values compare without case.
    pub fold_case: bool,
    /// Spellings to print; a value equal to one after normalisation becomes it.
    pub canonical: Vec<String>,
    /// Spellings, normalised form -> canonical value. `config` lists the canonical ones too: one look-up then finds any.
    pub value_aliases: BTreeMap<String, String>,
}

/// Java's `Character.isWhitespace`, which is what Trino's `trim` removes: no-break spaces stay.
pub fn is_trimmed(character: char) -> bool {
    matches!(character,
        '\u{9}'..='\u{d}' | '\u{1c}'..='\u{20}' | '\u{1680}' | '\u{2000}'..='\u{2006}' | '\u{2008}'..='\u{200a}'
        | '\u{2028}' | '\u{2029}' | '\u{205f}' | '\u{3000}')
}

/// Trims as SQL does.
pub fn trim(value: &str) -> &str {
    value.trim_matches(is_trimmed)
}

impl Dimension {
    /// The raw value by the alias chain, `""` if none: the same as the rendered SQL gives.
    pub fn raw_value<'a>(&self, columns: &'a BTreeMap<TagColumn, BTreeMap<String, String>>) -> &'a str {
        for (column, keys) in &self.aliases {
            let Some(map) = columns.get(column) else { continue };
            for key in keys {
                if let Some(value) = map.get(key) {
                    let value = trim(value);
                    if !value.is_empty() {
                        return value;
                    }
                }
            }
        }
        ""
    }

    /// Form in which two values are compared.
    pub fn fold(&self, value: &str) -> String {
        let trimmed = trim(value);
        if self.fold_case { trimmed.to_lowercase() } else { trimmed.to_owned() }
    }

    /// The value that a raw one means: value alias, then canonical spelling, else the folded value. `None` when untagged.
    pub fn canonical_value(&self, raw: &str) -> Option<String> {
        let folded = self.fold(raw);
        if folded.is_empty() {
            return None;
        }
        if let Some(meant) = self.value_aliases.get(&folded) {
            return Some(meant.clone());
        }
        Some(self.canonical.iter().find(|value| self.fold(value) == folded).cloned().unwrap_or(folded))
    }
}

impl Taxonomy {
    /// Position of the owning dimension.
    pub fn owner_index(&self) -> Option<usize> {
        self.dimensions.iter().position(|dimension| dimension.name == self.owner)
    }
}
