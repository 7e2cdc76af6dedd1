-- The accounts with the most effective cost in each organizational unit, ten at most.
-- grain:  one row per billing period, OU, currency and account
-- input:  bill, through cost_line (sql/source); account_ou_mapping
-- output: place from 1; OU path, `__unknown__` where the organization lacks the account; cash and effective cost, bill lines
with cost_line as (
{{cost_line}}
),
by_account as (
    select
        billing_period,
        account_id,
        max(account_name) as account_name,
        currency,
        sum({{cash}}) as cash,
        sum({{effective}}) as effective,
        count(*) as rows
    from cost_line
    group by
        billing_period,
        account_id,
        currency
),
placed as (
    select
        by_account.billing_period,
        coalesce(account_ou_mapping.OUPath, '__unknown__') as ou,
        by_account.currency,
        by_account.account_id,
        by_account.account_name,
        by_account.cash,
        by_account.effective,
        by_account.rows
    from by_account
    left join account_ou_mapping on account_ou_mapping.AccountId = by_account.account_id
),
ranked as (
    select
        billing_period,
        ou,
        currency,
        row_number() over (partition by billing_period, ou, currency order by effective desc, account_id) as place,
        account_id,
        account_name,
        cash,
        effective,
        rows
    from placed
)
select
    billing_period,
    ou,
    currency,
    place,
    account_id,
    account_name,
    cash,
    effective,
    rows
from ranked
where place < 11
order by
    billing_period,
    ou,
    currency,
    place
