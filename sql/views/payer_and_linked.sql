-- The payer's own cost against that of its linked accounts.
-- grain:  one row per billing period, payer, side (payer or linked) and currency; a line without an account is the payer's
-- input:  bill, through cost_line (sql/source)
-- output: accounts that have lines, cash and effective cost, bill lines
with cost_line as (
{{cost_line}}
),
by_account as (
    select
        billing_period,
        billing_account_id,
        case when account_id in ('', billing_account_id) then 'payer' else 'linked' end as side,
        account_id,
        currency,
        sum({{cash}}) as cash,
        sum({{effective}}) as effective,
        count(*) as rows
    from cost_line
    group by
        billing_period,
        billing_account_id,
        case when account_id in ('', billing_account_id) then 'payer' else 'linked' end,
        account_id,
        currency
)
select
    billing_period,
    billing_account_id,
    side,
    currency,
    sum(case when account_id <> '' then 1 else 0 end) as accounts,
    sum(cash) as cash,
    sum(effective) as effective,
    sum(rows) as rows
from by_account
group by
    billing_period,
    billing_account_id,
    side,
    currency
order by
    billing_period,
    billing_account_id,
    side desc,
    currency
