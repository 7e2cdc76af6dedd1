output "url" {
  description = "Where it lies, as the functions take it."
  value       = "s3://${var.bucket}/${var.prefix}"
}

output "versions" {
  description = "Key -> version."
  value       = { for name, file in aws_s3_object.this : file.key => file.version_id }
}
