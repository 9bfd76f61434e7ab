"""The Data Catalog as Athena's API shows it."""

from __future__ import annotations

from typing import Any

from localaws.athena.api.requests import Handler, Payload, invalid, page_size
from localaws.wire import AwsError, Service

CATALOG_NAME = "AwsDataCatalog"
_SUMMARY = {"CatalogName": CATALOG_NAME, "Type": "GLUE"}


class Metadata:
    """The operations on catalogs, databases and tables; all of them only look."""

    def __init__(self, glue: Service, account_id: str) -> None:
        self._glue = glue
        self._account_id = account_id

    def handlers(self) -> dict[str, Handler]:
        return {
            "GetDataCatalog": self.catalog,
            "ListDataCatalogs": self.catalogs,
            "GetDatabase": self.database,
            "ListDatabases": self.databases,
            "GetTableMetadata": self.table,
            "ListTableMetadata": self.tables,
        }

    def catalog(self, payload: Payload) -> Payload:
        _check_catalog(payload["Name"])
        parameters = {"catalog-id": self._account_id}
        return {"DataCatalog": {"Name": CATALOG_NAME, "Type": "GLUE", "Parameters": parameters}}

    def catalogs(self, payload: Payload) -> Payload:
        return {"DataCatalogsSummary": [_SUMMARY]}

    async def database(self, payload: Payload) -> Payload:
        _check_catalog(payload["CatalogName"])
        answer = await self._call("GetDatabase", {"Name": payload["DatabaseName"]})
        return {"Database": _database(answer["Database"])}

    async def databases(self, payload: Payload) -> Payload:
        _check_catalog(payload["CatalogName"])
        answer = await self._call("GetDatabases", _page(payload))
        return _paged("DatabaseList", [_database(d) for d in answer["DatabaseList"]], answer)

    async def table(self, payload: Payload) -> Payload:
        _check_catalog(payload["CatalogName"])
        given = {"DatabaseName": payload["DatabaseName"], "Name": payload["TableName"]}
        answer = await self._call("GetTable", given)
        return {"TableMetadata": _table(answer["Table"])}

    async def tables(self, payload: Payload) -> Payload:
        _check_catalog(payload["CatalogName"])
        given = {"DatabaseName": payload["DatabaseName"], **_page(payload)}
        if payload.get("Expression"):
            given["Expression"] = payload["Expression"]
        answer = await self._call("GetTables", given)
        return _paged("TableMetadataList", [_table(t) for t in answer["TableList"]], answer)

    async def _call(self, operation: str, payload: Payload) -> Payload:
        try:
            return await self._glue.call(operation, payload)
        except AwsError as error:
            raise AwsError("MetadataException", error.message) from error


def _check_catalog(name: str) -> None:
    if name.lower() != CATALOG_NAME.lower():
        raise invalid(f"Catalog {name} does not exist")


def _page(payload: Payload) -> Payload:
    found: Payload = {"MaxResults": page_size(payload, 50)}
    return found | ({"NextToken": payload["NextToken"]} if payload.get("NextToken") else {})


def _paged(name: str, items: list[Any], answer: Payload) -> Payload:
    token = answer.get("NextToken")
    return {name: items} | ({"NextToken": token} if token else {})


def _database(given: Payload) -> Payload:
    return {name: given[name] for name in ("Name", "Description", "Parameters") if name in given}


def _table(given: Payload) -> Payload:
    storage = given.get("StorageDescriptor", {})
    parameters = {
        **given.get("Parameters", {}),
        "location": storage.get("Location", ""),
        "inputformat": storage.get("InputFormat", ""),
        "outputformat": storage.get("OutputFormat", ""),
        "serde.serialization.lib": storage.get("SerdeInfo", {}).get("SerializationLibrary", ""),
    }
    return {
        "Name": given["Name"],
        "CreateTime": given["CreateTime"],
        "TableType": given.get("TableType", "EXTERNAL_TABLE"),
        "Columns": storage.get("Columns", []),
        "PartitionKeys": given.get("PartitionKeys", []),
        "Parameters": parameters,
    }
