-- Lines of bills in CUR 2.0, Parquet with amounts as doubles; a column that a file lacks is NULL.
create external table if not exists `apportion`.`cur2` (
  `identity_line_item_id` string,
  `bill_billing_entity` string,
  `bill_bill_type` string,
  `bill_invoicing_entity` string,
  `bill_invoice_id` string,
  `bill_payer_account_id` string,
  `bill_payer_account_name` string,
  `bill_billing_period_start_date` timestamp,
  `line_item_usage_account_id` string,
  `line_item_usage_account_name` string,
  `line_item_line_item_type` string,
  `line_item_usage_start_date` timestamp,
  `line_item_product_code` string,
  `line_item_operation` string,
  `line_item_usage_type` string,
  `line_item_line_item_description` string,
  `line_item_resource_id` string,
  `line_item_currency_code` string,
  `line_item_usage_amount` double,
  `line_item_unblended_cost` double,
  `line_item_net_unblended_cost` double,
  `pricing_public_on_demand_cost` double,
  `product_region_code` string,
  `reservation_reservation_a_r_n` string,
  `reservation_effective_cost` double,
  `reservation_net_effective_cost` double,
  `reservation_unused_amortized_upfront_fee_for_billing_period` double,
  `reservation_net_unused_amortized_upfront_fee_for_billing_period` double,
  `reservation_unused_recurring_fee` double,
  `reservation_net_unused_recurring_fee` double,
  `reservation_amortized_upfront_fee_for_billing_period` double,
  `reservation_net_amortized_upfront_fee_for_billing_period` double,
  `savings_plan_savings_plan_a_r_n` string,
  `savings_plan_savings_plan_effective_cost` double,
  `savings_plan_net_savings_plan_effective_cost` double,
  `savings_plan_total_commitment_to_date` double,
  `savings_plan_used_commitment` double,
  `savings_plan_amortized_upfront_commitment_for_billing_period` double,
  `savings_plan_net_amortized_upfront_commitment_for_billing_period` double,
  `resource_tags` map<string,string>,
  `tags` map<string,string>,
  `cost_category` map<string,string>,
  `x_datasetcompletionstatus` string
)
partitioned by (
  `location` string
)
stored as parquet
location 's3://WORK/'
tblproperties (
  'projection.enabled' = 'true',
  'projection.location.type' = 'injected',
  'storage.location.template' = 's3://WORK/${location}/'
)
