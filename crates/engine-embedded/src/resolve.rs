//! SQL over the tables of `sql/schema`, made into SQL over files: what [`apportion_engine::binding`] put before a statement is taken off.
//!
//! For the front that speaks Athena, whose clients send text. A table expression over such tables becomes a bill that the engine reads
//! in its own way; a `select` straight from one becomes a `select` from such a bill.

use apportion_engine::tables::LOCATION;
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, Expr, Ident, ObjectName, Query, Select, Statement, TableFactor, Value, Visit, VisitMut, Visitor, VisitorMut,
    visit_expressions, visit_expressions_mut,
};
use datafusion::sql::sqlparser::dialect::GenericDialect;
use datafusion::sql::sqlparser::parser::{Parser, ParserOptions};
use std::collections::BTreeSet;
use std::ops::ControlFlow;

/// The column with the path of a file.
const PATH: &str = "$path";

/// A bill that the resolved SQL reads.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Read {
    /// Name in the resolved SQL.
    pub name: String,
    /// Tables that it was read from, without database.
    pub tables: BTreeSet<String>,
    /// Folders of its files.
    pub locations: BTreeSet<String>,
    /// Paths of its files, where they are named.
    pub paths: BTreeSet<String>,
}

/// SQL over files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    pub sql: String,
    pub reads: Vec<Read>,
}

/// Takes the tables out of a statement. `is_table` says which names, in small letters and without database, are tables over files.
///
/// An error is a sentence: text that is no SQL, or a table whose folders are not named.
pub fn resolve(sql: &str, is_table: &dyn Fn(&str) -> bool) -> Result<Resolved, String> {
    // Literals stay as they are written: printed again, they would change otherwise where a quote stands beside another or a backslash.
    let options = ParserOptions::new().with_unescape(false);
    let parser = Parser::new(&GenericDialect {}).with_options(options).try_with_sql(sql);
    let statements = parser.and_then(|mut parser| parser.parse_statements());
    let mut statements = statements.map_err(|error| error.to_string())?;
    let (Some(Statement::Query(mut query)), None) = (statements.pop(), statements.pop()) else {
        return Err("one query is served at a time, and nothing that is no query".to_owned());
    };
    let mut reads = table_expressions(&mut query, is_table);
    let mut direct = Direct { is_table, reads: Vec::new() };
    let _ = VisitMut::visit(query.as_mut(), &mut direct);
    reads.extend(direct.reads);
    if let Some(read) = reads.iter().find(|read| read.locations.is_empty()) {
        let tables: Vec<&str> = read.tables.iter().map(String::as_str).collect();
        return Err(format!(
            "CONSTRAINT_VIOLATION: For the injected projected partition column {LOCATION} of {}, the WHERE clause must name its values",
            tables.join(", ")
        ));
    }
    Ok(Resolved { sql: query.to_string(), reads })
}

/// Takes off the table expressions over our tables.
fn table_expressions(query: &mut Query, is_table: &dyn Fn(&str) -> bool) -> Vec<Read> {
    let Some(with) = &mut query.with else { return Vec::new() };
    let mut reads = Vec::new();
    with.cte_tables.retain(|expression| {
        let mut found = Found { is_table, read: Read { name: expression.alias.name.value.clone(), ..Read::default() } };
        let _ = Visit::visit(expression.query.as_ref(), &mut found);
        let is_ours = !found.read.tables.is_empty();
        if is_ours {
            reads.push(found.read);
        }
        !is_ours
    });
    if with.cte_tables.is_empty() {
        query.with = None;
    }
    reads
}

/// Name of one of our tables, in small letters; names within one query have no database.
fn table_name(name: &ObjectName, is_table: &dyn Fn(&str) -> bool) -> Option<String> {
    let last = name.0.last()?.as_ident()?.value.to_lowercase();
    is_table(&last).then_some(last)
}

/// Values that a condition allows a column, if it is one of `column = 'text'` and `column in ('text', …)`.
fn allowed(condition: &Expr, column: &str) -> Option<Vec<String>> {
    let is_column = |expression: &Expr| match expression {
        Expr::Identifier(name) => name.value.eq_ignore_ascii_case(column),
        Expr::CompoundIdentifier(names) => names.last().is_some_and(|name| name.value.eq_ignore_ascii_case(column)),
        _ => false,
    };
    let text = |expression: &Expr| match expression {
        Expr::Value(value) => match &value.value {
            Value::SingleQuotedString(text) => Some(text.replace("''", "'")),
            _ => None,
        },
        _ => None,
    };
    match condition {
        Expr::InList { expr, list, negated: false } if is_column(expr) => list.iter().map(text).collect(),
        Expr::BinaryOp { left, op: BinaryOperator::Eq, right } if is_column(left) => Some(vec![text(right)?]),
        _ => None,
    }
}

fn add_conditions<V: Visit>(part: &V, read: &mut Read) {
    let _ = visit_expressions(part, |expression| {
        read.locations.extend(allowed(expression, LOCATION).into_iter().flatten());
        read.paths.extend(allowed(expression, PATH).into_iter().flatten());
        ControlFlow::<()>::Continue(())
    });
}

/// What a part of a query reads of our tables.
struct Found<'a> {
    is_table: &'a dyn Fn(&str) -> bool,
    read: Read,
}

impl Visitor for Found<'_> {
    type Break = ();

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<()> {
        self.read.tables.extend(table_name(name, self.is_table));
        ControlFlow::Continue(())
    }

    fn pre_visit_select(&mut self, select: &Select) -> ControlFlow<()> {
        if let Some(condition) = &select.selection {
            add_conditions(condition, &mut self.read);
        }
        ControlFlow::Continue(())
    }
}

/// Replaces our tables where a `select` reads them itself.
struct Direct<'a> {
    is_table: &'a dyn Fn(&str) -> bool,
    reads: Vec<Read>,
}

impl VisitorMut for Direct<'_> {
    type Break = ();

    fn pre_visit_select(&mut self, select: &mut Select) -> ControlFlow<()> {
        let factors = select
            .from
            .iter_mut()
            .flat_map(|from| std::iter::once(&mut from.relation).chain(from.joins.iter_mut().map(|join| &mut join.relation)));
        let mut found = Vec::new();
        for factor in factors {
            let TableFactor::Table { name, .. } = factor else { continue };
            let Some(table) = table_name(name, self.is_table) else { continue };
            let alias = format!("bill_{}", self.reads.len() + found.len());
            *name = ObjectName::from(Ident::new(&alias));
            found.push(Read { name: alias, tables: BTreeSet::from([table]), ..Read::default() });
        }
        let Some(condition) = select.selection.as_mut().filter(|_| !found.is_empty()) else {
            self.reads.extend(found);
            return ControlFlow::Continue(());
        };
        for read in &mut found {
            add_conditions(condition, read);
        }
        let _ = visit_expressions_mut(condition, |expression| {
            if allowed(expression, LOCATION).is_some() || allowed(expression, PATH).is_some() {
                *expression = Expr::Value(Value::Boolean(true).into());
            }
            ControlFlow::<()>::Continue(())
        });
        self.reads.extend(found);
        ControlFlow::Continue(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn resolved(sql: &str) -> Result<Resolved, String> {
        resolve(sql, &|name| ["cur2", "delivered_focus", "bill_csv"].contains(&name))
    }

    fn set(texts: &[&str]) -> BTreeSet<String> {
        texts.iter().map(|text| (*text).to_owned()).collect()
    }

    #[test]
    fn a_table_expression_over_tables_becomes_a_bill() {
        let sql = "with bill as (select a from \"db\".cur2 where location in ('x/y', 'it''s') and case when t in ('Fee') then cast(t as bigint) is not null else true end \
                   union all select a from (select c1 as a from db.bill_csv where location = 'z') where true), small as (select 1 as a) \
                   select bill.a, '\\ o''k\n' as b, '\\'''''  as c from bill left join small on small.a = bill.a";
        let resolved = resolved(sql).unwrap();
        let read = Read {
            name: "bill".to_owned(),
            tables: set(&["cur2", "bill_csv"]),
            locations: set(&["x/y", "it's", "z"]),
            paths: BTreeSet::new(),
        };
        assert_eq!(resolved.reads, [read]);
        assert_eq!(
            resolved.sql,
            "WITH small AS (SELECT 1 AS a) SELECT bill.a, '\\ o''k\n' AS b, '\\''''' AS c FROM bill LEFT JOIN small ON small.a = bill.a"
        );
    }

    #[test]
    fn a_select_from_a_table_becomes_one_from_a_bill() {
        let sql = "select count(*) as n from delivered_focus where location = 'a' and \"$path\" in ('s3://b/a/1.csv') and BilledCost > 1";
        let resolved = resolved(sql).unwrap();
        assert_eq!(resolved.reads[0].paths, set(&["s3://b/a/1.csv"]));
        assert_eq!(resolved.sql, "SELECT count(*) AS n FROM bill_0 WHERE true AND true AND BilledCost > 1");
    }

    #[test]
    fn what_cannot_be_resolved_is_refused() {
        assert!(resolved("selekt 1").is_err());
        assert!(resolved("select 1; select 2").unwrap_err().contains("one query"));
        assert!(resolved("drop table cur2").unwrap_err().contains("one query"));
        assert!(resolved("select count(*) from cur2").unwrap_err().contains("CONSTRAINT_VIOLATION"));
        assert_eq!(resolved("select 1 as a"), Ok(Resolved { sql: "SELECT 1 AS a".to_owned(), reads: vec![] }));
    }
}
