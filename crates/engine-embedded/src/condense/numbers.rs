//! Small numbers for the values of a column: equal values have equal numbers for as long as the numbering stands.

use crate::read::{dictionary, same_buffers};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, Int32Array, MapArray};
use datafusion::arrow::datatypes::TimestampMillisecondType;
use datafusion::common::exec_err;
use datafusion::error::Result;
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use std::borrow::Cow;
use std::hash::BuildHasher;

/// The number of NULL; other values count from 0.
pub(super) const NULL: i32 = -1;
/// A numbering is begun anew beyond that many values.
const MOST_VALUES: usize = 1 << 20;

/// The numbering of one column.
#[derive(Default)]
pub(super) struct Numbers {
    /// The dictionaries that numbers stand for: a text's, or keys and values of a map.
    dictionaries: Vec<ArrayRef>,
    times: HashMap<i64, i32>,
    maps: Maps,
}

/// Maps met, as ids of their keys followed by ids of their values.
#[derive(Default)]
struct Maps {
    ids: Vec<i32>,
    /// Where each map's ids end; its number is its place.
    ends: Vec<usize>,
    table: HashTable<i32>,
    hasher: DefaultHashBuilder,
}

impl Numbers {
    /// Numbers of a batch's values; true where they have nothing to do with those given before.
    pub fn number<'a>(&mut self, array: &'a ArrayRef) -> Result<(Cow<'a, [i32]>, bool)> {
        if let Some(texts) = dictionary(array) {
            let fresh = self.remember([texts.values()]);
            Ok((ids(texts.keys()), fresh))
        } else if let Some(times) = array.as_primitive_opt::<TimestampMillisecondType>() {
            let fresh = self.times.len() > MOST_VALUES;
            if fresh {
                self.times.clear();
            }
            let mut last = (None, NULL);
            let number = |time: Option<i64>| {
                if time != last.0 {
                    last = (time, time.map_or(NULL, |millis| self.time(millis)));
                }
                last.1
            };
            Ok((times.iter().map(number).collect(), fresh))
        } else if let Some(maps) = array.as_any().downcast_ref::<MapArray>() {
            let (numbers, fresh) = self.map(maps)?;
            Ok((numbers.into(), fresh))
        } else {
            exec_err!("{} is no key", array.data_type())
        }
    }

    fn time(&mut self, millis: i64) -> i32 {
        let next = self.times.len() as i32;
        *self.times.entry(millis).or_insert(next)
    }

    fn map(&mut self, maps: &MapArray) -> Result<(Vec<i32>, bool)> {
        let (Some(keys), Some(values)) = (dictionary(maps.keys()), dictionary(maps.values())) else {
            return exec_err!("a map of dictionaries is wanted, not of {}", maps.entries().data_type());
        };
        let fresh = self.remember([keys.values(), values.values()]) || self.maps.ids.len() > MOST_VALUES;
        if fresh {
            self.maps = Maps::default();
        }
        let (key_ids, value_ids, offsets) = (keys.keys().values(), ids(values.keys()), maps.value_offsets());
        let mut numbers = Vec::with_capacity(maps.len());
        for (row, window) in offsets.windows(2).enumerate() {
            let range = window[0] as usize..window[1] as usize;
            let number = match (key_ids.get(range.clone()), value_ids.get(range)) {
                (Some(keys), Some(values)) if maps.is_valid(row) => self.maps.number(keys, values),
                _ => NULL,
            };
            numbers.push(number);
        }
        Ok((numbers, fresh))
    }

    /// True where the dictionaries are not those of the batch before.
    fn remember<const N: usize>(&mut self, dictionaries: [&ArrayRef; N]) -> bool {
        let known = self.dictionaries.len() == N
            && self.dictionaries.iter().zip(dictionaries).all(|(known, now)| same_buffers(known, now));
        if !known {
            self.dictionaries = dictionaries.map(std::sync::Arc::clone).to_vec();
        }
        !known
    }
}

/// Ids of a dictionary's values, NULL among them.
fn ids(keys: &Int32Array) -> Cow<'_, [i32]> {
    match keys.null_count() {
        0 => Cow::Borrowed(keys.values()),
        _ => keys.iter().map(|id| id.unwrap_or(NULL)).collect(),
    }
}

impl Maps {
    fn number(&mut self, keys: &[i32], values: &[i32]) -> i32 {
        let Maps { ids, ends, table, hasher } = self;
        let of = |number: i32| -> &[i32] {
            let at = number as usize;
            let from = if at == 0 { 0 } else { ends[at - 1] };
            &ids[from..ends[at]]
        };
        let same = |number: &i32| {
            let known = of(*number);
            known.len() == 2 * keys.len() && known.starts_with(keys) && known.ends_with(values)
        };
        let hash = hasher.hash_one((keys, values));
        if let Some(number) = table.find(hash, same) {
            return *number;
        }
        let number = ends.len() as i32;
        let rehash = |number: &i32| {
            let known = of(*number);
            hasher.hash_one(known.split_at(known.len() / 2))
        };
        table.insert_unique(hash, number, rehash);
        ids.extend_from_slice(keys);
        ids.extend_from_slice(values);
        ends.push(ids.len());
        number
    }
}
