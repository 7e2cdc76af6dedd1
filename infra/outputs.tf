output "ledger" {
  description = "Where published closes lie."
  value       = "s3://${module.ledger.name}/closes/"
}

output "bill" {
  description = "Where the export of the bill is delivered to."
  value       = local.settings.APPORTION_BILL
}

output "work" {
  description = "Where runs stage, freeze and keep files."
  value       = local.settings.APPORTION_WORK
}

output "release" {
  description = "Where configuration, SQL and template lie."
  value       = local.settings.APPORTION_RELEASE
}

output "state_machines" {
  description = "Name -> ARN."
  value       = { month-end = aws_sfn_state_machine.month_end.arn, daily = aws_sfn_state_machine.daily.arn }
}

output "functions" {
  description = "Name -> ARN of the published version."
  value       = local.versions
}

output "signing_key" {
  description = "The key that closes are signed with: `aws kms get-public-key` gives what `apportion verify --key` takes."
  value       = module.keys.signing_key_arn
}

output "table" {
  description = "The table of run state, findings and mails sent."
  value       = module.table.name
}

output "workgroup" {
  description = "The Athena workgroup."
  value       = module.catalog.workgroup
}

output "database" {
  description = "The Glue database."
  value       = module.catalog.database
}

output "alarm_topic" {
  description = "The topic that alarms go to."
  value       = module.alarms.topic_arn
}
