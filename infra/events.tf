# A batch manifest, and nothing else, fires the Lambda: an event for each of a batch's
# thousands of objects would start thousands of runs.
resource "aws_lambda_permission" "raw_data_bucket" {
  statement_id   = "AllowRawBucket"
  function_name  = aws_lambda_function.start_glue.function_name
  action         = "lambda:InvokeFunction"
  principal      = "s3.amazonaws.com"
  source_arn     = local.raw_data_bucket_arn
  source_account = local.account_id
}

resource "aws_s3_bucket_notification" "batch_manifest" {
  bucket = local.raw_data_bucket

  lambda_function {
    id                  = "batch-manifest"
    lambda_function_arn = aws_lambda_function.start_glue.arn
    events              = ["s3:ObjectCreated:*"]
    filter_prefix       = local.tables.manifest_prefix
    filter_suffix       = local.tables.manifest_suffix
  }

  # S3 tries the Lambda when it is told of it.
  depends_on = [aws_lambda_permission.raw_data_bucket]
}
