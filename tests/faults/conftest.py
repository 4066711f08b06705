"""A researcher with a grant on the live portal, and the books that must balance after every fault."""

from collections.abc import Callable

import pytest
from django.db.models import Count, Sum

from release_portal.access.models import Grant
from release_portal.jobs import actions as jobs
from release_portal.jobs.models import Completion, Job
from release_portal.partners.models import Partner, User

from .. import cast
from ..patience import until


@pytest.fixture(scope="session")
def rita_of_the_lab(portal) -> User:
    return cast.reviewer()


@pytest.fixture
def researcher(portal) -> User:
    return cast.researcher()


@pytest.fixture
def organisation(researcher, rita_of_the_lab) -> Partner:
    return cast.organisation(researcher, rita_of_the_lab)


@pytest.fixture
def grant_of(researcher, organisation, rita_of_the_lab) -> Callable[[str], Grant]:
    """Grants the organisation a size of GPT-2."""
    return lambda name: cast.grant(name, researcher, organisation, rita_of_the_lab)


@pytest.fixture
def submit(researcher, organisation, grant_of) -> Callable[..., Job]:
    """Submits a job of a number of texts to a size that is granted on the way."""

    def submit(texts: int = 200, *, size: str = "124M", tokens: int = 48) -> Job:
        grant = Grant.objects.filter(partner=organisation, size__name=size, status="active").first() or grant_of(size)
        prompts = [f"Prompt number {number}" for number in range(texts)]
        return jobs.submit(
            by=researcher, partner=organisation, size=grant.size, prompts=prompts, max_new_tokens=tokens, seed=7
        )

    return submit


def some_texts_of(job: Job, number: int = 10) -> None:
    def there() -> bool:
        job.refresh_from_db()
        assert job.is_live, f"The job ended before the fault; was it long enough? {job.status} {job.end_reason}"
        return Completion.objects.finished().filter(job=job).count() >= number

    until(there, what=f"{number} texts of the job")


def the_end_of(job: Job) -> None:
    until(lambda: not Job.objects.live().filter(pk=job.pk).exists(), what="the job to end")


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
