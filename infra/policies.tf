# The policies of the two buckets whose files must not change, and the boundary that no role of ours can leave.

locals {
  # Nobody, or nobody but the roles for emergencies.
  break_glass = length(var.break_glass_roles) == 0 ? [] : [var.break_glass_roles]
}

data "aws_iam_policy_document" "ledger" {
  # A close is written once: a request that could replace a file is refused, whoever asks.
  statement {
    sid       = "OnlyNewFiles"
    effect    = "Deny"
    actions   = ["s3:PutObject"]
    resources = ["${module.ledger.arn}/closes/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "Null"
      variable = "s3:if-none-match"
      values   = ["true"]
    }

    condition {
      test     = "Bool"
      variable = "s3:ObjectCreationOperation"
      values   = ["true"]
    }
  }

  statement {
    sid    = "NothingIsTakenAway"
    effect = "Deny"
    actions = [
      "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutObjectRetention", "s3:BypassGovernanceRetention", "s3:PutLifecycleConfiguration",
    ]
    resources = [module.ledger.arn, "${module.ledger.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    dynamic "condition" {
      for_each = local.break_glass

      content {
        test     = "ArnNotLike"
        variable = "aws:PrincipalArn"
        values   = condition.value
      }
    }
  }

  statement {
    sid       = "NoStrangers"
    effect    = "Deny"
    actions   = ["s3:*"]
    resources = [module.ledger.arn, "${module.ledger.arn}/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    condition {
      test     = "StringNotEquals"
      variable = var.organization_id == "" ? "aws:PrincipalAccount" : "aws:PrincipalOrgID"
      values   = [var.organization_id == "" ? local.account : var.organization_id]
    }
  }
}

data "aws_iam_policy_document" "work" {
  # What a close was made from is as final as the close.
  statement {
    sid       = "FrozenInputsStay"
    effect    = "Deny"
    actions   = ["s3:DeleteObject", "s3:DeleteObjectVersion"]
    resources = ["${module.work.arn}/inputs/*"]

    principals {
      type        = "*"
      identifiers = ["*"]
    }

    dynamic "condition" {
      for_each = local.break_glass

      content {
        test     = "ArnNotLike"
        variable = "aws:PrincipalArn"
        values   = condition.value
      }
    }
  }
}

# A role gets what both its policy and this allow: an error in a policy cannot reach further.
resource "aws_iam_policy" "boundary" {
  name        = "${var.name}-boundary"
  description = "The most that any role of ${var.name} can do"
  policy      = data.aws_iam_policy_document.boundary.json
}

data "aws_iam_policy_document" "boundary" {
  statement {
    sid     = "Files"
    actions = ["s3:GetObject", "s3:GetObjectVersion", "s3:PutObject", "s3:AbortMultipartUpload", "s3:ListBucket", "s3:GetBucketLocation"]

    resources = flatten([
      for arn in [module.ledger.arn, module.work.arn, module.scratch.arn, module.release_bucket.arn, local.export_arn] : [arn, "${arn}/*"]
    ])
  }

  statement {
    sid       = "BillIsRead"
    effect    = "Deny"
    actions   = ["s3:PutObject"]
    resources = ["${local.export_arn}/*", "${module.release_bucket.arn}/*"]
  }

  statement {
    sid       = "Keys"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [module.keys.data_key_arn]
  }

  statement {
    sid       = "Signature"
    actions   = ["kms:Sign", "kms:GetPublicKey"]
    resources = [module.keys.signing_key_arn]
  }

  statement {
    sid       = "Items"
    actions   = ["dynamodb:PutItem", "dynamodb:GetItem", "dynamodb:Query"]
    resources = [module.table.arn]
  }

  statement {
    sid       = "Queries"
    actions   = local.query_statements[0].actions
    resources = local.query_statements[0].resources
  }

  statement {
    sid       = "Tables"
    actions   = local.query_statements[1].actions
    resources = local.query_statements[1].resources
  }

  statement {
    sid       = "Organization"
    actions   = ["organizations:ListAccountsForParent", "organizations:ListOrganizationalUnitsForParent"]
    resources = ["arn:${local.partition}:organizations::*:root/o-*/r-*", "arn:${local.partition}:organizations::*:ou/o-*/ou-*"]
  }

  # These have no resource of their own.
  statement {
    sid = "WithoutResource"
    actions = [
      "organizations:ListRoots", "organizations:ListAccounts", "invoicing:ListInvoiceSummaries",
      "xray:PutTraceSegments", "xray:PutTelemetryRecords",
      "logs:CreateLogDelivery", "logs:GetLogDelivery", "logs:UpdateLogDelivery", "logs:DeleteLogDelivery", "logs:ListLogDeliveries",
      "logs:PutResourcePolicy", "logs:DescribeResourcePolicies", "logs:DescribeLogGroups",
    ]
    resources = ["*"]
  }

  statement {
    sid       = "Runs"
    actions   = ["states:StartExecution", "states:DescribeExecution"]
    resources = concat([local.month_end_arn, local.daily_arn], local.execution_arns)
  }

  dynamic "statement" {
    for_each = var.approval_required ? [true] : []

    content {
      sid       = "Answers"
      actions   = ["states:SendTaskSuccess", "states:SendTaskFailure"]
      resources = ["*"]
    }
  }

  statement {
    sid       = "Functions"
    actions   = ["lambda:InvokeFunction"]
    resources = ["arn:${local.partition}:lambda:${var.region}:${local.account}:function:${var.name}-*"]
  }

  statement {
    sid       = "Mails"
    actions   = ["ses:SendEmail", "ses:SendRawEmail"]
    resources = local.mail_arns
  }

  statement {
    sid       = "Logs"
    actions   = ["logs:CreateLogStream", "logs:PutLogEvents"]
    resources = ["arn:${local.partition}:logs:${var.region}:${local.account}:log-group:/aws/lambda/${var.name}-*"]
  }

  statement {
    sid       = "LostEvents"
    actions   = ["sqs:SendMessage"]
    resources = ["arn:${local.partition}:sqs:${var.region}:${local.account}:${var.name}-lost-events"]
  }

  statement {
    sid    = "Never"
    effect = "Deny"
    actions = [
      "s3:BypassGovernanceRetention", "s3:DeleteBucket", "s3:DeleteObject", "s3:DeleteObjectVersion", "s3:PutBucketVersioning",
      "s3:PutObjectRetention", "kms:ScheduleKeyDeletion", "kms:DisableKey", "iam:PassRole", "iam:CreateUser", "iam:CreateAccessKey",
    ]
    resources = ["*"]
  }
}
