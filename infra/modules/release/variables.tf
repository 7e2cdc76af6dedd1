variable "bucket" {
  description = "Name of the bucket."
  type        = string
}

variable "prefix" {
  description = "What stands before every key, without a slash at its end."
  type        = string
}

variable "folders" {
  description = "Name below the prefix -> folder whose files go there."
  type        = map(string)
}
