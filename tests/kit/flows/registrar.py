"""The PBX registers at us, as 3CX likes it best (RFC 3261 section 10.3)."""

from tests.kit.flows.flow import Flow
from tests.kit.sipp_steps import REGISTRAR, SENDRECV, Registrant, sdp

PLACE = "Contact: <sip:pbx@[local_ip]:[cport];transport=[tp];rinstance=a1b2>"

FLOWS = (
    Flow(
        "they register",
        "RFC 3261 10.3, 22.1",
        "challenged once; the Contact comes back as it was written, with its time",
        Registrant().registers(PLACE, "Expires: 120").gets(200, "rinstance=a1b2", "expires=120"),
    ),
    Flow(
        "they register with a wrong password",
        "RFC 3261 22.1",
        "401 again, and nobody is there",
        Registrant().registers(PLACE, password="wrong").gets(401),
        "refused",
    ),
    Flow(
        "they leave",
        "RFC 3261 10.2.2",
        "Expires: 0 takes the Contact away",
        Registrant().registers(PLACE, "Expires: 120").gets(200).registers(PLACE, "Expires: 0").gets(200, never="rinstance=a1b2"),
        "refused",
    ),
    Flow(
        "they leave altogether",
        "RFC 3261 10.2.2",
        "Contact: * with Expires: 0",
        Registrant().registers(PLACE, "Expires: 120").gets(200).registers("Contact: *", "Expires: 0").gets(200, never="rinstance=a1b2"),
        "refused",
    ),
    Flow(
        "they ask where they are",
        "RFC 3261 10.2.3",
        "a REGISTER without Contact changes nothing and lists what is there",
        Registrant().registers(PLACE, "Expires: 120").gets(200).registers("X-Contact: none").gets(200, "rinstance=a1b2"),
    ),
    Flow(
        "they register too briefly",
        "RFC 3261 10.3",
        "423 with Min-Expires",
        Registrant().registers(PLACE, "Expires: 5").gets(423, "Min-Expires: 60"),
        "refused",
    ),
    Flow(
        "they register for too long",
        "RFC 3261 10.2.1.1",
        "the time is cut to what we like",
        Registrant().registers(PLACE, "Expires: 86400").gets(200, "expires=300"),
    ),
    Flow(
        "stranger calls where a pbx should register",
        "RFC 3261 26.1",
        "an INVITE of nobody we know is not even heard",
        Registrant()
        .asks("INVITE", uri="sip:900@{domain}", body=sdp(SENDRECV), repeats=False)
        .hears_nothing(200)
        .asks("REGISTER", PLACE, uri=REGISTRAR)
        .gets(401),
        "refused",
        over=("udp",),
    ),
)
