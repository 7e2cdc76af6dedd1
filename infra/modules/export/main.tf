# The bill: a bucket, and an export of CUR 2.0 into it. Each delivery has a folder of its own, so that none is overwritten while it is read.

terraform {
  required_providers {
    aws = {
      source                = "hashicorp/aws"
      configuration_aliases = [aws, aws.billing]
    }
  }
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
      query_statement = "SELECT ${join(", ", var.columns)} FROM COST_AND_USAGE_REPORT"

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
