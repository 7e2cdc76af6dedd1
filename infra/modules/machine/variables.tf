variable "name" {
  description = "Name of the state machine and of its role."
  type        = string
}

variable "arn" {
  description = "The ARN that it will have: only it may take on its role."
  type        = string
}

variable "account_id" {
  description = "Account of the state machine."
  type        = string
}

variable "function_arns" {
  description = "ARNs of the functions, without versions."
  type        = list(string)
}

variable "boundary_arn" {
  description = "The permissions boundary of the role."
  type        = string
}

variable "data_key_arn" {
  description = "Key of KMS that encrypts its logs."
  type        = string
}

variable "log_retention_days" {
  description = "Days for which logs are kept."
  type        = number
}
