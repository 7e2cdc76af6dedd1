variable "name" {
  description = "Name of the topic; starts the names of alarms."
  type        = string
}

variable "account_id" {
  description = "Account whose alarms and mails may publish."
  type        = string
}

variable "data_key_arn" {
  description = "Key of KMS that encrypts the topic."
  type        = string
}

variable "addresses" {
  description = "Addresses that hear of alarms."
  type        = list(string)
}

variable "machines" {
  description = "State machines to watch, with where the runbook speaks of them."
  type        = map(object({ name = string, arn = string, runbook = string }))
}

variable "daily_machine_arn" {
  description = "The state machine that must succeed every day. Empty: none must, as where nothing starts by itself."
  type        = string
}

variable "functions" {
  description = "Names of the functions to watch."
  type        = map(string)
}

variable "queue_name" {
  description = "Queue of events that reached nobody."
  type        = string
}

variable "stages" {
  description = "Stages to watch, each `function/action`."
  type        = set(string)
}

variable "bill_age_days" {
  description = "Days that the bill may lie behind."
  type        = number
}
