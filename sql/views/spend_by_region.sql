-- Spend by region; empty where a line has none, such as tax.
-- grain:  one row per billing period, region and currency
-- input:  bill, through cost_line (sql/source)
-- output: cash and effective cost, list price of usage, bill lines; by effective cost, the largest first
with cost_line as (
{{cost_line}}
)
select
    billing_period,
    region,
    currency,
    sum({{cash}}) as cash,
    sum({{effective}}) as effective,
    sum(list) as list,
    count(*) as rows
from cost_line
group by
    billing_period,
    region,
    currency
order by
    billing_period,
    effective desc,
    region,
    currency
