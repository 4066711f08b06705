"""What is missing, in words: a sentence, whose turn it is, and where they can do it."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from release_portal.partners.models import Partner
from release_portal.releases.models import ModelSize

from .models import Grant, Purpose, Right

THE_LAB = "the lab"


@dataclass(frozen=True)
class Missing:
    """One thing that stands between a person and a size: what, whose turn it is, and where they can do it."""

    code: str
    sentence: str
    who: str
    url: str


@dataclass(frozen=True)
class Situation:
    """What `decide()` found: which conditions hold, and the facts behind them."""

    partner: Partner
    size: ModelSize
    right: Right
    grant: Grant | None
    holds: Mapping[str, bool]
    steps: Mapping[str, Any]
    tokens: int
    samples: int
    purpose: str

    @property
    def what(self) -> str:
        """The size, and the right where it is not generation."""
        return self.right.of(self.size)

    @property
    def ask_url(self) -> str:
        return reverse("access:new", args=[self.partner.slug]) + f"?size={self.size.pk}"


def missing_of(situation: Situation) -> Iterator[Missing]:
    """Everything that is missing, in the order in which it can be put right."""
    yield from _about_the_organisation(situation)
    yield from _suspensions(situation)
    yield from _about_the_size(situation)
    yield from _about_the_grant(situation)


def _about_the_organisation(it: Situation) -> Iterator[Missing]:
    home = reverse("access:organisation", args=[it.partner.slug])
    if not it.holds.get("member", True):
        yield Missing("member", f"You have no role at {it.partner} that may submit jobs.", "an owner", home)
    if not it.holds["admitted"]:
        closed = it.partner.status == Partner.Status.CLOSED
        sentence = f"{it.partner} is {it.partner.status_text}." if closed else f"{it.partner} is not admitted yet."
        yield Missing("admitted", sentence, "nobody" if closed else THE_LAB, home)
    if not it.holds["agreed"]:
        sign = reverse("agreements:sign", args=[it.partner.slug])
        sentence = f"{it.partner} has no model-sharing agreement in force."
        yield Missing("agreed", sentence, f"a signatory of {it.partner}", sign)


def _suspensions(it: Situation) -> Iterator[Missing]:
    home = reverse("access:organisation", args=[it.partner.slug])
    subjects = {
        "everything_on": "All use of every size",
        "size_on": f"{it.size}",
        "partner_on": f"{it.partner}",
        "grant_on": f"The grant of {it.what} to {it.partner}",
    }
    for code, subject in subjects.items():
        if not it.holds[code]:
            yield Missing(
                code, f"{subject} is suspended. Nothing is lost; work goes on once it is lifted.", THE_LAB, home
            )


def _about_the_size(it: Situation) -> Iterator[Missing]:
    if not it.holds["opened"]:
        sentence = f"{it.what} is closed: nobody outside the lab may use it now."
        yield Missing("opened", sentence, THE_LAB, it.size.get_absolute_url())
    if not it.holds["ladder"]:
        yield Missing("ladder", f"{it.what} comes after {steps_in_words(it.steps)}.", f"{it.partner}", it.ask_url)


def steps_in_words(steps: Mapping[str, Any]) -> str:
    """ "60 days of GPT-2 355M (41 so far) and 1 accepted finding (0 so far)"."""
    name, parts = steps["after_name"], []
    if steps["after_days"]:
        parts.append(f"{steps['after_days']} days of {name} ({steps['days_held'].days} so far)")
    if number := steps["after_findings"]:
        noun = "finding" if number == 1 else "findings"
        about = "" if parts else f" on {name}"
        parts.append(f"{number} accepted {noun}{about} ({steps['findings_sent']} so far)")
    return " and ".join(parts) or name


def _about_the_grant(it: Situation) -> Iterator[Missing]:
    who = f"an investigator of {it.partner}"
    grant = it.grant
    if grant is None:
        yield Missing("granted", f"{it.what} has not been granted to {it.partner}.", who, it.ask_url)
    elif not it.holds["begun"]:
        yield Missing("begun", f"The grant of {it.what} begins on {grant.starts_at:%-d %B %Y}.", "nobody", it.ask_url)
    elif not it.holds["not_ended"] and grant.status == Grant.Status.REVOKED:
        sentence = f"The grant of {it.what} was revoked on {grant.ended_at:%-d %B %Y}: {grant.end_reason}"
        yield Missing("not_ended", sentence, who, it.ask_url)
    elif not it.holds["not_over"] or not it.holds["not_ended"]:
        day = grant.ended_at.date() if grant.ended_at and not it.holds["not_ended"] else grant.last_day
        yield Missing(
            "not_over", f"The grant of {it.what} ended on {min(day, grant.last_day):%-d %B %Y}.", who, it.ask_url
        )
    else:
        yield from _limits(it, grant, who)


def _limits(it: Situation, grant: Grant, who: str) -> Iterator[Missing]:
    if not it.holds["quota"]:
        yield Missing("quota", room_in_words(grant, it.tokens, it.samples), who, it.ask_url)
    if not it.holds.get("purpose", True):
        allowed = ", ".join(f"“{label}”" for label in grant.purpose_labels) or "none"
        known = it.purpose in Purpose.values
        asked = Purpose(it.purpose).label if known else it.purpose
        yield Missing(
            "purpose", f"“{asked}” is not among the purposes granted for {it.what}: {allowed}.", who, it.ask_url
        )


def room_in_words(grant: Grant, tokens: int, samples: int) -> str:
    """Why the tokens do not fit into what is left of the quota."""
    if tokens > grant.tokens_left:
        return (
            f"This needs up to {tokens:,} tokens and {grant.tokens_left:,} are left of the {grant.token_quota:,} "
            f"granted for {grant.what}."
        )
    left, quota = grant.samples_left or 0, grant.sample_quota or 0
    return f"This asks for {samples:,} texts and {left:,} are left of the {quota:,} granted for {grant.what}."
