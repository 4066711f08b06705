"""Many rows at once: staged, seen as they would be, applied once, one mail each."""

import pytest
from django.urls import reverse

from release_portal.access import actions
from release_portal.access.actions import batches
from release_portal.access.models import AccessRequest, Batch, Grant
from release_portal.audit.models import Event
from release_portal.lib.states import Forbidden, Refused
from release_portal.partners.models import Letter
from release_portal.review.effect import effect_of

from .. import factories

WHY = {"reason_code": "team", "reason": "Tell who will use it."}
BULK = "/review/batches/"


@pytest.fixture
def three(northlake, southbank, ada, cleo, size_124m, size_355m, asking) -> list[AccessRequest]:
    """Northlake asks for two sizes in two requests, Southbank for one."""
    asked = [(ada, northlake, size_124m), (ada, northlake, size_355m), (cleo, southbank, size_124m)]
    return [actions.request_access(by=by, partner=partner, **asking(size)) for by, partner, size in asked]


def rows_of(requests) -> list[tuple[int, int]]:
    return [(request.pk, request.revision) for request in requests]


def chosen(requests) -> list[str]:
    return [f"{pk}:{seen}" for pk, seen in rows_of(requests)]


def staged(by, requests, verb="grant", **why) -> Batch:
    return actions.stage_batch(by=by, verb=verb, rows=rows_of(requests), **why)


# --- staging


@pytest.mark.parametrize(
    ("details", "sentence"),
    [
        ({"verb": "burn"}, "Choose what to do from the list."),
        ({"rows": []}, "Choose one request at least."),
        ({"rows": [(1, 1)] * 101}, "A batch takes at most 100 requests; you chose 101."),
        ({"verb": "decline", "reason": "No."}, "Choose a reason from the list."),
        ({"verb": "return", "reason_code": "team", "reason": " "}, "Say why, for those concerned to read."),
    ],
)
def test_stage_says_what_is_missing(rita, three, details, sentence):
    with pytest.raises(Refused, match=sentence):
        actions.stage_batch(by=rita, **{"verb": "grant", "rows": rows_of(three)} | details)
    assert not Batch.objects.filter(staged_by=rita).exists()


def test_stage_and_apply_need_the_right_of_the_verb(rita, otto, ada, three):
    for person in (otto, ada):
        with pytest.raises(Forbidden):
            staged(person, three)
        with pytest.raises(Forbidden):
            actions.apply_batch(by=person, batch=staged(rita, three))


def test_staging_changes_nothing(rita, three):
    staged(rita, three, "return", **WHY)
    assert set(AccessRequest.objects.filter(pk__in=[one.pk for one in three]).values_list("status", flat=True)) == {
        "submitted"
    }


# --- the effect, before anything happens


def test_effect_names_who_gains_and_leaves_everything_as_it_was(rita, three):
    batch = staged(rita, three)
    letters, events = Letter.objects.count(), Event.objects.count()
    effect = effect_of(batch, by=rita)
    assert sorted(str(grant) for grant in effect.gains) == sorted(str(request) for request in three)
    assert (effect.losses, effect.jobs, effect.done) == ([], [], 3)
    assert effect.readers == len({*_people(three[0]), *_people(three[2])})
    assert (Letter.objects.count(), Event.objects.count()) == (letters, events)
    assert not Grant.objects.filter(request__in=three).exists()
    batch.refresh_from_db()
    assert batch.status == "staged"


def _people(request) -> set[str]:
    return set(request.partner.memberships.filter(ended_at__isnull=True).values_list("user__email", flat=True))


@pytest.mark.parametrize(("verb", "word"), [("suspend", "waits"), ("revoke", "stops")])
def test_effect_names_the_jobs_that_stop(mara, grant, job, verb, word):
    why = {"reason_code": "misuse", "reason": "A key was shared."}
    effect = effect_of(actions.stage_batch(by=mara, verb=verb, rows=[(grant.pk, None)], **why), by=mara)
    assert ([one.pk for one in effect.jobs], effect.jobs_count, effect.on_jobs) == ([job.pk], 1, word)
    assert [one.pk for one in effect.losses] == [grant.pk]
    job.refresh_from_db()
    assert job.is_live


# --- applying


def test_apply_grants_each_as_asked_with_one_mail_per_person(rita, three, ada, cleo):
    Letter.objects.all().delete()
    results = actions.apply_batch(by=rita, batch=staged(rita, three))
    assert [result.done for result in results] == [True, True, True]
    assert "GPT-2 124M: granted until" in results[0].sentence
    assert Grant.objects.filter(request__in=three, status="active").count() == 3
    to_ada = Letter.objects.unsent().get(to=ada.email)
    assert "GPT-2 124M" in to_ada.body
    assert "GPT-2 355M" in to_ada.body
    assert Letter.objects.unsent().filter(to=cleo.email).count() == 1


def test_apply_does_what_it_can_and_says_why_for_the_rest(rita, tom, three):
    batch = staged(rita, three)
    actions.withdraw_request(by=three[0].submitted_by, request=three[0])
    actions.claim_request(by=tom, request=three[1])
    first, second, third = actions.apply_batch(by=rita, batch=batch)
    assert (first.done, first.sentence) == (False, "This request is already withdrawn.")
    assert not second.done
    assert second.sentence.startswith(f"{tom} has claimed this request until")
    assert third.done
    batch.refresh_from_db()
    assert [row["done"] for row in batch.results] == [False, False, True]


def test_apply_refuses_a_request_that_changed_since_it_was_chosen(rita, tom, three):
    batch = staged(rita, three[:1], "decline", reason_code="need", reason="Begin with less.")
    actions.return_request(by=tom, request=three[0], **WHY)
    actions.submit_request(by=three[0].submitted_by, request=three[0])
    (result,) = actions.apply_batch(by=rita, batch=batch)
    assert (result.done, result.sentence) == (
        False,
        "This request changed since you opened it. Look at it again, then decide.",
    )


def test_apply_works_once(rita, three):
    batch = staged(rita, three)
    again = Batch.objects.get(pk=batch.pk)
    actions.apply_batch(by=rita, batch=batch)
    with pytest.raises(Refused, match="This batch is already applied by Rita Moss on"):
        actions.apply_batch(by=rita, batch=again)
    assert Grant.objects.filter(request__in=three).count() == 3


def test_crash_in_the_middle_leaves_nothing_done(rita, three, monkeypatch):
    calls = iter([None, SystemExit("The power went.")])

    def fail(*args, **kwargs):
        if error := next(calls):
            raise error
        return []

    monkeypatch.setattr("release_portal.access.actions.batches.return_request", fail)
    batch = staged(rita, three, "return", **WHY)
    with pytest.raises(SystemExit):
        actions.apply_batch(by=rita, batch=batch)
    batch.refresh_from_db()
    assert (batch.status, batch.results) == ("staged", [])


def test_row_that_fails_by_an_error_leaves_the_others_done(rita, three, monkeypatch, caplog):
    errors = iter([None, RuntimeError("A prompt that nobody may read."), None])
    decide = batches.decide_request

    def fail(**named):
        tallies = decide(**named)
        if error := next(errors):
            raise error
        return tallies

    monkeypatch.setattr(batches, "decide_request", fail)
    results = actions.apply_batch(by=rita, batch=staged(rita, three))
    assert [result.done for result in results] == [True, False, True]
    assert "nothing of it was done" in results[1].sentence
    assert Grant.objects.filter(request__in=three).count() == 2
    assert "RuntimeError" in caplog.text
    assert "prompt" not in caplog.text


def test_suspend_and_resume_many_keep_their_history(mara, grant, southbank, cleo, size_124m, asking, rita):
    other = factories.granted(actions.request_access(by=cleo, partner=southbank, **asking(size_124m)), by=rita)
    rows = [(grant.pk, None), (other.pk, None)]
    why = {"reason_code": "risk", "reason": "A leak was reported."}
    actions.apply_batch(by=mara, batch=actions.stage_batch(by=mara, verb="suspend", rows=rows, **why))
    assert {one.status for one in Grant.objects.filter(pk__in=[pk for pk, _ in rows])} == {"suspended"}
    resume = actions.stage_batch(by=mara, verb="resume", rows=rows, reason="It was checked.")
    assert all(result.done for result in actions.apply_batch(by=mara, batch=resume))
    assert {one.status for one in Grant.objects.filter(pk__in=[pk for pk, _ in rows])} == {"active"}
    assert grant.suspensions.get().lift_reason == "It was checked."
    (result,) = actions.apply_batch(
        by=mara, batch=actions.stage_batch(by=mara, verb="resume", rows=rows[:1], reason="Again.")
    )
    assert (result.done, result.sentence) == (False, "This grant is not suspended.")


def test_dropped_batch_cannot_be_applied(rita, three):
    batch = staged(rita, three)
    actions.drop_batch(by=rita, batch=batch)
    with pytest.raises(Refused, match="This batch is already dropped"):
        actions.apply_batch(by=rita, batch=batch)


# --- the pages


def test_desk_leads_through_reason_and_effect_to_the_result(client_of, rita, three):
    client = client_of(rita)
    page = client.get("/review/?tab=waiting")
    assert f'name="request" value="{chosen(three)[0]}"' in page.content.decode()
    asked = {"verb": "return", "request": chosen(three)}
    assert "is missing" not in client.post(BULK, asked).content.decode(), "nothing was sent yet"
    empty = client.post(BULK, asked | {"stage": "1", "reason_code": "team", "reason": ""})
    assert "Say why. Everybody concerned reads it." in empty.content.decode()
    assert chosen(three)[2] in empty.content.decode(), "the rows are not lost"
    page = client.post(BULK, asked | {"stage": "1"} | WHY, follow=True)
    assert "Nothing has happened yet." in page.content.decode()
    assert "Apply to 3" in page.content.decode()
    assert "Tell who will use it.</strong>" in page.content.decode()
    batch = Batch.objects.get(staged_by=rita)
    page = client.post(batch.get_absolute_url(), {"apply": "1"}, follow=True)
    assert "3 of 3 done." in page.content.decode()
    assert "Returned for changes." in page.content.decode()
    page = client.post(batch.get_absolute_url(), {"apply": "1"}, follow=True)
    assert "This batch is already applied by Rita Moss" in page.content.decode()


def test_grant_needs_no_reason_and_is_staged_at_once(client_of, rita, three):
    answer = client_of(rita).post(BULK, {"verb": "grant", "request": chosen(three)})
    assert answer["location"] == Batch.objects.get(staged_by=rita).get_absolute_url()


@pytest.mark.parametrize(
    ("sent", "sentence"),
    [
        ({"request": []}, "Choose one request at least, then what to do."),
        ({"request": ["x:1"]}, "A row was not named as the list names it."),
        ({"request": ["9" * 30]}, "A row was not named as the list names it."),
        ({"verb": "burn"}, "Choose what to do from the list."),
    ],
)
def test_bulk_explains_what_was_not_chosen(client_of, rita, three, sent, sentence):
    answer = client_of(rita).post(BULK, {"verb": "grant"} | sent, follow=True)
    assert sentence in answer.content.decode()
    assert not Batch.objects.filter(staged_by=rita).exists()


def test_unknown_grant_is_a_row_that_is_refused(client_of, rita):
    sent = {"verb": "revoke", "grant": "999999", "stage": "1", "reason_code": "misuse", "reason": "A key was shared."}
    assert "It is not there." in client_of(rita).post(BULK, sent, follow=True).content.decode()


def test_grants_page_offers_the_verbs_of_the_reader(client_of, otto, rita, grant):
    page = client_of(rita).get(reverse("review:grants")).content.decode()
    assert all(f'name="verb" value="{verb}"' in page for verb in ("suspend", "resume", "revoke"))
    assert f'name="grant" value="{grant.pk}"' in page
    assert actions.verbs_of(by=otto, on_requests=False) == actions.verbs_of(by=otto, on_requests=True) == []
