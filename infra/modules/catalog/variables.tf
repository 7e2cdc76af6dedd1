variable "database" {
  description = "Name of the Glue database."
  type        = string

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]*$", var.database))
    error_message = "Write lower-case letters, digits and underscores."
  }
}

variable "workgroup" {
  description = "Name of the Athena workgroup."
  type        = string
}

variable "account_id" {
  description = "Account that owns the bucket of results."
  type        = string
}

variable "results_bucket" {
  description = "Bucket that results go to, below results/."
  type        = string
}

variable "query_bytes_limit" {
  description = "Bytes that one query may scan."
  type        = number
}

variable "data_key_arn" {
  description = "Key of KMS that encrypts results."
  type        = string
}

variable "schema" {
  description = "Folder with a statement for each table."
  type        = string
}

variable "places" {
  description = "Where the delivered bill, what runs keep, and closes lie: s3://bucket or s3://bucket/prefix, without a slash at the end."
  type        = object({ bill = string, work = string, closes = string })
}
