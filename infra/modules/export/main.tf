# The bill: a bucket, and an export of CUR 2.0 into it. Each delivery has a folder of its own, so that none is overwritten while it is read.

terraform {
  required_providers {
    aws = {
      source                = "hashicorp/aws"
      configuration_aliases = [aws, aws.billing]
    }
  }
}

locals {
  # What crates/engine/src/schema.rs declares for CUR 2.0, but `tags`, which not every account has yet: a test compares the two.
  columns = [
    "identity_line_item_id",
    "bill_billing_entity",
    "bill_bill_type",
    "bill_invoicing_entity",
    "bill_invoice_id",
    "bill_payer_account_id",
    "bill_payer_account_name",
    "bill_billing_period_start_date",
    "line_item_usage_account_id",
    "line_item_usage_account_name",
    "line_item_line_item_type",
    "line_item_usage_start_date",
    "line_item_usage_end_date",
    "line_item_product_code",
    "line_item_operation",
    "line_item_usage_type",
    "line_item_line_item_description",
    "line_item_resource_id",
    "line_item_currency_code",
    "line_item_usage_amount",
    "line_item_unblended_cost",
    "line_item_net_unblended_cost",
    "pricing_public_on_demand_cost",
    "product_region_code",
    "reservation_reservation_a_r_n",
    "reservation_effective_cost",
    "reservation_net_effective_cost",
    "reservation_unused_amortized_upfront_fee_for_billing_period",
    "reservation_net_unused_amortized_upfront_fee_for_billing_period",
    "reservation_unused_recurring_fee",
    "reservation_net_unused_recurring_fee",
    "reservation_amortized_upfront_fee_for_billing_period",
    "reservation_net_amortized_upfront_fee_for_billing_period",
    "savings_plan_savings_plan_a_r_n",
    "savings_plan_savings_plan_effective_cost",
    "savings_plan_net_savings_plan_effective_cost",
    "savings_plan_total_commitment_to_date",
    "savings_plan_used_commitment",
    "savings_plan_amortized_upfront_commitment_for_billing_period",
    "savings_plan_net_amortized_upfront_commitment_for_billing_period",
    "resource_tags",
    "cost_category",
  ]
}

data "aws_iam_policy_document" "this" {
  statement {
    sid       = "DataExportsDelivers"
    actions   = ["s3:PutObject", "s3:GetBucketPolicy"]
    resources = ["arn:${var.partition}:s3:::${var.bucket}", "arn:${var.partition}:s3:::${var.bucket}/*"]

    principals {
      type        = "Service"
      identifiers = ["billingreports.amazonaws.com", "bcm-data-exports.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.account_id]
    }

    condition {
      test     = "StringLike"
      variable = "aws:SourceArn"
      values   = ["arn:${var.partition}:cur:us-east-1:${var.account_id}:definition/*", "arn:${var.partition}:bcm-data-exports:us-east-1:${var.account_id}:export/*"]
    }
  }
}

module "bucket" {
  source             = "../bucket"
  name               = var.bucket
  policies           = [data.aws_iam_policy_document.this.json]
  tells_event_bridge = true
  force_destroy      = var.force_destroy
}

resource "aws_bcmdataexports_export" "this" {
  count    = var.is_delivered ? 1 : 0
  provider = aws.billing

  export {
    name        = var.name
    description = "The bill that Apportion closes"

    data_query {
      query_statement = "SELECT ${join(", ", local.columns)} FROM COST_AND_USAGE_REPORT"

      table_configurations = {
        COST_AND_USAGE_REPORT = {
          TIME_GRANULARITY                      = "DAILY"
          INCLUDE_RESOURCES                     = "TRUE"
          INCLUDE_MANUAL_DISCOUNT_COMPATIBILITY = "FALSE"
          INCLUDE_SPLIT_COST_ALLOCATION_DATA    = "FALSE"
        }
      }
    }

    destination_configurations {
      s3_destination {
        s3_bucket = module.bucket.name
        s3_prefix = var.prefix
        s3_region = var.region

        s3_output_configurations {
          compression = "PARQUET"
          format      = "PARQUET"
          output_type = "CUSTOM"
          overwrite   = "CREATE_NEW_REPORT"
        }
      }
    }

    refresh_cadence {
      frequency = "SYNCHRONOUS"
    }
  }
}
