# What makes no sense is refused while planning, before anything is made.
mock_provider "aws" {
  source = "./mocked/mocks"
}

run "both_ways_of_iam_at_once" {
  command = plan

  variables {
    manage_iam             = true
    use_existing_iam_roles = true
  }

  expect_failures = [terraform_data.combinations]
}

run "no_way_of_iam" {
  command = plan

  variables {
    manage_iam               = false
    use_existing_iam_roles   = false
    existing_glue_role_arn   = "arn:aws:iam::123456789012:role/LabRole"
    existing_lambda_role_arn = "arn:aws:iam::123456789012:role/LabRole"
  }

  expect_failures = [terraform_data.combinations]
}

run "restricted_mode_without_an_instance_profile" {
  command = plan

  variables {
    manage_iam               = false
    use_existing_iam_roles   = true
    existing_glue_role_arn   = "arn:aws:iam::123456789012:role/LabRole"
    existing_lambda_role_arn = "arn:aws:iam::123456789012:role/LabRole"
  }

  expect_failures = [terraform_data.combinations]
}

run "an_existing_role_that_would_not_be_used" {
  command = plan

  variables {
    existing_glue_role_arn = "arn:aws:iam::123456789012:role/LabRole"
  }

  expect_failures = [terraform_data.combinations]
}

run "a_role_of_somebody_elses_account" {
  command = plan

  variables {
    manage_iam                     = false
    use_existing_iam_roles         = true
    existing_instance_profile_name = "LabInstanceProfile"
    existing_glue_role_arn         = "arn:aws:iam::ACCOUNT:role/LabRole"
    existing_lambda_role_arn       = "arn:aws:iam::111122223333:role/LabRole"
  }

  expect_failures = [terraform_data.combinations]
}

run "a_lab_in_a_region_that_it_does_not_allow" {
  command = plan

  variables {
    manage_iam                     = false
    use_existing_iam_roles         = true
    existing_instance_profile_name = "LabInstanceProfile"
    existing_glue_role_arn         = "arn:aws:iam::ACCOUNT:role/LabRole"
    existing_lambda_role_arn       = "arn:aws:iam::ACCOUNT:role/LabRole"
    region                         = "sa-east-1"
  }

  expect_failures = [terraform_data.combinations]
}

run "the_labs_key_pair_where_it_does_not_exist" {
  command = plan

  variables {
    manage_iam                     = false
    use_existing_iam_roles         = true
    existing_instance_profile_name = "LabInstanceProfile"
    existing_glue_role_arn         = "arn:aws:iam::ACCOUNT:role/LabRole"
    existing_lambda_role_arn       = "arn:aws:iam::ACCOUNT:role/LabRole"
    region                         = "us-west-2"
    key_pair_name                  = "vockey"
  }

  expect_failures = [terraform_data.combinations]
}

run "an_instance_that_a_lab_does_not_allow" {
  command = plan

  variables {
    manage_iam                     = false
    use_existing_iam_roles         = true
    existing_instance_profile_name = "LabInstanceProfile"
    existing_glue_role_arn         = "arn:aws:iam::ACCOUNT:role/LabRole"
    existing_lambda_role_arn       = "arn:aws:iam::ACCOUNT:role/LabRole"
    instance_type                  = "t3.xlarge"
  }

  expect_failures = [terraform_data.combinations]
}

run "ssh_for_nobody" {
  command = plan

  variables {
    ssh_allowed_cidr = "203.0.113.7/32"
  }

  expect_failures = [terraform_data.combinations]
}

run "ssh_for_the_whole_internet" {
  command = plan

  variables {
    key_pair_name    = "vockey"
    ssh_allowed_cidr = "0.0.0.0/0"
  }

  expect_failures = [var.ssh_allowed_cidr]
}

run "names_that_no_resource_can_carry" {
  command = plan

  variables {
    project_name = "Tech-Challenge"
    environment  = "2dev"
  }

  expect_failures = [var.project_name, var.environment]
}

run "a_role_that_is_no_arn" {
  command = plan

  variables {
    manage_iam                     = false
    use_existing_iam_roles         = true
    existing_instance_profile_name = "arn:aws:iam::123456789012:instance-profile/LabInstanceProfile"
    existing_glue_role_arn         = "arn:aws:iam::12345:role/LabRole"
    existing_lambda_role_arn       = "LabRole"
  }

  expect_failures = [
    var.existing_instance_profile_name,
    var.existing_glue_role_arn,
    var.existing_lambda_role_arn,
  ]
}

run "buckets_by_url_and_keys_by_file" {
  command = plan

  variables {
    existing_raw_data_bucket       = "s3://lab-raw"
    existing_athena_results_bucket = "lab-results/answers"
    key_pair_name                  = "vockey.pem"
  }

  expect_failures = [
    var.existing_raw_data_bucket,
    var.existing_athena_results_bucket,
    var.key_pair_name,
  ]
}

run "a_place_that_does_not_exist" {
  command = plan

  variables {
    region        = "São Paulo"
    subnet_id     = "vpc-0123456789abcdef0"
    instance_type = "t4g.small"
  }

  expect_failures = [var.region, var.subnet_id, var.instance_type]
}

run "a_bucket_that_nobody_has_looked_at" {
  command = plan

  variables {
    existing_raw_data_bucket = "lab-raw"
  }

  override_data {
    target = data.aws_s3_objects.mark
    values = {
      keys = []
    }
  }

  expect_failures = [terraform_data.combinations]
}

run "engines_that_do_not_fit" {
  command = plan

  variables {
    glue_version          = "4.0"
    lambda_runtime        = "python3.14"
    athena_scan_limit_mib = 1
    daily_tickers         = ["PETR4.SA"]
    daily_source          = "bloomberg"
  }

  expect_failures = [
    var.glue_version,
    var.lambda_runtime,
    var.athena_scan_limit_mib,
    var.daily_tickers,
    var.daily_source,
  ]
}

run "a_database_that_athena_could_not_name" {
  command = plan

  variables {
    glue_database = "My-Database"
  }

  expect_failures = [var.glue_database]
}
