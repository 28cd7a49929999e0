"""What a demo call is to do."""

from dataclasses import dataclass
from pathlib import Path

CODECS = ("opus", "g722", "pcma", "pcmu")
HOPS = ("browser", "phone")


@dataclass(frozen=True, slots=True)
class Plan:
    """``loss``: fraction of RTP packets lost on the hop ``loss_on``, towards the server, in bursts of ``burst`` packets on average.

    ``repeat``: calls in each direction. ``reload``: one more call, in whose middle the agent's page is reloaded. ``keep``: folder for
    every recording, log and packet; else they are thrown away.
    """

    browser_codec: str = "g722"
    phone_codec: str = "g722"
    loss: float = 0.0
    burst: float = 2.0
    loss_on: str = "browser"
    seed: int = 2
    concealment: bool = True
    repeat: int = 5
    reload: bool = False
    keep: Path | None = None

    def __post_init__(self) -> None:
        for name, value, known in (
            ("--browser-codec", self.browser_codec, CODECS),
            ("--phone-codec", self.phone_codec, CODECS),
            ("--loss-on", self.loss_on, HOPS),
        ):
            if value not in known:
                raise ValueError(f"{name} is one of {', '.join(known)}, not {value!r}")
        if not 0 <= self.loss < 0.5:
            raise ValueError(f"--loss is a fraction from 0 to below 0.5, not {self.loss}: two per cent are 0.02")
        if self.burst < 1:
            raise ValueError(f"--burst is a mean length in packets, 1 or more, not {self.burst}")
        if not 1 <= self.repeat <= 100:
            raise ValueError(f"--repeat is 1 to 100, not {self.repeat}")

    @property
    def transcoding(self) -> bool:
        return self.browser_codec != self.phone_codec

    @property
    def case(self) -> str:
        """The run in words, as the first column of its results."""
        words = f"{self.browser_codec} at the browser, {self.phone_codec} at the phone"
        if self.loss:
            words += f", {self.loss:.1%} lost on the {self.loss_on}'s hop in bursts of {self.burst:g}"
        return words if self.concealment else words + ", without concealment"
