"""The contact centre's plan of a new house: one number, one queue, office hours in its own time zone."""

import json
from collections.abc import Mapping

_WORDS = {
    "es": "Gracias por llamar a {title}. En un momento le atendemos.",
    "en": "Thank you for calling {title}. We are with you in a moment.",
}
QUEUE = "first"


def first_plan(title: str, number: str, language: str, zone: str) -> Mapping[str, str]:
    """Documents by name."""
    said, named = json.dumps(_WORDS[language].format(title=title), ensure_ascii=False), json.dumps(title, ensure_ascii=False)
    return {
        "queues": f"[{QUEUE}]\ntitles = {{ {language} = {named} }}\nannounce_every_s = 30\ncall_back_after_s = 60\nwrap_up_s = 20\n",
        "calendars": f'[office]\nzone = "{zone}"\nholidays = []\n\n[office.weekly]\nmonday-friday = ["09:00-18:00"]\n',
        "numbers": f'[[entries]]\nnumber = {json.dumps(number)}\nflow = "main"\nlanguage = "{language}"\nlabel = {named}\n',
        "flows/main": (
            f'languages = ["{language}"]\nstart = "hours"\n\n'
            '[steps.hours]\nkind = "hours"\ncalendar = "office"\nopen = "welcome"\nclosed = "bye"\n\n'
            f'[steps.welcome]\nkind = "say"\nsay = {{ {language} = {said} }}\nnext = "queue"\n\n'
            f'[steps.queue]\nkind = "queue"\nqueue = "{QUEUE}"\nfull = "bye"\nnobody = "bye"\ntimeout = "bye"\n\n'
            '[steps.bye]\nkind = "hang_up"\nsay = "closed"\n'
        ),
    }
