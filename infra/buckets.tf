# Two buckets: the data (with the artefacts), and what Athena answers.
# An existing bucket is used by its name alone: some accounts deny even reading its settings.
# `b3 buckets` makes or looks at it before, and leaves a mark in it.
locals {
  existing_buckets = {
    for purpose, name in {
      raw_data       = var.existing_raw_data_bucket
      athena_results = var.existing_athena_results_bucket
    } : purpose => replace(name, "ACCOUNT", local.account_id) if name != null
  }

  managed_buckets = {
    for purpose, bucket in {
      raw_data       = { existing = var.existing_raw_data_bucket, name = "${local.bucket_stem}-raw-${local.account_id}" }
      athena_results = { existing = var.existing_athena_results_bucket, name = "${local.bucket_stem}-athena-results-${local.account_id}" }
    } : purpose => bucket.name if bucket.existing == null
  }

  raw_data_bucket       = try(aws_s3_bucket.managed["raw_data"].bucket, local.existing_buckets["raw_data"])
  athena_results_bucket = try(aws_s3_bucket.managed["athena_results"].bucket, local.existing_buckets["athena_results"])

  raw_data_bucket_arn = "arn:aws:s3:::${local.raw_data_bucket}"

  # What loses its worth by itself. The data needs no versions: a run writes the same object
  # again, and everything can be ingested and refined anew.
  transient_prefixes = {
    raw_data       = local.temporary_prefix
    athena_results = local.results_prefix
  }
}

data "aws_s3_objects" "mark" {
  for_each = local.existing_buckets

  bucket   = each.value
  prefix   = local.tables.bucket_mark
  max_keys = 1
}

resource "aws_s3_bucket" "managed" {
  for_each = local.managed_buckets

  bucket        = each.value
  force_destroy = !var.keep_data
}

resource "aws_s3_bucket_public_access_block" "managed" {
  for_each = aws_s3_bucket.managed

  bucket                  = each.value.id
  block_public_acls       = true
  block_public_policy     = true
  ignore_public_acls      = true
  restrict_public_buckets = true
}

resource "aws_s3_bucket_server_side_encryption_configuration" "managed" {
  for_each = aws_s3_bucket.managed

  bucket = each.value.id

  rule {
    apply_server_side_encryption_by_default {
      sse_algorithm = "AES256"
    }
  }
}

resource "aws_s3_bucket_policy" "managed" {
  for_each = aws_s3_bucket.managed

  bucket = each.value.id
  policy = jsonencode({
    Version = "2012-10-17"
    Statement = [{
      Sid       = "TlsOnly"
      Effect    = "Deny"
      Principal = "*"
      Action    = "s3:*"
      Resource  = [each.value.arn, "${each.value.arn}/*"]
      Condition = { Bool = { "aws:SecureTransport" = "false" } }
    }]
  })

  # S3 refuses two changes of a bucket's access at the same moment.
  depends_on = [aws_s3_bucket_public_access_block.managed]
}

resource "aws_s3_bucket_lifecycle_configuration" "managed" {
  for_each = aws_s3_bucket.managed

  bucket = each.value.id

  rule {
    id     = "expire-transient"
    status = "Enabled"

    filter {
      prefix = local.transient_prefixes[each.key]
    }

    expiration {
      days = 7
    }
  }

  rule {
    id     = "abort-unfinished-uploads"
    status = "Enabled"

    filter {}

    abort_incomplete_multipart_upload {
      days_after_initiation = 1
    }
  }
}
