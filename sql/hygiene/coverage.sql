-- Who tags what: effective cost of some usage days by all that tag hygiene judges. The taxonomy that renders it is cut to the mandatory
-- dimensions and those of ownership.
-- grain:  one row per group of lines alike in all columns up to the tags (core::hygiene::CoverageRow)
-- input:  bill, through cost_line (sql/source); first_day, last_day: usage days, both included
-- output: CoverageRow, one column for each field; tag_<dimension> for each dimension of the taxonomy. Unordered.
with cost_line as (
{{cost_line}}
),
windowed as (
    select
        provider,
        issuer,
        account_id,
        service,
        kind,
        charge_type,
        currency,
        case when resource_id <> '' then 'true' else 'false' end as has_resource{{tag_names}},
        account_name,
        effective_unblended,
        effective_net,
        has_net
    from cost_line
    where not (usage_day < {{first_day}}) and not (usage_day > {{last_day}})
)
select
    provider,
    issuer,
    account_id,
    service,
    kind,
    charge_type,
    currency,
    has_resource{{tag_names}},
    max(account_name) as account_name,
    sum(effective_unblended) as effective_unblended,
    sum(effective_net) as effective_net,
    count(*) as rows,
    sum(case when has_net then 1 else 0 end) as net_rows
from windowed
group by
    provider,
    issuer,
    account_id,
    service,
    kind,
    charge_type,
    currency,
    has_resource{{tag_names}}
