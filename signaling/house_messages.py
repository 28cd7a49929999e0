"""What the house tells its people on their desks."""

from signaling.message_bases import Notice


class HouseTold(Notice, frozen=True, tag="house.told"):
    """A word for the person at the desk, from a rule of the house. ``id``: told twice it is shown once. ``call_id``: of the call that it is
    about, or empty."""

    id: str
    text: str
    at: float
    rule: str = ""
    call_id: str = ""
