-- What a bill holds, before any configuration exists: for `apportion init` and the readiness gate.
-- grain:  one row per billing period, provider, issuer, billing account, currency and completion status
-- input:  bill, through cost_line (sql/source)
-- output: the grain, then rows; rows with cash; rows with cash but without invoice id; cash in both families; lossy rows. Unordered.
with cost_line as (
{{cost_line}}
)
select
    billing_period,
    provider,
    issuer,
    billing_account_id,
    currency,
    completion_status,
    count(*) as rows,
    sum(case when cash_unblended <> 0 or cash_net <> 0 then 1 else 0 end) as cash_rows,
    sum(case when invoice_id = '' and (cash_unblended <> 0 or cash_net <> 0) then 1 else 0 end) as blank_invoice_rows,
    sum(cash_unblended) as cash_unblended,
    sum(cash_net) as cash_net,
    sum(case when is_lossy then 1 else 0 end) as lossy_rows
from cost_line
group by
    billing_period,
    provider,
    issuer,
    billing_account_id,
    currency,
    completion_status
