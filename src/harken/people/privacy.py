"""What an attribute is to the customer whose it is, and what it is used for.

What the workspace declares counts; else what is built in for names that everybody knows; all other
attributes are ordinary.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

from msgspec import Struct

from harken.people.attributes import STANDARD, standard_name
from harken.workspace import Declared

PrivacyClass = Literal["ordinary", "personal", "sensitive"]

EVERYTHING = "*"
"""Stands for all attributes: a template that reaches them by a name it makes up."""

_BY_NAME = Declared(purpose="to address the customer", benefit="is spoken to by name")
_NEAR = Declared(purpose="to say what is near", benefit="hears of what is near")
_BUILT_IN: dict[str, Declared] = {
    **dict.fromkeys(("first_name", "last_name", "name"), _BY_NAME),
    "email": Declared(purpose="to reach the customer", benefit="sees where mail goes"),
    "phone": Declared(purpose="to reach the customer", benefit="sees where messages go"),
    "city": _NEAR,
    "birthday": Declared(),
    "gender": Declared(),
    "avatar": Declared(purpose="to show an account", benefit="sees that the account is theirs"),
}
# Regulation (EU) 2016/679, article 9 and 10, and what identifies or ruins a person by itself.
SENSITIVE = """
religion faith belief ethnicity race ethnic_origin nationality_origin political_opinion
political_party politics trade_union union_member sexual_orientation sexuality sex_life health
health_condition diagnosis disease illness disability medication allergy allergies pregnant
pregnancy due_date blood_type genetic biometric criminal_record conviction ssn
social_security_number national_id id_number resident_registration_number passport passport_number
drivers_license tax_id credit_card card_number bank_account iban password location latitude
longitude income debt credit_score
""".split()  # noqa: SIM905


class Standing(Struct, frozen=True):
    """How an attribute stands."""

    name: str
    is_: PrivacyClass
    purpose: str
    benefit: str
    declared: bool
    """By the workspace; else it is built in, or ordinary because nobody said otherwise."""

    def objection(self, workspace_declares: bool) -> str:
        """Why a message may not show it without an approval; empty when it may.

        That a personal one has no benefit is held against it where the workspace has begun to
        declare attributes at all.
        """
        if self.is_ == "sensitive":
            return "it is sensitive"
        if self.is_ == "personal" and workspace_declares and not self.benefit.strip():
            return "it is personal, and no benefit to the customer is declared"
        return ""


class Register:
    """How every attribute stands in a workspace."""

    def __init__(self, declared: Mapping[str, Declared]) -> None:
        self._declared = {folded(name): (name, one) for name, one in declared.items()}
        self.declares = bool(declared)

    def standing(self, name: str) -> Standing:
        """How the attribute of that name stands, however it is spelled."""
        key = folded(name)
        if key in self._declared:
            own, one = self._declared[key]
            return Standing(own, one.class_, one.purpose, one.benefit, True)
        if key in _SENSITIVE_KEYS:
            return Standing(name, "sensitive", "", "", False)
        built_in = _BUILT_IN.get(standard_name(name))
        if built_in is not None:
            return Standing(name, "personal", built_in.purpose, built_in.benefit, False)
        return Standing(name, "ordinary", "", "", False)

    def every(self) -> Iterable[str]:
        """The attributes that are known to be more than ordinary, of this workspace."""
        return [name for name, one in self._declared.values() if one.class_ != "ordinary"]


def folded(name: str) -> str:
    """A name without regard to how it is spelled: `firstName` is `first_name`."""
    same = standard_name(name)
    return same if same in STANDARD else same.lower().replace("_", "").replace("-", "")


_SENSITIVE_KEYS = frozenset(map(folded, SENSITIVE))
