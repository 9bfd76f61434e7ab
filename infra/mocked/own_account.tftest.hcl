# An account of one's own, with every default. The provider is mocked: no credentials, no cost.
mock_provider "aws" {
  source = "./mocked/mocks"
}

run "everything_has_its_name" {
  assert {
    condition = {
      raw_data_bucket       = output.raw_data_bucket
      athena_results_bucket = output.athena_results_bucket
      glue_job_name         = output.glue_job_name
      lambda_function_name  = output.lambda_function_name
      glue_database         = output.glue_database
      athena_workgroup      = output.athena_workgroup
      } == {
      raw_data_bucket       = "tech-challenge2-dev-raw-123456789012"
      athena_results_bucket = "tech-challenge2-dev-athena-results-123456789012"
      glue_job_name         = "tech_challenge2_dev_refine_job"
      lambda_function_name  = "tech_challenge2_dev_start_glue"
      glue_database         = "tech_challenge2_dev"
      athena_workgroup      = "tech_challenge2_dev_wg"
    }
    error_message = "An output is not what the notebooks expect."
  }

  assert {
    condition     = length(output.ec2_instance_id) > 0
    error_message = "There is no ingestion host."
  }
}

run "the_accounts_own_database_is_used_and_neither_made_nor_destroyed" {
  variables {
    glue_database = "default"
  }

  assert {
    condition     = length(aws_glue_catalog_database.this) == 0 && output.glue_database == "default"
    error_message = "The database default is managed here, and would be destroyed."
  }

  assert {
    condition = alltrue(flatten([
      [for table in values(aws_glue_catalog_table.this) : table.database_name == "default"],
      [for query in values(aws_athena_named_query.this) : query.database == "default"],
      aws_glue_job.refine.default_arguments["--database"] == "default",
      strcontains(aws_instance.ingestion.user_data, "GLUE_DATABASE=default"),
      strcontains(aws_iam_role_policy.glue[0].policy, ":database/default\""),
      strcontains(aws_iam_role_policy.host[0].policy, ":database/default\""),
    ]))
    error_message = "Somebody looks for the tables in another database."
  }
}

run "a_database_of_another_name_is_made" {
  variables {
    glue_database = "quotes"
  }

  assert {
    condition     = aws_glue_catalog_database.this[0].name == "quotes" && output.glue_database == "quotes"
    error_message = "The name given is not the database's."
  }
}

run "both_buckets_are_closed_encrypted_and_emptied_of_leftovers" {
  assert {
    condition = alltrue(flatten([
      for block in values(aws_s3_bucket_public_access_block.managed) :
      [block.block_public_acls, block.block_public_policy, block.ignore_public_acls, block.restrict_public_buckets]
    ]))
    error_message = "A bucket could be made public."
  }

  assert {
    condition = toset(keys(aws_s3_bucket.managed)) == toset(["raw_data", "athena_results"]) && alltrue([
      for settings in [
        aws_s3_bucket_public_access_block.managed,
        aws_s3_bucket_server_side_encryption_configuration.managed,
        aws_s3_bucket_policy.managed,
        aws_s3_bucket_lifecycle_configuration.managed,
      ] : toset(keys(settings)) == toset(["raw_data", "athena_results"])
    ])
    error_message = "A bucket lacks one of its settings."
  }

  assert {
    condition = alltrue([
      for policy in values(aws_s3_bucket_policy.managed) :
      jsondecode(policy.policy).Statement[0].Effect == "Deny" &&
      jsondecode(policy.policy).Statement[0].Condition.Bool["aws:SecureTransport"] == "false"
    ])
    error_message = "A bucket answers without TLS."
  }
}

run "one_run_a_batch" {
  assert {
    condition = (
      aws_s3_bucket_notification.batch_manifest.lambda_function[0].filter_prefix == "raw/b3/_batches/" &&
      aws_s3_bucket_notification.batch_manifest.lambda_function[0].filter_suffix == ".json"
    )
    error_message = "An object that is no manifest would start a run."
  }

  assert {
    condition = (
      aws_glue_job.refine.job_run_queuing_enabled && aws_glue_job.refine.max_retries == 0 &&
      aws_glue_job.refine.execution_property[0].max_concurrent_runs == 1
    )
    error_message = "Runs would overlap, or be refused instead of queued."
  }

  assert {
    condition     = aws_lambda_function.start_glue.environment[0].variables == tomap({ GLUE_JOB_NAME = "tech_challenge2_dev_refine_job" })
    error_message = "The Lambda starts another job."
  }
}

run "costs_are_bounded" {
  assert {
    condition     = aws_glue_job.refine.timeout == 30 && aws_glue_job.refine.number_of_workers == 2 && aws_glue_job.refine.worker_type == "G.1X"
    error_message = "The job may cost more than half an hour of two small workers."
  }

  assert {
    condition = (
      aws_athena_workgroup.this.configuration[0].enforce_workgroup_configuration &&
      aws_athena_workgroup.this.configuration[0].bytes_scanned_cutoff_per_query == 1073741824
    )
    error_message = "A query may read more than 1 GiB."
  }

  assert {
    condition     = aws_cloudwatch_log_group.lambda.retention_in_days == 30
    error_message = "The Lambda's log is kept for ever."
  }
}

run "three_roles_and_no_wildcard_but_for_the_session_manager" {
  assert {
    condition     = length(aws_iam_role.glue) + length(aws_iam_role.lambda) + length(aws_iam_role.host) == 3
    error_message = "The pipeline has three roles."
  }

  assert {
    condition = alltrue(flatten([
      for policy in concat(aws_iam_role_policy.glue, aws_iam_role_policy.lambda, aws_iam_role_policy.host) : [
        for statement in jsondecode(policy.policy).Statement : [
          !strcontains(join(" ", statement.Action), "*"),
          !contains(statement.Resource, "*") || statement.Sid == "SessionManager",
        ]
      ]
    ]))
    error_message = "A role may do more than its work."
  }
}

run "the_host_is_shut_without_a_key_pair" {
  assert {
    condition     = length(aws_vpc_security_group_ingress_rule.ssh) == 0
    error_message = "A port is open."
  }

  assert {
    condition = (
      aws_instance.ingestion.metadata_options[0].http_tokens == "required" &&
      aws_instance.ingestion.root_block_device[0].encrypted
    )
    error_message = "The host answers IMDSv1, or its volume is not encrypted."
  }

  assert {
    condition     = !strcontains(aws_instance.ingestion.user_data, "b3-ingestion.timer")
    error_message = "A timer is set, though no daily tickers are named."
  }
}

run "ssh_is_opened_to_the_one_range" {
  variables {
    key_pair_name    = "vockey"
    ssh_allowed_cidr = "203.0.113.7/32"
  }

  assert {
    condition = (
      aws_vpc_security_group_ingress_rule.ssh[0].cidr_ipv4 == "203.0.113.7/32" &&
      aws_vpc_security_group_ingress_rule.ssh[0].from_port == 22 &&
      aws_vpc_security_group_ingress_rule.ssh[0].to_port == 22 &&
      aws_instance.ingestion.key_name == "vockey"
    )
    error_message = "SSH is not as it was asked for."
  }
}

run "daily_tickers_set_the_timer" {
  variables {
    daily_tickers = ["PETR4", "VALE3"]
  }

  assert {
    condition = (
      strcontains(aws_instance.ingestion.user_data, "Environment=TICKERS=PETR4,VALE3") &&
      strcontains(aws_instance.ingestion.user_data, "systemctl enable --now b3-ingestion.timer")
    )
    error_message = "The timer does not ingest the daily tickers."
  }

  assert {
    condition = (
      strcontains(aws_instance.ingestion.user_data, "OnCalendar=Mon..Fri 20:00 America/Sao_Paulo") &&
      strcontains(aws_instance.ingestion.user_data, "Environment=SOURCE=yahoo") &&
      strcontains(aws_instance.ingestion.user_data, "OnFailure=b3-ingestion-failed.service")
    )
    error_message = "The timer does not ask Yahoo after the close, or nobody sees it fail."
  }
}

run "the_exchanges_own_file_is_asked_for_after_it_is_complete" {
  variables {
    daily_tickers = ["IBOV"]
    daily_source  = "cotahist"
  }

  assert {
    condition = (
      strcontains(aws_instance.ingestion.user_data, "OnCalendar=Mon..Fri 22:30 America/Sao_Paulo") &&
      strcontains(aws_instance.ingestion.user_data, "Environment=SOURCE=cotahist")
    )
    error_message = "The exchange's file is asked for before 22:00, or another source is."
  }
}

run "data_can_be_kept" {
  variables {
    keep_data = true
  }

  assert {
    condition     = alltrue([for bucket in values(aws_s3_bucket.managed) : !bucket.force_destroy])
    error_message = "A bucket would be destroyed with its objects."
  }
}
