"""`harken serve`: the web process, its children and its upkeep, from the first start to the last.

The order matters: the others are forked when what all share is loaded, and before the web process
has threads; it loads the rest itself while they start.
"""

import asyncio
import errno
import os
import shutil
import signal
import socket
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import TYPE_CHECKING

from msgspec.structs import replace

from harken import clock, logs
from harken.config import Settings
from harken.errors import BadInput, HarkenError, Unavailable
from harken.logs import structlog
from harken.running import memory
from harken.running.bell import Bells
from harken.running.folder import held
from harken.store.log import Log

if TYPE_CHECKING:
    import uvicorn

    from harken.running.processes import Family
    from harken.running.services import Services

UPKEEP_SECONDS = 3600.0
LOOK_SECONDS = 60.0
"""How often it is looked whether experiments are due."""
IN_FLIGHT_SECONDS = 5
"""How long requests that are being answered may take when Harken stops."""
BACKLOG = 2048
FINDINGS_SECONDS = 30.0
"""How long the log may take to take them."""

log = structlog.get_logger("serve")


def serve(settings: Settings) -> None:
    """Run until SIGTERM, SIGINT or SIGHUP. Raises BadInput and Conflict when it cannot start, and
    Unavailable when it comes to an end that nobody asked for."""
    memory.keep_little()
    _check(settings)
    with (
        held(settings.data) as lock,
        listening(settings.host, settings.port, "--port") as listener,
    ):
        settings = replace(settings, port=listener.getsockname()[1])
        if settings.lmtp_port:
            # Only to say so in a line; it is opened again where mails are taken.
            with listening(settings.host, settings.lmtp_port, "--lmtp-port"):
                pass
        logs.set_up(settings.log_level, "web")
        _share_metrics(settings)
        if not settings.log.exists():
            Log(settings.log).close()
        # Not sooner: what counts is told its folder when it is loaded.
        from harken.running.processes import Family

        bells = Bells.new()
        family = Family(settings, bells)
        family.start(mine=[lock, listener.fileno()])
        try:
            _answer(settings, bells, family, listener)
        except BaseException as fault:
            log.error("stopping", error=type(fault).__name__, fault=str(fault))
            raise
        finally:
            family.stop()
            log.info("stopped")


def _check(settings: Settings) -> None:
    """Refuse to start with a transport or sender that could never send."""
    from harken.channels.addresses import parse_mailbox
    from harken.channels.smtp import parse_url

    for name, text, parse in (
        ("HARKEN_SMTP_URL", settings.smtp_url, parse_url),
        ("HARKEN_FROM", settings.sender, parse_mailbox),
    ):
        try:
            if text:
                parse(text)
        except BadInput as fault:
            raise BadInput(f"{name}: {fault}") from None


@contextmanager
def listening(host: str, port: int, option: str) -> Iterator[socket.socket]:
    """A socket on the host and port. Raises BadInput when that cannot be had."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    place = f"port {port} on {host}"
    with socket.socket(family) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind((host, port))
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                raise BadInput(f"{place} is in use; choose another with {option}") from None
            raise BadInput(f"cannot listen on {place}: {error.strerror or error}") from None
        except OverflowError:
            raise BadInput(f"{option} {port} is no port; it is 0 to 65535") from None
        listener.listen(BACKLOG)
        yield listener


def _share_metrics(settings: Settings) -> None:
    """Counters of all processes in one folder, which must be named before anything counts."""
    folder = settings.run / "metrics"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    os.environ["PROMETHEUS_MULTIPROC_DIR"] = str(folder)


def _answer(settings: Settings, bells: Bells, family: "Family", listener: socket.socket) -> None:
    import uvicorn

    from harken.history.remote import ADDRESS, RemoteHistory
    from harken.ingest.connection import connections
    from harken.running.services import Services
    from harken.web.server import asgi

    history = RemoteHistory(settings.run / ADDRESS)
    services = Services(settings, clock.SystemClock(), history, bells.engine.ring)
    try:
        _greet(services, settings)
        app = asgi(services, children=family.alive)
        config = uvicorn.Config(
            app,
            loop="uvloop",
            http=connections(app.ingest),
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            date_header=False,
            timeout_graceful_shutdown=IN_FLIGHT_SECONDS,
        )
        with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
            runner.run(_loop(services, config, listener, family))
    finally:
        services.close()
        history.close()


async def _loop(
    services: "Services", config: "uvicorn.Config", listener: socket.socket, family: "Family"
) -> None:
    import uvicorn

    class Server(uvicorn.Server):
        """Leaves signals to us: uvicorn raises them again, which would end us half way."""

        @contextmanager
        def capture_signals(self) -> Iterator[None]:
            yield

    server, parent, asked = Server(config), os.getppid(), False

    def stop(one: signal.Signals) -> None:
        nonlocal asked
        if not asked:
            # Some are sent by the kernel when the parent ends: then it is another one by now.
            log.info("stopping", signal=one.name, parent_gone=os.getppid() != parent)
        server.should_exit = asked = True

    def hear() -> None:
        if not family.hear():
            log.error("the parent of the other processes is gone")
            server.should_exit = True
            loop.remove_reader(family)

    loop = asyncio.get_running_loop()
    loop.add_reader(family, hear)
    followed = [signal.SIGTERM, signal.SIGINT]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        # Else it was started by `nohup`.
        followed.append(signal.SIGHUP)
    for one in followed:
        loop.add_signal_handler(one, stop, one)
    beside = [asyncio.create_task(one(services)) for one in (_upkeep, _share_out)]
    try:
        await server.serve(sockets=[listener])
    finally:
        loop.remove_reader(family)
        for task in beside:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
    if not server.started:
        raise Unavailable("the web process could not start; its log says why")
    if not asked:
        raise Unavailable("the web process came to an end, though no signal asked it to")


async def _upkeep(services: "Services") -> None:
    """Hourly: let go of what is kept no longer, write down how large segments are, find out."""
    while True:
        try:
            await asyncio.to_thread(tidy, services)
            await asyncio.to_thread(record_sizes, services)
            await asyncio.to_thread(find_out, services)
        except (HarkenError, OSError) as error:
            log.warning("upkeep failed; it is tried again later", error=str(error))
        await asyncio.sleep(UPKEEP_SECONDS)


async def _share_out(services: "Services") -> None:
    """Work out now and then how experiments share out new customers."""
    shared_at = 0
    while True:
        await asyncio.sleep(LOOK_SECONDS)
        now = services.clock.now()
        try:
            in_force = await asyncio.to_thread(lambda: services.in_force)
            if now - shared_at >= in_force.workspace.refresh_experiments:
                shared_at = now
                if await asyncio.to_thread(services.share_out):
                    log.info("experiments share out new customers anew")
        except (HarkenError, OSError) as error:
            log.warning("experiments stay as they are", error=str(error))


def tidy(services: "Services") -> None:
    """Drop what retention no longer wants: handled log, rejected rows, caught mail, old history."""
    from harken.ingest.intake import connect
    from harken.ingest.rejected import RejectedLog

    now = services.clock.now()
    retention = services.in_force.workspace.retention
    dropped = services.collector.drop_before(services.store.offset(), now - retention.log)
    # The connection of `services.rejected` serves the requests.
    with closing(connect(services.settings.intake)) as intake:
        RejectedLog(intake).tidy(now)
    mails = services.sandbox.purge(now - retention.sandbox)
    rows = 0
    if retention.history is not None:
        # By whole days: once a day there is something to erase, and history stays as it is else.
        rows = services.history.prune((now - retention.history) // clock.DAY * clock.DAY)
    if dropped or mails or rows:
        log.info("upkeep", log_segments=dropped, sandbox_mails=mails, history_rows=rows)


def find_out(services: "Services") -> None:
    """Once a day: when customers open and click, all together, told to the engine by the log."""
    from harken.inputs import FOUND, Findings, findings_in
    from harken.reports.hours import hours_of_all

    now, before = services.clock.now(), findings_in(services.store.note(FOUND))
    if before.at and now - before.at < clock.DAY:
        return
    hours = hours_of_all(services.history, now, services.in_force.zone)
    if any(hours) or any(before.hours):
        services.collector.append_findings(Findings(now, hours)).result(FINDINGS_SECONDS)


def record_sizes(services: "Services") -> None:
    """Write down how large each segment is: how they grew is shown by it."""
    from harken.web.segments import Segments

    Segments(services).record_sizes()


def _greet(services: "Services", settings: Settings) -> None:
    """Say where things are, and on the first start the keys, which are shown this once."""
    say = [f"Harken listens on http://{settings.host}:{settings.port}", f"Data: {settings.data}"]
    if not (settings.smtp_url or services.in_force.workspace.transports):
        say.append("Mail: kept in the sandbox; HARKEN_SMTP_URL is not set, nor any transport")
    keys, now = services.keys, services.clock.now()
    if not keys.write_keys:
        say.append(f"Write key, for your shop's events:   {keys.create('write', 'write', now)}")
    if not keys.any_secret():
        say.append(f"Secret key, for the API and the CLI: {keys.create('secret', 'secret', now)}")
        say.append("The secret key is not shown again: export HARKEN_SECRET_KEY=...")
    print("\n".join(say), flush=True)
