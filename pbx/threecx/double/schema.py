"""Names of the fields that XAPI has in the entities the emulator knows, as 3CX's OpenAPI file of version 20 lists them.

A write that names another field is refused, as OData does. ``Number`` can be given at creation only.
"""

_NAMES = {
    "Users": """AccessPassword AllowLanOnly AllowOwnRecordings AuthID AuthPassword Blfs BreakTime CallScreening CallUsEnableChat
        CallUsEnablePhone CallUsEnableVideo CallUsRequirement ClickToCallId ContactImage CurrentProfileName DeskphonePassword DisplayName
        EmailAddress EmergencyAdditionalInfo EmergencyLocationId Enable2FA Enabled EnableHotdesking FirstName ForwardingExceptions
        ForwardingProfiles GoogleCalendarEnabled GoogleContactsEnabled GoogleSignInEnabled Greetings Groups HideInPhonebook
        HotdeskingAssignment Hours Internal IsRegistered Language LastName Mobile MS365CalendarEnabled MS365ContactsEnabled
        MS365SignInEnabled MS365TeamsEnabled MyPhoneAllowDeleteRecordings MyPhoneHideForwardings MyPhonePush MyPhoneShowRecordings Number
        OfficeHoursProps OutboundCallerID PbxDeliversAudio Phones PinProtected PinProtectTimeout PrimaryGroupId PromptSet QueueStatus
        RecordCalls RecordEmailNotify RecordExternalCallsOnly Require2FA SendEmailMissedCalls SIPID SRTPMode Tags TranscriptionMode
        VMDisablePinAuth VMEmailOptions VMEnabled VMPIN VMPlayCallerID VMPlayMsgDateTime WebMeetingApproveParticipants
        WebMeetingFriendlyName BlockTunnel""",
    "Queues": """AgentAvailabilityMode Agents AnnouncementInterval AnnounceQueuePosition BreakRoute CallbackEnableTime CallbackPrefix
        CallUsEnableChat CallUsEnablePhone CallUsEnableVideo CallUsRequirement ClickToCallId EnableIntro ForwardNoAnswer GreetingFile
        Groups HolidaysRoute IntroFile IsRegistered Managers MasterTimeout MaxCallersInQueue Name NotifyCodes Number OnHoldFile
        OutOfOfficeRoute PlayFullPrompt PollingStrategy PriorityQueue PromptSet Recording ResetQueueStatisticsSchedule
        ResetStatisticsScheduleEnabled RingTimeout SLATime TranscriptionMode TypeOfChatOwnershipType WrapUpTime""",
    "RingGroups": """BreakRoute CallUsEnableChat CallUsEnablePhone CallUsEnableVideo CallUsRequirement ClickToCallId ForwardNoAnswer
        GreetingFile Groups HolidaysRoute IsRegistered Members MulticastAddress MulticastCodec MulticastPacketTime MulticastPort Name
        Number OutOfOfficeRoute RingStrategy RingTime TranscriptionMode""",
    "Groups": "Name Number IsDefault Language Members Rights PromptSet TimeZoneId",
    "ServicePrincipals": "CallControlEnabled Groups IsSystem LastUsed MyPhoneEnabled Number Peers TranscriptionMode XAPIEnabled",
    "Trunks": """AuthID AuthPassword Certificate CertificateName ConfigurationIssue DidNumbers Direction DisableCallTransfer DisableVideo
        DiversionHeader E164CountryCode E164ProcessIncomingNumber EmergencyGeoLocations EnableInboundCalls EnableOutboundCalls
        ExternalNumber Gateway Groups InCIDFormatting IPRestriction IsOnline Messaging Number OutboundCallerID OutCIDFormatting
        PublicInfoGroups PublicIPinSIP PublishInfo ReceiveExtensions ReceiveInfo RemoteMyPhoneUriHost RemotePBXPreffix RoutingRules
        SecondaryRegistrar SeparateAuthId SimultaneousCalls Tags TranscriptionMode TransportRestriction TrunkRegTimes TunnelEnabled
        TunnelRemoteAddr TunnelRemotePort UseSeparateAuthId""",
    "Gateway": """Codecs DeliverAudio DestNumberInRemotePartyIDCalled DestNumberInRequestLineURI DestNumberInTo Host Id InboundParams
        Internal IPInRegistrationContact Lines MatchingStrategy Name OutboundCallerID OutboundParams Port ProxyHost ProxyPort
        RequireRegistrationFor SourceIdentification SpecifiedIPForRegistrationContact SRTPMode SupportReinvite SupportReplaces
        TemplateFilename TimeBetweenReg Type UseIPInContact VariableChoices""",
    "InboundRules": """AlterDestinationDuringHolidays AlterDestinationDuringOutOfOfficeHours CallType Condition CustomData Data
        HolidaysDestination Hours OfficeHoursDestination OutOfOfficeHoursDestination RuleName TrunkDN""",
    "OutboundRules": "DNRanges EmergencyRule GroupIds GroupNames Name NumberLengthRanges Prefix Priority Routes",
    "TrunkTemplates": """AddAllowed Content Countries DefaultProxyPort DefaultRegistrarPort Description Editors MessagingTemplate Name Tags
        TemplateType Url""",
    "Contacts": """Business Business2 BusinessFax CompanyName ContactType Department Email FirstName Home LastName Mobile2 Other Pager
        PhoneNumber Tag Title""",
    "CrmIntegration": """Country EnabledForDidCalls EnabledForExternalCalls Name PhonebookPriorityOptions PhonebookSynchronization
        PossibleValues VariableChoices""",
}

FIELDS: dict[str, frozenset[str]] = {entity: frozenset(names.split()) | {"Id"} for entity, names in _NAMES.items()}
"""Fields of an entity set (and of a trunk's ``Gateway``)."""

NAVIGATION: dict[str, frozenset[str]] = {
    "Users": frozenset({"Groups", "ForwardingProfiles", "Greetings", "Phones"}),
    "Queues": frozenset({"Agents", "Managers", "Groups"}),
    "RingGroups": frozenset({"Members", "Groups"}),
    "Groups": frozenset({"Members", "Rights"}),
    "ServicePrincipals": frozenset({"Peers", "Groups"}),
    "Trunks": frozenset({"Groups", "RoutingRules", "ReceiveExtensions"}),
    "DidNumbers": frozenset({"RoutingRule"}),
}
"""Related rows: shown where they are expanded, or asked for by a path below the entity."""

ENUMS: dict[str, frozenset[str]] = {
    "QueueStatus": frozenset({"LoggedIn", "LoggedOut"}),
    "SRTPMode": frozenset({"SRTPDisabled", "SRTPEnabled", "SRTPEnforced"}),
    "TransportRestriction": frozenset({"Any", "UDP", "TCP", "TLS"}),
    "IPRestriction": frozenset({"Any", "IPV4", "IPV6"}),
    "RequireRegistrationFor": frozenset({"Nothing", "IncomingCalls", "OutgoingCalls", "InOutCalls"}),
    "MatchingStrategy": frozenset({"MatchAnyFields", "MatchAllFields"}),
    "IPInRegistrationContact": frozenset({"External", "Internal", "Both", "Specified"}),
    "PhonebookPriorityOptions": frozenset({"NotQueryIfInPhonebookFound", "AlwaysQuery"}),
}
"""What these fields may say."""
