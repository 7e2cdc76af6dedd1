//! Reads what `aws invoicing list-invoice-summaries` prints.

use apportion_core::money::Money;
use apportion_core::period::Period;
use apportion_core::reconcile::InvoiceTotal;
use serde_json::Value;
use std::collections::BTreeMap;

/// Invoices of one period and currency, sorted by id, and what was left out with the reason.
///
/// Amounts are `BaseCurrencyAmount.TotalAmount`, as text or number, read without a float. An id that stands twice is an error.
pub fn parse_invoices(bytes: &[u8], period: Period, currency: &str) -> Result<(Vec<InvoiceTotal>, Vec<String>), String> {
    let value: Value = serde_json::from_slice(bytes)
        .map_err(|error| format!("invoices file, line {}, column {}: {error}", error.line(), error.column()))?;
    let list = value
        .get("InvoiceSummaries")
        .and_then(Value::as_array)
        .ok_or("invoices file: there is no list `InvoiceSummaries`: give what `aws invoicing list-invoice-summaries` prints")?;
    let mut invoices: BTreeMap<String, InvoiceTotal> = BTreeMap::new();
    let mut ignored = Vec::new();
    for (index, item) in list.iter().enumerate() {
        let at = |field: &str| format!("invoices file, InvoiceSummaries[{index}]: `{field}` is missing or not of its type");
        let id = text(item, &["InvoiceId"]).ok_or_else(|| at("InvoiceId"))?;
        let year = item.pointer("/BillingPeriod/Year").and_then(Value::as_u64).ok_or_else(|| at("BillingPeriod.Year"))?;
        let month = item.pointer("/BillingPeriod/Month").and_then(Value::as_u64).ok_or_else(|| at("BillingPeriod.Month"))?;
        if year != u64::from(period.year()) || month != u64::from(period.month()) {
            continue;
        }
        let amount = item.get("BaseCurrencyAmount").ok_or_else(|| at("BaseCurrencyAmount"))?;
        let code = text(amount, &["CurrencyCode"]).unwrap_or_else(|| currency.to_owned());
        if code != currency {
            ignored.push(format!("{id}: its base currency is {code}, the close is in {currency}"));
            continue;
        }
        let total = decimal(amount.get("TotalAmount")).ok_or_else(|| at("BaseCurrencyAmount.TotalAmount"))?;
        let before_tax = match amount.get("TotalAmountBeforeTax") {
            None | Some(Value::Null) => None,
            some => Some(decimal(some).ok_or_else(|| at("BaseCurrencyAmount.TotalAmountBeforeTax"))?),
        };
        let invoice = InvoiceTotal {
            invoice_id: id.clone(),
            invoice_type: text(item, &["InvoiceType"]).unwrap_or_else(|| "INVOICE".to_owned()),
            total,
            before_tax,
            account_id: text(item, &["AccountId"]).unwrap_or_default(),
            issuer: text(item, &["Entity", "InvoicingEntity"]).unwrap_or_default(),
        };
        if invoices.insert(id.clone(), invoice).is_some() {
            return Err(format!("invoices file, InvoiceSummaries[{index}]: the invoice {id} stands there twice: remove one"));
        }
    }
    Ok((invoices.into_values().collect(), ignored))
}

fn text(value: &Value, path: &[&str]) -> Option<String> {
    let mut at = value;
    for part in path {
        at = at.get(part)?;
    }
    at.as_str().map(str::to_owned)
}

fn decimal(value: Option<&Value>) -> Option<Money> {
    match value? {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        _ => None,
    }
}
