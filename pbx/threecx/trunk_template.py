"""The template by which a 3CX makes a trunk to us (``*.pv.xml``): for administrators who upload it, and for XAPI.

Field names are those of 3CX's provider templates. Re-INVITE and Replaces are off and audio goes through the PBX, as 3CX recommends for
trunks. Which part of a request carries which number is what 3CX calls its default; the caller's own number goes into From, so that who is
shown here is who calls. Nobody has seen this beside a real PBX yet.
"""

from dataclasses import dataclass
from xml.etree import ElementTree

FILE_NAME = "centralita.pv.xml"
CODECS = ("pcma", "pcmu", "g722")
_IN = {"CalledNum": "$ToUserPart", "CallerNum": "$FromUserPart", "CallerName": "$FromDisplayName"}
_OUT = {
    "RequestLineURIUserPart": "$CalledNum",
    "RequestLineURIHostPart": "$GWHostPort",
    "ContactUserPart": "$AuthID",
    "ContactHostPart": "$ContactUri",
    "ToUserPart": "$CalledNum",
    "ToHostPart": "$GWHostPort",
    "FromDisplayName": "$CallerDispName",
    "FromUserPart": "$OriginatorCallerId",
    "FromHostPart": "$GWHostPort",
}


@dataclass(frozen=True, slots=True)
class TrunkPlan:
    """``host`` and ``port``: where we are, as the PBX reaches us. ``registers``: it registers to us, by ``auth_id`` and ``password``."""

    host: str
    port: int
    auth_id: str
    password: str
    name: str = "Centralita"
    registers: bool = True
    calls: int = 10


def template(plan: TrunkPlan) -> str:
    """The XML of a template with this address filled in; it holds no password."""
    doc = ElementTree.Element("doc")
    header = ElementTree.SubElement(doc, "header")
    for name, text in (("type", "gateway-template"), ("version", "1"), ("name", plan.name)):
        ElementTree.SubElement(header, name).text = text
    device = ElementTree.SubElement(ElementTree.SubElement(doc, "data"), "device")
    fields = {
        "Type": "provider",
        "Name": plan.name,
        "RegistrarHost": plan.host,
        "RegistrarPort": str(plan.port),
        "ProxyHost": plan.host,
        "ProxyPort": str(plan.port),
        "SecondaryRegistrar": "",
        "IPRestriction": "Any",
        "TransportRestriction": "UDP",
        "RequireAuthFor": "InOutCalls" if plan.registers else "Nothing",
        "IpInContactReg": "External",
        "TimeBetweenRegistration": "120",
        "IsSupportReinvite": "0",
        "IsSupportReplaces": "0",
        "DisableVideo": "1",
        "SRTPMode": "SRTPDisabled",
        "IsBindToMS": "1",
    }
    for name, value in fields.items():
        ElementTree.SubElement(device, "field", name=name).text = value
    codecs = ElementTree.SubElement(device, "codecs")
    for codec in CODECS:
        ElementTree.SubElement(codecs, "codec", rfcname=codec)
    for kind, parameters in (("ParameterIn", _IN), ("ParameterOut", _OUT)):
        for name, variable in parameters.items():
            ElementTree.SubElement(device, "field", name=kind, parameter=name, custom="").text = variable
    ElementTree.indent(doc)
    return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(doc, encoding="unicode") + "\n"


def template_row(plan: TrunkPlan) -> dict[str, object]:
    """The template as XAPI takes it (``POST /TrunkTemplates``)."""
    return {
        "Id": FILE_NAME,
        "Name": plan.name,
        "Description": "",
        "AddAllowed": True,
        "Content": template(plan),
        "Countries": [],
        "DefaultRegistrarPort": plan.port,
        "DefaultProxyPort": plan.port,
        "Editors": [],
        "Tags": [],
        "TemplateType": "Master",
        "Url": "",
    }


def trunk_row(blank: dict[str, object], plan: TrunkPlan) -> dict[str, object]:
    """What ``InitTrunk`` gave, filled in."""
    gateway = blank.get("Gateway")
    row = {name: value for name, value in blank.items() if not name.startswith("@odata.") and name != "Id"}
    return row | {
        "AuthID": plan.auth_id,
        "AuthPassword": {"Value": plan.password},
        "SimultaneousCalls": plan.calls,
        "EnableInboundCalls": True,
        "EnableOutboundCalls": True,
        "TransportRestriction": "UDP",
        "DiversionHeader": True,
        "Gateway": (gateway if isinstance(gateway, dict) else {})
        | {
            "Name": plan.name,
            "Host": plan.host,
            "Port": plan.port,
            "ProxyHost": plan.host,
            "ProxyPort": plan.port,
            "RequireRegistrationFor": "InOutCalls" if plan.registers else "Nothing",
            "SupportReinvite": False,
            "SupportReplaces": False,
            "DeliverAudio": True,
            "SRTPMode": "SRTPDisabled",
        },
    }
