"""The soak test (`make soak`) for 20 seconds, with the same clients and faults."""

from __future__ import annotations

import pytest

from tests.soak.__main__ import soak
from tests.soak.faults import unreliable
from tests.support.stub_endpoint import endpoint_process


@pytest.mark.enable_socket
async def test_every_run_ends_and_no_process_or_file_is_left_open():
    with endpoint_process(unreliable) as url:
        rows = await soak(url, seconds=20, concurrency=6, seed=7)
    table = {row.what: row.figure for row in rows}
    (runs,) = [row for row in rows if row.what.endswith("at a time")]
    assert int(runs.what.split()[0]) > 5
    assert runs.figure == "0 unexpected ends"
    assert table["processes left over at the end"] == "0"
    assert any(what.startswith("live: ") for what in table)
    # A library first used after the start level was measured may keep a few files open; a leak would keep more.
    before, after = map(int, table["open files at rest"].split(" -> "))
    assert after <= before + 4
