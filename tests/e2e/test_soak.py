"""The soak (`make soak`), cut short: the same clients and the same faults for some seconds."""

from __future__ import annotations

import pytest

from tests.soak.__main__ import soak
from tests.soak.faults import unreliable
from tests.support.stub_endpoint import endpoint_apart


@pytest.mark.integration
@pytest.mark.enable_socket
async def test_whatever_breaks_every_run_ends_and_nothing_is_left_over():
    with endpoint_apart(unreliable) as url:
        rows = await soak(url, seconds=20, at_once=6, seed=7)
    table = {row.what: row.figure for row in rows}
    (runs,) = [row for row in rows if row.what.endswith("at a time")]
    assert int(runs.what.split()[0]) > 5
    assert runs.figure == "0 strange ends"
    assert table["processes left over at the end"] == "0"
    assert any(what.startswith("live: ") for what in table)
    # Libraries that are first used after the start level was taken may keep a file or two open, a leak would keep more.
    before, after = map(int, table["open files at rest"].split(" -> "))
    assert after <= before + 4
