"""Partitions registered and forgotten: MSCK REPAIR TABLE and ALTER TABLE."""

from __future__ import annotations

from urllib.parse import unquote

from localaws.athena.catalog import Definition
from localaws.athena.errors import QueryError
from localaws.athena.executor.context import Request, Services, require_table
from localaws.athena.scan.objects import split_uri
from localaws.athena.statements import model
from localaws.athena.statements.model import PartitionSpec
from localaws.athena.writing import partition_folder


def repair(services: Services, request: Request, statement: model.RepairTable) -> list[str]:
    """Register the partitions that lie below a table's location and are not known yet."""
    definition = require_table(services, request, statement.table)
    keys = _keys(definition)
    database, table = definition["DatabaseName"], definition["Name"]
    known = {partition.values for partition in services.catalog.partitions(database, table)}
    location = definition["StorageDescriptor"]["Location"]
    missing: dict[tuple[str, ...], str] = {}
    for folder in services.objects.folders(location):
        request.control.check()
        values = _values_of(folder, keys)
        if values is not None and values not in known:
            missing.setdefault(values, "/".join(folder.split("/")[: len(keys)]))
    inputs = [
        _input(definition, values, f"{location.rstrip('/')}/{path}/")
        for values, path in sorted(missing.items())
    ]
    services.catalog.add_partitions(database, table, inputs)
    if not missing:
        return []
    paths = [missing[values] for values in sorted(missing)]
    listed = "\t".join(f"{table}:{path}" for path in paths)
    added = [f"Repair: Added partition to metastore {table}:{path}" for path in paths]
    return [f"Partitions not in metastore:\t{listed}", *added]


def _keys(definition: Definition) -> list[str]:
    keys = [key["Name"] for key in definition.get("PartitionKeys", [])]
    if not keys:
        name = f"{definition['DatabaseName']}.{definition['Name']}"
        raise QueryError("FAILED", f"SemanticException Table {name} is not a partitioned table")
    return keys


def _values_of(folder: str, keys: list[str]) -> tuple[str, ...] | None:
    """Return the values of a path dt=…/ticker=…/, or None where it is no partition."""
    parts = [part.partition("=") for part in folder.split("/")[: len(keys)]]
    if [key.lower() for key, _, _ in parts] != keys or not all(mark for _, mark, _ in parts):
        return None
    return tuple(unquote(value) for _, _, value in parts)


def _input(definition: Definition, values: tuple[str, ...], location: str) -> Definition:
    storage = {**definition["StorageDescriptor"], "Location": location}
    return {"Values": list(values), "StorageDescriptor": storage}


def add(services: Services, request: Request, statement: model.AddPartitions) -> list[str]:
    """Register partitions; at their place below the table where no LOCATION is given."""
    definition = require_table(services, request, statement.table)
    keys = _keys(definition)
    base = definition["StorageDescriptor"]["Location"]
    inputs = []
    for spec in statement.partitions:
        values = _values(spec, keys)
        location = spec.location or partition_folder(base, keys, values)
        split_uri(location)
        inputs.append(_input(definition, values, location.rstrip("/") + "/"))
    name = definition["DatabaseName"], definition["Name"]
    errors = services.catalog.add_partitions(*name, inputs)
    if errors and not statement.if_not_exists:
        message = f"Partition already exists: {errors[0]['PartitionValues']}"
        raise QueryError("FAILED", f"SemanticException [Error 10006]: {message}")
    return []


def _values(spec: PartitionSpec, keys: list[str]) -> tuple[str, ...]:
    if set(spec.values) != set(keys):
        message = (
            f"partition spec {spec.values} doesn't contain all ({len(keys)}) partition columns"
        )
        raise QueryError("FAILED", f"SemanticException {message}")
    return tuple(spec.values[key] for key in keys)


def drop(services: Services, request: Request, statement: model.DropPartitions) -> list[str]:
    """Forget partitions; part of the keys means all partitions that have these values."""
    definition = require_table(services, request, statement.table)
    keys = _keys(definition)
    database, table = definition["DatabaseName"], definition["Name"]
    known = services.catalog.partitions(database, table)
    gone: list[tuple[str, ...]] = []
    for spec in statement.partitions:
        wanted = {keys.index(key): value for key, value in spec.values.items() if key in keys}
        found = [p.values for p in known if all(p.values[i] == v for i, v in wanted.items())]
        if len(wanted) != len(spec.values) or (not found and not statement.if_exists):
            message = f"Partition not found {spec.values}"
            raise QueryError("FAILED", f"SemanticException [Error 10006]: {message}")
        gone += found
    for first in range(0, len(gone), 25):
        entries = [{"Values": list(values)} for values in gone[first : first + 25]]
        services.catalog.call(
            "BatchDeletePartition",
            DatabaseName=database,
            TableName=table,
            PartitionsToDelete=entries,
        )
    return []
