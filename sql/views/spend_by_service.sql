-- Spend by service.
-- grain:  one row per billing period, service and currency
-- input:  bill, through cost_line (sql/source)
-- output: cash and effective cost, list price of usage, bill lines; by effective cost, the largest first
with cost_line as (
{{cost_line}}
)
select
    billing_period,
    service,
    currency,
    sum({{cash}}) as cash,
    sum({{effective}}) as effective,
    sum(list) as list,
    count(*) as rows
from cost_line
group by
    billing_period,
    service,
    currency
order by
    billing_period,
    effective desc,
    service,
    currency
