# Apportion in one account: where files lie, what runs, what starts it, what watches it. README.md says how to deploy it.

data "aws_caller_identity" "this" {}

data "aws_partition" "this" {}

locals {
  # Not by jsonencode, which writes < and > as escapes, so that the scheduler would not find its word.
  scheduled = { for action in ["offer", "offer_day"] : action => "{\"action\":\"${action}\",\"scheduled\":\"<aws.scheduler.scheduled-time>\"}" }

  account   = data.aws_caller_identity.this.account_id
  partition = data.aws_partition.this.partition
  suffix    = local.account
  database  = replace(var.name, "-", "_")

  # Known before they are made, since policies and settings name each other.
  month_end_arn      = "arn:${local.partition}:states:${var.region}:${local.account}:stateMachine:${var.name}-month-end"
  daily_arn          = "arn:${local.partition}:states:${var.region}:${local.account}:stateMachine:${var.name}-daily"
  publisher_role_arn = "arn:${local.partition}:iam::${local.account}:role/${var.name}-statement-publisher"

  mail_arns = [
    "arn:${local.partition}:ses:${var.region}:${local.account}:identity/${var.mail_identity}",
    "arn:${local.partition}:ses:${var.region}:${local.account}:configuration-set/${var.name}",
  ]

  # Executions of both kinds of state machine: the right to describe knows no single kind.
  execution_arns = flatten([
    for arn in [local.month_end_arn, local.daily_arn] : [
      "${replace(arn, ":stateMachine:", ":execution:")}:*", "${replace(arn, ":stateMachine:", ":express:")}:*:*",
    ]
  ])

  makes_export  = var.export_bucket == ""
  export_bucket = local.makes_export ? module.export[0].bucket : var.export_bucket
  export_arn    = "arn:${local.partition}:s3:::${local.export_bucket}"
}

locals {
  # The SDK reads these names.
  endpoints = { for service, url in var.endpoints : "AWS_ENDPOINT_URL_${upper(service)}" => url }
}

module "keys" {
  source             = "./modules/keys"
  name               = var.name
  partition          = local.partition
  region             = var.region
  account_id         = local.account
  publisher_role_arn = local.publisher_role_arn
  break_glass_roles  = var.break_glass_roles
}

module "ledger" {
  source        = "./modules/bucket"
  name          = "${var.name}-ledger-${local.suffix}"
  key_arn       = module.keys.data_key_arn
  lock          = { mode = var.retention_mode, years = var.retention_years }
  policies      = [data.aws_iam_policy_document.ledger.json]
  force_destroy = !var.delete_protection
}

# What runs stage, freeze and keep. Staged files are of no use once a run has ended; the rest stays.
module "work" {
  source        = "./modules/bucket"
  name          = "${var.name}-work-${local.suffix}"
  key_arn       = module.keys.data_key_arn
  expire_days   = { "staging/" = 90 }
  policies      = [data.aws_iam_policy_document.work.json]
  force_destroy = !var.delete_protection
}

# Results of queries: they hold the bill's names, so they go after a week.
module "scratch" {
  source        = "./modules/bucket"
  name          = "${var.name}-scratch-${local.suffix}"
  key_arn       = module.keys.data_key_arn
  expire_days   = { "" = 7 }
  force_destroy = true
}

module "release_bucket" {
  source        = "./modules/bucket"
  name          = "${var.name}-release-${local.suffix}"
  key_arn       = module.keys.data_key_arn
  force_destroy = !var.delete_protection
}

module "release" {
  source = "./modules/release"
  bucket = module.release_bucket.name
  prefix = "release"

  folders = {
    sql           = "${path.root}/../sql"
    configuration = local.configuration
    template      = local.template
  }
}

locals {
  packages      = startswith(var.packages, "/") ? var.packages : "${path.root}/${var.packages}"
  configuration = startswith(var.configuration, "/") ? var.configuration : "${path.root}/${var.configuration}"
  template      = startswith(var.template, "/") ? var.template : "${path.root}/${var.template}"
}

locals {
  # What the queries read, but for two columns: `tags` is not in every account's CUR 2.0 yet, and the other is of no AWS export.
  export_columns = [
    for column in regexall("(?m)^  `([^`]+)` .+$", split("partitioned by (", file("${path.root}/../sql/schema/cur2.sql"))[0]) : column[0]
    if !contains(["tags", "x_datasetcompletionstatus"], column[0])
  ]
}

module "export" {
  count         = local.makes_export ? 1 : 0
  source        = "./modules/export"
  bucket        = "${var.name}-bill-${local.suffix}"
  prefix        = split("/", var.export_prefix)[0]
  name          = replace(trimprefix(var.export_prefix, "${split("/", var.export_prefix)[0]}/"), "/", "-")
  region        = var.region
  account_id    = local.account
  partition     = local.partition
  is_delivered  = !var.stand_in
  columns       = local.export_columns
  force_destroy = !var.delete_protection

  providers = {
    aws         = aws
    aws.billing = aws.billing
  }
}

module "table" {
  source            = "./modules/table"
  name              = var.name
  key_arn           = module.keys.data_key_arn
  delete_protection = var.delete_protection
}

module "catalog" {
  source            = "./modules/catalog"
  database          = local.database
  workgroup         = var.name
  account_id        = local.account
  results_bucket    = module.scratch.name
  query_bytes_limit = var.query_bytes_limit
  data_key_arn      = module.keys.data_key_arn
  schema            = "${path.root}/../sql/schema"

  places = {
    bill   = local.settings.APPORTION_BILL
    work   = local.settings.APPORTION_WORK
    closes = local.settings.APPORTION_CLOSES
  }
}

module "mail" {
  source    = "./modules/mail"
  name      = var.name
  identity  = var.mail_identity
  topic_arn = module.alarms.topic_arn
}

module "function" {
  for_each           = local.functions
  source             = "./modules/function"
  name               = "${var.name}-${each.key}"
  description        = each.value.description
  account_id         = local.account
  package            = "${local.packages}/${each.value.package}.zip"
  architecture       = var.architecture
  memory_mb          = each.value.memory_mb
  timeout_seconds    = each.value.timeout_seconds
  settings           = merge(local.settings, each.value.settings, local.endpoints)
  reads              = each.value.reads
  writes             = each.value.writes
  lists              = each.value.lists
  statements         = each.value.statements
  boundary_arn       = aws_iam_policy.boundary.arn
  data_key_arn       = module.keys.data_key_arn
  log_retention_days = var.log_retention_days
}

module "machine" {
  for_each           = { month-end = local.month_end_arn, daily = local.daily_arn }
  source             = "./modules/machine"
  name               = "${var.name}-${each.key}"
  arn                = each.value
  account_id         = local.account
  function_arns      = [for function in values(module.function) : function.arn]
  boundary_arn       = aws_iam_policy.boundary.arn
  data_key_arn       = module.keys.data_key_arn
  log_retention_days = var.log_retention_days
}

# The definitions are the files that the walker runs too, with published versions of the functions in them: a running execution keeps
# its code.
locals {
  versions = { for name, function in module.function : replace(name, "-", "_") => "${function.arn}:${function.version}" }
}

resource "aws_sfn_state_machine" "month_end" {
  name       = "${var.name}-month-end"
  role_arn   = module.machine["month-end"].role_arn
  definition = templatefile("${path.root}/../statemachine/month_end.asl.json", local.versions)
  publish    = true

  logging_configuration {
    log_destination        = "${module.machine["month-end"].log_group_arn}:*"
    level                  = "ERROR"
    include_execution_data = false
  }

  # A stand-in keeps no traces and forgets that it was asked for them.
  dynamic "tracing_configuration" {
    for_each = var.stand_in ? [] : [true]

    content {
      enabled = tracing_configuration.value
    }
  }
}

resource "aws_sfn_state_machine" "daily" {
  name       = "${var.name}-daily"
  role_arn   = module.machine["daily"].role_arn
  definition = templatefile("${path.root}/../statemachine/daily.asl.json", local.versions)
  publish    = true

  logging_configuration {
    log_destination        = "${module.machine["daily"].log_group_arn}:*"
    level                  = "ERROR"
    include_execution_data = false
  }

  # A stand-in keeps no traces and forgets that it was asked for them.
  dynamic "tracing_configuration" {
    for_each = var.stand_in ? [] : [true]

    content {
      enabled = tracing_configuration.value
    }
  }
}

module "triggers" {
  source       = "./modules/triggers"
  name         = var.name
  account_id   = local.account
  bucket       = local.export_bucket
  prefix       = var.export_prefix
  enabled      = var.schedules_enabled
  boundary_arn = aws_iam_policy.boundary.arn
  data_key_arn = module.keys.data_key_arn

  gate = {
    name      = module.function["reconciliation-gate"].name
    alias     = module.function["reconciliation-gate"].alias
    alias_arn = module.function["reconciliation-gate"].alias_arn
  }

  schedules = {
    daily = {
      expression  = var.daily_schedule
      input       = local.scheduled["offer_day"]
      description = "Starts the daily run"
    }
    offer = {
      expression  = var.offer_schedule
      input       = local.scheduled["offer"]
      description = "Offers month end again: starts nothing that has run or is running"
    }
  }
}

# The stages that metrics are by, from the definitions that call them: function and action, or the function alone.
locals {
  definitions = [for name in ["month_end", "daily"] : jsondecode(file("${path.root}/../statemachine/${name}.asl.json")).States]

  tasks = flatten([
    for states in local.definitions : concat(
      [for state in values(states) : state if state.Type == "Task"],
      [for map in values(states) : [for state in values(map.ItemProcessor.States) : state if state.Type == "Task"] if map.Type == "Map"],
    )
  ])

  called = [for task in local.tasks : { function = replace(regex("[a-z_]+", task.Parameters.FunctionName), "_", "-"), payload = task.Parameters.Payload }]

  stages = toset(concat(
    [for call in local.called : "${call.function}/${try(call.payload.action, call.function)}"],
    [for action in keys(local.scheduled) : "reconciliation-gate/${action}"],
  ))
}

module "alarms" {
  source            = "./modules/alarms"
  name              = var.name
  account_id        = local.account
  data_key_arn      = module.keys.data_key_arn
  addresses         = var.alarm_addresses
  daily_machine_arn = var.schedules_enabled ? local.daily_arn : ""
  queue_name        = module.triggers.queue_name
  functions         = { for name, function in local.functions : name => "${var.name}-${name}" }

  stages        = local.stages
  bill_age_days = var.bill_age_days

  machines = {
    month-end = { name = "${var.name}-month-end", arn = local.month_end_arn, runbook = "Nothing was published." }
    daily     = { name = "${var.name}-daily", arn = local.daily_arn, runbook = "The digest, where it went out, names the stage." }
  }
}
