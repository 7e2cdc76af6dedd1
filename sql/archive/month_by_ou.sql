-- Cash of a month by OU. Grain: one row an OU. Input: ou_breakdown. Output: ou, cost, accounts, days.
select
  OU as ou,
  sum(cast(DailyCost as decimal(38, 12))) as cost,
  count(distinct LinkedAccount) as accounts,
  count(distinct BillingDate) as days
from ou_breakdown
where year = '2026' and month = '09'
group by OU
order by cost desc
