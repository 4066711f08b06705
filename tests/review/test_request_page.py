"""One request's page: what a reviewer sees, types, previews and applies; and what it says when it came too late."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from agreements.models import Agreement
from release_portal.access import actions as access
from release_portal.access.models import AccessRequest, Grant
from release_portal.partners.models import Letter

from .. import factories


@pytest.fixture
def two(northlake, ada, size_124m, size_355m, asking):
    """Northlake asks for 124M and 355M."""
    return access.request_access(by=ada, partner=northlake, **asking(size_124m, size_355m))


def path(request) -> str:
    return f"/review/requests/{request.pk}/"


def body(response) -> str:
    return response.content.decode()


def approving(item, **other) -> dict:
    terms = {"ends_on": factories.in_days(90).isoformat(), "token_quota": "5,000", "purposes": ["belief"]}
    terms |= {"reduction_reason": "We begin with less."} | other
    return {f"item_{item.pk}-{field}": value for field, value in ({"verdict": "approve"} | terms).items()}


def declining(item, **other) -> dict:
    details = {"verdict": "decline", "reason_code": "need", "reason": "124M serves it."} | other
    return {f"item_{item.pk}-{field}": value for field, value in details.items()}


def test_answer_one_item_and_leave_the_other_for_later(client_of, rita, two):
    small, large = two.items.smallest_first()
    response = client_of(rita).post(path(two), {"decide": "apply"} | approving(small), follow=True)
    assert "GPT-2 124M was granted." in body(response)
    large.refresh_from_db()
    two.refresh_from_db()
    assert (two.status, large.status, small.grant.token_quota) == ("submitted", "waiting", 5_000)


def test_preview_shows_the_mail_that_is_then_sent_and_changes_nothing(client_of, rita, ada, two):
    small, large = two.items.smallest_first()
    client = client_of(rita)
    answers = approving(small) | declining(large, note="The third such request.")
    response = client.post(path(two), {"decide": "preview", "seen": two.revision} | answers)
    subject, text = response.context["preview"]
    assert "124M serves it." in text
    assert "third such" not in text
    page = body(response)
    assert "The third such request." in page, "what was typed stays"
    assert 'name="decide" value="apply">Apply</button>' in page
    assert not Grant.objects.filter(request=two).exists()
    previewed = response.context["previewed"]
    details = {"decide": "apply", "seen": response.context["seen"], "previewed": previewed}
    client.post(path(two), details | answers)
    letter = Letter.objects.filter(to=ada.email).latest("id")
    assert letter.subject == subject
    assert all(line in letter.body for line in text.split("\n\n"))


def test_apply_of_answers_changed_after_the_preview_previews_them_first(client_of, rita, access_request):
    item = access_request.items.get()
    client = client_of(rita)
    previewed = client.post(path(access_request), {"decide": "preview"} | approving(item)).context["previewed"]
    details = {"decide": "apply", "previewed": previewed} | approving(item, token_quota="70,000")
    again = client.post(path(access_request), details)
    assert "You changed your answer after the preview." in body(again)
    assert "70,000 tokens" in again.context["preview"][1]
    assert not Grant.objects.filter(request=access_request).exists()
    client.post(path(access_request), details | {"previewed": again.context["previewed"]})
    assert Grant.objects.get(request=access_request).token_quota == 70_000


@pytest.mark.parametrize(
    ("answer", "field", "sentence"),
    [
        (declining, {"reason_code": ""}, "Choose a reason from the list."),
        (declining, {"reason": " "}, "Say why, for the applicant to read: a reason is needed to decline."),
        (declining, {"verdict": ""}, "You gave a reason: choose “Decline”, or leave the reason empty."),
        (approving, {"purposes": []}, "Choose the purposes that are allowed, at least one."),
        (approving, {"concurrent_jobs": "0"}, "Concurrent jobs is a whole number from 1 to 1,000; you gave 0."),
        (approving, {"ends_on": ""}, "Say when access ends."),
        (approving, {"verdict": ""}, "Answer one item at least."),
    ],
)
def test_answer_with_something_wrong_says_so_and_keeps_what_was_typed(
    client_of, rita, access_request, answer, field, sentence
):
    typed = answer(access_request.items.get(), **field)
    response = client_of(rita).post(path(access_request), {"decide": "apply"} | typed)
    assert sentence in body(response)
    assert body(response).count(sentence) <= 2, "in the summary and at the field"
    form = response.context["rows"][0].form
    assert all(
        form.data.getlist(name) == (value if isinstance(value, list) else [value]) for name, value in typed.items()
    )
    assert access_request.items.get().status == "waiting"


def test_second_reviewer_sees_the_offer_and_approving_it_decides(client_of, rita, tom, mara, access_request):
    item = access_request.items.get()
    access.set_rule(by=mara, size=item.size, approvals=2, reason="For the test.")
    client_of(rita).post(path(access_request), {"decide": "apply"} | approving(item, note="Check their ethics number."))
    assert "You offer the terms below" in body(client_of(rita).get(path(access_request)))
    response = client_of(tom).get(path(access_request))
    page = body(response)
    assert "1 of 2 approvals so far." in page
    assert "Rita Moss offers this; approving the same terms decides it." in page
    assert "Note of Rita Moss: Check their ethics number." in page
    form = response.context["rows"][0].form
    offered = {field: form[field].initial for field in ("ends_on", "token_quota", "purposes")}
    offered["ends_on"] = offered["ends_on"].isoformat()
    client_of(tom).post(path(access_request), {"decide": "apply"} | approving(item, **offered))
    assert Grant.objects.get(item=item).token_quota == 5_000


def test_approval_that_does_not_count_is_said_before(client_of, rita, mara, access_request):
    size = access_request.items.get().size
    access.set_rule(by=mara, size=size, roles=["release-manager"], reason="For the test.")
    assert "Your roles are not among those" in body(client_of(rita).get(path(access_request)))
    assert "Your roles are not among those" not in body(client_of(mara).get(path(access_request)))


def test_steps_before_a_size_ask_for_a_waiver_on_its_field(client_of, rita, ada, mara, grant, size_355m, asking):
    access.set_rule(by=mara, size=size_355m, after_size=grant.size, after_days=60, reason="For the test.")
    request = access.request_access(by=ada, partner=grant.partner, **asking(size_355m))
    item, client = request.items.get(), client_of(rita)
    response = client.post(path(request), {"decide": "apply"} | approving(item))
    assert "comes after 60 days of GPT-2 124M (0 so far)" in response.context["rows"][0].form.errors["waiver"][0]
    client.post(path(request), {"decide": "apply"} | approving(item, waiver="They studied it elsewhere."))
    assert Grant.objects.get(item=item).waiver == "They studied it elsewhere."


def test_answer_to_what_a_colleague_decided_meanwhile_says_who_and_can_then_be_sent(client_of, rita, tom, two):
    small, large = two.items.smallest_first()
    seen = two.revision
    factories.approved(small, by=rita)
    details = {"decide": "apply", "seen": seen} | approving(small) | declining(large)
    response = client_of(tom).post(path(two), details)
    page = body(response)
    assert re.search(r"GPT-2 124M is already granted by Rita Moss on \d.* changed since you opened it", page)
    assert "124M serves it." in page, "what was typed stays"
    client_of(tom).post(path(two), details | {"seen": response.context["seen"]})
    large.refresh_from_db()
    assert (large.status, large.decided_by) == ("declined", tom)


@pytest.mark.parametrize(
    "sent",
    [
        {"decide": "apply"},
        {"decide": "preview"},
        {"return": "1", "return-reason_code": "team", "return-reason": "Who?"},
    ],
)
def test_any_answer_to_a_decided_request_says_who_decided_it(client_of, rita, tom, access_request, sent):
    factories.granted(access_request, by=rita)
    response = client_of(tom).post(path(access_request), sent)
    assert response.status_code == 200
    assert response.context["notice"].startswith("This request is already decided by Rita Moss on")


def test_return_by_the_page_then_the_correction_is_compared(client_of, rita, ada, access_request, asking, size_355m):
    client = client_of(rita)
    empty = client.post(path(access_request), {"return": "1", "return-reason_code": "team", "return-reason": " "})
    assert "Say why. The applicant reads it, corrects the request and sends it again." in body(empty)
    details = {"return": "1", "seen": access_request.revision, "return-reason_code": "team", "return-reason": "Who?"}
    assert "was returned for changes" in body(client.post(path(access_request), details, follow=True))
    assert "Who?" in body(client.get(path(access_request)))
    access_request.refresh_from_db()
    access.save_request(by=ada, request=access_request, **asking(size_355m, purpose="Another purpose, in full words."))
    access.submit_request(by=ada, request=access_request)
    page = body(client.get(path(access_request)))
    assert "What the correction changed" in page
    assert "<ins>Another purpose, in full words.</ins>" in page


def test_claim_and_give_back_by_the_page(client_of, rita, tom, access_request):
    client_of(rita).post(f"{path(access_request)}claim/")
    assert "Rita Moss has claimed it until" in body(client_of(tom).get(path(access_request)))
    late = client_of(tom).post(f"{path(access_request)}claim/", follow=True)
    assert "Rita Moss has claimed this request until" in body(late)
    client_of(rita).post(f"{path(access_request)}claim/", {"release": "1"})
    assert "Claim it for half an hour" in body(client_of(tom).get(path(access_request)))


def test_claim_that_is_over_is_shown_nowhere(client_of, api_of, rita, tom, access_request):
    address = f"/api/v1/review/requests/{access_request.pk}"
    access.claim_request(by=rita, request=access_request)
    assert api_of(tom).get(address).json()["claimed_by"] == "Rita Moss"
    past = timezone.now() - timedelta(seconds=1)
    AccessRequest.objects.filter(pk=access_request.pk).update(claimed_until=past)
    assert api_of(tom).get(address).json()["claimed_by"] is None
    assert "Rita Moss has claimed it" not in body(client_of(tom).get(path(access_request)))
    assert {claimant for *_, claimant in client_of(tom).get("/review/").context["rows"]} == {None}


def test_step_aside_by_the_page_shows_why_to_others_and_takes_it_off_ones_desk(client_of, rita, tom, access_request):
    details = {"recuse": "1", "recuse-reason": "I advise their project."}
    client_of(rita).post(path(access_request), details)
    assert path(access_request) not in body(client_of(rita).get("/review/"))
    assert "Rita Moss: I advise their project." in body(client_of(tom).get(path(access_request)))
    again = client_of(rita).post(path(access_request), details)
    assert again.context["notice"] == "You stepped aside from this request before."


def test_notes_stand_apart_from_messages(client_of, rita, ada, access_request):
    client = client_of(rita)
    client.post(f"{path(access_request)}say/", {"text": "When do you begin?"})
    client.post(f"{path(access_request)}say/", {"text": "I doubt it.", "internal": "1"})
    context = client.get(path(access_request)).context
    assert [remark.text for remark in context["remarks"]] == ["When do you begin?"]
    assert [remark.text for remark in context["notes"]] == ["I doubt it."]
    applicants = body(client_of(ada).get(access_request.get_absolute_url()))
    assert "When do you begin?" in applicants
    assert "I doubt it." not in applicants


def test_evidence_says_whether_the_agreement_covers_what_is_asked(client_of, rita, access_request):
    client = client_of(rita)
    assert "in force until" in body(client.get(path(access_request)))
    assert "before the day until which" not in body(client.get(path(access_request)))
    AccessRequest.objects.filter(pk=access_request.pk).update(until_wanted=factories.in_days(400))
    assert "before the day until which access is wanted" in body(client.get(path(access_request)))
    Agreement.objects.filter(partner=access_request.partner).update(ended_at=timezone.now(), ended_by=rita)
    assert "None in force." in body(client.get(path(access_request)))


def test_previous_and_next_stay_within_the_search(client_of, rita, access_request, southbank, cleo, size_124m, asking):
    later = access.request_access(by=cleo, partner=southbank, **asking(size_124m))
    AccessRequest.objects.filter(pk=later.pk).update(submitted_at=timezone.now() + timedelta(seconds=5))
    mine = {"northlake": access_request.pk, "southbank": later.pk}
    client = client_of(rita)

    def around(query):
        context = client.get(f"{path(access_request)}?{query}").context
        return context["previous"], context["next"]

    assert around("q=state:waiting+size:124M")[1] == mine["southbank"]
    assert around("q=state:waiting+size:124M&sort=-sent")[0] == mine["southbank"]
    assert around("q=org:~northlake") == (None, None)
    assert around("q=colour:blue") == (None, None)
    page = body(client.get(f"{path(access_request)}?q=state:waiting+size:124M"))
    assert f'data-next href="{path(later)}?q=state%3Awaiting+size%3A124M"' in page
    back = client.post(
        f"{path(access_request)}?q=size:124M", {"decide": "apply"} | approving(access_request.items.get())
    )
    assert back.headers["location"] == "/review/?q=size%3A124M"


def test_request_page_asks_the_database_no_more_where_many_wait_and_more_was_dealt_with(
    client_of, rita, access_request, grant_more
):
    client = client_of(rita)

    def counted():
        with CaptureQueriesContext(connection) as queries:
            client.get(f"{path(access_request)}?q=state:waiting")
        return len(queries)

    grant_more(1)
    client.get(path(access_request))
    before = counted()
    grant_more(6)
    assert counted() == before


@pytest.fixture
def grant_more(access_request, gpt2):
    """Further dealings with Northlake, and requests of others."""

    def grant(number):
        for _ in range(number):
            factories.GrantFactory(partner=access_request.partner, size=factories.SizeFactory())
            factories.ItemFactory(size=gpt2.sizes.first())

    return grant
