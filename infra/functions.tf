# The seven functions: what each is, which settings it gets, which files it reads and writes, and what else it may do.
# Where this allows more than a function's task suggests, the comment says which step needs it.

locals {
  work    = module.work.arn
  ledger  = module.ledger.arn
  release = module.release_bucket.arn
  bill    = "${local.export_arn}/${var.export_prefix}"

  settings = {
    APPORTION_BILL    = "s3://${local.export_bucket}/${var.export_prefix}"
    APPORTION_WORK    = "s3://${module.work.name}"
    APPORTION_CLOSES  = "s3://${module.ledger.name}"
    APPORTION_RELEASE = module.release.url
    APPORTION_LOG     = var.log_level
  }

  query_settings = {
    APPORTION_WORKGROUP = module.catalog.workgroup
    APPORTION_DATABASE  = module.catalog.database
  }

  # Athena reads with the rights of who asks.
  query_statements = [
    {
      sid = "Ask"
      actions = [
        "athena:StartQueryExecution", "athena:GetQueryExecution", "athena:GetQueryResults", "athena:GetQueryRuntimeStatistics",
        "athena:StopQueryExecution",
      ]
      resources = [module.catalog.workgroup_arn]
    },
    {
      sid     = "KnowTables"
      actions = ["glue:GetDatabase", "glue:GetTable", "glue:GetPartition", "glue:GetPartitions"]
      resources = [
        "arn:${local.partition}:glue:${var.region}:${local.account}:catalog",
        "arn:${local.partition}:glue:${var.region}:${local.account}:database/${local.database}",
        "arn:${local.partition}:glue:${var.region}:${local.account}:table/${local.database}/*",
      ]
    },
    {
      sid       = "FindBuckets"
      actions   = ["s3:GetBucketLocation"]
      resources = [local.export_arn, local.work, module.scratch.arn]
    },
  ]

  list_bill    = { bucket = local.export_arn, prefixes = ["${var.export_prefix}/*"] }
  list_release = { bucket = local.release, prefixes = ["release/*"] }
  list_results = { bucket = module.scratch.arn, prefixes = ["results/*"] }

  functions = {
    ou-mapper = {
      package         = "ou-mapper"
      description     = "Which account sits in which organizational unit"
      memory_mb       = 512
      timeout_seconds = 890
      settings        = {}
      reads           = ["${local.work}/staging/*", "${local.work}/org/*"]
      writes          = ["${local.work}/staging/*", "${local.work}/org/*"]
      lists           = { Work = { bucket = local.work, prefixes = ["staging/*", "org/*"] } }
      statements = [
        {
          sid       = "ReadTheTree"
          actions   = ["organizations:ListAccountsForParent", "organizations:ListOrganizationalUnitsForParent"]
          resources = ["arn:${local.partition}:organizations::*:root/o-*/r-*", "arn:${local.partition}:organizations::*:ou/o-*/ou-*"]
        },
        {
          sid       = "ListAccounts"
          actions   = ["organizations:ListRoots", "organizations:ListAccounts"]
          resources = ["*"]
        },
      ]
    }

    tag-hygiene = {
      package         = "tag-hygiene"
      description     = "Findings, tickets and likely owners of untagged cost"
      memory_mb       = 2048
      timeout_seconds = 890
      settings        = merge(local.query_settings, { APPORTION_TABLE = module.table.name })
      reads = concat([for name in ["staging", "org", "tickets", "suggestions", "outbox/tickets"] : "${local.work}/${name}/*"],
      ["${local.bill}/*", "${local.release}/release/*", "${module.scratch.arn}/results/*"])
      writes = concat([for name in ["staging", "tickets", "suggestions", "outbox/tickets", "findings-by-account"] : "${local.work}/${name}/*"],
      ["${module.scratch.arn}/results/*"])
      lists = {
        Work    = { bucket = local.work, prefixes = ["staging/*", "org/*", "tickets/*", "suggestions/*", "outbox/tickets/*"] }
        Bill    = local.list_bill
        Release = local.list_release
        Results = local.list_results
      }
      statements = concat(local.query_statements, [local.items["TAG"]])
    }

    allocation-runner = {
      package         = "allocation-runner"
      description     = "The rollup of a bill, and its allocation to units"
      memory_mb       = 3008
      timeout_seconds = 890
      settings        = local.query_settings
      # The bill itself for the daily rollup; closes to know the one before.
      reads = concat([for name in ["staging", "inputs", "daily"] : "${local.work}/${name}/*"],
      ["${local.ledger}/closes/*", "${local.bill}/*", "${local.release}/release/*", "${module.scratch.arn}/results/*"])
      writes = concat([for name in ["staging", "daily/rollups"] : "${local.work}/${name}/*"], ["${module.scratch.arn}/results/*"])
      lists = {
        Work    = { bucket = local.work, prefixes = ["staging/*", "inputs/*", "daily/*"] }
        Closes  = { bucket = local.ledger, prefixes = ["closes/*"] }
        Bill    = local.list_bill
        Release = local.list_release
        Results = local.list_results
      }
      statements = local.query_statements
    }

    reconciliation-gate = {
      package         = "reconciliation-gate"
      description     = "Is the bill final, what is closed, does the ledger equal the invoices; starts runs"
      memory_mb       = 2048
      timeout_seconds = 890
      settings = {
        APPORTION_TABLE     = module.table.name
        APPORTION_MONTH_END = local.month_end_arn
        APPORTION_DAILY     = local.daily_arn
        APPORTION_APPROVAL  = var.approval_required ? "required" : "none"
        APPORTION_PAYER     = coalesce(var.payer_account_id, local.account)
      }
      reads = concat([for name in ["staging", "inputs", "daily"] : "${local.work}/${name}/*"],
      ["${local.ledger}/closes/*", "${local.bill}/*", "${local.release}/release/*"])
      writes = [for name in ["staging", "inputs", "daily/runs"] : "${local.work}/${name}/*"]
      lists = {
        Work    = { bucket = local.work, prefixes = ["staging/*", "inputs/*", "daily/*"] }
        Closes  = { bucket = local.ledger, prefixes = ["closes/*"] }
        Bill    = local.list_bill
        Release = local.list_release
      }
      statements = concat([
        local.items["GATE,RUN"],
        {
          sid       = "KnowInvoices"
          actions   = ["invoicing:ListInvoiceSummaries"]
          resources = ["*"]
        },
        {
          sid       = "StartRuns"
          actions   = ["states:StartExecution"]
          resources = [local.month_end_arn, local.daily_arn]
        },
        {
          sid       = "KnowRuns"
          actions   = ["states:DescribeExecution"]
          resources = local.execution_arns
        },
        ], var.approval_required ? [{
          sid     = "HandOverApproval"
          actions = ["states:SendTaskSuccess", "states:SendTaskFailure"]
          # IAM knows no resource for these: the task token is what says which execution.
          resources = ["*"]
      }] : [])
    }

    statement-renderer = {
      package         = "statement-renderer"
      description     = "Statements as PDF and CSV, the controller's summary, the executive page"
      memory_mb       = 3008
      timeout_seconds = 890
      settings        = {}
      # What the close before was made from, for the comparison with it.
      reads  = ["${local.work}/staging/*", "${local.work}/inputs/*", "${local.ledger}/closes/*", "${local.release}/release/*/template/*"]
      writes = ["${local.work}/staging/*"]
      lists = {
        Work    = { bucket = local.work, prefixes = ["staging/*", "inputs/*"] }
        Closes  = { bucket = local.ledger, prefixes = ["closes/*"] }
        Release = local.list_release
      }
      statements = []
    }

    statement-publisher = {
      package         = "statement-renderer"
      description     = "Publishes a close: sums, manifest, checkpoint, signature, commit"
      memory_mb       = 1769
      timeout_seconds = 890
      settings = {
        APPORTION_PUBLISHES   = "yes"
        APPORTION_SIGNING_KEY = module.keys.signing_key_arn
        APPORTION_TABLE       = module.table.name
      }
      reads  = ["${local.work}/staging/*", "${local.work}/inputs/*", "${local.ledger}/closes/*"]
      writes = ["${local.ledger}/closes/*"]
      lists = {
        Work   = { bucket = local.work, prefixes = ["staging/*", "inputs/*"] }
        Closes = { bucket = local.ledger, prefixes = ["closes/*"] }
      }
      statements = [
        local.items["PERIOD"],
        {
          sid       = "SignCheckpoints"
          actions   = ["kms:Sign"]
          resources = [module.keys.signing_key_arn]
          conditions = [
            { test = "StringEquals", variable = "kms:SigningAlgorithm", values = ["ECDSA_SHA_256"] },
            { test = "StringEquals", variable = "kms:MessageType", values = ["RAW"] },
          ]
        },
        {
          sid       = "KnowTheKey"
          actions   = ["kms:GetPublicKey"]
          resources = [module.keys.signing_key_arn]
        },
      ]
    }

    digest-mailer = {
      package         = "digest-mailer"
      description     = "Budgets, forecast, anomalies; the digest, notices of closes, the archive"
      memory_mb       = 1769
      timeout_seconds = 890
      settings = {
        APPORTION_TABLE             = module.table.name
        APPORTION_MAIL_FROM         = var.mail_from
        APPORTION_CONFIGURATION_SET = module.mail.configuration_set
      }
      reads  = concat([for name in concat(["staging", "org"], local.mailed) : "${local.work}/${name}/*"], ["${local.ledger}/closes/*"])
      writes = [for name in concat(["staging"], local.mailed) : "${local.work}/${name}/*"]
      lists = {
        Work   = { bucket = local.work, prefixes = [for name in concat(["staging", "org"], local.mailed) : "${name}/*"] }
        Closes = { bucket = local.ledger, prefixes = ["closes/*"] }
      }
      statements = [
        local.items["MAIL"],
        {
          sid       = "KnowFindings"
          actions   = ["dynamodb:Query"]
          resources = [module.table.arn]
          conditions = [
            { test = "ForAllValues:StringLike", variable = "dynamodb:LeadingKeys", values = ["TAG#*"] },
          ]
        },
        {
          sid       = "SendToThisCompany"
          actions   = ["ses:SendEmail", "ses:SendRawEmail"]
          resources = local.mail_arns
          conditions = [
            { test = "StringEquals", variable = "ses:FromAddress", values = [var.mail_from] },
            { test = "ForAllValues:StringLike", variable = "ses:Recipients", values = [for domain in var.mail_domains : "*@${domain}"] },
            { test = "Null", variable = "ses:Recipients", values = ["false"] },
          ]
        },
      ]
    }
  }

  # Folders of the work bucket that only the mailer writes.
  mailed = ["daily/health", "anomalies", "alerts", "outbox", "ou-breakdowns", "ou-breakdown-versions"]

  # The table is one; each function has the items whose keys begin with its words. DynamoDB always tells the leading keys, so
  # ForAllValues cannot be true for want of one.
  items = {
    for words in ["TAG", "GATE,RUN", "PERIOD", "MAIL"] : words => {
      sid       = "OwnItems"
      actions   = ["dynamodb:PutItem", "dynamodb:GetItem", "dynamodb:Query"]
      resources = [module.table.arn]
      conditions = [
        { test = "ForAllValues:StringLike", variable = "dynamodb:LeadingKeys", values = [for word in split(",", words) : "${word}#*"] },
      ]
    }
  }
}
