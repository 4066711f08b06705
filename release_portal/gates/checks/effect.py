"""What the texts do to people who read them."""

from collections.abc import Callable
from typing import Literal

from ..intervals import upper_limit_of_increase
from ..logic import Result, number_at_most
from ..records import Evaluation, Kind, Records
from .registry import Amount, Names, Outcome, Some, check, for_each, not_recorded, unknown
from .wording import count, decimal, listed, percent

Pipeline = Literal["automated", "human_in_loop"]


@check
def credibility_measured(
    on: Records,
    *,
    n_min: Some = 1,
    arms: Names | None = None,
    pipeline: Pipeline = "automated",
    ci_width_max: Amount | None = None,
) -> Outcome:
    """A study measured how credible people find the texts: large enough, with the arms listed, such as human texts."""

    def measured(size: str) -> Outcome:
        studies = [each for each in on.current(Kind.CREDIBILITY, size) if each.pipeline == pipeline]
        if not studies:
            return unknown(f"No current study says how credible people find texts of {size}.", n_required=n_min)
        return _studied(size, studies[0], n_min, set(arms or ()), ci_width_max)

    return _of_each_size(on, measured)


def _of_each_size(on: Records, ask: Callable[[str], Outcome]) -> Outcome:
    if on.evaluations is None:
        return not_recorded("Evaluations")
    return for_each(on.stage.sizes, ask, none="This stage is about no size.")


def _studied(size: str, study: Evaluation, n_min: int, arms: set[str], width_max: float | None) -> Outcome:
    missing = arms - set(study.arms)
    width = None if study.ci_low is None or study.ci_high is None else study.ci_high - study.ci_low
    numbers = {"n": study.n, "n_required": n_min, "ci_width": width, "ci_width_max": width_max}
    if study.n < n_min or missing:
        result = Result.FAIL
    elif width_max is None:
        result = Result.PASS
    else:
        result = Result.UNKNOWN if width is None else number_at_most(width_max, sure=width)
    sentence = f"{count(study.n, 'person', 'people')} judged texts of {size}; {n_min} asked for"
    sentence += f", and a comparison with {listed(missing)}, which is missing" if missing else ""
    sentence += "" if width_max is None else f", and an interval of {decimal(width_max)} or narrower"
    found = "none was published" if width is None else f"it is {decimal(width)} wide"
    return Outcome(result, sentence + ("." if width_max is None else f": {found}."), numbers, (study.id,))


@check
def credibility_step(on: Records, *, max_increase_vs_previous: Amount, ci_upper: bool = True) -> Outcome:
    """Texts are not much more credible than those of the next smaller size.

    The upper limit of the increase counts. Where `ci_upper` is off, the measured increase itself does.
    """
    return _of_each_size(on, lambda size: _step(on, size, max_increase_vs_previous, ci_upper))


def _step(on: Records, size: str, limit: float, ci_upper: bool) -> Outcome:
    smaller = on.previous_size(size)
    if smaller is None:
        return Outcome(Result.NOT_APPLICABLE, f"No size is smaller than {size}.", {})
    pair = _comparable(on.current(Kind.CREDIBILITY, size), on.current(Kind.CREDIBILITY, smaller.name))
    if pair is None:
        return unknown(f"The credibility of {size} and {smaller.name} was not measured in the same way.", allowed=limit)
    later, earlier = pair
    increase, upper = later.value - earlier.value, upper_limit_of_increase(later, earlier)
    if increase > limit or not ci_upper:
        result = Result.of(increase <= limit)
    else:
        result = Result.UNKNOWN if upper is None else Result.of(upper <= limit)
    bound = "no interval is known" if upper is None else f"at most {decimal(upper)} by its interval"
    return Outcome(
        result,
        f"Texts of {size} are {increase:+.6g} points more credible than those of {smaller.name} ({bound}); "
        f"{decimal(limit)} is allowed.",
        {"increase": increase, "upper": upper, "allowed": limit},
        tuple(sorted((later.id, earlier.id))),
    )


def _comparable(later: list[Evaluation], earlier: list[Evaluation]) -> tuple[Evaluation, Evaluation] | None:
    """The newest two of one metric and pipeline."""
    pairs = (
        (one, other)
        for one in later
        for other in earlier
        if (one.metric, one.pipeline) == (other.metric, other.pipeline)
    )
    return next(pairs, None)


@check
def credibility_vs_human(on: Records, *, max_ratio: Amount) -> Outcome:
    """Texts are at most this share as credible as those of people."""
    return _of_each_size(on, lambda size: _beside_people(on, size, max_ratio))


def _beside_people(on: Records, size: str, limit: float) -> Outcome:
    study = next((each for each in on.current(Kind.CREDIBILITY, size) if each.human_value), None)
    if study is None or not study.human_value:
        return unknown(f"No current study compares texts of {size} with those of people.", allowed=limit)
    ratio = study.value / study.human_value
    return Outcome(
        Result.of(ratio <= limit),
        f"Texts of {size} are {percent(ratio)} as credible as those of people; {percent(limit)} is allowed.",
        {"ratio": ratio, "allowed": limit},
        (study.id,),
    )
