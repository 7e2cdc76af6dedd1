output "url" {
  description = "Where it lies, as the functions take it."
  value       = "s3://${var.bucket}/${local.prefix}"

  # Who is told of it may read it.
  depends_on = [aws_s3_object.this]
}

output "versions" {
  description = "Key -> version."
  value       = { for name, file in aws_s3_object.this : file.key => file.version_id }
}
