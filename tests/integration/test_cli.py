"""The command line as its users have it: a process of its own, against a daemon; the last tests on a real stack."""

from __future__ import annotations

import json
import os
import pty
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from semsupervisor.api.client import Client, NotReachable, RequestRefused
from semsupervisor.cli import main
from tests.support.api_world import World, alert, entry, served_beside
from tests.support.commands import run
from tests.support.demo_stack import DemoStack, DemoStackFactory
from tests.support.engine import Engine
from tests.support.hung_filesystem import hung_filesystem
from tests.support.waiting import eventually_sync

pytestmark = pytest.mark.integration

PROGRAM = [sys.executable, "-m", "semsupervisor"]
SLOW_PACKAGES = {"aiodocker", "aiohttp", "apscheduler", "msgspec", "nats", "prometheus_client", "structlog"}
NOBODY = 65534
SIGTERM_SECONDS = 5.0
SLACK_SECONDS = 30.0

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="needs root")

SETTINGS = """
[host]
name = "edge-7"
[stack]
directory = "{folder}"
project = "{project}"
[backup]
schedule = "off"
verify.schedule = "off"
[checks]
interval = "1s"
timeout = "1s"
[state]
directory = "{folder}/state"
[api]
socket = "{folder}/control.sock"
listen = "127.0.0.1:0"
group = ""
"""


@pytest.fixture
def world() -> World:
    """Return a healthy small stack."""
    return World()


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """Return a folder that anybody may enter."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        folder.chmod(0o755)
        yield folder


@pytest.fixture
def control(world: World, open_folder: Path) -> Iterator[str]:
    """Return the control socket of a daemon that serves the world, in a folder that anybody may enter."""
    with served_beside(world, open_folder) as socket:
        yield socket


def command(control: str, *words: str) -> list[str]:
    """Return the words that run a command."""
    return [*PROGRAM, "--socket", control, *words]


def on_terminal(words: Sequence[str], **environment: str) -> str:
    """Return what a command writes to a terminal."""
    primary, secondary = pty.openpty()
    known = {name: value for name, value in os.environ.items() if name != "NO_COLOR"}
    process = subprocess.Popen(words, stdout=secondary, env={**known, "TERM": "xterm", **environment})
    os.close(secondary)
    written = b""
    while select.select([primary], [], [], 20)[0]:
        try:
            piece = os.read(primary, 65536)
        except OSError:
            break
        written += piece
    os.close(primary)
    process.wait(10)
    return written.decode()


@pytest.mark.parametrize(
    "words",
    [
        ["status"],
        ["facts"],
        ["alerts"],
        ["alerts", "rules"],
        ["alerts", "test", "ops"],
        ["timeline"],
        ["outbox"],
        ["--version"],
    ],
)
def test_a_command_loads_nothing_that_is_slow(control: str, words: list[str]) -> None:
    """Whoever asks the daemon loads none of the libraries that it is built on."""
    look = (
        "import sys\nfrom semsupervisor.cli import main\n"
        f"try:\n    main(['--socket', {control!r}, *{words!r}])\nexcept SystemExit:\n    pass\n"
        "print('\\n' + ' '.join({name.partition('.')[0] for name in sys.modules}))"
    )
    loaded = set(run([sys.executable, "-c", look]).stdout.splitlines()[-1].split())
    assert "argparse" in loaded
    assert not loaded & SLOW_PACKAGES


def test_a_daemon_that_does_not_run_is_exit_code_3(tmp_path: Path) -> None:
    """Every command that needs the daemon says in one sentence how to start it, without a traceback."""
    for words in (["status"], ["alerts"], ["timeline", "--follow"], ["outbox"], ["settings", "reload"]):
        done = run(command(str(tmp_path / "none"), *words), check=False)
        assert (done.returncode, done.stdout) == (3, "")
        assert "systemctl start semsupervisor" in done.stderr
        assert "Traceback" not in done.stderr


@as_root
def test_a_user_outside_the_group_is_told_how_to_get_in(control: str, tmp_path: Path) -> None:
    """The socket's mode keeps strangers out, with exit code 3 and the command that would let them in."""
    assert main(["--socket", control, "status"]) == 0  # all is imported before root, who may read it all, is given up
    said = tmp_path / "said"
    assert _as_nobody(["--socket", control, "status"], said) == 3
    assert "usermod -aG semsupervisor" in said.read_text()


@as_root
def test_a_plugin_without_rights_is_unknown(open_folder: Path, engine: Engine) -> None:
    """A user who may not ask the engine, or not read the settings, gets one line with what to do and exit code 3."""
    assert main(["check", "--timeout", "20"]) in {0, 1, 2, 3}  # all is imported before root is given up
    said = open_folder / "said"
    settings = open_folder / "s.toml"
    for mode, words in ((0o644, "may not open"), (0o600, "the settings are refused")):
        settings.write_text(f"docker.socket = {json.dumps(str(engine.socket))}\n")
        settings.chmod(mode)
        assert _as_nobody(["check", "--settings", str(settings)], said) == 3
        first = said.read_text().splitlines()[0]
        assert first.startswith("SEMSUPERVISOR UNKNOWN - ")
        assert words in first
        assert "Traceback" not in said.read_text()


def _as_nobody(words: list[str], said: Path) -> int:
    """Run a command as a user without any rights in a child of this process; return its exit code."""
    with said.open("w") as out:
        child = os.fork()
        if child == 0:
            try:
                os.dup2(out.fileno(), 1)
                os.dup2(out.fileno(), 2)
                sys.stdout = os.fdopen(1, "w", buffering=1)
                sys.stderr = os.fdopen(2, "w", buffering=1)
                os.setgroups([])
                os.setgid(NOBODY)
                os.setuid(NOBODY)
                os._exit(main(words))
            finally:
                os._exit(99)
        return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def test_a_plugin_ends_though_a_folder_hangs(tmp_path: Path) -> None:
    """A network file system whose server is away holds up neither the look nor the end of the process."""
    point = tmp_path / "hung"
    point.mkdir()
    settings = tmp_path / "s.toml"
    settings.write_text(f"stack.directory = {json.dumps(str(point))}\nchecks.timeout = '500ms'\n")
    with hung_filesystem(point):
        done = run([*PROGRAM, "check", "--settings", settings], check=False, timeout_seconds=30)
    assert done.returncode in {2, 3}
    assert done.stdout.startswith("SEMSUPERVISOR ")
    assert done.stderr == ""


def test_wrong_usage_is_exit_code_2(control: str) -> None:
    """Usage errors name what is wrong; the plugin's are exit code 3, since 2 is critical there."""
    for words, code in ((["stauts"], 2), (["alerts", "--limit"], 2), ([], 2), (["check", "--nonsense"], 3)):
        done = run(command(control, *words), check=False)
        assert done.returncode == code
        assert "usage: semsupervisor" in done.stderr


def test_every_command_explains_itself() -> None:
    """--help works for each noun and names the exit codes at the top."""
    top = run([*PROGRAM, "--help"]).stdout
    assert "exit codes: 0 fine" in " ".join(top.split())
    for noun in ("run", "check", "status", "facts", "alerts", "timeline", "outbox", "settings"):
        assert noun in top
        assert run([*PROGRAM, noun, "--help"]).stdout.startswith(f"usage: semsupervisor {noun}")


def test_colour_is_for_a_terminal(control: str, world: World) -> None:
    """A terminal gets colour unless its user wants none; a pipe never does."""
    world.alerts = [alert()]
    assert "\x1b[31;1mcritical\x1b[0m" in on_terminal(command(control, "status"))
    assert "\x1b" not in on_terminal(command(control, "status"), NO_COLOR="1")
    assert "\x1b" not in run(command(control, "status"), check=False).stdout


def test_a_reader_that_has_seen_enough_is_no_error(control: str, world: World) -> None:
    """When `head` closes the pipe the command ends as others do by SIGPIPE, in silence."""
    world.entries = [entry(number) for number in range(1, 1000)]
    process = subprocess.Popen(
        command(control, "timeline", "--limit", "1000"), stdout=subprocess.PIPE, stderr=subprocess.PIPE
    )
    assert process.stdout is not None
    process.stdout.close()
    _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (141, b"")


def test_an_answer_that_cannot_be_written_is_said(control: str) -> None:
    """A full disk behind the output is a sentence and exit code 1."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            command(control, "status"), stdout=full, stderr=subprocess.PIPE, text=True, timeout=20, check=False
        )
    assert done.returncode == 1
    assert done.stderr == "semsupervisor: cannot write the answer: No space left on device\n"


@pytest.mark.parametrize(("closed", "words", "code"), [(">&-", "status", 0), ("2>&-", "outbox retry 99", 1)])
def test_a_closed_stream_is_no_error(control: str, closed: str, words: str, code: int) -> None:
    """Started without an output, as some service managers do, a command does its work and keeps its exit code."""
    line = f"{' '.join(command(control, *words.split()))} {closed}"
    done = run(["sh", "-c", line], check=False)
    assert (done.returncode, done.stdout, done.stderr) == (code, "", "")


def test_ctrl_c_ends_a_follower_in_silence(control: str, world: World) -> None:
    """Following ends with exit code 130 and no traceback."""
    world.entries = [entry(1)]
    # What was started in the background of a script ignores SIGINT, and so does all that it starts.
    follow = ["env", "--default-signal=INT", *command(control, "timeline", "--follow")]
    with subprocess.Popen(follow, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert "entry 1" in process.stdout.readline()
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
    assert (process.returncode, errors) == (130, "")


def test_a_terminal_without_unicode_gets_it_escaped(control: str, world: World) -> None:
    """A character that the locale cannot show ends nothing."""
    world.entries = [entry(1, subject="service:naïve→")]
    done = run(command(control, "timeline"), environment={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"})
    assert "service:na\\xefve\\u2192" in done.stdout


class Supervised:
    """A real daemon on a real stack."""

    def __init__(self, stack: DemoStack, folder: Path) -> None:
        self.stack = stack
        self.settings = folder / "s.toml"
        self.socket = str(folder / "control.sock")
        self.settings.write_text(SETTINGS.format(folder=folder, project=stack.project))
        self._log = folder / "daemon.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [*PROGRAM, "run", "--settings", str(self.settings)], stdout=log, stderr=log, cwd=folder
            )

    def says(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run a command and return what it said."""
        return run(command(self.socket, *words), check=False)

    def verdict(self) -> str:
        """Return how the daemon says that the stack is, empty while it cannot be asked."""
        try:
            return str(Client(self.socket).get("/v1/health")["status"])
        except (NotReachable, RequestRefused):
            return ""

    def stop(self) -> int:
        """End it and return its exit code."""
        self._process.terminate()
        return self._process.wait(SIGTERM_SECONDS)

    def wait_until_healthy(self) -> None:
        """Wait until it says that the stack is healthy; fail with what it says instead, and with its log."""
        try:
            eventually_sync(lambda: self.verdict() == "healthy", within_seconds=60)
        except AssertionError as error:
            raise AssertionError(f"{self.says('status').stdout}\n{self.log}") from error

    @property
    def log(self) -> str:
        """Return what it logged."""
        return self._log.read_text()


@pytest.fixture(scope="module")
def supervised(demo_stacks: DemoStackFactory) -> Iterator[Supervised]:
    """Return a demo stack with a daemon that finds it healthy."""
    with tempfile.TemporaryDirectory() as name:
        supervised = Supervised(demo_stacks("cli"), Path(name))
        try:
            supervised.wait_until_healthy()
            yield supervised
        finally:
            code = supervised.stop()
            supervised.stack.down()
        assert code == 0, supervised.log
        assert "Traceback" not in supervised.log


@pytest.fixture
def healthy(supervised: Supervised) -> Iterator[Supervised]:
    """Return it healthy, and wait until it is so again afterwards."""
    yield supervised
    supervised.stack.compose("start")
    supervised.wait_until_healthy()


def check(supervised: Supervised) -> subprocess.CompletedProcess[str]:
    """Look once without the daemon."""
    return run([*PROGRAM, "check", "--settings", str(supervised.settings)], check=False)


def test_a_real_stack_on_one_screen(healthy: Supervised) -> None:
    """Services, SemStreams, NATS and disks of a real stack are seen, and the exit code is 0."""
    done = healthy.says("status")
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith(f"edge-7: project {healthy.stack.project} in ")
    shown = json.loads(healthy.says("status", "--json").stdout)
    assert {one["name"]: one["facts"]["state"] for one in shown["services"]} == {
        "nats": "running",
        "semstreams": "running",
    }
    assert shown["semstreams"][0]["facts"]["status"] == "healthy"
    assert shown["nats"][0]["facts"]["healthy"] is True
    assert shown["filesystems"]
    assert shown["engine"]["facts"]["reachable"] is True


def test_every_fact_of_a_real_stack_has_an_age(healthy: Supervised) -> None:
    """Nothing that is shown is older than the looks that bring it, and a pattern finds what it means."""
    found = json.loads(healthy.says("facts", "--json").stdout)["facts"]
    kinds = {one["subject"].partition(":")[0] for one in found}
    assert {"engine", "service", "filesystem", "host", "semstreams", "nats", "probe", "supervisor"} <= kinds
    probes = json.loads(healthy.says("status", "--json").stdout)["probes"]
    interval = {one["name"]: one["interval_seconds"] for one in probes}
    looked_at = [one for one in found if one["source"] != "settings"]  # those are told when they are read
    old = [one for one in looked_at if one["age_seconds"] > 2 * interval.get(one["source"], 0) + SLACK_SECONDS]
    assert old == []
    shown = healthy.says("facts", "nats:nats healthy")
    assert (shown.returncode, shown.stdout.split()[:2], shown.stdout.split()[-1]) == (
        0,
        ["nats:nats", "healthy"],
        "yes",
    )
    assert healthy.says("facts", "no such fact").returncode == 1


@pytest.mark.parametrize(
    ("source", "word"),
    [
        ("varz", '"server_id"'),
        ("healthz", '"status"'),
        ("healthz-live", '"status"'),
        ("jsz", '"memory"'),
        ("connz", '"connections"'),
        ("health", '"status"'),
        ("metrics", "# TYPE "),
    ],
)
def test_a_real_endpoints_last_word_can_be_read(healthy: Supervised, source: str, word: str) -> None:
    """As curl would have it, on stdout and nothing else, with its age on stderr."""
    eventually_sync(lambda: healthy.says("facts", "--raw", source).returncode == 0, within_seconds=90)
    done = healthy.says("facts", "--raw", source)
    assert word in done.stdout
    assert done.stderr.startswith(f"{source}: 200 from http://")


def test_an_endpoint_that_nobody_asks_is_told_with_the_others(healthy: Supervised) -> None:
    """The names that there are stand in the refusal, or the one that was meant."""
    done = healthy.says("facts", "--raw", "nothing of the kind")
    assert (done.returncode, done.stdout) == (1, "")
    assert "varz" in done.stderr
    assert "did you mean varz?" in healthy.says("facts", "--raw", "vars").stderr


def test_the_rules_say_what_they_measure_on_a_real_stack(healthy: Supervised) -> None:
    """Every rule with where it is from; the disks' with how full they are, or why that cannot be said yet."""
    rules = {one["name"]: one for one in json.loads(healthy.says("alerts", "rules", "--json").stdout)["rules"]}
    assert {one["origin"] for one in rules.values()} == {"shipped"}
    assert all(one["value"].endswith(" %") for one in rules["filesystem_filling"]["states"])
    assert {one["state"] for one in rules["filesystem_full_soon"]["states"]} == {"unknown"}
    assert [one["subject"] for one in rules["nats_unhealthy"]["states"]] == ["nats:nats"]
    lines = healthy.says("alerts", "rules").stdout.splitlines()
    assert [line for line in lines if len(line) > 80 and " " in line.strip()] == []


def test_a_real_page_of_metrics_is_well_formed(healthy: Supervised) -> None:
    """Every line of a real page is read by promtool without a word, where that is installed."""
    page = run(["curl", "-sS", "--unix-socket", healthy.socket, "http://localhost/metrics"]).stdout
    assert 'semsupervisor_service_state{service="nats",state="running"} 1.0' in page
    assert 'semsupervisor_stack_state{state="healthy"} 1.0' in page
    if subprocess.run(["sh", "-c", "command -v promtool"], capture_output=True, check=False).returncode == 0:
        done = run(["promtool", "check", "metrics"], text_in=page, check=False)
        assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_crash_is_on_the_screen_and_in_the_timeline(healthy: Supervised) -> None:
    """While a service is down the exit code says so; its alert, with what the container said, is in the timeline."""
    pid = int(healthy.stack.inspect("nats")["State"]["Pid"])
    os.kill(pid, signal.SIGKILL)
    narrowed = ("timeline", "--kind", "alert.firing", "--subject", "service:nats")
    eventually_sync(lambda: "service:nats" in healthy.says(*narrowed).stdout, within_seconds=60)
    past = json.loads(healthy.says("alerts", "history", "--json").stdout)["alerts"]
    (death,) = [one for one in past if one["rule"] == "container_died"]
    assert (death["subject"], death["evidence"]["exit_code"]) == ("service:nats", "137")


def test_a_stop_by_hand_is_on_the_screen(healthy: Supervised) -> None:
    """A service that somebody stopped makes the exit code 1, and the screen says who or what did it."""
    healthy.stack.engine.docker("stop", "--time", "2", healthy.stack.container("nats"))
    assert healthy.says("status").returncode == 1
    eventually_sync(lambda: "nats was stopped" in healthy.says("status").stdout, within_seconds=60)
    done = healthy.says("status")
    assert done.returncode == 1
    assert "stack       unhealthy" in done.stdout


def test_one_look_agrees_with_the_daemon(healthy: Supervised) -> None:
    """`check` finds the healthy stack well, and a stopped and a paused service critical, without the daemon."""
    done = check(healthy)
    assert done.returncode == 0, done.stdout
    assert done.stdout.startswith("SEMSUPERVISOR OK - 2 services as they should be")
    assert "'nats_nats_connections'=" in done.stdout
    engine, stack = healthy.stack.engine, healthy.stack
    engine.docker("pause", stack.container("semstreams"))
    done = check(healthy)
    engine.docker("unpause", stack.container("semstreams"))
    assert done.returncode == 2, done.stdout
    assert "paused" in done.stdout
    for policy in ("unless-stopped", "on-failure"):
        engine.docker("update", f"--restart={policy}", stack.container("nats"))
        engine.docker("kill", stack.container("nats"))
        done = check(healthy)
        engine.docker("update", "--restart=unless-stopped", stack.container("nats"))
        engine.docker("start", stack.container("nats"))
        assert done.returncode == 2, done.stdout
        assert "nats was stopped" in done.stdout


def test_one_look_agrees_about_a_stack_that_was_taken_down(healthy: Supervised) -> None:
    """Without any container `check` is as critical as the daemon, which remembers them, is unhealthy."""
    healthy.stack.compose("down")
    try:
        eventually_sync(lambda: healthy.verdict() == "unhealthy", within_seconds=60)
        done = check(healthy)
    finally:
        healthy.stack.compose("up", "--detach")
    assert done.returncode == 2, done.stdout
    assert done.stdout.startswith("SEMSUPERVISOR CRITICAL - no container of the stack exists")


def test_a_reload_is_taken_or_refused(healthy: Supervised) -> None:
    """A good file is in force at once; a bad one is refused with every problem, and the daemon goes on."""
    good = healthy.settings.read_text()
    healthy.settings.write_text(good.replace('interval = "1s"', 'interval = "2s"'))
    assert healthy.says("settings", "reload").returncode == 0
    shown = Client(healthy.socket).get("/v1/settings")["settings"]
    assert {one["key"]: one["value"] for one in shown}["checks.interval"] == "2s"
    healthy.settings.write_text(good.replace('interval = "1s"', 'interval = "-1s"\nnonsense = 3'))
    refused = healthy.says("settings", "reload")
    assert refused.returncode == 1
    assert "checks.interval" in refused.stderr
    assert "checks.nonsense" in refused.stderr
    healthy.settings.write_text(good)
    assert healthy.says("settings", "reload").returncode == 0
    assert healthy.verdict() == "healthy"
