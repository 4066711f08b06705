"""After a change of SECRET_KEY: sealing under the present key what was sealed under an earlier one."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from allauth.mfa.models import Authenticator
from cryptography.fernet import InvalidToken
from django.apps import apps
from django.db import models, transaction

from release_portal.audit.actions import record
from release_portal.audit.models import key_of
from release_portal.lib.sealed import is_sealed_anew, seal, unseal

from ..guards import require
from ..models import User
from ..permissions import Permission

SEALED = "sealed_"
"""How the names begin of columns that hold what is sealed."""
OF_FACTORS = ("secret", "seed")
"""What allauth keeps of a second factor and `FactorAdapter` seals: an app's key, the seed of recovery codes."""


@dataclass
class Resealed:
    """What became of everything that is sealed."""

    resealed: list[models.Model] = field(default_factory=list)
    already: int = 0
    unreadable: list[str] = field(default_factory=list)
    """As the book names them: sealed under a key that is neither SECRET_KEY nor among SECRET_KEY_FALLBACKS."""


def reseal_secrets(*, by: User | None) -> Resealed:
    """Seal every sealed column of the site under SECRET_KEY; each row on its own. Twice does no harm."""
    if by is not None:
        require(by, Permission.WORKER_ENROLL)
    result = Resealed()
    for place in _places():
        for pk in list(place.model._base_manager.values_list("pk", flat=True)):
            _reseal(place, pk, result)
    if result.resealed:
        sentence = f"{len(result.resealed):,} secrets were sealed under the present key"
        record("secrets.resealed", sentence, *result.resealed, by=by)
    return result


@dataclass(frozen=True)
class Place:
    """Where something sealed stands: a column, or an entry of a column of JSON."""

    model: type[models.Model]
    column: str
    entry: str = ""

    def read(self, row: models.Model) -> str:
        value = getattr(row, self.column)
        return str(value.get(self.entry, "") if self.entry else value)

    def write(self, row: models.Model, sealed: str) -> None:
        value = getattr(row, self.column) | {self.entry: sealed} if self.entry else sealed
        self.model._base_manager.filter(pk=row.pk).update(**{self.column: value})


def _places() -> Iterator[Place]:
    for model in apps.get_models():
        for column in model._meta.concrete_fields:
            if column.name.startswith(SEALED):
                yield Place(model, column.name)
    yield from (Place(Authenticator, "data", entry) for entry in OF_FACTORS)


@transaction.atomic
def _reseal(place: Place, pk: object, result: Resealed) -> None:
    row = place.model._base_manager.select_for_update(of=("self",)).filter(pk=pk).first()
    if row is None or not place.read(row):
        return
    if is_sealed_anew(place.read(row)):
        result.already += 1
        return
    try:
        secret = unseal(place.read(row))
    except InvalidToken:
        result.unreadable.append(key_of(row))
        return
    place.write(row, seal(secret))
    result.resealed.append(row)
