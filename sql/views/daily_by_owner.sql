-- Each day's spend by owning tag. Line rules are not applied here: a close and the daily run do that.
-- grain:  one row per usage day, owner and currency
-- input:  bill, through cost_line (sql/source); owner_spelling (folded spellings of the units' ids)
-- output: owner: unit id, `__untagged__` without an owning tag, `__unknown__` with a value that names no unit; billed (cash) and effective
--         cost, resources, bill lines, lines without an owning tag, lines that a commitment pays for
with cost_line as (
{{cost_line}}
),
owned as (
    select
        coalesce(cost_line.usage_day, '') as usage_day,
        case
            when {{owner_tag}} = '' then '__untagged__'
            else coalesce(owner_spelling.owner, '__unknown__')
        end as owner,
        cost_line.currency,
        cost_line.resource_id,
        cost_line.{{cash}} as billed,
        cost_line.{{effective}} as effective,
        case when {{owner_tag}} = '' then 1 else 0 end as is_untagged,
        case when cost_line.commitment_id <> '' then 1 else 0 end as is_committed
    from cost_line
    left join owner_spelling on owner_spelling.spelling = {{owner_folded}}
),
by_resource as (
    select
        usage_day,
        owner,
        currency,
        resource_id,
        sum(billed) as billed,
        sum(effective) as effective,
        count(*) as rows,
        sum(is_untagged) as untagged_rows,
        sum(is_committed) as committed_rows
    from owned
    group by
        usage_day,
        owner,
        currency,
        resource_id
)
select
    usage_day,
    owner,
    currency,
    sum(billed) as billed,
    sum(effective) as effective,
    sum(case when resource_id <> '' then 1 else 0 end) as resources,
    sum(rows) as rows,
    sum(untagged_rows) as untagged_rows,
    sum(committed_rows) as committed_rows
from by_resource
group by
    usage_day,
    owner,
    currency
order by
    usage_day,
    owner,
    currency
