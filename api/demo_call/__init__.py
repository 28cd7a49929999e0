"""``centralita demo-call``: a real browser and a real SIP phone talk through a real server, and what each heard is scored."""

from api.demo_call.command import demo_call

__all__ = ["demo_call"]
