"""`[limits]`: how much REST one caller may use."""

from api.rest_limits import PER_HOUR, Rates, RestLimitSettings, rates_of_roles
from api.settings.section import Section
from api.settings.values import Networks, Quota
from signaling.addresses import networks
from signaling.grants import Role


class LimitsSection(Section):
    """How much REST one caller may use."""

    deny_from: Networks = ()
    """Networks from which nobody may come."""
    allow_from: Networks = ("127.0.0.0/8", "::1/128")
    """Networks that may come all the same, and whose requests are not counted by address."""
    public_per_hour: Quota = 100
    """Of one address, for what needs no sign-in."""
    customer_per_hour: Quota = PER_HOUR[Role.CUSTOMER]
    agent_per_hour: Quota = PER_HOUR[Role.AGENT]
    professional_per_hour: Quota = PER_HOUR[Role.PROFESSIONAL]
    supervisor_per_hour: Quota = PER_HOUR[Role.SUPERVISOR]
    service_per_hour: Quota = PER_HOUR[Role.SERVICE]
    admin_per_hour: Quota = PER_HOUR[Role.ADMIN]
    person_per_minute: Quota = 60
    person_at_once: Quota = 30
    service_per_minute: Quota = 600
    """Of one program, such as a PBX that asks who calls. Its network counts too: name that in ``allow_from`` where many call at once."""
    service_at_once: Quota = 100
    address_per_hour: Quota = 2_000
    address_per_minute: Quota = 100
    address_at_once: Quota = 20

    def rest_limits(self) -> RestLimitSettings:
        """How much REST a caller may use."""
        by_role = {role: getattr(self, f"{role}_per_hour") for role in PER_HOUR}
        return RestLimitSettings(
            public=Rates(self.public_per_hour),
            address=Rates(self.address_per_hour, self.address_per_minute, self.address_at_once),
            person=rates_of_roles(
                by_role,
                Rates(0, self.person_per_minute, self.person_at_once),
                Rates(0, self.service_per_minute, self.service_at_once),
            ),
            allow=networks(self.allow_from),
            deny=networks(self.deny_from),
        )
