"""Checks of security, documents and benefit, each at its limit."""

from dataclasses import replace
from datetime import datetime

import pytest

from release_portal.gates.checks.documents import CARD_SECTIONS, FORM_FIELDS
from release_portal.gates.records import (
    Benefit,
    Document,
    Guidelines,
    Opened,
    PartnerCopy,
    RevocationDrill,
    SecurityControl,
    Waiver,
)
from release_portal.releases.models import Audience

from .stage import (
    FAIL,
    MOMENT,
    NO_SIZES,
    NOT_APPLICABLE,
    NOW,
    OPENS,
    PASS,
    STAGE,
    UNKNOWN,
    ago,
    ask,
    case,
    says,
    weights,
)

CONTROLS = {"controls": ["encryption"], "tested_within_days": 90}
TWO_CONTROLS = CONTROLS | {"controls": ["encryption", "two-person access"]}


def control(tested_at: datetime | None = ago(1), *, in_place: bool = True) -> tuple[SecurityControl, ...]:
    return (SecurityControl(id="c", name="encryption", in_place=in_place, tested_at=tested_at),)


SIGNED = {"signed": True}
UNHASHED = {"all_hashed": False}
WITH_CODE = replace(STAGE, opens=(*OPENS, Opened(component="code", level=Audience.OPEN)))
CODE = replace(weights(), id="code", component="code", size="", all_hashed=False)


def copies(*marked: bool | None) -> tuple[PartnerCopy, ...]:
    return tuple(
        PartnerCopy(id=str(number), organisation="northlake", size="355M", marked=each)
        for number, each in enumerate(marked)
    )


HALF = {"percent": 50}
DRILLED = {"hosted_revoke_tested_days": 30}


def drill(at: datetime, *, succeeded: bool = True, id_: str = "1") -> tuple[RevocationDrill, ...]:
    return (RevocationDrill(id=id_, at=at, succeeded=succeeded),)


def document(filled: list[str], **fields) -> tuple[Document, ...]:
    return (Document(**({"id": "d", "filled": tuple(filled), "size": "355M"} | fields)),)


CARD, FORM = document(CARD_SECTIONS), document(FORM_FIELDS)
AUTHORITIES = {"audience": "authorities"}
MIT = {"version": "MIT-2"}


def guidelines(version: str = "2", *, live: bool = True) -> tuple[Guidelines, ...]:
    return (Guidelines(id="g", version=version, live=live),)


def uses(*named: str, evidenced: bool = True) -> tuple[Benefit, ...]:
    return tuple(Benefit(id=str(number), use=each, evidenced=evidenced) for number, each in enumerate(named))


def waivers(number: int, **fields) -> tuple[Waiver, ...]:
    defaults = {"key": "memorisation", "blocking": True, "valid": True, "expires_at": ago(-1)}
    return tuple(Waiver(id=str(each), **(defaults | fields)) for each in range(number))


BLOCKING = {"max": 9, "max_blocking": 1}

CASES = [
    case("weight_security", PASS, CONTROLS, "exactly 90 days", security_controls=control(ago(90))),
    case("weight_security", UNKNOWN, CONTROLS, "a moment longer ago", security_controls=control(ago(90) - MOMENT)),
    case("weight_security", PASS, CONTROLS, "a moment later", security_controls=control(ago(90) + MOMENT)),
    case("weight_security", UNKNOWN, CONTROLS, "never tested", security_controls=control(None)),
    case("weight_security", FAIL, CONTROLS, "not in place", security_controls=control(in_place=False)),
    case("weight_security", UNKNOWN, TWO_CONTROLS, "one of two controls", security_controls=control()),
    case("weight_security", UNKNOWN, CONTROLS, "no control", security_controls=()),
    case("weight_security", UNKNOWN, CONTROLS, "not recorded"),
    case("artefact_integrity", PASS, {}, "as hashed"),
    case("artefact_integrity", FAIL, {}, "not all hashed", artefacts=(weights(**UNHASHED),)),
    case("artefact_integrity", PASS, {"all_hashed": False}, "need not", artefacts=(weights(**UNHASHED),)),
    case(
        "artefact_integrity",
        PASS,
        {},
        "another size's do not count",
        artefacts=(weights(), weights("124M", **UNHASHED)),
    ),
    case("artefact_integrity", FAIL, {}, "code that it opens", artefacts=(weights(), CODE), stage=WITH_CODE),
    case("artefact_integrity", PASS, {}, "code that it does not open", artefacts=(weights(), CODE)),
    case("artefact_integrity", FAIL, SIGNED, "not signed", artefacts=(weights(signed=False),)),
    case("artefact_integrity", PASS, SIGNED, "signed"),
    case("artefact_integrity", PASS, {}, "need not be signed", artefacts=(weights(signed=False),)),
    case("artefact_integrity", FAIL, {}, "changed on disk", artefacts=(weights(changed_on_disk=True),)),
    case("artefact_integrity", UNKNOWN, {}, "not compared", artefacts=(weights(changed_on_disk=None),)),
    case("artefact_integrity", UNKNOWN, {}, "nothing registered", artefacts=(weights("124M"),)),
    case("artefact_integrity", UNKNOWN, {}, "not recorded", artefacts=None),
    case("artefact_integrity", NOT_APPLICABLE, {}, "no files", stage=NO_SIZES),
    case("recipient_fingerprint", PASS, {}, "all", partner_copies=copies(True, True)),
    case("recipient_fingerprint", FAIL, {}, "one of two", partner_copies=copies(True, False)),
    case("recipient_fingerprint", PASS, HALF, "exactly half", partner_copies=copies(True, False)),
    case("recipient_fingerprint", FAIL, HALF, "a third", partner_copies=copies(True, False, False)),
    case("recipient_fingerprint", UNKNOWN, {}, "one is not recorded", partner_copies=copies(True, None)),
    case("recipient_fingerprint", NOT_APPLICABLE, {}, "no copy", partner_copies=()),
    case("recipient_fingerprint", UNKNOWN, {}, "not recorded"),
    case("rollback_ready", PASS, DRILLED, "exactly 30 days", revocation_drills=drill(ago(30))),
    case("rollback_ready", UNKNOWN, DRILLED, "a moment longer ago", revocation_drills=drill(ago(30) - MOMENT)),
    case("rollback_ready", PASS, DRILLED, "a moment later", revocation_drills=drill(ago(30) + MOMENT)),
    case("rollback_ready", PASS, DRILLED, "in this moment", revocation_drills=drill(NOW)),
    case("rollback_ready", UNKNOWN, DRILLED, "in the next moment", revocation_drills=drill(NOW + MOMENT)),
    case("rollback_ready", FAIL, DRILLED, "it failed", revocation_drills=drill(ago(1), succeeded=False)),
    case(
        "rollback_ready",
        PASS,
        DRILLED,
        "the last counts",
        revocation_drills=drill(ago(9), succeeded=False) + drill(ago(1), id_="2"),
    ),
    case("rollback_ready", UNKNOWN, DRILLED, "never", revocation_drills=()),
    case("rollback_ready", UNKNOWN, DRILLED, "not recorded"),
    case("card_complete", PASS, {}, "all sections", cards=CARD),
    case("card_complete", FAIL, {}, "a section misses", cards=document(CARD_SECTIONS[1:])),
    case("card_complete", PASS, {"sections": ["metrics"]}, "sections asked for", cards=document(["metrics"])),
    case("card_complete", FAIL, {}, "another size's", cards=document(CARD_SECTIONS, size="124M")),
    case("card_complete", PASS, {}, "the family's", cards=document(CARD_SECTIONS, size="")),
    case("card_complete", FAIL, AUTHORITIES, "for another audience", cards=CARD),
    case("card_complete", PASS, AUTHORITIES, "for the audience", cards=document(CARD_SECTIONS, **AUTHORITIES)),
    case("card_complete", FAIL, {}, "none", cards=()),
    case("card_complete", UNKNOWN, {}, "not recorded"),
    case("card_complete", NOT_APPLICABLE, {}, "no size", cards=(), stage=NO_SIZES),
    case("documentation_form_complete", PASS, {}, "all fields", documentation_forms=FORM),
    case("documentation_form_complete", FAIL, {}, "a field misses", documentation_forms=document(FORM_FIELDS[1:])),
    case(
        "documentation_form_complete",
        PASS,
        {"fields": ["energy"]},
        "fields asked for",
        documentation_forms=document(["energy"]),
    ),
    case("documentation_form_complete", FAIL, AUTHORITIES, "for another audience", documentation_forms=FORM),
    case("documentation_form_complete", UNKNOWN, {}, "a card is no form", cards=CARD),
    case("documentation_form_complete", NOT_APPLICABLE, {}, "no size", documentation_forms=(), stage=NO_SIZES),
    case("licence_set", PASS, MIT, "the version", artefacts=(weights(licence_version="MIT-2"),)),
    case("licence_set", FAIL, MIT, "another version", artefacts=(weights(licence_version="MIT-1"),)),
    case("licence_set", PASS, {}, "any licence", artefacts=(weights(licence_version="MIT-1"),)),
    case("licence_set", FAIL, {}, "none"),
    case(
        "licence_set",
        FAIL,
        {},
        "one of two",
        artefacts=(weights(licence_version="MIT-1"), weights(id="w")),
    ),
    case("licence_set", UNKNOWN, {}, "nothing registered", artefacts=()),
    case("licence_set", UNKNOWN, {}, "not recorded", artefacts=None),
    case("licence_set", NOT_APPLICABLE, {}, "no files", stage=NO_SIZES),
    case("guidelines_published", PASS, {}, "live", guidelines=guidelines()),
    case("guidelines_published", FAIL, {}, "not live", guidelines=guidelines(live=False)),
    case("guidelines_published", PASS, {"version": "2"}, "the version", guidelines=guidelines()),
    case("guidelines_published", FAIL, {"version": "3"}, "another version", guidelines=guidelines()),
    case("guidelines_published", FAIL, {}, "none", guidelines=()),
    case("guidelines_published", UNKNOWN, {}, "not recorded"),
    case("benefit_case", PASS, {"uses_min": 2}, "two of two", benefits=uses("writing aid", "teaching")),
    case("benefit_case", FAIL, {"uses_min": 3}, "two of three", benefits=uses("writing aid", "teaching")),
    case("benefit_case", PASS, {"uses_min": 1}, "two of one", benefits=uses("writing aid", "teaching")),
    case("benefit_case", FAIL, {"uses_min": 2}, "one twice", benefits=uses("teaching", "teaching")),
    case("benefit_case", FAIL, {}, "no evidence", benefits=uses("teaching", evidenced=False)),
    case("benefit_case", PASS, {"evidence": False}, "needs none", benefits=uses("teaching", evidenced=False)),
    case("benefit_case", UNKNOWN, {}, "not recorded"),
    case("waivers_max", PASS, {"max": 2}, "two of two", waivers=waivers(2)),
    case("waivers_max", FAIL, {"max": 2}, "three of two", waivers=waivers(3)),
    case("waivers_max", PASS, {"max": 2}, "one of two", waivers=waivers(1)),
    case("waivers_max", PASS, {"max": 0}, "expired now", waivers=waivers(1, expires_at=NOW)),
    case("waivers_max", FAIL, {"max": 0}, "expires in a moment", waivers=waivers(1, expires_at=NOW + MOMENT)),
    case("waivers_max", PASS, {"max": 0}, "not valid", waivers=waivers(1, valid=False)),
    case("waivers_max", PASS, BLOCKING, "one blocking of one", waivers=waivers(1)),
    case("waivers_max", FAIL, BLOCKING, "two blocking of one", waivers=waivers(2)),
    case("waivers_max", PASS, BLOCKING, "none blocking", waivers=waivers(2, blocking=False)),
    case("waivers_max", UNKNOWN, {"max": 0}, "not recorded"),
]


@pytest.mark.parametrize(("check", "expected", "given", "facts"), CASES)
def test_the_check_says(check, expected, given, facts) -> None:
    assert says(check, expected, given, facts)


def test_waivers_are_counted_in_a_sentence() -> None:
    facts = {"waivers": waivers(2)}
    assert ask("waivers_max", {"max": 3}, facts).sentence == "2 waivers in force, 3 allowed."
    assert ask("waivers_max", BLOCKING, facts).sentence == "2 waivers in force, 9 allowed; 2 of what blocks, 1 allowed."


def test_a_document_that_lacks_something_says_what() -> None:
    outcome = ask("card_complete", {}, {"cards": document(CARD_SECTIONS[2:])})
    assert outcome.sentence == "The model card of 355M for the audience public lacks: intended use and model details."
    assert ask("card_complete", {}, {"cards": ()}).sentence.endswith("is not there.")
