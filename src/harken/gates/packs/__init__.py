"""Policy packs: the law of one country each, by the name that workspace files use.

To add a country, write its module (see `base.Pack`) and name it here.
"""

from harken.gates.base import Pack
from harken.gates.packs.kr import Korea

PACKS: dict[str, Pack] = {pack.key: pack for pack in (Korea(),)}
