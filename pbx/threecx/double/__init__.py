"""An emulator of a 3CX v20 PBX, honest about itself: each of its behaviours is named, and marked as confirmed or assumed."""

from pbx.threecx.double.directory import Device, Directory, Dn, DnType, Principal, Reaction, Refusing, demo_directory
from pbx.threecx.double.manners import BEHAVIOURS, Basis, Behaviour, Manners, UnknownManner
from pbx.threecx.double.server import Double

__all__ = [
    "BEHAVIOURS",
    "Basis",
    "Behaviour",
    "Device",
    "Directory",
    "Dn",
    "DnType",
    "Double",
    "Manners",
    "Principal",
    "Reaction",
    "Refusing",
    "UnknownManner",
    "demo_directory",
]
