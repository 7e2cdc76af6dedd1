-- Tag keys of one dimension side by side, so that lines on which they disagree can be told. The taxonomy that renders it has one
-- dimension for each key (core::hygiene::separate_keys).
-- grain:  one row per account, currency and combination of values
-- input:  bill, through cost_line (sql/source); first_day, last_day: usage days, both included
-- output: effective cost in both families, lines. Unordered.
with cost_line as (
{{cost_line}}
)
select
    account_id,
    currency{{tag_names}},
    sum(effective_unblended) as effective_unblended,
    sum(effective_net) as effective_net,
    count(*) as rows
from cost_line
where not (usage_day < {{first_day}}) and not (usage_day > {{last_day}})
group by
    account_id,
    currency{{tag_names}}
