# The ingestion host: Amazon Linux 2023, the package, and scripts/run_ingestion.sh.
# It keeps nothing: data and artefacts live in the bucket, so a change replaces it.
data "aws_ssm_parameter" "amazon_linux" {
  name = "/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-x86_64"
}

data "aws_subnet" "host" {
  count = var.subnet_id == null ? 0 : 1

  id = var.subnet_id
}

data "aws_vpc" "default" {
  count = var.subnet_id == null ? 1 : 0

  default = true
}

resource "aws_security_group" "host" {
  name        = local.host_name
  description = "Ingestion host: HTTPS out, SSH in from one range if any"
  vpc_id      = one(concat(data.aws_subnet.host[*].vpc_id, data.aws_vpc.default[*].id))
}

resource "aws_vpc_security_group_egress_rule" "https" {
  security_group_id = aws_security_group.host.id
  description       = "AWS, the package index and the quote source"
  cidr_ipv4         = "0.0.0.0/0"
  ip_protocol       = "tcp"
  from_port         = 443
  to_port           = 443
}

resource "aws_vpc_security_group_ingress_rule" "ssh" {
  count = var.ssh_allowed_cidr == null ? 0 : 1

  security_group_id = aws_security_group.host.id
  description       = "SSH from the range that ssh_allowed_cidr names"
  cidr_ipv4         = var.ssh_allowed_cidr
  ip_protocol       = "tcp"
  from_port         = 22
  to_port           = 22
}

# What the host knows of the deployment, under the names that the package reads.
locals {
  # The exchange's file of the day is complete about 22:00; Yahoo has the bar soon after the close.
  daily_at = { yahoo = "20:00", cotahist = "22:30" }

  host_settings = {
    B3_HOST               = "1"
    AWS_REGION            = var.region
    AWS_DEFAULT_REGION    = var.region
    B3_HOME               = "/opt/b3"
    B3_TARGET             = "aws"
    RAW_BUCKET            = local.raw_data_bucket
    ATHENA_RESULTS_BUCKET = local.athena_results_bucket
    GLUE_DATABASE         = local.database_name
    GLUE_JOB_NAME         = local.glue_job_name
    LAMBDA_FUNCTION_NAME  = local.lambda_name
    ATHENA_WORKGROUP      = local.workgroup_name
  }
}

resource "aws_instance" "ingestion" {
  ami                    = data.aws_ssm_parameter.amazon_linux.insecure_value
  instance_type          = var.instance_type
  subnet_id              = var.subnet_id
  vpc_security_group_ids = [aws_security_group.host.id]
  key_name               = var.key_pair_name
  iam_instance_profile   = local.instance_profile_name

  user_data_replace_on_change = true
  user_data = templatefile("${path.module}/user_data.sh.tftpl", {
    artifacts_url = "s3://${local.raw_data_bucket}/${local.artifact_prefix}host/"
    fingerprint   = sha256(join("", [for key, object in aws_s3_object.artifacts : object.source_hash if startswith(key, "host/")]))
    tickers       = join(",", var.daily_tickers)
    source        = var.daily_source
    daily_at      = local.daily_at[var.daily_source]
    mark_key      = local.tables.host_mark
    settings      = local.host_settings
  })

  metadata_options {
    http_endpoint               = "enabled"
    http_tokens                 = "required" # IMDSv2 alone: a forged request cannot read the keys
    http_put_response_hop_limit = 1
  }

  root_block_device {
    volume_type = "gp3"
    volume_size = 10 # GiB
    encrypted   = true

    tags = {
      Name = local.host_name # the inventory of notebook 06 finds it by this
    }
  }

  tags = {
    Name = local.host_name
  }

  # The first start reads the artefacts under the instance's role.
  depends_on = [aws_s3_object.artifacts, aws_iam_role_policy.host, terraform_data.combinations]

  lifecycle {
    # AWS publishes an image every few weeks; a new one is no reason to replace the host.
    ignore_changes = [ami]
  }
}
