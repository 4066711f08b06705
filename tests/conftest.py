"""The cast, and the world it acts in: a real PostgreSQL under the application's own role.

Ada signs for Northlake and leads its research; Ben researches there. Cleo does all of it at Southbank and must never
see Northlake. Rita and Tom review, Mara manages releases, Otto audits; Zoe is anonymous.
"""

import gc
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import timedelta

import hypothesis
import pytest
from django.contrib.auth.hashers import PBKDF2PasswordHasher
from django.core.management import call_command
from django.db import connection, connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.test import AsyncClient, Client, TestCase
from django.utils import timezone

from agreements import actions as agreements
from inference import contract
from inference.seal import Opened
from release_portal.access import actions as access
from release_portal.access.models import AccessRequest, Grant, Purpose, Right
from release_portal.jobs import actions as jobs
from release_portal.jobs.models import Job, Worker, WorkOrder
from release_portal.lib.states import Refused
from release_portal.partners import actions as partners
from release_portal.partners.models import Letter, Partner, User
from release_portal.partners.sessions import BEGAN, SEEN
from release_portal.releases.models import Audience, Component, Family, ModelSize, Opening

from . import factories, services
from .patience import PATIENCE
from .remembered import memory, remembered
from .without_doors import verbs_act_for_whom_they_name

hypothesis.settings.register_profile(
    "portal",
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=40,
    suppress_health_check=[hypothesis.HealthCheck.function_scoped_fixture],
)
hypothesis.settings.load_profile("portal")

verbs_act_for_whom_they_name()

BACKEND = "allauth.account.auth_backends.AuthenticationBackend"
SIZES = {"124M": 124 * 10**6, "355M": 355 * 10**6, "774M": 774 * 10**6, "1558M": 1558 * 10**6}


@pytest.fixture(scope="session")
def django_db_setup(django_test_environment, django_db_blocker):
    """The database that DATABASE_URL names, migrated by its owner and used by the application's role, as in earnest."""
    if services.MIGRATED_HERE not in os.environ:
        with django_db_blocker.unblock():
            call_command("migrate", database="owner", verbosity=0)
            connections["owner"].close()


FOREIGN_KEYS = "SELECT string_agg(quote_ident(conname), ', ') FROM pg_constraint WHERE contype = 'f'"


def _foreign_keys_hold(self: TestCase, connection: BaseDatabaseWrapper) -> bool:
    """A test is rolled back. At its end Django has the database check all that it put off until COMMIT: here that is
    the foreign keys, and not that each decision has its event, for a test may write rows alone. `check_constraints()`
    inside a test, and whatever is really committed, asks for both."""
    if connection.needs_rollback or not connection.is_usable():
        return False
    with connection.cursor() as cursor:
        cursor.execute(FOREIGN_KEYS)
        cursor.execute(f"SET CONSTRAINTS {cursor.fetchone()[0]} IMMEDIATE")
    return False


TestCase._should_check_constraints = _foreign_keys_hold


def pytest_collection_finish() -> None:
    """What was imported stays: Python's collector would look through it again and again, for nothing."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


def pytest_runtest_setup() -> None:
    memory.begin()


@pytest.fixture(autouse=True)
def _as_in_earnest(settings, monkeypatch):
    """Mail is written into the outbox. Only a server looks through all static files; here each client would. A password
    is hashed as it is in earnest, in a thousandth of the rounds.
    """
    monkeypatch.setattr(PBKDF2PasswordHasher, "iterations", PBKDF2PasswordHasher.iterations // 1_000)
    settings.EMAIL_BACKEND = "release_portal.partners.outbox.Outbox"
    settings.SERVESTATIC_USE_FINDERS = settings.SERVESTATIC_USE_STATIC_ROOT = False


# --- people


@pytest.fixture
@remembered
def ada(db) -> User:
    return factories.UserFactory(name="Ada Lowell", email="ada@northlake.example", factor=True)


@pytest.fixture
@remembered
def ben(northlake) -> User:
    ben = factories.UserFactory(name="Ben Hart", email="ben@northlake.example")
    factories.MembershipFactory(user=ben, partner=northlake, roles=["researcher"])
    return ben


@pytest.fixture
@remembered
def cleo(db) -> User:
    return factories.UserFactory(name="Cleo Marsh", email="cleo@southbank.example", factor=True)


@pytest.fixture
@remembered
def rita(db) -> User:
    return factories.UserFactory(name="Rita Moss", email="rita@lab.example", lab_roles=["reviewer"])


@pytest.fixture
@remembered
def tom(db) -> User:
    return factories.UserFactory(name="Tom Reed", email="tom@lab.example", lab_roles=["reviewer"])


@pytest.fixture
@remembered
def mara(db) -> User:
    return factories.UserFactory(name="Mara Quill", email="mara@lab.example", lab_roles=["release-manager"])


@pytest.fixture
@remembered
def otto(db) -> User:
    return factories.UserFactory(name="Otto Finch", email="otto@lab.example", lab_roles=["auditor"])


@pytest.fixture
def zoe(client) -> Client:
    """Anonymous: a client that nobody is signed in with."""
    return client


def show_again(client: Client, user: User, *, seconds_ago: float = 0) -> None:
    """What a session keeps of the moment in which the person showed that it is they."""
    session = client.session
    session["account_authentication_methods"] = [{"method": "password", "at": time.time() - seconds_ago}]
    session["account_authentication_methods_user"] = str(user.pk)
    session[BEGAN] = session[SEEN] = time.time()
    session.save()


@pytest.fixture
def client_of() -> Callable[[User], Client]:
    def signed_in(user: User) -> Client:
        client = Client()
        client.force_login(user, backend=BACKEND)
        show_again(client, user)
        return client

    return signed_in


@pytest.fixture
def async_client_of(client_of) -> Callable[[User], AsyncClient]:
    def signed_in(user: User) -> AsyncClient:
        client = AsyncClient()
        client.cookies = client_of(user).cookies
        return client

    return signed_in


@pytest.fixture
def api_of() -> Callable[[User], Client]:
    """A client that sends a token of the person, and JSON unless another type is given."""

    def with_token(user: User) -> Client:
        _, secret = partners.create_token(by=user, name="test")
        return Client(headers={"authorization": f"Bearer {secret}"})

    return with_token


# --- organisations


@pytest.fixture
def application() -> Callable[..., dict]:
    """What an applicant tells about an organisation."""

    def about(legal_name: str = "University of Northlake", domain: str = "northlake.example", **other) -> dict:
        return {
            "legal_name": legal_name,
            "website": f"https://{domain}",
            "country": "GB",
            "contact_name": "Ada Lowell",
            "contact_email": f"research@{domain}",
            "purpose": factories.PURPOSE,
            "intended_use": "Two researchers will use 124M to generate texts for a reading study.",
            "will_sign": True,
        } | other

    return about


def at_address(partner: Partner, slug: str) -> Partner:
    """The organisation at an address that a test can name; in earnest nobody can guess it."""
    partner.slug = slug
    partner.save(update_fields=["slug"])
    return partner


@pytest.fixture
@remembered
def applied(ada, application) -> Partner:
    """Northlake before anybody has decided."""
    return at_address(partners.apply(by=ada, **application()), "university-of-northlake")


@pytest.fixture
@remembered
def admitted(applied, rita) -> Partner:
    """Northlake before anybody has signed."""
    partners.admit(by=rita, partner=applied)
    return applied


@pytest.fixture
@remembered
def northlake(admitted, ada, agreement_version, signing) -> Partner:
    """Admitted, its agreement signed."""
    agreements.sign(by=ada, partner=admitted, **signing(agreement_version))
    return admitted


@pytest.fixture
@remembered
def southbank(cleo, rita, application, agreement_version, signing) -> Partner:
    """Cleo's organisation, as far as Northlake."""
    partner = partners.apply(by=cleo, **application("Southbank Institute", "southbank.example"))
    at_address(partner, "southbank-institute")
    partners.admit(by=rita, partner=partner)
    agreements.sign(by=cleo, partner=partner, **signing(agreement_version, legal_name="Cleo Marsh"))
    return partner


@pytest.fixture
@remembered
def agreement_version(db):
    return factories.published_agreement()


@pytest.fixture
def signing() -> Callable[..., dict]:
    """What a signatory sends who has read everything and means it."""

    def of(version, **other) -> dict:
        return {
            "version": version,
            "text_sha256": version.text_sha256,
            "legal_name": "Ada Lowell",
            "title": "Director of Research",
            "states_authority": True,
            "states_intent": True,
            "origin": agreements.Origin("203.0.113.7", "Firefox"),
        } | other

    return of


# --- models, access, jobs


@pytest.fixture
@remembered
def gpt2(db) -> Family:
    """The family with its four sizes, as rows alone: most tests need them and few are about them."""
    details = {"name": "GPT-2", "summary": "Four sizes of one model."}
    family, _ = Family.objects.get_or_create(slug="gpt2", defaults=details)
    sizes = [
        ModelSize(family=family, name=name, parameters=parameters, context_tokens=1024)
        for name, parameters in SIZES.items()
    ]
    ModelSize.objects.bulk_create(sizes, ignore_conflicts=True)
    details = {"component": Component.GENERATION, "audience": Audience.PARTNER, "reason": "For partners."}
    openings = Opening.objects.bulk_create(
        [Opening(size=size, at=timezone.now() - timedelta(days=30), **details) for size in family.sizes.all()]
    )
    factories.recorded(*openings)
    return family


@pytest.fixture
@remembered
def size_124m(gpt2) -> ModelSize:
    return gpt2.sizes.select_related("family").get(name="124M")


@pytest.fixture
@remembered
def size_355m(gpt2) -> ModelSize:
    return gpt2.sizes.select_related("family").get(name="355M")


@pytest.fixture
def asking() -> Callable[..., dict]:
    """What an organisation says when it asks for sizes: hosted generation, unless others are given."""

    def about(*sizes: ModelSize, tokens: int = 100_000, **other) -> dict:
        return {
            "wanted": [access.Wanted(size, Right.GENERATION, tokens) for size in sizes],
            "purposes": [Purpose.BELIEF, Purpose.DETECTION],
            "purpose": factories.PURPOSE,
            "until_wanted": factories.in_days(365),
        } | other

    return about


@pytest.fixture
@remembered
def access_request(northlake, ada, size_124m, asking) -> AccessRequest:
    """Northlake's request for 124M, waiting."""
    return access.request_access(by=ada, partner=northlake, **asking(size_124m))


@pytest.fixture
@remembered
def grant(access_request, rita) -> Grant:
    """Northlake may generate 100,000 tokens with 124M, for a year."""
    return factories.granted(access_request, by=rita)


@pytest.fixture
@remembered
def southbank_grant(southbank, cleo, rita, size_124m, asking) -> Grant:
    return factories.granted(access.request_access(by=cleo, partner=southbank, **asking(size_124m)), by=rita)


@pytest.fixture
def submit(quiet, grant, ben) -> Callable[..., Job]:
    """Ben submits; every argument can be given."""

    def submitted(prompts: list[str] | int = 2, **other) -> Job:
        details = {"by": ben, "partner": grant.partner, "size": grant.size, "max_new_tokens": 10, "seed": 7} | other
        texts = [f"Prompt {n}" for n in range(prompts)] if isinstance(prompts, int) else prompts
        return jobs.submit(prompts=texts, **details)

    return submitted


@pytest.fixture
def job(submit) -> Job:
    """Two prompts of Ben's, at most ten tokens each, waiting."""
    return submit()


@pytest.fixture
@remembered
def quiet(db) -> None:
    """No worker and no job from another run is about."""
    Worker.objects.update(left_at=timezone.now())
    Job.objects.live().update(status=Job.Status.CANCELLED, ended_at=timezone.now())
    WorkOrder.objects.out().update(status=WorkOrder.Status.STOPPED)


@pytest.fixture
@remembered
def no_other_grants(db) -> None:
    """No grant from another run is about. To be named before the test's own."""
    others = list(Grant.objects.filter(status=Grant.Status.ACTIVE))
    Grant.objects.filter(status=Grant.Status.ACTIVE).update(status=Grant.Status.EXPIRED, ended_at=timezone.now())
    factories.recorded(*others)


@pytest.fixture
def worker(quiet) -> Worker:
    """A worker that serves 124M and has just said so."""
    return factories.beat()


@pytest.fixture
def order(job, worker) -> WorkOrder:
    """The job, handed out whole."""
    jobs.dispatch(by=None)
    job.refresh_from_db()
    return factories.orders_of(job).get()


class Wire:
    """Where messages leave for the broker. `with wire:` carries what is committed inside; nothing really leaves."""

    def __init__(self, capture: Callable) -> None:
        self.tasks: list[tuple[str, tuple, str | None]] = []
        self.pushed: list[tuple[str, str]] = []
        self._capture = capture
        self._open = ExitStack()

    def __enter__(self) -> "Wire":
        self.tasks.clear()
        self.pushed.clear()
        self._open.enter_context(self._capture(execute=True))
        return self

    def __exit__(self, *problem) -> None:
        self._open.__exit__(*problem)

    @property
    def names(self) -> list[str]:
        return [name for name, _, _ in self.tasks]

    @property
    def orders(self) -> list[contract.WorkOrder]:
        """The work orders sent, unsealed."""
        sent = [(queue, args[0]) for name, args, queue in self.tasks if name == contract.GENERATE]
        return [unsealed(queue, sealed).read(contract.WorkOrder) for queue, sealed in sent]

    @property
    def stops(self) -> list[contract.Stop]:
        """The notices sent to workers, each a stop, unsealed."""
        return [unsealed(key, sealed).read(contract.Stop) for key, sealed in self.pushed]


def unsealed(key: str, sealed: str) -> Opened:
    """What was sent to the worker whose queue or list it is."""
    return Worker.objects.get(name=key.split(":")[1]).seal.open(sealed)


@pytest.fixture
def wire(monkeypatch, django_capture_on_commit_callbacks) -> Wire:
    wire = Wire(django_capture_on_commit_callbacks)
    monkeypatch.setattr("release_portal.lib.broker._send", lambda *sent: wire.tasks.append(sent))
    monkeypatch.setattr("release_portal.lib.broker._push", lambda *sent: wire.pushed.append(sent))
    return wire


# --- what several tests say


@pytest.fixture
def letters() -> Callable[[User | str], list[str]]:
    """The subjects of the letters in the outbox to a person, oldest first."""

    def to(person: User | str) -> list[str]:
        address = person if isinstance(person, str) else person.email
        return list(Letter.objects.filter(to=address).order_by("id").values_list("subject", flat=True))

    return to


@pytest.fixture
def committed(django_db_setup, django_db_blocker, monkeypatch):
    """Rows that stay, for threads that race. What uses it gives everything a new name; only the mail is thrown away."""
    monkeypatch.setattr("release_portal.lib.broker._send", lambda *sent: None)
    monkeypatch.setattr("release_portal.lib.broker._push", lambda *sent: None)
    with django_db_blocker.unblock():
        began = timezone.now() - timedelta(seconds=1)
        yield
        Letter.objects.filter(written_at__gte=began).delete()
        memory.forget()
        connection.close()


@pytest.fixture
def race() -> Iterator[Callable[..., list]]:
    """Two calls at the same moment, each in a thread and on a connection of its own; gives back what each returned or
    refused."""
    start = threading.Barrier(2)

    def one(call: Callable) -> object:
        start.wait(PATIENCE)
        try:
            return call()
        except Refused as refused:
            return refused

    with ThreadPoolExecutor(1) as first, ThreadPoolExecutor(1) as second:

        def run(*calls: Callable) -> list:
            running = [thread.submit(one, call) for thread, call in zip((first, second), calls, strict=True)]
            return [end.result(PATIENCE) for end in running]

        yield run
        for thread in (first, second):
            thread.submit(lambda: connection.close()).result(PATIENCE)
