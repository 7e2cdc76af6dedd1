//! Reads a state machine definition, strictly: what the walker would not honour is refused here, with its place.

use super::Machine;
use super::path::{Path, Template};
use serde_json::{Map, Value};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const INVOKE: &str = "arn:aws:states:::lambda:invoke";
/// The same, but the task ends when someone answers with its token.
const ASK: &str = "arn:aws:states:::lambda:invoke.waitForTaskToken";

/// A definition that is not one that this walker can run.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{file}: {place}: {what}")]
pub struct DefinitionError {
    pub file: String,
    /// Path within the JSON, for example `$.States.Publish.Retry[0]`.
    pub place: String,
    pub what: String,
}

#[derive(Debug)]
pub(crate) struct Scope {
    pub start_at: String,
    pub states: BTreeMap<String, State>,
}

#[derive(Debug)]
pub(crate) struct State {
    pub kind: Kind,
    pub shape: Shape,
    pub retry: Vec<Retrier>,
    pub catch: Vec<Catcher>,
    /// `None`: the execution (or Map item) ends here.
    pub next: Option<String>,
}

/// How data goes in and out. An absent path is `$`; `None` is a null in the definition.
#[derive(Debug)]
pub(crate) struct Shape {
    pub input_path: Option<Path>,
    pub parameters: Option<Template>,
    pub result_selector: Option<Template>,
    pub result_path: Option<Path>,
    pub output_path: Option<Path>,
}

#[derive(Debug)]
pub(crate) enum Kind {
    Task(Task),
    Map(MapState),
    Choice { rules: Vec<Rule>, default: Option<String> },
    Wait { seconds: Seconds },
    Pass { result: Option<Value> },
    Succeed,
    Fail { error: Text, cause: Text },
}

#[derive(Debug)]
pub(crate) struct Task {
    pub function: String,
    pub timeout: Option<Duration>,
    /// Ends by someone's answer, which nobody can give here.
    pub waits_for_answer: bool,
}

#[derive(Debug)]
pub(crate) struct MapState {
    pub items: Path,
    pub item_selector: Option<Template>,
    /// 0: no limit of its own.
    pub concurrency: usize,
    pub processor: Scope,
}

#[derive(Debug)]
pub(crate) enum Seconds {
    Fixed(u64),
    At(Path),
}

#[derive(Debug)]
pub(crate) enum Text {
    Fixed(String),
    At(Path),
}

#[derive(Debug)]
pub(crate) struct Retrier {
    pub errors: Vec<String>,
    pub interval: Duration,
    pub attempts: u32,
    pub backoff: f64,
    pub longest: Option<Duration>,
}

#[derive(Debug)]
pub(crate) struct Catcher {
    pub errors: Vec<String>,
    pub result_path: Option<Path>,
    pub next: String,
}

#[derive(Debug)]
pub(crate) struct Rule {
    test: Test,
    next: String,
}

#[derive(Debug)]
enum Test {
    Boolean(Path, bool),
    Text(Path, String),
    Number(Path, NumberTest, f64),
    Present(Path, bool),
    And(Vec<Test>),
    Or(Vec<Test>),
    Not(Box<Test>),
}

#[derive(Debug, Clone, Copy)]
enum NumberTest {
    Equals,
    Less,
    Greater,
}

/// The first rule that holds. A variable that is not there is an error, as on Step Functions, except for `IsPresent`.
pub(crate) fn choose<'a>(rules: &'a [Rule], input: &Value) -> Result<Option<&'a str>, String> {
    for rule in rules {
        if holds(&rule.test, input)? {
            return Ok(Some(&rule.next));
        }
    }
    Ok(None)
}

fn holds(test: &Test, input: &Value) -> Result<bool, String> {
    let find = |path: &Path| path.get(input, &Value::Null).ok_or_else(|| format!("Variable `{path}` finds nothing"));
    Ok(match test {
        Test::Boolean(path, wanted) => find(path)?.as_bool() == Some(*wanted),
        Test::Text(path, wanted) => find(path)?.as_str() == Some(wanted),
        Test::Number(path, how, wanted) => find(path)?.as_f64().is_some_and(|found| match how {
            NumberTest::Equals => found == *wanted,
            NumberTest::Less => found < *wanted,
            NumberTest::Greater => found > *wanted,
        }),
        Test::Present(path, wanted) => path.get(input, &Value::Null).is_some() == *wanted,
        Test::And(tests) => {
            tests.iter().map(|test| holds(test, input)).collect::<Result<Vec<_>, _>>()?.into_iter().all(|held| held)
        }
        Test::Or(tests) => {
            tests.iter().map(|test| holds(test, input)).collect::<Result<Vec<_>, _>>()?.into_iter().any(|held| held)
        }
        Test::Not(test) => !holds(test, input)?,
    })
}

/// Place and complaint; the file is added last.
type Wrong = (String, String);

fn wrong<T>(place: &str, what: impl Into<String>) -> Result<T, Wrong> {
    Err((place.to_owned(), what.into()))
}

pub(crate) fn parse(file: &str, text: &str) -> Result<Machine, DefinitionError> {
    let named = |(place, what): Wrong| DefinitionError { file: file.to_owned(), place, what };
    let value: Value = serde_json::from_str(text).map_err(|error| named(("$".to_owned(), error.to_string())))?;
    machine(value).map_err(named)
}

fn machine(value: Value) -> Result<Machine, Wrong> {
    let mut fields = Fields::of("$", value)?;
    fields.comment();
    let timeout = fields.seconds("TimeoutSeconds")?;
    let scope = scope(&mut fields)?;
    fields.end()?;
    Ok(Machine { scope, timeout, execution: super::EXECUTION.to_owned() })
}

/// `StartAt` and `States`, every target among them, every state reached.
fn scope(fields: &mut Fields) -> Result<Scope, Wrong> {
    let start_at = fields.text("StartAt")?;
    let place = fields.at("States");
    let mut states = BTreeMap::new();
    for (name, value) in Fields::of(&place, fields.required("States")?)?.values {
        states.insert(name.clone(), state(&format!("{place}.{name}"), value)?);
    }
    let mut reached = BTreeSet::new();
    let mut open = vec![(fields.at("StartAt"), start_at.clone())];
    while let Some((from, name)) = open.pop() {
        let Some(state) = states.get(&name) else { return wrong(&from, format!("there is no state `{name}` beside it")) };
        if reached.insert(name.clone()) {
            let from = format!("{place}.{name}");
            open.extend(targets(state).into_iter().map(|target| (from.clone(), target.to_owned())));
        }
    }
    match states.keys().find(|name| !reached.contains(*name)) {
        Some(name) => wrong(&format!("{place}.{name}"), "no state leads here"),
        None => Ok(Scope { start_at, states }),
    }
}

fn targets(state: &State) -> Vec<&str> {
    let mut targets: Vec<&str> = state.catch.iter().map(|catcher| catcher.next.as_str()).collect();
    targets.extend(state.next.as_deref());
    if let Kind::Choice { rules, default } = &state.kind {
        targets.extend(rules.iter().map(|rule| rule.next.as_str()));
        targets.extend(default.as_deref());
    }
    targets
}

fn state(place: &str, value: Value) -> Result<State, Wrong> {
    let mut fields = Fields::of(place, value)?;
    fields.comment();
    let kind = fields.text("Type")?;
    let mut shape = Shape {
        input_path: fields.path("InputPath")?,
        parameters: None,
        result_selector: None,
        result_path: Some(Path::root()),
        output_path: fields.path("OutputPath")?,
    };
    let runs = matches!(kind.as_str(), "Task" | "Map");
    if kind == "Task" || kind == "Pass" {
        shape.parameters = fields.template("Parameters")?;
    }
    if runs || kind == "Pass" {
        shape.result_path = fields.path("ResultPath")?;
        if shape.result_path.as_ref().is_some_and(Path::is_context) {
            return wrong(&fields.at("ResultPath"), "the context object cannot be written");
        }
    }
    let (mut retry, mut catch) = (Vec::new(), Vec::new());
    if runs {
        shape.result_selector = fields.template("ResultSelector")?;
        retry = fields.list("Retry", retrier)?;
        catch = fields.list("Catch", catcher)?;
        all_last(&fields.at("Retry"), retry.iter().map(|retrier| &retrier.errors))?;
        all_last(&fields.at("Catch"), catch.iter().map(|catcher| &catcher.errors))?;
    }
    let kind = match kind.as_str() {
        "Task" => Kind::Task(task(&mut fields, &shape)?),
        "Map" => Kind::Map(map(&mut fields)?),
        "Choice" => Kind::Choice { rules: fields.list("Choices", rule)?, default: fields.optional_text("Default")? },
        "Wait" => Kind::Wait { seconds: wait(&mut fields)? },
        "Pass" => Kind::Pass { result: fields.values.remove("Result") },
        "Succeed" => Kind::Succeed,
        "Fail" => {
            Kind::Fail { error: fields.text_or_path("Error", "ErrorPath")?, cause: fields.text_or_path("Cause", "CausePath")? }
        }
        other => return wrong(&fields.at("Type"), format!("`{other}` is not a state type that this walker runs")),
    };
    if matches!(kind, Kind::Pass { result: Some(_) }) && shape.parameters.is_some() {
        return wrong(place, "give Result or Parameters, not both");
    }
    let next = match kind {
        Kind::Choice { .. } | Kind::Succeed | Kind::Fail { .. } => None,
        _ => fields.next_or_end()?,
    };
    fields.end()?;
    Ok(State { kind, shape, retry, catch, next })
}

fn task(fields: &mut Fields, shape: &Shape) -> Result<Task, Wrong> {
    let resource = fields.text("Resource")?;
    if resource != INVOKE && resource != ASK {
        return wrong(&fields.at("Resource"), format!("only `{INVOKE}` is run"));
    }
    let place = fields.at("Parameters");
    let Some(Template::Object(parameters)) = &shape.parameters else {
        return wrong(&place, "expected FunctionName and Payload");
    };
    if let Some((name, _)) = parameters.iter().find(|(name, _)| !matches!(name.as_str(), "FunctionName" | "Payload")) {
        return wrong(&format!("{place}.{name}"), "only FunctionName and Payload are honoured");
    }
    let function = match shape.parameters.as_ref().and_then(|parameters| parameters.field("FunctionName")) {
        Some(Template::Fixed(Value::String(name))) => name.strip_prefix("${").and_then(|name| name.strip_suffix('}')),
        _ => None,
    };
    let is_name = |name: &&str| {
        !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
    };
    let Some(function) = function.filter(is_name) else {
        return wrong(&format!("{place}.FunctionName"), "expected `${name}`, the name in snake case");
    };
    let waits_for_answer = resource == ASK;
    Ok(Task { function: function.to_owned(), timeout: fields.seconds("TimeoutSeconds")?, waits_for_answer })
}

fn map(fields: &mut Fields) -> Result<MapState, Wrong> {
    let items = match fields.path("ItemsPath")? {
        Some(path) => path,
        None => return wrong(&fields.at("ItemsPath"), "expected a path to an array"),
    };
    let item_selector = fields.template("ItemSelector")?;
    let concurrency = fields.count("MaxConcurrency")?.unwrap_or(0) as usize;
    let mut processor = Fields::of(&fields.at("ItemProcessor"), fields.required("ItemProcessor")?)?;
    processor.comment();
    if let Some(config) = processor.values.remove("ProcessorConfig") {
        let mut config = Fields::of(&processor.at("ProcessorConfig"), config)?;
        if config.text("Mode")? != "INLINE" {
            return wrong(&config.at("Mode"), "only INLINE is run");
        }
        config.end()?;
    }
    let scope = scope(&mut processor)?;
    processor.end()?;
    Ok(MapState { items, item_selector, concurrency, processor: scope })
}

fn wait(fields: &mut Fields) -> Result<Seconds, Wrong> {
    match (fields.count("Seconds")?, fields.values.contains_key("SecondsPath")) {
        (Some(seconds), false) => Ok(Seconds::Fixed(seconds)),
        (None, true) => match fields.path("SecondsPath")? {
            Some(path) => Ok(Seconds::At(path)),
            None => wrong(&fields.at("SecondsPath"), "expected a path"),
        },
        _ => wrong(&fields.place, "give Seconds or SecondsPath, one of them"),
    }
}

fn retrier(place: &str, value: Value) -> Result<Retrier, Wrong> {
    let mut fields = Fields::of(place, value)?;
    fields.comment();
    let errors = fields.errors()?;
    let interval = fields.seconds("IntervalSeconds")?.unwrap_or(Duration::from_secs(1));
    let attempts = fields.count("MaxAttempts")?.unwrap_or(3);
    let backoff = match fields.values.remove("BackoffRate") {
        None => 2.0,
        Some(rate) => match rate.as_f64().filter(|rate| *rate >= 1.0) {
            Some(rate) => rate,
            None => return wrong(&fields.at("BackoffRate"), "expected a number from 1.0"),
        },
    };
    let longest = fields.seconds("MaxDelaySeconds")?;
    if let Some(jitter) = fields.optional_text("JitterStrategy")?
        && !matches!(jitter.as_str(), "FULL" | "NONE")
    {
        return wrong(&fields.at("JitterStrategy"), "expected FULL or NONE");
    }
    fields.end()?;
    Ok(Retrier { errors, interval, attempts: u32::try_from(attempts).unwrap_or(u32::MAX), backoff, longest })
}

fn catcher(place: &str, value: Value) -> Result<Catcher, Wrong> {
    let mut fields = Fields::of(place, value)?;
    fields.comment();
    let catcher = Catcher { errors: fields.errors()?, result_path: fields.path("ResultPath")?, next: fields.text("Next")? };
    fields.end()?;
    Ok(catcher)
}

/// `States.ALL` stands alone and last, as the language demands.
fn all_last<'a>(place: &str, lists: impl Iterator<Item = &'a Vec<String>>) -> Result<(), Wrong> {
    let lists: Vec<&Vec<String>> = lists.collect();
    for (index, errors) in lists.iter().enumerate() {
        let all = errors.iter().any(|error| error == "States.ALL");
        if all && (errors.len() > 1 || index + 1 < lists.len()) {
            return wrong(&format!("{place}[{index}].ErrorEquals"), "States.ALL stands alone, in the last entry");
        }
    }
    Ok(())
}

fn rule(place: &str, value: Value) -> Result<Rule, Wrong> {
    let mut fields = Fields::of(place, value)?;
    fields.comment();
    let next = fields.text("Next")?;
    Ok(Rule { test: test(fields)?, next })
}

fn test(mut fields: Fields) -> Result<Test, Wrong> {
    for (name, all) in [("And", true), ("Or", false)] {
        if fields.values.contains_key(name) {
            let tests = fields.list(name, |place, value| test(Fields::of(place, value)?))?;
            fields.end()?;
            return Ok(if all { Test::And(tests) } else { Test::Or(tests) });
        }
    }
    if let Some(inner) = fields.values.remove("Not") {
        let inner = test(Fields::of(&fields.at("Not"), inner)?)?;
        fields.end()?;
        return Ok(Test::Not(Box::new(inner)));
    }
    let place = fields.at("Variable");
    let variable = Path::parse(&fields.text("Variable")?).map_err(|why| (place.clone(), why))?;
    if variable.is_context() {
        return wrong(&place, "expected a path of the input");
    }
    let Some((operator, value)) = fields.values.pop_first() else { return wrong(&fields.place, "expected a comparison") };
    fields.end()?;
    let number = |how| value.as_f64().map(|number| Test::Number(variable.clone(), how, number));
    let test = match operator.as_str() {
        "BooleanEquals" => value.as_bool().map(|wanted| Test::Boolean(variable.clone(), wanted)),
        "IsPresent" => value.as_bool().map(|wanted| Test::Present(variable.clone(), wanted)),
        "StringEquals" => value.as_str().map(|wanted| Test::Text(variable.clone(), wanted.to_owned())),
        "NumericEquals" => number(NumberTest::Equals),
        "NumericLessThan" => number(NumberTest::Less),
        "NumericGreaterThan" => number(NumberTest::Greater),
        _ => return wrong(&fields.at(&operator), "is not a comparison that this walker knows"),
    };
    test.ok_or_else(|| (fields.at(&operator), "the value has the wrong type".to_owned()))
}

/// An object being read: what is taken is known, what is left at the end is not.
struct Fields {
    place: String,
    values: BTreeMap<String, Value>,
}

impl Fields {
    fn of(place: &str, value: Value) -> Result<Fields, Wrong> {
        match value {
            Value::Object(values) => {
                let values: Map<String, Value> = values;
                Ok(Fields { place: place.to_owned(), values: values.into_iter().collect() })
            }
            _ => wrong(place, "expected an object"),
        }
    }

    fn at(&self, name: &str) -> String {
        format!("{}.{name}", self.place)
    }

    fn comment(&mut self) {
        self.values.remove("Comment");
    }

    fn required(&mut self, name: &str) -> Result<Value, Wrong> {
        self.values.remove(name).ok_or_else(|| (self.place.clone(), format!("`{name}` is missing")))
    }

    fn text(&mut self, name: &str) -> Result<String, Wrong> {
        match self.required(name)? {
            Value::String(text) => Ok(text),
            _ => wrong(&self.at(name), "expected text"),
        }
    }

    fn optional_text(&mut self, name: &str) -> Result<Option<String>, Wrong> {
        if self.values.contains_key(name) { self.text(name).map(Some) } else { Ok(None) }
    }

    fn count(&mut self, name: &str) -> Result<Option<u64>, Wrong> {
        match self.values.remove(name) {
            None => Ok(None),
            Some(value) => match value.as_u64() {
                Some(count) => Ok(Some(count)),
                None => wrong(&self.at(name), "expected a whole number from 0"),
            },
        }
    }

    fn seconds(&mut self, name: &str) -> Result<Option<Duration>, Wrong> {
        match self.count(name)? {
            Some(0) => wrong(&self.at(name), "expected at least 1"),
            seconds => Ok(seconds.map(Duration::from_secs)),
        }
    }

    /// A path that is `$` where absent and `None` where null.
    fn path(&mut self, name: &str) -> Result<Option<Path>, Wrong> {
        match self.values.remove(name) {
            None => Ok(Some(Path::root())),
            Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Path::parse(&text).map(Some).map_err(|why| (self.at(name), why)),
            Some(_) => wrong(&self.at(name), "expected a path or null"),
        }
    }

    fn template(&mut self, name: &str) -> Result<Option<Template>, Wrong> {
        match self.values.remove(name) {
            None => Ok(None),
            Some(value) => Template::parse(&self.at(name), &value).map(Some),
        }
    }

    fn list<T>(&mut self, name: &str, read: impl Fn(&str, Value) -> Result<T, Wrong>) -> Result<Vec<T>, Wrong> {
        let place = self.at(name);
        match self.values.remove(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) if !items.is_empty() => {
                items.into_iter().enumerate().map(|(index, item)| read(&format!("{place}[{index}]"), item)).collect()
            }
            Some(_) => wrong(&place, "expected a list with at least one entry"),
        }
    }

    fn errors(&mut self) -> Result<Vec<String>, Wrong> {
        let errors = self.list("ErrorEquals", |place, value| match value {
            Value::String(name) => Ok(name),
            _ => wrong(place, "expected the name of an error"),
        })?;
        if errors.is_empty() { wrong(&self.place, "`ErrorEquals` is missing") } else { Ok(errors) }
    }

    fn text_or_path(&mut self, name: &str, path_name: &str) -> Result<Text, Wrong> {
        match (self.optional_text(name)?, self.values.contains_key(path_name)) {
            (Some(text), false) => Ok(Text::Fixed(text)),
            (None, true) => match self.path(path_name)? {
                Some(path) => Ok(Text::At(path)),
                None => wrong(&self.at(path_name), "expected a path"),
            },
            _ => wrong(&self.place, format!("give {name} or {path_name}, one of them")),
        }
    }

    fn next_or_end(&mut self) -> Result<Option<String>, Wrong> {
        let next = self.optional_text("Next")?;
        let end = self.values.remove("End");
        match (next, end) {
            (Some(next), None) => Ok(Some(next)),
            (None, Some(Value::Bool(true))) => Ok(None),
            _ => wrong(&self.place, "give Next, or End: true"),
        }
    }

    fn end(&self) -> Result<(), Wrong> {
        match self.values.keys().next() {
            Some(name) => wrong(&self.at(name), "this field is not honoured by the walker: remove it, or teach the walker"),
            None => Ok(()),
        }
    }
}
