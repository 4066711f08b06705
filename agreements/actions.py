"""Publishing a version of the agreement, and signing it."""

from dataclasses import dataclass
from datetime import timedelta

from django.db import IntegrityError, transaction
from django.utils import timezone

from release_portal.audit.actions import record
from release_portal.lib.states import Refused
from release_portal.lib.text import folded, one_line
from release_portal.partners.actions import write_letter
from release_portal.partners.guards import people_who, require
from release_portal.partners.models import Partner, User
from release_portal.partners.permissions import Permission

from .models import Agreement, AgreementVersion, Signature
from .wording import canonical, sha256_of, statements

TERM_DAYS = 365


@dataclass(frozen=True)
class Origin:
    """Where a signature came from: network address and browser, as the door saw them."""

    address: str | None
    user_agent: str


@transaction.atomic
def publish_version(*, by: User | None, text: str, term_days: int = TERM_DAYS) -> AgreementVersion:
    """Publish a text as the next version. A text that is already published is returned as it is."""
    text = canonical(text)
    published = AgreementVersion.objects.filter(text_sha256=sha256_of(text))
    if same := published.first():
        return same
    newest = AgreementVersion.objects.current()
    try:
        with transaction.atomic():
            version = AgreementVersion.objects.create(
                number=newest.number + 1 if newest else 1,
                text=text,
                text_sha256=sha256_of(text),
                term_days=term_days,
                published_at=timezone.now(),
                published_by=by,
            )
    except IntegrityError:
        if same := published.first():
            return same
        raise Refused("Another version was published a moment ago. Read it, then publish this one again.") from None
    record("agreement.published", f"{version} was published", version, by=by, detail={"sha256": version.text_sha256})
    return version


@transaction.atomic
def sign(
    *,
    by: User,
    partner: Partner,
    version: AgreementVersion,
    text_sha256: str,
    legal_name: str,
    title: str,
    states_authority: bool,
    states_intent: bool,
    origin: Origin,
) -> Signature:
    """Sign a version for an organisation. `text_sha256` is the text that the signatory was shown."""
    require(by, Permission.AGREEMENT_SIGN, partner)
    legal_name, title = one_line(legal_name), one_line(title)
    _refuse_incomplete(partner, version, text_sha256, legal_name, title, states_authority, states_intent)
    _refuse_second(partner, version)
    now = timezone.now()
    agreement = Agreement.objects.create(
        partner=partner, version=version, starts_at=now, ends_at=now + timedelta(days=version.term_days)
    )
    authority, intent = statements(partner, version)
    signature = Signature.objects.create(
        agreement=agreement,
        text_sha256=version.text_sha256,
        signer=by,
        signer_email=by.email,
        organisation=partner.legal_name,
        legal_name=legal_name,
        title=title,
        authority_statement=authority,
        intent_statement=intent,
        signed_at=now,
        address=origin.address,
        user_agent=origin.user_agent[:300],
    )
    about, detail = [agreement, partner, version, signature], {"sha256": version.text_sha256}
    record("agreement.signed", f"The {version} was signed for {partner}", *about, by=by, detail=detail)
    _tell_of(signature, by)
    return signature


def _refuse_second(partner: Partner, version: AgreementVersion) -> None:
    Partner.objects.select_for_update().get(pk=partner.pk)  # two clicks at once: the second waits, and is refused
    if Agreement.objects.in_force(at=timezone.now()).filter(partner=partner, version=version).exists():
        raise Refused(f"{partner} has already signed the {version}.")


def _tell_of(signature: Signature, by: User) -> None:
    agreement = signature.agreement
    partner, version = agreement.partner, agreement.version
    write_letter(
        to=[*people_who(Permission.PARTNER_READ, partner), by.email],
        subject=f"{partner} signed the {version}",
        text=f"{signature.legal_name}, {signature.title}, signed the {version} for {partner}. It holds until "
        f"{agreement.ends_at:%-d %B %Y}.\n\nSHA-256 of the text: {version.text_sha256}\n\n"
        f"Next, {partner} can request access to sizes.",
        path=partner.get_absolute_url(),
        action="Request access",
        by=by,
    )


def _refuse_incomplete(
    partner: Partner,
    version: AgreementVersion,
    text_sha256: str,
    legal_name: str,
    title: str,
    states_authority: bool,
    states_intent: bool,
) -> None:
    if partner.status != Partner.Status.ADMITTED:
        raise Refused(f"{partner} is not admitted yet, so there is nothing to sign.")
    if version != AgreementVersion.objects.current() or text_sha256 != version.text_sha256:
        raise Refused("A newer version was published while you read. Read that one, and sign it instead.")
    if not folded(legal_name):
        raise Refused("Type your full legal name, as it stands in your papers.", field="legal_name", given=legal_name)
    if not title:
        raise Refused("Say which office you hold, such as “Director of Research”.", field="title")
    if not states_authority:
        raise Refused("Confirm that you may sign for your organisation.", field="states_authority")
    if not states_intent:
        raise Refused("Confirm that you mean to sign.", field="states_intent")
