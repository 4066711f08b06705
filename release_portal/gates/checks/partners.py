"""Partners and findings."""

from collections import defaultdict
from collections.abc import Iterable, Iterator
from typing import Literal

from ..logic import Result, all_of, number_at_least, number_at_most
from ..records import Finding, FindingStatus, Grant, Records
from .registry import Count, Days, Name, Outcome, Percent, SeverityName, check, not_recorded
from .wording import count, decimal

NO_GRANTS = "No organisation has access that is not public, so nothing needs covering."


def in_force(on: Records) -> list[Grant]:
    """Grants that hold now and are of what is not public."""
    return [each for each in on.grants or () if not each.public and each.starts_at <= on.at < each.ends_at]


def covered(
    what: str, verdicts: Iterable[bool | None], required: float, used: Iterable[str], *, none: str = NO_GRANTS
) -> Outcome:
    """Whether a percentage of things are covered. None: of that one it is not recorded."""
    each = list(verdicts)
    if not each:
        return Outcome(Result.NOT_APPLICABLE, none, {"required": required})
    sure, unsure = 100 * each.count(True) / len(each), 100 * each.count(None) / len(each)
    result = number_at_least(required, sure=sure, unsure=unsure)
    sentence = f"{what}: {each.count(True)} of {len(each)} ({decimal(sure)}%); {decimal(required)}% asked for."
    if result is Result.UNKNOWN:
        sentence = sentence[:-1] + f", and for {each.count(None)} it is not recorded."
    numbers = {"covered": each.count(True), "of": len(each), "percent": sure, "required": required}
    return Outcome(result, sentence, numbers, tuple(sorted(used)))


def _both(first: bool | None, second: bool | None) -> bool | None:
    """And, where None is not recorded."""
    if first is False or second is False:
        return False
    return None if first is None or second is None else True


def _by_key(pairs: Iterable[tuple[str, bool | None]]) -> dict[str, bool | None]:
    """Each key with whether all of its verdicts hold."""
    verdicts: dict[str, bool | None] = defaultdict(lambda: True)
    for key, verdict in pairs:
        verdicts[key] = _both(verdicts[key], verdict)
    return verdicts


@check
def partner_count(on: Records, *, min: Count, distinct_topics: Count = 0) -> Outcome:
    """Enough organisations have access to what this stage opens and is not public yet, on enough topics."""
    if on.grants is None:
        return not_recorded("Grants")
    grants = [each for each in in_force(on) if each.size in on.stage.all_sizes]
    partners = {each.organisation for each in grants}
    topics = {topic for each in grants for topic in each.topics}
    return Outcome(
        Result.of(len(partners) >= min and len(topics) >= distinct_topics),
        f"{count(len(partners), 'organisation')} with access work on {count(len(topics), 'topic')}; "
        f"{min} and {distinct_topics} asked for.",
        {"partners": len(partners), "required": min, "topics": len(topics), "topics_required": distinct_topics},
        tuple(sorted(each.id for each in grants)),
    )


@check
def partner_findings(
    on: Records,
    *,
    min: Count,
    per_topic: Count = 0,
    size: Name = "",
    status: Literal["submitted", "answered"] = "submitted",
    max_age_days: Days | None = None,
) -> Outcome:
    """Partners have sent enough findings about the size, and on each topic that they study."""
    if on.findings is None:
        return not_recorded("Findings")
    if per_topic and on.grants is None:
        return not_recorded("The topics of grants")
    sizes = {size} if size else on.stage.all_sizes
    about = [each for each in _sent(on) if each.size in {*sizes, ""} and (status == "submitted" or _answered(each))]
    sure = [each for each in about if each.size and _age_fits(on, each, max_age_days)]
    topics = {topic for each in in_force(on) if each.size in sizes for topic in each.topics} if per_topic else set()
    result = all_of(
        [_enough(min, sure, about), *(_enough(per_topic, _on(topic, sure), _on(topic, about)) for topic in topics)]
    )
    sentence = f"Partners have sent {count(len(sure), 'finding')} that {'count' if len(sure) != 1 else 'counts'}"
    sentence += f", {len(about) - len(sure)} more of no stated size or too old; {min} asked for."
    numbers = {"findings": len(sure), "uncertain": len(about) - len(sure), "required": min, "per_topic": per_topic}
    return Outcome(result, sentence, numbers, tuple(sorted(each.id for each in sure)))


def _sent(on: Records) -> Iterator[Finding]:
    return (each for each in on.findings or () if each.status is not FindingStatus.DRAFT and each.sent_at <= on.at)


def _answered(finding: Finding) -> bool:
    return finding.status.is_answered


def _age_fits(on: Records, finding: Finding, max_age_days: int | None) -> bool:
    return max_age_days is None or on.days_since(finding.sent_at) <= max_age_days


def _enough(limit: int, sure: list[Finding], about: list[Finding]) -> Result:
    return number_at_least(limit, sure=len(sure), unsure=len(about) - len(sure))


def _on(topic: str, findings: list[Finding]) -> list[Finding]:
    return [each for each in findings if each.topic == topic]


def _severe(on: Records, findings: Iterable[Finding], least: str) -> tuple[list[Finding], list[Finding]]:
    """Those of the stage's sizes that are severe enough, and those that may be: not rated, or of no stated size."""
    concerned = [each for each in findings if each.size in {*on.stage.all_sizes, ""}]
    severe = [each for each in concerned if each.severity is None or each.severity.reaches(least)]
    sure = [each for each in severe if each.severity is not None and each.size]
    return sure, [each for each in severe if each not in sure]


@check
def findings_answered(on: Records, *, max_open: Count = 0, severity_at_least: SeverityName = "low") -> Outcome:
    """Not too many severe findings wait for an answer."""
    if on.findings is None:
        return not_recorded("Findings")
    sure, unsure = _severe(on, (each for each in _sent(on) if not _answered(each)), severity_at_least)
    sentence = (
        f"{count(len(sure), 'finding')} of {severity_at_least} severity or more without an answer, "
        f"and {len(unsure)} of unknown severity or size; {max_open} allowed."
    )
    return Outcome(
        number_at_most(max_open, sure=len(sure), unsure=len(unsure)),
        sentence,
        {"open": len(sure), "uncertain": len(unsure), "allowed": max_open},
        tuple(sorted(each.id for each in (*sure, *unsure))),
    )


@check
def no_adverse_finding(
    on: Records, *, severity_at_least: SeverityName = "high", unless_mitigated: bool = True
) -> Outcome:
    """No severe finding says that the risk is higher than thought, unless what it found was mitigated."""
    if on.findings is None:
        return not_recorded("Findings")
    raising = [each for each in _sent(on) if each.direction == "raises" and not (unless_mitigated and each.mitigated)]
    sure, unsure = _severe(on, raising, severity_at_least)
    sentence = (
        f"{count(len(sure), 'finding')} of {severity_at_least} severity or more that raise the risk, "
        f"and {len(unsure)} of unknown severity or size; none allowed."
    )
    return Outcome(
        number_at_most(0, sure=len(sure), unsure=len(unsure)),
        sentence,
        {"adverse": len(sure), "uncertain": len(unsure)},
        tuple(sorted(each.id for each in (*sure, *unsure))),
    )


@check
def agreement_coverage(
    on: Records, *, percent: Percent = 100, scope: Literal["grants", "organisations", "users"] = "grants"
) -> Outcome:
    """Access that is not public is covered by agreements that were signed and are in force.

    An organisation or a person is covered where all their grants are.
    """
    if on.grants is None:
        return not_recorded("Grants")
    grants = in_force(on)
    pairs = {
        "grants": ((each.id, each.agreed) for each in grants),
        "organisations": ((each.organisation, each.agreed) for each in grants),
        "users": ((user.person, each.agreed) for each in grants for user in each.users),
    }[scope]
    what = f"{scope.capitalize()} under a signed agreement"
    return covered(what, _by_key(pairs).values(), percent, [each.id for each in grants])


@check
def named_users_trained(on: Records, *, percent: Percent = 100) -> Outcome:
    """The people named in grants were trained and have accepted the terms."""
    if on.grants is None:
        return not_recorded("Grants")
    grants = in_force(on)
    pairs = ((user.person, _both(user.trained, user.accepted)) for each in grants for user in each.users)
    what = "Named users who were trained and accepted the terms"
    return covered(what, _by_key(pairs).values(), percent, [each.id for each in grants])


@check
def deletion_attested(on: Records, *, percent: Percent = 100, after_days: Days = 0) -> Outcome:
    """For grants that ended, the organisation attested that it deleted what it had."""
    if on.grants is None or on.deletion_attestations is None:
        return not_recorded("Attestations of deletion")
    due = [each for each in on.grants if not each.public and on.days_since(each.ends_at) >= after_days]
    attested = {each.grant: each.id for each in on.deletion_attestations}
    return covered(
        f"Grants that ended {count(after_days, 'day')} ago or more with deletion attested",
        [each.id in attested for each in due],
        percent,
        [attested[each.id] for each in due if each.id in attested],
        none="No grant has ended, so nothing needs deleting.",
    )
