output "database" {
  description = "The database's name."
  value       = aws_glue_catalog_database.this.name
}

output "workgroup" {
  description = "The workgroup's name."
  value       = aws_athena_workgroup.this.name
}

output "workgroup_arn" {
  description = "The workgroup's ARN."
  value       = aws_athena_workgroup.this.arn
}
