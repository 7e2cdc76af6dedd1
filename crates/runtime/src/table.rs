//! The one DynamoDB table: items by `pk` and `sk`, text fields, an optional `ttl`. What a key means is the function's.
//!
//! A write that was done although its answer says otherwise is tried again by the SDK and then finds its own item: whoever writes on a
//! condition compares what stands there with what it wrote.

use crate::service::ServiceError;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::error::SdkError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::AttributeValue;
use std::collections::{BTreeMap, HashMap};

/// Seconds of a day, for `ttl`.
pub const DAY_SECONDS: i64 = 86_400;

/// One item.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Item {
    pub pk: String,
    pub sk: String,
    pub fields: BTreeMap<String, String>,
    /// Seconds since 1970-01-01 after which DynamoDB may remove it.
    pub ttl: Option<i64>,
}

impl Item {
    pub fn new(pk: impl Into<String>, sk: impl Into<String>) -> Item {
        Item { pk: pk.into(), sk: sk.into(), ..Item::default() }
    }

    /// With one more field.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Item {
        self.fields.insert(name.to_owned(), value.into());
        self
    }

    /// A field; `""` if there is none.
    pub fn field(&self, name: &str) -> &str {
        self.fields.get(name).map_or("", String::as_str)
    }
}

/// When a conditional write is done.
#[derive(Debug, Clone, Copy)]
pub enum When<'a> {
    /// No such item stands there.
    Absent,
    /// None, or one whose field has one of the values.
    AbsentOr(&'a str, &'a [&'a str]),
    /// One stands there whose field has one of the values.
    Holds(&'a str, &'a [&'a str]),
}

/// What a conditional write found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Put {
    Done,
    /// The condition does not hold: what stands there now, `None` if nothing.
    Refused(Option<Item>),
}

/// Part of a query's answer.
#[derive(Debug, Clone, Copy)]
pub struct Range<'a> {
    /// Sort keys from here, and up to here, both included.
    pub from: &'a str,
    pub to: &'a str,
    pub newest_first: bool,
    /// Items at most.
    pub limit: Option<usize>,
}

/// A table by name.
#[derive(Debug, Clone)]
pub struct Table {
    client: Client,
    name: String,
}

impl Table {
    pub fn new(client: Client, name: impl Into<String>) -> Table {
        Table { client, name: name.into() }
    }

    /// Writes or replaces an item.
    pub async fn put(&self, item: &Item) -> Result<(), ServiceError> {
        let put = self.client.put_item().table_name(&self.name).set_item(Some(attributes(item)));
        put.send().await.map(|_| ()).map_err(|error| ServiceError::of("dynamodb:PutItem", &error))
    }

    /// Writes an item if the condition holds.
    pub async fn put_when(&self, item: &Item, when: When<'_>) -> Result<Put, ServiceError> {
        let put = self.client.put_item().table_name(&self.name).set_item(Some(attributes(item)));
        let (absent, field) = match when {
            When::Absent => (true, None),
            When::AbsentOr(name, values) => (true, Some((name, values))),
            When::Holds(name, values) => (false, Some((name, values))),
        };
        let mut conditions = Vec::new();
        let mut put = put;
        if absent {
            put = put.expression_attribute_names("#pk", "pk");
            conditions.push("attribute_not_exists(#pk)".to_owned());
        }
        if let Some((name, values)) = field {
            put = put.expression_attribute_names("#field", name);
            let names: Vec<String> = (0..values.len()).map(|index| format!(":value{index}")).collect();
            for (name, value) in names.iter().zip(values) {
                put = put.expression_attribute_values(name, AttributeValue::S((*value).to_owned()));
            }
            conditions.push(format!("#field IN ({})", names.join(", ")));
        }
        match put.condition_expression(conditions.join(" OR ")).send().await {
            Ok(_) => Ok(Put::Done),
            Err(error) if is_condition(&error) => Ok(Put::Refused(self.get(&item.pk, &item.sk).await?)),
            Err(error) => Err(ServiceError::of("dynamodb:PutItem", &error)),
        }
    }

    /// An item as it stands now.
    pub async fn get(&self, pk: &str, sk: &str) -> Result<Option<Item>, ServiceError> {
        let get = self.client.get_item().table_name(&self.name).consistent_read(true);
        let get = get.key("pk", AttributeValue::S(pk.to_owned())).key("sk", AttributeValue::S(sk.to_owned()));
        let found = get.send().await.map_err(|error| ServiceError::of("dynamodb:GetItem", &error))?;
        Ok(found.item.map(item))
    }

    /// Items of one `pk` in a range of sort keys, in order.
    pub async fn query(&self, pk: &str, range: &Range<'_>) -> Result<Vec<Item>, ServiceError> {
        let mut found = Vec::new();
        let mut start: Option<HashMap<String, AttributeValue>> = None;
        loop {
            let limit = range.limit.map(|limit| i32::try_from(limit - found.len()).unwrap_or(i32::MAX));
            let query = self.client.query().table_name(&self.name).consistent_read(true);
            let query = query
                .key_condition_expression("#pk = :pk AND #sk BETWEEN :from AND :to")
                .expression_attribute_names("#pk", "pk")
                .expression_attribute_names("#sk", "sk")
                .expression_attribute_values(":pk", AttributeValue::S(pk.to_owned()))
                .expression_attribute_values(":from", AttributeValue::S(range.from.to_owned()))
                .expression_attribute_values(":to", AttributeValue::S(range.to.to_owned()))
                .scan_index_forward(!range.newest_first)
                .set_limit(limit)
                .set_exclusive_start_key(start.take());
            let page = query.send().await.map_err(|error| ServiceError::of("dynamodb:Query", &error))?;
            found.extend(page.items.unwrap_or_default().into_iter().map(item));
            start = page.last_evaluated_key.filter(|key| !key.is_empty());
            if start.is_none() || range.limit.is_some_and(|limit| found.len() >= limit) {
                return Ok(found);
            }
        }
    }
}

fn is_condition(error: &SdkError<PutItemError>) -> bool {
    error.as_service_error().is_some_and(PutItemError::is_conditional_check_failed_exception)
}

fn attributes(item: &Item) -> HashMap<String, AttributeValue> {
    let text = |value: &str| AttributeValue::S(value.to_owned());
    let mut attributes: HashMap<String, AttributeValue> =
        item.fields.iter().map(|(name, value)| (name.clone(), text(value))).collect();
    attributes.insert("pk".to_owned(), text(&item.pk));
    attributes.insert("sk".to_owned(), text(&item.sk));
    if let Some(ttl) = item.ttl {
        attributes.insert("ttl".to_owned(), AttributeValue::N(ttl.to_string()));
    }
    attributes
}

/// Fields that are no text are not ours and are left out.
fn item(attributes: HashMap<String, AttributeValue>) -> Item {
    let mut found = Item::default();
    for (name, value) in attributes {
        match (name.as_str(), value) {
            ("pk", AttributeValue::S(text)) => found.pk = text,
            ("sk", AttributeValue::S(text)) => found.sk = text,
            ("ttl", AttributeValue::N(number)) => found.ttl = number.parse().ok(),
            (_, AttributeValue::S(text)) => {
                found.fields.insert(name, text);
            }
            _ => {}
        }
    }
    found
}
