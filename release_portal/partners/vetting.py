"""What speaks for an organisation being what it says it is, and what against: each on its own, never one score."""

from collections.abc import Callable
from dataclasses import dataclass

from allauth.account.models import EmailAddress
from django.db.models import QuerySet

from release_portal.lib.hosts import registered
from release_portal.lib.lookalikes import odd_characters

from .domains import is_of_anybody, is_same_owner, mail_domain
from .models import Partner
from .models.partner import PartnerQuerySet, compared_forms

MOST_DEALINGS = 10  # earlier applications that are listed, newest first


@dataclass(frozen=True)
class Signal:
    """One thing that the lab can see. `tone` is good, wait, bad or off; `word` says the same."""

    label: str
    word: str
    tone: str
    sentence: str


def signals_of(partner: Partner) -> list[Signal]:
    """What a reviewer weighs before deciding: mail domains, the web site, past dealings, the country."""
    forms = compared_forms(partner.legal_name, partner.website)
    same_name = Partner.objects.called(partner.legal_name)
    site = partner.domain
    alike_sites = Partner.objects.filter(domain_skeleton=forms["domain_skeleton"]) if site else Partner.objects.none()
    same_site = [other.pk for other in alike_sites if other.domain == site]
    same_owner = [other.pk for other in alike_sites if registered(other.domain) == registered(site)]
    other_sites = alike_sites.exclude(pk__in=same_owner)
    alike_names = Partner.objects.filter(name_skeleton=forms["name_skeleton"]).exclude(pk__in=same_name.values("pk"))
    country = str(partner.country.name)
    return [
        _namesakes(partner),
        _lookalikes("Names that look like it", partner, alike_names, lambda each: each.legal_name),
        _lookalikes("Web sites that look like its own", partner, other_sites, lambda each: each.domain_as_read),
        _applicant(partner),
        _match("Applicant's e-mail and web site", partner.applied_by.email, site),
        _match("Contact e-mail and web site", partner.contact_email, site),
        _dealings("Earlier under this legal name", partner, same_name),
        _dealings("Earlier under this web site", partner, Partner.objects.filter(pk__in=same_site)),
        Signal("Country", country, "off", f"The organisation says that it is in {country}."),
    ]


def _namesakes(partner: Partner) -> Signal:
    """Others of the same name. The applicant does not see them, so that nobody learns by applying who is here."""
    others = Partner.objects.going().called(partner.legal_name).exclude(pk=partner.pk).order_by("-admitted_at", "pk")
    found = [
        f"{other}, {other.status_text}" for other in others.select_related("decided_by", "closed_by")[:MOST_DEALINGS]
    ]
    if not found:
        return Signal("Name", "Its own", "good", "No other organisation here or applying has this name.")
    return Signal("Name", "Taken", "bad", f"Another organisation of this name is here: {'; '.join(found)}.")


def _lookalikes(label: str, partner: Partner, others: PartnerQuerySet, text_of: Callable[[Partner], str]) -> Signal:
    """Others that a reader takes for this one, with the characters that make it so. Two may look alike by chance, so it
    is for the reviewer to weigh."""
    found = others.exclude(pk=partner.pk).select_related("decided_by", "closed_by").order_by("-admitted_at", "pk")
    text, alike = text_of(partner), []
    for other in found[:MOST_DEALINGS]:
        odd = odd_characters(text, text_of(other))
        alike.append(f"{other} ({other.domain}), {other.status_text}{': ' if odd else ''}{', '.join(odd)}")
    if not alike:
        return Signal(label, "None", "good", "Nothing else that an organisation has here only looks like it.")
    return Signal(label, "Found", "bad", f"“{text}” looks like {'; '.join(alike)}.")


def _applicant(partner: Partner) -> Signal:
    email = partner.applied_by.email
    if EmailAddress.objects.filter(user=partner.applied_by, email__iexact=email, verified=True).exists():
        return Signal("Applicant's e-mail", "Verified", "good", f"{partner.applied_by} reads mail at {email}.")
    return Signal("Applicant's e-mail", "Not verified", "wait", f"Nobody has shown that they read mail at {email}.")


def _match(label: str, email: str, site: str) -> Signal:
    domain = mail_domain(email)
    if site and is_same_owner(domain, site):
        return Signal(label, "Matches", "good", f"{domain} is the domain of the web site, {site}.")
    if is_of_anybody(domain):
        return Signal(
            label, "Differs", "wait", f"{domain} is nobody's own: others get addresses at it, or names under it."
        )
    return Signal(label, "Differs", "wait", f"{domain} is not the domain of the web site, {site}.")


def _dealings(label: str, partner: Partner, others: QuerySet[Partner]) -> Signal:
    """How earlier applications ended."""
    earlier = others.exclude(pk=partner.pk).filter(applied_at__lte=partner.applied_at)
    ends = [
        f"{other} applied on {other.applied_at:%-d %B %Y}: {other.status_text}"
        for other in earlier.select_related("decided_by", "closed_by").order_by("-applied_at")[:MOST_DEALINGS]
    ]
    if not ends:
        return Signal(label, "None", "off", "No earlier application is known.")
    return Signal(label, "Found", "wait", "; ".join(ends) + ".")
