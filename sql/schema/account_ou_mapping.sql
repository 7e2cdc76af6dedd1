-- Where each account sits in the organization, one row an account, of the latest day. The folder holds the organization's JSON too: where
-- location = 'org' and "$path" = 's3://WORK/org/account_ou_mapping.csv'.
create external table if not exists `apportion`.`account_ou_mapping` (
  `accountid` string,
  `accountname` string,
  `ou` string,
  `oupath` string,
  `ouid` string,
  `state` string,
  `parentid` string,
  `parentids` string
)
partitioned by (
  `location` string
)
row format serde 'org.apache.hadoop.hive.serde2.OpenCSVSerde'
with serdeproperties ('separatorChar' = ',', 'quoteChar' = '"', 'escapeChar' = '\u0001')
stored as textfile
location 's3://WORK/'
tblproperties (
  'projection.enabled' = 'true',
  'skip.header.line.count' = '1',
  'projection.location.type' = 'injected',
  'storage.location.template' = 's3://WORK/${location}/'
)
