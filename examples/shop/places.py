"""Where the stores are, and where customers live: (latitude, longitude) in degrees."""

from typing import NamedTuple


class Place(NamedTuple):
    """A point on Earth, in degrees."""

    latitude: float
    longitude: float

    def location(self) -> dict[str, float]:
        """As the shop tells Harken of it."""
        return self._asdict()


STORES = {
    "seoul": Place(37.5446, 127.0557),
    "jakarta": Place(-6.2607, 106.8138),
    "new_york": Place(40.7223, -73.9987),
}
"""Store by the city it is in; `segments/near-a-store.yaml` has the same places."""
CITIES = {
    "서울": Place(37.5665, 126.9780),
    "부산": Place(35.1796, 129.0756),
    "대전": Place(36.3504, 127.3845),
    "Jakarta": Place(-6.2088, 106.8456),
    "Bandung": Place(-6.9175, 107.6191),
    "Denpasar": Place(-8.6705, 115.2126),
    "New York": Place(40.7128, -74.0060),
    "Chicago": Place(41.8781, -87.6298),
    "Portland": Place(45.5152, -122.6784),
}
"""The middle of each city of the history."""
