"""We register at the PBX, and prove who we are (RFC 3261 section 10 and 22, RFC 3581, 7616, 8760)."""

from tests.kit.flows.flow import Flow
from tests.kit.sipp_steps import Called, Registrar

MD5 = 'Digest realm="pbx.test", nonce="n1", qop="auth", algorithm=MD5'
WITH_MD5 = 'Authorization: Digest .*realm="pbx.test".*nonce="n1".*response="[0-9a-f]{32}"'

FLOWS = (
    Flow(
        "registers",
        "RFC 3261 10.2",
        "Request-URI without user, To and From alike, a Contact",
        Registrar("leaves")
        .is_registered_at("REGISTER sip:pbx.test SIP/2.0", "To: <sip:100@pbx.test>", "Contact: <sip:100@", "Expires: 300")
        .grants()
        .lets_go(),
        "ready",
    ),
    Flow(
        "digest md5",
        "RFC 7616 3.4, RFC 3261 22.2",
        "401 answered once, and the digest is right",
        Registrar("leaves")
        .is_registered_at(never="Authorization:")
        .challenges(f"WWW-Authenticate: {MD5}")
        .checks_password()
        .grants()
        .lets_go(),
        "ready",
        six=True,
    ),
    Flow(
        "digest with qop and nonce count",
        "RFC 7616 3.4.2, 3.4.4",
        "qop, nc and cnonce in the answer, opaque given back",
        Registrar("leaves")
        .is_registered_at()
        .challenges(f'WWW-Authenticate: {MD5}, opaque="o1"')
        .is_registered_at(WITH_MD5, "qop=auth", "nc=00000001", 'cnonce="', 'opaque="o1"')
        .grants()
        .lets_go(),
        "ready",
    ),
    Flow(
        "digest sha-256 before md5",
        "RFC 8760 2.4",
        "of several algorithms the strongest is taken",
        Registrar("leaves")
        .is_registered_at()
        .challenges(f"WWW-Authenticate: {MD5}", 'WWW-Authenticate: Digest realm="pbx.test", nonce="n2", qop="auth", algorithm=SHA-256')
        .is_registered_at("algorithm=SHA-256", 'nonce="n2"', 'response="[0-9a-f]{64}"', never='nonce="n1"')
        .grants()
        .lets_go(),
        "ready",
    ),
    Flow(
        "digest of rfc 2069",
        "RFC 7616 3.4.1",
        "without qop there is neither nc nor cnonce",
        Registrar("leaves")
        .is_registered_at()
        .challenges('WWW-Authenticate: Digest realm="pbx.test", nonce="n1"')
        .is_registered_at(WITH_MD5, never="nc=")
        .grants()
        .lets_go(),
        "ready",
    ),
    Flow(
        "stale nonce",
        "RFC 7616 3.3",
        "stale=true with a new nonce is no wrong password",
        Registrar("leaves")
        .is_registered_at()
        .challenges(f"WWW-Authenticate: {MD5}")
        .is_registered_at(WITH_MD5)
        .challenges('WWW-Authenticate: Digest realm="pbx.test", nonce="n2", stale=true, qop="auth"')
        .is_registered_at('nonce="n2"')
        .grants()
        .lets_go(),
        "ready",
    ),
    Flow(
        "407 on register",
        "RFC 3261 22.3",
        "Proxy-Authorization answers Proxy-Authenticate",
        Registrar("leaves")
        .is_registered_at()
        .challenges(f"Proxy-Authenticate: {MD5}", status=407)
        .is_registered_at(f"Proxy-{WITH_MD5}")
        .grants()
        .lets_go(),
        "ready",
    ),
    Flow(
        "wrong password",
        "RFC 3261 22.1",
        "a second challenge is not answered: no guessing",
        Registrar()
        .is_registered_at()
        .challenges(f"WWW-Authenticate: {MD5}")
        .is_registered_at(WITH_MD5)
        .challenges('WWW-Authenticate: Digest realm="pbx.test", nonce="n2", qop="auth"')
        .hears_nothing(300),
        "refused",
    ),
    Flow(
        "interval too brief",
        "RFC 3261 10.2.8",
        "423 is obeyed with Min-Expires",
        Registrar("leaves")
        .is_registered_at("Expires: 300")
        .challenges("Min-Expires: 900", status=423)
        .is_registered_at("Expires: 900")
        .grants(900)
        .lets_go(),
        "ready",
    ),
    Flow(
        "refreshes",
        "RFC 3261 10.2.4",
        "before the granted time is over, in the same Call-ID",
        Registrar().is_registered_at().grants(2).is_registered_at("CSeq: [0-9]+ REGISTER", "Expires: 300").grants(),
        six=True,
    ),
    Flow(
        "unregisters",
        "RFC 3261 10.2.2",
        "Expires: 0 on leaving",
        Registrar("leaves").is_registered_at().grants().is_registered_at("Expires: 0", "Contact: <sip:100@").grants(0),
    ),
    Flow(
        "registrar fails",
        "RFC 3261 21.5.4",
        "503 with Retry-After is waited out",
        Registrar().is_registered_at().challenges("Retry-After: 30", status=503).hears_nothing(300),
        "refused",
    ),
    Flow(
        "seen elsewhere",
        "RFC 3581 4",
        "what received and rport say is the Contact of the next REGISTER",
        Registrar("leaves")
        .is_registered_at()
        .replies_over_nat("127.0.0.9", 9)
        .is_registered_at("Contact: <sip:100@127.0.0.9:9>")
        .grants()
        .lets_go(),
        "ready",
        over=("udp",),
    ),
    Flow(
        "digest of a call",
        "RFC 3261 22.2, 8.1.3.5",
        "407 is acknowledged, then the INVITE comes again with credentials, a new CSeq and the same tag",
        Called("")
        .is_invited(never="Authorization:")
        .refuses(407, f"Proxy-Authenticate: {MD5}")
        .is_invited(f"Proxy-{WITH_MD5}", "m=audio")
        .rings()
        .answers()
        .hangs_up(),
        "Rang Answered:pcma HungUp:completed",
        {"password": "secret"},
        six=True,
    ),
    Flow(
        "digest of a bye",
        "RFC 3261 22.2",
        "a request inside the dialog is challenged too, by the realm that is known",
        Called("answered.bye")
        .is_invited()
        .refuses(407, f"Proxy-Authenticate: {MD5}")
        .is_invited(f"Proxy-{WITH_MD5}")
        .answers()
        .gets_asked("BYE")
        .replies(407, 'Proxy-Authenticate: Digest realm="pbx.test", nonce="n2", qop="auth"')
        .gets_asked("BYE", 'nonce="n2"')
        .replies(200),
        "Answered:pcma",
        {"password": "secret"},
    ),
    Flow(
        "challenge from inside a call",
        "RFC 3261 22.1, 26.1",
        "a realm that first asks inside a call gets no digest: the far phone asks, not the PBX",
        Called("answered.bye").is_invited().answers().gets_asked("BYE").replies(401, f"WWW-Authenticate: {MD5}").hears_nothing(200),
        "Answered:pcma",
        {"password": "secret"},
    ),
    Flow(
        "realm of a stranger",
        "RFC 3261 22.1",
        "a second realm in one call gets no digest: somebody behind the PBX asks",
        Called("")
        .is_invited()
        .refuses(407, f"Proxy-Authenticate: {MD5}")
        .is_invited(f"Proxy-{WITH_MD5}")
        .refuses(407, 'Proxy-Authenticate: Digest realm="elsewhere", nonce="n9", qop="auth"')
        .hears_nothing(200),
        "Refused:forbidden:407",
        {"password": "secret"},
    ),
    Flow(
        "no password configured",
        "RFC 3261 22.1",
        "a challenge without a password to answer it ends the call",
        Called("").is_invited().refuses(401, f"WWW-Authenticate: {MD5}").hears_nothing(200),
        "Refused:forbidden:401",
    ),
    Flow(
        "watches the pbx",
        "RFC 3261 11",
        "OPTIONS to the PBX where we do not register",
        Registrar().gets_asked("OPTIONS", "OPTIONS sip:", "Max-Forwards: ", "Contact: <sip:100@").replies(200),
        "ready",
        {"register": False, "keepalive_s": 30.0},
    ),
)
