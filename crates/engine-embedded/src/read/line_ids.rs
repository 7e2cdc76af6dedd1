//! Ids that one file gives to more than one line: counted while the file is read, forgotten once it has been.
//!
//! An id counts by a fingerprint of 64 bits, so a file of a million lines takes 8 MB and may, once in thirty million such files, be
//! said to repeat an id that it does not. Nothing but the report goes by it.

use super::Warnings;
use datafusion::arrow::array::StringViewArray;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hasher};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// The fingerprints of every file that is being read.
#[derive(Debug, Default)]
pub(crate) struct LineIds(Mutex<BTreeMap<usize, Seen>>);

#[derive(Debug, Default)]
struct Seen {
    parts: usize,
    prints: Vec<u64>,
}

/// The fingerprints of one unit.
pub(crate) struct UnitIds {
    ids: Arc<LineIds>,
    file: usize,
    prints: Vec<u64>,
}

impl LineIds {
    pub fn unit(self: &Arc<Self>, file: usize) -> UnitIds {
        UnitIds { ids: Arc::clone(self), file, prints: Vec::new() }
    }
}

impl UnitIds {
    pub fn add(&mut self, ids: &StringViewArray) {
        self.prints.extend(ids.iter().flatten().filter(|id| !id.is_empty()).map(|id| {
            let mut hasher = DefaultHasher::new();
            hasher.write(id.as_bytes());
            hasher.finish()
        }));
    }

    /// The unit has been read; with the last of a file's `parts`, its repeats are known.
    pub fn end(self, path: &Path, parts: usize, warnings: &Warnings) {
        let mut files = self.ids.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = files.entry(self.file).or_default();
        seen.parts += 1;
        seen.prints.extend(self.prints);
        if seen.parts < parts {
            return;
        }
        let Some(Seen { mut prints, .. }) = files.remove(&self.file) else { return };
        drop(files);
        let lines = prints.len();
        prints.sort_unstable();
        prints.dedup();
        warnings.count(
            path,
            "lines repeat the identity_line_item_id of another line of the file; all were counted",
            (lines - prints.len()) as u64,
        );
    }
}
