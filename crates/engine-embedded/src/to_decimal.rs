//! Casts of doubles and texts to decimals, as Trino's, and the question whether one loses digits.

use crate::decimal::{self, DecimalError};
use crate::functions::{array_of, result_of};
use datafusion::arrow::array::{Array, ArrayRef, AsArray, BooleanArray, BooleanBufferBuilder, Decimal128Array};
use datafusion::arrow::compute::cast;
use datafusion::arrow::datatypes::{DataType, Float64Type};
use datafusion::common::{DFSchema, exec_err, plan_err};
use datafusion::error::Result;
use datafusion::logical_expr::{
    BinaryExpr, ColumnarValue, Expr, ExprSchemable, Operator, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
};
use std::sync::Arc;

/// `cast(x as decimal(p, s))` of a double or a text.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct ToDecimal {
    name: String,
    precision: u8,
    scale: i8,
    signature: Signature,
}

impl ToDecimal {
    pub fn new(precision: u8, scale: i8) -> Self {
        let name = format!("to_decimal_{precision}_{scale}");
        ToDecimal { name, precision, scale, signature: Signature::any(1, Volatility::Immutable) }
    }

    /// An expression that is this cast, and what is cast.
    pub fn of(expr: &Expr) -> Option<(&ToDecimal, &Expr)> {
        let Expr::ScalarFunction(call) = expr else { return None };
        Some((call.func.inner().downcast_ref::<ToDecimal>()?, call.args.first()?))
    }

    /// Writes units of doubles where all are small; false says no more than that [`Self::convert`] must look.
    pub fn small(&self, doubles: &[f64], units: &mut Vec<i64>) -> bool {
        if self.scale != 12 || self.precision < 19 {
            return false;
        }
        units.clear();
        let mut all = true;
        units.extend(doubles.iter().map(|value| {
            let (units, is_sure) = decimal::quick(*value);
            all &= is_sure;
            units
        }));
        // Few are not, so they are looked for only here.
        all || units.iter_mut().zip(doubles).filter(|(_, value)| !decimal::quick(**value).1).all(|(units, value)| {
            let exact = self.units(*value).ok().and_then(|exact| i64::try_from(exact).ok());
            *units = exact.unwrap_or_default();
            exact.is_some()
        })
    }

    fn units(&self, value: f64) -> Result<i128> {
        match decimal::from_double(value, u32::try_from(self.scale).unwrap_or(0)) {
            Ok(units) if units.abs() < self.limit() => Ok(units),
            Ok(_) => self.refused(&value, DecimalError::TooLarge),
            Err(error) => self.refused(&value, error),
        }
    }

    /// The first number of units that is too large.
    fn limit(&self) -> i128 {
        10i128.checked_pow(u32::from(self.precision)).unwrap_or(i128::MAX)
    }

    fn convert(&self, array: &ArrayRef) -> Result<Decimal128Array> {
        let scale = u32::try_from(self.scale).unwrap_or(0);
        let most = self.limit();
        if array.null_count() == array.len() {
            return Ok(Decimal128Array::new_null(array.len()).with_precision_and_scale(self.precision, self.scale)?);
        }
        let mut units = Vec::with_capacity(array.len());
        if array.data_type().is_floating() {
            let doubles = cast(array, &DataType::Float64)?;
            let doubles = doubles.as_primitive::<Float64Type>();
            for (index, value) in doubles.values().iter().enumerate() {
                units.push(match self.units(*value) {
                    Ok(unit) => unit,
                    // What lies under a NULL means nothing.
                    Err(_) if doubles.is_null(index) => 0,
                    Err(error) => return Err(error),
                });
            }
        } else {
            let texts = cast(array, &DataType::Utf8View)?;
            for text in texts.as_string_view().iter() {
                units.push(match text.map(|text| (text, decimal::from_text(text.as_bytes(), scale))) {
                    None => 0,
                    Some((_, Ok(parsed))) if parsed.units.abs() < most => parsed.units,
                    Some((text, Ok(_))) => return self.refused(&text, DecimalError::TooLarge),
                    Some((text, Err(error))) => return self.refused(&text, error),
                });
            }
        }
        let array = Decimal128Array::new(units.into(), array.logical_nulls());
        Ok(array.with_precision_and_scale(self.precision, self.scale)?)
    }

    fn refused<T>(&self, shown: &dyn std::fmt::Display, error: DecimalError) -> Result<T> {
        let why = match error {
            DecimalError::NotANumber => "is not a decimal number",
            DecimalError::TooLarge => "is too large",
        };
        exec_err!("cannot cast `{shown}` to decimal({}, {}): it {why}", self.precision, self.scale)
    }
}

impl ScalarUDFImpl for ToDecimal {
    fn name(&self) -> &str {
        &self.name
    }
    fn signature(&self) -> &Signature {
        &self.signature
    }
    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Decimal128(self.precision, self.scale))
    }
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value] = args.args.as_slice() else { return plan_err!("a cast has one argument") };
        let (array, scalar) = array_of(value)?;
        result_of(Arc::new(self.convert(&array)?), scalar)
    }
}

/// `cast(x as decimal(p, s)) <> cast(x as decimal(p, fewer))` of a double: without the decimals, as nearly none differ.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct LosesDigits {
    name: String,
    wide: ToDecimal,
    narrow: ToDecimal,
    signature: Signature,
}

impl LosesDigits {
    /// The function that the expression is, if it is one.
    pub fn of(expr: &Expr, schema: &DFSchema) -> Result<Option<Expr>> {
        let Expr::BinaryExpr(BinaryExpr { left, op: Operator::NotEq, right }) = expr else { return Ok(None) };
        let (Some((wide, value)), Some((narrow, other))) = (ToDecimal::of(left), ToDecimal::of(right)) else { return Ok(None) };
        if value != other || wide.scale < narrow.scale || value.get_type(schema)? != DataType::Float64 {
            return Ok(None);
        }
        let name = format!("loses_digits_{}_{}", wide.name, narrow.name);
        let signature = Signature::any(1, Volatility::Immutable);
        let function = LosesDigits { name, wide: wide.clone(), narrow: narrow.clone(), signature };
        Ok(Some(ScalarUDF::from(function).call(vec![value.clone()])))
    }

    fn answer(&self, value: f64) -> Result<bool> {
        if self.narrow.scale >= 12 && decimal::is_whole_at_12(value) {
            return Ok(false);
        }
        let factor = 10i128.checked_pow(u32::from(self.wide.scale.abs_diff(self.narrow.scale)));
        let narrow = factor.and_then(|factor| self.narrow.units(value).ok()?.checked_mul(factor));
        Ok(narrow != Some(self.wide.units(value)?))
    }
}

impl ScalarUDFImpl for LosesDigits {
    fn name(&self) -> &str {
        &self.name
    }
    fn signature(&self) -> &Signature {
        &self.signature
    }
    fn return_type(&self, _arguments: &[DataType]) -> Result<DataType> {
        Ok(DataType::Boolean)
    }
    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let [value] = args.args.as_slice() else { return plan_err!("{} has one argument", self.name) };
        let (array, scalar) = array_of(value)?;
        let doubles = array.as_primitive::<Float64Type>();
        let mut answers = BooleanBufferBuilder::new(doubles.len());
        for (row, value) in doubles.values().iter().enumerate() {
            answers.append(doubles.is_valid(row) && self.answer(*value)?);
        }
        result_of(Arc::new(BooleanArray::new(answers.finish(), doubles.nulls().cloned())), scalar)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn digits_are_lost_beyond_the_twelfth_place() {
        let signature = Signature::any(1, Volatility::Immutable);
        let (wide, narrow) = (ToDecimal::new(38, 20), ToDecimal::new(38, 12));
        let function = LosesDigits { name: "test".to_owned(), wide, narrow, signature };
        for (value, lost) in [
            (0.0, false),
            (-1.5, false),
            (0.000000000001, false),
            (0.0000000000014, true),
            (-0.1234567890125, true),
            // Beyond the twentieth place nobody looks.
            (1e-21, false),
            (6e-21, true),
            (1e-300, false),
            (999.999999999999, false),
            (1000.000000000001, false),
            (1000.0000000000011, true),
            (1234567.5, false),
            (0.1 + 0.2, true),
            (1e15, false),
        ] {
            assert_eq!(function.answer(value).unwrap(), lost, "{value:e}");
        }
        let error = function.answer(1e19).unwrap_err().to_string();
        assert!(error.contains("decimal(38, 20): it is too large"), "{error}");
        assert!(function.answer(f64::NAN).is_err());
    }
}
