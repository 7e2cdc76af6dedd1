//! Small numbers for the values of a column: equal values have equal numbers for as long as the numbering stands.

use crate::read::{dictionary, same_buffers};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, MapArray};
use datafusion::arrow::datatypes::TimestampMillisecondType;
use datafusion::common::exec_err;
use datafusion::error::Result;
use hashbrown::{DefaultHashBuilder, HashMap, HashTable};
use std::hash::BuildHasher;

/// The number of NULL.
const NULL: u32 = 0;
/// A numbering is begun anew beyond that many values.
const MOST_VALUES: usize = 1 << 20;

/// The numbering of one column.
#[derive(Default)]
pub(super) struct Numbers {
    /// The dictionaries that numbers stand for: a text's, or keys and values of a map.
    dictionaries: Vec<ArrayRef>,
    times: HashMap<i64, u32>,
    maps: Maps,
}

/// Maps met, as ids of their keys followed by ids of their values.
#[derive(Default)]
struct Maps {
    ids: Vec<i32>,
    /// Where each map's ids start; its number is its place from 1. One more at the end.
    starts: Vec<usize>,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

impl Numbers {
    /// Numbers of a batch's values, in `out`; true where they have nothing to do with those given before.
    pub fn number(&mut self, array: &ArrayRef, out: &mut Vec<u32>) -> Result<bool> {
        if let Some(texts) = dictionary(array) {
            let fresh = self.remember([texts.values()]);
            let keys = texts.keys();
            match keys.nulls().filter(|nulls| nulls.null_count() > 0) {
                None => out.extend(keys.values().iter().map(|id| *id as u32 + 1)),
                Some(nulls) => {
                    let ids = keys.values().iter().zip(nulls.iter());
                    out.extend(ids.map(|(id, valid)| if valid { *id as u32 + 1 } else { NULL }));
                }
            }
            Ok(fresh)
        } else if let Some(times) = array.as_primitive_opt::<TimestampMillisecondType>() {
            let fresh = self.times.len() > MOST_VALUES;
            if fresh {
                self.times.clear();
            }
            let mut last = None;
            for time in times {
                let known = last.filter(|(known, _)| *known == time).map(|(_, number)| number);
                let number = known.unwrap_or_else(|| time.map_or(NULL, |millis| self.time(millis)));
                last = Some((time, number));
                out.push(number);
            }
            Ok(fresh)
        } else if let Some(maps) = array.as_any().downcast_ref::<MapArray>() {
            self.map(maps, out)
        } else {
            exec_err!("{} is no key", array.data_type())
        }
    }

    fn time(&mut self, millis: i64) -> u32 {
        let next = self.times.len() as u32 + 1;
        *self.times.entry(millis).or_insert(next)
    }

    fn map(&mut self, maps: &MapArray, out: &mut Vec<u32>) -> Result<bool> {
        let (Some(keys), Some(values)) = (dictionary(maps.keys()), dictionary(maps.values())) else {
            return exec_err!("a map of dictionaries is wanted, not of {}", maps.entries().data_type());
        };
        let fresh = self.remember([keys.values(), values.values()]) || self.maps.ids.len() > MOST_VALUES;
        if fresh {
            self.maps = Maps::default();
        }
        let absent: Vec<i32>;
        let value_ids: &[i32] = if values.keys().null_count() == 0 {
            values.keys().values()
        } else {
            absent = values.keys().iter().map(|id| id.unwrap_or(-1)).collect();
            &absent
        };
        let (key_ids, offsets) = (keys.keys().values(), maps.value_offsets());
        for (row, window) in offsets.windows(2).enumerate() {
            let range = window[0] as usize..window[1] as usize;
            let number = match (key_ids.get(range.clone()), value_ids.get(range)) {
                (Some(keys), Some(values)) if maps.is_valid(row) => self.maps.number(keys, values),
                _ => NULL,
            };
            out.push(number);
        }
        Ok(fresh)
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

impl Maps {
    fn number(&mut self, keys: &[i32], values: &[i32]) -> u32 {
        let Maps { ids, starts, table, hasher } = self;
        if starts.is_empty() {
            starts.push(0);
        }
        let of = |number: u32| -> &[i32] {
            let at = number as usize;
            starts.get(at - 1).zip(starts.get(at)).and_then(|(from, to)| ids.get(*from..*to)).unwrap_or_default()
        };
        let same = |number: &u32| {
            let known = of(*number);
            known.len() == 2 * keys.len() && known.starts_with(keys) && known.ends_with(values)
        };
        let hash = hasher.hash_one((keys, values));
        if let Some(number) = table.find(hash, same) {
            return *number;
        }
        let number = starts.len() as u32;
        let rehash = |number: &u32| {
            let known = of(*number);
            hasher.hash_one(known.split_at(known.len() / 2))
        };
        table.insert_unique(hash, number, rehash);
        ids.extend_from_slice(keys);
        ids.extend_from_slice(values);
        starts.push(ids.len());
        number
    }
}
