"""Triggered mails end to end: how many a second, and how soon one leaves.

    ./run bench mails [--customers 20000] [--seconds 20] [--rate 100]

Everything real and on this machine: events by HTTP, engine, rendering, DKIM, SMTP to a sink.
Throughput counts from the first event sent to the last mail accepted. Latency runs from the
moment an event is sent to the moment the mail server has taken its mail. The floor of throughput
is what the sink takes from the sender's own SMTP code when all mails lie ready in memory
(`bench.smtp` measures what is below that).
"""

import argparse
import shutil
import statistics
import tempfile
import time
from pathlib import Path

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from bench.running import Running, mail_journey, order, person
from bench.sink import Sink
from harken.channels.smtp import Connection, Letter, parse_url

BATCH = 200


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--customers", type=int, default=20_000)
    arguments.add_argument("--seconds", type=int, default=20)
    arguments.add_argument("--senders", type=int, default=2, help="sender processes")
    arguments.add_argument("--rate", type=int, default=100)
    given = arguments.parse_args()
    for signed in (False, True):
        throughput(given.customers, given.senders, signed)
    if given.seconds:
        latency(given.rate, given.seconds)


def throughput(customers: int, senders: int, signed: bool) -> None:
    folder = Path(tempfile.mkdtemp(prefix="harken-bench-"))
    try:
        with Sink() as sink:
            floor = measure_floor(sink.port, customers)
            before = sink.count()
            environment = {
                "HARKEN_SMTP_URL": f"smtp://127.0.0.1:{sink.port}",
                "HARKEN_SENDERS": str(senders),
            }
            if signed:
                environment["BENCH_DKIM"] = private_key()
            with Running(folder, **environment) as harken:
                harken.apply({"mail": mail_journey("Order Completed")}, workspace(sink, signed))
                fill(harken, customers)
                began = time.perf_counter()
                for start in range(0, customers, BATCH):
                    harken.send([order(number) for number in range(start, start + BATCH)])
                sent = time.perf_counter() - began
                wait_for(sink, before + customers)
                taken = time.perf_counter() - began
        print(
            f"{'signed RSA-2048' if signed else 'unsigned'}, {senders} senders:"
            f" {customers / taken:,.0f} mails/s"
            f" (all events acknowledged after {sent:.1f} s of {taken:.1f} s);"
            f" floor {floor:,.0f}/s; ratio {customers / taken / floor:.2f}",
            flush=True,
        )
    finally:
        shutil.rmtree(folder)


def latency(rate: int, seconds: int) -> None:
    folder = Path(tempfile.mkdtemp(prefix="harken-bench-"))
    count = rate * seconds
    try:
        with Sink() as sink:
            with Running(folder, HARKEN_SMTP_URL=f"smtp://127.0.0.1:{sink.port}") as harken:
                harken.apply({"mail": mail_journey("Order Completed")}, workspace(sink, False))
                fill(harken, count)
                sent: dict[str, int] = {}
                began = time.perf_counter()
                for number in range(count):
                    time.sleep(max(0.0, began + number / rate - time.perf_counter()))
                    sent[f"user-{number}"] = time.time_ns()
                    harken.send([order(number)])
                wait_for(sink, count)
                rows = arrived(harken, count)
            took = sorted(
                (at - sent[rows[id.strip("<>").partition("@")[0]]]) / 1e6
                for at, id in sink.arrivals()
            )
        print(
            f"event to SMTP acceptance at {rate}/s ({len(took)} mails):"
            f" p50 {statistics.median(took):.1f} ms, p99 {took[int(len(took) * 0.99)]:.1f} ms,"
            f" worst {took[-1]:.1f} ms",
            flush=True,
        )
    finally:
        shutil.rmtree(folder)


def arrived(harken: Running, count: int) -> dict[str, str]:
    """Whose mail a Message-ID is, by the ledger."""
    rows: dict[str, str] = {}
    before = ""
    while len(rows) < count:
        page = harken.api.get(
            "/api/v1/messages", params={"limit": 500, **({"before": before} if before else {})}
        ).json()
        for row in page["messages"]:
            rows[row["id"]] = (
                row["address"].replace("@customers.example", "").replace("user", "user-")
            )
        before = page.get("next") or ""
        if not before:
            break
    return rows


def workspace(sink: Sink, signed: bool) -> dict[str, object]:
    transport: dict[str, object] = {
        "name": "sink",
        "url": f"smtp://127.0.0.1:{sink.port}",
        "connections": 3,
    }
    if signed:
        transport["dkim"] = {"domain": "shop.example", "selector": "s", "key_env": "BENCH_DKIM"}
    return {"workspace": "bench", "transports": [transport]}


def fill(harken: Running, customers: int) -> None:
    for start in range(0, customers, BATCH):
        harken.send([person(number) for number in range(start, min(start + BATCH, customers))])
    while not harken.handled():
        time.sleep(0.1)


def wait_for(sink: Sink, count: int) -> None:
    began = time.perf_counter()
    while sink.count() < count:
        if time.perf_counter() - began > 100:
            raise SystemExit(f"only {sink.count()} of {count} mails came in time")
        time.sleep(0.02)


def measure_floor(port: int, count: int) -> float:
    body = b"From: a@shop.example\r\nTo: b@customers.example\r\nSubject: x\r\n\r\n" + b"x" * 4000
    letters = [
        Letter(
            sender="a@shop.example",
            recipient="b@customers.example",
            data=body + b"\r\n",
            utf8=False,
            id=f"m{number}",
            profile_id=number,
            subject="x",
        )
        for number in range(count)
    ]
    connection = Connection(parse_url(f"smtp://127.0.0.1:{port}"), 30.0)
    began = time.perf_counter()
    connection.send(letters, time.monotonic() + 120)
    rate = count / (time.perf_counter() - began)
    connection.close()
    return rate


def private_key() -> str:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    ).decode()


if __name__ == "__main__":
    main()
