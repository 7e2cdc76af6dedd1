use crate::world::credentials;
use apportion_stand_ins::{Fault, Proxy, Reply, Server};
use aws_sdk_invoicing::config::{BehaviorVersion, Builder, Region};
use reconciliation_gate::{InvoiceSource, Invoices, parse_invoices};
use serde_json::{Value, json};

/// Four invoices of September and one of another month, as the API has them; dates are seconds since 1970.
fn summaries() -> Vec<Value> {
    let invoice = |id: &str, kind: &str, total: &str| {
        json!({
            "AccountId": "100000000001", "InvoiceId": id, "InvoiceType": kind, "IssuedDate": 1_790_992_800.0, "DueDate": 1_793_577_600.0,
            "BillingPeriod": { "Month": 9, "Year": 2026 }, "Entity": { "InvoicingEntity": "Amazon Web Services, Inc." },
            "PurchaseOrderNumber": "PO-7", "BillType": "ANNIVERSARY",
            "BaseCurrencyAmount": { "TotalAmount": total, "TotalAmountBeforeTax": "90.00", "CurrencyCode": "USD" },
            "PaymentCurrencyAmount": { "TotalAmount": "92.40", "CurrencyCode": "EUR",
                "CurrencyExchangeDetails": { "SourceCurrencyCode": "USD", "TargetCurrencyCode": "EUR", "Rate": "0.924" } },
        })
    };
    vec![
        invoice("4", "INVOICE", "100.00"),
        invoice("1", "CREDIT_MEMO", "5.00"),
        invoice("3", "INVOICE", "123456789.12"),
        json!({ "InvoiceId": "2", "BillingPeriod": { "Month": 9, "Year": 2026 }, "BaseCurrencyAmount": { "TotalAmount": "0.01" } }),
    ]
}

/// Speaks the protocol of ListInvoiceSummaries: `page` invoices at a time, an empty page with a token in between.
fn stand_in(page: usize) -> Server {
    Server::start(move |request| {
        assert_eq!(request.header("x-amz-target"), Some("Invoicing.ListInvoiceSummaries"));
        let body: Value = serde_json::from_slice(&request.body).unwrap();
        assert_eq!(body["Selector"], json!({ "ResourceType": "ACCOUNT_ID", "Value": "100000000001" }));
        assert_eq!(body["Filter"], json!({ "BillingPeriod": { "Month": 9, "Year": 2026 } }));
        let token = body["NextToken"].as_str().unwrap_or("0");
        let all = summaries();
        let (at, is_empty) = (token.trim_end_matches('e').parse::<usize>().unwrap(), token.ends_with('e'));
        let end = if is_empty { at } else { all.len().min(at + page) };
        let mut answer = json!({ "InvoiceSummaries": all[at..end] });
        if end < all.len() {
            answer["NextToken"] = json!(if is_empty { end.to_string() } else { format!("{end}e") });
        }
        Reply::json(200, answer.to_string())
    })
}

fn source(url: String) -> InvoiceSource {
    let config = Builder::new()
        .behavior_version(BehaviorVersion::latest())
        .region(Region::from_static("us-east-1"))
        .endpoint_url(url)
        .credentials_provider(credentials());
    InvoiceSource::Api(Invoices::new(aws_sdk_invoicing::Client::from_conf(config.build()), "100000000001"))
}

#[tokio::test]
async fn both_sources_of_invoices_give_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("invoices.json");
    std::fs::write(&path, json!({ "InvoiceSummaries": summaries() }).to_string()).unwrap();
    let period = "2026-09".parse().unwrap();
    let parsed = |bytes: Vec<u8>| parse_invoices(&bytes, period, "USD").unwrap();
    let from_file = parsed(InvoiceSource::File(Some(path)).read(period).await.unwrap().unwrap());
    assert_eq!(from_file.0.iter().map(|invoice| invoice.invoice_id.as_str()).collect::<Vec<_>>(), ["1", "2", "3", "4"]);
    assert_eq!((from_file.0[3].details.issued.as_str(), from_file.0[3].details.due.as_str()), ("2026-10-03", "2026-11-02"));
    let mut texts = Vec::new();
    for page in [1, 3, 100] {
        let text = source(stand_in(page).url()).read(period).await.unwrap().unwrap();
        assert_eq!(parsed(text.clone()), from_file, "{page} on a page");
        texts.push(text);
    }
    assert!(texts.iter().all(|text| *text == texts[0]), "the size of pages does not matter");
    assert_eq!(InvoiceSource::File(None).read(period).await.unwrap(), None);
    let missing = InvoiceSource::File(Some("/no/such/file".into())).read(period).await.unwrap_err();
    assert_eq!(missing.name(), "BadInvoices");
}

#[tokio::test]
async fn throttling_passes_and_refusals_of_the_invoicing_api_are_named() {
    let server = stand_in(2);
    let proxy = Proxy::before(&server.url());
    let (source, period) = (source(proxy.url()), "2026-09".parse().unwrap());
    let quiet = source.read(period).await.unwrap();
    for fault in
        [Fault::Refuse { status: 429, code: "ThrottlingException" }, Fault::Reset, Fault::DoneButLost, Fault::DoneButFailed]
    {
        proxy.inject_after("ListInvoiceSummaries", 1, 1, fault);
        assert_eq!(source.read(period).await.unwrap(), quiet);
    }
    for (status, code, name) in [
        (400, "ExpiredTokenException", "ExpiredCredentials"),
        (403, "AccessDeniedException", "ServiceDenied"),
        (429, "ThrottlingException", "ServiceThrottled"),
        (500, "InternalServerException", "ServiceUnavailable"),
        (400, "ValidationException", "ServiceRefused"),
    ] {
        proxy.inject("ListInvoiceSummaries", 99, Fault::Refuse { status, code });
        let error = source.read(period).await.unwrap_err();
        assert_eq!(error.name(), name, "{error}");
        proxy.clear();
    }
}
