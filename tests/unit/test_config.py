"""Settings: where they come from, what is refused, what is shown."""

import os
import ssl
from pathlib import Path

import pytest
from pydantic import ValidationError

from api.self_signed import kept_certificate
from api.settings.faults import ConfigError
from api.settings.tree import Settings
from rooms.policy import RecordingMode, RecordingPolicy

SECRET = "0123456789abcdef0123456789abcdef"


def faults(path: Path | None, env: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        Settings.load(path, env or {})
    return caught.value.faults


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "centralita.toml"


def test_later_sources_win_and_leave_the_rest(file: Path, tmp_path: Path) -> None:
    folder = tmp_path / "secrets"
    folder.mkdir()
    (folder / "sip__password").write_text("hunter2\n")
    (folder / "server__port").write_text("3\n")
    file.write_text('[server]\nhost = "::1"\nport = 1\n[sip]\nmode = "address"\n')
    env = {"CENTRALITA_SERVER__PORT": "2", "CENTRALITA_SERVER__DRAIN_S": "30", "CENTRALITA_SECRETS_DIR": str(folder), "OTHER": "x"}
    settings = Settings.load(file, env, {"server.port": 4, "demo": {"enabled": True}, "server.host": None})
    assert (settings.server.host, settings.server.port, settings.server.drain_s) == ("::1", 4, 30.0)
    assert settings.sip.password.get_secret_value() == "hunter2"
    assert settings.sip.mode == "address"
    assert settings.demo.enabled
    assert Settings.load(file, env).server.port == 3
    assert Settings.load(file, {}).server.port == 1


def test_the_default_file_is_read_where_it_exists(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings.load(env={}).server.port == 8080
    Path("centralita.toml").write_text("[server]\nport = 1234\n")
    assert Settings.load(env={}).server.port == 1234


def test_every_fault_is_told_at_once_with_its_path_and_origin(file: Path) -> None:
    file.write_text('[server]\nport = 99999\nhots = "x"\n[sip]\nenabled = true\n[media]\nbrowser_codecs = ["opus", "mp3"]\n')
    env = {"CENTRALITA_SERVRE__PORT": "1", "CENTRALITA_SERVER__DRAIN_S": "soon", "CENTRALITA_SECURITY__SECRET": "short"}
    told = faults(file, env)
    assert len(told) == 7
    text = "\n".join(told)
    assert f"server.port ({file}): input should be less than or equal to 65535" in text
    assert f"server.hots ({file}): unknown key: did you mean host?" in text
    assert "servre (environment variable CENTRALITA_SERVRE__PORT): unknown key: did you mean server?" in text
    assert "server.drain_s (environment variable CENTRALITA_SERVER__DRAIN_S): " in text
    assert f"sip ({file}): the line is enabled but server and extension are not set" in text
    assert f'media.browser_codecs ({file}): give "auto", or a list of opus, g722, pcma, pcmu' in text
    assert "a secret needs at least 32 bytes" in text
    assert "short" not in text.replace("shorter", "")


@pytest.mark.parametrize("body", ["[server\nport = 1", "port", "[server]\nport = 1\nport = 2"])
def test_what_is_not_toml_is_told_with_its_place(file: Path, body: str) -> None:
    file.write_text(body)
    (fault,) = faults(file)
    assert str(file) in fault
    assert "line" in fault or "end of document" in fault


def test_a_missing_file_is_told(tmp_path: Path) -> None:
    (fault,) = faults(tmp_path / "none.toml")
    assert "No such file" in fault
    assert "--config" in fault


def test_a_section_that_is_no_section_is_told(file: Path) -> None:
    file.write_text('server = "here"\n')
    (fault,) = faults(file)
    assert fault.startswith(f"server ({file}): ")


def test_a_section_may_not_be_both_text_and_section(file: Path) -> None:
    file.write_text("[server]\nport = 1\n")
    told = faults(file, {"CENTRALITA_SERVER": "x"})
    assert "environment variable CENTRALITA_SERVER)" in told[0]


@pytest.mark.parametrize(
    ("env", "fault"),
    [
        ({"CENTRALITA_SERVER__TLS_KEY": "/nowhere.pem"}, "belong together"),
        ({"CENTRALITA_SERVER__TLS_KEY": "/nowhere.pem", "CENTRALITA_SERVER__TLS_CERTIFICATE": "/nowhere.pem"}, "does not exist"),
        ({"CENTRALITA_MEDIA__RTP_PORT_MIN": "20000"}, "belong together"),
        ({"CENTRALITA_MEDIA__RTP_PORT_MIN": "20000", "CENTRALITA_MEDIA__RTP_PORT_MAX": "20001"}, "at least 3 above"),
        ({"CENTRALITA_MEDIA__WORKERS": "many"}, 'give "auto", or a number of processes from 0 to 256'),
        ({"CENTRALITA_MEDIA__WORKERS": "257"}, 'give "auto", or a number of processes from 0 to 256'),
        ({"CENTRALITA_MEDIA__PORT": "65534", "CENTRALITA_MEDIA__WORKERS": "3"}, "at most 65533"),
        (
            {
                "CENTRALITA_MEDIA__PORT": "19999",
                "CENTRALITA_MEDIA__WORKERS": "2",
                "CENTRALITA_MEDIA__RTP_PORT_MIN": "20000",
                "CENTRALITA_MEDIA__RTP_PORT_MAX": "20100",
            },
            "port 20000 of a worker's browsers lies between",
        ),
        ({"CENTRALITA_SERVER__TRUSTED_PROXIES": "10.0.0.0/33"}, "10.0.0.0/33"),
        ({"CENTRALITA_MEDIA__RECORDING__BEEP_EVERY_S": "2"}, "or at least 5"),
        ({"CENTRALITA_MEDIA__RECORDING__INCOMING": "sometimes"}, "media.recording.incoming"),
        ({"CENTRALITA_MEDIA__PROMPTS__FOLDER": "/nowhere"}, "/nowhere is no folder"),
        ({"CENTRALITA_MEDIA__PROMPTS__HOLD_MUSIC": "waltz"}, "there is no music/waltz"),
        ({"CENTRALITA_MEDIA__PROMPTS__LANGUAGE": "fr"}, "media.prompts.language"),
        ({"CENTRALITA_SECRETS_DIR": "/nowhere"}, "SECRETS_DIR"),
    ],
)
def test_parts_that_do_not_fit_together(env: dict[str, str], fault: str) -> None:
    (told,) = faults(None, env)
    assert fault in told


def test_lists_are_written_with_commas_where_there_is_only_text() -> None:
    settings = Settings.load(env={"CENTRALITA_MEDIA__PHONE_CODECS": "g722, pcma", "CENTRALITA_MEDIA__HOSTS": "127.0.0.1,::1"})
    assert settings.media.phone_codecs == ("g722", "pcma")
    assert settings.media.hosts == ("127.0.0.1", "::1")


@pytest.mark.parametrize(
    ("workers", "port", "count", "ports"),
    [("0", "4000", 0, [4000]), ("3", "4000", 3, [4000, 4001, 4002]), ("2", "0", 2, "any free ones"), ("auto", "0", None, "any free ones")],
)
def test_workers_and_their_ports_are_shown(workers: str, port: str, count: int | None, ports: object) -> None:
    settings = Settings.load(env={"CENTRALITA_MEDIA__PORT": port}, overrides={"media.workers": workers})
    shown = settings.masked()["media"]
    assert shown["workers"] == settings.media.worker_count == (len(os.sched_getaffinity(0)) if count is None else count)
    assert shown["browser_ports"] == ports


def test_secrets_are_masked_and_the_rest_is_shown() -> None:
    env = {
        "CENTRALITA_STORE__URL": "postgresql+asyncpg://user:canary1@host/name",
        "CENTRALITA_SIP__PASSWORD": "canary2",
        "CENTRALITA_SECURITY__SECRET": SECRET,
    }
    shown = Settings.load(env=env).masked()
    assert not {"canary1", "canary2", SECRET} & set(str(shown).replace("'", " ").replace(":", " ").replace("@", " ").split())
    assert shown["store"]["url"] == "postgresql+asyncpg://user:********@host/name"
    assert shown["sip"]["mode"] == "register"
    assert shown["server"]["port"] == 8080
    assert "canary" not in repr(Settings.load(env=env))


def test_the_token_secret_is_drawn_once_and_kept_for_us_alone(tmp_path: Path) -> None:
    settings = Settings.load(env={"CENTRALITA_SERVER__DATA_DIR": str(tmp_path / "new")})
    drawn = settings.token_secret()
    assert len(drawn) == 64
    assert settings.token_secret() == drawn
    assert (tmp_path / "new" / "token.secret").stat().st_mode & 0o077 == 0
    assert Settings.load(env={"CENTRALITA_SECURITY__SECRET": SECRET}).token_secret() == SECRET


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        Settings.load(env={}).server.port = 1


def test_what_the_hub_is_told() -> None:
    env = {"CENTRALITA_SERVER__PUBLIC_URL": "https://phone.example/", "CENTRALITA_SECURITY__REQUESTS_PER_S": "7"}
    hub = Settings.load(env=env).hub()
    assert hub.allowed_origins == ("https://phone.example",)
    assert hub.client.rate_per_s == 7.0


def test_the_key_of_recordings_is_drawn_once_and_older_ones_stay_known(tmp_path: Path) -> None:
    settings = Settings.load(env={"CENTRALITA_SERVER__DATA_DIR": str(tmp_path)})
    (drawn,) = settings.recording_keys()
    assert settings.recording_keys() == (drawn,) and len(drawn) == 32
    assert (tmp_path / "recording.key").stat().st_mode & 0o077 == 0
    assert settings.recordings_folder == tmp_path / "recordings" and not settings.media.recording.enabled
    changed = {"media": {"recording": {"key": "ab" * 32, "previous_keys": [drawn.hex()]}}}
    assert Settings.load(env={}, overrides=changed).recording_keys() == (b"\xab" * 32, drawn)
    shown = str(Settings.load(env={}, overrides=changed).masked())
    assert "abab" not in shown and drawn.hex() not in shown


def test_which_calls_are_recorded_and_how_they_are_told() -> None:
    assert Settings.load(env={}).media.recording_policy() == RecordingPolicy()
    told = Settings.load(env={}, overrides={"media": {"recording": {"enabled": True, "incoming": "always"}}})
    policy = told.media.recording_policy()
    assert (policy.mode("in"), policy.mode("out")) == (RecordingMode.ALWAYS, RecordingMode.ON_DEMAND)
    assert (policy.announcement, policy.consent) == ("prompt/es/recording-notice", "announced")
    silent = {"enabled": True, "consent": "given", "beep_every_s": 15.0}
    policy = Settings.load(env={}, overrides={"media": {"recording": silent, "prompts": {"language": "en"}}}).media.recording_policy()
    assert (policy.announcement, policy.consent, policy.beep_every_s) == ("", "given", 15.0)


def test_a_short_key_of_recordings_is_refused() -> None:
    with pytest.raises(ConfigError, match="64 hexadecimal digits"):
        Settings.load(env={"CENTRALITA_MEDIA__RECORDING__KEY": "secret"})


@pytest.mark.parametrize(
    ("media", "fault"),
    [
        ({"hosts": "media.example"}, "not names"),
        ({"hosts": "239.1.1.1"}, "multicast"),
        ({"hosts": "0.0.0.0"}, "nobody can be told"),
        ({"hosts": "0.0.0.0,::", "public_hosts": "203.0.113.7"}, "nobody can be told"),
        ({"public_hosts": "0.0.0.0"}, "can send to"),
        ({"hosts": ""}, "at least 1"),
    ],
)
def test_media_addresses_are_those_of_one_machine_that_others_can_be_told(media: dict[str, str], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        Settings.load(env={}, overrides={"media": media})


def test_pages_and_browsers_by_tcp_cannot_share_a_port() -> None:
    changed = {"server": {"port": 40_001}, "media": {"port": 40_000, "workers": 2}}
    with pytest.raises(ConfigError, match=r"server.port is also a port of media.port"):
        Settings.load(env={}, overrides=changed)
    assert not Settings.load(env={"CENTRALITA_MEDIA__TCP": "false"}, overrides=changed).media.tcp
    line = {"enabled": True, "server": "192.0.2.5", "extension": "200", "transport": "tcp", "listen_port": 40_000}
    with pytest.raises(ConfigError, match=r"sip.listen_port is also"):
        Settings.load(env={}, overrides={"media": {"port": 40_000, "workers": 1}, "sip": line})


def test_the_command_shows_what_others_are_told() -> None:
    changed = {"hosts": "10.0.0.5,2a02:1234::5", "public_hosts": "203.0.113.7", "tcp": False}
    shown = Settings.load(env={}, overrides={"media": changed}).masked()["media"]
    assert shown["browsers_are_told"] == ["203.0.113.7 by UDP", "2a02:1234::5 by UDP"] and shown["phones_are_told"] == "203.0.113.7"
    assert Settings.load(env={}).masked()["media"]["browsers_are_told"] == ["127.0.0.1 by UDP and TCP"]


def test_phones_are_told_the_public_address_of_the_family_that_they_reach() -> None:
    def told(hosts: str, public: str) -> str:
        return Settings.load(env={}, overrides={"media": {"hosts": hosts, "public_hosts": public}}).media.phone_host

    assert told("10.0.0.5,2001:db8::5", "2001:db8::9,203.0.113.7") == "203.0.113.7"
    assert told("2001:db8::5,10.0.0.5", "203.0.113.7") == "2001:db8::5"
    assert told("0.0.0.0", "203.0.113.7") == "203.0.113.7"


def test_a_line_with_tls_wants_files_that_are_there_and_checks_that_agree(tmp_path: Path) -> None:
    line = {"enabled": True, "server": "pbx", "extension": "1", "transport": "tls"}
    for wrong, words in (
        ({"tls_certificate": tmp_path}, "tls_certificate and tls_key belong together"),
        ({"tls_ca_file": tmp_path / "none.pem"}, "does not exist or is no file"),
        ({"tls_demand_certificate": True, "tls_accept_any_certificate": True}, "contradict each other"),
    ):
        with pytest.raises(ConfigError, match=words):
            Settings.load(env={}, overrides={"sip": {**line, **wrong}})


def test_a_certificate_of_our_own_is_made_once_and_kept_from_others(tmp_path: Path) -> None:
    certificate, key = kept_certificate(tmp_path / "data")
    made = certificate.read_bytes()
    assert key.stat().st_mode & 0o777 == 0o600
    assert kept_certificate(tmp_path / "data") == (certificate, key) and certificate.read_bytes() == made
    ssl.create_default_context(ssl.Purpose.CLIENT_AUTH).load_cert_chain(certificate, key)
    key.unlink()
    kept_certificate(tmp_path / "data")
    assert certificate.read_bytes() != made


def test_one_pbx_is_a_section_and_several_are_named_in_it(tmp_path: Path) -> None:
    file = tmp_path / "several.toml"
    file.write_text(
        '[sip]\nenabled = true\nextension = "200"\ntransport = "tcp"\n'
        '[sip.trunks.madrid]\nserver = "192.0.2.5"\n'
        '[sip.trunks.lisbon]\nserver = "192.0.2.6"\ntransport = "udp"\npriority = 2\n'
    )
    env = {"CENTRALITA_SIP__PASSWORD": "for all", "CENTRALITA_SIP__TRUNKS__LISBON__PASSWORD": "its own"}
    settings = Settings.load(file, env=env)
    madrid, lisbon = settings.sip.lines["madrid"], settings.sip.lines["lisbon"]
    assert (madrid.server, madrid.extension, madrid.transport, madrid.password.get_secret_value()) == ("192.0.2.5", "200", "tcp", "for all")
    assert (lisbon.server, lisbon.extension, lisbon.transport, lisbon.password.get_secret_value()) == ("192.0.2.6", "200", "udp", "its own")
    assert (settings.sip.trunks["madrid"].priority, settings.sip.trunks["lisbon"].priority) == (1, 2)
    shown = settings.masked()["sip"]["trunks"]["lisbon"]
    assert shown["extension"] == "200" and "its own" not in str(shown)
    one = Settings.load(env={}, overrides={"sip": {"enabled": True, "server": "192.0.2.5", "extension": "200"}}).sip
    assert list(one.lines) == ["pbx"] and one.lines["pbx"].server == "192.0.2.5"


@pytest.mark.parametrize(
    ("trunks", "fault"),
    [
        ({"madrid": {"server": "192.0.2.5"}, "lisbon": {}}, "the line lisbon is enabled but server is not set"),
        ({"madrid": {"server": "192.0.2.5", "prot": 1}}, r"sip.trunks.madrid.prot .*: unknown key: did you mean port\?"),
        ({"pbx": {"server": "192.0.2.5"}}, "named like the whole"),
        ({"a": {"server": "h", "listen_port": 5070}, "b": {"server": "h", "listen_port": 5070}}, "several trunks have one listen_port"),
        ({"madrid": "192.0.2.5"}, "sip.trunks.madrid"),
    ],
)
def test_faults_of_one_of_several_pbxs_name_it(trunks: dict[str, object], fault: str) -> None:
    with pytest.raises(ConfigError, match=fault):
        Settings.load(env={}, overrides={"sip": {"enabled": True, "extension": "200", "trunks": trunks}})


def test_a_pbx_that_registers_here_needs_a_password_and_a_port_and_no_address() -> None:
    line = {"enabled": True, "mode": "registrar", "extension": "200"}
    with pytest.raises(ConfigError, match="password and listen_port are not set"):
        Settings.load(env={}, overrides={"sip": line})
    sip = Settings.load(env={}, overrides={"sip": {**line, "password": "secret", "listen_port": 5060, "digests": "sha-256,md5"}}).sip
    assert sip.lines["pbx"].mode == "registrar" and sip.digests == ("sha-256", "md5")


@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("enabled = true", "centralita threecx attach"),
        ('bases = ["http://pbx.example.com"]', "https://HOST"),
        ('bases = ["https://pbx.example.com/path"]', "https://HOST"),
        ('bases = ["https://"]', "https://HOST"),
        ('ca_file = "/nowhere.pem"', "PEM file"),
        ('extensions = {ana = "not one"}', "threecx.extensions"),
    ],
)
def test_a_3cx_is_named_whole_and_safely(file: Path, lines: str, told: str) -> None:
    file.write_text(f"[threecx]\n{lines}\n")
    assert told in "\n".join(faults(file))


def test_a_3cx_and_our_line_to_it_are_one_picture(file: Path) -> None:
    base = "http://127.0.0.1:5004"
    file.write_text(f'[threecx]\nenabled = true\nbases = ["{base}"]\nclient_id = "870"\nsecret = "s3cr3t"\n[sip]\nextension = "204"\n')
    settings = Settings.load(file, {})
    work = settings.threecx_work()
    assert work is not None and work.own_numbers == {"870", "204"} and "s3cr3t" not in repr(work)
    assert "s3cr3t" not in str(settings.masked()) and Settings.load(None, {}).threecx_work() is None


def test_the_contact_centres_folder_is_there_and_its_secrets_are_long(file: Path, tmp_path: Path) -> None:
    file.write_text(f'[centre]\nfolder = "{tmp_path}"\nsecrets.booking = "{SECRET}"\n')
    settings = Settings.load(file, {})
    assert settings.centre.folder == tmp_path and settings.centre.secrets["booking"].get_secret_value() == SECRET
    assert SECRET not in str(settings.masked())
    file.write_text('[centre]\nfolder = "nowhere"\n')
    assert "nowhere is no folder: make it, or write one with `centralita plan export`" in faults(file)[0]
    file.write_text('[centre]\nsecrets.booking = "short"\n')
    assert "secrets.booking has at least 32 bytes" in faults(file)[0]


@pytest.mark.parametrize(
    "name", ["crm.example", "https://crm.example/", "https://*", "https://crm.example;script-src", "javascript:alert(1)"]
)
def test_a_site_that_may_hold_the_softphone_is_an_origin_and_nothing_else(name: str) -> None:
    with pytest.raises(ConfigError, match="no site"):
        Settings.load(env={"CENTRALITA_SECURITY__EMBEDDED_IN": f"https://good.example:8443,{name}"})
