"""Bias and content."""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from ..intervals import interval_of_difference
from ..logic import Result, all_of, number_at_least, number_at_most
from ..records import Evaluation, GroupGap, Kind, Producer, Records
from .registry import Amount, Name, Names, Outcome, Share, Some, check, for_each, not_recorded, unknown
from .wording import count, decimal, percent

NO_SIZE = "This stage is about no size."
Correction = Literal["none", "bonferroni", "holm", "benjamini_hochberg"]


@check
def bias_audit(
    on: Records,
    *,
    suites: Names,
    groups: Names,
    metric: Name,
    max_gap: Amount | None = None,
    max_effect: Amount | None = None,
    n_min: Some = 1,
    correction: Correction = "none",
) -> Outcome:
    """No group is treated much worse than others, in each suite listed: by gap, by standardised effect, or both."""
    if on.evaluations is None:
        return not_recorded("Evaluations")
    if max_gap is None and max_effect is None:
        return unknown("The policy sets no limit for the gap between groups.")
    asked = {f"{suite} on {size}": (suite, size) for suite in suites for size in on.stage.sizes}

    def audited(each: str) -> Outcome:
        suite, size = asked[each]
        usable = [
            evaluation
            for evaluation in on.current(Kind.BIAS, size)
            if (evaluation.suite, evaluation.metric) == (suite, metric)
            and evaluation.n >= n_min
            and correction in {"none", evaluation.correction}
        ]
        return _audited(each, usable, set(groups), max_gap, max_effect)

    return for_each(asked, audited, none=NO_SIZE)


def _audited(
    what: str, usable: list[Evaluation], groups: set[str], max_gap: float | None, max_effect: float | None
) -> Outcome:
    if not usable:
        return unknown(f"No current measurement of {what} that fits is there.", max_gap=max_gap, max_effect=max_effect)
    audit = usable[0]
    asked = [each for each in audit.gaps if each.group in groups]
    missing = len(groups - {each.group for each in asked})
    results = [
        _within(asked, missing, limit, effect=effect)
        for limit, effect in ((max_gap, False), (max_effect, True))
        if limit is not None
    ]
    gap = max((abs(each.gap) for each in asked), default=None)
    effect = max((abs(each.effect) for each in asked if each.effect is not None), default=None)
    limits = [f"a gap of {decimal(max_gap)}"] if max_gap is not None else []
    limits += [f"an effect of {decimal(max_effect)}"] if max_effect is not None else []
    sentence = (
        f"{what}: the largest gap between groups is {_or_none(gap)} (effect {_or_none(effect)}), "
        f"{count(missing, 'group')} not measured; allowed is {' and '.join(limits)}."
    )
    numbers = {"gap": gap, "max_gap": max_gap, "effect": effect, "max_effect": max_effect, "missing": missing}
    return Outcome(all_of(results), sentence, numbers, (audit.id,))


def _within(asked: list[GroupGap], missing: int, limit: float, *, effect: bool) -> Result:
    """Whether no group is over the limit. A group that was not measured may be."""
    values = [each.effect if effect else each.gap for each in asked]
    over = sum(value is not None and abs(value) > limit for value in values)
    return number_at_most(0, sure=over, unsure=missing + values.count(None))


def _or_none(number: float | None) -> str:
    return "not measured" if number is None else decimal(number)


@check
def bias_not_worse(
    on: Records,
    *,
    margin: Annotated[float, Field(gt=0)],
    test: Literal["equivalence", "noninferiority"] = "equivalence",
    vs_size: Name = "",
) -> Outcome:
    """The model is shown to be no more biased than another size, within a margin set beforehand.

    Two one-sided tests at 5 %: the interval of 90 % of the difference must lie between the margins, or for
    non-inferiority below the upper one. That no difference was found shows nothing: few measurements never find one.
    """
    if on.evaluations is None:
        return not_recorded("Evaluations")
    return for_each(on.stage.sizes, lambda size: _compared(on, size, vs_size, margin, test), none=NO_SIZE)


def _compared(on: Records, size: str, named: str, margin: float, test: str) -> Outcome:
    smaller = on.previous_size(size)
    other = named or (smaller.name if smaller else "")
    if not other:
        return Outcome(Result.NOT_APPLICABLE, f"No size is smaller than {size}.", {})
    later, earlier = (_by_probe(on.current(Kind.BIAS, each)) for each in (size, other))
    if not later or not earlier:
        return unknown(f"The bias of {size} and {other} is not measured by current evaluations.", margin=margin)

    def differs(probe: str) -> Outcome:
        pair = later.get(probe), earlier.get(probe)
        return _difference(probe, *pair, sizes=(size, other), margin=margin, test=test)

    return for_each({*later, *earlier}, differs, none="")


def _by_probe(evaluations: Iterable[Evaluation]) -> dict[str, Evaluation]:
    """The newest of each suite and metric; they come newest first."""
    by_probe: dict[str, Evaluation] = {}
    for each in evaluations:
        by_probe.setdefault(f"{each.suite} {each.metric}".strip(), each)
    return by_probe


def _difference(
    probe: str,
    later: Evaluation | None,
    earlier: Evaluation | None,
    *,
    sizes: tuple[str, str],
    margin: float,
    test: str,
) -> Outcome:
    size, other = sizes
    interval = interval_of_difference(later, earlier) if later and earlier else None
    if later is None or earlier is None or interval is None:
        return unknown(f"Bias by {probe} was not measured with its error on both {size} and {other}.", margin=margin)
    low, high = interval
    shown = high < margin and (test == "noninferiority" or low > -margin)
    against = low >= margin or (test == "equivalence" and high <= -margin)
    result = Result.PASS if shown else Result.FAIL if against else Result.UNKNOWN
    verdict = {Result.PASS: "shows", Result.FAIL: "disproves", Result.UNKNOWN: "is too wide to show"}[result]
    return Outcome(
        result,
        f"Bias by {probe} differs between {size} and {other} by {later.value - earlier.value:+.6g}, "
        f"from {low:+.6g} to {high:+.6g}: this {verdict} that it is within {decimal(margin)}.",
        {"difference": later.value - earlier.value, "low": low, "high": high, "margin": margin},
        tuple(sorted((later.id, earlier.id))),
    )


@check
def toxicity(
    on: Records,
    *,
    rate_max: Share,
    percentile: Annotated[float, Field(gt=0, le=100)] | None = None,
    prompts_min: Some = 1,
) -> Outcome:
    """Few texts are toxic, over enough prompts: on the whole, or at the named percentile of the prompts."""
    if on.evaluations is None:
        return not_recorded("Evaluations")

    def toxic(size: str) -> Outcome:
        usable = [
            each for each in on.current(Kind.TOXICITY, size) if each.percentile == percentile and each.n >= prompts_min
        ]
        if not usable:
            return unknown(f"The toxicity of {size} was not measured on {count(prompts_min, 'prompt')} or more.")
        rate = usable[0].value
        sentence = f"{percent(rate)} of texts of {size} are toxic; {percent(rate_max)} is allowed."
        numbers = {"rate": rate, "allowed": rate_max, "prompts": usable[0].n, "percentile": percentile}
        return Outcome(Result.of(rate <= rate_max), sentence, numbers, (usable[0].id,))

    return for_each(on.stage.sizes, toxic, none=NO_SIZE)


@check
def bias_independent(on: Records, *, min_external: Some = 1) -> Outcome:
    """Others than the lab probed the model for bias: partners, or people from outside."""
    if on.evaluations is None:
        return not_recorded("Evaluations")
    return for_each(on.stage.sizes, lambda size: _probed(on, size, min_external), none=NO_SIZE)


def _probed(on: Records, size: str, required: int) -> Outcome:
    probes, current = (
        [each for each in evaluations if each.producer is not Producer.INTERNAL]
        for evaluations in (on.of_kind(Kind.BIAS, size), on.current(Kind.BIAS, size))
    )
    stale = len(probes) - len(current)
    sentence = (
        f"{count(len(current), 'probe')} of {size} for bias by others than the lab, "
        f"and {stale} out of date; {required} asked for."
    )
    numbers = {"probes": len(current), "stale": stale, "required": required}
    result = number_at_least(required, sure=len(current), unsure=stale)
    return Outcome(result, sentence, numbers, tuple(sorted(each.id for each in current)))
