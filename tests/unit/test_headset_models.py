"""Makes and models of headsets, of labels as systems write them; and nobody's name, whatever people call their devices."""

import pytest

from api.headset_models import BLUETOOTH, BUILT_IN, MOST_LETTERS, OTHER, headset_model


@pytest.mark.parametrize(
    ("label", "model"),
    [
        ("Default - Headset Microphone (Jabra EVOLVE 20 MS) (0b0e:0300)", "Jabra EVOLVE 20 MS"),
        ("Predeterminado - Micrófono de los auriculares con micrófono (Jabra EVOLVE 20 MS) (0b0e:0300)", "Jabra EVOLVE 20 MS"),
        ("Communications - Microphone (2- Plantronics C3220 M)", "Plantronics C3220"),
        ("Microphone (Poly Blackwire 3320 Series)", "Poly Blackwire 3320 Series"),
        ("Logitech USB Headset H390 Mono", "Logitech USB Headset H390 Mono"),
        ("WH-1000XM4", OTHER),
        ("Sony WH-1000XM4 (Bluetooth)", "Sony WH-1000XM4"),
        ("AirPods Pro", "AirPods Pro"),
        ("Ana's AirPods Pro", "AirPods Pro"),
        ("Ana’s AirPods (Bluetooth)", "AirPods"),
        ("AirPods de Ana García", "AirPods"),
        ("Galaxy Buds2 de Luz", "Galaxy"),
        ("Jabra von Eva 65", "Jabra"),
        ("Jabra Eva (0b0e:24b8)", "Jabra 0b0e:24b8"),
        ("Headset of Eva Pérez (0b0e:24b8)", "Jabra 0b0e:24b8"),
        ("Eva (1234:ABCD)", "USB 1234:abcd"),
        ("Jabra 600111222", "Jabra"),
        ("Jabra ANA7", "Jabra"),
        ("Built-in Audio Analog Stereo", BUILT_IN),
        ("MacBook Pro Microphone (Built-in)", BUILT_IN),
        ("Micrófono interno", BUILT_IN),
        ("Varios micrófonos (Realtek(R) Audio)", BUILT_IN),
        ("Hands-Free AG Audio (Bluetooth)", BLUETOOTH),
        ("Fake Default Audio Input", OTHER),
        ("Ana García", OTHER),
        (" ", ""),
        ("", ""),
    ],
)
def test_what_is_kept_is_the_model_and_no_name(label: str, model: str) -> None:
    assert headset_model(label) == model


def test_a_label_without_end_makes_no_long_one() -> None:
    assert len(headset_model("Jabra" + " Evolve 65" * 500)) <= MOST_LETTERS
