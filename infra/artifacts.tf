# What `make artifacts` built goes to the bucket as it stands, under artifacts/.
# The build is reproducible: the same sources give the same bytes, and no change here.
locals {
  artifacts_dir      = "${path.module}/../build/artifacts"
  glue_script        = "refine_job.py"
  glue_package       = "refine_job.zip"
  lambda_package     = "start_glue_job.zip"
  expected_artifacts = [local.glue_script, local.glue_package, local.lambda_package, "host/requirements.txt", "host/scripts/run_ingestion.sh"]
  lambda_zip         = "${local.artifacts_dir}/${local.lambda_package}"
}

resource "aws_s3_object" "artifacts" {
  for_each = fileset(local.artifacts_dir, "**")

  bucket      = local.raw_data_bucket
  key         = "${local.artifact_prefix}${each.value}"
  source      = "${local.artifacts_dir}/${each.value}"
  source_hash = filesha256("${local.artifacts_dir}/${each.value}")
}
