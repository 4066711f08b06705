"""Organisations with two members each, most of them admitted and under the agreement."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.contrib.auth.hashers import make_password
from django.utils.text import slugify

from agreements.models import Agreement, Signature
from release_portal.partners.models import Membership, Partner, Role, User

from .phrases import COUNTRIES, FAMILY, GIVEN, KINDS, PLACES, SIDES, STUDIES
from .world import SPAN, World

ROLES = (("owner", "signatory", "investigator"), ("researcher",))
WAITING = 0.04  # of the organisations, which wait to be admitted


@dataclass(frozen=True)
class Home:
    """An organisation that was admitted, with those who act for it and since when they can."""

    partner: Partner
    investigator: User
    researcher: User
    agreement: Agreement
    since: datetime


def fill_organisations(world: World, number: int) -> list[Home]:
    first = Partner.objects.count()
    rows = [_organisation(world, first + index) for index in range(number)]
    world.add([person for _, people in rows for person in people])
    world.add([partner for partner, _ in rows])
    world.tell(f"organisations: {number:,}")
    memberships = [
        Membership(user=person, partner=partner, started_at=partner.applied_at)
        for partner, people in rows
        for person in people
    ]
    world.add(memberships)
    through = Membership.roles.through
    world.add(
        [
            through(membership_id=membership.pk, role_id=role)
            for index, membership in enumerate(memberships)
            for role in ROLES[index % 2]
        ]
    )
    if unknown := {role for roles in ROLES for role in roles} - set(Role.objects.values_list("pk", flat=True)):
        raise RuntimeError(f"There are no such roles: {unknown}")
    return _homes(world, rows)


def _organisation(world: World, index: int) -> tuple[Partner, tuple[User, User]]:
    random = world.random
    place = PLACES[index % len(PLACES)] + SIDES[index // len(PLACES) % len(SIDES)]
    name = KINDS[index % len(KINDS)].format(place)
    mark = index // (len(PLACES) * len(SIDES))
    name = f"{name} {mark + 1}" if mark else name
    slug = f"{slugify(name)}-{index}"
    people = tuple(
        User(
            email=f"{role}@{slug}.example",
            name=f"{random.choice(GIVEN)} {random.choice(FAMILY)}",
            password=make_password(None),
        )
        for role in ("head", "reader")
    )
    applied = world.between(world.at - SPAN, world.at - timedelta(days=30))
    waits = random.random() < WAITING
    admitted = applied + timedelta(days=random.randint(1, 12))
    partner = Partner(
        slug=slug,
        legal_name=name,
        website=f"https://{slug}.example",
        country=random.choice(COUNTRIES),
        contact_name=people[0].name,
        contact_email=people[0].email,
        purpose=random.choice(STUDIES),
        intended_use="Two researchers, the smaller sizes first.",
        applied_by=people[0],
        applied_at=world.between(world.at - timedelta(days=20), world.at) if waits else applied,
        status=Partner.Status.APPLIED if waits else Partner.Status.ADMITTED,
    )
    if not waits:
        partner.decided_by, partner.decided_at = random.choice(world.reviewers), admitted
        partner.admitted_at = admitted
    return partner, (people[0], people[1])


def _homes(world: World, rows: list[tuple[Partner, tuple[User, User]]]) -> list[Home]:
    homes = []
    for partner, (head, reader) in rows:
        world.happened(partner.applied_at, "partner.applied", f"{partner} applied", partner, by=head)
        if partner.admitted_at is None:
            continue
        world.happened(
            partner.admitted_at, "partner.admitted", f"{partner} was admitted", partner, by=partner.decided_by
        )
        signed = partner.admitted_at + timedelta(days=world.random.randint(1, 9))
        agreement = Agreement(
            partner=partner, version=world.version, starts_at=signed, ends_at=signed + SPAN + timedelta(days=60)
        )
        homes.append(Home(partner, head, reader, agreement, signed))
    world.add([home.agreement for home in homes])
    world.add([_signature(world, home) for home in homes])
    return homes


def _signature(world: World, home: Home) -> Signature:
    sentence = f"The {world.version} was signed for {home.partner}"
    world.happened(home.since, "agreement.signed", sentence, home.agreement, home.partner, by=home.investigator)
    return Signature(
        agreement=home.agreement,
        text_sha256=world.version.text_sha256,
        signer=home.investigator,
        signer_email=home.investigator.email,
        organisation=home.partner.legal_name,
        legal_name=home.investigator.name,
        title="Director",
        authority_statement="I am authorised to bind the organisation.",
        intent_statement="I have read the agreement and agree to it.",
        signed_at=home.since,
        user_agent="manage.py fill",
    )
