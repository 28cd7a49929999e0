"""Both packet paths: a test that takes ``wire`` runs once over each of them."""

from collections.abc import AsyncIterator
from typing import cast

import pytest

from media.receive_stats import ReceiveStats
from media.recording.records import Records
from media.sender import RtpSender
from media.wire import Wire, _wire, make_wire
from media.wire.compiled import CompiledReceiveStats, CompiledRecords

SENDERS = [RtpSender, cast(type[RtpSender], _wire.RtpSender)]
RECORDS = [Records, cast(type[Records], CompiledRecords)]
RECEIVE_STATS = [ReceiveStats, cast(type[ReceiveStats], CompiledReceiveStats)]


@pytest.fixture(params=["python", "c"])
async def wire(request: pytest.FixtureRequest) -> AsyncIterator[Wire]:
    async with make_wire(request.param) as wire:
        yield wire
