//! Bills of which only the columns that matter are given.

const CUR2: [(&str, &str); 12] = [
    ("bill_billing_entity", "AWS"),
    ("bill_bill_type", "Anniversary"),
    ("bill_invoice_id", "1"),
    ("bill_invoicing_entity", "AWS"),
    ("bill_payer_account_id", "100000000000"),
    ("bill_payer_account_name", "payer"),
    ("bill_billing_period_start_date", "2026-09-01T00:00:00Z"),
    ("line_item_usage_account_id", "100000000001"),
    ("line_item_usage_start_date", "2026-09-02T00:00:00Z"),
    ("line_item_currency_code", "USD"),
    ("line_item_line_item_type", "Usage"),
    ("line_item_product_code", "AmazonEC2"),
];
const FOCUS_1_2: [(&str, &str); 11] = [
    ("ProviderName", "AWS"),
    ("InvoiceIssuerName", "AWS"),
    ("InvoiceId", "1"),
    ("BillingAccountId", "100000000000"),
    ("BillingCurrency", "USD"),
    ("BillingPeriodStart", "2026-09-01T00:00:00Z"),
    ("ChargePeriodStart", "2026-09-02T00:00:00Z"),
    ("ChargeCategory", "Usage"),
    ("ChargeFrequency", "Usage-Based"),
    ("ServiceName", "EC2"),
    ("SubAccountId", "100000000001"),
];

/// The bill with every column that its format needs: `cur2` or `focus_1_2`. A column `tag` is the cost center.
pub fn whole_bill(format: &str, given: &str) -> String {
    let (defaults, tags, key): (&[_], _, _) =
        if format == "cur2" { (&CUR2, "resource_tags", "user_cost_center") } else { (&FOCUS_1_2, "Tags", "CostCenter") };
    let mut reader = csv::Reader::from_reader(given.as_bytes());
    let header = reader.headers().unwrap().clone();
    let absent: Vec<&(&str, &str)> = defaults.iter().filter(|(name, _)| !header.iter().any(|column| column == *name)).collect();
    let mut writer = csv::Writer::from_writer(Vec::new());
    let names = header.iter().map(|name| if name == "tag" { tags } else { name });
    writer.write_record(names.chain(absent.iter().map(|(name, _)| *name))).unwrap();
    for record in reader.records() {
        let record = record.unwrap();
        let cell = |(name, value): (&str, &str)| match (name, value) {
            ("tag", "") => "{}".to_owned(),
            ("tag", owner) => serde_json::json!({ key: owner }).to_string(),
            (_, value) => value.to_owned(),
        };
        let cells = header.iter().zip(&record).map(cell);
        writer.write_record(cells.chain(absent.iter().map(|(_, value)| (*value).to_owned()))).unwrap();
    }
    String::from_utf8(writer.into_inner().unwrap()).unwrap()
}
