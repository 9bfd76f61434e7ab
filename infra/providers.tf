# Credentials come from the environment or the shared files, as for every AWS tool.
# With AWS_ENDPOINT_URL set, the same files build the pipeline on a local AWS.
provider "aws" {
  region = var.region

  default_tags {
    tags = {
      project     = var.project_name
      environment = var.environment
      managed_by  = "terraform"
    }
  }
}

data "aws_caller_identity" "current" {}
