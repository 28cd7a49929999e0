"""`[sip]`: the telephone systems that calls come from and go to."""

from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from api.settings.failover import FailoverSection
from api.settings.line import LineName, LineSection, TrunkSection
from pbx.pjsua2_trunk import check_fit
from pbx.trunk_health import FailoverSettings


class SipSection(LineSection):
    """The line to one PBX; or, in ``trunks``, to several by their names: what stands here then holds for each that does not say else."""

    enabled: bool = False
    agent: Literal["built-in", "pjsua2"] = "built-in"
    """What speaks SIP. pjsua2 needs ``pip install centralita[pjsua2]``, and carries one line without TLS and encrypted audio."""
    name: LineName = "pbx"
    ring_s: Annotated[float, Field(gt=0, le=600)] = 60.0
    trunks: dict[LineName, TrunkSection] = Field(default_factory=dict)
    failover: FailoverSection = FailoverSection()

    @model_validator(mode="before")
    @classmethod
    def _hand_down(cls, values: Any) -> Any:
        """Give each trunk what is said for all."""
        trunks = values.get("trunks") if isinstance(values, Mapping) else None
        if not isinstance(trunks, Mapping):
            return values
        shared = {name: value for name, value in values.items() if name in LineSection.model_fields}
        return {**values, "trunks": {name: {**shared, **own} if isinstance(own, Mapping) else own for name, own in trunks.items()}}

    @model_validator(mode="after")
    def _whole_lines(self) -> Self:
        for name, line in self.lines.items() if self.enabled else ():
            if missing := line.missing:
                whose = f"the line {name}" if self.trunks else "the line"
                raise ValueError(f"{whose} is enabled but {' and '.join(missing)} {'is' if len(missing) == 1 else 'are'} not set")
        if {self.name, "demo"} & set(self.trunks):
            raise ValueError(f"a trunk is named like the whole ({self.name}) or like the demo line: give it another name")
        return self

    @model_validator(mode="after")
    def _fits_agent(self) -> Self:
        if self.agent == "pjsua2":
            if self.trunks:
                raise ValueError("pjsua2 carries one line: take out trunks, or choose the built-in agent")
            check_fit(self.transport, self.srtp, registrar=self.mode == "registrar")
        return self

    @model_validator(mode="after")
    def _sockets_apart(self) -> Self:
        sockets = [(line.transport, line.listen_port) for line in self.lines.values() if line.listen_port]
        if len(set(sockets)) < len(sockets):
            raise ValueError("several trunks have one listen_port: give each its own, or 0")
        return self

    @property
    def lines(self) -> Mapping[str, LineSection]:
        """Every PBX by its name, each whole."""
        return self.trunks or {self.name: self}

    def failover_settings(self) -> FailoverSettings:
        failover = self.failover
        return FailoverSettings(failover.silent_s, failover.rest_s, failover.longest_rest_s, failover.step_s, failover.steady_s)
