"""Check, then insert, and a unique constraint decides: of two at once one is kept and the other reads a sentence.

Every unique column and constraint of the site is here: raced, or with what makes a race of its rows impossible.
"""

import threading
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import date

import pytest
from django.apps import apps
from django.db import IntegrityError, connection, models
from django.test import Client

from agreements import actions as agreements
from agreements.models import AgreementVersion
from release_portal.access import actions as access
from release_portal.access.models import AccessRequest, DeskColumns, Recusal, SavedSearch, Suspension
from release_portal.lib.states import Refused
from release_portal.middleware import refused_by_database
from release_portal.partners import actions as partners
from release_portal.partners.models import ApplicationDraft, Invitation, Partner, Role, User
from release_portal.releases import actions as releases

from . import factories
from .patience import AT_LENGTH, PATIENCE

pytestmark = pytest.mark.slow

TIMES = 20 if AT_LENGTH else 8
ROOMS = ("release_portal.", "agreements")

RANDOM = "drawn by lot from 2^24 or more; the net answers"
ONE_STATEMENT = "get_or_create and update_or_create read again what the other made"
UNDER_A_LOCK = "the row that it belongs to is locked first"
ELSEWHERE = "raced in test_races.py"
INTERLEAVED = "published versions stay for ever, so the two are interleaved below, in a transaction taken back"
NOT_RACED = {
    "access.grant.item": UNDER_A_LOCK,
    "agreements.signed_once": UNDER_A_LOCK,
    "agreements.agreementversion.number": INTERLEAVED,
    "agreements.agreementversion.text_sha256": INTERLEAVED,
    "access.item_once_in_request": UNDER_A_LOCK,
    "access.one_held_grant_per_right": UNDER_A_LOCK,
    "access.one_current_review_each": UNDER_A_LOCK,
    "access.submission_once": UNDER_A_LOCK,
    "audit.one_failure_of_a_thing": ONE_STATEMENT,
    "jobs.completion_once_in_job": UNDER_A_LOCK,
    "jobs.completion_number_once": UNDER_A_LOCK,
    "jobs.prompt_once_in_job": UNDER_A_LOCK,
    "jobs.file_index_once": ELSEWHERE,
    "jobs.job_submitted_once": ELSEWHERE,
    "jobs.one_count_of_drops_a_day": ONE_STATEMENT,
    "jobs.one_outage_at_a_time": ELSEWHERE,
    "jobs.share_once": ONE_STATEMENT,
    "jobs.worker.name": ONE_STATEMENT,
    "partners.apitoken.key_id": RANDOM,
    "partners.invitation.key_hash": RANDOM,
    "partners.one_current_membership": ELSEWHERE,
    "partners.partner.slug": RANDOM,
    "releases.artefact_once": "the loop tries it again, and finds the other",
    "releases.version_of_component_once": UNDER_A_LOCK,
    "releases.file_once_in_artefact": "made with the artefact, from one listing of the folder",
    "releases.licence_once": ONE_STATEMENT,
    "releases.family.slug": ONE_STATEMENT,
    "releases.earlier_name_once_in_family": "raced with releases.size_once_in_family",
}

Race = Callable[..., list]


def mark() -> str:
    return uuid.uuid4().hex


def somebody(**fields) -> User:
    return factories.UserFactory(email=f"{mark()}@races.example", **fields)


def owned() -> Partner:
    """An admitted organisation whose applicant may do everything there."""
    partner = factories.PartnerFactory(applied_by=somebody(), legal_name=f"Races {mark()}")
    roles = list(Role.objects.filter(at_lab=False))
    factories.MembershipFactory(user=partner.applied_by, partner=partner, roles=roles)
    return partner


def application_of(legal_name: str) -> dict:
    return {
        "legal_name": legal_name,
        "website": "https://races.example",
        "country": "GB",
        "contact_name": "Ada Lowell",
        "contact_email": "ada@races.example",
        "purpose": factories.PURPOSE,
        "intended_use": factories.PURPOSE,
        "will_sign": True,
    }


def one_refused(ends: list, sentence: str) -> None:
    refused = [end for end in ends if isinstance(end, Refused)]
    assert len(refused) == 1, ends
    assert sentence in refused[0].sentence


def applications(race: Race) -> None:
    by, name = somebody(), f"Races {mark()}"
    one_refused(race(*[lambda: partners.apply(by=by, **application_of(name))] * 2), "You already applied for Races")
    assert Partner.objects.filter(applied_by=by).count() == 1


def corrections(race: Race) -> None:
    """Two returned applications of one person are corrected to one name."""
    by, name = somebody(), f"Races {mark()}"
    both = [partners.apply(by=by, **application_of(f"Races {mark()}")) for _ in range(2)]
    rita = somebody(lab_roles=["reviewer"])
    for one in both:
        partners.return_application(by=rita, partner=one, reason="Say more.")
    new = {field: value for field, value in application_of(name).items() if field != "will_sign"}
    ends = race(*(lambda one=one: partners.correct_application(by=by, partner=one, **new) for one in both))
    one_refused(ends, "You already applied for Races")


def admissions(race: Race) -> None:
    rita, name = somebody(lab_roles=["reviewer"]), f"Races {mark()}"
    both = [partners.apply(by=somebody(), **application_of(name)) for _ in range(2)]
    ends = race(*(lambda one=one: partners.admit(by=rita, partner=one) for one in both))
    one_refused(ends, "Another organisation of this name is here")


def invitations(race: Race) -> None:
    partner, viewer, email = owned(), [Role.objects.get(code="viewer")], f"{mark()}@races.example"
    race(*[lambda: partners.invite(by=partner.applied_by, partner=partner, email=email, roles=viewer)] * 2)
    assert Invitation.objects.unanswered().filter(email=email).count() == 1


def service_accounts(race: Race) -> None:
    partner, viewer = owned(), [Role.objects.get(code="viewer")]
    made = {"by": partner.applied_by, "partner": partner, "name": "Nightly", "roles": viewer}
    one_refused(race(*[lambda: partners.create_service_account(**made)] * 2), "already has a service account")


def drafts(race: Race) -> None:
    by = somebody()
    race(*[lambda: partners.save_draft(by=by, content={"purpose": "First"})] * 2)
    assert ApplicationDraft.objects.filter(user=by).count() == 1


def appointments(race: Race) -> None:
    email = f"{mark()}@races.example"
    ends = race(*[lambda: partners.appoint(by=None, email=email, name="Rita", roles=["reviewer"])] * 2)
    assert ends[0] == ends[1] == User.objects.get(email=email)


def waiting_items(race: Race) -> None:
    partner, size = owned(), factories.SizeFactory()
    factories.AgreementFactory(partner=partner, signed=True)
    wanted = [access.Wanted(size, "generation", 100)]
    asked = {"purposes": ["belief"], "purpose": factories.PURPOSE, "until_wanted": factories.in_days(90)}
    made = {"by": partner.applied_by, "partner": partner, "wanted": wanted} | asked
    one_refused(race(*[lambda: access.request_access(**made)] * 2), "already has an open request for")


def decided_request() -> AccessRequest:
    partner = owned()
    decided = {"decided_by": partner.applied_by, "decided_at": partner.decided_at}
    return factories.AccessRequestFactory(partner=partner, status="decided", **decided)


def appeals(race: Race) -> None:
    request = decided_request()
    ends = race(*[lambda: access.appeal(by=request.partner.applied_by, request=request)] * 2)
    assert ends[0] == ends[1] == request.followers.get()


def recusals(race: Race) -> None:
    rita, request = somebody(lab_roles=["reviewer"]), decided_request()
    one_refused(race(*[lambda: access.recuse(by=rita, request=request, reason="A friend.")] * 2), "You stepped aside")
    assert Recusal.objects.filter(request=request).count() == 1


def suspensions(race: Race) -> None:
    mara, partner = somebody(lab_roles=["release-manager"]), owned()
    made = {"by": mara, "subject": partner, "reason_code": "misuse", "reason": "It is looked into."}
    one_refused(race(*[lambda: access.suspend(**made)] * 2), "is already")
    assert Suspension.objects.pending_or_active().filter(partner=partner).count() == 1


def searches(race: Race) -> None:
    rita = somebody(lab_roles=["reviewer"])
    race(*[lambda: access.save_search(by=rita, name="Large", query="q=1")] * 2)
    race(*[lambda: access.choose_columns(by=rita, names=["kind"])] * 2)
    assert (SavedSearch.objects.filter(user=rita).count(), DeskColumns.objects.filter(user=rita).count()) == (1, 1)


def names_of_sizes(race: Race) -> None:
    """A size is added under a name; another is added under it too, or is called so by an erratum."""
    family = releases.add_family(by=None, slug=f"races-{mark()}", name="Races", summary="Races.")
    details = {"by": None, "family": family, "parameters": 10**6, "context_tokens": 512}
    ends = race(*[lambda: releases.add_size(name="1M", **details)] * 2)
    one_refused(ends, "“1M” is a name of Races 1M, or was one")
    size = family.sizes.get()
    erratum = {"by": None, "size": size, "on": date(2019, 8, 20), "reason": "Counted wrongly."}
    ends = race(lambda: releases.correct_size(name="2M", **erratum), lambda: releases.add_size(name="2M", **details))
    one_refused(ends, "“2M” is a name of Races 2M, or was one")


RACED = {
    "partners.one_application_of_a_name_by_a_person": [applications, corrections],
    "partners.one_organisation_here_of_a_name": [admissions],
    "partners.one_open_invitation_per_address": [invitations],
    "partners.one_service_account_of_a_name": [service_accounts],
    "partners.applicationdraft.user": [drafts],
    "partners.user.email": [appointments],
    "access.one_waiting_item_per_right": [waiting_items],
    "access.one_appeal": [appeals],
    "access.recused_once": [recusals],
    "access.one_suspension_at_a_time": [suspensions],
    "access.saved_search_once": [searches],
    "access.deskcolumns.user": [searches],
    "releases.size_once_in_family": [names_of_sizes],
}


def unique_columns() -> Iterator[str]:
    for model in apps.get_models():
        if not model.__module__.startswith(ROOMS):
            continue
        label = model._meta.app_label
        for field in model._meta.concrete_fields:
            if field.unique and not field.primary_key:
                yield f"{label}.{model._meta.model_name}.{field.name}"
        for constraint in model._meta.constraints:
            if isinstance(constraint, models.UniqueConstraint):
                yield f"{label}.{constraint.name}"


def test_every_unique_column_is_raced_or_cannot_be():
    assert set(unique_columns()) == set(RACED) | set(NOT_RACED)
    assert not set(RACED) & set(NOT_RACED)


ACTS = list(dict.fromkeys(act for acts in RACED.values() for act in acts))


@pytest.mark.parametrize("act", ACTS, ids=lambda act: act.__name__)
def test_of_two_at_once_one_is_kept_and_the_other_reads_a_sentence(race, committed, act):
    for _ in range(TIMES):
        act(race)


def at_once(number: int, call: Callable[[int], object]) -> list:
    """A number of calls at the same moment, each in a thread and on a connection of its own."""
    start = threading.Barrier(number)

    def one(index: int) -> object:
        start.wait(PATIENCE)
        try:
            return call(index)
        finally:
            connection.close()

    with ThreadPoolExecutor(number) as threads:
        return list(threads.map(one, range(number)))


def test_six_equal_applications_at_once_are_one_and_five_sentences(committed, client_of):
    by, name = somebody(), f"Races {mark()}"
    clients = [client_of(by) for _ in range(6)]
    answers = at_once(6, lambda index: clients[index].post("/organisations/apply/", application_of(name)))
    assert sorted(answer.status_code for answer in answers) == [200] * 5 + [302]
    refused = [answer.content.decode() for answer in answers if answer.status_code == 200]
    assert all(f"You already applied for {name}: it is waiting for review." in page for page in refused)
    assert Partner.objects.filter(applied_by=by).count() == 1


def test_sign_up_twice_at_once_is_one_account_and_the_same_answer(committed, settings):
    settings.ACCOUNT_RATE_LIMITS = False
    for _ in range(2):
        email, words = f"{mark()}@races.example", "lantern gravel otter sixpence"
        typed = {"email": email, "name": "Nils Holm", "password1": words, "password2": words}
        answers = at_once(2, lambda _, typed=typed: Client().post("/accounts/signup/", typed))
        assert [(one.status_code, one["location"]) for one in answers] == [(302, "/accounts/confirm-email/")] * 2
        assert User.objects.filter(email=email).count() == 1


# --- versions of the agreement


@pytest.fixture
def meanwhile(db, monkeypatch):
    """Somebody else publishes a text between another's look at the newest version and their own publishing."""

    def published(text: str) -> None:
        current = AgreementVersion.objects.current

        def look() -> AgreementVersion | None:
            newest = current()
            monkeypatch.setattr(AgreementVersion.objects, "current", current)
            agreements.publish_version(by=None, text=text)
            return newest

        monkeypatch.setattr(AgreementVersion.objects, "current", look)

    return published


def test_publish_while_another_text_is_published_is_refused(meanwhile):
    meanwhile("# Agreement\n\nTheirs")
    with pytest.raises(Refused, match="Another version was published a moment ago"):
        agreements.publish_version(by=None, text="# Agreement\n\nOurs")


def test_publish_while_the_same_text_is_published_returns_it(meanwhile):
    meanwhile("# Agreement\n\nTheirs")
    version = agreements.publish_version(by=None, text="# Agreement\n\nTheirs")
    assert AgreementVersion.objects.current() == version


# --- the net


@pytest.fixture
def same_mark(monkeypatch):
    """Every organisation gets the same mark, so that the second one breaks a constraint that no verb looks after."""
    monkeypatch.setattr("release_portal.partners.actions.applications.secrets.token_hex", lambda _: "000000")


def test_net_turns_a_unique_violation_into_a_sentence(same_mark, ada, cleo, client_of, api_of, application, caplog):
    partners.apply(by=ada, **application())
    page = client_of(cleo).post("/organisations/apply/", application())
    answer = api_of(cleo).post("/api/v1/organisations", application(), content_type="application/json")
    assert page.status_code == answer.status_code == 409
    assert "The same was sent a moment ago" in page.content.decode()
    assert answer.json()["detail"].startswith("The same was sent a moment ago")
    logged = [record.getMessage() for record in caplog.records if record.name == "release_portal.middleware"]
    assert logged == ["A verb left it to the database to refuse: partners_partner_slug_key"] * 2
    assert "northlake" not in caplog.text


def test_net_lets_every_other_error_through():
    assert refused_by_database(IntegrityError("a check failed")) is None
    assert refused_by_database(ValueError("other")) is None
