-- The archive of daily digests as an Athena table: cash by day, OU, service and account.
-- Grain: one row a day, OU, service and account. Input: ou-breakdowns/year=YYYY/month=MM/day=DD/ou_breakdown.csv, one file a day.
-- OpenCSVSerDe, not LazySimpleSerDe: OU names may have commas and quotes, and only the former reads quoted cells. It knows text only, so
-- DailyCost is cast where it is used; a line break inside a cell would end the row, so the writer shows it as U+2424.
-- Partitions are projected: a new day is there without MSCK REPAIR or a crawler, and a query of one day lists one folder.
-- Earlier versions of a day lie below ou-breakdown-versions/, since Athena adds up every file of a partition.
-- Replace BUCKET. The template ${year} is Athena's, not ours.
create external table if not exists ou_breakdown (
  `BillingDate` string,
  `OU` string,
  `Service` string,
  `LinkedAccount` string,
  `DailyCost` string
)
partitioned by (
  `year` string,
  `month` string,
  `day` string
)
row format serde 'org.apache.hadoop.hive.serde2.OpenCSVSerde'
with serdeproperties ('separatorChar' = ',', 'quoteChar' = '"', 'escapeChar' = '\\')
stored as textfile
location 's3://BUCKET/ou-breakdowns/'
tblproperties (
  'skip.header.line.count' = '1',
  'projection.enabled' = 'true',
  'projection.year.type' = 'integer',
  'projection.year.range' = '2020,2099',
  'projection.year.digits' = '4',
  'projection.month.type' = 'integer',
  'projection.month.range' = '1,12',
  'projection.month.digits' = '2',
  'projection.day.type' = 'integer',
  'projection.day.range' = '1,31',
  'projection.day.digits' = '2',
  'storage.location.template' = 's3://BUCKET/ou-breakdowns/year=${year}/month=${month}/day=${day}/'
)
