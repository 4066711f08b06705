"""Returning an application, what its correction changed, and pausing intake, as the lab's staff do it."""

import pytest
from django.urls import reverse

from release_portal.access import actions as access
from release_portal.lib.states import Refused
from release_portal.partners import actions as partners
from release_portal.partners.models import Pause


def page(client, name, *args) -> str:
    return client.get(reverse(name, args=args)).content.decode()


def test_return_application_and_read_what_the_correction_changed(applied, application, ada, rita, client_of):
    address = reverse("review:organisation", args=[applied.slug])
    client_of(rita).post(address, {"return": "1", "return-reason": "Tell who will use it."})
    applied.refresh_from_db()
    assert applied.status == "returned"
    home = page(client_of(ada), "access:organisation", applied.slug)
    assert "Tell who will use it." in home
    assert reverse("partners:correct", args=[applied.slug]) in home
    details = application(intended_use="Ada Lowell and Ben Hart will use it.")
    details.pop("will_sign")
    partners.correct_application(by=ada, partner=applied, **details)
    seen = page(client_of(rita), "review:organisation", applied.slug)
    assert "<del>Two researchers will use 124M" in seen
    assert "<ins>Ada Lowell and Ben Hart will use it.</ins>" in seen


def test_return_application_without_a_reason_keeps_it_waiting(applied, rita, client_of):
    address = reverse("review:organisation", args=[applied.slug])
    answer = client_of(rita).post(address, {"return": "1", "return-reason": " "})
    assert "error-summary" in answer.content.decode()
    applied.refresh_from_db()
    assert applied.status == "applied"


def test_pause_intake_is_shown_on_every_page_and_stops_requests(northlake, size_124m, asking, ada, mara, client_of):
    client_of(mara).post(reverse("review:intake"), {"pause": "1", "message": "We read nothing this week."})
    assert "We read nothing this week." in page(client_of(ada), "access:organisation", northlake.slug)
    with pytest.raises(Refused, match="We read nothing this week"):
        access.request_access(by=ada, partner=northlake, **asking(size_124m))
    client_of(mara).post(reverse("review:intake"), {"resume": "1"})
    assert Pause.objects.now() is None
    assert access.request_access(by=ada, partner=northlake, **asking(size_124m))


def test_pause_intake_without_a_message_pauses_nothing(mara, client_of):
    answer = client_of(mara).post(reverse("review:intake"), {"pause": "1", "message": ""})
    assert "Message to applicants is missing." in answer.content.decode()
    assert Pause.objects.now() is None
