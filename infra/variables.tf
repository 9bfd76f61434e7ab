# ---- names and place

variable "project_name" {
  description = "First part of every resource name."
  type        = string
  default     = "tech_challenge2"
  nullable    = false

  validation {
    # Bucket names end at 63 characters, and the longest adds 28 to the two parts.
    condition     = can(regex("^[a-z][a-z0-9_]{0,23}$", var.project_name))
    error_message = "project_name takes at most 24 lower-case letters, digits and underscores, a letter first."
  }
}

variable "environment" {
  description = "Second part of every resource name, such as dev or prod."
  type        = string
  default     = "dev"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z][a-z0-9_]{0,9}$", var.environment))
    error_message = "environment takes at most 10 lower-case letters, digits and underscores, a letter first."
  }
}

variable "region" {
  description = "AWS region. An Academy Learner Lab allows us-east-1 and us-west-2 alone."
  type        = string
  default     = "us-east-1"
  nullable    = false

  validation {
    condition     = can(regex("^[a-z]{2}(-[a-z]+)+-[0-9]$", var.region))
    error_message = "region is a code such as us-east-1 or sa-east-1."
  }
}

# ---- IAM: make the roles, or use those that the account already has

variable "manage_iam" {
  description = "Make the IAM roles of the pipeline (an account where you may create roles)."
  type        = bool
  default     = true
  nullable    = false
}

variable "use_existing_iam_roles" {
  description = "Use roles that exist (a restricted account, such as AWS Academy); the three existing_* names below are needed then."
  type        = bool
  default     = false
  nullable    = false
}

variable "existing_instance_profile_name" {
  description = "Instance profile of the ingestion host in restricted mode, such as LabInstanceProfile."
  type        = string
  default     = null

  validation {
    condition     = var.existing_instance_profile_name == null || can(regex("^[A-Za-z0-9+=,.@_-]{1,128}$", var.existing_instance_profile_name))
    error_message = "existing_instance_profile_name is the profile's name, not its ARN, such as LabInstanceProfile."
  }
}

variable "existing_glue_role_arn" {
  description = "ARN of the role that the Glue job assumes in restricted mode; the word ACCOUNT in it is your account."
  type        = string
  default     = null

  validation {
    condition     = var.existing_glue_role_arn == null || can(regex("^arn:aws[a-z-]*:iam::([0-9]{12}|ACCOUNT):role/.+$", var.existing_glue_role_arn))
    error_message = "existing_glue_role_arn is a role's ARN, such as arn:aws:iam::ACCOUNT:role/LabRole; ACCOUNT stands for the number of your account, which may be written out."
  }
}

variable "existing_lambda_role_arn" {
  description = "ARN of the role that the Lambda assumes in restricted mode; the word ACCOUNT in it is your account."
  type        = string
  default     = null

  validation {
    condition     = var.existing_lambda_role_arn == null || can(regex("^arn:aws[a-z-]*:iam::([0-9]{12}|ACCOUNT):role/.+$", var.existing_lambda_role_arn))
    error_message = "existing_lambda_role_arn is a role's ARN, such as arn:aws:iam::ACCOUNT:role/LabRole; ACCOUNT stands for the number of your account, which may be written out."
  }
}

# ---- buckets: make them, or use those that exist

variable "existing_raw_data_bucket" {
  description = "Bucket for data and artefacts that `b3 buckets` made or looked at. Its settings are neither read nor changed, but for its event notification. The word ACCOUNT in it is your account."
  type        = string
  default     = null

  validation {
    condition     = var.existing_raw_data_bucket == null || can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", replace(var.existing_raw_data_bucket, "ACCOUNT", "123456789012")))
    error_message = "existing_raw_data_bucket is a bucket's name alone, without s3:// and without a path; ACCOUNT in it stands for the number of your account."
  }
}

variable "existing_athena_results_bucket" {
  description = "Bucket for query results that `b3 buckets` made or looked at. Its settings are neither read nor changed. The word ACCOUNT in it is your account."
  type        = string
  default     = null

  validation {
    condition     = var.existing_athena_results_bucket == null || can(regex("^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$", replace(var.existing_athena_results_bucket, "ACCOUNT", "123456789012")))
    error_message = "existing_athena_results_bucket is a bucket's name alone, without s3:// and without a path; ACCOUNT in it stands for the number of your account."
  }
}

variable "keep_data" {
  description = "Refuse to destroy a bucket that still holds objects. Off by default: a tutorial must not leave costs behind."
  type        = bool
  default     = false
  nullable    = false
}

# ---- Data Catalog

variable "glue_database" {
  description = "Database of both tables. Null makes one named after project and environment. The account's own database default is used and not destroyed; any other is made, and destroyed with its tables."
  type        = string
  default     = null

  validation {
    condition     = var.glue_database == null || can(regex("^[a-z][a-z0-9_]{0,127}$", var.glue_database))
    error_message = "glue_database takes at most 128 lower-case letters, digits and underscores, a letter first, such as default."
  }
}

# ---- ingestion host

variable "instance_type" {
  description = "EC2 type of the ingestion host. An Academy Learner Lab allows nano to large."
  type        = string
  default     = "t3.small"
  nullable    = false

  validation {
    # The package list of the host is made for x86_64.
    condition     = can(regex("^[a-z][0-9][a-z]*\\.[a-z0-9]+$", var.instance_type)) && !can(regex("^[a-z][0-9]g", var.instance_type))
    error_message = "instance_type is an x86_64 type such as t3.small; the ARM types (t4g, m7g, …) are not supported."
  }
}

variable "subnet_id" {
  description = "Subnet of the ingestion host; it must reach the internet on port 443. Null takes the default VPC."
  type        = string
  default     = null

  validation {
    condition     = var.subnet_id == null || can(regex("^subnet-[0-9a-f]+$", var.subnet_id))
    error_message = "subnet_id looks like subnet-0123456789abcdef0."
  }
}

variable "key_pair_name" {
  description = "EC2 key pair for SSH (vockey in an Academy Learner Lab). Null makes a host without keys, reached by Session Manager."
  type        = string
  default     = null

  validation {
    condition     = var.key_pair_name == null || try(length(trimspace(var.key_pair_name)) > 0 && !endswith(var.key_pair_name, ".pem"), false)
    error_message = "key_pair_name is the pair's name in EC2, not the file: vockey, not vockey.pem."
  }
}

variable "ssh_allowed_cidr" {
  description = "The one range from which SSH is allowed, such as 203.0.113.7/32. Null opens no port."
  type        = string
  default     = null

  validation {
    condition = var.ssh_allowed_cidr == null || try(
      cidrnetmask(var.ssh_allowed_cidr) != "" && cidrsubnet(var.ssh_allowed_cidr, 0, 0) == var.ssh_allowed_cidr &&
      tonumber(split("/", var.ssh_allowed_cidr)[1]) >= 16,
    false)
    error_message = "ssh_allowed_cidr is an IPv4 range of /16 or narrower, such as your own address with /32, and never the whole internet. In a range wider than /32 the host's bits are 0: 203.0.113.0/24."
  }
}

variable "daily_tickers" {
  description = "Tickers that the host ingests after each session, such as [\"PETR4\", \"VALE3\"]. Empty sets no timer."
  type        = list(string)
  default     = []
  nullable    = false

  validation {
    condition     = alltrue([for ticker in var.daily_tickers : can(regex("^([A-Z0-9]{4}[0-9]{1,2}[A-Z]?|[A-Z]{4})$", ticker))])
    error_message = "daily_tickers holds codes of the exchange, such as PETR4, without .SA, or an index such as IBOV."
  }
}

variable "daily_source" {
  description = "Where daily_tickers come from: yahoo (at 20:00 in São Paulo), or cotahist, the exchange's own file (at 22:30). Yahoo refuses many addresses of data centres."
  type        = string
  default     = "yahoo"
  nullable    = false

  validation {
    condition     = contains(["yahoo", "cotahist"], var.daily_source)
    error_message = "daily_source is yahoo or cotahist."
  }
}

# ---- engines

variable "glue_version" {
  description = "Glue version of the refine job: 5.1 (Spark 3.5) or 6.0 (Spark 4.1)."
  type        = string
  default     = "5.1"
  nullable    = false

  validation {
    condition     = contains(["5.0", "5.1", "6.0"], var.glue_version)
    error_message = "glue_version is 5.0, 5.1 or 6.0: the job needs Python 3.11 and Spark 3.5 or newer."
  }
}

variable "lambda_runtime" {
  description = "Python runtime of the Lambda."
  type        = string
  default     = "python3.13"
  nullable    = false

  validation {
    # The pinned provider, 5.100, does not know python3.14.
    condition     = contains(["python3.12", "python3.13"], var.lambda_runtime)
    error_message = "lambda_runtime is python3.12 or python3.13."
  }
}

variable "athena_scan_limit_mib" {
  description = "An Athena query is stopped when it has read this many MiB."
  type        = number
  default     = 1024
  nullable    = false

  validation {
    condition     = var.athena_scan_limit_mib >= 10 && floor(var.athena_scan_limit_mib) == var.athena_scan_limit_mib
    error_message = "athena_scan_limit_mib is a whole number of at least 10, the least that Athena accepts."
  }
}
