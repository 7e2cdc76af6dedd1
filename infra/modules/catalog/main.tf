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
