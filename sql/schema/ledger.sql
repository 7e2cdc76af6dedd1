-- Rows of published closes, one a unit, component, pool, rule, account, service and invoice (docs/formats.md). A close's folder holds
-- other files too, so name the one that is meant beside its close: where close_period = '2026-09' and close_id = 'ID' and "$path" =
-- 's3://CLOSES/closes/2026-09/ID/ledger.parquet'.
create external table if not exists `apportion`.`ledger` (
  `period` string,
  `provider` string,
  `issuer` string,
  `unit_id` string,
  `component` string,
  `pool_id` string,
  `rule_id` string,
  `invoice_id` string,
  `billing_account_id` string,
  `account_id` string,
  `ou_path` string,
  `service` string,
  `charge_type` string,
  `commitment_id` string,
  `currency` string,
  `cash` decimal(38,12),
  `effective` decimal(38,12),
  `cents` decimal(38,0),
  `driver_value` string,
  `driver_total` string,
  `driver_unit` string,
  `share` string
)
partitioned by (
  `close_period` string,
  `close_id` string
)
stored as parquet
location 's3://CLOSES/'
tblproperties (
  'projection.enabled' = 'true',
  'projection.close_period.type' = 'injected',
  'projection.close_id.type' = 'injected',
  'storage.location.template' = 's3://CLOSES/closes/${close_period}/${close_id}/'
)
