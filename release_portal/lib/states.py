"""How a status changes, how a refusal is said, and which columns are filled together."""

from collections.abc import Mapping, Set
from typing import Any, ClassVar

from django.db import models
from django.db.models import CheckConstraint, Q


class Refused(Exception):
    """A verb says no, in one sentence for the person who asked.

    `field`, `limit` and `given` name what was wrong, where one input was; `status` is the HTTP status of the answer.
    """

    status = 409

    def __init__(self, sentence: str, *, field: str = "", limit: object = None, given: object = None) -> None:
        super().__init__(sentence)
        self.sentence = sentence
        self.field = field
        self.limit = limit
        self.given = given
        if field:
            self.status = 422


class Forbidden(Refused):
    """The person may see the thing but not do this to it."""

    status = 403


class TooMany(Refused):
    """It was done too often; after `seconds` it may be done again."""

    status = 429

    def __init__(self, sentence: str, *, limit: int, seconds: int) -> None:
        super().__init__(sentence, limit=limit, given=limit + 1)
        self.seconds = seconds


class Stateful(models.Model):
    """A thing with a status. `COMES_FROM` maps each status to the ones it may follow."""

    COMES_FROM: ClassVar[Mapping[str, Set[str]]]
    status: Any

    class Meta:
        abstract = True

    @property
    def status_text(self) -> str:
        """The status as the end of a sentence: "approved by Rita Moss on 3 May 2026"."""
        return str(self.get_status_display()).lower()  # type: ignore[attr-defined]


def transition(instance: Stateful, to: str, **fields: Any) -> None:
    """Change a status, with the fields that go with it: the only way a status changes.

    One conditional UPDATE decides a race. Raises Refused for the loser, naming how the thing stands now.
    """
    model: Any = type(instance)
    allowed = model._base_manager.filter(pk=instance.pk, status__in=instance.COMES_FROM[to])
    if not allowed.update(status=to, **fields):
        instance.refresh_from_db()
        raise Refused(f"This {model._meta.verbose_name} is already {instance.status_text}.")
    for name, value in {"status": to, **fields}.items():
        setattr(instance, name, value)


def all_or_none(*names: str) -> CheckConstraint:
    """Columns that are all empty or all filled, such as who decided and when."""
    empty = Q(**{f"{name}__isnull": True for name in names})
    filled = Q(**{f"{name}__isnull": False for name in names})
    return CheckConstraint(condition=empty | filled, name=f"%(app_label)s_%(class)s_{names[0]}_together")
