//! `taxonomy.toml`: which tag keys name a dimension, and which spellings of a value are meant.

use crate::error::{ConfigError, Source};
use crate::raw::{DimensionTable, KeysTable, TaxonomyFile, Text};
use crate::text;
use crate::units::Units;
use apportion_core::tags::{Dimension, TagColumn, Taxonomy, trim};
use std::collections::BTreeMap;

/// The key of `[dimension.keys]` that names a tag column.
pub fn column_key(column: TagColumn) -> &'static str {
    match column {
        TagColumn::Cur2ResourceTags => "cur2_resource_tags",
        TagColumn::Cur2Tags => "cur2_tags",
        TagColumn::Cur2CostCategory => "cur2_cost_category",
        TagColumn::FocusTags => "focus_tags",
    }
}

pub(crate) fn read(source: &Source, units: &Units, units_source: &Source) -> Result<Taxonomy, ConfigError> {
    let file: TaxonomyFile = source.read()?;
    let mut dimensions: Vec<Dimension> = Vec::new();
    let mut claimed: BTreeMap<(TagColumn, String), (String, usize)> = BTreeMap::new();
    let mut first_lines: BTreeMap<String, usize> = BTreeMap::new();
    for table in &file.dimension {
        let table = table.get_ref();
        let name = table.name.get_ref();
        if !text::is_identifier(name, &[]) {
            return Err(source.wrong(
                &table.name.span(),
                format!("`{name}` cannot name a dimension"),
                "use small letters, digits and _, starting with a letter, for example cost_center",
            ));
        }
        if let Some(line) = first_lines.insert(name.clone(), source.line(&table.name.span())) {
            return Err(source.wrong(
                &table.name.span(),
                format!("the dimension `{name}` stands on line {line} too"),
                "put all its keys into one [[dimension]]",
            ));
        }
        dimensions.push(dimension(source, table, &mut claimed, *name == *file.owner.get_ref())?);
    }
    let Some(owner) = dimensions.iter_mut().find(|dimension| dimension.name == *file.owner.get_ref()) else {
        return Err(source.wrong(
            &file.owner.span(),
            format!("the owning dimension `{}` is not among the dimensions", file.owner.get_ref()),
            "add a [[dimension]] of that name, or name one of the others as owner",
        ));
    };
    add_units(owner, units, units_source)?;
    Ok(Taxonomy { owner: file.owner.into_inner(), dimensions })
}

/// The keys of each tag column, in the order of the columns.
pub(crate) fn chains(keys: &KeysTable) -> [(TagColumn, &Vec<Text>); 4] {
    [
        (TagColumn::Cur2ResourceTags, &keys.cur2_resource_tags),
        (TagColumn::Cur2Tags, &keys.cur2_tags),
        (TagColumn::Cur2CostCategory, &keys.cur2_cost_category),
        (TagColumn::FocusTags, &keys.focus_tags),
    ]
}

fn dimension(
    source: &Source,
    table: &DimensionTable,
    claimed: &mut BTreeMap<(TagColumn, String), (String, usize)>,
    owns: bool,
) -> Result<Dimension, ConfigError> {
    let keys = table.keys.get_ref();
    let mut aliases = BTreeMap::new();
    for (column, chain) in chains(keys) {
        for key in chain {
            claim(source, table, column, key, claimed)?;
        }
        if !chain.is_empty() {
            aliases.insert(column, chain.iter().map(|key| key.get_ref().clone()).collect());
        }
    }
    if aliases.is_empty() {
        return Err(source.wrong(
            &table.keys.span(),
            format!("the dimension `{}` has no tag key", table.name.get_ref()),
            "list the keys that name it, for example cur2_resource_tags = [\"user_cost_center\"]",
        ));
    }
    let mut dimension = Dimension {
        name: table.name.get_ref().clone(),
        mandatory: table.mandatory,
        aliases,
        fold_case: table.fold_case,
        canonical: Vec::new(),
        value_aliases: BTreeMap::new(),
    };
    if owns && let Some(value) = table.values.keys().next() {
        return Err(source.wrong(
            &value.span(),
            format!("`{}` is the owning dimension: its values are the units", table.name.get_ref()),
            "write other spellings of a unit in units.toml, as `also` of that unit",
        ));
    }
    // In the order of the file, so that the first of two faults is the one reported.
    let mut values: Vec<(&Text, &Vec<Text>)> = table.values.iter().collect();
    values.sort_by_key(|(value, _)| value.span().start);
    let mut spelled: BTreeMap<String, usize> = BTreeMap::new();
    for (value, _) in &values {
        add_spelling(source, &dimension, value, &mut spelled)?;
        dimension.value_aliases.insert(dimension.fold(value.get_ref()), value.get_ref().clone());
        dimension.canonical.push(value.get_ref().clone());
    }
    for (value, others) in values {
        for other in others {
            add_spelling(source, &dimension, other, &mut spelled)?;
            dimension.value_aliases.insert(dimension.fold(other.get_ref()), value.get_ref().clone());
        }
    }
    Ok(dimension)
}

fn claim(
    source: &Source,
    table: &DimensionTable,
    column: TagColumn,
    key: &Text,
    claimed: &mut BTreeMap<(TagColumn, String), (String, usize)>,
) -> Result<(), ConfigError> {
    let name = table.name.get_ref();
    if key.get_ref().is_empty() {
        return Err(source.wrong(&key.span(), "a tag key is empty", "write the key as the bill spells it, or remove it"));
    }
    let line = source.line(&key.span());
    match claimed.insert((column, key.get_ref().clone()), (name.clone(), line)) {
        None => Ok(()),
        Some((other, first)) if other == *name => Err(source.wrong(
            &key.span(),
            format!("the tag key `{}` is listed twice (first on line {first})", key.get_ref()),
            "keep the first: keys are tried in order",
        )),
        Some((other, first)) => Err(source.wrong(
            &key.span(),
            format!("the tag key `{}` belongs to the dimension `{other}` already (line {first})", key.get_ref()),
            "let one dimension have it",
        )),
    }
}

fn add_spelling(
    source: &Source,
    dimension: &Dimension,
    spelling: &Text,
    seen: &mut BTreeMap<String, usize>,
) -> Result<(), ConfigError> {
    let text = spelling.get_ref();
    let folded = dimension.fold(text);
    if folded.is_empty() {
        return Err(source.wrong(&spelling.span(), "a tag value is blank", "a blank value means untagged; remove it"));
    }
    if trim(text) != text {
        return Err(source.wrong(
            &spelling.span(),
            format!("the tag value {text:?} starts or ends with a blank"),
            "write it without: values are trimmed before they are compared",
        ));
    }
    if let Some(line) = seen.insert(folded, source.line(&spelling.span())) {
        let case = if dimension.fold_case { " (values of this dimension compare without case)" } else { "" };
        return Err(source.wrong(
            &spelling.span(),
            format!("the spelling `{text}` of the dimension `{}` stands on line {line} already{case}", dimension.name),
            "keep one of the two",
        ));
    }
    Ok(())
}

/// The values of the owning dimension are the units; their other spellings stand in `units.toml`.
fn add_units(owner: &mut Dimension, units: &Units, source: &Source) -> Result<(), ConfigError> {
    let mut ids: BTreeMap<String, &String> = BTreeMap::new();
    for id in &units.ids {
        // The id itself is an alias too: a value is then looked up once, however many units there are.
        // Two ids never fold alike: `units` refuses ids that differ in case only.
        ids.insert(owner.fold(id), id);
        owner.value_aliases.insert(owner.fold(id), id.clone());
        owner.canonical.push(id.clone());
    }
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for (spelling, id) in &units.also {
        if let Some(other) = ids.get(&owner.fold(spelling.get_ref())) {
            let what = if *other == id {
                format!("`{}` is the id of the unit itself", spelling.get_ref())
            } else {
                format!("`{}` of the unit `{id}` is the id of the unit `{other}`", spelling.get_ref())
            };
            let todo = if owner.fold_case {
                "remove it: values are trimmed and compared without case before `also` is looked at"
            } else {
                "remove it"
            };
            return Err(source.wrong(&spelling.span(), what, todo));
        }
        add_spelling(source, owner, spelling, &mut seen)?;
        owner.value_aliases.insert(owner.fold(spelling.get_ref()), id.clone());
    }
    Ok(())
}
