"""Addresses that no queue can have."""

from __future__ import annotations

import pytest

from camembias.errors import BrokerError
from explain_worker import broker


@pytest.mark.parametrize(
    ("url", "shown", "why"),
    [
        ("http://x", "http://x", "No such transport"),
        ("redis://localhost:99999", "redis://localhost:99999", "Port"),
        ("redis://:se@cret@localhost:port/0", r"redis://\*\*@localhost:port/0", "%2F"),
        ("redis://:se/cret@localhost:6379/0", r"redis://\*\*@localhost:6379/0", "%2F"),
        ("redis://:se#cret@localhost:port/0", r"redis://\*\*@localhost:port/0", "%2F"),
        ("redis://[::1", r"redis://\[::1", "IPv6"),
    ],
)
def test_an_address_that_is_none_is_one_line_without_the_password(url: str, shown: str, why: str) -> None:
    with pytest.raises(
        BrokerError, match=f"^'{shown}' is no address of a queue \\(.*{why}.*\\); write redis://"
    ) as told:
        broker.check(url)
    assert "cret" not in str(told.value)
