"""A researcher with a grant on the live portal, and the books that must balance after every fault."""

import uuid
from collections.abc import Callable
from datetime import timedelta

import pytest
from allauth.account.models import EmailAddress
from django.db.models import Count, Sum
from django.utils import timezone

from agreements import actions as agreements
from agreements.models import AgreementVersion
from release_portal.access import actions as access
from release_portal.access.models import Grant
from release_portal.jobs import actions as jobs
from release_portal.jobs.models import Completion, Job
from release_portal.partners import actions as partners
from release_portal.partners.models import Partner, User
from release_portal.releases.models import ModelSize

from .. import factories

QUOTA = 10_000_000


@pytest.fixture(scope="session")
def rita_of_the_lab(portal) -> User:
    return partners.appoint(by=None, email="rita@lab.example", name="Rita Moss", roles=["reviewer"])


@pytest.fixture
def researcher(portal) -> User:
    mark = uuid.uuid4().hex[:8]
    user = User.objects.create_user(f"{mark}@{mark}.example", name=f"Ada of {mark}")
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    return user


@pytest.fixture
def organisation(researcher, rita_of_the_lab) -> Partner:
    mark = researcher.email.partition("@")[0]
    partner = partners.apply(
        by=researcher,
        legal_name=f"Institute {mark}",
        website=f"https://{mark}.example",
        country="SE",
        contact_name=researcher.name,
        contact_email=researcher.email,
        purpose="To see what faults do.",
        intended_use="One researcher, 124M.",
        will_sign=True,
    )
    partners.admit(by=rita_of_the_lab, partner=partner)
    version = AgreementVersion.objects.current()
    agreements.sign(
        by=researcher,
        partner=partner,
        version=version,
        text_sha256=version.text_sha256,
        legal_name=researcher.name,
        title="Director",
        states_authority=True,
        states_intent=True,
        origin=agreements.Origin("127.0.0.1", "tests"),
    )
    return partner


@pytest.fixture
def grant_of(researcher, organisation, rita_of_the_lab) -> Callable[[str], Grant]:
    """Grants the organisation a size of GPT-2."""

    def grant(name: str) -> Grant:
        until = timezone.now().date() + timedelta(days=30)
        request = access.request_access(
            by=researcher,
            partner=organisation,
            wanted=[access.Wanted(ModelSize.objects.get(family__slug="gpt2", name=name), tokens=QUOTA)],
            purposes=["capability"],
            purpose="To see what faults do to a job.",
            until_wanted=until,
        )
        return factories.granted(request, by=rita_of_the_lab)

    return grant


@pytest.fixture
def submit(researcher, organisation, grant_of) -> Callable[..., Job]:
    """Submits a job of so many texts to a size that is granted on the way."""

    def submit(texts: int = 200, *, size: str = "124M", tokens: int = 48) -> Job:
        grant = Grant.objects.filter(partner=organisation, size__name=size, status="active").first() or grant_of(size)
        prompts = [f"Prompt number {number}" for number in range(texts)]
        return jobs.submit(
            by=researcher, partner=organisation, size=grant.size, prompts=prompts, max_new_tokens=tokens, seed=7
        )

    return submit


def assert_books_balance(job: Job) -> None:
    """Every text there, none twice, each charged once, nothing set aside any more."""
    job.refresh_from_db()
    grant = Grant.objects.get(pk=job.grant_id)
    assert job.status == Job.Status.FINISHED, job.end_reason
    assert job.texts_done == job.sequences
    texts = Completion.objects.filter(job=job)
    assert texts.filter(finished_at__isnull=False, tokens__gt=0).count() == job.sequences
    assert sorted(texts.values_list("index", flat=True)) == list(range(job.sequences))
    assert not texts.values("index").annotate(times=Count("pk")).filter(times__gt=1).exists()
    charged = Completion.objects.filter(job__grant=grant).aggregate(tokens=Sum("tokens"))["tokens"]
    assert (grant.tokens_used, grant.tokens_reserved) == (charged, 0)
