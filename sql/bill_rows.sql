-- The bill's own lines behind some rollup rows: for `apportion explain`, on one machine only (bill_file, bill_row).
-- grain:  one row per line of the bill that may belong to one of the rollup rows asked for; the caller takes those that do
-- input:  bill, through cost_line (sql/source) with bill_file, bill_row, line_id and description beside the tags
-- output: the rollup's grain, then what tells the line, then its amounts. Unordered.
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
    currency,
    usage_day,
    region,
    resource_id,
    cash_unblended,
    cash_net,
    effective_unblended,
    effective_net{{tag_names}}
from cost_line
where billing_period = {{period}}
    and currency = {{currency}}
    and invoice_id in ({{invoices}})
    and account_id in ({{accounts}})
    and service in ({{services}})
    and charge_type in ({{charge_types}})
    and commitment_id in ({{commitments}})
    and {{owner_tag}} in ({{owner_values}})
