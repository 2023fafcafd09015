"""Which of the workspace's places a point lies in."""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping
from math import degrees

from harken.segments.live import EARTH_RADIUS, distance
from harken.values import Name
from harken.workspace import Place


class Places:
    """All places, by latitude: a chain of ten thousand shops is not measured one by one."""

    def __init__(self, places: Mapping[Name, Place]) -> None:
        self.names = set(map(str, places))
        self._places = sorted(places.items(), key=lambda one: one[1].latitude)
        self._latitudes = [place.latitude for _, place in self._places]
        widest = max((place.radius for place in places.values()), default=0.0)
        self._reach = degrees(widest / EARTH_RADIUS)

    def around(self, here: tuple[float, float] | None) -> list[str]:
        """The names of the places that hold a point (degrees), in order; none of no point."""
        if here is None:
            return []
        first = bisect_left(self._latitudes, here[0] - self._reach)
        last = bisect_right(self._latitudes, here[0] + self._reach)
        near = self._places[first:last]
        return sorted(name for name, place in near if distance(here, place) <= place.radius)
