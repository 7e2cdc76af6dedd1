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
        description        = "The function ${name} has ${lower(metric)} that its state machine's retries did not heal within five minutes."
        namespace          = "AWS/Lambda"
        metric             = metric
        dimensions         = { FunctionName = name }
        evaluation_periods = 2
      }
    }
  ]...)

  # What the functions report of themselves (docs/settings.md).
  stage_alarms = {
    for stage in var.stages : "${var.name}-${replace(stage, "/", "-")}-failures" => {
      description = "The stage ${stage} (function, action) failed three times in a quarter of an hour: its log lines name the error."
      namespace   = "Apportion"
      metric      = "Failure"
      dimensions  = { function = split("/", stage)[0], stage = split("/", stage)[1] }
      period      = 900
      threshold   = 3
    }
  }

  single_alarms = {
    "${var.name}-does-not-reconcile" = {
      description = "The ledger does not equal the invoices, or an invoice is not in the bill: nothing was published. reconciliation.json in the run's staging folder names the invoice, the unit and the step."
      namespace   = "Apportion"
      metric      = "ReconciliationViolations"
      dimensions  = { function = "reconciliation-gate", stage = "reconcile" }
      statistic   = "Maximum"
    }
    "${var.name}-old-bill" = {
      description         = "The newest usage day in the bill lies more than ${var.bill_age_days} days before the day reported on: is the export still refreshed?"
      namespace           = "Apportion"
      metric              = "BillAgeDays"
      dimensions          = { function = "allocation-runner", stage = "day_poll" }
      statistic           = "Maximum"
      period              = 3600
      threshold           = var.bill_age_days
      comparison_operator = "GreaterThanThreshold"
    }
    "${var.name}-lost-events" = {
      description = "An event or a schedule could not reach the gate: read it in the queue ${var.queue_name}; the next daily offer makes up for it."
      namespace   = "AWS/SQS"
      metric      = "ApproximateNumberOfMessagesVisible"
      dimensions  = { QueueName = var.queue_name }
      statistic   = "Maximum"
    }
  }

  # Only where something starts the daily run by itself.
  daily_alarms = {
    for arn in compact([var.daily_machine_arn]) : "${var.name}-no-daily-run" => {
      description         = "No daily run succeeded for a day and a half: is the bill still delivered, and the schedule on?"
      namespace           = "AWS/States"
      metric              = "ExecutionsSucceeded"
      dimensions          = { StateMachineArn = arn }
      period              = 43200
      evaluation_periods  = 3
      comparison_operator = "LessThanThreshold"
      treat_missing_data  = "breaching"
    }
  }

  # What an alarm does not say of itself.
  usual = {
    statistic           = "Sum"
    period              = 300
    evaluation_periods  = 1
    threshold           = 1
    comparison_operator = "GreaterThanOrEqualToThreshold"
    treat_missing_data  = "notBreaching"
  }

  alarms = {
    for name, alarm in merge(local.machine_alarms, local.function_alarms, local.stage_alarms, local.single_alarms, local.daily_alarms) :
    name => merge(local.usual, alarm)
  }
}

resource "aws_cloudwatch_metric_alarm" "this" {
  for_each            = local.alarms
  alarm_name          = each.key
  alarm_description   = each.value.description
  namespace           = each.value.namespace
  metric_name         = each.value.metric
  dimensions          = each.value.dimensions
  statistic           = each.value.statistic
  period              = each.value.period
  evaluation_periods  = each.value.evaluation_periods
  threshold           = each.value.threshold
  comparison_operator = each.value.comparison_operator
  treat_missing_data  = each.value.treat_missing_data
  alarm_actions       = [aws_sns_topic.this.arn]
}
