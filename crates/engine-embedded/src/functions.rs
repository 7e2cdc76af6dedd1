//! Trino's semantics where DataFusion's differ: casts to decimal and of timestamps to text, `element_at`, `trim`, `coalesce`.
//!
//! The SQL text stays Trino's; `TrinoCasts` replaces expressions before the types are coerced.

use crate::read::format_millis;
use crate::tag_chain;
use crate::to_decimal::{LosesDigits, ToDecimal};
use apportion_core::tags::trim;
use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, MapArray, StringViewArray, StringViewBuilder};
use datafusion::arrow::compute::{cast, is_not_null, kernels::zip::zip};
use datafusion::arrow::datatypes::{DataType, TimeUnit, TimestampMillisecondType};
use datafusion::common::config::ConfigOptions;
use datafusion::common::tree_node::Transformed;
use datafusion::common::{DFSchema, ScalarValue, plan_err};
use datafusion::error::Result;
use datafusion::execution::FunctionRegistry;
use datafusion::logical_expr::expr_rewriter::FunctionRewrite;
use datafusion::logical_expr::{
    ColumnarValue, Expr, ExprSchemable, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use datafusion::prelude::SessionContext;
use std::sync::Arc;

/// Puts our functions in the place of DataFusion's.
pub(crate) fn register(context: &SessionContext) -> Result<()> {
    context.register_udf(ScalarUDF::from(ElementAt::default()));
    context.register_udf(ScalarUDF::from(Trim::default()));
    context.register_udf(ScalarUDF::from(Coalesce::default()));
    context.state_ref().write().register_function_rewrite(Arc::new(TrinoCasts))
}

#[derive(Debug)]
struct TrinoCasts;

impl FunctionRewrite for TrinoCasts {
    fn name(&self) -> &str {
        "trino_casts"
    }

    fn rewrite(&self, expr: Expr, schema: &DFSchema, _config: &ConfigOptions) -> Result<Transformed<Expr>> {
        if let Some(chain) = tag_chain::recognise(&expr) {
            return Ok(Transformed::yes(chain));
        }
        if let Some(function) = LosesDigits::of(&expr, schema)? {
            return Ok(Transformed::yes(function));
        }
        let Expr::Cast(cast) = &expr else { return Ok(Transformed::no(expr)) };
        let from = cast.expr.get_type(schema)?;
        let function = match (&from, cast.field.data_type()) {
            (from, DataType::Decimal128(precision, scale)) if from.is_floating() || from.is_string() => {
                ScalarUDF::from(ToDecimal::new(*precision, *scale))
            }
            (DataType::Timestamp(TimeUnit::Millisecond, None), to) if to.is_string() => ScalarUDF::from(TimestampText::default()),
            _ => return Ok(Transformed::no(expr)),
        };
        Ok(Transformed::yes(function.call(vec![cast.expr.as_ref().clone()])))
    }
}

/// An argument as an array, and whether it was one value for all rows.
pub(crate) fn array_of(value: &ColumnarValue) -> Result<(ArrayRef, bool)> {
    match value {
        ColumnarValue::Array(array) => Ok((Arc::clone(array), false)),
        ColumnarValue::Scalar(scalar) => Ok((scalar.to_array()?, true)),
    }
}

pub(crate) fn result_of(array: ArrayRef, scalar: bool) -> Result<ColumnarValue> {
    if scalar { Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&array, 0)?)) } else { Ok(ColumnarValue::Array(array)) }
}

/// `cast(timestamp as varchar)`: neighbours are mostly alike, so the last text is kept.
#[derive(Debug, PartialEq, Eq, Hash)]
struct TimestampText {
    signature: Signature,
}

impl Default for TimestampText {
    fn default() -> Self {
        TimestampText { signature: Signature::any(1, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for TimestampText {
    fn name(&self) -> &str {
        "timestamp_text"
    }
    fn signature(&self) -> &Signature {
        &self.signature
    }
    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value] = args.args.as_slice() else { return plan_err!("a cast has one argument") };
        let (array, scalar) = array_of(value)?;
        let mut builder = StringViewBuilder::with_capacity(array.len());
        let mut last: Option<(i64, u32)> = None;
        for value in array.as_primitive::<TimestampMillisecondType>() {
            match (value, last) {
                (None, _) => builder.append_null(),
                (Some(millis), Some((known, block))) if known == millis => builder.try_append_view(block, 0, 23)?,
                (Some(millis), _) => {
                    let text = format_millis(millis);
                    if text.len() == 23 {
                        let block = builder.append_block(text.into_bytes().into());
                        builder.try_append_view(block, 0, 23)?;
                        last = Some((millis, block));
                    } else {
                        builder.append_value(text);
                    }
                }
            }
        }
        result_of(Arc::new(builder.finish()), scalar)
    }
}

/// `element_at(map, key)`: the value, NULL where the key is absent.
#[derive(Debug, PartialEq, Eq, Hash)]
struct ElementAt {
    signature: Signature,
}

impl Default for ElementAt {
    fn default() -> Self {
        ElementAt { signature: Signature::any(2, Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for ElementAt {
    fn name(&self) -> &str {
        "element_at"
    }
    fn signature(&self) -> &Signature {
        &self.signature
    }
    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        match arguments {
            [DataType::Map(_, _) | DataType::Null, key] if key.is_string() => Ok(DataType::Utf8View),
            _ => plan_err!("element_at wants a map of texts and a text"),
        }
    }
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [map, ColumnarValue::Scalar(key)] = args.args.as_slice() else {
            return plan_err!("element_at wants a map and a literal key");
        };
        let (array, scalar) = array_of(map)?;
        let mut builder = StringViewBuilder::with_capacity(array.len());
        let (Some(map), Some(Some(key))) = (array.as_any().downcast_ref::<MapArray>(), key.try_as_str()) else {
            (0..array.len()).for_each(|_| builder.append_null());
            return result_of(Arc::new(builder.finish()), scalar);
        };
        let (keys, values) = (cast(map.keys(), &DataType::Utf8View)?, cast(map.values(), &DataType::Utf8View)?);
        let (keys, values) = (keys.as_string_view(), values.as_string_view());
        for (row, window) in map.value_offsets().windows(2).enumerate() {
            let (from, to) = (window[0] as usize, window[1] as usize);
            let found = (from..to).find(|entry| keys.value(*entry) == key).filter(|entry| values.is_valid(*entry));
            match found.filter(|_| map.is_valid(row)) {
                Some(entry) => builder.append_value(values.value(entry)),
                None => builder.append_null(),
            }
        }
        result_of(Arc::new(builder.finish()), scalar)
    }
}

/// `trim(text)`: Java's white space, which is not Unicode's.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Trim {
    signature: Signature,
    aliases: Vec<String>,
}

impl Default for Trim {
    fn default() -> Self {
        Trim { signature: Signature::any(1, Volatility::Immutable), aliases: vec!["trim".to_owned()] }
    }
}

impl ScalarUDFImpl for Trim {
    /// What DataFusion plans `trim` as.
    fn name(&self) -> &str {
        "btrim"
    }
    fn aliases(&self) -> &[String] {
        &self.aliases
    }
    fn signature(&self) -> &Signature {
        &self.signature
    }
    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value] = args.args.as_slice() else { return plan_err!("trim has one argument") };
        let (array, scalar) = array_of(value)?;
        let texts = cast(&array, &DataType::Utf8View)?;
        let trimmed: StringViewArray = texts.as_string_view().iter().map(|text| text.map(trim)).collect();
        result_of(Arc::new(trimmed), scalar)
    }
}

/// `coalesce(…)`: an argument without NULLs ends the search, and costs nothing.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Coalesce {
    signature: Signature,
}

impl Default for Coalesce {
    fn default() -> Self {
        Coalesce { signature: Signature::user_defined(Volatility::Immutable) }
    }
}

impl ScalarUDFImpl for Coalesce {
    fn name(&self) -> &str {
        "coalesce"
    }
    fn signature(&self) -> &Signature {
        &self.signature
    }
    fn return_type(&self, arguments: &[DataType]) -> Result<DataType> {
        Ok(arguments.first().cloned().unwrap_or(DataType::Null))
    }
    fn coerce_types(&self, arguments: &[DataType]) -> Result<Vec<DataType>> {
        let known: Vec<&DataType> = arguments.iter().filter(|kind| **kind != DataType::Null).collect();
        let Some(first) = known.first() else { return Ok(arguments.to_vec()) };
        let common = if known.iter().all(|kind| kind.is_string()) {
            DataType::Utf8View
        } else {
            let widest = known.iter().try_fold((*first).clone(), |common, kind| {
                datafusion::logical_expr::type_coercion::binary::comparison_coercion(&common, kind)
            });
            match widest {
                Some(common) => common,
                None => return plan_err!("coalesce wants arguments of one type"),
            }
        };
        Ok(vec![common; arguments.len()])
    }
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let mut chosen: Option<ArrayRef> = None;
        for argument in &args.args {
            let next = match argument {
                ColumnarValue::Scalar(scalar) if scalar.is_null() => continue,
                ColumnarValue::Scalar(scalar) if chosen.is_none() => return Ok(ColumnarValue::Scalar(scalar.clone())),
                other => other,
            };
            let known = match (chosen.take(), next) {
                (Some(known), _) => known,
                (None, ColumnarValue::Array(array)) if array.null_count() == array.len() => continue,
                (None, next) => {
                    chosen = Some(next.to_array(args.number_rows)?);
                    continue;
                }
            };
            if known.null_count() == 0 {
                return Ok(ColumnarValue::Array(known));
            }
            let mask: BooleanArray = is_not_null(&known)?;
            chosen = Some(match next {
                ColumnarValue::Scalar(scalar) => zip(&mask, &known, &scalar.to_scalar()?)?,
                ColumnarValue::Array(array) => zip(&mask, &known, array)?,
            });
        }
        match chosen {
            Some(array) => Ok(ColumnarValue::Array(array)),
            None => Ok(ColumnarValue::Scalar(ScalarValue::try_new_null(args.return_field.data_type())?)),
        }
    }
}
