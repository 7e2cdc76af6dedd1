output "signing_key_arn" {
  description = "The key that signs."
  value       = aws_kms_key.signing.arn
}

output "data_key_arn" {
  description = "The key that encrypts."
  value       = aws_kms_key.data.arn
}
