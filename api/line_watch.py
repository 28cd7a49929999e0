"""When somebody has to be told that a telephone line went down, or is up again."""

from pbx.trunk import StatusChanged


class LineWatch:
    """A line that is only not up yet is no news; one that was up, or that nobody but a person can bring up, is."""

    def __init__(self) -> None:
        self._up: dict[str, bool] = {}

    def is_news(self, event: StatusChanged) -> bool:
        was, up = self._up.get(event.trunk), event.status.ready
        if was is None and not up and not event.status.stuck:
            return False
        self._up[event.trunk] = up
        return not up if was is None else was != up
