import pytest
from django.db import IntegrityError, transaction
from django.utils import timezone

from release_portal.access.models import AccessRequest
from release_portal.lib.states import Forbidden, Refused, transition
from release_portal.partners.models import Partner


def test_move_changes_status_and_fields_together(applied, rita):
    now = timezone.now()
    transition(applied, Partner.Status.ADMITTED, decided_by=rita, decided_at=now, admitted_at=now)
    assert (applied.status, applied.decided_by, applied.decided_at) == ("admitted", rita, now)
    stored = Partner.objects.get(pk=applied.pk)
    assert (stored.status, stored.decided_by, stored.decided_at) == ("admitted", rita, now)


def test_move_from_a_status_it_may_not_follow_names_how_the_thing_stands(applied, rita, tom):
    transition(applied, Partner.Status.DECLINED, decided_by=rita, decided_at=timezone.now())
    with pytest.raises(Refused) as refused:
        transition(applied, Partner.Status.ADMITTED, decided_by=tom, decided_at=timezone.now())
    assert refused.value.sentence == f"This organisation is already {applied.status_text}."
    assert "declined by Rita Moss on" in refused.value.sentence
    assert refused.value.status == 409


def test_move_of_a_stale_copy_loses_and_learns_how_the_thing_stands(applied, rita, tom):
    stale = Partner.objects.get(pk=applied.pk)
    now = timezone.now()
    transition(applied, Partner.Status.ADMITTED, decided_by=rita, decided_at=now, admitted_at=now)
    with pytest.raises(Refused, match="already admitted by Rita Moss"):
        transition(stale, Partner.Status.DECLINED, decided_by=tom, decided_at=timezone.now())
    assert stale.status == Partner.Status.ADMITTED
    assert Partner.objects.get(pk=applied.pk).decided_by == rita


def test_move_to_the_first_status_is_not_declared(access_request):
    with pytest.raises(KeyError):
        transition(access_request, AccessRequest.Status.DRAFT)


@pytest.mark.parametrize("half", ["decided_by", "decided_at"])
def test_database_refuses_half_a_decision(applied, rita, half):
    value = {"decided_by": rita, "decided_at": timezone.now()}[half]
    with pytest.raises(IntegrityError, match="decided_by_together"), transaction.atomic():
        Partner.objects.filter(pk=applied.pk).update(**{half: value})


@pytest.mark.parametrize(
    ("refused", "status"),
    [(Refused("No."), 409), (Refused("No.", field="prompts"), 422), (Forbidden("No."), 403)],
)
def test_refusal_tells_its_status(refused, status):
    assert refused.status == status
    assert str(refused) == "No."
