"""A large made-up site: whole, consistent, repeatable, and not for production."""

from collections.abc import Iterator
from datetime import timedelta

import pytest
from django.apps import apps
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import F, Sum
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from release_portal.access.models import AccessRequest, Grant, RequestItem
from release_portal.audit.models import Event
from release_portal.jobs.models import Completion, Job
from release_portal.lib.owner import as_owner
from release_portal.partners.models import Partner
from release_portal.review.fill import fill

from ..tables import undone

pytestmark = [pytest.mark.slow, pytest.mark.django_db(databases=["default", "owner"])]

NUMBERS = {"organisations": 12, "requests": 150, "jobs": 200}


@pytest.fixture(autouse=True)
def _as_the_owner(db) -> Iterator[None]:
    """The filling writes of the past, which only the owner of the tables may; here onto an empty site, which only
    the owner can make of it."""
    with as_owner(), connection.cursor() as cursor:
        tables = [model._meta.db_table for model in apps.get_models(include_auto_created=True)]
        for switch in ("DISABLE", "ENABLE"):
            for table in tables:
                cursor.execute(f"ALTER TABLE {table} {switch} TRIGGER USER")
            if switch == "DISABLE":
                cursor.execute("TRUNCATE partners_partner, releases_family CASCADE")
        yield


@pytest.fixture
def filled(gpt2, agreement_version, db) -> list[str]:
    """What the filling said while it filled."""
    lines: list[str] = []
    fill(**NUMBERS, seed=3, at=timezone.now(), tell=lines.append)
    connection.check_constraints()
    return lines


def test_fill_makes_as_many_as_asked_and_says_so(filled):
    assert AccessRequest.objects.count() == 150
    assert Job.objects.count() == 200
    assert Partner.objects.filter(website__endswith=".example").count() >= 12
    assert filled[:2] == ["organisations: 12", "requests: 150"]
    assert "jobs: 200 of 200" in filled


def test_filled_books_balance(filled):
    for grant in Grant.objects.filter(right="generation"):
        used = Completion.objects.filter(job__grant=grant).aggregate(tokens=Sum("tokens"))["tokens"] or 0
        assert (grant.tokens_used, grant.tokens_reserved) == (used, 0)
        assert grant.samples_used == Completion.objects.finished().filter(job__grant=grant).count()
    assert not Job.objects.live().exists(), "no worker finds work in it"
    assert not Job.objects.filter(ended_at__gt=timezone.now()).exists()
    assert not Job.objects.filter(ended_at__gt=F("grant__ended_at")).exists()
    assert not Job.objects.filter(status="stopped", grant__ended_at__isnull=True).exists()


def test_filled_rows_are_in_states_that_the_verbs_lead_to(filled):
    assert set(AccessRequest.objects.values_list("status", flat=True)) == set(AccessRequest.Status.values)
    decided = RequestItem.objects.filter(request__status="decided")
    assert set(decided.values_list("status", flat=True)) == {"granted", "declined"}
    assert not decided.filter(status="granted", grant__isnull=True).exists()
    assert not decided.filter(reviews__isnull=True).exists()
    for item in RequestItem.objects.filter(status="granted", size__name="1558M"):
        first, second = item.reviews.current()
        assert first.reviewer != second.reviewer
        assert first.terms == second.terms
    assert not Grant.objects.filter(status="replaced", replaced_by__isnull=True).exists()
    assert not Grant.objects.filter(status="suspended", suspensions__isnull=True).exists()
    assert not AccessRequest.objects.filter(kind="appeal", created_at__lt=F("previous__decided_at")).exists()
    assert not RequestItem.objects.filter(status="waiting", reviews__isnull=False).exclude(size__name="1558M").exists()
    assert not AccessRequest.objects.sent().filter(submissions__isnull=True).exists()


def test_filled_past_answers_who_could_use_what(filled):
    grant = Grant.objects.filter(status="expired", ends_at__lt=timezone.now() - timedelta(days=1)).first()
    assert Grant.objects.in_force(at=grant.ends_at - timedelta(hours=1)).filter(pk=grant.pk).exists()


def test_filled_book_is_in_the_order_of_time(filled):
    times = list(Event.objects.filter(kind__startswith="access.").order_by("id").values_list("at", flat=True))
    assert times == sorted(times)
    assert Event.objects.filter(kind="access.requested").count() == AccessRequest.objects.sent().count()


def test_same_seed_makes_the_same_site(gpt2, agreement_version):
    at, sites = timezone.now(), []
    for _ in range(2):
        with undone():
            fill(**NUMBERS, seed=5, at=at, tell=str)
            sites.append(
                list(AccessRequest.objects.order_by("pk").values_list("partner__slug", "status", "created_at"))
            )
    assert sites[0] == sites[1]


def test_desk_takes_the_same_queries_on_a_large_site(client_of, rita, grant, gpt2):
    client = client_of(rita)
    addresses = ["/review/?tab=every", "/review/?tab=decided", "/review/?q=size:124M", reverse("review:grants")]
    client.get(addresses[0])
    few = [queries_of(client, address) for address in addresses]
    fill(**NUMBERS, seed=3, at=timezone.now(), tell=str)
    assert [queries_of(client, address) for address in addresses] == few


def queries_of(client, address: str) -> int:
    with CaptureQueriesContext(connection) as queries:
        assert client.get(address).status_code == 200
    return len(queries)


def test_fill_is_refused_in_production(settings, db):
    settings.DEBUG = False
    with pytest.raises(CommandError, match="do not belong in production"):
        call_command("fill")
    assert not AccessRequest.objects.exists()


def test_fill_says_what_a_new_site_lacks(settings, db):
    settings.DEBUG = True
    with pytest.raises(CommandError, match="first_records"):
        call_command("fill", organisations=1, requests=1, jobs=1)


def test_fill_is_refused_where_nobody_may_write_of_the_past(settings, monkeypatch):
    settings.DEBUG = True
    monkeypatch.delitem(settings.DATABASES, "owner")
    with pytest.raises(CommandError, match="Only the owner of the tables may write of the past"):
        call_command("fill", organisations=1, requests=1, jobs=1)


def test_fill_refuses_a_number_below_one(settings):
    settings.DEBUG = True
    with pytest.raises(CommandError, match="--jobs is a number from 1; you gave 0"):
        call_command("fill", jobs=0)
