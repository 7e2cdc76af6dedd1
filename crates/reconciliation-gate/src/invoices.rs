//! Reads what `aws invoicing list-invoice-summaries` prints.

use apportion_core::money::Money;
use apportion_core::period::Period;
use apportion_core::reconcile::{InvoiceDetails, InvoiceTotal};
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
        let details = details(item).map_err(|field| at(&field))?;
        let mut invoice = InvoiceTotal {
            invoice_id: id.clone(),
            invoice_type: text(item, &["InvoiceType"]).unwrap_or_else(|| "INVOICE".to_owned()),
            total,
            before_tax,
            account_id: text(item, &["AccountId"]).unwrap_or_default(),
            issuer: details.issuer.clone(),
            details,
        };
        if invoice.invoice_type == "CREDIT_MEMO" {
            invoice.details.payment_total = invoice.details.payment_total.map(|total| -total.abs());
        }
        if invoices.insert(id.clone(), invoice).is_some() {
            return Err(format!("invoices file, InvoiceSummaries[{index}]: the invoice {id} stands there twice: remove one"));
        }
    }
    Ok((invoices.into_values().collect(), ignored))
}

/// What the invoice says beside its total; `Err` holds the field that is not of its type.
fn details(item: &Value) -> Result<InvoiceDetails, String> {
    let is_there = |value: Option<&Value>| value.is_some_and(|value| !value.is_null());
    let date = |field: &str| match item.get(field).filter(|value| !value.is_null()) {
        None => Ok(String::new()),
        Some(value) => day(value).ok_or_else(|| field.to_owned()),
    };
    let payment = item.get("PaymentCurrencyAmount");
    let total = payment.and_then(|payment| payment.get("TotalAmount"));
    let rate = payment.and_then(|payment| payment.pointer("/CurrencyExchangeDetails/Rate"));
    let payment_total = decimal(total);
    if is_there(total) && payment_total.is_none() {
        return Err("PaymentCurrencyAmount.TotalAmount".to_owned());
    }
    let exchange_rate = match rate {
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        _ => String::new(),
    };
    if is_there(rate) && exchange_rate.parse::<Money>().is_err() {
        return Err("PaymentCurrencyAmount.CurrencyExchangeDetails.Rate".to_owned());
    }
    Ok(InvoiceDetails {
        issuer: text(item, &["Entity", "InvoicingEntity"]).unwrap_or_default(),
        purchase_order: text(item, &["PurchaseOrderNumber"]).unwrap_or_default(),
        issued: date("IssuedDate")?,
        due: date("DueDate")?,
        payment_currency: payment.and_then(|payment| text(payment, &["CurrencyCode"])).unwrap_or_default(),
        payment_total,
        exchange_rate,
    })
}

/// `YYYY-MM-DD` of a timestamp: ISO 8601, the day as it is written, or seconds since 1970 (`cli_timestamp_format = wire`), the day in UTC.
fn day(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => {
            let day = text.get(..10)?;
            let is_date = day.bytes().enumerate().all(|(place, byte)| match place {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
            is_date.then(|| day.to_owned())
        }
        Value::Number(number) => {
            let text = number.to_string();
            let seconds: i64 = text.split('.').next()?.parse().ok()?;
            let mut left = u64::try_from(seconds).ok()? / 86_400;
            let mut period: Period = "1970-01".parse().ok()?;
            // A month at a time: some hundred steps.
            while left >= u64::from(period.days()) {
                left -= u64::from(period.days());
                period = period.next();
            }
            Some(format!("{period}-{:02}", left + 1))
        }
        _ => None,
    }
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

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use serde_json::json;

    fn parse(more: Value) -> Result<InvoiceTotal, String> {
        let mut item = json!({ "InvoiceId": "1", "InvoiceType": "INVOICE", "AccountId": "100000000001",
            "BillingPeriod": { "Month": 9, "Year": 2026 }, "BaseCurrencyAmount": { "TotalAmount": "100.00", "CurrencyCode": "USD" } });
        for (name, value) in more.as_object().unwrap() {
            item[name] = value.clone();
        }
        let bytes = json!({ "InvoiceSummaries": [item] }).to_string();
        Ok(parse_invoices(bytes.as_bytes(), "2026-09".parse().unwrap(), "USD")?.0.remove(0))
    }

    #[test]
    fn what_an_invoice_says_beside_its_total_is_kept() {
        let found = parse(json!({
            "Entity": { "InvoicingEntity": "Amazon Web Services EMEA SARL" }, "PurchaseOrderNumber": "PO-7", "IssuedDate": "2026-10-03T02:00:00+00:00",
            // date -u -d @1793577600 +%F: 2026-11-02
            "DueDate": 1_793_577_600.0,
            "PaymentCurrencyAmount": { "CurrencyCode": "EUR", "TotalAmount": "92.40", "CurrencyExchangeDetails": { "Rate": "0.924" } },
        }));
        let details = found.unwrap().details;
        assert_eq!((details.issued.as_str(), details.due.as_str()), ("2026-10-03", "2026-11-02"));
        assert_eq!((details.issuer.as_str(), details.purchase_order.as_str()), ("Amazon Web Services EMEA SARL", "PO-7"));
        assert_eq!((details.payment_currency.as_str(), details.exchange_rate.as_str()), ("EUR", "0.924"));
        assert_eq!(details.payment_total, "92.40".parse().ok());
        assert_eq!(parse(json!({})).unwrap().details, InvoiceDetails::default());
        assert_eq!(parse(json!({ "DueDate": null, "PaymentCurrencyAmount": null })).unwrap().details, InvoiceDetails::default());
        let memo = parse(
            json!({ "InvoiceType": "CREDIT_MEMO", "PaymentCurrencyAmount": { "TotalAmount": "92.40", "CurrencyCode": "EUR" } }),
        );
        assert_eq!(memo.unwrap().details.payment_total, "-92.40".parse().ok());
    }

    #[test]
    fn what_is_not_of_its_type_is_named() {
        for (more, field) in [
            (json!({ "DueDate": "soon" }), "DueDate"),
            (json!({ "IssuedDate": [] }), "IssuedDate"),
            (json!({ "PaymentCurrencyAmount": { "TotalAmount": "1,00" } }), "PaymentCurrencyAmount.TotalAmount"),
            (
                json!({ "PaymentCurrencyAmount": { "CurrencyExchangeDetails": { "Rate": "par" } } }),
                "CurrencyExchangeDetails.Rate",
            ),
        ] {
            let message = parse(more).unwrap_err();
            assert!(message.contains(field) && message.contains("InvoiceSummaries[0]"), "{message}");
        }
    }
}
