"""The formulas behind the checks that compare two measurements, each with its source."""

from math import hypot
from statistics import NormalDist

from .records import Evaluation

Z_95 = NormalDist().inv_cdf(0.975)
"""Half the width of a two-sided interval of 95 %, in standard errors."""
Z_TOST = NormalDist().inv_cdf(0.95)
"""Two one-sided tests at 5 % are an interval of 90 %."""


def standard_error(evaluation: Evaluation) -> float | None:
    """As it was reported, or from the interval of 95 % of a value that is about normally distributed."""
    if evaluation.standard_error is not None:
        return evaluation.standard_error
    if evaluation.ci_low is None or evaluation.ci_high is None:
        return None
    return (evaluation.ci_high - evaluation.ci_low) / (2 * Z_95)


def upper_limit_of_increase(later: Evaluation, earlier: Evaluation) -> float | None:
    """The upper limit of 95 % of `later - earlier`, two independent measurements, from the limits of each.

    The MOVER method: d + sqrt((u1 - v1)² + (v2 - l2)²). Zou and Donner, “Construction of confidence limits about effect
    measures: a general approach”, Statistics in Medicine 27 (2008).
    """
    if later.ci_high is None or earlier.ci_low is None:
        return None
    return later.value - earlier.value + hypot(later.ci_high - later.value, earlier.value - earlier.ci_low)


def interval_of_difference(later: Evaluation, earlier: Evaluation) -> tuple[float, float] | None:
    """The interval of 90 % of `later - earlier`: d ± 1.645 · sqrt(se1² + se2²).

    Both one-sided tests at 5 % reject exactly when it lies within the margins. Schuirmann, “A comparison of the two
    one-sided tests procedure and the power approach”, Journal of Pharmacokinetics and Biopharmaceutics 15 (1987).
    """
    errors = standard_error(later), standard_error(earlier)
    if errors[0] is None or errors[1] is None:
        return None
    difference, half = later.value - earlier.value, Z_TOST * hypot(errors[0], errors[1])
    return difference - half, difference + half


def precision(*, tpr: float, fpr: float, prevalence: float) -> float | None:
    """Of the texts that a detector marks, the share that a machine wrote, by Bayes' rule. None where it marks none."""
    right, wrong = tpr * prevalence, fpr * (1 - prevalence)
    return right / (right + wrong) if right + wrong else None
