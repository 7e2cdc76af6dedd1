# What a person may mistype is refused before anything is planned.

variables {
  stand_in = true
}

run "a_retention_is_whole_years" {
  command = plan

  variables {
    retention_years = 1.5
  }

  expect_failures = [var.retention_years]
}

run "addresses_are_domains_in_the_list_of_domains" {
  command = plan

  variables {
    mail_domains = ["finops@example.com"]
  }

  expect_failures = [var.mail_domains]
}

run "a_prefix_has_no_doubled_slash" {
  command = plan

  variables {
    export_prefix = "bill//apportion"
  }

  expect_failures = [var.export_prefix]
}

run "logs_are_kept_for_one_of_the_terms_of_cloudwatch" {
  command = plan

  variables {
    log_retention_days = 100
  }

  expect_failures = [var.log_retention_days]
}
