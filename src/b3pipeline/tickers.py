"""The shares that the course speaks of: twenty of the Ibovespa, with their line of business."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Sector = Literal["oil", "metals", "pulp", "banks", "utilities", "other"]


@dataclass(frozen=True)
class Share:
    """One share: the company, in its own short form, and its line of business."""

    company: str
    sector: Sector


TICKERS = {
    "ABEV3": Share("Ambev", "other"),
    "B3SA3": Share("B3", "other"),
    "BBAS3": Share("Banco do Brasil", "banks"),
    "BBDC4": Share("Bradesco", "banks"),
    "CMIG4": Share("Cemig", "utilities"),
    "CSNA3": Share("CSN", "metals"),
    "EQTL3": Share("Equatorial", "utilities"),
    "GGBR4": Share("Gerdau", "metals"),
    "HAPV3": Share("Hapvida", "other"),
    "ITUB4": Share("Itaú Unibanco", "banks"),
    "KLBN11": Share("Klabin", "pulp"),
    "MGLU3": Share("Magazine Luiza", "other"),
    "PETR4": Share("Petrobras", "oil"),
    "PRIO3": Share("PRIO", "oil"),
    "RADL3": Share("RD Saúde", "other"),
    "RENT3": Share("Localiza", "other"),
    "SBSP3": Share("Sabesp", "utilities"),
    "SUZB3": Share("Suzano", "pulp"),
    "VALE3": Share("Vale", "metals"),
    "WEGE3": Share("WEG", "other"),
}
"""Each by its code on the exchange."""
