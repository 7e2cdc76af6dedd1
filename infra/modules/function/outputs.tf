output "name" {
  description = "The function's name."
  value       = aws_lambda_function.this.function_name
}

output "arn" {
  description = "ARN without a version."
  value       = aws_lambda_function.this.arn
}

output "version" {
  description = "Number of the published version."
  value       = aws_lambda_function.this.version
}

output "alias_arn" {
  description = "ARN of the alias that follows the newest version."
  value       = "${aws_lambda_function.this.arn}:${aws_lambda_alias.live.name}"
}

output "alias" {
  description = "Name of that alias."
  value       = aws_lambda_alias.live.name
}

output "role_arn" {
  description = "ARN of its role."
  value       = aws_iam_role.this.arn
}
