"""Runs a stage's policy over the records: what each check says, and whether the gate passes."""

from collections.abc import Iterator
from dataclasses import dataclass

from .checks import CHECKS, Outcome
from .logic import Result, all_of, any_of, at_least, negation
from .policy import CheckUse, Combination, Node, Requirement, StagePolicy
from .records import Records, Waiver

NEVER_WAIVED = frozenset({"waivers_max"})
"""The limit of waivers would mean nothing if it could be waived."""


@dataclass(frozen=True)
class CheckResult:
    use: CheckUse
    outcome: Outcome

    @property
    def result(self) -> Result:
        return self.outcome.result

    def outcomes(self) -> Iterator[Outcome]:
        yield self.outcome


@dataclass(frozen=True)
class CombinationResult:
    combination: Combination
    result: Result
    parts: tuple["NodeResult", ...]

    def outcomes(self) -> Iterator[Outcome]:
        for each in self.parts:
            yield from each.outcomes()


NodeResult = CheckResult | CombinationResult


@dataclass(frozen=True)
class RequirementResult:
    """`waiver` is the one that answers it, where it blocks and does not pass by itself."""

    key: str
    blocking: bool
    node: NodeResult
    waiver: Waiver | None = None

    @property
    def result(self) -> Result:
        """What the checks say, whether waived or not."""
        return self.node.result

    @property
    def counted(self) -> Result:
        """What counts for the gate."""
        return Result.PASS if self.waiver else self.result


@dataclass(frozen=True)
class StageResult:
    """What a run found. Its inputs are the records' `digest()`: with another one, sign-offs of the run lapse."""

    stage: str
    requirements: tuple[RequirementResult, ...]

    @property
    def blocking(self) -> list[RequirementResult]:
        return [each for each in self.requirements if each.blocking]

    @property
    def waived(self) -> list[RequirementResult]:
        return [each for each in self.requirements if each.waiver]

    @property
    def result(self) -> Result:
        """Not applicable where nothing that blocks applies: such a gate says nothing."""
        return all_of(each.counted for each in self.blocking)

    @property
    def passes(self) -> bool:
        return self.result is Result.PASS

    @property
    def sentence(self) -> str:
        if not self.blocking:
            return "No check of this gate blocks it, so it does not pass by itself."
        applicable = [each for each in self.blocking if each.counted is not Result.NOT_APPLICABLE]
        if not applicable:
            return "No check that blocks this gate applies, so it does not pass by itself."
        passed = sum(each.counted is Result.PASS for each in applicable)
        verdict = "The gate passes" if self.passes else "The gate does not pass"
        waived = f", {len(self.waived)} of them by a waiver" if self.waived else ""
        return f"{verdict}: {passed} of {len(applicable)} blocking requirements are met{waived}."

    @property
    def evidence(self) -> tuple[str, ...]:
        """The ids of what was used, for the run to freeze."""
        used = {id_ for each in self.requirements for outcome in each.node.outcomes() for id_ in outcome.evidence}
        return tuple(sorted(used))


def evaluate(policy: StagePolicy, on: Records) -> StageResult:
    """Every requirement with its checks, over the same records."""
    requirements = policy.requirements().items()
    return StageResult(policy.id, tuple(_required(key, each, on) for key, each in requirements))


def _required(key: str, requirement: Requirement, on: Records) -> RequirementResult:
    node = _evaluated(requirement.node, on)
    needed = requirement.blocking and node.result in {Result.FAIL, Result.UNKNOWN}
    waivable = NEVER_WAIVED.isdisjoint(use.check for use in requirement.node.uses())
    waivers = [each for each in on.waivers or () if each.key == key and each.blocking and each.holds(on.at)]
    waiver = min(waivers, key=lambda each: each.id, default=None) if needed and waivable else None
    return RequirementResult(key, requirement.blocking, node, waiver)


def _evaluated(node: Node, on: Records) -> NodeResult:
    if isinstance(node, CheckUse):
        return CheckResult(node, CHECKS[node.check].run(on, node.parameters))
    parts = tuple(_evaluated(each, on) for each in node.of)
    return CombinationResult(node, _combined(node, [each.result for each in parts]), parts)


def _combined(node: Combination, results: list[Result]) -> Result:
    match node.combinator:
        case "all":
            return all_of(results)
        case "any":
            return any_of(results)
        case "not":
            return negation(results[0])
        case _:
            return at_least(node.k or 1, results)
