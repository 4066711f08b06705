"""What reviewers keep for their work: searches under names of their own, and the columns they want."""

from collections.abc import Sequence

from django.db import transaction

from release_portal.lib.states import Refused
from release_portal.lib.text import one_line
from release_portal.partners.guards import require
from release_portal.partners.models import User
from release_portal.partners.permissions import Permission

from ..models import DeskColumns, SavedSearch

MOST_SEARCHES = 20


@transaction.atomic
def save_search(*, by: User, name: str, query: str) -> SavedSearch:
    """Keep a search under a name; the same name again changes it."""
    require(by, Permission.REQUEST_DECIDE)
    name = one_line(name)
    if not 1 <= len(name) <= 60:
        raise Refused(f"A name has 1 to 60 characters; this has {len(name)}.", field="name", limit=60, given=len(name))
    if len(query) > 300:
        raise Refused(f"A search has at most 300 characters; this has {len(query)}.", field="q", limit=300)
    if by.saved_searches.exclude(name=name).count() >= MOST_SEARCHES:
        raise Refused(f"You keep {MOST_SEARCHES} searches already; remove one first.", limit=MOST_SEARCHES)
    saved, _ = SavedSearch.objects.update_or_create(user=by, name=name, defaults={"query": query})
    return saved


@transaction.atomic
def forget_search(*, by: User, search: SavedSearch) -> None:
    """Remove a search of one's own."""
    SavedSearch.objects.filter(pk=search.pk, user=by).delete()


@transaction.atomic
def choose_columns(*, by: User, names: Sequence[str]) -> None:
    """Keep which columns of the desk one wants."""
    require(by, Permission.REQUEST_DECIDE)
    DeskColumns.objects.update_or_create(user=by, defaults={"names": list(names)})
