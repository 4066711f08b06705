"""The draft, the correction, and intake while it is paused."""

from datetime import timedelta
from importlib import import_module
from types import SimpleNamespace

import pytest
from django.apps import apps
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from release_portal.audit.models import Event
from release_portal.lib.states import Forbidden, Refused
from release_portal.partners import actions
from release_portal.partners.actions.applications import LONGEST_DRAFT
from release_portal.partners.changes import changes_of
from release_portal.partners.models import ApplicationDraft, Letter, Partner, Pause, Role

from .. import factories


@pytest.fixture
def returned(applied, rita) -> Partner:
    actions.return_application(by=rita, partner=applied, reason="  Say who reads the texts. ")
    return applied


@pytest.fixture
def corrected(application):
    def about(**other) -> dict:
        details = application() | {"purpose": "Find out who reads the texts."} | other
        return {name: value for name, value in details.items() if name != "will_sign"}

    return about


# --- the name

GROWS = "Legal name has 414 characters once its ligatures are written out; it takes at most 400."


@pytest.mark.parametrize(
    ("name", "sentence", "limit", "given"),
    [
        (
            "\ufdfa" * 23,
            GROWS,
            400,
            414,
        ),
        ("\u200b" * 3, "Legal name is missing.", None, None),
    ],
    ids=["grows", "unseen"],
)
def test_name_that_cannot_be_compared_is_refused_at_every_door(
    ada, client_of, api_of, application, corrected, returned, name, sentence, limit, given
):
    page = client_of(ada).post("/organisations/apply/", application(name))
    assert (page.status_code, sentence in page.content.decode()) == (200, True)
    answer = api_of(ada).post("/api/v1/organisations", application(name), content_type="application/json")
    body = answer.json()
    assert (answer.status_code, body["field"], body["detail"]) == (422, "legal_name", sentence)
    assert (body["limit"], body["given"]) == (limit, given)
    with pytest.raises(Refused, match=sentence):
        actions.correct_application(by=ada, partner=returned, **corrected(legal_name=name))


def test_names_of_before_that_cannot_be_compared_are_folded_by_the_migration(db):
    """None was refused then."""
    long, unseen = (factories.PartnerFactory(legal_name=name) for name in ("\ufdfa" * 23, "\u200b" * 3))
    fold = import_module("release_portal.partners.migrations.0011_folded_names").fold
    fold(apps, SimpleNamespace(connection=connection))
    kept = dict(Partner.objects.filter(pk__in=[long.pk, unseen.pk]).values_list("pk", "folded_name"))
    assert (len(kept[long.pk]), kept[unseen.pk]) == (400, "\u200b" * 3)


# --- return and correct


def test_return_keeps_the_reason_and_tells_it(returned, ada, rita, letters):
    returned.refresh_from_db()
    assert (returned.status, returned.reason) == ("returned", "Say who reads the texts.")
    assert returned.status_text == f"returned for changes by Rita Moss on {returned.decided_at:%-d %B %Y}"
    assert letters(ada)[-1] == "The application of University of Northlake needs changes"
    assert "Say who reads the texts." in Letter.objects.filter(to=ada.email).latest("id").body


def test_return_without_a_reason_is_refused(applied, rita):
    with pytest.raises(Refused, match="a reason is needed to return") as refused:
        actions.return_application(by=rita, partner=applied, reason=" ")
    assert refused.value.field == "reason"


def test_return_without_the_right_or_of_ones_own_is_refused(applied, ada, rita):
    with pytest.raises(Forbidden, match="Admit or decline"):
        actions.return_application(by=ada, partner=applied, reason="More.")
    factories.MembershipFactory(user=rita, partner=applied, roles=["viewer"])
    with pytest.raises(Refused, match="another person has to decide"):
        actions.return_application(by=rita, partner=applied, reason="More.")


def test_returned_application_is_not_decided_before_it_is_corrected(returned, tom):
    with pytest.raises(Refused, match="already returned for changes by Rita Moss"):
        actions.admit(by=tom, partner=returned)
    with pytest.raises(Refused, match="already returned for changes"):
        actions.decline(by=tom, partner=returned, reason="Too late.")


def test_correct_sends_it_again_and_keeps_what_was_before(returned, ada, rita, corrected, letters):
    actions.correct_application(by=ada, partner=returned, **corrected(country="NL"))
    returned.refresh_from_db()
    assert (returned.status, returned.sent_count, returned.decided_by) == ("applied", 2, None)
    assert returned.status_text == "waiting for review"
    assert changes_of(returned) == [
        ("Country", "United Kingdom", "Netherlands"),
        ("Research purpose", factories.PURPOSE, "Find out who reads the texts."),
    ]
    assert letters(rita)[-1] == "University of Northlake corrected its application"
    assert Partner.objects.awaiting_review().contains(returned)


def test_correct_leaves_the_names_of_changed_fields_in_the_book_and_no_text(returned, ada, corrected):
    actions.correct_application(by=ada, partner=returned, **corrected())
    event = Event.objects.about(returned).get(kind="partner.corrected")
    assert event.detail == {"changed": ["purpose"], "sent_count": 2}
    assert "who reads" not in event.sentence


def test_correct_a_third_time_compares_with_the_second(returned, ada, rita, corrected):
    actions.correct_application(by=ada, partner=returned, **corrected())
    actions.return_application(by=rita, partner=returned, reason="Whose?")
    actions.correct_application(by=ada, partner=returned, **corrected(contact_name="Ben Hart"))
    returned.refresh_from_db()
    assert changes_of(returned) == [("Contact person", "Ada Lowell", "Ben Hart")]
    assert returned.sent_count == 3


def test_first_application_has_no_changes(applied):
    assert changes_of(applied) == []


def test_correct_what_was_not_returned_is_refused(applied, ada, corrected):
    with pytest.raises(Refused, match="This organisation is already waiting for review"):
        actions.correct_application(by=ada, partner=applied, **corrected())
    applied.refresh_from_db()
    assert (applied.purpose, applied.sent_count) == (factories.PURPOSE, 1)


def test_correct_to_anothers_name_is_taken_like_any_other(returned, southbank, ada, corrected):
    actions.correct_application(by=ada, partner=returned, **corrected(legal_name="SOUTHBANK Institute"))
    returned.refresh_from_db()
    assert (returned.status, returned.folded_name) == ("applied", "southbank institute")


def test_correct_to_the_name_of_ones_other_application_is_refused(returned, ada, application, corrected):
    actions.apply(by=ada, **application("Northlake Press"))
    with pytest.raises(Refused, match="You already applied for Northlake Press: it is waiting for review") as refused:
        actions.correct_application(by=ada, partner=returned, **corrected(legal_name="northlake  PRESS"))
    assert refused.value.field == "legal_name"


def test_correct_without_the_right_is_forbidden(returned, cleo, rita, corrected):
    viewer = factories.MembershipFactory(partner=returned, roles=["viewer", "investigator"]).user
    for by in (cleo, rita, viewer):
        with pytest.raises(Forbidden, match="Correct the application"):
            actions.correct_application(by=by, partner=returned, **corrected())


# --- the draft


def test_draft_is_one_per_person_and_keeps_only_the_fields_of_the_form(ada, cleo):
    actions.save_draft(by=cleo, content={"purpose": "Cleo's"})
    actions.save_draft(by=ada, content={"purpose": "First"})
    actions.save_draft(by=ada, content={"purpose": "Second", "country": "", "csrfmiddlewaretoken": "x", "name": "Eve"})
    assert ApplicationDraft.objects.get(user=ada).content == {"purpose": "Second"}
    assert ApplicationDraft.objects.get(user=cleo).content == {"purpose": "Cleo's"}


def test_draft_that_is_too_long_is_refused(ada):
    with pytest.raises(Refused, match=r"A draft keeps at most 20,000 characters; this has 20,001\."):
        actions.save_draft(by=ada, content={"purpose": "x" * (LONGEST_DRAFT + 1)})
    assert not ApplicationDraft.objects.exists()


def test_draft_is_gone_once_it_is_discarded_or_sent(ada, application):
    actions.save_draft(by=ada, content={"purpose": "First"})
    actions.discard_draft(by=ada)
    assert not ApplicationDraft.objects.exists()
    actions.save_draft(by=ada, content={"purpose": "Second"})
    actions.apply(by=ada, **application())
    assert not ApplicationDraft.objects.exists()


# --- closing


def test_close_by_an_owner_ends_the_organisation_and_its_open_invitations(northlake, ada, ben, rita, letters):
    invitation = actions.invite(by=ada, partner=northlake, email="new@northlake.example", roles=[viewer()])
    admitted_at = northlake.admitted_at
    actions.close(by=ada, partner=northlake)
    northlake.refresh_from_db()
    invitation.refresh_from_db()
    assert (northlake.status, northlake.closed_by, northlake.admitted_at) == ("closed", ada, admitted_at)
    assert northlake.status_text == f"closed by Ada Lowell on {northlake.closed_at:%-d %B %Y}"
    assert invitation.status == "withdrawn"
    assert letters(ben)[-1] == letters(rita)[-1] == "University of Northlake is closed"
    assert Event.objects.about(northlake).filter(kind="partner.closed", by=ada).count() == 1


def viewer():
    return Role.objects.get(code="viewer")


def test_close_by_the_lab_tells_the_members(northlake, ada, rita, letters):
    actions.close(by=rita, partner=northlake)
    assert letters(ada)[-1] == "University of Northlake is closed"
    assert letters(rita) == []


def test_close_without_the_right_or_twice_is_refused(northlake, ada, ben, cleo, mara):
    for by in (ben, cleo, mara):
        with pytest.raises(Forbidden, match="Correct the application and close the organisation"):
            actions.close(by=by, partner=northlake)
    actions.close(by=ada, partner=northlake)
    with pytest.raises(Refused, match="already closed by Ada Lowell on"):
        actions.close(by=ada, partner=northlake)


def test_close_frees_the_legal_name(northlake, ada, cleo, rita, application):
    again = actions.apply(by=cleo, **application())
    with pytest.raises(Refused, match="Another organisation of this name is here: University of Northlake, admitted"):
        actions.admit(by=rita, partner=again)
    actions.close(by=ada, partner=northlake)
    actions.admit(by=rita, partner=again)
    assert again.status == "admitted"


def test_suspended_organisation_is_not_admitted_again(northlake, tom):
    Partner.objects.filter(pk=northlake.pk).update(status="suspended")
    with pytest.raises(Refused, match="This organisation is already suspended"):
        actions.admit(by=tom, partner=northlake)


def test_known_to_staff_are_all_and_to_others_their_own(northlake, southbank, ben, cleo, rita, otto):
    for staff in (rita, otto):
        assert {northlake, southbank} <= set(Partner.objects.known_to(staff))
    assert list(Partner.objects.known_to(ben)) == [northlake]
    assert list(Partner.objects.known_to(cleo)) == [southbank]


def test_database_refuses_a_closed_organisation_that_does_not_say_when(northlake):
    with pytest.raises(DatabaseError, match="closed_partner_says_when"), transaction.atomic():
        Partner.objects.filter(pk=northlake.pk).update(status="closed")


def test_apply_for_a_name_that_is_an_address_of_the_site_gets_another_one(ada, application):
    assert actions.apply(by=ada, **application("Apply")).slug.startswith("apply-")


# --- intake


@pytest.fixture
def paused(mara) -> Pause:
    return actions.pause_intake(by=mara, message="We move house.", resumes_on=factories.in_days(3))


def test_pause_refuses_applications_in_its_own_words(paused, ada, application):
    day = f"{paused.resumes_on:%-d %B %Y}"
    with pytest.raises(Refused, match=f"Intake is paused: We move house. Intake resumes on {day}. Your draft"):
        actions.apply(by=ada, **application())
    assert not Partner.objects.filter(applied_by=ada).exists()
    assert actions.save_draft(by=ada, content={"purpose": "Meanwhile"})


def test_pause_lets_corrections_through(returned, paused, ada, corrected):
    actions.correct_application(by=ada, partner=returned, **corrected())
    returned.refresh_from_db()
    assert returned.status == "applied"


def test_resume_takes_applications_again(paused, mara, ada, application):
    actions.resume_intake(by=mara)
    assert Pause.objects.now() is None
    assert actions.apply(by=ada, **application())
    kinds = Event.objects.filter(kind__startswith="intake.").order_by("id").values_list("kind", flat=True)
    assert list(kinds) == ["intake.paused", "intake.resumed"]
    with pytest.raises(Refused, match="Intake is not paused"):
        actions.resume_intake(by=mara)


def test_pause_again_replaces_the_one_before(paused, mara):
    newer = actions.pause_intake(by=mara, message="We still move.")
    assert Pause.objects.now() == newer
    assert newer.sentence == "Intake is paused: We still move."


@pytest.mark.parametrize(("days", "holds"), [(-1, False), (0, False), (1, True), (None, True)])
def test_pause_ends_by_itself_on_the_day_that_it_names(mara, days, holds):
    resumes_on = None if days is None else timezone.now().date() + timedelta(days=days)
    Pause.objects.create(paused=True, message="Away.", resumes_on=resumes_on, at=timezone.now(), by=mara)
    assert (Pause.objects.now() is not None) == holds


@pytest.mark.parametrize(
    ("details", "field", "sentence"),
    [
        ({"message": " "}, "message", "a message is needed"),
        ({"message": "x" * 501}, "message", "at most 500 characters; this has 501"),
        ({"message": "Away.", "resumes_on": factories.in_days(0)}, "resumes_on", "on a day after today"),
    ],
)
def test_pause_that_says_too_little_or_too_much_is_refused(mara, details, field, sentence):
    with pytest.raises(Refused, match=sentence) as refused:
        actions.pause_intake(by=mara, **details)
    assert refused.value.field == field


@pytest.mark.parametrize("who", ["ada", "rita", "otto"])
def test_pause_without_the_right_is_forbidden(who, request, paused):
    by = request.getfixturevalue(who)
    with pytest.raises(Forbidden, match="Set review rules and pause intake"):
        actions.pause_intake(by=by, message="Away.")
    with pytest.raises(Forbidden):
        actions.resume_intake(by=by)


def test_database_refuses_to_change_or_delete_a_pause(paused):
    for change in (lambda: Pause.objects.update(message="Other"), lambda: Pause.objects.all().delete()):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()


@pytest.mark.parametrize("status", ["admitted", "suspended"])
def test_database_refuses_an_admitted_organisation_that_does_not_say_when(northlake, status):
    with pytest.raises(DatabaseError, match="admitted_partner_says_when"), transaction.atomic():
        Partner.objects.filter(pk=northlake.pk).update(status=status, admitted_at=None)
