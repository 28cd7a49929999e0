"""Messages to customers of appointments: by e-mail with a calendar file, by SMS, each where they gave an address for it."""

from api.appointments.desk import AppointmentDesk
from api.appointments.notices import Notice, facts_of, link_of, notice_of
from api.appointments.views import calendar_of
from api.notify.message import Attachment, Message
from api.notify.notifier import Notifier
from api.notify.templates import Templates
from api.store.appointments import Appointment


class CustomerMessages:
    """``sender``: the address that e-mail comes from."""

    def __init__(self, desk: AppointmentDesk, notifier: Notifier, templates: Templates, *, sender: str) -> None:
        self._desk = desk
        self._notifier = notifier
        self._templates = templates
        self._sender = sender

    async def send(self, of: Appointment, kind: str) -> None:
        """Into the outbox; what is sent twice goes once. ``kind``: as ``notices.due`` says. Raises ``StoreUnavailable``."""
        if not (of.email or of.e164):  # forgotten
            return
        service = await self._desk.service(of.service_id)
        with_name = (await self._desk.names([of.professional])).get(of.professional, "")
        company, site = self._desk.settings.company, self._desk.settings.site
        facts = facts_of(of, service=service.name(of.language), with_name=with_name, site=site, company=company)
        subject, text = self._templates.message(f"appointment-{notice_of(kind)}", of.language, facts)
        idem = f"{of.appointment_id}-{kind}-{of.revision}"
        if of.email:
            cancelled = notice_of(kind) in (Notice.CANCELLED, Notice.SORRY)
            calendar = calendar_of(of, service, site, organizer=self._sender, cancelled=cancelled)
            file = Attachment("appointment.ics", "text/calendar", calendar, "CANCEL" if cancelled else "REQUEST")
            files = () if notice_of(kind) is Notice.MISSED else (file,)
            self._notifier.send(Message("email", of.email, subject, text, idem, of.person, language=of.language, attachments=files))
        if of.e164:
            short = f"{company}: {subject} {facts[link_of(kind)]}"
            self._notifier.send(Message("sms", of.e164, subject, short, idem, of.person, language=of.language))
