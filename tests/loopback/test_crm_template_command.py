"""The template that an administrator writes for 3CX: its key opens what it is for, and the last but one goes on."""

import asyncio
import re
from pathlib import Path

from typer.testing import CliRunner

from api.__main__ import app
from api.identity.api_keys import ApiKeys
from signaling.grants import Permission, allows
from signaling.refusal import Refusal
from tests.kit.vaults import store_of


def write(folder: Path, name: str, *more: str) -> str:
    settings = folder / "centralita.toml"
    settings.write_text(f'[server]\ndata_dir = "{folder}"\npublic_url = "https://phone.example.com"\n')
    done = CliRunner().invoke(app, ["threecx", "crm-template", "--config", str(settings), "--out", str(folder / name), *more])
    assert done.exit_code == 0, done.output
    assert (folder / name).stat().st_mode & 0o777 == 0o600
    return (folder / name).read_text()


async def may_ask(folder: Path, template: str) -> bool:
    found = re.search(r'Default="(ck_[^"]+)"', template)
    assert found is not None
    async with store_of(folder) as store:
        try:
            grant = await ApiKeys(store.people).identify(found[1])
        except Refusal as refusal:
            assert refusal.code == "key_invalid"
            return False
    assert not allows(grant, Permission.CALL_DIAL) and not allows(grant, Permission.CONTACTS_READ)
    return allows(grant, Permission.PBX_CONTEXT)


async def test_each_template_has_a_key_of_its_own_and_the_former_one_goes_on(tmp_path: Path) -> None:
    templates = [await asyncio.to_thread(write, tmp_path, f"{number}.xml") for number in range(3)]
    assert [await may_ask(tmp_path, template) for template in templates] == [False, True, True]
    assert 'Default="https://phone.example.com"' in templates[2]
    assert 'Default="http://10.0.0.5:8080"' in await asyncio.to_thread(write, tmp_path, "4.xml", "--url", "http://10.0.0.5:8080/")
