-- An account's cash day by day and service. Grain: one row a day and service. Input: ou_breakdown.
-- Output: billing_date, ou (where the account sat on that day), service, cost.
select
  BillingDate as billing_date,
  OU as ou,
  Service as service,
  sum(cast(DailyCost as decimal(38, 12))) as cost
from ou_breakdown
where LinkedAccount = '100000000008' and year = '2026' and month in ('08', '09')
group by BillingDate, OU, Service
order by billing_date, cost desc
