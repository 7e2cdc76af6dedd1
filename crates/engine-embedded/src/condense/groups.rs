//! Lines that are alike, and their sums.

use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Int64Array};
use datafusion::arrow::datatypes::{DataType, Decimal128Type};
use datafusion::common::exec_err;
use datafusion::error::Result;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;
use std::sync::Arc;

/// Groups of lines with the same classes and the same bits.
pub(super) struct Groups {
    /// Classes of a group, one for each key.
    keys: usize,
    classes: Vec<u32>,
    groups: Vec<Group>,
    /// Each group's sums of the terms that are not NULL.
    sums: Vec<i128>,
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
}

#[derive(Clone, Copy)]
struct Group {
    /// Which terms are not NULL, from the lowest; then for each test whether it is not NULL, and what it is.
    bits: u64,
    lines: i64,
    first_sum: usize,
}

/// The bits of each row of a batch.
pub(super) fn bits(rows: usize, terms: &[ArrayRef], tests: &[ArrayRef], out: &mut Vec<u64>) {
    out.clear();
    out.resize(rows, 0);
    let mut set = |array: &dyn Array, bit: usize| match array.nulls().filter(|nulls| nulls.null_count() > 0) {
        None => out.iter_mut().for_each(|bits| *bits |= 1 << bit),
        Some(nulls) => nulls.valid_indices().for_each(|row| out[row] |= 1 << bit),
    };
    for (term, array) in terms.iter().enumerate() {
        set(array, term);
    }
    for (test, array) in tests.iter().enumerate() {
        set(array, terms.len() + 2 * test);
    }
    for (test, array) in tests.iter().enumerate() {
        let answers: &BooleanArray = array.as_boolean();
        let bit = terms.len() + 2 * test;
        for row in answers.values().set_indices() {
            // What lies under a NULL means nothing.
            let valid = out[row] >> bit & 1;
            out[row] |= valid << (bit + 1);
        }
    }
}

impl Groups {
    pub fn new(keys: usize) -> Groups {
        Groups {
            keys,
            classes: Vec::new(),
            groups: Vec::new(),
            sums: Vec::new(),
            table: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }

    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Adds a batch: the classes of its rows one after the other, their bits, and the terms.
    pub fn add(&mut self, classes: &[u32], bits: &[u64], terms: &[ArrayRef]) -> Result<()> {
        let terms: Vec<&[i128]> = terms.iter().map(|term| &term.as_primitive::<Decimal128Type>().values()[..]).collect();
        let of_terms = 1u64.checked_shl(terms.len() as u32).map_or(u64::MAX, |end| end - 1);
        for (row, (bits, classes)) in bits.iter().zip(classes.chunks_exact(self.keys)).enumerate() {
            let place = self.find(classes, *bits, of_terms);
            let group = &mut self.groups[place];
            group.lines += 1;
            let (mut left, mut at) = (bits & of_terms, group.first_sum);
            while left != 0 {
                let Some(sum) = self.sums[at].checked_add(terms[left.trailing_zeros() as usize][row]) else {
                    return exec_err!("a sum is beyond 38 digits: decimal overflow");
                };
                self.sums[at] = sum;
                at += 1;
                left &= left - 1;
            }
        }
        Ok(())
    }

    fn find(&mut self, classes: &[u32], bits: u64, of_terms: u64) -> usize {
        let Groups { keys, classes: known, groups, sums, table, hasher } = self;
        let of = |place: usize| &known[place * *keys..(place + 1) * *keys];
        let hash = hasher.hash_one((classes, bits));
        let same = |place: &u32| groups[*place as usize].bits == bits && of(*place as usize) == classes;
        if let Some(place) = table.find(hash, same) {
            return *place as usize;
        }
        let place = groups.len();
        table.insert_unique(hash, place as u32, |place| hasher.hash_one((of(*place as usize), groups[*place as usize].bits)));
        known.extend_from_slice(classes);
        groups.push(Group { bits, lines: 0, first_sum: sums.len() });
        sums.resize(sums.len() + (bits & of_terms).count_ones() as usize, 0);
        place
    }

    /// Classes of one key, of the groups from one place to another.
    pub fn classes(&self, key: usize, from: usize, to: usize) -> Vec<u32> {
        self.classes[from * self.keys..to * self.keys].iter().skip(key).step_by(self.keys).copied().collect()
    }

    pub fn test(&self, bit: usize, from: usize, to: usize) -> ArrayRef {
        let answer = |group: &Group| (group.bits >> bit & 1 == 1).then_some(group.bits >> (bit + 1) & 1 == 1);
        Arc::new(self.groups[from..to].iter().map(answer).collect::<BooleanArray>())
    }

    pub fn term(&self, bit: usize, kind: &DataType, from: usize, to: usize) -> ArrayRef {
        let sum = |group: &Group| {
            let before = (group.bits & ((1 << bit) - 1)).count_ones() as usize;
            (group.bits >> bit & 1 == 1).then(|| self.sums[group.first_sum + before])
        };
        Arc::new(self.groups[from..to].iter().map(sum).collect::<Decimal128Array>().with_data_type(kind.clone()))
    }

    pub fn lines(&self, from: usize, to: usize) -> ArrayRef {
        Arc::new(self.groups[from..to].iter().map(|group| group.lines).collect::<Int64Array>())
    }
}
