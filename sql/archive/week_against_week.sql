-- Services whose cash changed most from one week to the next. Grain: one row an OU and service. Input: ou_breakdown.
-- Output: ou, service, this_week, week_before, change. BillingDate is ISO text, so text order is the order of days.
with week as (
  select
    OU as ou,
    Service as service,
    sum(case when BillingDate > '2026-09-08' then cast(DailyCost as decimal(38, 12)) else cast(0 as decimal(38, 12)) end) as this_week,
    sum(case when BillingDate <= '2026-09-08' then cast(DailyCost as decimal(38, 12)) else cast(0 as decimal(38, 12)) end) as week_before
  from ou_breakdown
  where year = '2026' and month = '09' and BillingDate between '2026-09-02' and '2026-09-15'
  group by OU, Service
)
select ou, service, this_week, week_before, this_week - week_before as change
from week
order by abs(this_week - week_before) desc
limit 50
