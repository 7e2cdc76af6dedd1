variable "bucket" {
  description = "Name of the bucket."
  type        = string
}

variable "prefix" {
  description = "What stands before the export's name."
  type        = string
}

variable "name" {
  description = "The export's name."
  type        = string

  validation {
    condition     = can(regex("^[0-9A-Za-z_-]+$", var.name))
    error_message = "An export's name has letters, digits, hyphens and underscores."
  }
}

variable "region" {
  description = "Region of the bucket."
  type        = string
}

variable "account_id" {
  description = "The management account, whose bill it is."
  type        = string
}

variable "partition" {
  description = "aws, aws-cn or aws-us-gov."
  type        = string
}

variable "is_delivered" {
  description = "Whether the export itself is made; a stand-in for AWS has none."
  type        = bool
}

variable "force_destroy" {
  description = "Whether Terraform may delete the bucket with files in it."
  type        = bool
}

variable "columns" {
  description = "Columns of CUR 2.0 that the export delivers."
  type        = list(string)

  validation {
    condition     = length(var.columns) > 0 && alltrue([for column in var.columns : can(regex("^[a-z0-9_]+$", column))])
    error_message = "Name columns as AWS does, in small letters."
  }
}
