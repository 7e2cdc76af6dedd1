variable "name" {
  description = "Starts the names of rule, schedules and queue."
  type        = string
}

variable "account_id" {
  description = "Account of the schedules."
  type        = string
}

variable "bucket" {
  description = "Bucket that the export is delivered to; it must tell EventBridge of its files."
  type        = string
}

variable "prefix" {
  description = "What stands before `metadata/` there, without a slash at its end."
  type        = string
}

variable "gate" {
  description = "The function that is called: its name, its alias and the alias's ARN."
  type        = object({ name = string, alias = string, alias_arn = string })
}

variable "schedules" {
  description = "Name -> when (UTC, as EventBridge Scheduler writes it), the event that the gate gets, and what for."
  type        = map(object({ expression = string, input = string, description = string }))

  validation {
    condition     = alltrue([for schedule in values(var.schedules) : can(regex("^(cron|rate|at)\\(.+\\)$", schedule.expression))])
    error_message = "Write cron(…) or rate(…)."
  }
}

variable "enabled" {
  description = "Whether anything starts by itself."
  type        = bool
}

variable "boundary_arn" {
  description = "The permissions boundary of the scheduler's role."
  type        = string
}

variable "data_key_arn" {
  description = "Key of KMS that encrypts the queue."
  type        = string
}
