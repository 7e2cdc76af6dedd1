variable "name" {
  description = "Starts the names of the keys."
  type        = string
}

variable "partition" {
  description = "aws, aws-cn or aws-us-gov."
  type        = string
}

variable "region" {
  description = "Region of the logs that are encrypted."
  type        = string
}

variable "account_id" {
  description = "Account of the keys."
  type        = string

  validation {
    condition     = can(regex("^[0-9]{12}$", var.account_id))
    error_message = "An account's number has 12 digits."
  }
}

variable "publisher_role_arn" {
  description = "The one role that may sign."
  type        = string
}

variable "break_glass_roles" {
  description = "ARNs of the roles that may delete or disable a key. Empty: nobody may."
  type        = list(string)
}
