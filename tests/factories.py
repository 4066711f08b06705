"""Rows for tests. The cast comes about by the verbs themselves (`conftest.py`); these make many or odd rows, fast."""

import uuid
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import factory
from allauth.account.models import EmailAddress
from allauth.mfa.totp.internal.auth import TOTP, generate_totp_secret
from django.conf import settings
from django.db import transaction
from django.db.models import Model, QuerySet
from django.utils import timezone
from factory import LazyAttribute, LazyFunction, SelfAttribute, Sequence, SubFactory
from factory.django import DjangoModelFactory

from agreements import actions as agreements
from agreements.models import Agreement, AgreementVersion, Signature
from inference import contract
from release_portal.access import actions as access
from release_portal.access.models import AccessRequest, Grant, Purpose, RequestItem, Right
from release_portal.access.terms import reductions, terms_asked
from release_portal.audit.acting import acting_for, tell_database
from release_portal.audit.actions import record
from release_portal.audit.models import Event, Failure, SecurityEvent
from release_portal.jobs import actions as jobs
from release_portal.jobs.models import Completion, Job, Prompt, Worker, WorkOrder
from release_portal.partners.models import Invitation, Letter, Membership, Partner, User
from release_portal.releases.models import Family, ModelSize

AGREEMENT_TEXT = Path(settings.BASE_DIR, "agreements/texts/model-sharing-agreement-1.md")
PURPOSE = "Measure how well people tell generated texts from written ones."


class UserFactory(DjangoModelFactory):
    class Meta:
        model = User
        skip_postgeneration_save = True

    name = Sequence(lambda n: f"Person {n}")
    email = LazyFunction(lambda: f"{uuid.uuid4().hex[:12]}@elsewhere.example")
    password = "a hash of no password"  # the person has one, and nobody knows it

    @factory.post_generation
    def lab_roles(self, create, codes):
        self.lab_roles.set(codes or [])

    @factory.post_generation
    def address(self, create, extracted):
        EmailAddress.objects.create(user=self, email=self.email, verified=True, primary=True)

    @factory.post_generation
    def factor(self, create, wanted):
        """A second factor, which staff and signatories need: without one they can do nothing but set it up."""
        if self.lab_roles.exists() if wanted is None else wanted:
            give_factor(self)


def give_factor(user: User) -> str:
    """Set up an authenticator app for the person, as they do on the page; returns its key."""
    secret = generate_totp_secret()
    TOTP.activate(user, secret)
    return secret


def recorded(*rows: Model) -> None:
    """An event names the rows: none is decided without one."""
    record("rows.made", "Rows of a test were made", *rows, by=None)


class RecordedFactory(DjangoModelFactory):
    """Of rows that need an event."""

    class Meta:
        abstract = True

    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        with transaction.atomic():
            made = super()._create(model_class, *args, **kwargs)
            recorded(made)
        return made


class LineFactory(DjangoModelFactory):
    """Of events, each written by its person."""

    class Meta:
        abstract = True

    @classmethod
    def _create(cls, model_class, *args, **kwargs):
        with transaction.atomic(), acting_for(lambda: kwargs["by"] and kwargs["by"].pk):
            tell_database()
            return super()._create(model_class, *args, **kwargs)


class PartnerFactory(RecordedFactory):
    """An admitted organisation."""

    class Meta:
        model = Partner

    class Params:
        key = LazyFunction(lambda: uuid.uuid4().hex[:10])

    slug = LazyAttribute(lambda partner: f"organisation-{partner.key}")
    legal_name = LazyAttribute(lambda partner: f"Organisation {partner.key}")
    website = "https://elsewhere.example"
    country = "NL"
    contact_name = "Contact"
    contact_email = "contact@elsewhere.example"
    purpose = PURPOSE
    intended_use = PURPOSE
    applied_by = SubFactory(UserFactory)
    applied_at = LazyFunction(timezone.now)
    status = Partner.Status.ADMITTED
    decided_by = SelfAttribute("applied_by")
    decided_at = LazyFunction(timezone.now)
    admitted_at = SelfAttribute("decided_at")
    closed_by = LazyAttribute(lambda partner: partner.applied_by if partner.status == Partner.Status.CLOSED else None)
    closed_at = LazyAttribute(lambda partner: partner.decided_at if partner.status == Partner.Status.CLOSED else None)


class MembershipFactory(DjangoModelFactory):
    class Meta:
        model = Membership
        skip_postgeneration_save = True

    user = SubFactory(UserFactory)
    partner = SubFactory(PartnerFactory)
    started_at = LazyFunction(timezone.now)

    @factory.post_generation
    def roles(self, create, codes):
        self.roles.set(codes or [])


class InvitationFactory(DjangoModelFactory):
    class Meta:
        model = Invitation

    partner = SubFactory(PartnerFactory)
    email = LazyFunction(lambda: f"{uuid.uuid4().hex[:12]}@elsewhere.example")
    key_hash = LazyFunction(lambda: uuid.uuid4().hex)
    invited_by = SubFactory(UserFactory)
    invited_at = LazyFunction(timezone.now)
    expires_at = LazyAttribute(lambda invitation: invitation.invited_at + timedelta(days=14))


class FamilyFactory(DjangoModelFactory):
    class Meta:
        model = Family

    slug = LazyFunction(lambda: f"family-{uuid.uuid4().hex[:10]}")
    name = LazyAttribute(lambda family: family.slug)
    summary = "A family."


class SizeFactory(DjangoModelFactory):
    class Meta:
        model = ModelSize

    family = SubFactory(FamilyFactory)
    name = Sequence(lambda n: f"{n + 1}K")  # no size of the family that is there has such a name
    parameters = Sequence(lambda n: (n + 1) * 10**6)
    context_tokens = 1024


class AgreementFactory(RecordedFactory):
    """An agreement for a year that nobody has signed yet; `signed=True` signs it."""

    class Meta:
        model = Agreement
        skip_postgeneration_save = True

    partner = SubFactory(PartnerFactory)
    version = LazyFunction(lambda: published_agreement())
    starts_at = LazyFunction(timezone.now)
    ends_at = LazyFunction(lambda: timezone.now() + timedelta(days=365))

    @factory.post_generation
    def signed(self, create, signed):
        if signed:
            with transaction.atomic():
                signature = signature_of(self, self.partner.applied_by)
                signature.save()
                recorded(signature)


class AccessRequestFactory(DjangoModelFactory):
    """A request that waits for review, without items."""

    class Meta:
        model = AccessRequest

    partner = SubFactory(PartnerFactory)
    purposes = LazyFunction(lambda: list(Purpose.values))
    purpose = PURPOSE
    until_wanted = LazyFunction(lambda: in_days(365))
    status = AccessRequest.Status.SUBMITTED
    created_by = SelfAttribute("partner.applied_by")
    created_at = LazyFunction(timezone.now)
    submitted_by = SelfAttribute("created_by")
    submitted_at = SelfAttribute("created_at")
    promised_at = LazyAttribute(lambda request: request.submitted_at + timedelta(days=10))


class ItemFactory(RecordedFactory):
    """An item that waits for an answer."""

    class Meta:
        model = RequestItem

    partner = SubFactory(PartnerFactory)
    request = SubFactory(AccessRequestFactory, partner=SelfAttribute("..partner"))
    size = SubFactory(SizeFactory)
    right = Right.GENERATION
    tokens_wanted = 1_000
    status = RequestItem.Status.WAITING


class GrantFactory(RecordedFactory):
    class Meta:
        model = Grant

    partner = SubFactory(PartnerFactory)
    size = SubFactory(SizeFactory)
    item = SubFactory(
        ItemFactory,
        partner=SelfAttribute("..partner"),
        size=SelfAttribute("..size"),
        right=SelfAttribute("..right"),
        status=RequestItem.Status.GRANTED,
        decided_by=SelfAttribute("partner.applied_by"),
        decided_at=LazyFunction(timezone.now),
        request__status=AccessRequest.Status.DECIDED,
        request__decided_by=SelfAttribute("partner.applied_by"),
        request__decided_at=LazyFunction(timezone.now),
    )
    request = SelfAttribute("item.request")
    right = Right.GENERATION
    purposes = LazyFunction(lambda: list(Purpose.values))
    starts_at = LazyFunction(timezone.now)
    ends_at = LazyFunction(lambda: timezone.now() + timedelta(days=365))
    token_quota = LazyAttribute(lambda grant: 100_000 if grant.right == Right.GENERATION else 0)
    granted_by = SelfAttribute("partner.applied_by")


class EventFactory(LineFactory):
    class Meta:
        model = Event

    kind = "thing.happened"
    sentence = Sequence(lambda n: f"Thing {n} happened")
    at = LazyFunction(timezone.now)
    by = SubFactory(UserFactory)
    about = LazyFunction(list)


class FailureFactory(DjangoModelFactory):
    class Meta:
        model = Failure

    task = "access.expire_grants"
    thing = Sequence(lambda n: f"access.grant:{n}")
    name = "GPT-2 124M for University of Northlake"
    attempts = 3
    first_failed_at = LazyFunction(timezone.now)
    last_failed_at = SelfAttribute("first_failed_at")
    next_try_at = LazyAttribute(lambda failure: failure.last_failed_at + timedelta(seconds=8))
    error = "ValueError, in access/actions/grants.py, line 88"


class SecurityEventFactory(LineFactory):
    class Meta:
        model = SecurityEvent

    kind = SecurityEvent.Kind.SIGNED_IN
    sentence = "Signed in"
    at = LazyFunction(timezone.now)
    by = SubFactory(UserFactory)
    about = LazyFunction(list)
    detail = LazyFunction(lambda: {"address": "203.0.113.7", "door": "page"})


class LetterFactory(DjangoModelFactory):
    class Meta:
        model = Letter

    to = "somebody@elsewhere.example"
    subject = Sequence(lambda n: f"Letter {n}")
    body = "Something happened."
    written_at = LazyFunction(timezone.now)


@transaction.atomic
def with_terms(grant: Grant, **terms) -> None:
    """Another grant takes its place, with other terms: those of a grant are never changed. It is the test's from now
    on."""
    names = {field.attname for field in Grant._meta.concrete_fields} - {"id", "item_id", "request_id"}
    same = {name: getattr(grant, name) for name in names} | {"status": Grant.Status.ACTIVE}
    old = Grant.objects.filter(pk=grant.pk)
    old.update(status=Grant.Status.REPLACED, ended_at=timezone.now())
    new = GrantFactory(partner=grant.partner, size=grant.size, **same | terms)
    old.update(replaced_by=new)
    recorded(grant)
    vars(grant).update(vars(new))


def in_days(days):
    """A day of the calendar (UTC), a number of days from today."""
    return timezone.now().date() + timedelta(days=days)


def granted(request: AccessRequest, *, by: User, **terms) -> Grant:
    """The grant, once a reviewer approves the one item that waits: as it was asked, unless other terms are given."""
    item = request.items.exclude(status=RequestItem.Status.DROPPED).get()
    approved(item, by=by, **terms)
    return Grant.objects.latest_first().get(item=item)


def approved(item: RequestItem, *, by: User, **terms) -> None:
    """One reviewer approves an item."""
    offered = replace(terms_asked(item), **terms)
    if reductions(item, offered) and not offered.reduction_reason:
        offered = replace(offered, reduction_reason="We begin with less.")
    answer = access.Answer(item, offered)
    access.decide_request(by=by, request=item.request, answers=[answer])


def declined(request: AccessRequest, *, by: User, reason: str = "Too vague.", code: str = "purpose") -> None:
    """A reviewer declines every item that waits."""
    answers = [access.Answer(item, reason_code=code, reason=reason) for item in request.items.waiting()]
    access.decide_request(by=by, request=request, answers=answers)


def signature_of(agreement: Agreement, signer: User) -> Signature:
    """A signature under an agreement, not stored yet."""
    return Signature(
        agreement=agreement,
        text_sha256=agreement.version.text_sha256,
        signer=signer,
        signer_email=signer.email,
        organisation=agreement.partner.legal_name,
        legal_name="Somebody Else",
        title="Director",
        authority_statement="I may.",
        intent_statement="I do.",
        signed_at=agreement.starts_at,
        user_agent="",
    )


def published_agreement() -> AgreementVersion:
    return agreements.publish_version(by=None, text=AGREEMENT_TEXT.read_text())


def jobs_of(grant: Grant, user: User, count: int, *, status: str = Job.Status.QUEUED, **fields) -> list[Job]:
    """Jobs of one text each, as rows alone: nothing is reserved."""
    now = timezone.now()
    ended_at = None if status in Job.LIVE else now
    settings = {"samples": 1, "max_new_tokens": 10, "temperature": 1.0, "top_k": 0, "top_p": 1.0, "seed": 1}
    agreement = Agreement.objects.filter(partner=grant.partner).latest("starts_at")
    return Job.objects.bulk_create(
        Job(
            partner=grant.partner,
            grant=grant,
            agreement=agreement,
            size=grant.size,
            submitted_by=user,
            submitted_at=now,
            started_at=None if status == Job.Status.QUEUED else now,
            ended_at=ended_at,
            idempotency_key=uuid.uuid4().hex,
            prompts_count=1,
            sequences=1,
            status=status,
            **settings | fields,
        )
        for _ in range(count)
    )


def finished_texts(job: Job, count: int, text: str = " and so on") -> list[Completion]:
    """Finished texts of a job, as rows alone."""
    first, first_text = job.prompts.count(), job.completions.count()
    prompts = Prompt.objects.bulk_create(
        Prompt(job=job, index=first + index, text=f"Prompt {index}") for index in range(count)
    )
    return Completion.objects.bulk_create(
        Completion(
            job=job,
            prompt=prompt,
            index=first_text + prompt.index - first,
            text=text,
            prompt_tokens=2,
            tokens=3,
            finish_reason="length",
            finished_at=timezone.now(),
            number=number,
        )
        for number, prompt in enumerate(prompts, start=first_text + 1)
    )


def heartbeat(worker: str = "worker-1", size: str = "gpt2/124M", **fields) -> contract.Heartbeat:
    about = {"host": "host", "device": "cpu", "dtype": "float32", "sizes": (size,)} | fields
    return contract.Heartbeat(worker, **about)


def enrolled(name: str, at: datetime | None = None) -> Worker:
    """The enrolled worker of that name."""
    there = Worker.objects.enrolled().filter(name=name).first()
    return there or jobs.enroll_worker(by=None, name=name, at=at)


def beat(worker: str = "worker-1", at: datetime | None = None, **fields) -> Worker:
    """What a worker says of itself arrives; one that is not enrolled is enrolled first."""
    enrolled(worker, at)
    return jobs.receive_heartbeat(by=None, heartbeat=heartbeat(worker, **fields), at=at)


def orders_of(job: Job) -> QuerySet[WorkOrder]:
    """The orders that texts of the job are or were in."""
    return WorkOrder.objects.filter(pk__in=job.completions.values("order")).order_by("handed_out_at")


def report_on(order: WorkOrder, *, texts: int | None = None, tokens_each: int = 5, **fields) -> contract.Report:
    """What a worker would say of the order under its current token; `texts` of it finished, or all."""
    order.refresh_from_db()
    unfinished = order.completions.order_by("index")[:texts]
    written = tuple(contract.Text(str(text.pk), f" text {text.index}", 2, tokens_each, "length") for text in unfinished)
    details = {
        "token": order.token,
        "worker": order.worker_id or "worker-1",
        "texts": written,
        "tokens": tokens_each * len(written),
    } | fields
    return contract.Report(order=str(order.pk), **details)
