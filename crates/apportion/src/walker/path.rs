//! The part of JSONPath that the state machines use: `$`, `.name`, `['name']`, `[0]`, and `$$` for the context object.

use serde_json::{Map, Value};
use std::fmt;

/// A reference path: it means one node.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Path {
    context: bool,
    steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq)]
enum Step {
    Field(String),
    Index(usize),
}

impl Path {
    pub fn root() -> Path {
        Path { context: false, steps: Vec::new() }
    }

    pub fn is_context(&self) -> bool {
        self.context
    }

    pub fn parse(text: &str) -> Result<Path, String> {
        if text.starts_with("States.") {
            return Err(format!("`{text}` is an intrinsic function, which this walker does not run"));
        }
        let wrong = || format!("`{text}` is not a path: `$` or `$$`, then `.name`, `['name']` or `[0]`");
        let rest = text.strip_prefix('$').ok_or_else(wrong)?;
        let (context, mut rest) = rest.strip_prefix('$').map_or((false, rest), |rest| (true, rest));
        let mut steps = Vec::new();
        while !rest.is_empty() {
            if let Some(after) = rest.strip_prefix("['") {
                let (name, after) = after.split_once("']").ok_or_else(wrong)?;
                steps.push(Step::Field(name.to_owned()));
                rest = after;
            } else if let Some(after) = rest.strip_prefix('[') {
                let (index, after) = after.split_once(']').ok_or_else(wrong)?;
                steps.push(Step::Index(index.parse().map_err(|_| wrong())?));
                rest = after;
            } else {
                let after = rest.strip_prefix('.').ok_or_else(wrong)?;
                let end = after.find(['.', '[']).unwrap_or(after.len());
                let name = &after[..end];
                if name.is_empty() || !name.chars().all(|c| c.is_alphanumeric() || c == '_' || c == '-') {
                    return Err(wrong());
                }
                steps.push(Step::Field(name.to_owned()));
                rest = &after[end..];
            }
        }
        Ok(Path { context, steps })
    }

    pub fn get<'a>(&self, data: &'a Value, context: &'a Value) -> Option<&'a Value> {
        let start = if self.context { context } else { data };
        self.steps.iter().try_fold(start, |at, step| match step {
            Step::Field(name) => at.get(name.as_str()),
            Step::Index(index) => at.get(index),
        })
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.context { "$$" } else { "$" })?;
        self.steps.iter().try_for_each(|step| match step {
            Step::Field(name) => write!(f, ".{name}"),
            Step::Index(index) => write!(f, "[{index}]"),
        })
    }
}

/// Puts `result` into `data` where `path` says, making objects on the way; `None` (a null path) drops the result.
pub(crate) fn put(data: Value, path: Option<&Path>, result: Value) -> Result<Value, String> {
    let Some(path) = path else { return Ok(data) };
    let mut root = data;
    let mut at = &mut root;
    for step in &path.steps {
        at = match step {
            Step::Field(name) => {
                if at.is_null() {
                    *at = Value::Object(Map::new());
                }
                let object =
                    at.as_object_mut().ok_or_else(|| format!("ResultPath `{path}`: there is no object to put `{name}` in"))?;
                object.entry(name.as_str()).or_insert(Value::Null)
            }
            Step::Index(index) => {
                at.get_mut(index).ok_or_else(|| format!("ResultPath `{path}`: the input has no item {index} there"))?
            }
        };
    }
    *at = result;
    Ok(root)
}

/// A payload template: fields whose name ends in `.$` hold paths.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Template {
    Fixed(Value),
    At(Path),
    Object(Vec<(String, Template)>),
    Array(Vec<Template>),
}

impl Template {
    /// Reads a template; an error names the field below `place`.
    pub fn parse(place: &str, value: &Value) -> Result<Template, (String, String)> {
        match value {
            Value::Object(fields) => {
                let fields = fields.iter().map(|(name, value)| {
                    let place = format!("{place}.{name}");
                    match name.strip_suffix(".$") {
                        None => Ok((name.clone(), Template::parse(&place, value)?)),
                        Some(plain) => {
                            let text = value.as_str().ok_or_else(|| (place.clone(), "expected a path as text".to_owned()))?;
                            Ok((plain.to_owned(), Template::At(Path::parse(text).map_err(|why| (place, why))?)))
                        }
                    }
                });
                Ok(Template::Object(fields.collect::<Result<_, (String, String)>>()?))
            }
            Value::Array(items) => {
                let items = items.iter().enumerate().map(|(index, item)| Template::parse(&format!("{place}[{index}]"), item));
                Ok(Template::Array(items.collect::<Result<_, _>>()?))
            }
            plain => Ok(Template::Fixed(plain.clone())),
        }
    }

    /// The value; an error is the path that finds nothing.
    pub fn fill(&self, data: &Value, context: &Value) -> Result<Value, String> {
        match self {
            Template::Fixed(value) => Ok(value.clone()),
            Template::At(path) => path.get(data, context).cloned().ok_or_else(|| path.to_string()),
            Template::Object(fields) => {
                let filled = fields.iter().map(|(name, template)| Ok((name.clone(), template.fill(data, context)?)));
                Ok(Value::Object(filled.collect::<Result<Map<_, _>, String>>()?))
            }
            Template::Array(items) => {
                let filled = items.iter().map(|item| item.fill(data, context));
                Ok(Value::Array(filled.collect::<Result<_, _>>()?))
            }
        }
    }

    /// A field of a template that is an object.
    pub fn field(&self, name: &str) -> Option<&Template> {
        match self {
            Template::Object(fields) => fields.iter().find(|(field, _)| field == name).map(|(_, template)| template),
            _ => None,
        }
    }
}
