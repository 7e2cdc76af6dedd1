variable "name" {
  description = "Name of the function and of its role."
  type        = string

  validation {
    condition     = length(var.name) <= 64
    error_message = "A function's name has at most 64 characters."
  }
}

variable "description" {
  description = "What the function does, in a sentence."
  type        = string
}

variable "account_id" {
  description = "Account of the function: Lambda may take on the role for this account only."
  type        = string
}

variable "package" {
  description = "Path of the zip that holds `bootstrap`."
  type        = string
}

variable "architecture" {
  description = "arm64 or x86_64."
  type        = string
}

variable "memory_mb" {
  description = "Memory in MB; processor time comes in proportion."
  type        = number

  validation {
    condition     = var.memory_mb >= 128 && var.memory_mb <= 10240
    error_message = "Lambda gives 128 to 10240 MB."
  }
}

variable "timeout_seconds" {
  description = "Seconds after which a call is ended. Below the 900 of the state machines, so that Lambda ends it and not they."
  type        = number

  validation {
    condition     = var.timeout_seconds >= 1 && var.timeout_seconds <= 890
    error_message = "Write 1 to 890 seconds."
  }
}

variable "scratch_mb" {
  description = "Size of /tmp in MB."
  type        = number
  default     = 512
}

variable "settings" {
  description = "Environment variables."
  type        = map(string)
}

variable "reads" {
  description = "ARNs of the files that it reads, of any version."
  type        = list(string)
}

variable "writes" {
  description = "ARNs of the files that it writes."
  type        = list(string)
}

variable "lists" {
  description = "Name -> bucket's ARN and the prefixes that may be listed in it."
  type        = map(object({ bucket = string, prefixes = list(string) }))
}

variable "statements" {
  description = "What else it may do."
  type = list(object({
    sid        = string
    actions    = list(string)
    resources  = list(string)
    conditions = optional(list(object({ test = string, variable = string, values = list(string) })), [])
  }))
}

variable "boundary_arn" {
  description = "The permissions boundary of the role."
  type        = string
}

variable "data_key_arn" {
  description = "Key of KMS that encrypts what it reads and writes, and its logs."
  type        = string
}

variable "log_retention_days" {
  description = "Days for which logs are kept."
  type        = number
}
