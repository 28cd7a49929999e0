"""`[demo]`: what a server brings along to be tried."""

from api.settings.section import Section


class DemoSection(Section):
    enabled: bool = False
    """The demo line (600 echo, 601 speech, ...) and the demo agent."""
    plan: bool = True
    """Begin with a small plan of the contact centre where there is none yet."""
    travel: bool = True
    """Begin with tours, customers, their bookings, tickets and answers, and articles, where there are none yet."""
