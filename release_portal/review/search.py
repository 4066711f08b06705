"""The typed search of the desk: `size:1558M state:waiting org:~northlake age>14d`, and free words."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Q

from release_portal.access.models import AccessRequest, RequestItem, Right
from release_portal.lib.states import Refused
from release_portal.lib.text import folded
from release_portal.partners.addresses import canonical
from release_portal.partners.models import Partner, User
from release_portal.releases.models import ModelSize

STATES = {
    "waiting": Q(status=AccessRequest.Status.SUBMITTED),
    "returned": Q(status=AccessRequest.Status.RETURNED),
    "decided": Q(status=AccessRequest.Status.DECIDED),
    "withdrawn": Q(status=AccessRequest.Status.WITHDRAWN),
    "any": Q(),
}
PART = re.compile(r'(?:"[^"]*"|[^\s"])+')
"""Up to the next space outside of double quotes. What begins with one is words, whatever colons it has."""
AGE = re.compile(r"age([<>])(\d{1,4})([hdw])")
UNITS = {"h": "hours", "d": "days", "w": "weeks"}
EXAMPLE = "size:1558M state:waiting org:~northlake age>14d"


@dataclass(frozen=True)
class Asker:
    """Who searches, and when: `claimed:me` and ages depend on it."""

    user: User
    at: datetime


def search(words: str, *, by: User, at: datetime) -> Q:
    """The condition that a typed search means. Raises Refused naming the part that is not understood."""
    found = Q()
    for part in _parts(words):
        found &= _meaning(part, Asker(by, at))
    return found


def _parts(words: str) -> list[str]:
    """The words, where only double quotes hold some together: an apostrophe is a letter of a name."""
    if words.count('"') % 2:
        raise Refused("A quotation mark is opened and not closed.", field="q", given=words)
    return PART.findall(words)


def _meaning(part: str, asker: Asker) -> Q:
    if part.startswith('"'):
        return _word(part.replace('"', ""))
    part = part.replace('"', "")
    if part.startswith(("age>", "age<")):
        return _age(part, asker)
    key, colon, value = part.partition(":")
    if not colon:
        return _word(part)
    if key not in KEYS:
        known = ", ".join(f"{name}:" for name in KEYS)
        raise Refused(f"“{part}” is not understood. Search by {known} age> or age<.", field="q", given=part)
    if not value.removeprefix("~"):
        raise Refused(f"“{part}” names nothing. Write what you look for after it: {EXAMPLE}.", field="q", given=part)
    return KEYS[key](value, asker)


def _word(word: str) -> Q:
    """A part of an organisation's name, a size, or the beginning of a word of the study."""
    partners = Partner.objects.filter(legal_name__icontains=word)
    items = RequestItem.objects.filter(size__in=ModelSize.objects.called(word))
    studies = AccessRequest.objects.about(word)
    return Q(partner__in=partners) | Q(pk__in=items.values("request")) | Q(pk__in=studies.values("pk"))


def _age(part: str, asker: Asker) -> Q:
    match = AGE.fullmatch(part)
    if match is None:
        raise Refused(f"“{part}” is not an age. Write age>14d, in hours (h), days (d) or weeks (w).", field="q")
    then = asker.at - timedelta(**{UNITS[match[3]]: int(match[2])})
    return Q(submitted_at__lt=then) if match[1] == ">" else Q(submitted_at__gt=then)


def _one_of(key: str, value: str, known: dict[str, Q]) -> Q:
    if value not in known:
        raise Refused(f"“{key}:{value}” is not understood; {key} is one of {', '.join(known)}.", field="q", given=value)
    return known[value]


def _size(value: str, asker: Asker) -> Q:
    family, _, name = value.rpartition("/")
    items = RequestItem.objects.filter(size__in=ModelSize.objects.called(name))
    items = items.filter(size__family__slug__iexact=family) if family else items
    return Q(pk__in=items.values("request"))


def _org(value: str, asker: Asker) -> Q:
    if value.startswith("~"):
        return Q(partner__legal_name__icontains=value[1:]) | Q(partner__slug__icontains=value[1:])
    return Q(partner__slug__iexact=value) | Q(partner__folded_name=folded(value))


def _state(value: str, asker: Asker) -> Q:
    return _one_of("state", value, STATES | {"late": AccessRequest.is_overdue(at=asker.at)})


def _claimed(value: str, asker: Asker) -> Q:
    claimed = AccessRequest.is_claimed(at=asker.at)
    mine = AccessRequest.is_claimed(at=asker.at, by=asker.user)
    return _one_of("claimed", value, {"me": mine, "nobody": ~claimed, "anybody": claimed})


def _right(value: str, asker: Asker) -> Q:
    return _one_of("right", value, {right: _asking(right) for right in Right.values})


def _asking(right: str) -> Q:
    return Q(pk__in=RequestItem.objects.filter(right=right).values("request"))


def _kind(value: str, asker: Asker) -> Q:
    return _one_of("kind", value, {kind: Q(kind=kind) for kind in AccessRequest.Kind.values})


def _by(value: str, asker: Asker) -> Q:
    return Q(submitted_by__name__icontains=value.removeprefix("~")) | Q(submitted_by__email=canonical(value))


KEYS: dict[str, Callable[[str, Asker], Q]] = {
    "size": _size,
    "state": _state,
    "org": _org,
    "right": _right,
    "kind": _kind,
    "claimed": _claimed,
    "by": _by,
}
