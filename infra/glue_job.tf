# The refine job: two of the smallest Spark workers, one run at a time.
resource "aws_glue_job" "refine" {
  name         = local.glue_job_name
  description  = "Refines the partitions of a batch, from ${local.bronze.name} to ${local.silver.name}."
  role_arn     = local.glue_role_arn
  glue_version = var.glue_version

  worker_type       = "G.1X"
  number_of_workers = 2
  timeout           = 30 # minutes: the default of Glue 5 is eight hours, at US$ 0.88 each

  # For starts from the console: the Lambda asks for the queue itself, at each start. Glue
  # queues only runs of jobs without retries.
  job_run_queuing_enabled = true
  max_retries             = 0

  # Not --enable-glue-datacatalog: the job asks the catalog itself, and Spark, which would look
  # for the databases default and global_temp, never does.
  default_arguments = {
    "--job-language"   = "python"
    "--extra-py-files" = "s3://${local.raw_data_bucket}/${local.artifact_prefix}${local.glue_package}"
    "--TempDir"        = "s3://${local.raw_data_bucket}/${local.temporary_prefix}"
    "--raw_bucket"     = local.raw_data_bucket
    "--database"       = local.database
    "--bronze_table"   = aws_glue_catalog_table.this["bronze"].name
    "--silver_table"   = aws_glue_catalog_table.this["silver"].name
  }

  command {
    name            = "glueetl"
    python_version  = "3"
    script_location = "s3://${local.raw_data_bucket}/${local.artifact_prefix}${local.glue_script}"
  }

  execution_property {
    max_concurrent_runs = 1
  }

  depends_on = [aws_s3_object.artifacts, terraform_data.combinations]
}
