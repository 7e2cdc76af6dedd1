-- List price against effective cost: what negotiated prices, savings plans and reservations saved on use.
-- grain:  one row per billing period, service and currency
-- input:  bill, through cost_line (sql/source); lines of usage that have a list price
-- output: list price, effective cost, their difference, bill lines; by difference, the largest first
with cost_line as (
{{cost_line}}
)
select
    billing_period,
    service,
    currency,
    sum(list) as list,
    sum({{effective}}) as effective,
    sum(list) - sum({{effective}}) as saved,
    count(*) as rows
from cost_line
where list <> cast(0 as decimal(38, 12)) and kind in ('usage', 'covered', 'marketplace')
group by
    billing_period,
    service,
    currency
order by
    billing_period,
    saved desc,
    service,
    currency
