"""How much harm it does when something gets out, and who says how long it is kept."""

from enum import StrEnum


class DataClass(StrEnum):
    PUBLIC = "public"
    """Of no customer."""
    INTERNAL = "internal"
    """Tells of somebody only together with others."""
    SENSITIVE = "sensitive"
    """Names, numbers, what was said."""
    REGULATED = "regulated"
    """A law says that it is kept, and for how long: books, and proofs of what somebody agreed to."""
