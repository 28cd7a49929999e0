"""How appointments are handled, as the server's settings say."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class AppointmentSettings:
    """``region``: the country of numbers without one. ``reminders_s``: so long before an appointment its customer is reminded.

    ``grace_s``: who did not come within it after the beginning is a no-show. ``most_per_customer``: that are to come, of one customer by
    the open page. ``site``: where pages are, without a slash at its end. ``company``: who writes.
    """

    region: str
    site: str
    company: str = "Centralita"
    reminders_s: tuple[float, ...] = (86_400.0, 3_600.0)
    grace_s: float = 900.0
    most_per_customer: int = 3
