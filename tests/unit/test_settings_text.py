"""A settings file is changed as a person would change it, or not at all."""

import tomllib

import pytest

from api.settings.toml_text import CannotChange, changed, written

OURS = """# of the house
[server] # pages
port = 8080 # kept

[sip]
enabled = false
server = "old" # replaced with its line

[sip.trunks.b]
server = "kept"
"""


def test_values_are_put_where_they_belong_and_the_rest_stays() -> None:
    text = changed(OURS, {"sip": {"enabled": True, "server": 'a "b"', "port": 5060}, "threecx": {"bases": ["https://x"]}})
    found = tomllib.loads(text)
    assert found["sip"] == {"enabled": True, "server": 'a "b"', "port": 5060, "trunks": {"b": {"server": "kept"}}}
    assert found["threecx"] == {"bases": ["https://x"]} and found["server"] == {"port": 8080}
    assert "# of the house" in text and "# kept" in text and "old" not in text
    assert changed(text, {"sip": {"port": 5060}}) == text


def test_an_empty_file_gets_the_tables_alone() -> None:
    assert changed("", {"a": {"b": 1}}) == written({"a": {"b": 1}}) == "[a]\nb = 1\n"


@pytest.mark.parametrize("text", ["sip = {enabled = false}\n", "[sip]\nserver = [\n'x',\n]\n", "[sip\n"])
def test_what_is_not_understood_is_left_alone_and_told(text: str) -> None:
    with pytest.raises(CannotChange, match='server = "new"'):
        changed(text, {"sip": {"server": "new"}})
