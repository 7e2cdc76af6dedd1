# What starts runs: the arrival of an export's manifest, and the clock. All of it calls the gate's `offer`, which names the execution.

resource "aws_sqs_queue" "lost" {
  name                              = "${var.name}-lost-events"
  message_retention_seconds         = 1209600
  kms_master_key_id                 = var.data_key_arn
  kms_data_key_reuse_period_seconds = 300
}

data "aws_iam_policy_document" "lost" {
  statement {
    sid       = "EventBridgeSends"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.lost.arn]

    principals {
      type        = "Service"
      identifiers = ["events.amazonaws.com"]
    }

    condition {
      test     = "ArnEquals"
      variable = "aws:SourceArn"
      values   = [aws_cloudwatch_event_rule.manifest.arn]
    }
  }
}

resource "aws_sqs_queue_policy" "lost" {
  queue_url = aws_sqs_queue.lost.id
  policy    = data.aws_iam_policy_document.lost.json
}

# The manifest is written after all the files that it names.
resource "aws_cloudwatch_event_rule" "manifest" {
  name        = "${var.name}-manifest"
  description = "A manifest of the billing export has arrived"
  state       = var.enabled ? "ENABLED" : "DISABLED"

  event_pattern = jsonencode({
    source        = ["aws.s3"]
    "detail-type" = ["Object Created"]
    detail = {
      bucket = { name = [var.bucket] }
      object = { key = [{ wildcard = "${var.prefix}/metadata/*-Manifest.json" }] }
    }
  })
}

resource "aws_cloudwatch_event_target" "manifest" {
  rule      = aws_cloudwatch_event_rule.manifest.name
  target_id = "gate"
  arn       = var.gate.alias_arn

  input_transformer {
    input_paths    = { key = "$.detail.object.key", time = "$.time" }
    input_template = "{\"action\": \"offer\", \"key\": <key>, \"scheduled\": <time>}"
  }

  dead_letter_config {
    arn = aws_sqs_queue.lost.arn
  }

  retry_policy {
    maximum_event_age_in_seconds = 86400
    maximum_retry_attempts       = 185
  }
}

resource "aws_lambda_permission" "manifest" {
  statement_id  = "manifest"
  action        = "lambda:InvokeFunction"
  function_name = var.gate.name
  qualifier     = var.gate.alias
  principal     = "events.amazonaws.com"
  source_arn    = aws_cloudwatch_event_rule.manifest.arn
}

data "aws_iam_policy_document" "trust" {
  statement {
    actions = ["sts:AssumeRole"]

    principals {
      type        = "Service"
      identifiers = ["scheduler.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.account_id]
    }
  }
}

resource "aws_iam_role" "scheduler" {
  name                 = "${var.name}-scheduler"
  description          = "Lets the schedules of ${var.name} call the gate"
  assume_role_policy   = data.aws_iam_policy_document.trust.json
  permissions_boundary = var.boundary_arn
}

data "aws_iam_policy_document" "scheduler" {
  statement {
    sid       = "CallTheGate"
    actions   = ["lambda:InvokeFunction"]
    resources = [var.gate.alias_arn]
  }

  statement {
    sid       = "KeepWhatWasLost"
    actions   = ["sqs:SendMessage"]
    resources = [aws_sqs_queue.lost.arn]
  }

  statement {
    sid       = "EncryptWhatWasLost"
    actions   = ["kms:Decrypt", "kms:GenerateDataKey"]
    resources = [var.data_key_arn]
  }
}

resource "aws_iam_role_policy" "scheduler" {
  name   = "what-it-may-do"
  role   = aws_iam_role.scheduler.id
  policy = data.aws_iam_policy_document.scheduler.json
}

resource "aws_scheduler_schedule" "this" {
  for_each                     = var.schedules
  name                         = "${var.name}-${each.key}"
  description                  = each.value.description
  schedule_expression          = each.value.expression
  schedule_expression_timezone = "UTC"
  state                        = var.enabled ? "ENABLED" : "DISABLED"

  flexible_time_window {
    mode = "OFF"
  }

  target {
    arn      = var.gate.alias_arn
    role_arn = aws_iam_role.scheduler.arn
    input    = each.value.input

    dead_letter_config {
      arn = aws_sqs_queue.lost.arn
    }

    retry_policy {
      maximum_event_age_in_seconds = 21600
      maximum_retry_attempts       = 20
    }
  }
}
