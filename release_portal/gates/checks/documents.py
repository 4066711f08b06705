"""Security, documents and benefit."""

from ..logic import Result
from ..records import Artefact, Document, Records
from .partners import covered
from .registry import Count, Days, Name, Names, Outcome, Percent, Some, check, for_each, not_recorded, unknown
from .wording import count, listed

NO_SIZE = "This stage is about no size."
CARD_SECTIONS = [
    "model_details",
    "intended_use",
    "factors",
    "metrics",
    "evaluation_data",
    "training_data",
    "quantitative_analyses",
    "ethical_considerations",
    "caveats_and_recommendations",
]
"""Mitchell et al., “Model cards for model reporting”, 2019."""
FORM_FIELDS = ["architecture", "acceptable_use", "release_date", "licence", "training_process", "compute", "energy"]


@check
def weight_security(on: Records, *, controls: Names, tested_within_days: Days) -> Outcome:
    """Each control that keeps the weights safe is in place and was tested recently."""
    if on.security_controls is None:
        return not_recorded("Controls of security")
    return for_each(set(controls), lambda name: _controlled(on, name, tested_within_days), none="")


def _controlled(on: Records, name: str, within: int) -> Outcome:
    control = next((each for each in on.security_controls or () if each.name == name), None)
    if control is None:
        return unknown(f"Nothing is recorded of the control {name}.")
    if not control.in_place:
        return Outcome(Result.FAIL, f"The control {name} is not in place.", {}, (control.id,))
    ago = None if control.tested_at is None else on.days_since(control.tested_at)
    if ago is None or ago > within:
        tested = "never" if ago is None else f"{count(int(ago), 'day')} ago"
        return unknown(f"The control {name} was tested {tested}; {count(within, 'day')} are allowed.", days=ago)
    sentence = f"The control {name} is in place and was tested {count(int(ago), 'day')} ago."
    return Outcome(Result.PASS, sentence, {"days": ago, "allowed": within}, (control.id,))


def _registered(on: Records) -> Outcome | list[Artefact]:
    """The artefacts of the stage, or the answer where some size of it has none."""
    if on.artefacts is None:
        return not_recorded("Artefacts")
    artefacts = on.opened_artefacts()
    bare = set(on.stage.sizes) - {each.size for each in artefacts}
    if bare:
        return unknown(f"No file of {listed(bare)} is registered.")
    return artefacts or Outcome(Result.NOT_APPLICABLE, "This stage opens no files.", {})


@check
def artefact_integrity(on: Records, *, all_hashed: bool = True, signed: bool = False) -> Outcome:
    """Every file of the release is in a list with its hash, and is on disk as it was when that was written."""
    artefacts = _registered(on)
    if isinstance(artefacts, Outcome):
        return artefacts

    def intact(id_: str) -> Outcome:
        artefact = by_id[id_]
        name = " ".join(filter(None, (artefact.component, artefact.size)))
        wrong = {
            "has files without a hash": all_hashed and not artefact.all_hashed,
            "is not signed": signed and not artefact.signed,
            "has files that changed on disk": bool(artefact.changed_on_disk),
        }
        said = [words for words, holds in wrong.items() if holds]
        if said:
            return Outcome(Result.FAIL, f"The artefact {name} {listed(said)}.", {}, (id_,))
        if artefact.changed_on_disk is None:
            return unknown(f"The files of the artefact {name} were not compared with their hashes.")
        return Outcome(Result.PASS, "All files of the release are as their hashes say.", {}, (id_,))

    by_id = {each.id: each for each in artefacts}
    return for_each(by_id, intact, none="")


@check
def recipient_fingerprint(on: Records, *, percent: Percent = 100) -> Outcome:
    """Copies that partners hold carry a mark of their own each, so that a leak can be traced."""
    if on.partner_copies is None:
        return not_recorded("Copies of partners")
    copies = on.partner_copies
    what = "Copies of partners with a mark of their own"
    none = "No organisation holds a copy."
    return covered(what, [each.marked for each in copies], percent, [each.id for each in copies], none=none)


@check
def rollback_ready(on: Records, *, hosted_revoke_tested_days: Days) -> Outcome:
    """Taking hosted access back was tried recently, and worked."""
    if on.revocation_drills is None:
        return not_recorded("Drills")
    drills = sorted((each for each in on.revocation_drills if each.at <= on.at), key=lambda each: (each.at, each.id))
    if not drills:
        return unknown("Taking hosted access back was never tried.")
    last = drills[-1]
    ago = on.days_since(last.at)
    numbers = {"days": ago, "allowed": hosted_revoke_tested_days}
    when = f"{count(int(ago), 'day')} ago; {hosted_revoke_tested_days} are allowed"
    if not last.succeeded:
        return Outcome(
            Result.FAIL, f"Taking hosted access back failed when it was last tried, {when}.", numbers, (last.id,)
        )
    result = Result.PASS if ago <= hosted_revoke_tested_days else Result.UNKNOWN
    return Outcome(result, f"Taking hosted access back was last tried {when}.", numbers, (last.id,))


@check
def card_complete(on: Records, *, sections: Names = CARD_SECTIONS, audience: Name = "public") -> Outcome:
    """The model card of each size has every section that its audience needs."""
    return _complete(on, on.cards, "Model cards", "model card", sections, audience)


@check
def documentation_form_complete(on: Records, *, fields: Names = FORM_FIELDS, audience: Name = "public") -> Outcome:
    """The documentation form of each size has every field that its audience needs."""
    return _complete(on, on.documentation_forms, "Documentation forms", "documentation form", fields, audience)


def _complete(
    on: Records, kept: tuple[Document, ...] | None, plural: str, noun: str, required: list[str], audience: str
) -> Outcome:
    if kept is None:
        return not_recorded(plural)

    def complete(size: str) -> Outcome:
        documents = [each for each in kept if each.size in {size, ""} and each.audience == audience]
        filled = {each for document in documents for each in document.filled}
        missing = set(required) - filled
        sentence = f"The {noun} of {size} for the audience {audience} "
        if not documents:
            sentence += "is not there."
        else:
            sentence += f"lacks: {listed(_words(missing))}." if missing else "is complete."
        used = tuple(sorted(each.id for each in documents))
        numbers = {"missing": len(missing), "required": len(set(required))}
        return Outcome(Result.of(not missing), sentence, numbers, used)

    return for_each(on.stage.sizes, complete, none=NO_SIZE)


def _words(names: set[str]) -> list[str]:
    return [each.replace("_", " ") for each in names]


@check
def licence_set(on: Records, *, version: Name = "") -> Outcome:
    """Every file of the release is under a licence: the named version, where one is named."""
    artefacts = _registered(on)
    if isinstance(artefacts, Outcome):
        return artefacts
    without = [each for each in artefacts if not each.licence_version or version not in {"", each.licence_version}]
    what = f"the licence {version}" if version else "a licence"
    sentence = f"{len(artefacts) - len(without)} of {count(len(artefacts), 'artefact')} are under {what}."
    numbers = {"without": len(without), "artefacts": len(artefacts)}
    return Outcome(Result.of(not without), sentence, numbers, tuple(sorted(each.id for each in artefacts)))


@check
def guidelines_published(on: Records, *, version: Name = "") -> Outcome:
    """The guidelines for responsible use are published: the named version, where one is named."""
    if on.guidelines is None:
        return not_recorded("Guidelines")
    live = [each for each in on.guidelines if each.live and version in {"", each.version}]
    what = f"The guidelines for responsible use{f' of version {version}' if version else ''}"
    sentence = f"{what} are {'' if live else 'not '}published."
    return Outcome(Result.of(bool(live)), sentence, {"live": len(live)}, tuple(sorted(each.id for each in live)))


@check
def benefit_case(on: Records, *, uses_min: Some = 1, evidence: bool = True) -> Outcome:
    """Enough uses that do good are described, with evidence of the demand for them."""
    if on.benefits is None:
        return not_recorded("Benefits")
    fitting = [each for each in on.benefits if each.evidenced or not evidence]
    uses = {each.use for each in fitting}
    described = "described with evidence" if evidence else "described"
    sentence = f"{count(len(uses), 'use')} that do good {described}; {uses_min} asked for."
    numbers = {"uses": len(uses), "required": uses_min}
    return Outcome(Result.of(len(uses) >= uses_min), sentence, numbers, tuple(sorted(each.id for each in fitting)))


@check
def waivers_max(on: Records, *, max: Count, max_blocking: Count | None = None) -> Outcome:
    """Not too many waivers are in force for this gate, needed or not. An expired or invalid one counts for nothing."""
    if on.waivers is None:
        return not_recorded("Waivers")
    holding = [each for each in on.waivers if each.holds(on.at)]
    blocking = sum(each.blocking for each in holding)
    sentence = f"{count(len(holding), 'waiver')} in force, {max} allowed"
    sentence += "." if max_blocking is None else f"; {blocking} of what blocks, {max_blocking} allowed."
    return Outcome(
        Result.of(len(holding) <= max and (max_blocking is None or blocking <= max_blocking)),
        sentence,
        {"waivers": len(holding), "allowed": max, "blocking": blocking, "blocking_allowed": max_blocking},
        tuple(sorted(each.id for each in holding)),
    )
