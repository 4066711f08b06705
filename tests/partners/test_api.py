"""The JSON door of this room: the same verbs, the same words."""

import json

import pytest

from release_portal.partners import actions
from release_portal.partners.models import Membership, Partner, User

from .. import factories

ALL = "/api/v1/organisations"
NORTHLAKE = f"{ALL}/university-of-northlake"


def post(client, path, body=None):
    return client.post(path, json.dumps(body or {}), content_type="application/json")


@pytest.fixture
def returned(applied, rita) -> Partner:
    actions.return_application(by=rita, partner=applied, reason="Say who.")
    return applied


def test_list_shows_ones_own_organisations_and_staff_all(northlake, southbank, ben, cleo, otto, api_of):
    own = {user.name: [one["slug"] for one in api_of(user).get(ALL).json()["items"]] for user in (ben, cleo)}
    assert own == {"Ben Hart": [northlake.slug], "Cleo Marsh": [southbank.slug]}
    assert api_of(otto).get(ALL).json()["count"] == Partner.objects.count() >= 2


def test_one_organisation_tells_how_it_stands(northlake, ben, cleo, zoe, api_of):
    answer = api_of(ben).get(NORTHLAKE).json()
    assert (answer["status"], answer["country"], answer["sent_count"]) == ("admitted", "GB", 1)
    assert answer["status_text"].startswith("admitted by Rita Moss on")
    assert api_of(cleo).get(NORTHLAKE).status_code == 404
    assert zoe.get(NORTHLAKE).status_code == 401


def test_apply_and_correct_as_on_the_pages(ada, rita, api_of, application):
    client = api_of(ada)
    made = post(client, ALL, application())
    assert made.status_code == 201
    here = f"{ALL}/{made.json()['slug']}"
    returned = post(api_of(rita), f"{here}/return", {"reason": "Say who."})
    assert (returned.json()["status"], returned.json()["reason"]) == ("returned", "Say who.")
    details = application(purpose="Ben reads.")
    del details["will_sign"]
    corrected = post(client, f"{here}/correct", details)
    assert (corrected.json()["status"], corrected.json()["purpose"]) == ("applied", "Ben reads.")
    admitted = post(api_of(rita), f"{here}/admit").json()
    assert admitted["admitted_at"]


def test_apply_under_a_known_name_answers_as_under_a_new_one(northlake, ben, cleo, api_of, application):
    """Who applies learns nothing of others: same status, same words, a slug that tells nothing."""
    known, new = (
        post(api_of(cleo), ALL, application(name)) for name in ("University of Northlake", "Institute of Elsewhere")
    )
    bodies = [answer.json() for answer in (known, new)]
    assert known.status_code == new.status_code == 201
    assert [len(one.pop("slug").rpartition("-")[2]) for one in bodies] == [6, 6]
    for one in bodies:
        del one["legal_name"], one["applied_at"]
    assert bodies[0] == bodies[1]


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"website": "not a site"}, "website"),
        ({"country": "XX"}, "country"),
        ({"contact_email": "nobody"}, "contact_email"),
        ({"purpose": " "}, "purpose"),
        ({"legal_name": "x" * 201}, "legal_name"),
        ({"legal_name": "Nul\0"}, "legal_name"),
    ],
)
def test_apply_with_a_mistake_names_the_field(ada, api_of, application, wrong, field):
    answer = post(api_of(ada), ALL, application(**wrong))
    assert (answer.status_code, answer.json()["field"]) == (422, field)
    assert answer["content-type"] == "application/problem+json"
    assert not Partner.objects.filter(applied_by=ada).exists()


def test_apply_while_intake_is_paused_says_so(ada, mara, api_of, application):
    actions.pause_intake(by=mara, message="We move house.")
    answer = post(api_of(ada), ALL, application())
    assert (answer.status_code, answer.json()["detail"]) == (
        409,
        "Intake is paused: We move house. Your draft can be saved meanwhile.",
    )


def test_decline_needs_a_reason(applied, rita, api_of):
    client = api_of(rita)
    assert post(client, f"{NORTHLAKE}/decline", {"reason": " "}).json()["field"] == "reason"
    assert post(client, f"{NORTHLAKE}/decline", {"reason": "Nul\0"}).status_code == 422
    assert post(client, f"{NORTHLAKE}/decline", {"reason": "Vague."}).json()["status"] == "declined"


@pytest.mark.parametrize("verb", ["admit", "return", "decline"])
def test_staff_verbs_are_404_to_outsiders_and_403_to_insiders(applied, ada, cleo, otto, api_of, verb):
    body = {"reason": "No."}
    answers = [post(api_of(user), f"{NORTHLAKE}/{verb}", body).status_code for user in (cleo, ada, otto)]
    assert answers == [404, 403, 403]
    applied.refresh_from_db()
    assert applied.status == "applied"


def test_members_are_listed_with_service_accounts(northlake, ada, ben, cleo, api_of):
    account = post(api_of(ada), f"{NORTHLAKE}/service-accounts", {"name": "Nightly", "roles": ["viewer"]})
    assert (account.status_code, account.json()["name"]) == (201, "Nightly")
    assert User.objects.get(pk=account.json()["id"]).service_of == northlake
    answer = api_of(ben).get(f"{NORTHLAKE}/members").json()["items"]
    assert [(one["name"], one["roles"], one["is_service_account"]) for one in answer] == [
        ("Ada Lowell", ["owner", "signatory", "investigator"], False),
        ("Ben Hart", ["researcher"], False),
        ("Nightly", ["viewer"], True),
    ]
    assert answer[-1]["email"] == ""
    assert api_of(cleo).get(f"{NORTHLAKE}/members").status_code == 404


def test_invite_by_program(northlake, ada, ben, api_of, letters):
    body = {"email": "new@northlake.example", "roles": ["viewer"]}
    assert post(api_of(ada), f"{NORTHLAKE}/invitations", body).status_code == 201
    assert letters("new@northlake.example") == ["Ada Lowell invites you to University of Northlake"]
    assert post(api_of(ben), f"{NORTHLAKE}/invitations", body).status_code == 403
    wrong = post(api_of(ada), f"{NORTHLAKE}/invitations", body | {"roles": ["reviewer"]})
    assert (wrong.status_code, wrong.json()["field"]) == (422, "roles")


def test_leave_by_program(northlake, ada, ben, api_of):
    assert post(api_of(ben), f"{NORTHLAKE}/leave").status_code == 204
    assert not Membership.objects.current().filter(user=ben).exists()
    refused = post(api_of(ada), f"{NORTHLAKE}/leave")
    assert (refused.status_code, "last owner" in refused.json()["detail"]) == (409, True)


def test_list_takes_the_same_queries_for_two_and_for_twenty(northlake, rita, api_of, django_assert_max_num_queries):
    client = api_of(rita)
    factories.PartnerFactory.create_batch(20)
    with django_assert_max_num_queries(6):
        assert len(client.get(ALL).json()["items"]) > 20
