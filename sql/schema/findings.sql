-- What the tag hygiene of a daily run found, one row an account and currency (docs/formats.md). Only text, so cast amounts where they are
-- used; share and threshold are hundredths of a per cent. A day that was run again has its newest findings.
create external table if not exists `apportion`.`findings` (
  `run_date` string,
  `account_id` string,
  `account_name` string,
  `ou` string,
  `currency` string,
  `spend` string,
  `taggable` string,
  `untagged` string,
  `unknown` string,
  `share` string,
  `threshold` string,
  `above` string,
  `main_unit` string
)
partitioned by (
  `year` string,
  `month` string,
  `day` string
)
row format serde 'org.apache.hadoop.hive.serde2.OpenCSVSerde'
with serdeproperties ('separatorChar' = ',', 'quoteChar' = '"', 'escapeChar' = '\u0001')
stored as textfile
location 's3://WORK/'
tblproperties (
  'projection.enabled' = 'true',
  'skip.header.line.count' = '1',
  'projection.year.type' = 'integer',
  'projection.year.range' = '2020,2099',
  'projection.year.digits' = '4',
  'projection.month.type' = 'integer',
  'projection.month.range' = '1,12',
  'projection.month.digits' = '2',
  'projection.day.type' = 'integer',
  'projection.day.range' = '1,31',
  'projection.day.digits' = '2',
  'storage.location.template' = 's3://WORK/findings-by-account/year=${year}/month=${month}/day=${day}/'
)
