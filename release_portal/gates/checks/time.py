"""Time and order."""

from datetime import UTC, date, datetime, time
from typing import Annotated

from pydantic import Field

from release_portal.releases.models import Audience

from ..logic import Result
from ..records import Embargo, Kind, Opened, Records
from .registry import Count, Days, Name, Names, Outcome, StageName, check, for_each, not_recorded, unknown
from .wording import count

IsoDate = Annotated[date, Field(strict=False)]
"""Strict apart from this: in a policy a date is the text 2019-11-05."""


@check
def min_days_in_stage(on: Records, *, days: Days, stage: StageName = "") -> Outcome:
    """Enough days have passed since a stage was released: the named one, or the one before this."""
    name = stage or on.stage.previous
    if not name:
        return Outcome(Result.NOT_APPLICABLE, "No stage comes before this one.", {})
    if on.stages is None:
        return not_recorded("The releases of stages")
    earlier = next((each for each in on.stages if each.name == name), None)
    if earlier is None:
        return unknown(f"No stage {name} is recorded.")
    if earlier.released_at is None or earlier.released_at > on.at:
        return Outcome(Result.FAIL, f"The stage {name} has not been released yet.", {"required": days})
    passed = on.days_since(earlier.released_at)
    return Outcome(
        Result.of(passed >= days),
        f"{count(int(passed), 'day')} have passed since the stage {name} was released; {days} asked for.",
        {"days": passed, "required": days},
    )


@check
def min_days_evidence_public(on: Records, *, days: Days, kinds: Names) -> Outcome:
    """Everybody could read the evidence of each kind, for each size, for enough days before the weights open.

    A kind is one of evaluation, or a component such as outputs.
    """
    if on.evaluations is None and on.artefacts is None:
        return not_recorded("Evaluations and artefacts")
    asked = {f"{kind} of {size}": (kind, size) for kind in kinds for size in on.stage.sizes}
    return for_each(asked, lambda each: _public_for(on, days, *asked[each]), none="This stage is about no size.")


def _public_for(on: Records, required: int, kind: str, size: str) -> Outcome:
    evaluations = on.current(Kind(kind), size) if kind in set(Kind) else []
    artefacts = [each for each in on.artefacts or () if each.component == kind and each.size == size]
    found = [(each.id, each.public_since) for each in evaluations]
    found += [(each.id, each.public_since) for each in artefacts]
    if not found:
        return unknown(f"There is no current evidence of the kind {kind} for {size}.", required=required)
    public = {id_: since for id_, since in found if since is not None and since <= on.at}
    longest = max((on.days_since(since) for since in public.values()), default=None)
    if longest is None:
        sentence = f"The evidence of the kind {kind} for {size} is not public."
        return Outcome(Result.FAIL, sentence, {"required": required}, tuple(sorted(id_ for id_, _ in found)))
    return Outcome(
        Result.of(longest >= required),
        f"Evidence of the kind {kind} for {size} was public for {count(int(longest), 'day')}; {required} asked for.",
        {"days": longest, "required": required},
        tuple(sorted(public)),
    )


@check
def predecessor_released(on: Records, *, size: Name = "") -> Outcome:
    """The smaller size is already as widely available as this one would become: the named one, or the next smaller."""
    opens = {f"{each.component} of {each.size}": each for each in on.stage.opens if each.size in on.stage.sizes}
    return for_each(
        opens, lambda each: _opened_before(on, size, opens[each]), none="This stage opens no component of a size."
    )


def _opened_before(on: Records, named: str, opened: Opened) -> Outcome:
    smaller = on.size(named) if named else on.previous_size(opened.size)
    if named and smaller is None:
        return unknown(f"No size {named} is recorded.")
    if smaller is None and on.size(opened.size) is None:
        return unknown(f"No size {opened.size} is recorded.")
    if smaller is None:
        return Outcome(Result.NOT_APPLICABLE, f"No size is smaller than {opened.size}.", {})
    level = smaller.level(opened.component)
    return Outcome(
        Result.of(level.reaches(opened.level)),
        f"Who has it now, {opened.component} of {smaller.name}: {_words(level)}; "
        f"who would have it, {opened.component} of {opened.size}: {_words(opened.level)}.",
        {"level": level, "required": opened.level},
    )


def _words(level: Audience) -> str:
    return {
        Audience.CLOSED: "nobody",
        Audience.PARTNER: "partners",
        Audience.GATED: "those whose request is granted",
        Audience.OPEN: "everybody",
    }[level]


@check
def not_before(on: Records, *, date: IsoDate) -> Outcome:
    """The day has come, by universal time."""
    start = datetime.combine(date, time.min, UTC)
    begun = on.at >= start
    sentence = f"The release may not be before {date.isoformat()}" + (", which has come." if begun else ".")
    return Outcome(Result.of(begun), sentence, {"date": date.isoformat(), "at": on.at.isoformat()})


@check
def no_embargo_conflict(on: Records, *, calendar: Name = "") -> Outcome:
    """No embargo holds: neither the stage's own nor one of the named calendar, or of any where none is named."""
    own = on.stage.embargo_until
    if own is not None and on.at < own:
        sentence = f"The stage is under embargo until {_minute(own)}."
        return Outcome(Result.FAIL, sentence, {"embargo_until": own.isoformat()})
    if on.embargoes is None:
        return not_recorded("Calendars of embargoes")
    holding = [each for each in on.embargoes if calendar in {"", each.calendar} and _holds(each, on.at)]
    if not holding:
        return Outcome(Result.PASS, "No embargo holds now.", {"embargoes": 0})
    last = max(holding, key=lambda each: (each.ends_at, each.id))
    sentence = f"An embargo of the calendar {last.calendar} holds until {_minute(last.ends_at)}."
    return Outcome(
        Result.FAIL, sentence, {"embargoes": len(holding)}, evidence=tuple(sorted(each.id for each in holding))
    )


def _holds(embargo: Embargo, at: datetime) -> bool:
    return embargo.starts_at <= at < embargo.ends_at


def _minute(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


@check
def consultation_closed(on: Records, *, min_responses: Count = 1, all_answered: bool = True) -> Outcome:
    """The consultation has ended, brought enough responses, and these were answered."""
    if on.consultations is None:
        return not_recorded("Consultations")
    used = tuple(sorted(each.id for each in on.consultations))
    open_ = sum(each.closed_at is None or each.closed_at > on.at for each in on.consultations)
    responses = sum(each.responses for each in on.consultations)
    answered = sum(each.answered for each in on.consultations)
    numbers = {"open": open_, "responses": responses, "answered": answered, "required": min_responses}
    if not on.consultations:
        return Outcome(Result.FAIL, "Nobody was consulted.", numbers)
    if open_:
        return Outcome(Result.FAIL, f"{count(open_, 'consultation')} not closed yet.", numbers, used)
    holds = responses >= min_responses and (answered >= responses or not all_answered)
    sentence = (
        f"The consultation brought {count(responses, 'response')}, {answered} answered; {min_responses} asked for."
    )
    return Outcome(Result.of(holds), sentence, numbers, used)
