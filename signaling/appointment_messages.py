"""What is said about consultation appointments."""

from signaling.message_bases import Notice


class AppointmentChanged(Notice, frozen=True, tag="appointment.changed"):
    """An appointment of mine was made, or is as ``state`` says now (``docs/openapi.json``, ``StaffView``). Who it is with is asked by REST:
    ``GET /api/v1/appointments``. ``arrived``: somebody waits in ``room_id``. ``left``: it is a colleague's now."""

    appointment_id: str
    state: str
    start_at: float
    room_id: str = ""
