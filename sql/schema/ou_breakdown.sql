-- The archive of daily digests: cash by day, OU, service and account, one row each. Only text, so cast DailyCost where it is used; a line
-- break in a name stands as U+2424. Earlier versions of a day lie below ou-breakdown-versions/, since every file of a partition counts.
create external table if not exists `apportion`.`ou_breakdown` (
  `billingdate` string,
  `ou` string,
  `service` string,
  `linkedaccount` string,
  `dailycost` string
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
  'storage.location.template' = 's3://WORK/ou-breakdowns/year=${year}/month=${month}/day=${day}/'
)
