"""Who stopped a container: somebody through the API, itself, or its engine. Pure.

`kill` before `die`, or any `stop`, means that somebody used the API; `die` without `kill` is a crash, or a signal
from the host. An engine that shuts down looks like the former, so that such an end is believed only after a while in
which the engine goes on answering; see `Ending`.
"""

from __future__ import annotations

import signal

from semsupervisor.health.services import KILLED, Ending, Kill, Service, signal_name
from semsupervisor.systems.containers import Container, ContainerState, RestartPolicy

# Signals that ask a process to end, whatever the image calls its own.
ENDING_SIGNALS = frozenset({signal.SIGTERM, signal.SIGKILL, signal.SIGINT, signal.SIGQUIT})
# Nobody waits longer for a container that was asked to end; a later death has another reason.
LONGEST_GRACE_NANO = 15 * 60 * 10**9
# So long an exit code of the program's own is taken for its answer to the signal.
ANSWER_NANO = 60 * 10**9
# An engine stops what a killed one left running before it takes its first call, so well within this time.
ENGINE_START_SECONDS = 10.0


def asked(service: Service, exit_code: int, time_nano: int) -> bool:
    """Tell whether a `die` with that exit code and stamp (ns since 1970) ends what somebody began through the API.

    A program may pass over a signal and go on; when it ends much later, the exit code has to look like an answer to it.
    """
    if service.stopping:
        return True
    kill = service.kill
    if kill is None:
        return False
    after = abs(time_nano - kill.time_nano)
    if after > LONGEST_GRACE_NANO:
        return False
    if not ends(service, kill.signal):
        return exit_code == 128 + kill.signal
    return after <= ANSWER_NANO or exit_code in (0, 128 + kill.signal, KILLED)


def ends(service: Service, signal_number: int) -> bool:
    """Tell whether a signal is meant to end the container."""
    return signal_number in ENDING_SIGNALS or signal_number == service.stop_signal


def remembered(service: Service, kill: Kill) -> Kill:
    """Return the signal to remember: one that ends weighs more than a later one that does not."""
    if service.kill is not None and ends(service, service.kill.signal) and not ends(service, kill.signal):
        return service.kill
    return kill


def acts(policy: RestartPolicy | None, exit_code: int) -> bool:
    """Tell whether the engine starts a container again that ended by itself."""
    match policy:
        case RestartPolicy.ALWAYS | RestartPolicy.UNLESS_STOPPED:
            return True
        case RestartPolicy.ON_FAILURE:
            return exit_code != 0
        case RestartPolicy.NO | None:
            return False


def gave_up(retries: int, restart_count: int) -> bool:
    """Tell whether a restart policy that allows so many restarts, 0 for any number, has done all of them."""
    return 0 < retries <= restart_count


def for_good(cause: str, retries: int) -> str:
    """Return how a container died that its restart policy has given up."""
    return f"{cause}; Docker gave up after {retries} {'try' if retries == 1 else 'tries'}"


def completed(policy: RestartPolicy | None, exit_code: int) -> bool:
    """Tell whether an end is the success of a service that is run once: it ended well, and nothing starts it again."""
    return exit_code == 0 and not acts(policy, exit_code)


def unheard(container: Container, *, engine_changed: bool) -> Ending:
    """Judge by its inspection a container that ended unheard, having been known to run.

    The engine would have started it again if its policy says so, unless somebody stopped it through the API.
    """
    if container.state is ContainerState.RESTARTING:
        return Ending.DIED
    if engine_changed:
        return Ending.LEFT
    if container.error:
        return Ending.DIED
    return Ending.ASKED if was_stopped(container) else _by_its_exit_code(container)


def could_not_start(container: Container) -> bool:
    """Tell whether a container that never ran was to be started, and the engine failed to."""
    return container.state is ContainerState.CREATED and (bool(container.error) or container.exit_code != 0)


def left(container: Container, engine_started: float | None) -> bool:
    """Tell whether a container ended in the first moments of its engine, which started then (seconds since 1970)."""
    if container.finished_at is None or engine_started is None:
        return False
    return 0.0 <= container.finished_at.timestamp() - engine_started < ENGINE_START_SECONDS


def at_first_sight(container: Container, *, left_by_engine: bool) -> Ending:
    """Judge by its inspection a container that does not run and of which nothing was known.

    `left_by_engine` says that it ended in the first moments of its engine: one that was killed leaves containers so.
    A container that never ran, or ended well with nobody to start it again, is not held against anybody.
    """
    if container.state is ContainerState.CREATED:
        return Ending.NONE
    if container.state in (ContainerState.RESTARTING, ContainerState.DEAD) or container.error:
        return Ending.DIED
    if left_by_engine:
        return Ending.LEFT
    return Ending.REQUESTED if was_stopped(container) else _by_its_exit_code(container)


def was_stopped(container: Container) -> bool:
    """Tell whether somebody stopped a container that ended: its restart policy would have started it again."""
    acted = acts(container.restart_policy, container.exit_code)
    return acted and not gave_up(container.restart_retries, container.restart_count)


def _by_its_exit_code(container: Container) -> Ending:
    """Judge what nothing was to start again: a code that answers a signal does not tell who sent it."""
    code = container.exit_code
    if completed(container.restart_policy, code):
        return Ending.COMPLETED
    answers = code - 128 in (*ENDING_SIGNALS, container.stop_signal)
    if answers and not container.oom_killed and not acts(container.restart_policy, code):
        return Ending.UNKNOWN
    return Ending.DIED


def how_it_was_asked(service: Service, exit_code: int | None) -> str:
    """Return in words what somebody did through the API."""
    code = "" if exit_code is None else f", exit code {exit_code}"
    if service.kill is None:
        return f"stopped through the Docker API{code}; by whom is not known"
    name = signal_name(128 + service.kill.signal) or f"signal {service.kill.signal}"
    verb = "stopped" if service.stopping else "killed"
    return f"{verb} through the Docker API with {name}{code}; by whom is not known"
