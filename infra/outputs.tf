# The configuration of the pipeline: `b3 outputs` and the notebooks read these names.
output "region" {
  description = "Where the pipeline is."
  value       = var.region
}

output "raw_data_bucket" {
  description = "Bronze under raw/b3/, silver under refined/b3/, the artefacts under artifacts/."
  value       = local.raw_data_bucket
}

output "athena_results_bucket" {
  description = "What Athena answers; kept for seven days."
  value       = local.athena_results_bucket
}

output "ec2_instance_id" {
  description = "The ingestion host: `aws ssm start-session --target` this."
  value       = aws_instance.ingestion.id
}

output "glue_job_name" {
  description = "The Spark job that refines a batch."
  value       = aws_glue_job.refine.name
}

output "lambda_function_name" {
  description = "The Lambda that starts the job when a manifest lands."
  value       = aws_lambda_function.start_glue.function_name
}

output "glue_database" {
  description = "The Data Catalog's database of both tables."
  value       = local.database
}

output "athena_workgroup" {
  description = "The workgroup that every query uses."
  value       = aws_athena_workgroup.this.name
}
