"""The sentences that the server says by itself, by the name that settings and commands use."""

TEXTS: dict[str, dict[str, str]] = {
    "recording-notice": {
        "en": "This call is being recorded for quality and security. If you do not agree, please tell us now.",
        "es": "Esta llamada se graba por motivos de calidad y seguridad. Si usted no está de acuerdo, díganoslo ahora, por favor.",
    },
    "please-wait": {
        "en": "All our agents are busy. Please stay on the line: your call will be answered in turn.",
        "es": "Todos nuestros agentes están ocupados. Permanezca a la espera, por favor: le atenderemos en su turno.",
    },
}
LANGUAGES = ("en", "es")
