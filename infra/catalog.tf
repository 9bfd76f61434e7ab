# The Data Catalog: one database, bronze and silver. Partitions are registered by the
# ingestion and the job as they write them. The account's own database `default` is used as it
# stands: it is neither made nor destroyed here, only the two tables in it are.
resource "aws_glue_catalog_database" "this" {
  count = local.database_name == "default" ? 0 : 1

  name        = local.database_name
  description = "Quotes of B3: ${local.bronze.name} as ingested, ${local.silver.name} refined."
}

resource "aws_glue_catalog_table" "this" {
  for_each = { bronze = local.bronze, silver = local.silver }

  database_name = local.database
  name          = each.value.name
  table_type    = "EXTERNAL_TABLE"

  parameters = {
    EXTERNAL       = "TRUE"
    classification = "parquet"
  }

  dynamic "partition_keys" {
    for_each = local.tables.partition_keys

    content {
      name = partition_keys.value.Name
      type = partition_keys.value.Type
    }
  }

  storage_descriptor {
    location      = "s3://${local.raw_data_bucket}/${each.value.prefix}"
    input_format  = local.tables.input_format
    output_format = local.tables.output_format

    dynamic "columns" {
      for_each = each.value.columns

      content {
        name = columns.value.Name
        type = columns.value.Type
      }
    }

    ser_de_info {
      serialization_library = local.tables.serialization_library
      parameters            = local.tables.serialization_parameters
    }
  }
}
