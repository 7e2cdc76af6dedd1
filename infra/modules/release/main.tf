# What the functions read at run time: configuration, SQL and template, as versioned objects below a prefix that says what they hold: no
# function ever reads a part of one release and a part of another.

locals {
  files = merge([
    for name, folder in var.folders : { for file in fileset(folder, "**") : "${name}/${file}" => "${folder}/${file}" }
  ]...)

  digest = sha256(join("\n", [for key, file in local.files : "${key} ${filesha256(file)}"]))
  prefix = "${var.prefix}/${substr(local.digest, 0, 12)}"
}

resource "aws_s3_object" "this" {
  for_each    = local.files
  bucket      = var.bucket
  key         = "${local.prefix}/${each.key}"
  source      = each.value
  source_hash = filesha256(each.value)

  # The old release goes once the functions have the new one.
  lifecycle {
    create_before_destroy = true
  }
}
