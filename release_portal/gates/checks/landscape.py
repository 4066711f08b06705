"""Misuse, and what others have."""

from typing import Annotated, Literal

from pydantic import Field

from ..logic import Result, number_at_most
from ..records import PublicModel, Records
from .registry import Count, Days, Name, Names, Outcome, SeverityName, check, for_each, not_recorded, unknown
from .wording import count, decimal, listed


@check
def incident_count(
    on: Records, *, max: Count, severity_at_least: SeverityName = "low", window_days: Days, size: Name = ""
) -> Outcome:
    """Not too many severe incidents in the last days: with the named size, or with any of the family."""
    if on.incidents is None:
        return not_recorded("Incidents")
    recent = [
        each
        for each in on.incidents
        if 0 <= on.days_since(each.at) <= window_days
        and (each.severity is None or each.severity.reaches(severity_at_least))
        and (not size or each.size in {size, ""})
    ]
    sure = sum(each.severity is not None and (not size or each.size == size) for each in recent)
    unsure = len(recent) - sure
    return Outcome(
        number_at_most(max, sure=sure, unsure=unsure),
        f"{count(sure, 'incident')} of {severity_at_least} severity or more in the last {count(window_days, 'day')}, "
        f"and {unsure} of unknown severity or size; {max} allowed.",
        {"incidents": sure, "uncertain": unsure, "allowed": max, "window_days": window_days},
        tuple(sorted(each.id for each in recent)),
    )


@check
def incident_clock_breaches(on: Records, *, max: Count = 0) -> Outcome:
    """Not too many incidents wait longer than their clocks allow."""
    if on.overdue_clocks is None:
        return not_recorded("Clocks of incidents")
    overdue = len(on.overdue_clocks)
    sentence = f"{count(overdue, 'clock')} of incidents overdue; {max} allowed."
    used = tuple(sorted(each.id for each in on.overdue_clocks))
    return Outcome(Result.of(overdue <= max), sentence, {"overdue": overdue, "allowed": max}, used)


@check
def monitoring_coverage(
    on: Records, *, sources_min: Count = 1, last_reviewed_days: Days, signals_untriaged_max: Count = 0
) -> Outcome:
    """Somebody looked recently for signs of misuse, in enough places, and left few signs unread."""
    watch = on.monitoring
    if watch is None:
        return not_recorded("Signals of monitoring")
    sources = len(set(watch.sources))
    ago = None if watch.last_reviewed_at is None else on.days_since(watch.last_reviewed_at)
    when = "never" if ago is None else f"{count(int(ago), 'day')} ago"
    return Outcome(
        Result.of(
            sources >= sources_min
            and ago is not None
            and ago <= last_reviewed_days
            and watch.untriaged <= signals_untriaged_max
        ),
        f"{count(sources, 'source')} watched ({sources_min} asked for), last reviewed {when} "
        f"({last_reviewed_days} allowed), {count(watch.untriaged, 'signal')} unread ({signals_untriaged_max} allowed).",
        {"sources": sources, "days_since_review": ago, "untriaged": watch.untriaged},
        (watch.id,),
    )


@check
def watch_conditions_clear(on: Records) -> Outcome:
    """No watch condition has tripped without a review since."""
    if on.watch_conditions is None:
        return not_recorded("Watch conditions")
    if not on.watch_conditions:
        return Outcome(Result.NOT_APPLICABLE, "No watch condition is set.", {})
    open_ = sorted(each.condition for each in on.watch_conditions if each.tripped and not each.reviewed)
    sentence = (
        f"Tripped and not reviewed: {listed(open_)}."
        if open_
        else f"Of {count(len(on.watch_conditions), 'watch condition')} none has tripped without a review."
    )
    used = tuple(sorted(each.id for each in on.watch_conditions))
    return Outcome(Result.of(not open_), sentence, {"open": len(open_), "of": len(on.watch_conditions)}, used)


@check
def actor_assessment(on: Records, *, tiers: Names, max_age_days: Days | None = None) -> Outcome:
    """For each tier of actors, such as unskilled or organised ones, somebody assessed what they could do with it."""
    if on.actor_assessments is None:
        return not_recorded("Assessments of actors")
    return for_each(set(tiers), lambda tier: _assessed(on, tier, max_age_days), none="")


def _assessed(on: Records, tier: str, max_age_days: int | None) -> Outcome:
    made = [each for each in on.actor_assessments or () if each.tier == tier and each.at <= on.at]
    if not made:
        return Outcome(Result.FAIL, f"Nobody has assessed actors of the tier {tier}.", {"assessments": 0})
    fresh = [each for each in made if on.is_fresh(each, max_age_days)]
    if not fresh:
        return unknown(f"The assessment of actors of the tier {tier} is out of date.", assessments=0)
    sentence = f"Actors of the tier {tier} were assessed."
    return Outcome(Result.PASS, sentence, {"assessments": len(fresh)}, tuple(sorted(each.id for each in fresh)))


@check
def comparable_public_model(
    on: Records,
    *,
    min_ratio_params: Annotated[float, Field(gt=0)] = 1.0,
    capability: Name = "",
    mode: Literal["informational", "reduces_severity"] = "informational",
    max_age_days: Days = 180,
) -> Outcome:
    """What others have published was looked at recently.

    To reduce the severity of a release, one of those models must have the named capability or, where none is named, at
    least this share of the size's parameters.
    """
    if on.public_models is None:
        return not_recorded("Models of others")
    return for_each(
        on.stage.sizes,
        lambda size: _compared(on, size, min_ratio_params, capability, mode, max_age_days),
        none="This stage is about no size.",
    )


def _compared(on: Records, name: str, min_ratio: float, capability: str, mode: str, max_age_days: int) -> Outcome:
    size = on.size(name)
    if size is None:
        return unknown(f"No size {name} is recorded.")
    if not on.public_models:
        return Outcome(Result.FAIL, "No model of others is recorded.", {"models": 0})
    fresh = [each for each in on.public_models if on.is_fresh(each, max_age_days)]
    if not fresh:
        return unknown(f"What others have published was not looked at in the last {count(max_age_days, 'day')}.")
    largest = max(fresh, key=lambda each: (each.parameters, each.id))
    ratio = largest.parameters / size.parameters
    comparable = _has(fresh, capability) if capability else ratio >= min_ratio
    numbers = {"models": len(fresh), "ratio": ratio, "required": min_ratio, "capability": capability}
    return Outcome(
        Result.of(comparable or mode == "informational"),
        f"The largest of {count(len(fresh), 'public model')} of others, {largest.name}, has {decimal(ratio)} times "
        f"the parameters of {name}; "
        + (f"capability compared: {capability}." if capability else f"{decimal(min_ratio)} times are compared with."),
        numbers,
        tuple(sorted(each.id for each in fresh)),
    )


def _has(models: list[PublicModel], capability: str) -> bool:
    return any(capability in each.capabilities for each in models)


@check
def leak_status(on: Records) -> Outcome:
    """No leak is open."""
    if on.incidents is None:
        return not_recorded("Incidents")
    leaks = sorted(each.id for each in on.incidents if each.kind == "leak" and each.open)
    sentence = f"{count(len(leaks), 'leak')} open." if leaks else "No leak is open."
    return Outcome(Result.of(not leaks), sentence, {"leaks": len(leaks)}, tuple(leaks))
