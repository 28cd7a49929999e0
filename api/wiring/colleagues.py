"""Who the people at calls are: their teams, and the numbers they show."""

from api.settings.tree import Settings
from api.wiring.cluster import Cluster
from api.wiring.ground import Ground


class Colleagues:
    """Those of all nodes."""

    def __init__(self, settings: Settings, ground: Ground, cluster: Cluster) -> None:
        self._numbers = settings.dialing.caller_numbers
        self._people, self._sessions, self._nodes = ground.store.people, ground.identity.sessions, cluster.nodes

    async def exists(self, identity: str) -> bool:
        return await self._people.user(identity) is not None

    def teams_of(self, identity: str) -> frozenset[str]:
        """Also of who is at another node."""
        return self._sessions.teams_of(identity) or frozenset(self._nodes.attendance.person(identity).teams)

    def sees(self, who: str, other: str) -> bool:
        """May one pick up what the other parked?"""
        teams, others = (self._sessions.teams_of(identity) for identity in (who, other))
        return not teams or not others or bool(teams & others)

    def caller_number(self, who: str) -> str:
        """What calls on this account show."""
        team = next((team for team in sorted(self._sessions.teams_of(who)) if team in self._numbers), "*")
        return self._numbers.get(team, "")

    def on_break(self, who: str, reason: str) -> None:
        self._nodes.wish(who, available=False, reason=reason, away=False)

    def undisturbed(self, who: str, takes: bool) -> None:
        self._nodes.wish(who, available=takes, reason="" if takes else "do not disturb", away=False)
