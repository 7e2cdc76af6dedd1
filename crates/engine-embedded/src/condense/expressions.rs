//! Which expressions give the same over condensed lines, and what they become there.

use super::{Condensed, Key, LINES, column};
use datafusion::arrow::datatypes::DataType;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode, TreeNodeRecursion};
use datafusion::common::{Column, DFSchema, ScalarValue, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::expr::ScalarFunction;
use datafusion::logical_expr::{BinaryExpr, Case, Cast, Expr, ExprSchemable, Operator};
use std::collections::HashMap;

/// Takes expressions over a bill apart. An error says that an expression is not of the kind that can be condensed.
pub(super) struct Split<'a> {
    bill: &'a DFSchema,
    /// Whether a column holds amounts.
    is_amount: &'a dyn Fn(&Column) -> bool,
    pub tests: Vec<Expr>,
    pub terms: Vec<Expr>,
}

/// What of a bill an expression reads.
#[derive(PartialEq)]
enum Reads {
    NoAmounts,
    AmountsAlone,
    Both,
}

/// The place of an expression in a list without repeats.
fn place(list: &mut Vec<Expr>, expr: Expr) -> usize {
    list.iter().position(|known| *known == expr).unwrap_or_else(|| {
        list.push(expr);
        list.len() - 1
    })
}

fn is_zero(expr: &Expr) -> bool {
    match expr {
        Expr::Cast(cast) => is_zero(&cast.expr),
        Expr::Literal(value, _) => value.is_null() || ScalarValue::new_zero(&value.data_type()).is_ok_and(|zero| zero == *value),
        _ => false,
    }
}

fn scale(kind: &DataType) -> Option<i8> {
    match kind {
        DataType::Decimal128(_, scale) => Some(*scale),
        _ => None,
    }
}

impl<'a> Split<'a> {
    pub fn new(bill: &'a DFSchema, is_amount: &'a dyn Fn(&Column) -> bool) -> Self {
        Split { bill, is_amount, tests: Vec::new(), terms: Vec::new() }
    }

    fn reads(&self, expr: &Expr) -> Reads {
        let columns = expr.column_refs();
        match columns.iter().filter(|column| (self.is_amount)(column)).count() {
            0 => Reads::NoAmounts,
            amounts if amounts == columns.len() => Reads::AmountsAlone,
            _ => Reads::Both,
        }
    }

    /// An expression that has one value for all lines that are alike: its comparisons of amounts become tests.
    pub fn key(&mut self, expr: Expr) -> Result<Expr> {
        let reads = self.reads(&expr);
        if reads == Reads::NoAmounts {
            return Ok(expr);
        }
        if reads == Reads::AmountsAlone && expr.get_type(self.bill)? == DataType::Boolean {
            return Ok(column("test", place(&mut self.tests, expr)));
        }
        if let Expr::Column(column) = &expr {
            return plan_err!("{column} is an amount");
        }
        expr.map_children(|child| self.key(child).map(Transformed::yes)).data()
    }

    /// A decimal that, for lines that are alike, is a sum of terms: over their sums it gives the sum of what it gives for each line.
    pub fn sum(&mut self, expr: Expr) -> Result<Expr> {
        let reads = self.reads(&expr);
        if reads == Reads::NoAmounts {
            return if is_zero(&expr) { Ok(expr) } else { plan_err!("{expr} counts once for each line") };
        }
        match expr {
            Expr::BinaryExpr(BinaryExpr { left, op: op @ (Operator::Plus | Operator::Minus), right }) => {
                Ok(Expr::BinaryExpr(BinaryExpr { left: self.boxed_sum(*left)?, op, right: self.boxed_sum(*right)? }))
            }
            Expr::Case(Case { expr: None, when_then_expr, else_expr }) => {
                let mut branches = Vec::with_capacity(when_then_expr.len());
                for (when, then) in when_then_expr {
                    branches.push((Box::new(self.key(*when)?), self.boxed_sum(*then)?));
                }
                let otherwise = else_expr.map(|expr| self.boxed_sum(*expr)).transpose()?;
                Ok(Expr::Case(Case { expr: None, when_then_expr: branches, else_expr: otherwise }))
            }
            Expr::ScalarFunction(ScalarFunction { func, args }) if func.name() == "coalesce" => {
                let args = args.into_iter().map(|argument| self.sum(argument)).collect::<Result<Vec<Expr>>>()?;
                Ok(Expr::ScalarFunction(ScalarFunction { func, args }))
            }
            Expr::Cast(Cast { expr, field }) if scale(field.data_type()) == scale(&expr.get_type(self.bill)?) => {
                Ok(Expr::Cast(Cast { expr: self.boxed_sum(*expr)?, field }))
            }
            term if reads == Reads::AmountsAlone && scale(&term.get_type(self.bill)?).is_some() => {
                Ok(column("term", place(&mut self.terms, term)))
            }
            other => plan_err!("{other} is no sum of amounts"),
        }
    }

    fn boxed_sum(&mut self, expr: Expr) -> Result<Box<Expr>> {
        self.sum(expr).map(Box::new)
    }

    /// `count(expr)` of lines, as what is to be summed.
    pub fn count(&mut self, expr: Expr) -> Result<Expr> {
        let lines = Expr::Column(Column::from_name(LINES));
        if matches!(&expr, Expr::Literal(value, _) if !value.is_null()) {
            return Ok(lines);
        }
        let absent = self.key(Expr::IsNull(Box::new(expr)))?;
        let nothing = Expr::Literal(ScalarValue::Int64(Some(0)), None);
        Ok(Expr::Case(Case::new(None, vec![(Box::new(absent), Box::new(nothing))], Some(Box::new(lines)))))
    }

    /// `sum` of an integer that has one value for all lines that are alike.
    pub fn weighted(&mut self, expr: Expr) -> Result<Expr> {
        let lines = Expr::Column(Column::from_name(LINES));
        Ok(Expr::BinaryExpr(BinaryExpr::new(Box::new(self.key(expr)?), Operator::Multiply, Box::new(lines))))
    }
}

/// Chooses the keys for expressions of which [`Split`] has taken the amounts out.
pub(super) fn keys(expressions: &[Expr], bill: &DFSchema) -> Result<Vec<Key>> {
    let sets = numbered_together(expressions, bill)?;
    let mut found: HashMap<&str, Vec<Expr>> = HashMap::new();
    for expr in expressions {
        largest(expr, &sets, &mut found)?;
    }
    let mut keys = Vec::with_capacity(found.len());
    for (set, mut outputs) in found {
        let mut columns: Vec<String> = sets.iter().filter(|(_, of)| *of == set).map(|(name, _)| name.clone()).collect();
        columns.sort();
        let has_map = columns.iter().any(|name| is_map(bill, name));
        let mut is_test = true;
        for output in &outputs {
            is_test &= output.get_type(bill)? == DataType::Boolean;
        }
        // One value made of a column, or yes and no: what else the column says does not tell lines apart. Else the column itself does.
        if !has_map && !is_test && outputs.len() > 1 {
            outputs = columns.iter().map(|name| Expr::Column(Column::from_name(name))).collect();
        }
        keys.push(Key { columns, outputs });
    }
    keys.sort_by(|a, b| a.columns.cmp(&b.columns));
    Ok(keys)
}

fn is_map(bill: &DFSchema, name: &str) -> bool {
    bill.field_with_unqualified_name(name).is_ok_and(|field| matches!(field.data_type(), DataType::Map(_, _)))
}

/// Column -> a name for its set. A function of maps is run on their distinct values, so its columns belong together.
fn numbered_together(expressions: &[Expr], bill: &DFSchema) -> Result<HashMap<String, String>> {
    let mut sets: HashMap<String, String> = HashMap::new();
    for expr in expressions {
        for column in expr.column_refs().into_iter().filter(|column| bill.has_column(column)) {
            sets.insert(column.name.clone(), column.name.clone());
        }
    }
    for expr in expressions {
        expr.apply(|node| {
            let columns = node.column_refs();
            if matches!(node, Expr::ScalarFunction(_)) && columns.iter().any(|column| is_map(bill, &column.name)) {
                let joined: Vec<String> = columns.iter().filter_map(|column| sets.get(&column.name)).cloned().collect();
                if let Some(name) = joined.iter().min().cloned() {
                    sets.values_mut().filter(|set| joined.contains(set)).for_each(|set| set.clone_from(&name));
                }
            }
            Ok(TreeNodeRecursion::Continue)
        })?;
    }
    Ok(sets)
}

/// Collects the largest parts of an expression that read columns of one set and nothing else.
fn largest<'a>(expr: &Expr, sets: &'a HashMap<String, String>, found: &mut HashMap<&'a str, Vec<Expr>>) -> Result<()> {
    expr.apply(|node| {
        let columns = node.column_refs();
        let mut of = columns.iter().map(|column| sets.get(&column.name));
        let Some(Some(first)) = of.next() else { return Ok(TreeNodeRecursion::Continue) };
        if !of.all(|set| set == Some(first)) {
            return Ok(TreeNodeRecursion::Continue);
        }
        place(found.entry(first).or_default(), node.clone());
        Ok(TreeNodeRecursion::Jump)
    })?;
    Ok(())
}

/// An expression with what the condensed bill holds put in the place of what it is made of.
pub(super) fn over_condensed(expr: Expr, condensed: &Condensed) -> Result<Expr> {
    let known: HashMap<&Expr, Expr> = condensed.columns().collect();
    let replace = |node: Expr| match known.get(&node) {
        Some(column) => Ok(Transformed::new(column.clone(), true, TreeNodeRecursion::Jump)),
        None => Ok(Transformed::no(node)),
    };
    expr.transform_down(replace).data()
}
