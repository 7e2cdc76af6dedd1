variable "name" {
  description = "The bucket's name, unique in all of AWS."
  type        = string

  validation {
    condition     = can(regex("^[a-z0-9][a-z0-9-]{1,61}[a-z0-9]$", var.name))
    error_message = "A bucket's name has 3 to 63 lower-case letters, digits and hyphens."
  }
}

variable "key_arn" {
  description = "Key of KMS that encrypts what lies here. Null: a key of S3's own, which also services without rights on keys can write with."
  type        = string
  default     = null
}

variable "lock" {
  description = "Mode and years for which nothing here can be deleted or replaced. Null: no lock."
  type        = object({ mode = string, years = number })
  default     = null
}

variable "expire_days" {
  description = "Prefix -> days after which files below it are deleted; the prefix `\"\"` is all files."
  type        = map(number)
  default     = {}
}

variable "policies" {
  description = "Policy documents (JSON) that go into the bucket's policy beside the demand for TLS."
  type        = list(string)
  default     = []
}

variable "tells_event_bridge" {
  description = "Whether EventBridge hears of every file that is written."
  type        = bool
  default     = false
}

variable "force_destroy" {
  description = "Whether Terraform may delete the bucket with files in it."
  type        = bool
  default     = false
}
