# Every name of the pipeline. The Python package spells the same ones in names.py, and a test
# compares the two.
locals {
  account_id = data.aws_caller_identity.current.account_id

  stem        = "${var.project_name}_${var.environment}"
  bucket_stem = replace(local.stem, "_", "-")

  lambda_name    = "${local.stem}_start_glue"
  glue_job_name  = "${local.stem}_refine_job"
  workgroup_name = "${local.stem}_wg"
  database_name  = coalesce(var.glue_database, local.stem)
  host_name      = "${local.stem}_ingestion"

  # By way of the resource where there is one, so that what uses the database comes after it.
  database = try(aws_glue_catalog_database.this[0].name, local.database_name)

  # Tables and prefixes: written by `make artifacts` from the package's schema.
  tables = jsondecode(file("${path.module}/tables.json"))
  bronze = local.tables.bronze
  silver = local.tables.silver

  artifact_prefix  = "artifacts/"
  results_prefix   = "results/"
  temporary_prefix = "temporary/"

  # The examples say ACCOUNT where the account's number belongs.
  existing_glue_role_arn   = try(replace(var.existing_glue_role_arn, ":ACCOUNT:", ":${local.account_id}:"), null)
  existing_lambda_role_arn = try(replace(var.existing_lambda_role_arn, ":ACCOUNT:", ":${local.account_id}:"), null)

  glue_role_arn         = var.manage_iam ? aws_iam_role.glue[0].arn : local.existing_glue_role_arn
  lambda_role_arn       = var.manage_iam ? aws_iam_role.lambda[0].arn : local.existing_lambda_role_arn
  instance_profile_name = var.manage_iam ? aws_iam_instance_profile.host[0].name : var.existing_instance_profile_name
}
