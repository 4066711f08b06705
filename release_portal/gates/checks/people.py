"""People and process."""

from typing import Annotated, Literal

from pydantic import Field

from ..logic import Result
from ..records import Records, Signoff
from .registry import Count, Days, Names, Outcome, RoleNames, Some, check, not_recorded, unknown
from .wording import count, listed

DecisionField = Literal["options", "reasons", "expected_results", "reversal_conditions", "review_date"]
DECISION_FIELDS: list[DecisionField] = ["options", "reasons", "expected_results", "reversal_conditions", "review_date"]


@check
def signoffs(
    on: Records,
    *,
    people: Some,
    roles: RoleNames | None = None,
    distinct_people: bool = True,
    exclude_evidence_authors: bool = False,
    max_age_days: Days | None = None,
    on_run: bool = True,
) -> Outcome:
    """Enough people signed this run, each role by as many as it needs.

    One person fills one role only, unless `distinct_people` is off: then a person fills each role that they have, and
    counts once for each. Authors of evidence can be left out.
    """
    if on.signoffs is None:
        return not_recorded("Sign-offs")
    if on_run and not on.run_id:
        return unknown("There is no run yet that could be signed.", required=people)
    excluded = on.evidence_authors() if exclude_evidence_authors else set()
    valid = [
        each
        for each in on.signoffs
        if each.person not in excluded
        and each.at <= on.at
        and (not on_run or each.run_id == on.run_id)
        and (max_age_days is None or on.days_since(each.at) <= max_age_days)
    ]
    return _signed(valid, people, roles or {}, distinct_people)


def _signed(valid: list[Signoff], people: int, roles: dict[str, int], distinct_people: bool) -> Outcome:
    held: dict[str, set[str]] = {}
    for each in valid:
        held[each.person] = held.get(each.person, set()) | set(each.roles)
    places = [role for role, needed in sorted(roles.items()) for _ in range(needed)]
    if distinct_people:
        signed, filled = len(held), _filled(places, held)
    else:
        holders = {role: sum(role in each for each in held.values()) for role in roles}
        signed = sum(max(1, len(each)) for each in held.values())
        filled = sum(min(needed, holders[role]) for role, needed in roles.items())
    sentence = f"{signed} of {count(people, 'signature')} asked for"
    sentence += f", and {filled} of {count(len(places), 'place')} by role filled." if places else "."
    return Outcome(
        Result.of(signed >= people and filled >= len(places)),
        sentence,
        {"signed": signed, "required": people, "roles_filled": filled, "roles_required": len(places)},
        tuple(sorted(each.id for each in valid)),
    )


def _filled(places: list[str], held: dict[str, set[str]]) -> int:
    """How many places can be filled, each by another person who has its role.

    A maximum matching of a bipartite graph by augmenting paths (Kuhn, 1955): a place takes a person who is free, or
    whose present place finds another one.
    """
    place_of: dict[str, int] = {}

    def fill(place: int, asked: set[str]) -> bool:
        for person in sorted(held):
            if places[place] not in held[person] or person in asked:
                continue
            asked.add(person)
            if person not in place_of or fill(place_of[person], asked):
                place_of[person] = place
                return True
        return False

    return sum(fill(place, set()) for place in range(len(places)))


@check
def dissent_answered(on: Records) -> Outcome:
    """Every dissent that was recorded has a written answer."""
    if on.dissents is None:
        return not_recorded("Dissents")
    open_ = sum(not each.answered for each in on.dissents)
    sentence = f"{count(len(on.dissents), 'dissent')} recorded, {open_} without an answer."
    used = tuple(sorted(each.id for each in on.dissents))
    return Outcome(Result.of(not open_), sentence, {"dissents": len(on.dissents), "unanswered": open_}, used)


@check
def external_review(
    on: Records,
    *,
    min_reviewers: Some = 1,
    independence: Literal["independent", "any"] = "independent",
    report_attached: bool = True,
) -> Outcome:
    """Enough reviewers from outside have reviewed, and their report is attached unedited."""
    if on.external_reviews is None:
        return not_recorded("External reviews")
    fresh = [each for each in on.external_reviews if on.is_fresh(each)]
    if not fresh:
        return unknown("There is no current review from outside.", required=min_reviewers)
    fitting = [
        each
        for each in fresh
        if (each.independent or independence == "any") and (each.report_attached or not report_attached)
    ]
    reviewers = {person for each in fitting for person in each.reviewers}
    sentence = f"{count(len(reviewers), 'reviewer')} from outside reviewed as asked for; {min_reviewers} needed."
    return Outcome(
        Result.of(len(reviewers) >= min_reviewers),
        sentence,
        {"reviewers": len(reviewers), "required": min_reviewers},
        tuple(sorted(each.id for each in fresh)),
    )


@check
def panel_vote(
    on: Records, *, quorum: Some, majority: Literal["simple", "two_thirds", "unanimous"] = "simple"
) -> Outcome:
    """A panel with a quorum voted for the release. Who abstains is present but does not vote; the last vote counts."""
    if on.panel_votes is None:
        return not_recorded("Votes of panels")
    votes = sorted((each for each in on.panel_votes if each.at <= on.at), key=lambda each: (each.at, each.id))
    if not votes:
        return Outcome(Result.FAIL, "The panel has not voted.", {"quorum": quorum})
    last = votes[-1]
    cast, present = last.in_favour + last.against, last.in_favour + last.against + last.abstained
    won = {
        "simple": 2 * last.in_favour > cast,
        "two_thirds": 3 * last.in_favour >= 2 * cast,
        "unanimous": last.against == 0,
    }[majority]
    return Outcome(
        Result.of(present >= quorum and cast > 0 and won),
        f"{last.in_favour} voted for the release and {last.against} against it, with {present} of the {quorum} "
        f"present who are needed; a {majority.replace('_', ' ')} majority is asked for.",
        {"in_favour": last.in_favour, "against": last.against, "present": present, "quorum": quorum},
        (last.id,),
    )


@check
def decision_record_complete(
    on: Records, *, fields: Annotated[list[DecisionField], Field(min_length=1)] = DECISION_FIELDS
) -> Outcome:
    """The record of the decision says everything that it has to."""
    if on.decision_record is None:
        return unknown("There is no record of the decision yet.")
    missing = set(fields) - set(on.decision_record.filled)
    sentence = (
        f"The record of the decision lacks: {listed(each.replace('_', ' ') for each in missing)}."
        if missing
        else f"The record of the decision has all of {count(len(fields), 'field')} asked for."
    )
    numbers = {"missing": len(missing), "required": len(fields)}
    return Outcome(Result.of(not missing), sentence, numbers, (on.decision_record.id,))


@check
def affected_parties_notified(on: Records, *, classes: Names, days_before: Count = 0) -> Outcome:
    """Each class of people whom the release touches was written to, enough days before."""
    if on.notices is None:
        return not_recorded("Notices")
    sent = [each for each in on.notices if each.party_class in classes and on.days_since(each.sent_at) >= days_before]
    missing = set(classes) - {each.party_class for each in sent}
    when = f"{count(days_before, 'day')} before" if days_before else "before"
    sentence = (
        f"Not written to {when}: {listed(missing)}."
        if missing
        else f"All affected parties were written to {when}: {listed(set(classes))}."
    )
    numbers = {"missing": len(missing), "required": len(set(classes)), "days_before": days_before}
    return Outcome(Result.of(not missing), sentence, numbers, tuple(sorted(each.id for each in sent)))
