"""What operators watch. Names and labels hold no personal data.

The processes of one Harken share a folder of counters (`PROMETHEUS_MULTIPROC_DIR`, set by
`running.serve` before anything is counted), and the web process shows them all on `/metrics`.
"""

from prometheus_client import Counter, Gauge, Histogram

EVENTS = Counter("harken_events_accepted_total", "Events acknowledged")
REJECTED = Counter("harken_events_rejected_total", "Events refused, with their reason logged")
INPUTS = Counter("harken_inputs_handled_total", "Log records and wake-ups handled by the engine")
FAILED_INPUTS = Counter("harken_inputs_failed_total", "Inputs that could not be handled")
DECISIONS = Counter(
    "harken_decisions_total", "Decisions about runs and messages", ["outcome", "reason"]
)
MESSAGES = Counter("harken_messages_total", "Messages by the outcome of a try", ["state"])
BATCH = Histogram(
    "harken_engine_batch_seconds",
    "Time to handle and commit one batch",
    buckets=(0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3),
)
LAG = Gauge("harken_engine_lag_bytes", "Log not handled yet", multiprocess_mode="mostrecent")
