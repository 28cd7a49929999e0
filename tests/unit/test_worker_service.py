"""A worker's words to a hub that does not read: what gives way, and what never does. No process is needed for that."""

import asyncio
import socket
from pathlib import Path

from media import messages as msg
from media.control_link import ControlLink
from media.control_messages import Begin, Told, decode_from_worker, decode_to_worker, encode
from media.recording.recordings import RecordingSettings
from media.settings import MediaSettings
from media.worker_service import WorkerService


async def test_where_the_hub_does_not_read_only_samples_give_way_and_the_newest_of_each_room_stays() -> None:
    ours, theirs = socket.socketpair()
    service = WorkerService(theirs)
    digits = [msg.DigitHeard(leg_id=f"leg{n}", digit="5") for n in range(8_000)]
    for event in digits:
        service._told(event)
    for loss in (0.1, 0.2, 0.3):
        for room_id in ("a", "b"):
            service._told(msg.QualitySampled(room_id=room_id, legs=(sample(loss),)))
    service._told(msg.LegSilent(leg_id="last", silent_s=3.0))
    heard: list[msg.AnyMediaEvent] = []
    complete = asyncio.Event()

    def received(message: bytes, _: object) -> None:
        word = decode_from_worker(message)
        assert isinstance(word, Told)
        heard.append(word.event)
        if len(heard) == len(digits) + 3:
            complete.set()

    link = ControlLink(ours, received, lambda why: None)
    await asyncio.wait_for(complete.wait(), 30)
    samples = [event for event in heard if isinstance(event, msg.QualitySampled)]
    assert heard[: len(digits)] == digits
    assert heard[len(digits)] == msg.LegSilent(leg_id="last", silent_s=3.0)
    assert [(event.room_id, event.legs[0].loss) for event in samples] == [("a", 0.3), ("b", 0.3)]
    assert service.samples_dropped == 4
    link.close()
    await asyncio.wait_for(service.run(), 30)


def test_settings_arrive_as_they_are() -> None:
    settings = MediaSettings(
        hosts=("127.0.0.1", "::1"),
        codec_policy=("g722", "pcma"),
        capture=Path("/somewhere"),
        recording=RecordingSettings(Path("/else"), (bytes(range(32)),), most_records=9),
    )
    for told in (settings, MediaSettings()):
        begin = Begin(seat=3, settings=told, count_every_s=0.5)
        assert decode_to_worker(encode(begin)) == begin


def sample(loss: float) -> msg.LegSample:
    return msg.LegSample(
        leg_id="a", packets=50, loss=loss, jitter_ms=1.0, round_trip_ms=None, discarded=0, concealed_ms=0.0,
        level_dbfs=None, r=None, mos=None, scale="", cause="loss", codec="pcma",
    )  # fmt: skip
