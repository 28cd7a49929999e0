"""What was told of sounds since the start: words that came while the server runs, and which sounds to have ready."""

import re
from collections import OrderedDict

from media.messages import MOST_TEXTS, MediaRefusal, PrepareSounds

NAME = re.compile(r"(?:prompt/([a-z]{2})|(music))/([a-z0-9-]{1,64})(?:\.[0-9a-f]{12})?")
"""Of a sentence or a piece of music. What stands behind a point tells words from others of the same name."""
_MOST_KNOWN = 4_000
_LONGEST_TEXT = 2_000


class KnownSounds:
    """Of more than ``most`` the oldest are forgotten."""

    def __init__(self, most: int = _MOST_KNOWN) -> None:
        self._most = most
        self._words: OrderedDict[str, str] = OrderedDict()

    def words(self, name: str) -> str:
        """What was told to be said under this name; empty where nothing was."""
        return self._words.get(name, "")

    def put(self, command: PrepareSounds) -> list[str]:
        """The names that are to be made now. Raises MediaRefusal for what is no sentence."""
        names = [*command.texts, *command.ready]
        wrong = [name for name in names if NAME.fullmatch(name) is None] + [name for name in command.texts if name.startswith("music/")]
        if wrong:
            raise MediaRefusal("unknown_sound", f"{wrong[0]!r} is no name of a sentence: prompt/LANGUAGE/NAME, in small letters.")
        if len(names) > MOST_TEXTS or any(len(text) > _LONGEST_TEXT for text in command.texts.values()):
            raise MediaRefusal("bad_text", f"At most {MOST_TEXTS} sounds are told of at once, texts of at most {_LONGEST_TEXT} characters.")
        for name in names:
            self._words[name] = command.texts.get(name) or self.words(name)
            self._words.move_to_end(name)
        while len(self._words) > self._most:
            self._words.popitem(last=False)
        return names

    def commands(self) -> list[PrepareSounds]:
        """All of it, to be told to somebody else."""
        known = list(self._words.items())
        parts = [known[at : at + MOST_TEXTS] for at in range(0, len(known), MOST_TEXTS)]
        return [
            PrepareSounds({name: text for name, text in part if text}, tuple(name for name, text in part if not text)) for part in parts
        ]
