provider "aws" {
  region = var.region

  # A stand-in has no credentials to check, no metadata service, and its buckets have no host names of their own.
  skip_credentials_validation = var.stand_in
  skip_metadata_api_check     = var.stand_in
  skip_requesting_account_id  = false
  s3_use_path_style           = var.stand_in

  default_tags {
    tags = merge({ application = var.name }, var.tags)
  }
}

# The billing services have one region.
provider "aws" {
  alias  = "billing"
  region = "us-east-1"

  skip_credentials_validation = var.stand_in
  skip_metadata_api_check     = var.stand_in

  default_tags {
    tags = merge({ application = var.name }, var.tags)
  }
}
