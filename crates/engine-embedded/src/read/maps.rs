//! Maps from JSON text, and map arrays.

use super::{dictionary_type, map_type};
use datafusion::arrow::array::{ArrayRef, MapArray, StringDictionaryBuilder, StructArray};
use datafusion::arrow::buffer::{NullBuffer, OffsetBuffer};
use datafusion::arrow::datatypes::{DataType, Field, Int32Type};
use datafusion::arrow::error::ArrowError;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;

type Entries = Vec<(String, Option<String>)>;

/// Texts remembered, so that a map that comes again is not parsed again.
const REMEMBERED: usize = 4096;

/// Builds a map array from JSON objects.
pub(crate) struct MapBuilder {
    keys: StringDictionaryBuilder<Int32Type>,
    values: StringDictionaryBuilder<Int32Type>,
    offsets: Vec<i32>,
    valid: Vec<bool>,
    entries: i32,
    known: HashMap<Box<[u8]>, Arc<Entries>>,
}

impl Default for MapBuilder {
    fn default() -> Self {
        MapBuilder {
            keys: StringDictionaryBuilder::new(),
            values: StringDictionaryBuilder::new(),
            offsets: vec![0],
            valid: Vec::new(),
            entries: 0,
            known: HashMap::new(),
        }
    }
}

impl MapBuilder {
    pub fn append_null(&mut self) {
        self.valid.push(false);
        self.offsets.push(self.entries);
    }

    /// Appends one JSON object; a string that says what is wrong with it otherwise.
    pub fn append_json(&mut self, text: &[u8]) -> Result<(), String> {
        let entries = match self.known.get(text) {
            Some(entries) => Arc::clone(entries),
            None => {
                let object: Object = serde_json::from_slice(text)
                    .map_err(|error| format!("`{}` is not a JSON object of texts: {error}", shown(text)))?;
                let entries = Arc::new(object.0);
                if self.known.len() < REMEMBERED {
                    self.known.insert(text.into(), Arc::clone(&entries));
                }
                entries
            }
        };
        for (key, value) in entries.iter() {
            self.keys.append_value(key);
            match value {
                Some(value) => self.values.append_value(value),
                None => self.values.append_null(),
            }
            self.entries += 1;
        }
        self.valid.push(true);
        self.offsets.push(self.entries);
        Ok(())
    }

    /// The array of what was appended; the builder is empty again.
    pub fn finish(&mut self) -> Result<ArrayRef, ArrowError> {
        let fields = vec![Field::new("key", dictionary_type(), false), Field::new("value", dictionary_type(), true)];
        let entries =
            StructArray::try_new(fields.into(), vec![Arc::new(self.keys.finish()), Arc::new(self.values.finish())], None)?;
        let offsets = OffsetBuffer::new(std::mem::replace(&mut self.offsets, vec![0]).into());
        let nulls = NullBuffer::from(std::mem::take(&mut self.valid));
        self.entries = 0;
        let DataType::Map(field, sorted) = map_type() else {
            return Err(ArrowError::SchemaError("a map type is a map".to_owned()));
        };
        Ok(Arc::new(MapArray::try_new(field, offsets, entries, Some(nulls), sorted)?))
    }
}

/// The start of a cell, for a message.
pub(crate) fn shown(text: &[u8]) -> String {
    let text = String::from_utf8_lossy(text);
    let short: String = text.chars().take(60).collect();
    if short.len() < text.len() { format!("{short}…") } else { short }
}

/// A JSON object of texts, numbers, booleans and nulls; of a key that comes twice the last counts, as in JSON.
struct Object(Entries);

impl<'de> Deserialize<'de> for Object {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Pairs;
        impl<'de> Visitor<'de> for Pairs {
            type Value = Object;
            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("a JSON object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Object, A::Error> {
                let mut entries: Entries = Vec::new();
                while let Some((key, value)) = access.next_entry::<String, Scalar>()? {
                    match entries.iter_mut().find(|(known, _)| *known == key) {
                        Some(entry) => entry.1 = value.0,
                        None => entries.push((key, value.0)),
                    }
                }
                Ok(Object(entries))
            }
        }
        deserializer.deserialize_map(Pairs)
    }
}

struct Scalar(Option<String>);

impl<'de> Deserialize<'de> for Scalar {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match serde_json::Value::deserialize(deserializer)? {
            serde_json::Value::Null => Ok(Scalar(None)),
            serde_json::Value::String(text) => Ok(Scalar(Some(text))),
            serde_json::Value::Bool(value) => Ok(Scalar(Some(value.to_string()))),
            serde_json::Value::Number(number) => Ok(Scalar(Some(number.to_string()))),
            _ => Err(serde::de::Error::custom("a value is itself an object or a list")),
        }
    }
}
