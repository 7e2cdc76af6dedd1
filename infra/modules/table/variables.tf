variable "name" {
  description = "The table's name."
  type        = string
}

variable "key_arn" {
  description = "Key of KMS that encrypts it."
  type        = string
}

variable "delete_protection" {
  description = "Whether the table refuses to be deleted."
  type        = bool
}
