//! The files beside the bill: manifest, invoices, drivers, truth.

use super::calendar::instant;
use super::charges::SELLERS;
use super::columns::column_names;
use super::company::{PAYER_ID, UNITS};
use super::identity::{Tagging, identity};
use super::plan::{MonthPlan, Plan};
use super::random::{mix, purpose};
use super::totals::{Invoice, Totals};
use super::usage::{AWS_EMEA, AWS_INC, block_count, block_series, taggings};
use apportion_core::money::Money;
use serde_json::{Map, Value, json};
use std::io::{self, Write};

/// Cents by which AWS's invoice differs from the sum of its lines, on the main invoice.
const ROUNDING_CENTS: i128 = 7;

/// Invoice ids of a month, in the order of [`Invoice::ALL`].
pub fn invoice_ids(plan: &Plan, month: &MonthPlan) -> Vec<String> {
    let key = mix(purpose(plan.seed, "invoices"), plan.month_key(&month.month));
    let year = month.month.period.year() % 100;
    // the middle digits rise with the months, so that ids of two months never meet
    let serial = plan.month_key(&month.month) % 1000;
    let number = |index: u64| format!("{}", 1_800_000_000 + serial * 100_000 + index * 10_000 + mix(key, index) % 10_000);
    Invoice::ALL
        .into_iter()
        .map(|invoice| match invoice {
            Invoice::Emea => format!("EUINIE{year:02}-{}", 1_000_000 + serial * 1000 + mix(key, 90) % 1000),
            other => number(other as u64),
        })
        .collect()
}

/// The manifest of a period.
pub fn manifest(export: &str, month: &MonthPlan, files: &[String]) -> Value {
    let columns: Vec<Value> = column_names().into_iter().map(|(name, kind)| json!({"name": name, "type": kind})).collect();
    let days = month.month.days;
    json!({
        "exportArn": format!("arn:aws:bcm-data-exports:us-east-1:{PAYER_ID}:export/{export}"),
        "billingPeriod": {
            "start": instant(month.month.millisecond(0)),
            "end": instant(month.month.millisecond(days * 24)),
        },
        "compression": "PARQUET",
        "contentType": "PARQUET",
        "columns": columns,
        "dataFiles": files,
    })
}

fn amount(total: i128, before_tax: i128) -> Value {
    json!({
        "TotalAmount": Money::minor_to_string(total, 2),
        "TotalAmountBeforeTax": Money::minor_to_string(before_tax, 2),
        "CurrencyCode": "USD",
    })
}

/// The summaries of a month's invoices, as `aws invoicing list-invoice-summaries` prints them.
pub fn invoices(month: &MonthPlan, ids: &[String], previous: Option<&[String]>, totals: &Totals) -> Vec<Value> {
    let mut list = Vec::new();
    for invoice in Invoice::ALL {
        let (sum, tax) = totals.of_invoice(invoice);
        if sum.rows == 0 {
            continue;
        }
        let mut total = sum.unblended.round_to_minor(2);
        if invoice == Invoice::Main {
            total += ROUNDING_CENTS;
        }
        let before_tax = total - tax.round_to_minor(2);
        let memo = invoice == Invoice::Refund;
        let (total, before_tax) = if memo { (-total, -before_tax) } else { (total, before_tax) };
        let issuer = match invoice {
            Invoice::Emea => AWS_EMEA,
            Invoice::SellerOne => SELLERS[0],
            Invoice::SellerTwo => SELLERS[1],
            _ => AWS_INC,
        };
        let issued_hour = if invoice == Invoice::Purchase { 5 } else { month.month.days * 24 + 50 + invoice as usize };
        let mut summary = Map::new();
        let mut set = |key: &str, value: Value| drop(summary.insert(key.to_owned(), value));
        set("AccountId", json!(PAYER_ID));
        set("InvoiceId", json!(ids[invoice as usize]));
        set("IssuedDate", json!(instant(month.month.millisecond(issued_hour)).replace('Z', "+00:00")));
        set("DueDate", json!(instant(month.month.millisecond(issued_hour + 30 * 24)).replace('Z', "+00:00")));
        set("Entity", json!({"InvoicingEntity": issuer}));
        set("BillingPeriod", json!({"Month": month.month.period.month(), "Year": month.month.period.year()}));
        set("InvoiceType", json!(if memo { "CREDIT_MEMO" } else { "INVOICE" }));
        if memo {
            set("OriginalInvoiceId", json!(previous.unwrap_or(ids)[Invoice::Main as usize]));
        }
        set("PurchaseOrderNumber", json!("MHG-PO-77120"));
        let mut base = amount(total, before_tax);
        if !memo {
            let taxes = Money::minor_to_string(total - before_tax, 2);
            base["AmountBreakdown"] = json!({
                "SubTotalAmount": Money::minor_to_string(before_tax, 2),
                "Taxes": {"TotalAmount": taxes},
            });
        }
        set("BaseCurrencyAmount", base);
        set("TaxCurrencyAmount", amount(total, before_tax));
        let mut payment = amount(total, before_tax);
        payment["CurrencyExchangeDetails"] = json!({"SourceCurrencyCode": "USD", "TargetCurrencyCode": "USD", "Rate": "1.0"});
        set("PaymentCurrencyAmount", payment);
        list.push(Value::Object(summary));
    }
    list
}

/// Truth of a month: exact sums by invoice and by line type.
pub fn month_truth(month: &MonthPlan, ids: &[String], totals: &Totals) -> Value {
    let sums = |unblended: Money, effective: Money, rows: u64| json!({"rows": rows, "unblended": unblended.to_fixed(), "effective": effective.to_fixed()});
    let mut by_invoice = Map::new();
    for invoice in Invoice::ALL {
        let (sum, _) = totals.of_invoice(invoice);
        if sum.rows > 0 {
            by_invoice.insert(ids[invoice as usize].clone(), sums(sum.unblended, sum.effective, sum.rows));
        }
    }
    let mut types: Vec<&str> = totals.lines.keys().map(|(_, line_type)| *line_type).collect();
    types.sort_unstable();
    types.dedup();
    let mut by_type = Map::new();
    for line_type in types {
        let of_type = totals.lines.iter().filter(|((_, one), _)| *one == line_type).map(|(_, sum)| sum);
        let (mut rows, mut unblended, mut effective) = (0, Money::ZERO, Money::ZERO);
        for sum in of_type {
            rows += sum.rows;
            unblended += sum.unblended;
            effective += sum.effective;
        }
        by_type.insert(line_type.to_owned(), sums(unblended, effective, rows));
    }
    json!({
        "period": month.month.period.to_string(),
        "total": sums(totals.unblended(), totals.effective(), totals.rows()),
        "by_invoice": by_invoice,
        "by_line_type": by_type,
        "usage_effective": {
            "all": totals.usage.to_fixed(),
            "without_cost_center": totals.untagged.to_fixed(),
            "with_unknown_cost_center": totals.strange.to_fixed(),
        },
    })
}

/// Header of `truth/spikes.csv`.
pub const SPIKES_HEADER: &str = "date,account_id,service,cost_center,usual_cost,extra_cost,factor\n";

/// The spikes of a month that hit any line.
pub fn spikes(plan: &Plan, month: &MonthPlan, totals: &Totals, out: &mut impl Write) -> io::Result<()> {
    for (spike, cost) in month.spikes.iter().zip(&totals.spikes) {
        if cost.rows > 0 {
            let account = &plan.accounts[spike.account].id;
            let date = month.month.date(spike.day);
            let unit = UNITS[spike.unit].id;
            let (usual, extra) = (cost.usual, cost.extra);
            writeln!(out, "{date},{account},{},{unit},{usual},{extra},{}", spike.product, spike.factor)?;
        }
    }
    Ok(())
}

/// Header of `truth/resource_owners.csv`.
pub const OWNERS_HEADER: &str = "period,resource_id,account_id,service,cost_center,tagged,tag_value,parent_resource_id\n";

/// True owner of every resource that lives in a month. `tagged` is `yes`, `no`, or `unknown` where the value names no unit.
pub fn owners(plan: &Plan, month: &MonthPlan, out: &mut impl Write) -> io::Result<()> {
    let period = month.month.period;
    let blocks = block_count(plan);
    for block in 0..blocks {
        let list = block_series(plan, block, blocks);
        for (series, tagging) in list.iter().zip(taggings(plan, &list)) {
            if !series.lives(&plan.accounts, month.months_back) {
                continue;
            }
            for (member, tagging) in tagging.into_iter().enumerate().take(series.fleet()) {
                let identity = identity(plan, series, member, tagging);
                let Some(resource) = identity.resource_id else { continue };
                let word = match tagging {
                    Tagging::Owner => "yes",
                    Tagging::Strange => "unknown",
                    Tagging::Untagged => "no",
                };
                let account = &plan.accounts[series.account].id;
                let service = series.entry().product;
                let owner = UNITS[series.owners[member]].id;
                let value = identity.cost_center.unwrap_or_default();
                let parent = identity.parent.unwrap_or_default();
                writeln!(out, "{period},{resource},{account},{service},{owner},{word},\"{value}\",{parent}")?;
            }
        }
    }
    Ok(())
}
