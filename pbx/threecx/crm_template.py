"""The server-side CRM template that an administrator uploads to 3CX, with this server's address and a key filled in.

The PBX reads it and from then on asks us who is calling, lets its users search and create contacts here, and reports each call and chat
that is over (``api/pbx_context_routes.py`` answers). Elements and enumerations are spelled as the PBX's parser wants them, numbers travel
in JSON bodies (in an address a plus sign would arrive as a blank), and only dates are expanded twice: free text has brackets of its own.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from xml.etree import ElementTree as xml

MAX_CONCURRENT = 4
_GROUP = "General Configuration"
_UTC = 'ToString("yyyy-MM-ddTHH:mm:ssZ")'
_HIT = {"HUrl": "url", "HFirst": "first", "HLast": "last", "HCompany": "company", "HEmail": "email", "HPhone": "matched", "HId": "id"}
_OUTPUTS = (
    ("ContactUrl", "[HUrl]"),
    ("FirstName", "[HFirst]"),
    ("LastName", "[HLast]"),
    ("CompanyName", "[HCompany]"),
    ("Email", "[HEmail]"),
    ("PhoneBusiness", "[HPhone]"),
    ("EntityId", "[HId]"),
    ("EntityType", "Contacts"),
)
_PERSON = (("first", "[FirstName]"), ("last", "[LastName]"), ("email", "[Email]"), ("number", "[Number]"), ("company", "[Company]"))
_CALL = (
    ("type", "[CallType]"),
    ("number", "[Number]"),
    ("name", "[Name]"),
    ("agent", "[Agent]"),
    ("agent_email", "[AgentEmail]"),
    ("queue", "[QueueExtension]"),
    ("duration", "[Duration]"),
    ("started", f"[[CallStartTimeUTC].{_UTC}]"),
    ("entity", "[EntityId]"),
)
_CHAT = (
    ("messages", "[ChatMessages]"),
    ("number", "[Number]"),
    ("email", "[Email]"),
    ("name", "[Name]"),
    ("agent_email", "[AgentEmail]"),
    ("queue", "[QueueExtension]"),
    ("started", f"[[ChatStartTimeUTC].{_UTC}]"),
    ("ended", f"[[ChatEndTimeUTC].{_UTC}]"),
    ("entity", "[EntityId]"),
)


@dataclass(frozen=True, slots=True)
class CrmTemplate:
    """``base_url``: where the PBX reaches us, without a slash at the end. ``key``: a key of this server, which every administrator of
    the PBX can read. ``version`` must grow with every template that is uploaded under the same ``name``."""

    base_url: str
    key: str = field(repr=False)
    version: int = 1
    name: str = "Centralita"

    def __post_init__(self) -> None:
        if not self.base_url.startswith(("https://", "http://")) or self.base_url.endswith("/"):
            raise ValueError("base_url must be an address like https://phone.example.com, without a slash at its end")

    def document(self) -> str:
        """The template's XML."""
        root = xml.Element("Crm", {"Name": self.name, "Version": str(self.version), "Country": "Global", "SupportsEmojis": "true"})
        xml.SubElement(root, "Number", {"Prefix": "AsIs", "MaxLength": ""})
        xml.SubElement(root, "Connection", {"MaxConcurrentRequests": str(MAX_CONCURRENT)})
        parameters = xml.SubElement(root, "Parameters")
        for name, kind, title, default in (
            ("Base", "String", "Address of this service", self.base_url),
            ("Secret", "Password", "Access key", self.key),
            ("ReportCallEnabled", "Boolean", "Report calls", "True"),
            ("ReportChatEnabled", "Boolean", "Report chats", "True"),
            ("CreateContactEnabled", "Boolean", "Let users create contacts", "True"),
        ):
            of_it = {"Name": name, "Type": kind, "Parent": _GROUP, "Editor": "String", "Title": title, "Default": default}
            xml.SubElement(parameters, "Parameter", of_it)
        xml.SubElement(root, "Authentication", {"Type": "No"})
        scenarios = xml.SubElement(root, "Scenarios")
        _finding(scenarios, "", "/pbx/lookup", [("number", "[Number]")])
        _finding(scenarios, "LookupByEmail", "/pbx/lookup-email", [("email", "[Email]")])
        _finding(scenarios, "SearchContacts", "/pbx/search", [("q", "[SearchText]")])
        _finding(scenarios, "CreateContactRecordFromClient", "/pbx/contacts", _PERSON, unless="CreateContactEnabled")
        _asking(scenarios, "ReportCall", "/pbx/calls", _CALL, unless="ReportCallEnabled")
        _asking(scenarios, "ReportChat", "/pbx/chats", _CHAT, unless="ReportChatEnabled")
        xml.indent(root)
        return '<?xml version="1.0" encoding="utf-8"?>\n' + xml.tostring(root, encoding="unicode") + "\n"


def _asking(scenarios: xml.Element, name: str, path: str, fields: Sequence[tuple[str, str]], unless: str = "") -> xml.Element:
    """A scenario that posts these fields, unless this switch of the template is off."""
    scenario = xml.SubElement(scenarios, "Scenario", {"Id": name, "Type": "REST"})
    how = {
        "SkipIf": f'[{unless}]!="True"' if unless else "",
        "Url": f"[Base]{path}",
        "MessagePasses": "0",
        "Message": "",
        "RequestContentType": "",
        "RequestEncoding": "Json",
        "RequestType": "Post",
        "ResponseType": "Json",
    }
    request = xml.SubElement(scenario, "Request", how)
    headers = xml.SubElement(request, "Headers")
    xml.SubElement(headers, "Value", {"Key": "Authorization"}).text = "Bearer [Secret]"
    values = xml.SubElement(request, "PostValues")
    for key, value in fields:
        passes = "2" if value.startswith("[[") else "1"
        xml.SubElement(values, "Value", {"Key": key, "Passes": passes, "Type": "String"}).text = value
    return scenario


def _finding(scenarios: xml.Element, name: str, path: str, fields: Sequence[tuple[str, str]], unless: str = "") -> None:
    """A scenario whose answer has contacts in ``hits``: none where nobody is found. The rule names a field inside of them, so that an
    empty list holds for nothing."""
    scenario = _asking(scenarios, name, path, fields, unless)
    rules = xml.SubElement(scenario, "Rules")
    xml.SubElement(rules, "Rule", {"Type": "Any"}).text = "hits.url"
    variables = xml.SubElement(scenario, "Variables")
    for variable, key in _HIT.items():
        xml.SubElement(xml.SubElement(variables, "Variable", {"Name": variable, "Path": f"hits.{key}"}), "Filter")
    outputs = xml.SubElement(scenario, "Outputs", {"AllowEmpty": "false"})
    for kind, value in _OUTPUTS:
        xml.SubElement(outputs, "Output", {"Type": kind, "Passes": "0", "Value": value})
