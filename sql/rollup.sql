-- The one heavy pass over a bill: exact sums by every column that a rule, a statement or a reconciliation needs.
-- grain:  one row per group of lines alike in all columns up to the tags (core::bill::RollupRow)
-- input:  bill, through cost_line (sql/source)
-- output: RollupRow, one column for each field; tag_<dimension> for each dimension of the taxonomy. Unordered.
with cost_line as (
{{cost_line}}
)
select
    billing_period,
    provider,
    issuer,
    billing_account_id,
    invoice_id,
    account_id,
    service,
    charge_type,
    kind,
    commitment_id,
    currency{{tag_names}},
    max(account_name) as account_name,
    sum(cash_unblended) as cash_unblended,
    sum(cash_net) as cash_net,
    sum(effective_unblended) as effective_unblended,
    sum(effective_net) as effective_net,
    sum(true_up_unblended) as true_up_unblended,
    sum(true_up_net) as true_up_net,
    sum(upfront_unblended) as upfront_unblended,
    sum(upfront_net) as upfront_net,
    sum(list) as list,
    count(*) as rows,
    sum(case when cash_unblended <> 0 or cash_net <> 0 then 1 else 0 end) as cash_rows,
    sum(case when has_net then 1 else 0 end) as net_rows,
    sum(case when is_lossy then 1 else 0 end) as lossy_rows,
    sum(case when completion_status not in ('', 'Complete') then 1 else 0 end) as incomplete_rows
from cost_line
group by
    billing_period,
    provider,
    issuer,
    billing_account_id,
    invoice_id,
    account_id,
    service,
    charge_type,
    kind,
    commitment_id,
    currency{{tag_names}}
