"""The pages of this room: what they show to whom, and that each button calls its verb."""

import re
from datetime import timedelta

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from release_portal.partners import actions
from release_portal.partners.models import ApiToken, ApplicationDraft, Invitation, Membership, Partner, Role
from release_portal.partners.permissions import Permission

from .. import factories

APPLY = "/organisations/apply/"
NORTHLAKE = "/organisations/university-of-northlake/"
MEMBERS = f"{NORTHLAKE}members/"


def main_of(client: Client, path: str) -> str:
    html = client.get(path).content.decode()
    return html[html.index("<main") : html.index("</main>")]


def roles(*codes: str) -> list[Role]:
    return list(Role.objects.filter(code__in=codes))


@pytest.fixture
def robot(northlake, ada):
    return actions.create_service_account(by=ada, partner=northlake, name="Nightly study", roles=roles("researcher"))


# --- the application and its draft


def test_draft_saved_while_typing_says_when_and_is_there_on_return(client_of, ada):
    client = client_of(ada)
    typed = {"legal_name": "University of Northlake", "purpose": "To find out <what>", "country": "GB"}
    answer = client.post(f"{APPLY}draft/", typed, headers={"HX-Request": "true"})
    saved_at = ApplicationDraft.objects.get(user=ada).saved_at
    assert answer.content.decode().strip() == f"Draft saved {saved_at:%H:%M} UTC"
    main = main_of(client, APPLY)
    assert "To find out &lt;what&gt;" in main
    assert '<option value="GB" selected>' in main
    assert f"Draft saved {saved_at:%H:%M} UTC" in main
    assert "Discard the draft" in main


def test_draft_is_saved_by_a_button_without_javascript(client_of, ada):
    client = client_of(ada)
    answer = client.post(APPLY, {"purpose": "Half a sentence", "secondary": "1"})
    assert (answer.status_code, answer["location"]) == (302, APPLY)
    assert "Half a sentence" in main_of(client, APPLY)
    client.post(f"{APPLY}draft/discard/")
    main = main_of(client, APPLY)
    assert "Half a sentence" not in main
    assert "Discard the draft" not in main


def test_page_to_apply_saves_while_one_types_into_a_live_region(client_of, ada):
    main = main_of(client_of(ada), APPLY)
    assert f'hx-post="{APPLY}draft/"' in main
    assert 'hx-trigger="input delay:800ms"' in main
    assert re.search(r'id="draft-status"[^>]* role="status"', main)


def test_draft_is_ones_own(client_of, ada, cleo):
    actions.save_draft(by=ada, content={"purpose": "Ada's plan"})
    assert "plan" not in main_of(client_of(cleo), APPLY)


def test_page_to_apply_while_intake_is_paused_saves_drafts_only(client_of, ada, mara, application):
    actions.pause_intake(by=mara, message="We move <house>.")
    client = client_of(ada)
    main = main_of(client, APPLY)
    assert "Send the application" not in main
    assert "Save draft" in main
    assert "Intake is paused: We move &lt;house&gt;." in client.post(APPLY, application()).content.decode()
    assert not Partner.objects.filter(applied_by=ada).exists()
    client.post(f"{APPLY}draft/", application())
    assert ApplicationDraft.objects.get(user=ada).content["legal_name"] == "University of Northlake"


def test_banner_tells_everybody_signed_in_of_a_pause_on_every_page(client_of, zoe, ada, mara):
    actions.pause_intake(by=mara, message="We move house.")
    for path in ("/", "/organisations/", "/jobs/", APPLY):
        assert "Intake is paused: We move house." in client_of(ada).get(path).content.decode()
    assert "Intake is paused" not in zoe.get("/").content.decode()
    actions.resume_intake(by=mara)
    assert "Intake is paused" not in client_of(ada).get("/jobs/").content.decode()


# --- the correction


def test_page_to_correct_shows_the_reason_and_what_was_sent(applied, client_of, ada, rita, application):
    actions.return_application(by=rita, partner=applied, reason="Say <who> reads.")
    client = client_of(ada)
    main = main_of(client, f"{NORTHLAKE}application/")
    assert "Say &lt;who&gt; reads." in main
    assert main.index("Say &lt;who&gt; reads.") < main.index("<form")
    assert factories.PURPOSE in main
    answer = client.post(f"{NORTHLAKE}application/", application(purpose="Other readers."))
    assert (answer.status_code, answer["location"]) == (302, NORTHLAKE)
    applied.refresh_from_db()
    assert (applied.status, applied.purpose, applied.previous["purpose"]) == (
        "applied",
        "Other readers.",
        factories.PURPOSE,
    )


def test_page_to_correct_keeps_what_was_typed_beside_its_mistake(applied, client_of, ada, rita, application):
    actions.return_application(by=rita, partner=applied, reason="More.")
    answer = client_of(ada).post(f"{NORTHLAKE}application/", application(purpose="", intended_use="Other use."))
    html = answer.content.decode()
    assert "Research purpose is missing." in html
    assert "Other use." in html
    applied.refresh_from_db()
    assert applied.status == "returned"


def test_page_to_correct_is_for_owners_of_what_was_returned(applied, client_of, ada, cleo, rita):
    path = f"{NORTHLAKE}application/"
    assert client_of(ada).get(path)["location"] == NORTHLAKE
    actions.return_application(by=rita, partner=applied, reason="More.")
    viewer = factories.MembershipFactory(partner=applied, roles=["viewer"]).user
    assert [client_of(user).get(path).status_code for user in (ada, viewer, cleo, rita)] == [200, 403, 404, 404]


# --- members


def test_page_of_members_lists_ended_invitations_with_their_buttons(northlake, client_of, ada):
    invitation = actions.invite(by=ada, partner=northlake, email="new@northlake.example", roles=roles("viewer"))
    client = client_of(ada)
    assert "Expired" not in main_of(client, MEMBERS)
    Invitation.objects.filter(pk=invitation.pk).update(expires_at=timezone.now() - timedelta(days=1))
    main = main_of(client, MEMBERS)
    assert "Expired" in main
    assert f"invitations/{invitation.pk}/withdraw/" in main
    client.post(re.search(r'action="([^"]*/resend/)"', main)[1])
    invitation.refresh_from_db()
    assert invitation.expires_at > timezone.now() + timedelta(days=13)


def test_roles_are_changed_in_place(northlake, client_of, ada, ben):
    membership = Membership.objects.get(user=ben)
    client = client_of(ada)
    main = main_of(client, MEMBERS)
    checked = set(re.findall(rf'id="role-{membership.pk}-(\w+)" checked', main))
    assert checked == {"researcher"}
    client.post(f"{MEMBERS}{membership.pk}/roles/", {"roles": ["viewer", "signatory", "reviewer", "x"]})
    assert {role.code for role in membership.roles.all()} == {"viewer", "signatory"}
    assert client.post(f"{MEMBERS}{membership.pk}/roles/", {}).status_code == 422


def test_leave_by_the_button(northlake, client_of, ben):
    client = client_of(ben)
    assert f'action="{NORTHLAKE}leave/"' in main_of(client, MEMBERS)
    assert client.post(f"{NORTHLAKE}leave/")["location"] == "/organisations/"
    assert client.get(MEMBERS).status_code == 404


def test_page_of_members_offers_a_member_nothing_that_they_may_not(robot, client_of, ben):
    main = main_of(client_of(ben), MEMBERS)
    assert "Nightly study" in main
    for word in ("Change roles", "Remove", "Resend", "New token", "Make a service account", robot.email):
        assert word not in main


# --- service accounts


def test_service_account_is_made_and_gets_a_token_that_is_shown_once(northlake, client_of, ada, ben):
    client = client_of(ada)
    details = {"name": "Nightly study", "roles": ["researcher"]}
    answer = client.post(f"{NORTHLAKE}service-accounts/", details, follow=True)
    page = answer.redirect_chain[-1][0]
    assert "Tokens of Nightly study" in answer.content.decode()
    html = client.post(page, {"name": "cron", "days": 30}).content.decode()
    secret = re.search(r'id="token-secret">(rp_\w+)<', html)[1]
    assert actions.read_token(secret=secret).name == "Nightly study"
    assert secret not in client.get(page).content.decode()
    main = main_of(client, MEMBERS)
    assert "Service account" in main
    assert "cron, last used" in main
    assert client_of(ben).get(page).status_code == 403


def test_service_account_with_a_mistake_is_refused_on_the_page(robot, client_of, ada):
    client = client_of(ada)
    html = client.post(f"{NORTHLAKE}service-accounts/", {"name": "Nightly study", "roles": ["viewer"]}).content.decode()
    assert "University of Northlake already has a service account" in html
    assert "Roles is missing." in client.post(f"{NORTHLAKE}service-accounts/", {"name": "Other"}).content.decode()


def test_token_of_a_service_account_is_revoked_on_its_page(robot, client_of, ada, ben, cleo):
    token, _ = actions.create_token(by=ada, name="cron", user=robot)
    path = f"/account/tokens/{token.pk}/revoke/"
    assert [client_of(user).post(path).status_code for user in (cleo, ben)] == [404, 403]
    assert client_of(ada).post(path)["location"] == f"{NORTHLAKE}service-accounts/{robot.pk}/"
    assert ApiToken.objects.get(pk=token.pk).revoked_at


def test_service_account_is_closed_by_the_button(robot, client_of, ada, northlake):
    client = client_of(ada)
    client.post(f"{NORTHLAKE}service-accounts/{robot.pk}/close/")
    assert "Nightly study" not in main_of(client, MEMBERS)
    assert not robot.may(Permission.JOB_SUBMIT, northlake)


def test_service_account_of_another_organisation_is_not_there(robot, southbank, client_of, cleo):
    client = client_of(cleo)
    for path in (
        f"{NORTHLAKE}service-accounts/{robot.pk}/",
        f"/organisations/{southbank.slug}/service-accounts/{robot.pk}/",
    ):
        assert client.get(path).status_code == 404
        assert client.post(f"{path}close/").status_code == 404


# --- which mails one gets


def test_mail_is_chosen_on_its_page(client_of, ada):
    client = client_of(ada)
    assert 'value="at_once" required id="id_mail_0" checked' in main_of(client, "/account/mail/")
    client.post("/account/mail/", {"mail": "daily"})
    ada.refresh_from_db()
    assert ada.mail == "daily"
    assert client.post("/account/mail/", {"mail": "never"}).status_code == 200


# --- the same queries for more rows


def more(partner: Partner, ada, count: int) -> None:
    for number in range(count):
        factories.MembershipFactory(partner=partner, roles=["researcher", "viewer"])
        actions.invite(by=ada, partner=partner, email=factories.UserFactory().email, roles=roles("viewer"))
        name = f"robot {Membership.objects.count()} {number}"
        robot = actions.create_service_account(by=ada, partner=partner, name=name, roles=roles("viewer"))
        actions.create_token(by=ada, name="cron", user=robot)


def test_page_of_members_takes_the_same_queries_for_two_and_for_fifty(northlake, client_of, ada, settings):
    settings.RATE_LIMITS_OFF = True
    client = client_of(ada)
    taken = []
    for count in (2, 48):
        more(northlake, ada, count)
        with CaptureQueriesContext(
            connection,
        ) as queries:
            assert client.get(MEMBERS).status_code == 200
        taken.append(len(queries))
    assert taken[0] == taken[1]
    assert taken[0] < 25
