variable "name" {
  description = "Name of the configuration set."
  type        = string
}

variable "identity" {
  description = "Domain or address that mails come from."
  type        = string
}

variable "topic_arn" {
  description = "Topic that hears of mails that did not arrive."
  type        = string
}
