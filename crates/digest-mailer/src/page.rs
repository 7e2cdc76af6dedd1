//! What a digest says, before it is HTML or text: both renderers walk this, so both say the same.

use serde::Serialize;

/// How much something should catch the eye.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Tone {
    Plain,
    Good,
    Warn,
    Bad,
}

/// A sentence above everything else.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Notice {
    pub tone: Tone,
    pub text: String,
}

/// One of the large figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Figure {
    pub label: String,
    pub value: String,
    pub note: String,
    pub tone: Tone,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Cell {
    pub text: String,
    /// A second, quieter line.
    pub note: String,
    pub tone: Tone,
    /// Length of a bar under the text, in percent of the cell.
    pub bar: Option<u32>,
}

impl Cell {
    pub fn new(text: impl Into<String>) -> Cell {
        Cell { text: text.into(), note: String::new(), tone: Tone::Plain, bar: None }
    }

    pub fn note(mut self, note: impl Into<String>) -> Cell {
        self.note = note.into();
        self
    }

    pub fn tone(mut self, tone: Tone) -> Cell {
        self.tone = tone;
        self
    }

    pub fn bar(mut self, percent: u32) -> Cell {
        self.bar = Some(percent.min(100));
        self
    }
}

/// A table; the first column is text, the others are figures.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Table {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Cell>>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Section {
    pub title: String,
    /// Sentences before the table.
    pub lead: String,
    /// The picture of the trend stands here; its description is `lead`.
    pub has_chart: bool,
    pub table: Option<Table>,
}

/// A file that comes with the digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct File {
    pub text: String,
    /// Where it lies, if it can be followed.
    pub url: Option<String>,
}

/// The whole digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Page {
    pub title: String,
    pub subtitle: String,
    pub notices: Vec<Notice>,
    pub figures: Vec<Figure>,
    pub sections: Vec<Section>,
    /// What is attached, or where it lies.
    pub files: Vec<File>,
    /// Small print.
    pub footer: Vec<String>,
}
