"""What is the exchange's stands in one place."""

import re
from pathlib import Path

import pytest

from b3pipeline.exchange import B3

PACKAGE = Path(__file__).parents[2] / "src" / "b3pipeline"


@pytest.mark.parametrize("fact", ["America/Sao_Paulo", '"BVMF"', r'"\.SA"', r'"BRL"'])
def test_a_fact_of_the_exchange_is_spelt_out_once(fact):
    """Whoever takes another exchange changes one module, and nothing is left behind."""
    found = [path.name for path in PACKAGE.rglob("*.py") if re.search(fact, path.read_text())]
    assert found == ["exchange.py"]


def test_the_decimals_of_a_price_follow_from_the_tick():
    """A cent has two of them."""
    assert B3.tick_decimals == 2


@pytest.mark.parametrize(
    ("code", "is_one"), [("PETR4", True), ("KLBN11", True), ("PETR", False), ("PETR4.SA", False)]
)
def test_a_code_of_the_exchange_is_known_by_its_shape(code, is_one):
    """Four characters, one or two digits; a suffix belongs to a source."""
    assert bool(B3.ticker.fullmatch(code)) is is_one
