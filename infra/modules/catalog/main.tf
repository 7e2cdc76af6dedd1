# What Athena reads: a database, and a workgroup that caps what a query scans and says where results go.

resource "aws_glue_catalog_database" "this" {
  name        = var.database
  description = "The delivered and the frozen bill, as the queries of ${var.workgroup} read them"
}

resource "aws_athena_workgroup" "this" {
  name          = var.workgroup
  description   = "Rollups, hygiene and what people ask"
  force_destroy = true

  configuration {
    enforce_workgroup_configuration    = true
    publish_cloudwatch_metrics_enabled = true
    bytes_scanned_cutoff_per_query     = var.query_bytes_limit

    engine_version {
      selected_engine_version = "Athena engine version 3"
    }

    result_configuration {
      output_location       = "s3://${var.results_bucket}/results/"
      expected_bucket_owner = var.account_id

      encryption_configuration {
        encryption_option = "SSE_KMS"
        kms_key_arn       = var.data_key_arn
      }
    }
  }
}

# The tables are those of sql/schema: each file holds Athena's statement for one, and nothing here repeats a column. What the statement
# says of a table's format is one of two forms.
locals {
  statements = {
    for name in fileset(var.schema, "*.sql") : trimsuffix(name, ".sql") => file("${var.schema}/${name}") if name != "database.sql"
  }

  column = "(?m)^  `([^`]+)` (.+?),?$"

  tables = {
    for name, text in local.statements : name => {
      about      = join(" ", [for line in regexall("(?m)^-- (.*)$", text) : line[0]])
      columns    = regexall(local.column, split("partitioned by (", text)[0])
      partitions = regexall(local.column, split("\n)\n", split("partitioned by (", text)[1])[0])
      properties = regexall("(?m)^  '([^']+)' = '([^']*)'", split("tblproperties (", text)[1])
      location   = regex("(?m)^location '([^']+)'$", text)[0]
      is_csv     = strcontains(text, "OpenCSVSerde")
    }
  }

  # sql/schema names three places that each deployment has its own of.
  places = { BILL = var.places.bill, WORK = var.places.work, CLOSES = var.places.closes }
}

resource "aws_glue_catalog_table" "this" {
  for_each      = local.tables
  database_name = aws_glue_catalog_database.this.name
  name          = each.key
  description   = each.value.about
  table_type    = "EXTERNAL_TABLE"

  parameters = merge({ EXTERNAL = "TRUE" }, {
    for property in each.value.properties : property[0] =>
    replace(replace(replace(property[1], "s3://BILL", local.places.BILL), "s3://WORK", local.places.WORK), "s3://CLOSES", local.places.CLOSES)
  })

  dynamic "partition_keys" {
    for_each = each.value.partitions

    content {
      name = partition_keys.value[0]
      type = partition_keys.value[1]
    }
  }

  storage_descriptor {
    location = replace(
      replace(replace(each.value.location, "s3://BILL", local.places.BILL), "s3://WORK", local.places.WORK), "s3://CLOSES", local.places.CLOSES
    )
    input_format = (
      each.value.is_csv ? "org.apache.hadoop.mapred.TextInputFormat" : "org.apache.hadoop.hive.ql.io.parquet.MapredParquetInputFormat"
    )
    output_format = (
      each.value.is_csv ? "org.apache.hadoop.hive.ql.io.HiveIgnoreKeyTextOutputFormat" : "org.apache.hadoop.hive.ql.io.parquet.MapredParquetOutputFormat"
    )

    ser_de_info {
      serialization_library = (
        each.value.is_csv ? "org.apache.hadoop.hive.serde2.OpenCSVSerde" : "org.apache.hadoop.hive.ql.io.parquet.serde.ParquetHiveSerDe"
      )
      parameters = each.value.is_csv ? { separatorChar = ",", quoteChar = "\"", escapeChar = "\u0001" } : { "serialization.format" = "1" }
    }

    dynamic "columns" {
      for_each = each.value.columns

      content {
        name = columns.value[0]
        type = columns.value[1]
      }
    }
  }
}
