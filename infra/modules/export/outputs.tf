output "bucket" {
  description = "The bucket's name."
  value       = module.bucket.name
}
