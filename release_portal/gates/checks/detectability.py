"""Whether texts of the model differ from those of people in ways that a detector sees."""

from collections.abc import Iterable
from typing import Annotated, Literal

from pydantic import Field

from release_portal.releases.models import Audience

from ..intervals import precision
from ..logic import Result, all_of, any_of
from ..records import Evaluation, Kind, Records
from .registry import Count, Days, Name, Names, Outcome, Share, Some, check, for_each, not_recorded, unknown
from .wording import count, decimal, listed, percent

NO_SIZE = "This stage is about no size."


@check
def detectability(
    on: Records,
    *,
    metric: Literal["accuracy", "auroc", "tpr_at_fpr"],
    min: Share,
    samplings: Names,
    detector_class: Name = "",
    fpr_max: Share | None = None,
    min_length_chars: Count = 0,
    n_min: Some = 1,
) -> Outcome:
    """A detector finds the model's texts well enough, with every way of sampling listed.

    Where no class of detectors is named, any of them will do. A share found at a false-positive rate says nothing
    without a limit for that rate.
    """
    if on.evaluations is None:
        return not_recorded("Evaluations")
    if metric == "tpr_at_fpr" and fpr_max is None:
        return unknown("The policy names no limit for false positives, without which the share found says nothing.")

    def detected(size: str) -> Outcome:
        usable = [
            each
            for each in on.current(Kind.DETECTION, size)
            if each.metric == metric
            and each.length_chars >= min_length_chars
            and each.n >= n_min
            and detector_class in {"", each.detector_class}
        ]
        return _detected(size, usable, sorted(set(samplings)), min, fpr_max)

    return for_each(on.stage.sizes, detected, none=NO_SIZE)


def _detected(
    size: str, usable: list[Evaluation], samplings: list[str], least: float, fpr_max: float | None
) -> Outcome:
    by_class = {
        each: newest(evaluation for evaluation in usable if evaluation.detector_class == each)
        for each in sorted({each.detector_class for each in usable})
    }
    results = {
        each: all_of(_meets(measured.get(sampling), least, fpr_max) for sampling in samplings)
        for each, measured in by_class.items()
    }
    if not results:
        return unknown(f"No current measurement says how well texts of {size} are detected.", required=least)
    result = any_of(results.values())
    best = next(each for each in results if results[each] is result)
    measured = {sampling: by_class[best][sampling] for sampling in samplings if sampling in by_class[best]}
    values = listed(f"{percent(each.value)} with {sampling}" for sampling, each in measured.items()) or "nothing"
    sentence = f"Texts of {size} are detected: {values}; {percent(least)} is asked for with {listed(samplings)}"
    sentence += "." if fpr_max is None else f", at {percent(fpr_max)} false positives or fewer."
    return Outcome(
        result,
        sentence,
        {"required": least, "fpr_max": fpr_max, "measured": {name: each.value for name, each in measured.items()}},
        tuple(sorted(each.id for each in measured.values())),
    )


def newest(evaluations: Iterable[Evaluation]) -> dict[str, Evaluation]:
    """The newest of each sampling; they come newest first."""
    by_sampling: dict[str, Evaluation] = {}
    for each in evaluations:
        by_sampling.setdefault(each.sampling, each)
    return by_sampling


def _meets(measured: Evaluation | None, least: float, fpr_max: float | None) -> Result:
    if measured is None:
        return Result.UNKNOWN
    if measured.value < least:
        return Result.FAIL
    if fpr_max is None:
        return Result.PASS
    return Result.UNKNOWN if measured.fpr is None else Result.of(measured.fpr <= fpr_max)


@check
def forward_transfer(on: Records, *, min: Share, trained_on: Names | None = None, tested_on: Name = "") -> Outcome:
    """A detector that the public can train already, on a released size, still finds the texts of this one.

    Where no sizes are named, it is trained on those whose weights are open and tested on the stage's own.
    """
    if on.evaluations is None:
        return not_recorded("Evaluations")
    targets = [tested_on] if tested_on else on.stage.sizes
    return for_each(targets, lambda size: _transferred(on, size, set(trained_on or ()), min), none=NO_SIZE)


def _transferred(on: Records, target: str, named: set[str], least: float) -> Outcome:
    released = named or {
        each.name for each in on.sizes if each.name != target and each.level("weights") is Audience.OPEN
    }
    if not released:
        return Outcome(Result.NOT_APPLICABLE, "No other size is public, so no detector could be trained on one.", {})
    measured = [
        each for each in on.current(Kind.TRANSFER, target) if each.trained_on in released and each.tested_on == target
    ]
    if not measured:
        return unknown(f"No current measurement says how public detectors do on {target}.", required=least)
    best = max(measured, key=lambda each: (each.value, each.id))
    return Outcome(
        Result.of(best.value >= least),
        f"The best detector trained on a released size ({best.trained_on}) finds {percent(best.value)} of texts of "
        f"{target} right; {percent(least)} is asked for.",
        {"best": best.value, "trained_on": best.trained_on, "required": least},
        tuple(sorted(each.id for each in measured)),
    )


@check
def finetune_drop(
    on: Records, *, domains_min: Some = 1, max_drop_points: Annotated[float, Field(ge=0, le=100)]
) -> Outcome:
    """After fine-tuning on other texts the model is not much harder to detect, in enough domains."""
    if on.evaluations is None:
        return not_recorded("Evaluations")
    return for_each(on.stage.sizes, lambda size: _dropped(on, size, domains_min, max_drop_points), none=NO_SIZE)


def _dropped(on: Records, size: str, domains_min: int, limit: float) -> Outcome:
    by_domain: dict[str, Evaluation] = {}
    for each in on.current(Kind.FINETUNE_DROP, size):
        by_domain.setdefault(each.domain, each)
    worst = max((each.value for each in by_domain.values()), default=None)
    numbers = {"worst_drop": worst, "allowed": limit, "domains": len(by_domain), "domains_required": domains_min}
    used = tuple(sorted(each.id for each in by_domain.values()))
    if worst is not None and worst > limit:
        result = Result.FAIL
    else:
        result = Result.PASS if len(by_domain) >= domains_min else Result.UNKNOWN
    drop = "nothing measured" if worst is None else f"the largest drop is {decimal(worst)} points"
    sentence = (
        f"Detection of {size} after fine-tuning, in {count(len(by_domain), 'domain')} of {domains_min}: {drop}; "
        f"{decimal(limit)} points are allowed."
    )
    return Outcome(result, sentence, numbers, used)


@check
def detector_public(on: Records, *, days_before: Days = 0) -> Outcome:
    """Everybody has a detector enough days before the weights, or with them where no days are asked for."""
    if not days_before and any(each.component == "detector" and each.level is Audience.OPEN for each in on.stage.opens):
        return Outcome(Result.PASS, "This stage opens a detector together with the rest.", {"required": 0})
    if on.artefacts is None:
        return not_recorded("Artefacts")
    public = {
        each.id: on.days_since(each.public_since)
        for each in on.artefacts
        if each.component == "detector" and each.public_since is not None and each.public_since <= on.at
    }
    if not public:
        return Outcome(Result.FAIL, "No detector is public.", {"required": days_before})
    longest = max(public.values())
    sentence = f"A detector has been public for {count(int(longest), 'day')}; {days_before} asked for."
    numbers = {"days": longest, "required": days_before}
    return Outcome(Result.of(longest >= days_before), sentence, numbers, tuple(sorted(public)))


@check
def precision_at_prevalence(on: Records, *, prevalence: Annotated[float, Field(gt=0, lt=1)], min: Share) -> Outcome:
    """Where only some of all texts are by machines, enough of those that a detector marks really are.

    By Bayes' rule from the share found and the false-positive rate; the best class of detectors, its worst sampling.
    """
    if on.evaluations is None:
        return not_recorded("Evaluations")
    return for_each(on.stage.sizes, lambda size: _precise(on, size, prevalence, min), none=NO_SIZE)


def _precise(on: Records, size: str, prevalence: float, least: float) -> Outcome:
    measured = [each for each in on.current(Kind.DETECTION, size) if each.metric == "tpr_at_fpr"]
    worst: dict[str, float] = {}
    for name in {each.detector_class for each in measured}:
        of_class = newest(each for each in measured if each.detector_class == name).values()
        precisions = [_precision(each, prevalence) for each in of_class]
        known = [each for each in precisions if each is not None]
        if len(known) == len(precisions):
            worst[name] = min(known)
    if not worst:
        return unknown(f"Shares found and false-positive rates of detectors for {size} are not measured.")
    best = max(worst.values())
    return Outcome(
        Result.of(best >= least),
        f"Where {percent(prevalence)} of texts are by machines, {percent(best)} of those that the detector marks as of "
        f"{size} are; {percent(least)} is asked for.",
        {"precision": best, "required": least, "prevalence": prevalence},
        tuple(sorted(each.id for each in measured)),
    )


def _precision(measured: Evaluation, prevalence: float) -> float | None:
    if measured.fpr is None:
        return None
    return precision(tpr=measured.value, fpr=measured.fpr, prevalence=prevalence)
