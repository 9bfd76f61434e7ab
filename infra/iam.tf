# Three roles, action by action and for these resources alone. In restricted mode
# (manage_iam = false) nothing in this file is made.
locals {
  managed_roles = var.manage_iam ? 1 : 0

  catalog_arn  = "arn:aws:glue:${var.region}:${local.account_id}:catalog"
  database_arn = "arn:aws:glue:${var.region}:${local.account_id}:database/${local.database}"
  bronze_arns  = [local.catalog_arn, local.database_arn, aws_glue_catalog_table.this["bronze"].arn]
  silver_arns  = [local.catalog_arn, local.database_arn, aws_glue_catalog_table.this["silver"].arn]
}

# ---- the Glue job: reads bronze, writes silver

resource "aws_iam_role" "glue" {
  count = local.managed_roles

  name               = "${local.glue_job_name}_role"
  description        = "The refine job reads bronze and writes silver."
  assume_role_policy = jsonencode(local.trust["glue"])
}

resource "aws_iam_role_policy" "glue" {
  count = local.managed_roles

  name = "refine"
  role = aws_iam_role.glue[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "ReadScriptAndBronze"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = [for prefix in [local.artifact_prefix, local.bronze.prefix] : "${local.raw_data_bucket_arn}/${prefix}*"]
      },
      {
        Sid      = "WriteSilver"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject", "s3:AbortMultipartUpload"]
        Resource = [for prefix in [local.silver.prefix, local.temporary_prefix] : "${local.raw_data_bucket_arn}/${prefix}*"]
      },
      {
        # For the whole bucket: under a condition on the prefix, S3 answers 403 instead of 404
        # for an object that does not exist, and the job must tell the two apart.
        Sid      = "ListData"
        Effect   = "Allow"
        Action   = ["s3:ListBucket"]
        Resource = [local.raw_data_bucket_arn]
      },
      {
        Sid      = "ReadPartitions"
        Effect   = "Allow"
        Action   = ["glue:GetPartitions"]
        Resource = setunion(local.bronze_arns, local.silver_arns)
      },
      {
        Sid      = "RegisterSilver"
        Effect   = "Allow"
        Action   = ["glue:BatchCreatePartition", "glue:BatchDeletePartition"]
        Resource = local.silver_arns
      },
      {
        # Where the silver table is missing, the job makes it.
        Sid      = "MakeSilver"
        Effect   = "Allow"
        Action   = ["glue:GetTable", "glue:CreateTable"]
        Resource = local.silver_arns
      },
      {
        Sid      = "WriteLog"
        Effect   = "Allow"
        Action   = ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = ["arn:aws:logs:${var.region}:${local.account_id}:log-group:/aws-glue/jobs/*"]
      },
    ]
  })
}

# ---- the Lambda: starts that one job

resource "aws_iam_role" "lambda" {
  count = local.managed_roles

  name               = "${local.lambda_name}_role"
  description        = "The Lambda starts the refine job."
  assume_role_policy = jsonencode(local.trust["lambda"])
}

resource "aws_iam_role_policy" "lambda" {
  count = local.managed_roles

  name = "start-glue"
  role = aws_iam_role.lambda[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "StartRefine"
        Effect   = "Allow"
        Action   = ["glue:StartJobRun"]
        Resource = [aws_glue_job.refine.arn]
      },
      {
        Sid      = "WriteLog"
        Effect   = "Allow"
        Action   = ["logs:CreateLogStream", "logs:PutLogEvents"]
        Resource = ["${aws_cloudwatch_log_group.lambda.arn}:*"]
      },
      {
        Sid      = "KeepFailedEvents"
        Effect   = "Allow"
        Action   = ["sqs:SendMessage"]
        Resource = [aws_sqs_queue.failed_events.arn]
      },
    ]
  })
}

# ---- the ingestion host: writes bronze

resource "aws_iam_role" "host" {
  count = local.managed_roles

  name               = "${local.host_name}_role"
  description        = "The ingestion host writes bronze."
  assume_role_policy = jsonencode(local.trust["ec2"])
}

resource "aws_iam_instance_profile" "host" {
  count = local.managed_roles

  name = "${local.host_name}_profile"
  role = aws_iam_role.host[0].name
}

resource "aws_iam_role_policy" "host" {
  count = local.managed_roles

  name = "ingest"
  role = aws_iam_role.host[0].id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [
      {
        Sid      = "ReadArtifacts"
        Effect   = "Allow"
        Action   = ["s3:GetObject"]
        Resource = ["${local.raw_data_bucket_arn}/${local.artifact_prefix}*"]
      },
      {
        Sid      = "WriteBronze"
        Effect   = "Allow"
        Action   = ["s3:GetObject", "s3:PutObject", "s3:DeleteObject"]
        Resource = ["${local.raw_data_bucket_arn}/${local.bronze.prefix}*"]
      },
      {
        # For the whole bucket, as above: the ingestion asks for objects that may not exist.
        Sid      = "ListData"
        Effect   = "Allow"
        Action   = ["s3:ListBucket"]
        Resource = [local.raw_data_bucket_arn]
      },
      {
        Sid      = "RegisterBronze"
        Effect   = "Allow"
        Action   = ["glue:GetTable", "glue:GetPartitions", "glue:BatchCreatePartition", "glue:BatchDeletePartition"]
        Resource = local.bronze_arns
      },
      {
        # Session Manager: a shell without a key pair and without an open port. These actions
        # know no resources.
        Sid    = "SessionManager"
        Effect = "Allow"
        Action = [
          "ssm:UpdateInstanceInformation",
          "ssmmessages:CreateControlChannel",
          "ssmmessages:CreateDataChannel",
          "ssmmessages:OpenControlChannel",
          "ssmmessages:OpenDataChannel",
        ]
        Resource = ["*"]
      },
    ]
  })
}

# ---- who may assume them

locals {
  trust = {
    for service in ["ec2", "glue", "lambda"] : service => {
      Version = "2012-10-17"
      Statement = [{
        Effect    = "Allow"
        Principal = { Service = "${service}.amazonaws.com" }
        Action    = "sts:AssumeRole"
      }]
    }
  }
}
