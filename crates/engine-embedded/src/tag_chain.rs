//! A tag alias chain as one function: `coalesce(nullif(trim(element_at(m, 'a')), ''), …, '')`.
//!
//! The renderer writes each dimension so; run as written it would walk the maps once for each alias. Here one walk finds
//! the first alias with a value, on dictionary ids, and no text is copied. Same result: the conformance suite and a property
//! test against `core::tags` hold both forms to it.

use crate::read::{dictionary, same_buffers};
use apportion_core::tags::trim;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, DictionaryArray, MapArray, StringArray, StringViewArray, UInt32Array};
use datafusion::arrow::compute::{cast, interleave, take};
use datafusion::arrow::datatypes::{DataType, Int32Type};
use datafusion::common::plan_err;
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::{ColumnarValue, Expr, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility};
use std::hash::{Hash, Hasher};
use std::sync::{Arc, Mutex};

/// One alias: which argument, which key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
struct Alias {
    argument: usize,
    key: String,
}

/// The function: arguments are the map columns, in the order in which they first appear.
#[derive(Debug)]
pub(crate) struct TagChain {
    aliases: Vec<Alias>,
    signature: Signature,
    trimmed: Mutex<Vec<Arc<Trimmed>>>,
}

impl PartialEq for TagChain {
    fn eq(&self, other: &Self) -> bool {
        self.aliases == other.aliases
    }
}
impl Eq for TagChain {}
impl Hash for TagChain {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.aliases.hash(state);
    }
}

/// A dictionary's values, trimmed; one empty text more at the end.
#[derive(Debug)]
struct Trimmed {
    values: ArrayRef,
    texts: StringViewArray,
    blank: Vec<bool>,
}

/// Dictionaries kept: one for each thread and column that a rollup reads at a time.
const KEPT: usize = 16;

fn call<'a>(expr: &'a Expr, name: &str) -> Option<&'a [Expr]> {
    match expr {
        Expr::ScalarFunction(function) if function.func.name() == name => Some(&function.args),
        _ => None,
    }
}

fn text(expr: &Expr) -> Option<&str> {
    match expr {
        Expr::Literal(value, _) => value.try_as_str().flatten(),
        _ => None,
    }
}

/// The chain that an expression is, if it is one.
pub(crate) fn recognise(expr: &Expr) -> Option<Expr> {
    let (last, terms) = call(expr, "coalesce")?.split_last()?;
    if !text(last)?.is_empty() || terms.is_empty() {
        return None;
    }
    let mut maps: Vec<Expr> = Vec::new();
    let mut aliases = Vec::with_capacity(terms.len());
    for term in terms {
        let [trimmed, empty] = call(term, "nullif")? else { return None };
        let [element] = call(trimmed, "btrim")? else { return None };
        let [map @ Expr::Column(_), key] = call(element, "element_at")? else { return None };
        if !text(empty)?.is_empty() {
            return None;
        }
        let argument = maps.iter().position(|known| known == map).unwrap_or_else(|| {
            maps.push(map.clone());
            maps.len() - 1
        });
        aliases.push(Alias { argument, key: text(key)?.to_owned() });
    }
    let signature = Signature::any(maps.len(), Volatility::Immutable);
    Some(ScalarUDF::from(TagChain { aliases, signature, trimmed: Mutex::default() }).call(maps))
}

impl TagChain {
    fn trimmed(&self, values: &ArrayRef) -> Result<Arc<Trimmed>> {
        let mut kept = self.trimmed.lock().map_err(|_| DataFusionError::Internal("a lock is poisoned".to_owned()))?;
        if let Some(known) = kept.iter().find(|known| same_buffers(&known.values, values)) {
            return Ok(Arc::clone(known));
        }
        let plain = cast(values, &DataType::Utf8)?;
        let plain: &StringArray = plain.as_string();
        let iter = plain.iter().map(|text| trim(text.unwrap_or("")));
        let texts: StringViewArray = iter.clone().chain([""]).map(Some).collect();
        let blank = iter.map(str::is_empty).collect();
        let fresh = Arc::new(Trimmed { values: Arc::clone(values), texts, blank });
        if kept.len() >= KEPT {
            kept.remove(0);
        }
        kept.push(Arc::clone(&fresh));
        Ok(fresh)
    }

    /// For each row the best alias of one map: its position in the chain and the value's id, where better than what is known.
    fn walk(&self, argument: usize, map: &MapArray, best: &mut [(u32, u32, u32)]) -> Result<Arc<Trimmed>> {
        let (keys, values) = (texts(map.keys())?, texts(map.values())?);
        let trimmed = self.trimmed(values.values())?;
        let names = cast(keys.values(), &DataType::Utf8)?;
        let position = |name: &str| {
            let of_argument = |alias: &Alias| alias.argument == argument && alias.key == name;
            self.aliases.iter().position(of_argument).map_or(u32::MAX, |position| position as u32)
        };
        let positions: Vec<u32> = names.as_string::<i32>().iter().map(|name| position(name.unwrap_or(""))).collect();
        let (key_ids, value_ids) = (keys.keys(), values.keys());
        for (row, (window, best)) in map.value_offsets().windows(2).zip(best.iter_mut()).enumerate() {
            if map.is_null(row) {
                continue;
            }
            for entry in window[0] as usize..window[1] as usize {
                let position = positions.get(key_ids.value(entry) as usize).copied().unwrap_or(u32::MAX);
                if position >= best.0 || value_ids.is_null(entry) {
                    continue;
                }
                let id = value_ids.value(entry) as usize;
                if trimmed.blank.get(id) == Some(&false) {
                    *best = (position, argument as u32, id as u32);
                }
            }
        }
        Ok(trimmed)
    }
}

fn texts(array: &ArrayRef) -> Result<&DictionaryArray<Int32Type>> {
    let wrong = || DataFusionError::Internal(format!("a map of dictionaries is wanted, not of {}", array.data_type()));
    dictionary(array).ok_or_else(wrong)
}

impl ScalarUDFImpl for TagChain {
    fn name(&self) -> &str {
        "tag_chain"
    }
    fn schema_name(&self, arguments: &[Expr]) -> Result<String> {
        let maps: Vec<String> = arguments.iter().map(|map| map.schema_name().to_string()).collect();
        let aliases: Vec<String> = self.aliases.iter().map(|alias| format!("{}:{:?}", alias.argument, alias.key)).collect();
        Ok(format!("tag_chain({}; {})", maps.join(", "), aliases.join(", ")))
    }
    fn signature(&self) -> &Signature {
        &self.signature
    }
    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments.iter().all(|kind| matches!(kind, DataType::Map(_, _))) {
            true => Ok(DataType::Utf8View),
            false => plan_err!("element_at wants a map of texts"),
        }
    }
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let none = (u32::MAX, u32::MAX, u32::MAX);
        let mut best = vec![none; args.number_rows];
        let mut dictionaries = Vec::with_capacity(args.args.len());
        for (argument, value) in args.args.iter().enumerate() {
            let array = value.to_array(args.number_rows)?;
            let Some(map) = array.as_any().downcast_ref::<MapArray>() else {
                return plan_err!("element_at wants a map of texts");
            };
            dictionaries.push(self.walk(argument, map, &mut best)?);
        }
        let [only] = dictionaries.as_slice() else {
            let texts: Vec<&dyn Array> = dictionaries.iter().map(|dictionary| &dictionary.texts as &dyn Array).collect();
            let empty = (0, dictionaries.first().map_or(0, |first| first.blank.len()));
            let indices: Vec<(usize, usize)> =
                best.iter().map(|(at, map, id)| if *at == u32::MAX { empty } else { (*map as usize, *id as usize) }).collect();
            return Ok(ColumnarValue::Array(interleave(&texts, &indices)?));
        };
        let empty = only.blank.len() as u32;
        let indices: UInt32Array =
            best.iter().map(|(at, _, id)| if *at == u32::MAX { empty } else { *id }).collect::<Vec<_>>().into();
        Ok(ColumnarValue::Array(take(&only.texts, &indices, None)?))
    }
}
