"""The pages of the house: their addresses, and what each needs besides what all have (``pages/page.html``)."""

from dataclasses import dataclass, replace

_FRAME = ("css/tokens.css", "css/page.css", "kit/kit.css")
_CARDS = "account/account.css"
"""Of pages that are one column of cards."""


@dataclass(frozen=True, slots=True)
class Page:
    """One address, and the page it shows.

    ``folder``: in ``api/pages``; its ``main.js`` is the page, its ``index.html`` the body where scripts do not draw that, its ``text`` the
    words. ``about``: for the description of our HTTP side. ``more_styles`` come after those of all pages. ``query``: what an address may
    say. ``camera``: may it ask for that and for the screen, besides the microphone? ``embeddable``: may sites that the settings
    name hold it in a frame?
    """

    address: str
    about: str
    folder: str
    more_styles: tuple[str, ...] = ()
    module: str = ""
    query: tuple[str, ...] = ()
    camera: bool = False
    embeddable: bool = False
    button: bool = False
    """Is it the one behind the button of other people's sites?"""

    @property
    def main(self) -> str:
        return self.module or f"{self.folder}/main.js"

    @property
    def styles(self) -> tuple[str, ...]:
        return (*_FRAME, *self.more_styles)

    @property
    def texts(self) -> str:
        return f"{self.folder}/text" if self.folder else "text"


PHONE = Page("/", "The softphone.", "", ("css/call.css",), "js/main.js", embeddable=True)
PAGES = (
    PHONE,
    replace(PHONE, address="/dial", about="The softphone with a number in its field; nothing is dialled.", query=("number",)),
    Page("/account", "One's account; for administrators users and keys.", "account", (_CARDS,)),
    Page("/admin", "Administration: of its sections each person has those that they may use.", "admin", ("admin/admin.css",)),
    Page(
        "/appointments",
        "The appointments, hours and absences of professionals.",
        "appointments",
        (_CARDS, "book/book.css", "appointments/appointments.css"),
    ),
    Page("/articles", "The knowledge base: look up, read; for administrators write.", "articles", (_CARDS, "articles/articles.css")),
    Page(
        "/board",
        "The live board, for supervisors; a call's id as its fragment shows that call, ``wall`` a screen for everybody.",
        "board",
        ("vendor/uplot.css", "board/board.css"),
        query=("wall",),
    ),
    Page("/book", "Appointments for customers: choose and book one; a link's fragment shows one's own.", "book", (_CARDS, "book/book.css")),
    Page("/bookings", "Bookings: found, made for who calls, paid and changed.", "bookings", (_CARDS, "bookings/bookings.css")),
    Page("/campaigns", "Whom to call next; for who leads campaigns, their lists.", "campaigns", (_CARDS, "campaigns/campaigns.css")),
    Page(
        "/consultation",
        "The page of a video consultation; its link's fragment lets in.",
        "consultation",
        ("consultation/consultation.css",),
        camera=True,
    ),
    Page("/contacts", "A contact with the calls of the PBX, and the search for one.", "contacts", (_CARDS, "contacts/contacts.css")),
    Page("/rest", "What REST can do here: described, as commands, and to be tried.", "rest", ("rest/rest.css",)),
    Page("/rooms", "Rooms, chat and who is there; a link's fragment lets guests in.", "rooms", ("rooms/rooms.css",)),
    Page(
        "/styleguide",
        "The parts that all pages are made of, in all their states.",
        "styleguide",
        ("vendor/uplot.css", "styleguide/styleguide.css"),
    ),
    Page(
        "/start",
        "The questions of a server's first start; its fragment is the code that was printed.",
        "start",
        (_CARDS, "start/start.css"),
    ),
    Page("/survey", "The questions of a survey; its link's fragment lets in.", "survey", (_CARDS, "survey/survey.css")),
    Page("/tickets", "What customers wait for: lists, one ticket, a new one.", "tickets", (_CARDS, "tickets/tickets.css")),
    Page(
        "/widget",
        "What the button of other people's sites opens: call, write, or be called back. What it is to show stands in its fragment.",
        "widget",
        ("widget/widget.css",),
        button=True,
    ),
    Page("/voicemail", "The messages that callers left.", "voicemail", (_CARDS, "voicemail/voicemail.css")),
)
