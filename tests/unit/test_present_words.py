from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bookreport.present import words


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        ("0", "0.00"),
        ("7", "7.00"),
        ("7.5", "7.50"),
        ("7.500000", "7.50"),
        ("0.125", "0.125"),
        ("1E+3", "1000.00"),
        ("1E-7", "0.0000001"),
        ("100", "100.00"),
        ("123456789012345678901234567890.123456789", "123456789012345678901234567890.123456789"),
    ],
)
def test_money_has_two_decimals_and_more_only_where_there_are_more(amount: str, text: str) -> None:
    assert words.money(Decimal(amount)) == text


@given(st.decimals(min_value=0, max_value=10**12, places=6))
def test_money_is_never_rounded(amount: Decimal) -> None:
    text = words.money(amount)
    assert Decimal(text) == amount
    assert len(text.partition(".")[2]) >= 2
