"""Report descriptors of HID devices as WebHID shows them to pages: bytes in, collections out (HID 1.11, section 6.2.2)."""

from typing import Any

_INPUT, _OUTPUT, _FEATURE, _COLLECTION, _END = 0x80, 0x90, 0xB0, 0xA0, 0xC0
_KINDS = {_INPUT: "inputReports", _OUTPUT: "outputReports", _FEATURE: "featureReports"}
_GLOBAL = {0x04: "page", 0x14: "logicalMinimum", 0x24: "logicalMaximum", 0x74: "reportSize", 0x84: "reportId", 0x94: "reportCount"}


def collections_of(descriptor: bytes) -> list[dict[str, Any]]:
    """``HIDDevice.collections`` of a device with this descriptor; short items only, which is all that headsets have."""
    root: dict[str, Any] = {"children": []}
    stack = [root]
    state = {"page": 0, "logicalMinimum": 0, "logicalMaximum": 0, "reportSize": 0, "reportId": 0, "reportCount": 0}
    usages: list[int] = []
    bounds: dict[str, int] = {}
    at = 0
    while at < len(descriptor):
        head = descriptor[at]
        size = (0, 1, 2, 4)[head & 3]
        data = descriptor[at + 1 : at + 1 + size]
        value = int.from_bytes(data, "little", signed=head & 0xFC in (0x14, 0x24))
        at += 1 + size
        tag = head & 0xFC
        whole = value if size == 4 else state["page"] << 16 | value
        if tag in _GLOBAL:
            state[_GLOBAL[tag]] = value
        elif tag == 0x08:
            usages.append(whole)
        elif tag in (0x18, 0x28):
            bounds["usageMinimum" if tag == 0x18 else "usageMaximum"] = whole
        elif tag == _COLLECTION:
            made = {"usagePage": state["page"], "usage": usages[-1] & 0xFFFF if usages else 0, "children": []}
            made |= {kind: [] for kind in _KINDS.values()}
            stack[-1]["children"].append(made)
            stack.append(made)
        elif tag == _END:
            stack.pop()
        elif tag in _KINDS:
            _add(stack[-1][_KINDS[tag]], state, usages, bounds, value)
        if tag in (_COLLECTION, *_KINDS):
            usages, bounds = [], {}
    collections: list[dict[str, Any]] = root["children"]
    return collections


def _add(reports: list[dict[str, Any]], state: dict[str, int], usages: list[int], bounds: dict[str, int], flags: int) -> None:
    report = next((known for known in reports if known["reportId"] == state["reportId"]), None)
    if report is None:
        reports.append(report := {"reportId": state["reportId"], "items": []})
    item = {name: state[name] for name in ("logicalMinimum", "logicalMaximum", "reportSize", "reportCount")}
    flagged = {"isConstant": bool(flags & 1), "isArray": not flags & 2, "isAbsolute": not flags & 4, "isRange": bool(bounds)}
    report["items"].append({**item, **flagged, "usages": list(usages), **bounds})
