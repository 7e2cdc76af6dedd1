-- cost_line from a FOCUS 1.0 dataset of any provider.
-- grain:  one row per line of the bill
-- input:  bill (FOCUS 1.0 columns as declared in crates/engine/src/schema.rs; an absent optional column reads as NULL)
-- output: cost_line; text is '' where absent, money decimal(38,12) and never NULL
-- Kinds and formulae: docs/reconciliation.md. FOCUS has one family of costs, so net = unblended.
with renamed as (
    select
        substr(cast(BillingPeriodStart as varchar), 1, 7) as billing_period,
        substr(cast(ChargePeriodStart as varchar), 1, 10) as usage_day,
        coalesce(ProviderName, '') as provider,
        coalesce(InvoiceIssuerName, '') as issuer,
        coalesce(BillingAccountId, '') as billing_account_id,
        '' as invoice_id,
        coalesce(SubAccountId, '') as account_id,
        coalesce(SubAccountName, '') as account_name,
        coalesce(ServiceName, '') as service,
        coalesce(ChargeCategory, '') as charge_type,
        coalesce(ChargeClass, '') as charge_class,
        coalesce(ChargeFrequency, '') as charge_frequency,
        coalesce(CommitmentDiscountId, '') as commitment_id,
        coalesce(CommitmentDiscountStatus, '') as commitment_status,
        coalesce(BillingCurrency, '') as currency,
        coalesce(RegionId, '') as region,
        coalesce(ResourceId, '') as resource_id,
        coalesce(x_DatasetCompletionStatus, '') as completion_status,
        coalesce(cast(BilledCost as decimal(38, 20)) <> cast(BilledCost as decimal(38, 12)), false) as is_lossy,
        coalesce(cast(BilledCost as decimal(38, 12)), cast(0 as decimal(38, 12))) as billed,
        coalesce(cast(EffectiveCost as decimal(38, 12)), cast(0 as decimal(38, 12))) as effective,
        coalesce(cast(ListCost as decimal(38, 12)), cast(0 as decimal(38, 12))) as list,
        cast(0 as decimal(38, 12)) as zero{{tag_columns}}
    from bill
)
select
    billing_period,
    usage_day,
    provider,
    issuer,
    billing_account_id,
    invoice_id,
    account_id,
    account_name,
    service,
    charge_type,
    case
        when charge_class = 'Correction' and billed < zero then 'refund'
        when charge_class = 'Correction' or charge_type = 'Adjustment' then 'adjustment'
        when charge_type = 'Tax' then 'tax'
        when charge_type = 'Credit' then 'credit'
        when commitment_status = 'Unused' then 'unused'
        when charge_type = 'Purchase' and commitment_id <> '' and charge_frequency = 'One-Time' then 'upfront'
        when charge_type = 'Purchase' and commitment_id <> '' then 'commitment_fee'
        when charge_type in ('Usage', 'Purchase') then 'usage'
        else 'unclassified'
    end as kind,
    commitment_id,
    currency,
    region,
    resource_id,
    completion_status,
    false as has_net,
    is_lossy,
    billed as cash_unblended,
    billed as cash_net,
    effective as effective_unblended,
    effective as effective_net,
    case when charge_type = 'Purchase' then zero else billed - effective end as true_up_unblended,
    case when charge_type = 'Purchase' then zero else billed - effective end as true_up_net,
    case when charge_type = 'Purchase' then billed - effective else zero end as upfront_unblended,
    case when charge_type = 'Purchase' then billed - effective else zero end as upfront_net,
    list{{tag_names}}
from renamed
