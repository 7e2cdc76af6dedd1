variable "name" {
  description = "Starts the name of everything that is made here; with the account's number it makes bucket names unique."
  type        = string
  default     = "apportion"

  validation {
    condition     = can(regex("^[a-z][a-z0-9-]{1,20}[a-z0-9]$", var.name))
    error_message = "Write 3 to 22 lower-case letters, digits and hyphens, a letter first."
  }
}

variable "region" {
  description = "Region of everything but the export of the bill, which lives in us-east-1. The bucket of the export must be in it."
  type        = string
  default     = "us-east-1"

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "Write a region's code, for example eu-central-1."
  }
}

variable "tags" {
  description = "Tags on everything that takes tags."
  type        = map(string)
  default     = {}
}

variable "stand_in" {
  description = "True where a stand-in for AWS is deployed to: nothing is asked for that it does not serve (the export of the bill, traces of state machines)."
  type        = bool
  default     = false
}

variable "endpoints" {
  description = "Service (athena, organizations, sesv2, …) -> URL at which the functions find it. For stand-ins: AWS needs none."
  type        = map(string)
  default     = {}

  validation {
    condition     = alltrue([for url in values(var.endpoints) : can(regex("^https?://", url))])
    error_message = "Write URLs."
  }
}

variable "packages" {
  description = "Folder with a zip for each function, named after it: what `make package` makes. Relative to this folder, or absolute."
  type        = string
  default     = "../target/packages"
}

variable "architecture" {
  description = "Processor that the packages were built for."
  type        = string
  default     = "arm64"

  validation {
    condition     = contains(["arm64", "x86_64"], var.architecture)
    error_message = "Write arm64 or x86_64."
  }
}

variable "configuration" {
  description = "Folder with your taxonomy.toml, units.toml, rules.toml and the rest. Relative to this folder, or absolute."
  type        = string
  default     = "../config"
}

variable "template" {
  description = "Folder with the template of the statements. Relative to this folder, or absolute."
  type        = string
  default     = "../crates/statement-renderer/template"
}

variable "export_bucket" {
  description = "Name of the bucket that the export of the bill is delivered to. Empty: one is made, with an export of CUR 2.0 into it."
  type        = string
  default     = ""
}

variable "export_prefix" {
  description = "What stands before `data/` and `metadata/` in that bucket: the export's prefix and name, without slashes at its ends."
  type        = string
  default     = "bill/apportion"

  validation {
    condition     = can(regex("^[A-Za-z0-9][A-Za-z0-9._/-]*[A-Za-z0-9]$", var.export_prefix)) && !strcontains(var.export_prefix, "//")
    error_message = "Write prefix/name, without slashes at its ends and without doubled ones."
  }
}

variable "organization_id" {
  description = "Id of the organization (o-…): only its accounts reach the ledger. Empty: only this account does."
  type        = string
  default     = ""

  validation {
    condition     = var.organization_id == "" || can(regex("^o-[a-z0-9]{10,32}$", var.organization_id))
    error_message = "Write the organization's id, for example o-abcde12345, or nothing."
  }
}

variable "retention_years" {
  description = "Years for which no file of a published close can be deleted or replaced."
  type        = number
  default     = 7

  validation {
    condition     = var.retention_years >= 1 && var.retention_years <= 99 && floor(var.retention_years) == var.retention_years
    error_message = "Write whole years, 1 to 99."
  }
}

variable "retention_mode" {
  description = "COMPLIANCE: nobody, not even the root user, deletes a close before its time. GOVERNANCE: the roles of break_glass_roles may."
  type        = string
  default     = "COMPLIANCE"

  validation {
    condition     = contains(["COMPLIANCE", "GOVERNANCE"], var.retention_mode)
    error_message = "Write COMPLIANCE or GOVERNANCE."
  }
}

variable "break_glass_roles" {
  description = "ARNs of the roles that may delete a key or change the ledger's retention in an emergency. Empty: nobody may."
  type        = list(string)
  default     = []

  validation {
    condition     = alltrue([for arn in var.break_glass_roles : can(regex("^arn:[a-z-]+:iam::[0-9]{12}:role/", arn))])
    error_message = "Write ARNs of IAM roles."
  }
}

variable "mail_identity" {
  description = "Domain or address that SES sends from; its owner confirms it once."
  type        = string
  default     = "example.com"
}

variable "mail_from" {
  description = "Address that mails come from, of mail_identity: mail.toml's sender."
  type        = string
  default     = "finops@example.com"

  validation {
    condition     = can(regex("^[^@\\s]+@[^@\\s]+$", var.mail_from))
    error_message = "Write an address."
  }
}

variable "mail_domains" {
  description = "Domains that mails may go to. The role of the mailer refuses every other, whatever the configuration says."
  type        = list(string)
  default     = ["example.com"]

  validation {
    condition     = length(var.mail_domains) > 0 && alltrue([for domain in var.mail_domains : !strcontains(domain, "@")])
    error_message = "Name at least one domain, without the @."
  }
}

variable "alarm_addresses" {
  description = "Addresses that hear of alarms; each confirms once."
  type        = list(string)
  default     = []
}

variable "bill_age_days" {
  description = "Days that the newest usage in the bill may lie before the day of a daily run, without an alarm."
  type        = number
  default     = 2

  validation {
    condition     = var.bill_age_days >= 0 && floor(var.bill_age_days) == var.bill_age_days
    error_message = "Write whole days, 0 or more."
  }
}

variable "log_retention_days" {
  description = "Days for which logs are kept."
  type        = number
  default     = 400

  validation {
    condition     = contains([1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653], var.log_retention_days)
    error_message = "CloudWatch keeps logs for 1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288 or 3653 days."
  }
}

variable "log_level" {
  description = "What the functions log: error, warn, info, debug or trace."
  type        = string
  default     = "info"

  validation {
    condition     = contains(["error", "warn", "info", "debug", "trace"], var.log_level)
    error_message = "Write error, warn, info, debug or trace."
  }
}

variable "query_bytes_limit" {
  description = "Bytes that one query may scan before Athena ends it: 5 dollars a terabyte."
  type        = number
  default     = 1099511627776

  validation {
    condition     = var.query_bytes_limit >= 10485760
    error_message = "Athena takes no limit below 10 MiB (10485760)."
  }
}

variable "approval_required" {
  description = "True: month end waits, two days at most, for a second person's approval before it publishes."
  type        = bool
  default     = false
}

variable "payer_account_id" {
  description = "The account whose invoices are asked for; empty: the one deployed to; none: closes go by the bill's own sums."
  type        = string
  default     = ""

  validation {
    condition     = can(regex("^([0-9]{12}|none|)$", var.payer_account_id))
    error_message = "Write twelve digits, `none`, or nothing."
  }
}

variable "daily_schedule" {
  description = "When the daily run starts, UTC, as EventBridge Scheduler writes it."
  type        = string
  default     = "cron(0 6 * * ? *)"
}

variable "offer_schedule" {
  description = "When month end is offered again, UTC, in case the notice of a delivered bill was lost or the invoices were not final."
  type        = string
  default     = "cron(30 7 * * ? *)"
}

variable "schedules_enabled" {
  description = "False: nothing starts by itself, neither by schedule nor by a delivered bill."
  type        = bool
  default     = true
}

variable "delete_protection" {
  description = "Whether the table refuses to be deleted, and buckets with files in them too."
  type        = bool
  default     = true
}
