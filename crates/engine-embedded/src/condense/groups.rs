//! Lines that are alike, and their sums.

use super::packed::Layout;
use super::terms::Term;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, Int64Array};
use datafusion::arrow::buffer::NullBuffer;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::exec_err;
use datafusion::error::Result;
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

/// Groups of lines with the same classes and the same bits.
pub(super) struct Groups {
    /// Where the class of each key stands in a group's words.
    layout: Layout,
    words: Vec<u64>,
    groups: Vec<Group>,
    /// Words of a batch's rows: memory that is used again.
    of_rows: Vec<u64>,
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
pub(super) fn bits(rows: usize, terms: &[Term], tests: &[ArrayRef], out: &mut Vec<u64>) {
    out.clear();
    out.resize(rows, 0);
    let mut set = |nulls: Option<&NullBuffer>, bit: usize| match nulls.filter(|nulls| nulls.null_count() > 0) {
        None => out.iter_mut().for_each(|bits| *bits |= 1 << bit),
        Some(nulls) => nulls.valid_indices().for_each(|row| out[row] |= 1 << bit),
    };
    for (bit, term) in terms.iter().enumerate() {
        if !term.is_nothing() {
            set(term.nulls(), bit);
        }
    }
    for (test, array) in tests.iter().enumerate() {
        set(array.nulls(), terms.len() + 2 * test);
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

fn hash(hasher: &DefaultHashBuilder, words: &[u64], bits: u64) -> u64 {
    let mut hasher = hasher.build_hasher();
    words.iter().for_each(|word| hasher.write_u64(*word));
    hasher.write_u64(bits);
    hasher.finish()
}

impl Groups {
    pub fn new(keys: usize) -> Groups {
        Groups {
            layout: Layout::new(keys),
            words: Vec::new(),
            groups: Vec::new(),
            of_rows: Vec::new(),
            sums: Vec::new(),
            table: HashTable::new(),
            hasher: DefaultHashBuilder::default(),
        }
    }

    pub fn len(&self) -> usize {
        self.groups.len()
    }

    /// Makes room for classes of a key up to the largest.
    pub fn widen(&mut self, key: usize, largest: u32) {
        let Some(layout) = self.layout.widened(key, largest) else { return };
        self.words = self.layout.rewritten(&self.words, &layout);
        self.layout = layout;
        let Groups { layout, words, groups, table, hasher, .. } = self;
        let hash = |place: &u32| {
            let at = *place as usize * layout.words();
            hash(hasher, &words[at..at + layout.words()], groups[*place as usize].bits)
        };
        table.clear();
        for place in 0..groups.len() as u32 {
            table.insert_unique(hash(&place), place, hash);
        }
    }

    /// Adds a batch: for each key the classes of its rows, none larger than there is room for; the rows' bits, and the terms.
    pub fn add(&mut self, classes: &[u32], bits: &[u64], terms: &[Term]) -> Result<()> {
        let of_terms = 1u64.checked_shl(terms.len() as u32).map_or(u64::MAX, |end| end - 1);
        let mut words = std::mem::take(&mut self.of_rows);
        words.clear();
        words.resize(bits.len() * self.layout.words(), 0);
        for (key, classes) in classes.chunks_exact(bits.len()).enumerate() {
            self.layout.write(&mut words, key, classes);
        }
        for (row, (bits, words)) in bits.iter().zip(words.chunks_exact(self.layout.words())).enumerate() {
            let place = self.find(words, *bits, of_terms);
            let group = &mut self.groups[place];
            group.lines += 1;
            let (mut left, mut at) = (bits & of_terms, group.first_sum);
            while left != 0 {
                let Some(sum) = self.sums[at].checked_add(terms[left.trailing_zeros() as usize].units(row)) else {
                    return exec_err!("a sum is beyond 38 digits: decimal overflow");
                };
                self.sums[at] = sum;
                at += 1;
                left &= left - 1;
            }
        }
        self.of_rows = words;
        Ok(())
    }

    fn find(&mut self, words: &[u64], bits: u64, of_terms: u64) -> usize {
        let Groups { layout, words: known, groups, sums, table, hasher, .. } = self;
        let of = |place: &u32| {
            let at = *place as usize * layout.words();
            (&known[at..at + layout.words()], groups[*place as usize].bits)
        };
        let same = |place: &u32| {
            let (other, of_other) = of(place);
            of_other == bits && other.iter().eq(words)
        };
        let hash_of = hash(hasher, words, bits);
        if let Some(place) = table.find(hash_of, same) {
            return *place as usize;
        }
        let place = groups.len();
        let rehash = |place: &u32| {
            let (words, bits) = of(place);
            hash(hasher, words, bits)
        };
        table.insert_unique(hash_of, place as u32, rehash);
        known.extend_from_slice(words);
        groups.push(Group { bits, lines: 0, first_sum: sums.len() });
        sums.resize(sums.len() + (bits & of_terms).count_ones() as usize, 0);
        place
    }

    /// Classes of one key, of the groups from one place to another.
    pub fn classes(&self, key: usize, from: usize, to: usize) -> Vec<u32> {
        let words = self.layout.words();
        self.words[from * words..to * words].chunks_exact(words).map(|words| self.layout.read(words, key)).collect()
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
