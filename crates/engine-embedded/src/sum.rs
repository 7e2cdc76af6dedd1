//! `sum` of decimals that fails when it overflows, as Trino's does; DataFusion's own wraps.

use datafusion::arrow::array::{ArrayRef, AsArray, BooleanArray};
use datafusion::arrow::datatypes::{DataType, Decimal128Type, Field, FieldRef};
use datafusion::common::{ScalarValue, exec_err};
use datafusion::error::Result;
use datafusion::functions_aggregate::sum::Sum;
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature};
use datafusion_functions_aggregate_common::aggregate::groups_accumulator::prim_op::PrimitiveGroupsAccumulator;
use std::sync::Arc;

/// The first magnitude that DECIMAL(38,s) cannot hold.
const LIMIT: i128 = 100_000_000_000_000_000_000_000_000_000_000_000_000;
/// A sum that overflowed: it stays, and no sum of decimals can come back from it.
const OVERFLOWED: i128 = i128::MAX;

#[inline]
fn add(sum: &mut i128, value: i128) {
    *sum = match sum.checked_add(value) {
        Some(next) if *sum != OVERFLOWED && value != OVERFLOWED && next < LIMIT && next > -LIMIT => next,
        _ => OVERFLOWED,
    };
}

fn check(array: &ArrayRef) -> Result<()> {
    match array.as_primitive_opt::<Decimal128Type>() {
        Some(sums) if sums.values().contains(&OVERFLOWED) => {
            exec_err!("a sum is beyond 38 digits: decimal overflow")
        }
        _ => Ok(()),
    }
}

#[derive(Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct CheckedSum {
    plain: Sum,
}

fn is_checked(args: &AccumulatorArgs<'_>) -> bool {
    !args.is_distinct && matches!(args.return_field.data_type(), DataType::Decimal128(_, _))
}

impl AggregateUDFImpl for CheckedSum {
    fn name(&self) -> &str {
        "sum"
    }
    fn signature(&self) -> &Signature {
        self.plain.signature()
    }
    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            // Trino: always 38 digits.
            [DataType::Decimal32(_, scale) | DataType::Decimal64(_, scale) | DataType::Decimal128(_, scale)] => {
                Ok(DataType::Decimal128(38, *scale))
            }
            _ => self.plain.return_type(arguments),
        }
    }
    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        self.plain.coerce_types(arguments)
    }
    fn accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn Accumulator>> {
        if is_checked(&args) {
            return Ok(Box::new(OneSum { sum: None, kind: args.return_field.data_type().clone() }));
        }
        self.plain.accumulator(args)
    }
    fn state_fields(&self, args: StateFieldsArgs<'_>) -> Result<Vec<FieldRef>> {
        if args.is_distinct {
            return self.plain.state_fields(args);
        }
        let name = format_state_name(args.name, "sum");
        Ok(vec![Arc::new(Field::new(name, args.return_field.data_type().clone(), true))])
    }
    fn groups_accumulator_supported(&self, args: AccumulatorArgs<'_>) -> bool {
        !args.is_distinct
    }
    fn create_groups_accumulator(&self, args: AccumulatorArgs<'_>) -> Result<Box<dyn GroupsAccumulator>> {
        if is_checked(&args) {
            let inner = PrimitiveGroupsAccumulator::<Decimal128Type, _>::new(args.return_field.data_type(), add);
            return Ok(Box::new(GroupSums { inner }));
        }
        self.plain.create_groups_accumulator(args)
    }
}

/// A sum without groups.
#[derive(Debug)]
struct OneSum {
    sum: Option<i128>,
    kind: DataType,
}

impl Accumulator for OneSum {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let Some(values) = values.first().and_then(|array| array.as_primitive_opt::<Decimal128Type>()) else {
            return exec_err!("a sum of decimals wants decimals");
        };
        for value in values.iter().flatten() {
            add(self.sum.get_or_insert(0), value);
        }
        Ok(())
    }
    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }
    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        self.evaluate().map(|value| vec![value])
    }
    fn evaluate(&mut self) -> Result<ScalarValue> {
        match (&self.kind, self.sum) {
            (_, Some(OVERFLOWED)) => exec_err!("a sum is beyond 38 digits: decimal overflow"),
            (DataType::Decimal128(precision, scale), sum) => Ok(ScalarValue::Decimal128(sum, *precision, *scale)),
            (kind, _) => exec_err!("a sum of decimals is not {kind}"),
        }
    }
    fn size(&self) -> usize {
        size_of_val(self)
    }
}

struct GroupSums<F: Fn(&mut i128, i128) + Send + Sync + 'static> {
    inner: PrimitiveGroupsAccumulator<Decimal128Type, F>,
}

impl<F: Fn(&mut i128, i128) + Send + Sync + 'static> GroupsAccumulator for GroupSums<F> {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total_groups: usize,
    ) -> Result<()> {
        self.inner.update_batch(values, groups, filter, total_groups)
    }
    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let sums = self.inner.evaluate(emit_to)?;
        check(&sums)?;
        Ok(sums)
    }
    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        self.inner.state(emit_to)
    }
    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total_groups: usize) -> Result<()> {
        self.inner.merge_batch(values, groups, total_groups)
    }
    fn convert_to_state(&self, values: &[ArrayRef], filter: Option<&BooleanArray>) -> Result<Vec<ArrayRef>> {
        self.inner.convert_to_state(values, filter)
    }
    fn size(&self) -> usize {
        self.inner.size()
    }
}
