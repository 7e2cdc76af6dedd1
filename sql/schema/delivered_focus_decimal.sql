-- Lines of bills in FOCUS 1.0 to 1.4, Parquet with amounts as decimals; a column that a file lacks is NULL.
create external table if not exists `apportion`.`delivered_focus_decimal` (
  `billedcost` decimal(38,20),
  `billingaccountid` string,
  `billingaccountname` string,
  `billingcurrency` string,
  `billingperiodstart` timestamp,
  `chargecategory` string,
  `chargeclass` string,
  `chargedescription` string,
  `chargefrequency` string,
  `chargeperiodstart` timestamp,
  `commitmentdiscountid` string,
  `commitmentdiscountstatus` string,
  `effectivecost` decimal(38,20),
  `invoiceissuername` string,
  `listcost` decimal(38,20),
  `regionid` string,
  `resourceid` string,
  `servicename` string,
  `subaccountid` string,
  `subaccountname` string,
  `tags` map<string,string>,
  `x_datasetcompletionstatus` string,
  `providername` string,
  `invoiceid` string,
  `serviceprovidername` string
)
partitioned by (
  `location` string
)
stored as parquet
location 's3://BILL/'
tblproperties (
  'projection.enabled' = 'true',
  'projection.location.type' = 'injected',
  'storage.location.template' = 's3://BILL/${location}/'
)
