"""How long call control waits for what, and how much it takes on."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CallPolicy:
    """Times in seconds.

    ``agent_media_s``: from accept (or the phone's answer) until the agent's audio must be up. ``agent_media_patience_s``: after that long
    the other side hears that something goes on, instead of silence. ``reload_s``: how long a lost agent's leg stays anchored for a page
    that reloads. ``ring_reload_s``: the same for an agent who is only being rung.
    """

    no_answer_s: float = 60.0
    ring_s: float = 45.0
    agent_media_s: float = 10.0
    agent_media_patience_s: float = 2.0
    reload_s: float = 60.0
    ring_reload_s: float = 10.0
    max_calls: int = 1000
    max_ringing_agents: int = 32
    max_digits: int = 32
    remembered_ends: int = 256
