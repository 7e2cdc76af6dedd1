-- Services of each organizational unit.
-- grain:  one row per billing period, service, OU and currency
-- input:  bill, through cost_line (sql/source); account_ou_mapping
-- output: OU path, `__unknown__` where the organization lacks the account, empty directly under the root; cash and effective cost,
--         bill lines
with cost_line as (
{{cost_line}}
),
placed as (
    select
        coalesce(account_ou_mapping.OUPath, '__unknown__') as ou,
        cost_line.billing_period,
        cost_line.service,
        cost_line.currency,
        cost_line.{{cash}} as cash,
        cost_line.{{effective}} as effective
    from cost_line
    left join account_ou_mapping on account_ou_mapping.AccountId = cost_line.account_id
)
select
    billing_period,
    ou,
    service,
    currency,
    sum(cash) as cash,
    sum(effective) as effective,
    count(*) as rows
from placed
group by
    billing_period,
    ou,
    service,
    currency
order by
    billing_period,
    ou,
    effective desc,
    service,
    currency
