"""Ids: the same cause has the same one, and messages lie as their customers do."""

from harken.ids import derived_id, message_id, profile_id, run_id


def test_an_id_stands_for_its_parts_in_order() -> None:
    assert derived_id("a", 1) == derived_id("a", "1") != derived_id(1, "a")
    assert derived_id("ab", "c") != derived_id("a", "bc")
    assert len(derived_id("\ud800")) == 26


def test_messages_lie_in_the_order_of_their_customers() -> None:
    customers = sorted(profile_id("user", f"user-{number}") for number in range(1_000))
    runs = [run_id(one, "news", "", "monday") for one in (0, *customers, 2**63 - 1)]
    ids = [message_id(run, 1, "news", 1) for run in runs]
    assert runs == sorted(runs)
    assert runs[1][6:] == derived_id(customers[0], "news", "", "monday")[6:]
    assert ids[1][6:] == derived_id(runs[1], 1, "news", 1)[6:]
    assert ids == sorted(ids)
    assert {len(id) for id in (*runs, *ids)} == {26}
    assert len({message_id(runs[0], 1, "news", turn) for turn in range(1_000)}) == 1_000
    assert len({run_id(7, "news", "", str(turn)) for turn in range(1_000)}) == 1_000


def test_a_run_from_when_ids_were_base32_has_messages_with_ids_of_now() -> None:
    assert int(message_id("mzxw6ytboi4dkojqgezdgnbvgy", 1, "news", 1), 16)
