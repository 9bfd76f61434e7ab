# The Lambda that starts one Glue run for each batch manifest.
resource "aws_cloudwatch_log_group" "lambda" {
  name              = "/aws/lambda/${local.lambda_name}"
  retention_in_days = 30
}

resource "aws_lambda_function" "start_glue" {
  function_name    = local.lambda_name
  description      = "Starts ${local.glue_job_name} for the batch whose manifest has landed."
  role             = local.lambda_role_arn
  runtime          = var.lambda_runtime
  handler          = "handler.handler"
  s3_bucket        = local.raw_data_bucket
  s3_key           = "${local.artifact_prefix}${local.lambda_package}"
  source_code_hash = fileexists(local.lambda_zip) ? filebase64sha256(local.lambda_zip) : null
  memory_size      = 128
  timeout          = 60 # seconds

  environment {
    variables = {
      GLUE_JOB_NAME = aws_glue_job.refine.name
    }
  }

  # The log group comes first, or Lambda makes one that keeps its lines for ever.
  depends_on = [aws_cloudwatch_log_group.lambda, aws_s3_object.artifacts]
}

# An event that failed three times is kept here, with its error, for somebody to look at.
resource "aws_sqs_queue" "failed_events" {
  name                      = "${local.lambda_name}_failed"
  message_retention_seconds = 14 * 24 * 3600
  sqs_managed_sse_enabled   = true
}

resource "aws_lambda_function_event_invoke_config" "start_glue" {
  function_name                = aws_lambda_function.start_glue.function_name
  maximum_retry_attempts       = 2
  maximum_event_age_in_seconds = 6 * 3600

  destination_config {
    on_failure {
      destination = aws_sqs_queue.failed_events.arn
    }
  }

  # Lambda checks at once that its role may send to the queue.
  depends_on = [aws_iam_role_policy.lambda]
}
