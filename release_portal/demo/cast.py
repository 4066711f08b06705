"""The people of every example: Northlake's, another partner's, and the lab's."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Person:
    name: str
    email: str
    role: str
    organisation: str = ""
    lab_roles: tuple[str, ...] = field(default=())


ADA = Person("Ada Lindqvist", "ada@northlake.example", "owner, signatory, investigator", "University of Northlake")
BEN = Person("Ben Okafor", "ben@northlake.example", "researcher", "University of Northlake")
CLEO = Person("Cleo Marchetti", "cleo@southbank.example", "owner, signatory, investigator", "Southbank Institute")
RITA = Person("Rita Moss", "rita@lab.example", "reviewer", "the lab", ("reviewer",))
TOM = Person("Tom Adeyemi", "tom@lab.example", "reviewer", "the lab", ("reviewer",))
MARA = Person("Mara Voss", "mara@lab.example", "release manager", "the lab", ("release-manager",))

CAST = {"ada": ADA, "ben": BEN, "cleo": CLEO, "rita": RITA, "tom": TOM, "mara": MARA}
