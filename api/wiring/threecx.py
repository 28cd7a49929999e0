"""The PBX of 3CX beside the lines: what it shows and what is asked of it."""

from contextlib import AsyncExitStack

from api.settings.tree import Settings
from api.threecx import ThreeCx
from api.wiring.ground import Ground
from api.wiring.start_failure import StartFailure
from pbx.threecx.sound_line import SoundLine


async def open_threecx(stack: AsyncExitStack, settings: Settings, ground: Ground, sound: SoundLine | None) -> ThreeCx | None:
    work = settings.threecx_work()
    if work is None:
        return None
    try:
        threecx = await stack.enter_async_context(ThreeCx(work, ground.store, ground.audit, line=sound))
    except OSError as error:
        raise StartFailure(f"The certificates of threecx.ca_file cannot be read: {error}.") from None
    ground.metrics.watch_threecx(lambda: threecx.counts, lambda: threecx.gauges)
    return threecx
