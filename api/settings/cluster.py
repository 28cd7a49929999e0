"""`[cluster]`: several nodes as one."""

from typing import Annotated, Self

from pydantic import Field, SecretStr, model_validator

from api.settings.section import Section


class ClusterSection(Section):
    """Several nodes as one, by a Redis (7 or later) and one PostgreSQL. All have the same ``security.secret``."""

    redis_url: SecretStr = SecretStr("")
    """``redis://host:6379/0``, or ``rediss:`` for TLS; empty: this node is the only one."""
    node: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,23}$")] = "node-1"
    """This node's name, another one on each: it stands in the ids of its calls."""
    prefix: Annotated[str, Field(pattern=r"^[a-z0-9-]{1,32}$")] = "centralita"
    """Of every key and channel in Redis, the same on all nodes."""

    @model_validator(mode="after")
    def _is_redis(self) -> Self:
        if not self.redis_url.get_secret_value().startswith(("redis://", "rediss://", "unix://")) and self.redis_url.get_secret_value():
            raise ValueError("redis_url begins with redis:// (or rediss:// for TLS, unix:// for a socket)")
        return self
