-- Spend by linked account.
-- grain:  one row per billing period, account and currency
-- input:  bill, through cost_line (sql/source)
-- output: cash and effective cost, list price of usage, bill lines; by effective cost, the largest first
with cost_line as (
{{cost_line}}
)
select
    billing_period,
    account_id,
    max(account_name) as account_name,
    currency,
    sum({{cash}}) as cash,
    sum({{effective}}) as effective,
    sum(list) as list,
    count(*) as rows
from cost_line
group by
    billing_period,
    account_id,
    currency
order by
    billing_period,
    effective desc,
    account_id,
    currency
