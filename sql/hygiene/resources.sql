-- Resources with their tags, so that owners of untagged ones can be learned from their neighbours. The taxonomy that renders it is the
-- whole one with the keys of name and parent added (core::hygiene::resource_taxonomy).
-- grain:  one row per resource and group of its lines alike in all columns up to the tags (core::hygiene::Resource)
-- input:  bill, through cost_line (sql/source); first_day, last_day: usage days, both included
-- output: Resource, one column for each field; tag_<dimension> for each dimension of the taxonomy. Lines that name a resource and can
--         be tagged: usage, covered usage, Marketplace use. Unordered.
with cost_line as (
{{cost_line}}
)
select
    provider,
    issuer,
    account_id,
    service,
    charge_type,
    currency,
    resource_id{{tag_names}},
    sum(effective_unblended) as effective_unblended,
    sum(effective_net) as effective_net
from cost_line
where
    not (usage_day < {{first_day}}) and not (usage_day > {{last_day}})
    and resource_id <> ''
    and kind in ('usage', 'covered', 'marketplace')
group by
    provider,
    issuer,
    account_id,
    service,
    charge_type,
    currency,
    resource_id{{tag_names}}
