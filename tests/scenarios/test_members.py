"""Members and non-members of the loyalty programme: two versions of one announcement."""

from collections import Counter
from collections.abc import Callable

from driver import Shop
from experiment_kit import reports

from harken.ids import bucket

Opener = Callable[..., Shop]
MEMBERS, OTHERS, GOT = 80, 160, 222


def test_members_and_non_members(scenario: Opener) -> None:
    shop = scenario("loyalty-announcement")
    members = [f"member-{number}" for number in range(MEMBERS)]
    others = [f"guest-{number}" for number in range(OTHERS)]
    items = []
    for user in (*members, *others):
        traits = {"email": f"{user}@shop.example", "loyalty_member": user in members}
        items.append(shop.item("identify", userId=user, traits=traits))
        event = {"event": "Benefit Announced", "properties": {"benefit": "Free returns"}}
        items.append(shop.item("track", userId=user, **event))
    shop.request(items)
    shop.advance("1h")
    held_out = {
        user
        for user in (*members, *others)
        if bucket(shop.id(user), "control:loyalty-announcement") < 1_000
    }
    arm = {
        user: "savings" if bucket(shop.id(user), "loyalty-announcement/for-others") < 5_000
        else "benefit"
        for user in others
    }  # fmt: skip
    expected = dict.fromkeys(members, "Yours from today: Free returns")
    said = {"savings": "Members save on every order", "benefit": "Free returns, for members"}
    expected |= {user: said[arm[user]] for user in others}
    got = {mail.to.partition("@")[0]: mail.subject for mail in shop.mails()}
    assert got == {user: text for user, text in expected.items() if user not in held_out}
    assert (len(got), len(held_out)) == (GOT, MEMBERS + OTHERS - GOT)

    # Everyone in `benefit`, and nobody else, buys within three days.
    buyers = [user for user in others if arm[user] == "benefit"]
    shop.request(
        [shop.item("track", userId=u, event="Order Completed", properties={}) for u in buyers]
    )
    found = reports(shop, "loyalty-announcement")
    control, treated = found["control"].arms
    assert (control.control, treated.sent) == (len(held_out), GOT)
    assert control.converted == sum(user in held_out for user in buyers)
    assert treated.converted == sum(user not in held_out for user in buyers)
    sizes = Counter(arm[user] for user in others if user not in held_out)
    assert [(one.name, one.sent, one.converted) for one in found["for-others"].arms] == [
        ("control group", 0, control.converted),
        ("savings", sizes["savings"], 0),
        ("benefit", sizes["benefit"], sizes["benefit"]),
    ]
    assert "went the way members, because loyalty_member is true" in shop.story(
        members[0], "loyalty-announcement"
    )
