# What the functions read at run time: configuration, SQL and template, as versioned objects.

locals {
  files = merge([
    for name, folder in var.folders : { for file in fileset(folder, "**") : "${name}/${file}" => "${folder}/${file}" }
  ]...)
}

resource "aws_s3_object" "this" {
  for_each    = local.files
  bucket      = var.bucket
  key         = "${var.prefix}/${each.key}"
  source      = each.value
  source_hash = filesha256(each.value)
}
