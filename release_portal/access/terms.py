"""What is offered when an item is granted, checked in one place and kept with each review as JSON."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from django.utils import timezone

from release_portal.lib.reasons import check_length
from release_portal.lib.states import Refused
from release_portal.lib.text import one_line

from .models import Purpose, RequestItem, Right

LONGEST_DAYS = 2 * 365
LONGEST_WAIVER = 500  # characters
MOST_TOKENS = 10**12
MOST_SAMPLES = 10**10


@dataclass(frozen=True)
class Terms:
    """From when to when (days, UTC), how much, for what. None in a limit means that there is none."""

    ends_on: date
    token_quota: int = 0
    starts_on: date | None = None
    purposes: tuple[str, ...] = ()
    sample_quota: int | None = None
    concurrent_jobs: int | None = None
    longest_text: int | None = None
    samples_per_prompt: int | None = None
    conditions: str = ""
    waiver: str = ""
    reduction_reason: str = ""

    def to_json(self) -> dict[str, Any]:
        days = {"ends_on": self.ends_on.isoformat(), "starts_on": self.starts_on and self.starts_on.isoformat()}
        return asdict(self) | days | {"purposes": list(self.purposes)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Terms":
        known = {field.name: data[field.name] for field in fields(cls) if field.name in data}
        starts_on = data.get("starts_on")
        days = {"ends_on": date.fromisoformat(data["ends_on"]), "purposes": tuple(data["purposes"])}
        return cls(**known | days | {"starts_on": date.fromisoformat(starts_on) if starts_on else None})

    def tidy(self) -> "Terms":
        """As they are kept: no space around what is written, the waiver in one line."""
        conditions, reduction_reason = self.conditions.strip(), self.reduction_reason.strip()
        return replace(self, conditions=conditions, reduction_reason=reduction_reason, waiver=one_line(self.waiver))

    def is_same_offer(self, other: "Terms") -> bool:
        """Whether both offer the same; why it is less may be said in other words."""
        return replace(self, reduction_reason="") == replace(other, reduction_reason="")

    def starts_at(self, now: datetime) -> datetime:
        return max(now, datetime.combine(self.starts_on, time.min, tzinfo=UTC)) if self.starts_on else now

    @property
    def ends_at(self) -> datetime:
        return datetime.combine(self.ends_on + timedelta(days=1), time.min, tzinfo=UTC)

    @property
    def sentence(self) -> str:
        """ "until 3 May 2027, 100,000 tokens, 2 jobs at a time"."""
        limits = {
            "token_quota": "{:,} token{s}",
            "sample_quota": "{:,} text{s}",
            "concurrent_jobs": "{:,} job{s} at a time",
            "longest_text": "at most {:,} token{s} a text",
            "samples_per_prompt": "at most {:,} text{s} a prompt",
        }
        parts = [
            form.format(value, s="" if value == 1 else "s")
            for name, form in limits.items()
            if (value := getattr(self, name))
        ]
        start = f"from {self.starts_on:%-d %B %Y} " if self.starts_on else ""
        return ", ".join([f"{start}until {self.ends_on:%-d %B %Y}", *parts])


def terms_asked(item: RequestItem) -> Terms:
    """The terms that the applicant would like."""
    request = item.request
    wanted = request.until_wanted or timezone.now().date() + timedelta(days=365)
    return Terms(ends_on=wanted, token_quota=item.tokens_wanted, purposes=tuple(request.purposes))


def check_terms(item: RequestItem, terms: Terms) -> None:
    """Raise Refused where terms are outside the limits, wider than the request in purpose, or less without a reason."""
    check_length("What is written as conditions", terms.conditions, field="conditions")
    check_length("Why the steps are waived", terms.waiver, field="waiver", longest=LONGEST_WAIVER)
    check_end("ends_on", terms.ends_on)
    if terms.starts_on and terms.starts_on >= terms.ends_on:
        raise Refused(
            f"Access starts before it ends, on {terms.ends_on:%-d %B %Y}; you gave {terms.starts_on:%-d %B %Y}.",
            field="starts_on",
            limit=terms.ends_on.isoformat(),
            given=terms.starts_on.isoformat(),
        )
    check_tokens("token_quota", item.right, terms.token_quota)
    most = {"sample_quota": MOST_SAMPLES, "concurrent_jobs": 1_000, "longest_text": 1_024, "samples_per_prompt": 1_000}
    for field, limit in most.items():
        given = getattr(terms, field)
        if given is not None and not 1 <= given <= limit:
            name = field.replace("_", " ").capitalize()
            sentence = f"{name} is a whole number from 1 to {limit:,}; you gave {given:,}."
            raise Refused(sentence, field=field, limit=limit, given=given)
    if not terms.purposes:
        raise Refused("Choose the purposes that are allowed, at least one.", field="purposes")
    wider = [purpose for purpose in terms.purposes if purpose not in item.request.purposes]
    if wider:
        asked = ", ".join(Purpose(purpose).label for purpose in item.request.purposes)
        raise Refused(f"A grant allows only purposes that were asked for: {asked}.", field="purposes", given=wider)

    _check_reduction(item, terms)


def reductions(item: RequestItem, terms: Terms) -> list[str]:
    """What of the terms is less than was asked for, each as "5,000 tokens, not 10,000"."""
    request = item.request
    reductions = []
    if terms.token_quota < item.tokens_wanted:
        reductions.append(
            f"{terms.token_quota:,} token{'' if terms.token_quota == 1 else 's'}, not {item.tokens_wanted:,}"
        )
    if request.until_wanted and terms.ends_on < request.until_wanted:
        reductions.append(f"until {terms.ends_on:%-d %B %Y}, not {request.until_wanted:%-d %B %Y}")
    dropped = [Purpose(purpose).label for purpose in request.purposes if purpose not in terms.purposes]
    return [*reductions, *([f"not for {', '.join(dropped)}"] if dropped else [])]


def check_served(field: str, right: str) -> None:
    """Raise Refused where nothing of the portal serves a right yet."""
    if right not in Right.served():
        sentence = f"{Right(right).label} cannot be had yet: nothing here serves it."
        raise Refused(sentence, field=field, limit=sorted(Right.served()), given=right)


def _check_reduction(item: RequestItem, terms: Terms) -> None:
    """Less than was asked for has a reason, as a decline has; and only that has one."""
    less, reason = reductions(item, terms), terms.reduction_reason.strip()
    check_length("A reason", reason, field="reduction_reason")
    if less and not reason:
        sentence = f"This is less than was asked for: {'; '.join(less)}. Say why, for the applicant to read."
        raise Refused(sentence, field="reduction_reason", given=less)
    if reason and not less:
        raise Refused(
            "Nothing here is less than was asked for: leave the reason for less empty.", field="reduction_reason"
        )


def check_tokens(field: str, right: str, tokens: int) -> None:
    if not Right(right).is_metered:
        if tokens:
            others = ", ".join(other.label.lower() for other in Right.metered())
            sentence = f"{Right(right).label} has no quota of tokens; {others} has. You gave {tokens:,}."
            raise Refused(sentence, field=field, limit=0, given=tokens)
    elif not 1 <= tokens <= MOST_TOKENS:
        sentence = f"A quota has from 1 to {MOST_TOKENS:,} tokens; you gave {tokens:,}."
        raise Refused(sentence, field=field, limit=MOST_TOKENS, given=tokens)


def check_end(field: str, day: date) -> None:
    today = timezone.now().date()
    latest = today + timedelta(days=LONGEST_DAYS)
    if not today < day <= latest:
        raise Refused(
            f"Access ends after today and by {latest:%-d %B %Y}; you gave {day:%-d %B %Y}.",
            field=field,
            limit=latest.isoformat(),
            given=day.isoformat(),
        )
