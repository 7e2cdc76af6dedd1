-- The daily pass over a bill: exact sums by usage day and by what ownership and the digest need. The taxonomy that renders it is cut
-- to the dimensions of ownership.
-- grain:  one row per group of lines alike in all columns up to the tags (core::day::DayRow)
-- input:  bill, through cost_line (sql/source)
-- output: DayRow, one column for each field; tag_<dimension> for each dimension of the taxonomy. Unordered.
with cost_line as (
{{cost_line}}
),
dated as (
    select
        billing_period,
        coalesce(usage_day, '') as day,
        provider,
        issuer,
        billing_account_id,
        account_id,
        service,
        kind,
        charge_type,
        currency{{tag_names}},
        account_name,
        cash_unblended,
        cash_net,
        effective_unblended,
        effective_net,
        has_net
    from cost_line
)
select
    billing_period,
    day,
    provider,
    issuer,
    billing_account_id,
    account_id,
    service,
    kind,
    charge_type,
    currency{{tag_names}},
    max(account_name) as account_name,
    sum(cash_unblended) as cash_unblended,
    sum(cash_net) as cash_net,
    sum(effective_unblended) as effective_unblended,
    sum(effective_net) as effective_net,
    count(*) as rows,
    sum(case when has_net then 1 else 0 end) as net_rows
from dated
group by
    billing_period,
    day,
    provider,
    issuer,
    billing_account_id,
    account_id,
    service,
    kind,
    charge_type,
    currency{{tag_names}}
