//! Finds the aggregations that give the same over condensed lines, and puts a condensed bill below them.

use super::expressions::{Split, keys, over_condensed};
use super::scan::CondensedBill;
use super::{Condensed, column};
use crate::scan::BillTable;
use crate::sum::CheckedSum;
use datafusion::arrow::datatypes::DataType;
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::{Transformed, TransformedResult, TreeNode};
use datafusion::common::{Column, DFSchema, plan_err};
use datafusion::datasource::{provider_as_source, source_as_provider};
use datafusion::error::Result;
use datafusion::logical_expr::expr::{AggregateFunction, AggregateFunctionParams};
use datafusion::logical_expr::{Aggregate, AggregateUDF, Expr, ExprSchemable, LogicalPlan, LogicalPlanBuilder};
use datafusion::optimizer::AnalyzerRule;
use std::sync::Arc;

/// What a line can be told apart by, beside its keys: a bit for each term, two for each test.
const MOST_BITS: usize = 64;

#[derive(Debug)]
pub(crate) struct Condense;

impl AnalyzerRule for Condense {
    fn analyze(&self, plan: LogicalPlan, _config: &ConfigOptions) -> Result<LogicalPlan> {
        plan.transform_up(|node| match &node {
            // An error is no fault: it says why the plan stays as it is.
            LogicalPlan::Aggregate(aggregate) => Ok(condensed(aggregate).map_or(Transformed::no(node), Transformed::yes)),
            _ => Ok(Transformed::no(node)),
        })
        .data()
    }

    fn name(&self) -> &str {
        "condense"
    }
}

/// Projections and filters over a bill: each column of the plan, and each filter, as an expression of the bill's columns.
struct Lines {
    bill: Arc<BillTable>,
    columns: Vec<Expr>,
    filters: Vec<Expr>,
}

fn lines(plan: &LogicalPlan) -> Result<Lines> {
    match plan {
        LogicalPlan::TableScan(scan) if scan.filters.is_empty() && scan.fetch.is_none() => {
            let provider = source_as_provider(&scan.source)?;
            let Some(bill) = provider.downcast_ref::<BillTable>() else { return plan_err!("it is not a bill") };
            let fields = scan.projected_schema.fields().iter();
            let columns = fields.map(|field| Expr::Column(Column::from_name(field.name()))).collect();
            Ok(Lines { bill: Arc::new(bill.clone()), columns, filters: Vec::new() })
        }
        LogicalPlan::SubqueryAlias(alias) => lines(&alias.input),
        LogicalPlan::Projection(projection) => {
            let mut below = lines(&projection.input)?;
            let expressions = projection.expr.iter().map(|expr| inlined(expr, projection.input.schema(), &below));
            below.columns = expressions.collect::<Result<Vec<Expr>>>()?;
            Ok(below)
        }
        LogicalPlan::Filter(filter) => {
            let mut below = lines(&filter.input)?;
            below.filters.push(inlined(&filter.predicate, filter.input.schema(), &below)?);
            Ok(below)
        }
        other => plan_err!("{} is not condensed", other.display()),
    }
}

/// An expression over a plan as one over the bill.
fn inlined(expr: &Expr, schema: &DFSchema, below: &Lines) -> Result<Expr> {
    let replace = |node: Expr| match node {
        Expr::Column(column) => match below.columns.get(schema.index_of_column(&column)?) {
            Some(expr) => Ok(Transformed::yes(expr.clone())),
            None => plan_err!("{column} is not there"),
        },
        Expr::Alias(alias) => Ok(Transformed::yes(*alias.expr)),
        Expr::ScalarSubquery(_)
        | Expr::Exists(_)
        | Expr::InSubquery(_)
        | Expr::OuterReferenceColumn(_, _)
        | Expr::GroupingSet(_) => {
            plan_err!("{node} is not condensed")
        }
        other if other.is_volatile_node() => plan_err!("{other} is not condensed"),
        other => Ok(Transformed::no(other)),
    };
    expr.clone().transform_up(replace).data()
}

/// The aggregation over condensed lines, or why there is none.
fn condensed(aggregate: &Aggregate) -> Result<LogicalPlan> {
    let lines = lines(&aggregate.input)?;
    let bill = DFSchema::try_from(lines.bill.source.schema.as_ref().clone())?;
    let is_amount = |column: &Column| lines.bill.source.is_amount(&column.name);
    let mut split = Split::new(&bill, &is_amount);
    let over_bill = |expr: &Expr| inlined(expr, aggregate.input.schema(), &lines);
    if aggregate.group_expr.is_empty() {
        return plan_err!("without groups, no line is one row");
    }
    let mut groups = Vec::with_capacity(aggregate.group_expr.len());
    for expr in &aggregate.group_expr {
        groups.push(split.key(over_bill(expr)?)?);
    }
    let (mut functions, mut arguments) = (Vec::new(), Vec::new());
    for expr in &aggregate.aggr_expr {
        let (function, argument) = call(&over_bill(expr)?, &mut split, &bill)?;
        functions.push(function);
        arguments.push(argument);
    }
    let filters = lines.filters.iter().map(|expr| split.key(expr.clone())).collect::<Result<Vec<Expr>>>()?;
    let Split { tests, terms, .. } = split;
    if terms.len() + 2 * tests.len() > MOST_BITS {
        return plan_err!("{} terms and {} tests are too many", terms.len(), tests.len());
    }
    let keys = keys(&[groups.as_slice(), &arguments, &filters].concat(), &bill)?;
    if keys.is_empty() {
        return plan_err!("nothing tells lines apart");
    }
    let condensed = Condensed { keys, tests, terms };
    over(aggregate, CondensedBill::new(&lines.bill, condensed, &bill)?, [groups, arguments, filters], functions)
}

/// An aggregate function over condensed lines, and its argument.
fn call(expr: &Expr, split: &mut Split<'_>, bill: &DFSchema) -> Result<(Arc<AggregateUDF>, Expr)> {
    let Expr::AggregateFunction(AggregateFunction { func, params }) = expr else { return plan_err!("{expr} is no function") };
    let AggregateFunctionParams { args, distinct: false, filter: None, order_by, null_treatment: None } = params else {
        return plan_err!("{expr} is not condensed");
    };
    let ([argument], true) = (args.as_slice(), order_by.is_empty()) else { return plan_err!("{expr} is not condensed") };
    let argument = argument.clone();
    match (func.name(), argument.get_type(bill)?) {
        ("max" | "min", _) => Ok((Arc::clone(func), split.key(argument)?)),
        ("count", _) => Ok((Arc::new(AggregateUDF::from(CheckedSum::default())), split.count(argument)?)),
        ("sum", DataType::Decimal128(_, _)) => Ok((Arc::clone(func), split.sum(argument)?)),
        ("sum", DataType::Int64) => Ok((Arc::clone(func), split.weighted(argument)?)),
        _ => plan_err!("{expr} is not condensed"),
    }
}

/// The new plan: its columns have the names of the old one's.
fn over(
    aggregate: &Aggregate,
    bill: CondensedBill,
    expressions: [Vec<Expr>; 3],
    functions: Vec<Arc<AggregateUDF>>,
) -> Result<LogicalPlan> {
    let [groups, arguments, filters] = expressions.map(|list| list.into_iter().map(|expr| over_condensed(expr, &bill.condensed)));
    let filters = filters.collect::<Result<Vec<Expr>>>()?;
    let inputs: Vec<Expr> = groups.chain(arguments).collect::<Result<_>>()?;
    let group_count = aggregate.group_expr.len();
    let name = |index: usize| column("input", index);
    let named = inputs.into_iter().enumerate().map(|(index, expr)| expr.alias(name(index).schema_name().to_string()));
    let calls = functions.into_iter().enumerate().map(|(index, function)| {
        Expr::AggregateFunction(AggregateFunction::new_udf(function, vec![name(group_count + index)], false, None, vec![], None))
    });
    let mut plan = LogicalPlanBuilder::scan("condensed", provider_as_source(Arc::new(bill)), None)?;
    for filter in filters {
        plan = plan.filter(filter)?;
    }
    let plan = plan.project(named.collect::<Vec<Expr>>())?;
    let plan = plan.aggregate((0..group_count).map(name).collect::<Vec<Expr>>(), calls.collect::<Vec<Expr>>())?;
    let new = plan.schema().columns();
    let names = aggregate
        .schema
        .iter()
        .zip(new)
        .map(|((qualifier, field), column)| Expr::Column(column).alias_qualified(qualifier.cloned(), field.name()));
    let names: Vec<Expr> = names.collect();
    let plan = plan.project(names)?.build()?;
    let old = aggregate.schema.fields().iter().map(|field| field.data_type());
    if !old.eq(plan.schema().fields().iter().map(|field| field.data_type())) {
        return plan_err!("the types would not be the same");
    }
    Ok(plan)
}
