//! Where a configuration is wrong, what is wrong, and what to do.

use serde::de::DeserializeOwned;
use std::fmt;
use std::ops::Range;

/// The first thing found wrong in a configuration folder.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// The file system refused a file or folder.
    #[error("{path}: cannot be read ({reason}) — check that it exists and that you may read it")]
    Unreadable { path: String, reason: String },
    /// A file that the configuration needs is not there.
    #[error("{file}: the file is missing — {todo}")]
    Missing { file: String, todo: String },
    /// A file says something that cannot hold.
    #[error("{0}")]
    Invalid(Problem),
}

impl ConfigError {
    /// The variant, as state machines and logs name it.
    pub fn name(&self) -> &'static str {
        match self {
            ConfigError::Unreadable { .. } => "Unreadable",
            ConfigError::Missing { .. } => "Missing",
            ConfigError::Invalid(_) => "Invalid",
        }
    }
}

/// One fault of a file: place, fault, remedy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Path relative to the configuration folder, `/`-separated.
    pub file: String,
    /// From 1.
    pub line: usize,
    /// From 1, in characters; only where the line alone does not point at the fault (TOML syntax).
    pub column: Option<usize>,
    pub what: String,
    pub todo: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.file, self.line)?;
        if let Some(column) = self.column {
            write!(f, ":{column}")?;
        }
        write!(f, ": {} — {}", self.what, self.todo)
    }
}

/// A byte range of a file: where a value stands.
pub(crate) type Span = Range<usize>;

/// A file as text, with its relative path.
#[derive(Debug, Clone)]
pub(crate) struct Source {
    pub file: String,
    pub text: String,
    /// Byte offset of each line's first character.
    starts: Vec<usize>,
}

impl Source {
    /// Decodes UTF-8, with or without a byte order mark.
    pub fn decode(file: &str, bytes: &[u8]) -> Result<Source, ConfigError> {
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        match std::str::from_utf8(bytes) {
            Ok(text) => {
                let breaks = text.bytes().enumerate().filter(|(_, byte)| *byte == b'\n');
                let starts = std::iter::once(0).chain(breaks.map(|(at, _)| at + 1)).collect();
                Ok(Source { file: file.to_owned(), text: text.to_owned(), starts })
            }
            Err(error) => {
                let line = 1 + bytes[..error.valid_up_to()].iter().filter(|byte| **byte == b'\n').count();
                Err(at_line(file, line, "the file is not UTF-8 text here", "save it with the encoding UTF-8"))
            }
        }
    }

    /// Line and column, both from 1, of a byte offset.
    pub fn line_and_column(&self, offset: usize) -> (usize, usize) {
        let mut end = offset.min(self.text.len());
        while !self.text.is_char_boundary(end) {
            end -= 1;
        }
        let line = self.starts.partition_point(|start| *start <= end);
        let start = self.starts.get(line.wrapping_sub(1)).copied().unwrap_or(0);
        (line, 1 + self.text[start..end].chars().count())
    }

    pub fn line(&self, span: &Span) -> usize {
        self.line_and_column(span.start).0
    }

    /// An error at the line where `span` starts.
    pub fn wrong(&self, span: &Span, what: impl Into<String>, todo: impl Into<String>) -> ConfigError {
        at_line(&self.file, self.line(span), what, todo)
    }

    /// Reads one strict TOML file whose `version` is [`crate::VERSION`].
    pub fn read<T: DeserializeOwned>(&self) -> Result<T, ConfigError> {
        self.check_version()?;
        toml::from_str(&self.text).map_err(|error| self.toml_error(&error))
    }

    /// The version comes first: in a file of another version unknown keys are to be expected.
    pub fn check_version(&self) -> Result<(), ConfigError> {
        #[derive(serde::Deserialize)]
        struct Versioned {
            version: Option<toml::Spanned<toml::Value>>,
        }
        let first: Versioned = toml::from_str(&self.text).map_err(|error| self.toml_error(&error))?;
        let current = crate::VERSION;
        let Some(version) = first.version else {
            return Err(at_line(
                &self.file,
                1,
                "the file does not say its version",
                format!("let it start with the line `version = {current}`"),
            ));
        };
        match version.get_ref() {
            toml::Value::Integer(number) if *number == current => Ok(()),
            toml::Value::Integer(number) if *number > current => Err(self.wrong(
                &version.span(),
                format!("version {number} is newer than this program, which reads version {current}"),
                "use the version of apportion that wrote the file",
            )),
            _ => Err(self.wrong(
                &version.span(),
                "there has never been such a version of this file",
                format!("write `version = {current}`"),
            )),
        }
    }

    fn toml_error(&self, error: &toml::de::Error) -> ConfigError {
        let (line, column) = self.line_and_column(error.span().map_or(0, |span| span.start));
        let at = error.span().and_then(|span| self.text.get(span)).unwrap_or_default();
        let (what, todo) = plain_words(error.message(), at);
        // The line says enough where a key or value is named; syntax needs the column.
        let column = what.starts_with("this is not TOML").then_some(column);
        ConfigError::Invalid(Problem { file: self.file.clone(), line, column, what, todo })
    }
}

/// An error at a line of a file.
pub(crate) fn at_line(file: &str, line: usize, what: impl Into<String>, todo: impl Into<String>) -> ConfigError {
    ConfigError::Invalid(Problem { file: file.to_owned(), line, column: None, what: what.into(), todo: todo.into() })
}

/// What the TOML reader says, in words for the person who keeps the file. `at` is the text that it points at.
fn plain_words(message: &str, at: &str) -> (String, String) {
    let message = message.lines().next().unwrap_or_default();
    if let Some(rest) = message.strip_prefix("unknown field ") {
        let (key, known) = rest.split_once(", expected ").unwrap_or((rest, ""));
        let known = known.trim_start_matches("one of ");
        let todo = if known.is_empty() || known.starts_with("there are no") {
            "remove it".to_owned()
        } else {
            format!("correct or remove it; the keys known here are {known}")
        };
        return (format!("unknown key {key}"), todo);
    }
    if let Some(key) = message.strip_prefix("missing field ") {
        return (format!("the key {key} is missing"), "add it; docs/configuration.md shows an example".to_owned());
    }
    if let Some(rest) = message.strip_prefix("invalid type: ") {
        let (found, expected) = rest.split_once(", expected ").unwrap_or((rest, "another type"));
        let number = found.split('`').nth(1).unwrap_or("CC-1010");
        let (kind, todo) = match expected {
            "a string" => ("a text", format!("write it in quotes: \"{number}\"")),
            "a sequence" => ("a list", "write a list in brackets, for example [\"CC-1010\"]".to_owned()),
            "a boolean" => ("true or false", "write true or false, without quotes".to_owned()),
            "a map" => ("a table", "write a table, for example { key = \"even\" }".to_owned()),
            other => return (format!("found {found}, which cannot stand here"), format!("write {other}")),
        };
        return (format!("found {found} where {kind} belongs"), todo);
    }
    if message.starts_with("duplicate key") {
        return (format!("the key `{at}` stands twice in one table"), "keep one of the two".to_owned());
    }
    (
        format!("this is not TOML: {message}"),
        "correct the line; every text stands in double quotes, every list in brackets".to_owned(),
    )
}
