"""A researcher whose organisation is admitted, has signed and holds a grant: by the verbs, under names of their own."""

import uuid
from datetime import timedelta

from allauth.account.models import EmailAddress
from django.utils import timezone

from agreements import actions as agreements
from agreements.models import AgreementVersion
from release_portal.access import actions as access
from release_portal.access.models import Grant
from release_portal.partners import actions as partners
from release_portal.partners.models import Partner, User
from release_portal.releases.models import ModelSize

from . import factories

QUOTA = 10_000_000


def reviewer() -> User:
    """Rita, who reviews; the same person at every call."""
    rita = partners.appoint(by=None, email="rita@lab.example", name="Rita Moss", roles=["reviewer"])
    EmailAddress.objects.filter(user=rita).update(verified=True)
    if not rita.authenticator_set.exists():
        factories.give_factor(rita)
    return rita


def researcher() -> User:
    """A new Ada."""
    mark = uuid.uuid4().hex[:8]
    user = User.objects.create_user(f"{mark}@{mark}.example", name=f"Ada of {mark}")
    EmailAddress.objects.create(user=user, email=user.email, verified=True, primary=True)
    factories.give_factor(user)
    return user


def organisation(researcher: User, reviewer: User) -> Partner:
    """The researcher's organisation, admitted, its agreement signed."""
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
    partners.admit(by=reviewer, partner=partner)
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


def grant(name: str, researcher: User, partner: Partner, reviewer: User) -> Grant:
    """A month's grant of a size of GPT-2."""
    request = access.request_access(
        by=researcher,
        partner=partner,
        wanted=[access.Wanted(ModelSize.objects.get(family__slug="gpt2", name=name), tokens=QUOTA)],
        purposes=["capability"],
        purpose="To see what faults do to a job.",
        until_wanted=timezone.now().date() + timedelta(days=30),
    )
    return factories.granted(request, by=reviewer)
