"""The customers of the demo's history: who they are and how they shop. All invented."""

from collections.abc import Sequence
from datetime import date, timedelta
from random import Random
from typing import NamedTuple

from msgspec import Struct

from examples.shop.places import CITIES, Place


class Home(Struct, frozen=True):
    """Where customers of one language live, and what they are called."""

    language: str
    country: str
    share: float
    zones: Sequence[tuple[str, float, str]]
    """IANA zone, hours east of UTC (the month's jitter hides daylight saving), a city."""
    first: Sequence[tuple[str, str]]
    """First names as written, and in Latin letters for addresses."""
    last: Sequence[tuple[str, str]]


def same(*names: str) -> list[tuple[str, str]]:
    return [(name, name.lower()) for name in names]


HOMES = (
    Home("ko", "KR", 0.45,
         [("Asia/Seoul", 9, "서울"), ("Asia/Seoul", 9, "부산"), ("Asia/Seoul", 9, "대전")],
         [("민지", "minji"), ("서준", "seojun"), ("하은", "haeun"), ("도윤", "doyun"),
          ("지우", "jiwoo"), ("예준", "yejun"), ("수아", "sua"), ("현우", "hyunwoo"),
          ("지민", "jimin"), ("은서", "eunseo"), ("준호", "junho"), ("다은", "daeun"),
          ("유진", "yujin"), ("성민", "sungmin"), ("나연", "nayeon"), ("태현", "taehyun")],
         [("김", "kim"), ("이", "lee"), ("박", "park"), ("최", "choi"), ("정", "jung"),
          ("강", "kang"), ("조", "cho"), ("윤", "yoon"), ("장", "jang"), ("임", "lim")]),
    Home("id", "ID", 0.30,
         [("Asia/Jakarta", 7, "Jakarta"), ("Asia/Jakarta", 7, "Bandung"),
          ("Asia/Makassar", 8, "Denpasar")],
         same("Budi", "Siti", "Dewi", "Agus", "Putri", "Rizky", "Ayu", "Dimas", "Rina", "Fajar",
              "Indah", "Bayu", "Nadia", "Eko", "Wulan", "Galih"),
         same("Santoso", "Wijaya", "Pratama", "Lestari", "Hidayat", "Saputra", "Kusuma",
              "Rahayu", "Nugroho", "Utami")),
    Home("en", "US", 0.25,
         [("America/New_York", -5, "New York"), ("America/Chicago", -6, "Chicago"),
          ("America/Los_Angeles", -8, "Portland")],
         same("Emma", "Noah", "Olivia", "Liam", "Ava", "Ethan", "Mia", "Lucas", "Grace", "Henry",
              "Chloe", "Owen", "Ruby", "Jack", "Nora", "Leo"),
         same("Miller", "Davis", "Wilson", "Moore", "Clark", "Lewis", "Walker", "Young", "Hill",
              "Green")),
)  # fmt: skip
DOMAINS = ("example.com", "example.org", "example.net")
FIRST_BIRTHDAY = date(1961, 1, 1)
BIRTHDAYS = 45 * 365
"""Days from the first birthday to the last."""
AROUND = 0.09
"""Degrees from the middle of a city within which its people live: some ten kilometres."""


class Persona(NamedTuple):
    """A way of shopping: visits a month, and the chance of each next step of a visit."""

    name: str
    share: float
    visits: float
    add: float
    checkout: float
    order: float


PERSONAS = (
    Persona("devoted", 0.08, 10.0, 0.50, 0.70, 0.85),
    Persona("regular", 0.30, 5.0, 0.38, 0.55, 0.75),
    Persona("browser", 0.42, 3.4, 0.18, 0.35, 0.55),
    Persona("new", 0.20, 2.0, 0.30, 0.45, 0.60),
)


class Person(Struct, frozen=True):
    """One customer. `user_id` is None for a visitor who never signs up."""

    number: int
    user_id: str | None
    anonymous_id: str
    home: Home
    zone: str
    offset: float
    city: str
    persona: Persona
    first_name: str
    last_name: str
    email: str
    loyalty_member: bool
    category: str
    """What they like best."""
    phone: bool
    """Whether they shop on a phone."""
    birthday: str
    """As an ISO date."""
    place: Place


def user_id(number: int) -> str:
    """The user id of the customer of this number."""
    return f"demo_{number:05d}"


def person(number: int, signs_up: bool, categories: Sequence[str], random: Random) -> Person:
    """A customer, the same for the same state of `random`."""
    home = random.choices(HOMES, [h.share for h in HOMES])[0]
    zone, offset, city = random.choice(home.zones)
    persona = random.choices(PERSONAS, [p.share for p in PERSONAS])[0]
    first, last = random.choice(home.first), random.choice(home.last)
    chance = 0.75 if persona.name == "devoted" else 0.2
    return Person(
        number=number,
        user_id=user_id(number) if signs_up else None,
        anonymous_id=f"{random.getrandbits(32):08x}-0000-4000-8000-{number:012x}",
        home=home,
        zone=zone,
        offset=offset,
        city=city,
        persona=persona,
        first_name=first[0],
        last_name=last[0],
        email=f"{first[1]}.{last[1]}{number}@{random.choice(DOMAINS)}",
        loyalty_member=random.random() < chance,
        category=random.choices(categories, [3, 3, 2, 2])[0],
        phone=random.random() < 0.68,
        birthday=str(FIRST_BIRTHDAY + timedelta(days=random.randrange(BIRTHDAYS))),
        place=near(CITIES[city], random),
    )


def near(middle: Place, random: Random) -> Place:
    """A place in a city."""
    return Place(*(round(at + random.uniform(-AROUND, AROUND), 4) for at in middle))
