"""What a staged batch would change, found by applying it, asking the access rule, and taking it all back."""

from dataclasses import dataclass

from django.utils import timezone

from release_portal.access import actions as access
from release_portal.access.models import Batch, Grant
from release_portal.jobs.models import Job, JobQuerySet
from release_portal.partners.models import Letter, Partner, User

JOBS_SHOWN = 50
ON_JOBS = {Batch.Verb.SUSPEND: "waits", Batch.Verb.RESUME: "goes on"}


@dataclass(frozen=True)
class Effect:
    """The result of each row, what begins and ceases to be usable, the jobs concerned, the people
    written to."""

    results: list[access.Result]
    gains: list[Grant]
    losses: list[Grant]
    jobs: list[Job]
    jobs_count: int
    on_jobs: str
    readers: int

    @property
    def jobs_more(self) -> int:
        """How many jobs are concerned besides those that are shown."""
        return self.jobs_count - len(self.jobs)

    @property
    def done(self) -> int:
        return sum(result.done for result in self.results)


def effect_of(batch: Batch, *, by: User) -> Effect:
    """The effect of applying it now. Raises what applying would."""
    partners = _partners_of(batch)
    usable, odd = _usable(partners), set(_odd(partners).values_list("pk", flat=True))
    last = Letter.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    with access.tried(by=by, batch=batch) as results:
        then = _usable(partners)
        jobs = _odd(partners).exclude(pk__in=odd)
        return Effect(
            results=results,
            gains=[grant for key, grant in then.items() if key not in usable],
            losses=[grant for key, grant in usable.items() if key not in then],
            jobs=list(jobs.newest_first()[:JOBS_SHOWN]),
            jobs_count=jobs.count(),
            on_jobs=ON_JOBS.get(Batch.Verb(batch.verb), "stops"),
            readers=Letter.objects.filter(pk__gt=last).values("to").distinct().count(),
        )


def _partners_of(batch: Batch) -> list[Partner]:
    keys = [pk for pk, _ in batch.rows]
    rows = {"request": "access_requests", "grant": "grants"}[Batch.Verb(batch.verb).thing]
    return list(Partner.objects.filter(**{f"{rows}__in": keys}).distinct())


def _usable(partners: list[Partner]) -> dict[tuple[int, int, str], Grant]:
    """What the rule allows these organisations at this moment, by organisation, size and right."""
    grants = Grant.objects.in_force(at=timezone.now()).filter(partner__in=partners).latest_first()
    return {(grant.partner_id, grant.size_id, grant.right): grant for grant in grants}


def _odd(partners: list[Partner]) -> JobQuerySet:
    return Job.objects.filter(partner__in=partners).violating_rule(at=timezone.now())
