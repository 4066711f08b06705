"""Families and their sizes: added, edited, and corrected where what was stated was wrong."""

import re
from datetime import date

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from release_portal.audit.actions import record
from release_portal.lib.reasons import check_length, checked_reason
from release_portal.lib.states import Refused
from release_portal.lib.text import one_line
from release_portal.partners.guards import require
from release_portal.partners.models import User
from release_portal.partners.permissions import Permission

from ..models import Erratum, Family, ModelSize

LONGEST_REASON_OF_ERRATUM = 300  # characters
LONGEST_DESCRIPTION = 20_000  # characters
MOST_PARAMETERS = 10**15
MOST_CONTEXT_TOKENS = 10**8
SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
NAME_OF_SIZE = re.compile(r"[A-Za-z0-9]+([.-][A-Za-z0-9]+)*")
"""What stands in addresses, in the API and as the folder of the weights."""
LONGEST = {"slug": 50, "name": 80, "summary": 300, "licence": 80, "hub_id": 120}
LONGEST_NAME_OF_SIZE = 20


@transaction.atomic
def add_family(
    *, by: User | None, slug: str, name: str, summary: str, description: str = "", licence: str = ""
) -> Family:
    """Add a family without sizes."""
    _require_release_editor(by)
    if not SLUG.fullmatch(slug):
        sentence = "An address has small letters, digits and hyphens between them, such as “gpt2”."
        raise Refused(sentence, field="slug", given=slug)
    texts = _texts(slug=slug, name=name, summary=summary, licence=licence) | {"description": _description(description)}
    family, made = Family.objects.get_or_create(slug=texts.pop("slug"), defaults=texts)
    if not made:
        raise Refused(f"The address “{slug}” is another family's.", field="slug", given=slug)
    record("family.added", f"Family {family} was added", family, by=by)
    return family


@transaction.atomic
def edit_family(*, by: User, family: Family, name: str, summary: str, description: str, licence: str) -> None:
    """Change what the page of a family says. Its address stays."""
    _require_release_editor(by)
    for field, text in _texts(name=name, summary=summary, licence=licence).items():
        setattr(family, field, text)
    family.description = _description(description)
    family.save(update_fields=["name", "summary", "licence", "description"])
    record("family.edited", f"The page of {family} was edited", family, by=by)


@transaction.atomic
def add_size(
    *, by: User | None, family: Family, name: str, parameters: int, context_tokens: int, hub_id: str = ""
) -> ModelSize:
    """Add a size, closed in every component."""
    _require_release_editor(by)
    name = _name_of_size(family, name)
    facts = _facts(parameters=parameters, context_tokens=context_tokens)
    size = ModelSize.objects.create(family=family, name=name, **facts, **_texts(hub_id=hub_id))
    record("size.added", f"Size {size} was added", size, family, by=by)
    return size


@transaction.atomic
def edit_size(*, by: User, size: ModelSize, context_tokens: int, hub_id: str) -> None:
    """Change what is not stated in public as its name and parameters are: those are corrected."""
    _require_release_editor(by)
    size.context_tokens = _facts(context_tokens=context_tokens)["context_tokens"]
    size.hub_id = _texts(hub_id=hub_id)["hub_id"]
    size.save(update_fields=["context_tokens", "hub_id"])
    record("size.edited", f"The facts of {size} were edited", size, size.family, by=by)


@transaction.atomic
def correct_size(
    *, by: User | None, size: ModelSize, on: date, reason: str, name: str = "", parameters: int | None = None
) -> Erratum:
    """Say that the name of a size or its parameters were wrong until the day `on`, and what is right.

    The earlier name stays an alias: pages and the API that get it say so, and go on with the size.
    """
    _require_release_editor(by)
    family = Family.objects.select_for_update(no_key=True).get(pk=size.family_id)
    size.refresh_from_db()
    reason = checked_reason(
        one_line(reason), "Say what was wrong: the reason is public.", longest=LONGEST_REASON_OF_ERRATUM
    )
    if on > timezone.now().date():
        raise Refused("An erratum is of a day that has come.", field="on", limit=timezone.now().date(), given=on)
    was = ModelSize(name=size.name, parameters=size.parameters)
    if name and one_line(name) != size.name:
        size.name = _name_of_size(family, name)
    if parameters is not None:
        size.parameters = _facts(parameters=parameters)["parameters"]
    if (was.name, was.parameters) == (size.name, size.parameters):
        raise Refused(f"That is what is stated of {size} already. Give another name or number.", field="name")
    size.save(update_fields=["name", "parameters"])
    erratum = Erratum.objects.create(
        family=family,
        size=size,
        name_was=was.name if was.name != size.name else "",
        parameters_was=was.parameters if was.parameters != size.parameters else None,
        on=on,
        reason=reason,
        by=by,
        at=timezone.now(),
    )
    record("size.corrected", f"What was stated of {size} was corrected", size, family, erratum, by=by)
    return erratum


def _require_release_editor(by: User | None) -> None:
    if by is not None:
        require(by, Permission.RELEASE_EDIT)


def _name_of_size(family: Family, name: str) -> str:
    """A new name in a family, where no size has it or had it: an earlier name goes on to lead to its size."""
    name = one_line(name)
    if not NAME_OF_SIZE.fullmatch(name) or len(name) > LONGEST_NAME_OF_SIZE:
        sentence = (
            f"A size has a name of 1 to {LONGEST_NAME_OF_SIZE} letters and digits, with “.” or “-” between them, such "
            "as “124M” or “1.5B”."
        )
        raise Refused(sentence, field="name", limit=LONGEST_NAME_OF_SIZE, given=name)
    Family.objects.select_for_update(no_key=True).get(pk=family.pk)  # of two that take one name, one waits
    taken = ModelSize.objects.filter(Q(name__iexact=name) | Q(errata__name_was__iexact=name), family=family).first()
    if taken:
        raise Refused(f"“{name}” is a name of {taken}, or was one.", field="name", given=name)
    return name


def _facts(**numbers: int) -> dict[str, int]:
    most = {"parameters": MOST_PARAMETERS, "context_tokens": MOST_CONTEXT_TOKENS}
    for field, number in numbers.items():
        if not 1 <= number <= most[field]:
            what = field.replace("_", " ")
            sentence = f"A size has 1 to {most[field]:,} {what}; you gave {number:,}."
            raise Refused(sentence, field=field, limit=most[field], given=number)
    return numbers


def _texts(**texts: str) -> dict[str, str]:
    texts = {field: one_line(text) for field, text in texts.items()}
    for field, text in texts.items():
        if field in ("name", "summary") and not text:
            raise Refused(f"{field.capitalize()} is missing.", field=field)
        check_length(field.replace("_", " ").capitalize(), text, field=field, longest=LONGEST[field])
    return texts


def _description(text: str) -> str:
    check_length("Description", text.strip(), field="description", longest=LONGEST_DESCRIPTION)
    return text.strip()
