"""The configuration that XAPI shows and changes: rows by entity set, made of the directory at first and written back to it."""

from random import Random

from pbx.threecx.double.directory import Directory, Dn, DnType, Principal, Route
from pbx.threecx.double.odata import Row

PROFILES = ("Available", "Away", "Out of office", "Custom 1", "Custom 2")
PEER_TYPES = {
    DnType.EXTENSION: "Extension",
    DnType.QUEUE: "Queue",
    DnType.RING_GROUP: "RingGroup",
    DnType.IVR: "IVR",
    DnType.LINE: "ExternalLine",
    DnType.ROUTE_POINT: "RoutePoint",
}
MAX_ROWS = 5000
DEFAULT_GROUP = 28
"""The department that every installation has (``DEFAULT``)."""


class Invalid(ValueError):
    """What is written cannot be. ``field`` and ``code`` go into the error's details."""

    def __init__(self, field: str, message: str, code: str = "WARNINGS.INVALID") -> None:
        super().__init__(message)
        self.field = field
        self.code = code


class Records:
    """``sets``: entity set -> its rows, each with its ``Id``. Trunk passwords are kept apart and never shown."""

    def __init__(self, directory: Directory, *, random: Random) -> None:
        self.directory = directory
        self._random = random
        self._last_id = 30
        self.trunk_secrets: dict[str, str] = {}
        self.crm_templates: dict[str, str] = {}
        """Name -> XML source. No call of XAPI uploads one: the administrator does it on a page."""
        self.sip_port = 5060
        group = {
            "Id": DEFAULT_GROUP,
            "Name": "DEFAULT",
            "Number": "GRP0000",
            "IsDefault": True,
            "Language": "ES",
            "Members": [],
            "Rights": [],
        }
        self.sets: dict[str, list[Row]] = {
            name: [] for name in ("Users", "Queues", "RingGroups", "Trunks", "InboundRules", "OutboundRules", "Contacts")
        }
        self.sets |= {"Groups": [group], "ServicePrincipals": [], "TrunkTemplates": [_template()], "Parkings": [], "Receptionists": []}
        for dn in directory.dns.values():
            self._show(dn)
        for number, destination in directory.dids.items():
            self._rule(number, destination)
        self.crm: Row = {
            "Id": "0",
            "Name": "",
            "Country": "",
            "EnabledForDidCalls": False,
            "EnabledForExternalCalls": True,
            "PhonebookPriorityOptions": "NotQueryIfInPhonebookFound",
            "PhonebookSynchronization": False,
            "PossibleValues": [],
            "VariableChoices": [],
        }

    def next_id(self) -> int:
        self._last_id += 1
        return self._last_id

    def find(self, name: str, number: str) -> Row | None:
        return next((row for row in self.sets[name] if row.get("Number") == number), None)

    # -- from the directory

    def _show(self, dn: Dn) -> None:
        if dn.kind is DnType.EXTENSION:
            self.sets["Users"].append(self._user(dn))
        elif dn.kind is DnType.QUEUE:
            self.sets["Queues"].append(self._queue(dn))
        elif dn.kind is DnType.RING_GROUP:
            row = {
                "Id": self.next_id(),
                "Number": dn.number,
                "Name": dn.name,
                "RingStrategy": "RingAll",
                "RingTime": 20,
                "IsRegistered": True,
            }
            self.sets["RingGroups"].append(row | {"Members": self._members(dn), "Groups": _groups("users")})
        elif dn.kind is DnType.LINE:
            self.sets["Trunks"].append(self._trunk(dn.number, dn.name))
        elif dn.kind is DnType.ROUTE_POINT and dn.number in self.directory.principals:
            self.sets["ServicePrincipals"].append(self._principal(self.directory.principals[dn.number]))

    def _user(self, dn: Dn) -> Row:
        first, _, last = dn.name.partition(" ")
        return {
            "Id": self.next_id(),
            "Number": dn.number,
            "FirstName": first,
            "LastName": last,
            "DisplayName": dn.name,
            "EmailAddress": f"{first.lower()}@example.test" if first.isascii() and first else f"{dn.number}@example.test",
            "Mobile": "",
            "OutboundCallerID": "",
            "AuthID": dn.auth_id,
            "AuthPassword": dn.auth_password,
            "CurrentProfileName": "Available",
            "QueueStatus": "LoggedIn",
            "IsRegistered": bool(dn.devices),
            "Enabled": True,
            "Internal": False,
            "PrimaryGroupId": DEFAULT_GROUP,
            "SRTPMode": "SRTPDisabled",
            "PbxDeliversAudio": True,
            "Language": "ES",
            "Groups": _groups("users"),
            "ForwardingProfiles": [
                {"Id": number, "Name": name, "CustomName": "", "NoAnswerTimeout": 20} for number, name in enumerate(PROFILES, 1)
            ],
            "Greetings": [],
            "Phones": [],
        }

    def _queue(self, dn: Dn) -> Row:
        return {
            "Id": self.next_id(),
            "Number": dn.number,
            "Name": dn.name,
            "PollingStrategy": "RingAll",
            "RingTimeout": 12,
            "MasterTimeout": 60,
            "SLATime": 30,
            "MaxCallersInQueue": 20,
            "WrapUpTime": 0,
            "IsRegistered": True,
            "Agents": [member | {"SkillGroup": "1"} for member in self._members(dn)],
            "Managers": [],
            "Groups": _groups("users"),
        }

    def _members(self, dn: Dn) -> list[Row]:
        return [
            {"Id": self.next_id(), "Number": number, "Name": self.directory.dns[number].name}
            for number in dn.members
            if number in self.directory.dns
        ]

    def _trunk(self, number: str, name: str) -> Row:
        gateway = {
            "Id": self.next_id(),
            "Name": name,
            "Host": "",
            "Port": 5060,
            "ProxyHost": "",
            "ProxyPort": 5060,
            "Type": "Provider",
            "RequireRegistrationFor": "InOutCalls",
            "TimeBetweenReg": 600,
            "SupportReinvite": False,
            "SupportReplaces": False,
            "DeliverAudio": True,
            "SRTPMode": "SRTPDisabled",
            "Codecs": ["PCMA", "PCMU", "G722"],
            "MatchingStrategy": "MatchAnyFields",
            "SourceIdentification": [],
            "InboundParams": [],
            "OutboundParams": [],
            "IPInRegistrationContact": "External",
            "TemplateFilename": "",
        }
        return {
            "Id": self.next_id(),
            "Number": number,
            "Gateway": gateway,
            "AuthID": "",
            "AuthPassword": {"Concealed": True, "Value": None},
            "UseSeparateAuthId": False,
            "SeparateAuthId": "",
            "Direction": "Both",
            "SimultaneousCalls": 10,
            "EnableInboundCalls": True,
            "EnableOutboundCalls": True,
            "ExternalNumber": self.directory.main_number,
            "DidNumbers": [did for did in self.directory.dids if did.startswith("+")],
            "TransportRestriction": "Any",
            "IPRestriction": "Any",
            "DiversionHeader": False,
            "IsOnline": False,
            "Groups": _groups("users"),
            "RoutingRules": [],
            "ReceiveExtensions": [],
        }

    def _principal(self, principal: Principal) -> Row:
        return {
            "Id": self.next_id(),
            "Number": principal.client_id,
            "CallControlEnabled": principal.call_control,
            "XAPIEnabled": principal.xapi,
            "MyPhoneEnabled": False,
            "IsSystem": False,
            "LastUsed": None,
            "Peers": [self.peer(number) for number in sorted(principal.monitored) if number in self.directory.dns],
            "Groups": _groups(principal.role),
        }

    def _rule(self, number: str, destination: str) -> Row:
        trunk = self.directory.trunk
        row = {
            "Id": self.next_id(),
            "RuleName": f"DID {number}",
            "Condition": "BasedOnDID",
            "CallType": "AllCalls",
            "Data": number,
            "TrunkDN": self.peer(trunk) if trunk in self.directory.dns else None,
            "OfficeHoursDestination": self.destination(destination),
            "OutOfOfficeHoursDestination": self.destination(destination),
        }
        self.sets["InboundRules"].append(row)
        return row

    def destination(self, number: str) -> Row:
        dn = self.directory.dns.get(number)
        kind = PEER_TYPES.get(dn.kind, "None") if dn is not None else "None"
        return {"To": kind, "Number": number, "External": "", "Name": dn.name if dn is not None else "", "Type": kind}

    def peer(self, number: str) -> Row:
        dn = self.directory.dns[number]
        return {"Id": int(number) if number.isdecimal() else 0, "Number": number, "Name": dn.name, "Type": PEER_TYPES.get(dn.kind, "None")}

    def dids(self) -> list[Row]:
        """``DidNumbers``: of every trunk, with the rule that takes each."""
        rules = {row["Data"]: row for row in self.sets["InboundRules"]}
        return [
            {
                "Number": number,
                "TrunkId": trunk["Id"],
                "TemplateFileName": trunk["Gateway"]["TemplateFilename"],
                "RoutingRule": rules.get(number),
            }
            for trunk in self.sets["Trunks"]
            for number in trunk["DidNumbers"]
        ]

    # -- into the directory

    def created(self, name: str, row: Row) -> None:
        """A row is new: what the PBX does with calls follows it. Raises ``Invalid``."""
        number = row.get("Number")
        if len(self.sets[name]) >= MAX_ROWS:
            raise Invalid("Id", f"there are {MAX_ROWS} rows already", "WARNINGS.LIMIT_REACHED")
        if number is not None and (number in self.directory.dns or self.find(name, number) is not None):
            raise Invalid("Number", f"the number {number} is in use", "WARNINGS.NUMBER_IN_USE")
        match name:
            case "Users":
                first_free = str(next(n for n in range(204, 999) if str(n) not in self.directory.dns))
                number = row["Number"] = number or first_free
                called = f"{row.get('FirstName', '')} {row.get('LastName', '')}".strip()
                dn = self.directory.dns[number] = Dn(number, DnType.EXTENSION, called)
                dn.auth_id = row.get("AuthID") or f"{self._random.getrandbits(40):010x}"
                dn.auth_password = row.get("AuthPassword") or f"{self._random.getrandbits(80):020x}"
                row |= {key: value for key, value in self._user(dn).items() if key not in row and key != "Id"}
            case "ServicePrincipals":
                if not number:
                    raise Invalid("Number", "a client needs an id", "WARNINGS.REQUIRED")
                self.directory.dns[number] = Dn(number, DnType.ROUTE_POINT, number)
                row |= {key: value for key, value in self._principal(Principal(number, "")).items() if key not in row and key != "Id"}
            case "Trunks":
                number = row["Number"] = number or str(next(n for n in range(10000, 10999) if str(n) not in self.directory.dns))
                self.directory.dns[number] = Dn(number, DnType.LINE, row.get("Gateway", {}).get("Name") or number)
                fresh = self._trunk(number, number)
                row["Gateway"] = fresh["Gateway"] | (row.get("Gateway") or {})
                row |= {key: value for key, value in fresh.items() if key not in row and key != "Id"}
            case "Groups":
                row |= {"Members": [], "Rights": []}
            case _:
                pass
        self.changed(name, row)

    def changed(self, name: str, row: Row) -> None:
        """A row was written: the directory follows. Raises ``Invalid``."""
        match name:
            case "Users":
                self._user_changed(row)
            case "ServicePrincipals":
                self._principal_changed(row)
            case "Trunks":
                password = row["AuthPassword"] or {}
                if password.get("Value"):
                    self.trunk_secrets[row["Number"]] = password["Value"]
                row["AuthPassword"] = {"Concealed": True, "Value": None}
            case "InboundRules":
                self._rule_changed(row)
            case "OutboundRules":
                self._follow_outbound([each for each in self.sets[name] if each is not row] + [row])
            case _:
                pass

    def _user_changed(self, row: Row) -> None:
        self._follow_forwarding(row)
        dn = self.directory.dns.get(row["Number"])
        if dn is not None:
            dn.auth_id, dn.auth_password = str(row["AuthID"] or ""), str(row["AuthPassword"] or "")
        if row["CurrentProfileName"] not in {profile["Name"] for profile in row["ForwardingProfiles"]}:
            raise Invalid("CurrentProfileName", f"there is no profile {row['CurrentProfileName']!r}")
        for dn in self.directory.dns.values():
            if dn.kind is DnType.QUEUE:
                (dn.logged_out.add if row["QueueStatus"] == "LoggedOut" else dn.logged_out.discard)(row["Number"])

    def _follow_forwarding(self, row: Row) -> None:
        """Where calls go while the person's phone is not registered, as the profile in use says."""
        dn = self.directory.dns.get(row["Number"])
        used: Row = next((each for each in row["ForwardingProfiles"] if each["Name"] == row["CurrentProfileName"]), {})
        route = used.get("AvailableRoute") or {}
        if dn is not None:
            targets = {outside: route.get(f"NotRegistered{side}") or {} for outside, side in ((True, "External"), (False, "Internal"))}
            dn.unregistered_to = {outside: str(to.get("Number") or to.get("External") or "") for outside, to in targets.items()}

    def _principal_changed(self, row: Row) -> None:
        former = self.directory.principals.get(row["Number"])
        peers = frozenset(str(peer.get("Number")) for peer in row["Peers"] or [])
        unknown = peers - self.directory.dns.keys()
        if unknown:
            raise Invalid("Peers", f"there is no {min(unknown)}")
        roles = [group["Rights"]["RoleName"] for group in row["Groups"] or [] if group.get("Rights")]
        self.directory.principals[row["Number"]] = Principal(
            row["Number"],
            former.secret if former is not None else "",
            call_control=bool(row["CallControlEnabled"]),
            xapi=bool(row["XAPIEnabled"]),
            monitored=peers,
            role=roles[0] if roles else "users",
        )

    def new_secret(self, row: Row) -> str:
        """The client's secret from now on; it is shown this once."""
        former = self.directory.principals[row["Number"]]
        secret = f"{self._random.getrandbits(160):040x}"
        self.directory.principals[row["Number"]] = Principal(
            former.client_id, secret, former.call_control, former.xapi, former.monitored, former.role
        )
        return secret

    def _rule_changed(self, row: Row) -> None:
        destination = (row.get("OfficeHoursDestination") or {}).get("Number") or ""
        if row.get("Condition") == "BasedOnDID":
            number = row.get("Data") or ""
            if number not in {did for trunk in self.sets["Trunks"] for did in trunk["DidNumbers"]}:
                raise Invalid("Data", f"no trunk has the DID {number}")
            if destination not in self.directory.dns:
                raise Invalid("OfficeHoursDestination", f"there is no {destination!r}")
            self.directory.dids[number] = destination

    def _follow_outbound(self, rows: list[Row]) -> None:
        trunks = {trunk["Id"]: trunk["Number"] for trunk in self.sets["Trunks"]}
        routes = []
        for row in rows:
            first: Row = next(iter(row.get("Routes") or []), {})
            if first.get("TrunkId") not in trunks:
                raise Invalid("Routes", f"there is no trunk {first.get('TrunkId')}")
            strip = int(first.get("StripDigits") or 0)
            routes.append(Route(str(row.get("Prefix") or ""), trunks[first["TrunkId"]], strip, str(first.get("Prepend") or "")))
        self.directory.routes = routes

    def removed(self, name: str, row: Row) -> None:
        """A row is gone, and what it stood for."""
        number = row.get("Number", "")
        if name in ("Users", "ServicePrincipals", "Trunks", "Queues", "RingGroups"):
            self.directory.dns.pop(number, None)
        if name == "ServicePrincipals":
            self.directory.principals.pop(number, None)
        if name == "InboundRules":
            self.directory.dids.pop(row.get("Data", ""), None)
        if name == "OutboundRules":
            self._follow_outbound(self.sets[name])

    def blank_trunk(self, template: Row) -> Row:
        """What ``InitTrunk`` gives to fill in; it has no id yet."""
        row = self._trunk("", template["Name"])
        row["Gateway"] |= {"Id": 0, "TemplateFilename": template["Id"], "Port": template["DefaultRegistrarPort"]}
        return row | {"Id": 0, "Number": None, "DidNumbers": [], "ExternalNumber": ""}

    def templates(self) -> list[Row]:
        """The CRM templates that were uploaded."""
        return [{"Name": name, "Parameters": [], "Authentication": {"Type": "No", "Values": []}} for name in self.crm_templates]


def _groups(role: str) -> list[Row]:
    return [{"Id": DEFAULT_GROUP, "GroupId": DEFAULT_GROUP, "Name": "DEFAULT", "Number": "GRP0000", "Rights": {"RoleName": role}}]


def _template() -> Row:
    return {
        "Id": "generic.pv.xml",
        "Name": "Generic SIP Trunk",
        "Description": "",
        "AddAllowed": True,
        "Content": "",
        "Countries": [],
        "DefaultRegistrarPort": 5060,
        "DefaultProxyPort": 5060,
        "Editors": [],
        "Tags": [],
        "TemplateType": "Master",
        "Url": "",
    }
