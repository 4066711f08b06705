"""Checks of people and process, each at its limit."""

from datetime import datetime
from itertools import permutations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from release_portal.gates.checks.people import _filled
from release_portal.gates.records import (
    ActorAssessment,
    DecisionRecord,
    Dissent,
    ExternalReview,
    Kind,
    LogScan,
    Notice,
    PanelVote,
    PublicModel,
    Signoff,
)

from .stage import FAIL, MOMENT, NOW, PASS, UNKNOWN, ago, ask, case, evaluation, says


def signed(person: str, *roles: str, run_id: str = "run-1", at: datetime = NOW, again: str = "") -> Signoff:
    return Signoff(id=f"{person}{again}", person=person, roles=roles, run_id=run_id, at=at)


TWO = {"people": 2, "roles": {"legal": 1, "security": 1}}
RITA, TOM = signed("rita", "legal"), signed("tom", "security")
NOT_AUTHORS = TWO | {"exclude_evidence_authors": True}


def by(author: str):
    return (evaluation(Kind.BIAS, 0, authors=(author,)),)


def review(**fields):
    defaults = {"id": "r", "at": ago(1), "reviewers": ("x", "y"), "independent": True, "report_attached": True}
    return (ExternalReview(**(defaults | fields)),)


def vote(in_favour: int, against: int, abstained: int = 0, *, at: datetime = ago(1), id_: str = "v") -> PanelVote:
    return PanelVote(id=id_, at=at, in_favour=in_favour, against=against, abstained=abstained)


def majority(kind: str) -> dict[str, object]:
    return {"quorum": 3, "majority": kind}


FILLED = ("options", "reasons", "expected_results", "reversal_conditions", "review_date")
CLASSES = {"classes": ["platforms", "press"], "days_before": 7}


def notices(moment: datetime):
    return (
        Notice(id="1", party_class="platforms", sent_at=moment),
        Notice(id="2", party_class="press", sent_at=ago(30)),
    )


CASES = [
    case("signoffs", PASS, TWO, "two people in two roles", signoffs=(RITA, TOM)),
    case("signoffs", PASS, TWO, "more people than needed", signoffs=(RITA, TOM, signed("mara"))),
    case("signoffs", FAIL, TWO, "one person in both roles", signoffs=(signed("rita", "legal", "security"),)),
    case("signoffs", FAIL, TWO, "nobody is there for security", signoffs=(RITA, signed("tom", "legal"))),
    case("signoffs", FAIL, {"people": 3} | {"roles": TWO["roles"]}, "a person short", signoffs=(RITA, TOM)),
    case("signoffs", FAIL, {"people": 2}, "one person twice", signoffs=(RITA, signed("rita", "legal", again="2"))),
    case("signoffs", PASS, {"people": 2}, "any two", signoffs=(RITA, signed("tom"))),
    case(
        "signoffs",
        PASS,
        TWO,
        "who has two roles leaves the one that only he has to the other",
        signoffs=(signed("rita", "legal", "security"), signed("tom", "legal")),
    ),
    case(
        "signoffs",
        PASS,
        TWO | {"distinct_people": False},
        "one person may be both",
        signoffs=(signed("rita", "legal", "security"),),
    ),
    case(
        "signoffs",
        FAIL,
        {"people": 2, "roles": {"legal": 2}, "distinct_people": False},
        "one person is not two of one role",
        signoffs=(signed("rita", "legal", "security"),),
    ),
    case(
        "signoffs",
        FAIL,
        {"people": 3, "roles": {"legal": 1}, "distinct_people": False},
        "two roles are not three signatures",
        signoffs=(signed("rita", "legal", "security"),),
    ),
    case("signoffs", FAIL, NOT_AUTHORS, "the author signed", signoffs=(RITA, TOM), evaluations=by("tom")),
    case("signoffs", PASS, NOT_AUTHORS, "another is the author", signoffs=(RITA, TOM), evaluations=by("mara")),
    case("signoffs", PASS, TWO, "authors may sign", signoffs=(RITA, TOM), evaluations=by("tom")),
    case(
        "signoffs",
        FAIL,
        NOT_AUTHORS,
        "an assessor signed",
        signoffs=(RITA, TOM),
        actor_assessments=(ActorAssessment(id="a", at=ago(1), tier="apt", authors=("rita",)),),
    ),
    case(
        "signoffs",
        FAIL,
        NOT_AUTHORS,
        "who looked at others' models signed",
        signoffs=(RITA, TOM),
        public_models=(PublicModel(id="p", at=ago(1), name="M", parameters=1, authors=("rita",)),),
    ),
    case(
        "signoffs",
        FAIL,
        NOT_AUTHORS,
        "a reviewer signed",
        signoffs=(RITA, TOM),
        external_reviews=review(authors=("rita",)),
    ),
    case(
        "signoffs",
        FAIL,
        NOT_AUTHORS,
        "who scanned the logs signed",
        signoffs=(RITA, TOM),
        log_scan=LogScan(id="l", at=ago(1), found=0, authors=("rita",)),
    ),
    case("signoffs", FAIL, TWO, "of another run", signoffs=(RITA, signed("tom", "security", run_id="run-0"))),
    case(
        "signoffs",
        PASS,
        TWO | {"on_run": False},
        "of any run",
        signoffs=(RITA, signed("tom", "security", run_id="run-0")),
    ),
    case("signoffs", FAIL, TWO, "of the next moment", signoffs=(RITA, signed("tom", "security", at=NOW + MOMENT))),
    case("signoffs", PASS, TWO | {"max_age_days": 7}, "7 days", signoffs=(RITA, signed("tom", "security", at=ago(7)))),
    case(
        "signoffs",
        FAIL,
        TWO | {"max_age_days": 7},
        "a moment older than 7 days",
        signoffs=(RITA, signed("tom", "security", at=ago(7) - MOMENT)),
    ),
    case("signoffs", FAIL, TWO, "nobody signed", signoffs=()),
    case("signoffs", UNKNOWN, TWO, "no run yet", signoffs=(RITA, TOM), run_id=""),
    case("signoffs", PASS, TWO | {"on_run": False}, "no run asked for", signoffs=(RITA, TOM), run_id=""),
    case("signoffs", UNKNOWN, TWO, "not recorded"),
    case("dissent_answered", PASS, {}, "nobody dissents", dissents=()),
    case("dissent_answered", PASS, {}, "answered", dissents=(Dissent(id="1", answered=True),)),
    case(
        "dissent_answered",
        FAIL,
        {},
        "one is not answered",
        dissents=(Dissent(id="1", answered=True), Dissent(id="2", answered=False)),
    ),
    case("dissent_answered", UNKNOWN, {}, "not recorded"),
    case("external_review", PASS, {"min_reviewers": 2}, "two reviewers", external_reviews=review()),
    case("external_review", FAIL, {"min_reviewers": 3}, "two of three", external_reviews=review()),
    case("external_review", PASS, {"min_reviewers": 1}, "two of one", external_reviews=review()),
    case("external_review", FAIL, {}, "not independent", external_reviews=review(independent=False)),
    case(
        "external_review",
        PASS,
        {"independence": "any"},
        "need not be independent",
        external_reviews=review(independent=False),
    ),
    case("external_review", FAIL, {}, "no report", external_reviews=review(report_attached=False)),
    case(
        "external_review",
        PASS,
        {"report_attached": False},
        "needs no report",
        external_reviews=review(report_attached=False),
    ),
    case("external_review", UNKNOWN, {}, "expired", external_reviews=review(expires_at=NOW)),
    case("external_review", PASS, {}, "expires in a moment", external_reviews=review(expires_at=NOW + MOMENT)),
    case("external_review", UNKNOWN, {}, "none", external_reviews=()),
    case("external_review", UNKNOWN, {}, "not recorded"),
    case("panel_vote", PASS, majority("simple"), "two to one", panel_votes=(vote(2, 1),)),
    case("panel_vote", FAIL, majority("simple"), "a tie", panel_votes=(vote(2, 2),)),
    case("panel_vote", FAIL, majority("simple"), "one to two", panel_votes=(vote(1, 2),)),
    case("panel_vote", PASS, majority("two_thirds"), "exactly two thirds", panel_votes=(vote(4, 2),)),
    case("panel_vote", FAIL, majority("two_thirds"), "five to three", panel_votes=(vote(5, 3),)),
    case("panel_vote", PASS, majority("two_thirds"), "five to two", panel_votes=(vote(5, 2),)),
    case("panel_vote", PASS, majority("unanimous"), "nobody against", panel_votes=(vote(2, 0, 1),)),
    case("panel_vote", FAIL, majority("unanimous"), "one against", panel_votes=(vote(9, 1),)),
    case("panel_vote", PASS, majority("simple"), "a quorum with who abstains", panel_votes=(vote(1, 0, 2),)),
    case("panel_vote", FAIL, majority("simple"), "no quorum", panel_votes=(vote(1, 0, 1),)),
    case("panel_vote", FAIL, majority("unanimous"), "all abstain", panel_votes=(vote(0, 0, 3),)),
    case(
        "panel_vote",
        FAIL,
        majority("simple"),
        "the last vote counts",
        panel_votes=(vote(3, 0, at=ago(2)), vote(0, 3, id_="w")),
    ),
    case("panel_vote", PASS, majority("simple"), "in this moment", panel_votes=(vote(2, 1, at=NOW),)),
    case("panel_vote", FAIL, majority("simple"), "in the next moment", panel_votes=(vote(2, 1, at=NOW + MOMENT),)),
    case("panel_vote", FAIL, majority("simple"), "no vote", panel_votes=()),
    case("panel_vote", UNKNOWN, majority("simple"), "not recorded"),
    case("decision_record_complete", PASS, {}, "all fields", decision_record=DecisionRecord(id="d", filled=FILLED)),
    case("decision_record_complete", FAIL, {}, "one misses", decision_record=DecisionRecord(id="d", filled=FILLED[1:])),
    case(
        "decision_record_complete",
        PASS,
        {"fields": ["reasons"]},
        "fields asked for",
        decision_record=DecisionRecord(id="d", filled=("reasons",)),
    ),
    case("decision_record_complete", UNKNOWN, {}, "no record"),
    case("affected_parties_notified", PASS, CLASSES, "exactly 7 days", notices=notices(ago(7))),
    case("affected_parties_notified", FAIL, CLASSES, "a moment short of 7 days", notices=notices(ago(7) + MOMENT)),
    case("affected_parties_notified", PASS, CLASSES, "a moment more than 7 days", notices=notices(ago(7) - MOMENT)),
    case("affected_parties_notified", FAIL, CLASSES, "one class misses", notices=notices(ago(7))[1:]),
    case("affected_parties_notified", FAIL, {"classes": ["press"]}, "nobody", notices=()),
    case("affected_parties_notified", FAIL, {"classes": ["press"]}, "tomorrow", notices=(notices(ago(-1))[0],)),
    case("affected_parties_notified", UNKNOWN, CLASSES, "not recorded"),
]


@pytest.mark.parametrize(("check", "expected", "given", "facts"), CASES)
def test_the_check_says(check, expected, given, facts) -> None:
    assert says(check, expected, given, facts)


def test_the_valid_sign_offs_are_the_evidence() -> None:
    late = signed("mara", "legal", at=NOW + MOMENT)
    outcome = ask("signoffs", TWO, {"signoffs": (RITA, TOM, late)})
    assert outcome.evidence == ("rita", "tom")
    assert outcome.sentence == "2 of 2 signatures asked for, and 2 of 2 places by role filled."


@given(
    st.dictionaries(st.sampled_from("abcd"), st.sets(st.sampled_from("xyz")), max_size=4),
    st.lists(st.sampled_from("xyz"), max_size=4),
)
def test_as_many_places_are_filled_as_any_order_of_people_fills(held: dict[str, set[str]], places: list[str]) -> None:
    seats = [*held, *("" for _ in places)]
    best = max(
        sum(place in held.get(person, ()) for place, person in zip(places, order, strict=False))
        for order in permutations(seats, len(places))
    )
    assert _filled(places, held) == best
