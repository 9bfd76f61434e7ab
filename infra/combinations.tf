# Variables that make sense one by one and not together are refused while planning.
# (A variable's own validation may look at other variables only from Terraform 1.9 on.)
locals {
  existing_roles = [
    var.existing_instance_profile_name,
    var.existing_glue_role_arn,
    var.existing_lambda_role_arn,
  ]

  # Roles of another account than the credentials' own cannot be passed to Glue and Lambda.
  foreign_roles = [
    for arn in compact([local.existing_glue_role_arn, local.existing_lambda_role_arn]) : arn
    if split(":", arn)[4] != local.account_id
  ]

  # Buckets that nobody has looked at. S3 keeps one list of notifications a bucket, and
  # Terraform cannot read it without replacing it: `b3 buckets` does.
  unprepared_buckets = [
    for purpose, found in data.aws_s3_objects.mark : local.existing_buckets[purpose] if length(found.keys) == 0
  ]

  # What an AWS Academy Learner Lab allows; its role gives it away.
  in_a_lab     = var.use_existing_iam_roles && endswith(coalesce(var.existing_glue_role_arn, "none"), ":role/LabRole")
  lab_regions  = ["us-east-1", "us-west-2"]
  lab_sizes    = ["nano", "micro", "small", "medium", "large"]
  lab_key_pair = "vockey"
}

resource "terraform_data" "combinations" {
  lifecycle {
    precondition {
      condition     = var.manage_iam != var.use_existing_iam_roles
      error_message = "manage_iam makes the IAM roles and use_existing_iam_roles takes yours: set exactly one of them to true. In AWS Academy that is use_existing_iam_roles."
    }

    precondition {
      condition     = !var.use_existing_iam_roles || alltrue([for role in local.existing_roles : role != null])
      error_message = "use_existing_iam_roles needs existing_instance_profile_name, existing_glue_role_arn and existing_lambda_role_arn: academy.tfvars.example shows the three."
    }

    precondition {
      condition     = !var.manage_iam || alltrue([for role in local.existing_roles : role == null])
      error_message = "An existing role or instance profile is named while manage_iam is true, and would not be used: remove it, or set manage_iam = false and use_existing_iam_roles = true."
    }

    precondition {
      condition     = length(local.foreign_roles) == 0
      error_message = "An existing role belongs to another account than your credentials: ${join(", ", local.foreign_roles)}. Write ACCOUNT in the place of its number, or use the credentials of that account."
    }

    precondition {
      condition     = !local.in_a_lab || contains(local.lab_regions, var.region)
      error_message = "An AWS Academy Learner Lab allows ${join(" and ", local.lab_regions)} alone, and region is ${var.region}."
    }

    precondition {
      condition     = !local.in_a_lab || var.key_pair_name != local.lab_key_pair || var.region == "us-east-1"
      error_message = "The lab's key pair vockey exists in us-east-1 alone, and region is ${var.region}: make a pair of your own there, or leave out key_pair_name and use Session Manager."
    }

    precondition {
      condition     = !local.in_a_lab || contains(local.lab_sizes, split(".", var.instance_type)[1])
      error_message = "An AWS Academy Learner Lab allows instances from nano to large, and instance_type is ${var.instance_type}."
    }

    precondition {
      condition     = var.ssh_allowed_cidr == null || var.key_pair_name != null
      error_message = "ssh_allowed_cidr opens port 22, but without key_pair_name nobody could log in: set both, or neither."
    }

    precondition {
      condition     = length(local.unprepared_buckets) == 0
      error_message = "Nobody has looked at ${join(" and ", local.unprepared_buckets)} yet: run `.venv/bin/b3 buckets`, which closes what it makes and refuses a bucket that notifies others, then plan again."
    }

    precondition {
      condition     = length(setsubtract(local.expected_artifacts, fileset(local.artifacts_dir, "**"))) == 0
      error_message = "The artefacts are missing or incomplete in build/artifacts: run `make artifacts` in the project's folder, then plan again."
    }
  }
}
