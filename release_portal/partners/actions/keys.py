"""After a change of SECRET_KEY: sealing anew, under the present key, what was sealed under one of before."""

from collections.abc import Iterator
from dataclasses import dataclass, field

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


@dataclass
class Resealed:
    """What became of everything that is sealed."""

    anew: int = 0
    already: int = 0
    unreadable: list[str] = field(default_factory=list)
    """As the book names them: sealed under a key that is neither SECRET_KEY nor among SECRET_KEY_FALLBACKS."""


def reseal_secrets(*, by: User | None) -> Resealed:
    """Seal every sealed column of the site under SECRET_KEY; each row on its own. Twice does no harm."""
    if by is not None:
        require(by, Permission.WORKER_ENROLL)
    told = Resealed()
    for model, name in _sealed_columns():
        for pk in list(model._base_manager.values_list("pk", flat=True)):
            _reseal(model, name, pk, told)
    if told.anew:
        record("secrets.resealed", f"{told.anew:,} secrets were sealed under the present key", by=by)
    return told


def _sealed_columns() -> Iterator[tuple[type[models.Model], str]]:
    for model in apps.get_models():
        for column in model._meta.concrete_fields:
            if column.name.startswith(SEALED):
                yield model, column.name


@transaction.atomic
def _reseal(model: type[models.Model], name: str, pk: object, told: Resealed) -> None:
    row = model._base_manager.select_for_update(of=("self",)).filter(pk=pk).first()
    if row is None:
        return
    sealed = getattr(row, name)
    if is_sealed_anew(sealed):
        told.already += 1
        return
    try:
        secret = unseal(sealed)
    except InvalidToken:
        told.unreadable.append(key_of(row))
        return
    model._base_manager.filter(pk=pk).update(**{name: seal(secret)})
    told.anew += 1
