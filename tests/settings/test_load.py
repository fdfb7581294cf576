"""The whole settings file."""

from __future__ import annotations

from pathlib import Path

import pytest

from semsupervisor.errors import SettingsError
from semsupervisor.settings import load as loading
from semsupervisor.settings.forms import Duration
from semsupervisor.settings.load import load, load_collecting, project_of
from semsupervisor.settings.model import EmailReceiver, Settings
from tests.support.certificates import self_signed

WHOLE = """
[stack]
directory = "/srv/edge/Sem Streams 2"
semstreams_service = "app"

[checks]
interval = "30s"
nats.monitor = "http://10.0.0.7:8222"

[rules.memory_high]
above = 0.85

[receivers.mail]
type = "email"
host = "mail.example.org"
from = "edge7@example.org"
to = ["ops@example.org"]
username = "edge7"
password_env = "MAIL_PASSWORD"
"""

HOOK = """
[receivers.hook]
type = "webhook"
url = "https://hooks.example.org/x"
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Return where a settings file may be written."""
    return tmp_path / "semsupervisor.toml"


def problems_of(file: Path, text: str) -> list[str]:
    """Return the problems for which a file with this text is refused."""
    file.write_text(text)
    with pytest.raises(SettingsError) as caught:
        load(file, {})
    return list(caught.value.problems)


def test_without_a_file_the_defaults_hold(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The default path is read only if something is there; the project is called as its folder."""
    monkeypatch.setattr(loading, "DEFAULT_PATH", tmp_path / "none.toml")
    loaded = load(None, {})
    assert loaded.path is None
    assert loaded.settings.stack.project == "semstreams"
    assert loaded.settings.checks == Settings().checks
    assert loaded.findings == ()


def test_the_default_file_is_read_if_it_is_there(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    """The same file needs not be named."""
    file.write_text('[host]\nname = "edge7"\n')
    monkeypatch.setattr(loading, "DEFAULT_PATH", file)
    loaded = load(None, {})
    assert loaded.path == file
    assert loaded.settings.host.name == "edge7"


def test_a_file_that_is_named_must_be_there(file: Path) -> None:
    """Whoever names a file does not want the defaults."""
    with pytest.raises(SettingsError) as caught:
        load(file, {})
    assert caught.value.problems == (f"{file}: found no such file; allowed: an existing settings file",)


def test_a_whole_file_is_read(file: Path) -> None:
    """Values, derived values and secrets are there, each with its origin."""
    file.write_text(WHOLE)
    loaded = load(file, {"MAIL_PASSWORD": "hunter2"})
    settings = loaded.settings
    assert settings.stack.project == "semstreams2"
    assert settings.checks.interval_seconds == Duration(30)
    assert settings.checks.semstreams.health == "container:app:8080/health"
    assert settings.checks.nats.monitor == "http://10.0.0.7:8222"
    assert settings.rules["memory_high"].above == 0.85
    mail = settings.receivers["mail"]
    assert isinstance(mail, EmailReceiver)
    assert mail.password is not None
    assert mail.password.value == "hunter2"
    assert loaded.origins["checks.interval"] == str(file)
    assert loaded.origins["checks.semstreams.health"] == "follows stack.semstreams_service"
    assert loaded.origins["stack.project"] == "the name of stack.directory"
    assert loaded.references == {"receivers.mail.password_env": "MAIL_PASSWORD"}


def test_a_given_address_follows_nothing(file: Path) -> None:
    """An address in the file stays as it is, whatever the services are called."""
    file.write_text(
        'stack = {nats_service = "bus", semstreams_service = "app"}\nchecks.semstreams.health = "http://a/h"\n'
    )
    checks = load(file, {}).settings.checks
    assert checks.semstreams.health == "http://a/h"
    assert (checks.nats.monitor, checks.nats.client) == ("container:bus:8222", "container:bus:4222")


def test_all_problems_come_at_once(file: Path) -> None:
    """Faults of every sort, in tables, receivers, secrets and between settings, are one message each in one error."""
    text = """
        typo = 1
        checks.interval = "0s"
        delivery.first_retry = "1h"
        [receivers.mail]
        type = "email"
        to = ["ops@example.org", "ops@example.org"]
        password_file = "password"
    """
    problems = problems_of(file, text)
    keys = [problem.removeprefix(f"{file}: ").split(":")[0] for problem in problems]
    assert keys == [
        "checks.interval",
        "receivers.mail.host",
        "receivers.mail.from",
        "receivers.mail.to",
        "receivers.mail.password_file",
        "typo",
        "delivery.longest_retry",
        "receivers.mail.password",
    ]


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a = ", "line 1, column 5"),
        ("[checks]\ninterval = 10s\n", "line 2, column 14"),
        ("[a]\n[a]\n", "line 2, column 3"),
        ('x = """\nopen', "line 2, column 5"),
        ("[checks\n", "line 1, column 8"),
        ("", ""),
    ],
)
def test_broken_toml_is_told_with_line_and_column(text: str, where: str, file: Path) -> None:
    """The place is where the editor's cursor has to go; an empty file is not broken."""
    if not where:
        file.write_text(text)
        assert load(file, {}).path == file
        return
    (problem,) = problems_of(file, text)
    assert problem.startswith(f"{file}: {where}: found broken TOML (")


def test_a_file_in_another_encoding_is_told_with_line_and_column(file: Path) -> None:
    """Latin-1 in a comment is found where it stands."""
    file.write_bytes(b"[host]\nname = 'K\xf6ln'\n")
    with pytest.raises(SettingsError) as caught:
        load(file, {})
    assert "line 2, column 10: found broken TOML (bytes that are not UTF-8)" in str(caught.value)


def test_windows_line_ends_are_no_fault(file: Path) -> None:
    """A file edited elsewhere is read all the same."""
    file.write_bytes(b'[host]\r\nname = "edge7"\r\n')
    assert load(file, {}).settings.host.name == "edge7"


@pytest.mark.parametrize(
    ("text", "found"), [("a = " + "[" * 5000, "nested too deeply"), ("#" * 1024 * 1025, "more than 1 MiB")]
)
def test_a_file_that_cannot_be_settings_is_refused(text: str, found: str, file: Path) -> None:
    """Nothing that a file holds ends in a traceback."""
    (problem,) = problems_of(file, text)
    assert found in problem


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    """What the system says of it is told."""
    with pytest.raises(SettingsError) as caught:
        load(tmp_path, {})
    assert "Is a directory" in str(caught.value)


def test_the_credential_of_a_receiver_may_be_missing(file: Path) -> None:
    """The daemon starts without that receiver, and a finding says why."""
    file.write_text(WHOLE.replace("password_env", "password_credential").replace("MAIL_PASSWORD", "mail"))
    loaded = load(file, {})
    assert not loaded.settings.receivers["mail"].enabled
    assert "receivers.mail is disabled" in loaded.findings[0]


@pytest.mark.parametrize(
    ("more", "key"),
    [
        ('password_file = "/none/password"', "receivers.mail.password_file"),
        ('password_env = "NONE"', "receivers.mail.password_env"),
        ('password_env = "MAIL_PASSWORD"\nca_file = "/none/ca.pem"', "receivers.mail.ca_file"),
    ],
)
def test_what_a_receiver_needs_may_be_missing(file: Path, more: str, key: str) -> None:
    """A host that lost a file is supervised all the same: that receiver alone rests, and it is said why."""
    file.write_text(WHOLE.replace('password_env = "MAIL_PASSWORD"', more) + HOOK)
    loaded = load(file, {"MAIL_PASSWORD": "hunter2"})
    assert {name: receiver.enabled for name, receiver in loaded.settings.receivers.items()} == {
        "mail": False,
        "hook": True,
    }
    assert list(loaded.resting) == ["mail"]
    assert loaded.findings == (f"receivers.mail is disabled: {loaded.resting['mail']}",)
    assert [problem.key for problem in loaded.missing] == [key]
    assert loaded.origins["receivers.mail.enabled"] == "what it needs is missing"


def test_the_environment_is_the_processs_own_by_default(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without another one the secret is looked up where the daemon runs."""
    monkeypatch.setenv("MAIL_PASSWORD", "hunter2")
    file.write_text(WHOLE)
    assert load(file).settings.receivers["mail"].enabled


def test_a_folder_that_is_not_there_is_no_fault_of_the_settings(file: Path) -> None:
    """Whether the stack exists is seen while it is watched."""
    file.write_text('stack.directory = "/none/such"\n')
    assert load(file, {}).settings.stack.project == "such"


def test_problems_can_be_collected_beside_what_is_good(file: Path) -> None:
    """Others can check what they understand even if something else is refused."""
    file.write_text('checks.interval = "0s"\nrules.memory_high.above = 80\n')
    loaded, problems = load_collecting(file, {})
    assert loaded is not None
    assert loaded.settings.rules["memory_high"].above == 80
    assert [problem.key for problem in problems] == ["checks.interval"]


@pytest.mark.parametrize(
    ("directory", "project"),
    [("/opt/semstreams", "semstreams"), ("/srv/Edge.7/", "edge7"), ("/x/_-a_b-c", "a_b-c"), ("/", ""), ("/ü", "")],
)
def test_a_project_is_called_as_compose_calls_it(directory: str, project: str) -> None:
    """The folder's name in lower case, other characters left out, a letter or digit first."""
    assert project_of(directory) == project


def test_an_authority_is_a_file_of_certificates(file: Path, tmp_path: Path) -> None:
    """A file without one, and none at all, are told before the first message fails; a good one is taken."""
    good, bad = self_signed(tmp_path).file, tmp_path / "bad.pem"
    bad.write_text("no certificate")
    hook = '[receivers.{}]\ntype = "webhook"\nurl = "https://a"\nca_file = "{}"\n'
    text = hook.format("good", good) + hook.format("bad", bad) + hook.format("none", tmp_path / "none.pem")
    off = hook.format("off", "/none") + "enabled = false\n"
    file.write_text(text + off)
    loaded = load(file, {})
    assert [problem.key for problem in loaded.missing] == ["receivers.bad.ca_file", "receivers.none.ca_file"]
    assert "no certificate in it" in loaded.resting["bad"]
    assert "No such file" in loaded.resting["none"]
    assert [name for name, receiver in loaded.settings.receivers.items() if receiver.enabled] == ["good"]
    (problem,) = problems_of(file, hook.format("relative", "ca.pem"))
    assert problem.split(": ")[1] == "receivers.relative.ca_file"


def test_what_is_read_at_the_start_stays_as_it_was(file: Path) -> None:
    """With all that follows from it; that the file says otherwise is known, also when it names the defaults again."""
    file.write_text('stack = {directory = "/srv/stack", nats_service = "bus"}\n')
    started = load(file, {}).settings
    for text in ("", 'stack.semstreams_service = "app"\n'):
        file.write_text(f'{text}checks.interval = "30s"\n')
        loaded, problems = load_collecting(file, {}, started)
        assert loaded is not None
        assert (problems, loaded.waiting) == ((), ("stack",))
        assert loaded.settings.stack == started.stack
        assert loaded.settings.checks.nats.monitor == "container:bus:8222"
        assert loaded.settings.checks.semstreams == started.checks.semstreams
        assert loaded.settings.checks.interval_seconds == Duration(30)
        assert loaded.origins["stack.nats_service"].startswith("the daemon's start; ")
    file.write_text('stack = {directory = "/srv/stack", nats_service = "bus"}\n')
    again, _ = load_collecting(file, {}, started)
    assert again is not None
    assert (again.waiting, again.settings) == ((), started)
