-- Lines of bills in FOCUS 1.0 to 1.4, Parquet with amounts as doubles; a column that a file lacks is NULL.
create external table if not exists `apportion`.`delivered_focus` (
  `billedcost` double,
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
  `effectivecost` double,
  `invoiceissuername` string,
  `listcost` double,
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
