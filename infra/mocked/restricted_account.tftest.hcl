# An account where no role can be made, such as an AWS Academy Learner Lab.
mock_provider "aws" {
  source = "./mocked/mocks"
}

variables {
  manage_iam                     = false
  use_existing_iam_roles         = true
  existing_instance_profile_name = "LabInstanceProfile"
  existing_glue_role_arn         = "arn:aws:iam::123456789012:role/LabRole"
  existing_lambda_role_arn       = "arn:aws:iam::123456789012:role/LabRole"
}

run "no_iam_resource_is_made" {
  assert {
    condition = length(concat(
      aws_iam_role.glue, aws_iam_role.lambda, aws_iam_role.host,
      aws_iam_role_policy.glue, aws_iam_role_policy.lambda, aws_iam_role_policy.host,
      aws_iam_instance_profile.host,
    )) == 0
    error_message = "Restricted mode makes an IAM resource."
  }

  assert {
    condition = (
      aws_glue_job.refine.role_arn == "arn:aws:iam::123456789012:role/LabRole" &&
      aws_lambda_function.start_glue.role == "arn:aws:iam::123456789012:role/LabRole" &&
      aws_instance.ingestion.iam_instance_profile == "LabInstanceProfile"
    )
    error_message = "The existing roles are not used."
  }

  assert {
    condition     = length(aws_s3_bucket.managed) == 2
    error_message = "The buckets are made, where none is named."
  }
}

run "existing_buckets_are_used_and_not_managed" {
  variables {
    existing_raw_data_bucket       = "lab-raw"
    existing_athena_results_bucket = "lab-results"
  }

  assert {
    condition     = data.aws_s3_objects.mark["raw_data"].prefix == "b3/bucket.json"
    error_message = "Nobody asks for the mark of `b3 buckets`."
  }

  assert {
    condition = alltrue([
      for settings in [
        aws_s3_bucket.managed,
        aws_s3_bucket_public_access_block.managed,
        aws_s3_bucket_server_side_encryption_configuration.managed,
        aws_s3_bucket_policy.managed,
        aws_s3_bucket_lifecycle_configuration.managed,
      ] : length(settings) == 0
    ])
    error_message = "An existing bucket's settings would be changed."
  }

  assert {
    condition = (
      output.raw_data_bucket == "lab-raw" && output.athena_results_bucket == "lab-results" &&
      aws_s3_bucket_notification.batch_manifest.bucket == "lab-raw" &&
      aws_glue_catalog_table.this["silver"].storage_descriptor[0].location == "s3://lab-raw/refined/b3/" &&
      aws_athena_workgroup.this.configuration[0].result_configuration[0].output_location == "s3://lab-results/results/"
    )
    error_message = "The existing buckets are not used everywhere."
  }
}

run "the_word_account_is_the_account" {
  variables {
    existing_glue_role_arn   = "arn:aws:iam::ACCOUNT:role/LabRole"
    existing_lambda_role_arn = "arn:aws:iam::ACCOUNT:role/LabRole"
    region                   = "us-west-2"
    existing_raw_data_bucket = "lab-raw-ACCOUNT"
  }

  assert {
    condition = (
      aws_glue_job.refine.role_arn == "arn:aws:iam::123456789012:role/LabRole" &&
      aws_lambda_function.start_glue.role == "arn:aws:iam::123456789012:role/LabRole" &&
      output.raw_data_bucket == "lab-raw-123456789012"
    )
    error_message = "The example's placeholder is not replaced."
  }
}

run "one_existing_bucket_is_enough" {
  variables {
    existing_raw_data_bucket = "lab-raw"
  }

  assert {
    condition     = keys(aws_s3_bucket.managed) == ["athena_results"] && output.raw_data_bucket == "lab-raw"
    error_message = "Each bucket is made or used on its own."
  }
}
