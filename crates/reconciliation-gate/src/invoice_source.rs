//! Where invoices come from: a file, or the Invoicing API. Both give the text that `aws invoicing list-invoice-summaries` prints.

use crate::Error;
use apportion_core::period::Period;
use std::path::PathBuf;

/// Where invoices come from.
#[derive(Debug, Clone)]
pub enum InvoiceSource {
    /// A file, if there is one.
    File(Option<PathBuf>),
    #[cfg(feature = "aws")]
    Api(Invoices),
}

impl InvoiceSource {
    /// What is known of a month's invoices; `None` if nothing is asked.
    #[cfg_attr(not(feature = "aws"), expect(unused_variables, reason = "a file is of whatever months it names"))]
    pub async fn read(&self, period: Period) -> Result<Option<Vec<u8>>, Error> {
        match self {
            InvoiceSource::File(None) => Ok(None),
            InvoiceSource::File(Some(path)) => {
                let wrong = |error| Error::BadInvoices(format!("the invoices file {}: {error}", path.display()));
                std::fs::read(path).map(Some).map_err(wrong)
            }
            #[cfg(feature = "aws")]
            InvoiceSource::Api(invoices) => invoices.read(period).await.map(Some),
        }
    }
}

#[cfg(feature = "aws")]
pub use api::Invoices;

#[cfg(feature = "aws")]
mod api {
    use super::*;
    use apportion_runtime::service::ServiceError;
    use aws_sdk_invoicing::Client;
    use aws_sdk_invoicing::primitives::{DateTime, DateTimeFormat};
    use aws_sdk_invoicing::types::{
        BillingPeriod, InvoiceCurrencyAmount, InvoiceSummariesFilter, InvoiceSummariesSelector, InvoiceSummary,
        ListInvoiceSummariesResourceType,
    };
    use serde_json::{Map, Value, json};

    /// Pages of one month at most: 100 invoices each.
    const MOST_PAGES: usize = 1_000;

    /// The invoices of one account: of an organization's management account, all that it pays.
    #[derive(Debug, Clone)]
    pub struct Invoices {
        client: Client,
        account: String,
    }

    impl Invoices {
        pub fn new(client: Client, account: impl Into<String>) -> Invoices {
            Invoices { client, account: account.into() }
        }

        pub(super) async fn read(&self, period: Period) -> Result<Vec<u8>, Error> {
            let mut found = Vec::new();
            let mut token: Option<String> = None;
            for _ in 0..MOST_PAGES {
                let page = self.page(period, token.take()).await?;
                found.extend(page.invoice_summaries);
                match page.next_token.filter(|token| !token.is_empty()) {
                    Some(next) => token = Some(next),
                    None => return text(&found),
                }
            }
            Err(Error::BadInvoices(format!("the Invoicing API gives more than {MOST_PAGES} pages for {period}")))
        }

        async fn page(
            &self,
            period: Period,
            token: Option<String>,
        ) -> Result<aws_sdk_invoicing::operation::list_invoice_summaries::ListInvoiceSummariesOutput, Error> {
            let wrong = |error: &dyn std::fmt::Display| Error::BadInvoices(error.to_string());
            let selector = InvoiceSummariesSelector::builder()
                .resource_type(ListInvoiceSummariesResourceType::AccountId)
                .value(&self.account)
                .build()
                .map_err(|error| wrong(&error))?;
            let month = BillingPeriod::builder().year(i32::from(period.year())).month(i32::from(period.month()));
            let filter = InvoiceSummariesFilter::builder().billing_period(month.build().map_err(|error| wrong(&error))?);
            let list = self.client.list_invoice_summaries().selector(selector).filter(filter.build());
            let page = list.max_results(100).set_next_token(token).send().await;
            page.map_err(|error| ServiceError::of("invoicing:ListInvoiceSummaries", &error).into())
        }
    }

    /// Sorted by id, so that the order of pages does not matter.
    fn text(found: &[InvoiceSummary]) -> Result<Vec<u8>, Error> {
        let mut items: Vec<Value> = found.iter().map(item).collect::<Result<_, _>>()?;
        items.sort_by_key(Value::to_string);
        let mut text = serde_json::to_vec_pretty(&json!({ "InvoiceSummaries": items }))
            .map_err(|error| Error::BadInvoices(error.to_string()))?;
        text.push(b'\n');
        Ok(text)
    }

    fn item(invoice: &InvoiceSummary) -> Result<Value, Error> {
        let mut fields = Map::new();
        let mut put = |name: &str, value: Option<Value>| {
            fields.extend(value.map(|value| (name.to_owned(), value)));
        };
        let string = |text: &Option<String>| text.clone().map(Value::String);
        put("InvoiceId", string(&invoice.invoice_id));
        put("AccountId", string(&invoice.account_id));
        put("InvoiceType", invoice.invoice_type.as_ref().map(|kind| kind.as_str().into()));
        put("IssuedDate", date(invoice.issued_date.as_ref())?);
        put("DueDate", date(invoice.due_date.as_ref())?);
        put("OriginalInvoiceId", string(&invoice.original_invoice_id));
        put("CommercialInvoiceId", string(&invoice.commercial_invoice_id));
        put("PurchaseOrderNumber", string(&invoice.purchase_order_number));
        put("BillingPeriod", invoice.billing_period.as_ref().map(|period| json!({ "Month": period.month, "Year": period.year })));
        let entity = invoice.entity.as_ref().and_then(|entity| entity.invoicing_entity.clone());
        put("Entity", entity.map(|entity| json!({ "InvoicingEntity": entity })));
        put("BaseCurrencyAmount", invoice.base_currency_amount.as_ref().map(amount));
        put("TaxCurrencyAmount", invoice.tax_currency_amount.as_ref().map(amount));
        put("PaymentCurrencyAmount", invoice.payment_currency_amount.as_ref().map(amount));
        Ok(Value::Object(fields))
    }

    fn date(moment: Option<&DateTime>) -> Result<Option<Value>, Error> {
        let format = |moment: &DateTime| moment.fmt(DateTimeFormat::DateTime).map(Value::String);
        moment.map(format).transpose().map_err(|error| Error::BadInvoices(error.to_string()))
    }

    fn amount(amount: &InvoiceCurrencyAmount) -> Value {
        let mut fields = Map::new();
        let texts = [
            ("TotalAmount", &amount.total_amount),
            ("TotalAmountBeforeTax", &amount.total_amount_before_tax),
            ("CurrencyCode", &amount.currency_code),
        ];
        fields.extend(texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), Value::String(text.clone()?)))));
        if let Some(exchange) = &amount.currency_exchange_details {
            let texts = [
                ("SourceCurrencyCode", &exchange.source_currency_code),
                ("TargetCurrencyCode", &exchange.target_currency_code),
                ("Rate", &exchange.rate),
            ];
            let exchange: Map<String, Value> =
                texts.into_iter().filter_map(|(name, text)| Some((name.to_owned(), Value::String(text.clone()?)))).collect();
            fields.insert("CurrencyExchangeDetails".to_owned(), Value::Object(exchange));
        }
        Value::Object(fields)
    }
}
