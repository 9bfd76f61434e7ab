# One workgroup: one place for results, whatever a client asks for, and a limit on what a
# query may read.
resource "aws_athena_workgroup" "this" {
  name          = local.workgroup_name
  description   = "Queries on ${local.database_name}."
  force_destroy = true # its query history would keep it from being destroyed

  configuration {
    enforce_workgroup_configuration    = true
    publish_cloudwatch_metrics_enabled = false
    bytes_scanned_cutoff_per_query     = var.athena_scan_limit_mib * 1024 * 1024

    result_configuration {
      output_location = "s3://${local.athena_results_bucket}/${local.results_prefix}"

      encryption_configuration {
        encryption_option = "SSE_S3"
      }
    }
  }
}

# The notebooks' own SQL, saved in the console under "Saved queries". There a parameter has no
# value, so each becomes one that runs as it stands: three shares, the last half year.
locals {
  sql_dir = "${path.module}/../src/b3pipeline/athena/sql"
  sql     = { for name in fileset(local.sql_dir, "*.sql") : trimsuffix(name, ".sql") => file("${local.sql_dir}/${name}") }

  sql_between = { for name, text in local.sql : name =>
    replace(replace(text,
      "/:start\\b/", "CAST(current_date - INTERVAL '180' DAY AS varchar)"),
    "/:end\\b/", "CAST(current_date AS varchar)")
  }
  sql_ready = { for name, text in local.sql_between : name =>
    replace(replace(text,
      "/:tickers\\b/", "('PETR4', 'VALE3', 'ITUB4')"),
    "/:ticker\\b/", "'PETR4'")
  }
}

resource "aws_athena_named_query" "this" {
  for_each = local.sql_ready

  name      = "${local.stem}_${each.key}"
  workgroup = aws_athena_workgroup.this.id
  database  = local.database
  query     = each.value

  # The first line of each file asks the question that its query answers.
  description = trimprefix(split("\n", each.value)[0], "-- ")
}
