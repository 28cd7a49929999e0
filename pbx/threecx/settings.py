"""What is known of a 3CX before anything is asked of it."""

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True)
class ThreeCxSettings:
    """``bases``: addresses of one PBX (``https://pbx.example:5001``), the preferred one first. ``client_id`` is also the number of the API
    client's route point. ``ca_file``: whom to trust beside the system's own; ``verify`` False trusts anybody. Times in seconds."""

    bases: tuple[str, ...]
    client_id: str
    secret: str = field(repr=False)
    verify: bool = True
    ca_file: Path | None = None
    connections: int = 100
    connect_s: float = 5.0
    ask_s: float = 10.0
    route_s: float = 100.0
    """``routeto`` answers when somebody took the call or nobody did: at least 90 s."""
    report_s: float = 60.0
    ping_s: float = 10.0
    snapshot_s: float = 45.0
    first_retry_s: float = 1.0
    longest_retry_s: float = 60.0
