"""Resident memory with 100,000 customers, and how soon Harken is ready.

    ./run bench memory [--customers N]

The floor of memory is the same Harken with none; start-up is measured on both, from the command
to the first 200 of /readyz.
"""

import argparse
import time

from bench.kit import scratch
from bench.mails import fill
from bench.running import Running, mail_journey

TOGETHER = "resident (PSS) together"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--customers", type=int, default=100_000)
    given = arguments.parse_args()
    with scratch() as folder:
        with Running(folder) as harken:
            print(f"ready on an empty folder after {harken.start_seconds:.2f} s")
            floor = harken.memory()
            harken.apply({"mail": mail_journey("Order Completed")}, {"workspace": "bench"})
            fill(harken, given.customers)
            time.sleep(10)
            full = harken.memory()
        for name, size in full.items():
            print(f"  {name}: {size:.0f} MB")
        print(
            f"resident with {given.customers:,} customers: {full[TOGETHER]:.0f} MB;"
            f" floor (none) {floor[TOGETHER]:.0f} MB; ratio {full[TOGETHER] / floor[TOGETHER]:.2f}"
        )
        with Running(folder) as harken:
            print(f"ready again with {given.customers:,} after {harken.start_seconds:.2f} s")


if __name__ == "__main__":
    main()
