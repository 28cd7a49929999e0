"""Which make and model of headset an agent speaks into, of what browsers call microphones, and never whose it is.

A label is what a system made of a device's name: ``Default - Headset Microphone (Jabra EVOLVE 20 MS) (0b0e:0300)``, ``Micrófono (2-
Plantronics C3220 M)``, ``Ana's AirPods Pro``. People give devices their own names, so nothing is kept because it is not known to be bad:
what is kept are words of the lists below and the short numbers of models behind them, or the vendor and product numbers that each USB
device has (USB 2.0, table 9-8), which are those of its model.
"""

import re
from collections.abc import Sequence

MOST_LETTERS = 48
"""Of what is kept."""
BUILT_IN, BLUETOOTH, OTHER = "built in", "Bluetooth", "other"

_MAKES = {
    make.lower(): make
    for make in (
        *("Jabra", "Plantronics", "Poly", "Logitech", "Logi", "Sennheiser", "EPOS", "Yealink", "Snom", "Cisco", "Avaya"),
        *("Grandstream", "Corsair", "HyperX", "Razer", "SteelSeries", "Bose", "Sony", "JBL", "Beats", "Soundcore"),
        *("Anker", "Philips", "Xiaomi", "Huawei", "Microsoft", "Dell", "Lenovo", "Creative", "RODE", "Shure"),
        *("Beyerdynamic", "AKG", "Behringer", "Focusrite", "Trust", "Axtel", "VXi", "BlueParrott", "Samsung", "AirPods"),
        *("Galaxy", "Blackwire", "Voyager", "Evolve", "Evolve2", "Engage", "LifeChat", "Zone", "Yeti", "Snowball"),
        *("QuietComfort", "Soundlink"),
    )
}
"""Words at which a model's name begins, as they are written."""
_MODELS = frozenset(
    (
        *("evolve", "evolve2", "engage", "engage2", "biz", "speak", "elite", "link", "pro", "active", "perform"),
        *("blackwire", "voyager", "savi", "calisto", "encorepro", "focus", "studio", "sync", "legend", "surround"),
        *("zone", "wireless", "wired", "vibe", "usb", "headset", "lifechat", "modern", "impact", "adapt", "expand"),
        *("century", "culture", "void", "virtuoso", "cloud", "stinger", "kraken", "barracuda", "blackshark", "arctis"),
        *("quietcomfort", "ultra", "soundlink", "flex", "buds", "live", "airpods", "galaxy", "tune", "quantum", "solo"),
        *("fit", "life", "tilt", "webcam", "brio", "yeti", "snowball", "nano", "series", "mono", "stereo", "duo", "ms"),
        *("uc", "se", "nc", "te", "iii", "ii", "fe"),
    )
)
"""Words that go on with one."""
_NUMBER = re.compile(r"(?=.*\d)(?:[A-Z]{1,2}-?)?\d{1,4}(?:[A-Z]{1,2}\d?)?[+]?")
"""Of a model, as 65, H390, C3220, WH-1000XM4: no word of more than two letters, no telephone number."""
_USB = re.compile(r"\(([0-9a-f]{4}):([0-9a-f]{4})\)", re.IGNORECASE)
_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*[+]?")
_INSIDE = re.compile(
    r"\b(built-?in|internal|integrad[ao]|intern[ao]|incorporad[ao]|macbook|imac|realtek|conexant|intel|amd|array|analog|analógico|hda)\b",
    re.IGNORECASE,
)
_VENDORS = {
    "0b0e": "Jabra", "047f": "Plantronics", "046d": "Logitech", "1395": "Sennheiser", "6993": "Yealink", "1b1c": "Corsair",
    "1532": "Razer", "1038": "SteelSeries", "05a7": "Bose", "054c": "Sony", "045e": "Microsoft", "413c": "Dell", "17ef": "Lenovo",
    "041e": "Creative", "19f7": "RODE", "14ed": "Shure", "04e8": "Samsung",
}  # fmt: skip
"""By the vendor numbers that the USB-IF gave them."""


def headset_model(label: str) -> str:
    """``Jabra EVOLVE 20 MS``; ``Jabra 0b0e:0300`` where the name is somebody's own; ``built in``, ``Bluetooth``, ``other``; or empty."""
    if not label.strip():
        return ""
    named, usb = _named(_WORD.findall(label)), _USB.search(label)
    if len(named) > 1 or (named and usb is None):
        return " ".join(named)[:MOST_LETTERS].rstrip()
    if usb is not None:
        number = f"{usb[1]}:{usb[2]}".lower()
        return f"{named[0] if named else _VENDORS.get(usb[1].lower(), 'USB')} {number}"
    if _INSIDE.search(label):
        return BUILT_IN
    return BLUETOOTH if re.search(r"\bbluetooth\b", label, re.IGNORECASE) else OTHER


def _named(words: Sequence[str]) -> list[str]:
    """The make and what follows it, as far as each word is known."""
    begin = next((at for at, word in enumerate(words) if word.lower() in _MAKES), None)
    if begin is None:
        return []
    found = [_MAKES[words[begin].lower()]]
    for word in words[begin + 1 :]:
        if word.lower() not in _MODELS and word.lower() not in _MAKES and not _NUMBER.fullmatch(word):
            break
        found.append(word)
    return found
