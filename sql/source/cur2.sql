-- cost_line from an AWS CUR 2.0 export.
-- grain:  one row per line of the bill
-- input:  bill (CUR 2.0 columns as declared in crates/engine/src/schema.rs; an absent optional column reads as NULL)
-- output: cost_line; text is '' where absent, money decimal(38,12) and never NULL
-- Formulae by line item type: docs/reconciliation.md. Every measure comes twice: unblended, and net of negotiated discounts;
-- a net value that is absent is the unblended one.
with renamed as (
    select
        substr(cast(bill_billing_period_start_date as varchar), 1, 7) as billing_period,
        substr(cast(line_item_usage_start_date as varchar), 1, 10) as usage_day,
        coalesce(bill_invoicing_entity, '') as issuer,
        coalesce(bill_billing_entity, '') as billing_entity,
        coalesce(bill_payer_account_id, '') as billing_account_id,
        coalesce(bill_invoice_id, '') as invoice_id,
        coalesce(line_item_usage_account_id, '') as account_id,
        coalesce(line_item_usage_account_name, '') as account_name,
        coalesce(line_item_product_code, '') as service,
        coalesce(line_item_line_item_type, '') as charge_type,
        coalesce(line_item_operation, '') as operation,
        coalesce(line_item_resource_id, '') as resource_id,
        coalesce(product_region_code, '') as region,
        coalesce(reservation_reservation_a_r_n, '') as reservation_id,
        coalesce(savings_plan_savings_plan_a_r_n, '') as savings_plan_id,
        coalesce(line_item_currency_code, '') as currency,
        coalesce(x_DatasetCompletionStatus, '') as completion_status,
        case
            when line_item_line_item_type = 'Fee' and coalesce(reservation_reservation_a_r_n, '') <> '' then 'upfront'
            when line_item_line_item_type = 'SavingsPlanUpfrontFee' then 'upfront'
            when line_item_line_item_type = 'Refund'
                and line_item_product_code like '%SavingsPlans'
                and line_item_line_item_description like 'Refund for one-time fee for Savings Plan ID%' then 'upfront'
            else coalesce(line_item_line_item_type, '')
        end as formula,
        line_item_net_unblended_cost is not null as has_net,
        coalesce(cast(line_item_unblended_cost as decimal(38, 20)) <> cast(line_item_unblended_cost as decimal(38, 12)), false) as is_lossy,
        coalesce(cast(line_item_unblended_cost as decimal(38, 12)), cast(0 as decimal(38, 12))) as cash_unblended,
        coalesce(
            cast(line_item_net_unblended_cost as decimal(38, 12)),
            cast(line_item_unblended_cost as decimal(38, 12)),
            cast(0 as decimal(38, 12))
        ) as cash_net,
        cast(reservation_effective_cost as decimal(38, 12)) as reservation_cost,
        cast(reservation_net_effective_cost as decimal(38, 12)) as reservation_net_cost,
        cast(reservation_unused_amortized_upfront_fee_for_billing_period as decimal(38, 12)) as unused_upfront,
        cast(reservation_net_unused_amortized_upfront_fee_for_billing_period as decimal(38, 12)) as unused_net_upfront,
        cast(reservation_unused_recurring_fee as decimal(38, 12)) as unused_recurring,
        cast(reservation_net_unused_recurring_fee as decimal(38, 12)) as unused_net_recurring,
        cast(reservation_amortized_upfront_fee_for_billing_period as decimal(38, 12)) as reservation_amortized,
        cast(reservation_net_amortized_upfront_fee_for_billing_period as decimal(38, 12)) as reservation_net_amortized,
        cast(savings_plan_savings_plan_effective_cost as decimal(38, 12)) as savings_plan_cost,
        cast(savings_plan_net_savings_plan_effective_cost as decimal(38, 12)) as savings_plan_net_cost,
        cast(savings_plan_total_commitment_to_date as decimal(38, 12)) as commitment_total,
        cast(savings_plan_used_commitment as decimal(38, 12)) as commitment_used,
        cast(savings_plan_amortized_upfront_commitment_for_billing_period as decimal(38, 12)) as savings_plan_amortized,
        cast(savings_plan_net_amortized_upfront_commitment_for_billing_period as decimal(38, 12)) as savings_plan_net_amortized,
        cast(pricing_public_on_demand_cost as decimal(38, 12)) as public_cost,
        cast(0 as decimal(38, 12)) as zero{{tag_columns}}
    from bill
)
select
    billing_period,
    usage_day,
    'AWS' as provider,
    issuer,
    billing_account_id,
    invoice_id,
    account_id,
    account_name,
    service,
    charge_type,
    case
        when charge_type = 'Tax' then 'tax'
        when charge_type = 'Credit' then 'credit'
        when charge_type = 'Refund' then 'refund'
        when charge_type in (
            'BundledDiscount', 'EdpDiscount', 'PrivateRateDiscount', 'SppDiscount', 'RiVolumeDiscount', 'DistributorDiscount', 'Discount'
        ) then 'discount'
        when billing_entity = 'AWS Marketplace' then 'marketplace'
        when formula = 'upfront' then 'upfront'
        when charge_type in ('RIFee', 'SavingsPlanRecurringFee') then 'commitment_fee'
        when charge_type = 'SavingsPlanCoveredUsage' then 'covered'
        when charge_type = 'SavingsPlanNegation' then 'negation'
        when charge_type in ('Fee', 'Usage')
            and (service like 'AWSSupport%' or service in ('OCBPremiumSupport', 'AWSDeveloperSupport', 'AWSEnterpriseOnRamp')) then 'support'
        when charge_type in ('Fee', 'Usage', 'FlatRateSubscription', 'DiscountedUsage') then 'usage'
        else 'unclassified'
    end as kind,
    case when reservation_id <> '' then reservation_id else savings_plan_id end as commitment_id,
    currency,
    region,
    resource_id,
    completion_status,
    has_net,
    is_lossy,
    cash_unblended,
    cash_net,
    case
        when formula in ('upfront', 'SavingsPlanNegation') then zero
        when formula = 'DiscountedUsage' then coalesce(reservation_cost, zero)
        when formula = 'SavingsPlanCoveredUsage' then coalesce(savings_plan_cost, zero)
        when formula = 'RIFee' then coalesce(unused_upfront, zero) + coalesce(unused_recurring, zero)
        when formula = 'SavingsPlanRecurringFee' then coalesce(commitment_total, zero) - coalesce(commitment_used, zero)
        else cash_unblended
    end as effective_unblended,
    case
        when formula in ('upfront', 'SavingsPlanNegation') then zero
        when formula = 'DiscountedUsage' then coalesce(reservation_net_cost, reservation_cost, zero)
        when formula = 'SavingsPlanCoveredUsage' then coalesce(savings_plan_net_cost, savings_plan_cost, zero)
        when formula = 'RIFee' then coalesce(unused_net_upfront, unused_upfront, zero) + coalesce(unused_net_recurring, unused_recurring, zero)
        when formula = 'SavingsPlanRecurringFee' then coalesce(commitment_total, zero) - coalesce(commitment_used, zero)
        else cash_net
    end as effective_net,
    case
        when formula = 'RIFee' then zero - coalesce(reservation_amortized, zero)
        when formula = 'SavingsPlanRecurringFee' then zero - coalesce(savings_plan_amortized, zero)
        else zero
    end as true_up_unblended,
    case
        when formula = 'RIFee' then zero - coalesce(reservation_net_amortized, reservation_amortized, zero)
        when formula = 'SavingsPlanRecurringFee' then zero - coalesce(savings_plan_net_amortized, savings_plan_amortized, zero)
        else zero
    end as true_up_net,
    case when formula = 'upfront' then cash_unblended else zero end as upfront_unblended,
    case when formula = 'upfront' then cash_net else zero end as upfront_net,
    case
        when charge_type in ('Usage', 'SavingsPlanCoveredUsage', 'DiscountedUsage')
            and operation not in ('EKSPod-EC2', 'ECSTask-EC2') then coalesce(public_cost, zero)
        else zero
    end as list{{tag_names}}
from renamed
