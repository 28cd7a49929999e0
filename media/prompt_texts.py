"""The sentences that the server says by itself, by the name that settings and commands use.

A sentence with a number in it is asked for by a name that ends in the number, ``queue-wait-5``. Its words are those of that very name, else
of the name that ends in ``-n``, where ``{n}`` is the number: so ``queue-wait-1`` may say "one minute" and ``queue-wait-n`` "{n} minutes".
Where numbers end stands in ``rooms/sound_names.py``.
"""

import re
from collections.abc import Mapping

TEXTS: dict[str, dict[str, str]] = {
    "recording-notice": {
        "en": "This call is being recorded for quality and security. If you do not agree, please tell us now.",
        "es": "Esta llamada se graba por motivos de calidad y seguridad. Si usted no está de acuerdo, díganoslo ahora, por favor.",
    },
    "recording-question": {
        "en": "May we record this call? Press 1 if you agree, or 2 if you do not. Without an answer nothing is recorded.",
        "es": "¿Podemos grabar esta llamada? Pulse 1 si está de acuerdo, o 2 si no lo está. Sin respuesta no se graba nada.",
    },
    "supervision-notice": {
        "en": "A supervisor is listening to this call.",
        "es": "Un supervisor escucha esta llamada.",
    },
    "please-wait": {
        "en": "All our agents are busy. Please stay on the line: your call will be answered in turn.",
        "es": "Todos nuestros agentes están ocupados. Permanezca a la espera, por favor: le atenderemos en su turno.",
    },
    "welcome": {
        "en": "Welcome, and thank you for calling.",
        "es": "Le damos la bienvenida y le agradecemos su llamada.",
    },
    "queue-greeting": {
        "en": "We are looking for the right person for you. Please stay on the line.",
        "es": "Estamos buscando a la persona adecuada para atenderle. Permanezca a la espera, por favor.",
    },
    "queue-position-1": {
        "en": "You are next in line.",
        "es": "Usted es la siguiente llamada que atenderemos.",
    },
    "queue-position-n": {
        "en": "You are number {n} in line.",
        "es": "Usted ocupa el puesto {n} de la espera.",
    },
    "queue-position-more": {
        "en": "There are many calls before yours.",
        "es": "Hay muchas llamadas delante de la suya.",
    },
    "queue-wait-0": {
        "en": "We expect to answer you in less than a minute.",
        "es": "Calculamos atenderle en menos de un minuto.",
    },
    "queue-wait-1": {
        "en": "We expect to answer you in about 1 minute.",
        "es": "Calculamos atenderle dentro de 1 minuto, aproximadamente.",
    },
    "queue-wait-n": {
        "en": "We expect to answer you in about {n} minutes.",
        "es": "Calculamos atenderle dentro de {n} minutos, aproximadamente.",
    },
    "queue-wait-more": {
        "en": "We expect that you will have to wait for more than half an hour.",
        "es": "Calculamos que tendrá que esperar más de media hora.",
    },
    "queue-thanks": {
        "en": "Thank you for waiting. Please stay on the line.",
        "es": "Gracias por su espera. Permanezca en línea, por favor.",
    },
    "call-back-offer-n": {
        "en": "If you prefer not to wait, press {n} and we will call you back: you keep your place.",
        "es": "Si prefiere no esperar, pulse {n} y le llamaremos nosotros: usted conserva su turno.",
    },
    "call-back-confirmed": {
        "en": "Thank you. We will call you back at the number you are calling from when it is your turn.",
        "es": "Gracias. Le llamaremos al número desde el que usted llama cuando llegue su turno.",
    },
    "closed": {
        "en": "We are closed at the moment. Please call us again during our opening hours.",
        "es": "En este momento está cerrado. Llámenos de nuevo en nuestro horario de atención, por favor.",
    },
    "holiday": {
        "en": "We are closed today because it is a public holiday. Please call us again on a working day.",
        "es": "Hoy está cerrado por ser día festivo. Llámenos de nuevo en un día laborable, por favor.",
    },
    "queue-full": {
        "en": "So many people are waiting that we cannot take your call now. Please try again later.",
        "es": "Hay tantas personas a la espera que ahora no podemos atenderle. Inténtelo de nuevo más tarde, por favor.",
    },
    "queue-nobody": {
        "en": "Nobody is available to take your call at the moment.",
        "es": "En este momento no hay nadie disponible para atenderle.",
    },
    "voicemail-greeting": {
        "en": "Please leave a message after the tone. When you have finished, hang up or press the hash key.",
        "es": "Deje su mensaje después de la señal, por favor. Cuando termine, cuelgue o pulse la tecla almohadilla.",
    },
    "voicemail-saved": {
        "en": "Thank you. Your message has been saved.",
        "es": "Gracias. Su mensaje se ha guardado.",
    },
    "voicemail-empty": {
        "en": "We could not hear any message, so nothing was saved.",
        "es": "No hemos oído ningún mensaje, así que no se ha guardado nada.",
    },
    "invalid-choice": {
        "en": "That is not one of the choices.",
        "es": "Esa no es una de las opciones.",
    },
    "nothing-heard": {
        "en": "We have not heard anything from you.",
        "es": "No hemos recibido ninguna respuesta.",
    },
    "goodbye": {
        "en": "Thank you for calling. Goodbye.",
        "es": "Gracias por su llamada. Hasta pronto.",
    },
    "transfer": {
        "en": "We are connecting you. One moment, please.",
        "es": "Le pasamos la llamada. Un momento, por favor.",
    },
    "technical-problem": {
        "en": "We are sorry: there is a technical problem. Please call us again in a few minutes.",
        "es": "Lo sentimos: hay un problema técnico. Llámenos de nuevo dentro de unos minutos, por favor.",
    },
}
LANGUAGES = ("en", "es")
_NUMBERED = re.compile(r"(.+)-([0-9]{1,4})")


def text_of(texts: Mapping[str, Mapping[str, str]], name: str, language: str) -> str:
    """The words of a sentence, the number in its name put in; empty where there are none."""
    exact = texts.get(name, {}).get(language, "")
    matched = _NUMBERED.fullmatch(name)
    if exact or matched is None:
        return exact
    return texts.get(f"{matched[1]}-n", {}).get(language, "").replace("{n}", matched[2])
