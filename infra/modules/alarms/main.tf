# One topic, and an alarm for everything that a person must look at.

resource "aws_sns_topic" "this" {
  name              = var.name
  kms_master_key_id = var.data_key_arn
}

data "aws_iam_policy_document" "topic" {
  statement {
    sid       = "AlarmsAndMails"
    actions   = ["sns:Publish"]
    resources = [aws_sns_topic.this.arn]

    principals {
      type        = "Service"
      identifiers = ["cloudwatch.amazonaws.com", "ses.amazonaws.com"]
    }

    condition {
      test     = "StringEquals"
      variable = "aws:SourceAccount"
      values   = [var.account_id]
    }
  }
}

resource "aws_sns_topic_policy" "this" {
  arn    = aws_sns_topic.this.arn
  policy = data.aws_iam_policy_document.topic.json
}

resource "aws_sns_topic_subscription" "people" {
  for_each  = toset(var.addresses)
  topic_arn = aws_sns_topic.this.arn
  protocol  = "email"
  endpoint  = each.value
}

locals {
  ends = { ExecutionsFailed = "failed", ExecutionsTimedOut = "ran out of time", ExecutionsAborted = "was stopped" }

  machine_alarms = merge([
    for key, machine in var.machines : {
      for metric, word in local.ends : "${machine.name}-${metric}" => {
        description = "The state machine ${machine.name} ${word}: see its newest execution. ${machine.runbook}"
        namespace   = "AWS/States"
        metric      = metric
        dimensions  = { StateMachineArn = machine.arn }
      }
    }
  ]...)

  function_alarms = merge([
    for key, name in var.functions : {
      for metric in ["Errors", "Throttles"] : "${name}-${metric}" => {
        description = "The function ${name} has ${lower(metric)} that its state machine's retries did not heal within five minutes."
        namespace   = "AWS/Lambda"
        metric      = metric
        dimensions  = { FunctionName = name }
      }
    }
  ]...)
}

resource "aws_cloudwatch_metric_alarm" "machine" {
  for_each            = local.machine_alarms
  alarm_name          = each.key
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.this.arn]
}

resource "aws_cloudwatch_metric_alarm" "function" {
  for_each            = local.function_alarms
  alarm_name          = each.key
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = "Sum"
  period              = 300
  evaluation_periods  = 2
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.this.arn]
}

resource "aws_cloudwatch_metric_alarm" "no_day" {
  count               = var.daily_machine_arn == "" ? 0 : 1
  alarm_name          = "${var.name}-no-daily-run"
  alarm_description   = "No daily run succeeded for a day and a half: is the bill still delivered, and the schedule on?"
  namespace           = "AWS/States"
  metric_name         = "ExecutionsSucceeded"
  dimensions          = { StateMachineArn = var.daily_machine_arn }
  statistic           = "Sum"
  period              = 43200
  evaluation_periods  = 3
  threshold           = 1
  comparison_operator = "LessThanThreshold"
  treat_missing_data  = "breaching"
  alarm_actions       = [aws_sns_topic.this.arn]
}

resource "aws_cloudwatch_metric_alarm" "lost_events" {
  alarm_name          = "${var.name}-lost-events"
  alarm_description   = "An event or a schedule could not reach the gate: read it in the queue ${var.queue_name}; the next daily offer makes up for it."
  namespace           = "AWS/SQS"
  metric_name         = "ApproximateNumberOfMessagesVisible"
  dimensions          = { QueueName = var.queue_name }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.this.arn]
}

# What the functions report of themselves (docs/settings.md).
resource "aws_cloudwatch_metric_alarm" "stage" {
  for_each            = var.stages
  alarm_name          = "${var.name}-${replace(each.value, "/", "-")}-failures"
  alarm_description   = "The stage ${each.value} (function, action) failed three times in a quarter of an hour: its log lines name the error."
  namespace           = "Apportion"
  metric_name         = "Failure"
  dimensions          = { function = split("/", each.value)[0], stage = split("/", each.value)[1] }
  statistic           = "Sum"
  period              = 900
  evaluation_periods  = 1
  threshold           = 3
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.this.arn]
}

resource "aws_cloudwatch_metric_alarm" "violations" {
  alarm_name          = "${var.name}-does-not-reconcile"
  alarm_description   = "The ledger does not equal the invoices, or an invoice is not in the bill: nothing was published. reconciliation.json in the run's staging folder names the invoice, the unit and the step."
  namespace           = "Apportion"
  metric_name         = "ReconciliationViolations"
  dimensions          = { function = "reconciliation-gate", stage = "reconcile" }
  statistic           = "Maximum"
  period              = 300
  evaluation_periods  = 1
  threshold           = 1
  comparison_operator = "GreaterThanOrEqualToThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.this.arn]
}

resource "aws_cloudwatch_metric_alarm" "bill_age" {
  alarm_name          = "${var.name}-old-bill"
  alarm_description   = "The newest usage day in the bill lies more than ${var.bill_age_days} days before the day reported on: is the export still refreshed?"
  namespace           = "Apportion"
  metric_name         = "BillAgeDays"
  dimensions          = { function = "allocation-runner", stage = "day_poll" }
  statistic           = "Maximum"
  period              = 3600
  evaluation_periods  = 1
  threshold           = var.bill_age_days
  comparison_operator = "GreaterThanThreshold"
  treat_missing_data  = "notBreaching"
  alarm_actions       = [aws_sns_topic.this.arn]
}
