from importlib import import_module

import pytest
from allauth.account.models import EmailAddress
from django.apps import apps
from django.db import connection

from release_portal.lib.states import Refused
from release_portal.partners import actions
from release_portal.partners.domains import proven_domain
from release_portal.partners.models import Partner
from release_portal.partners.vetting import signals_of

from .. import factories


def shown_signals(partner: Partner) -> dict[str, tuple[str, str]]:
    return {signal.label: (signal.word, signal.tone) for signal in signals_of(partner)}


def test_signals_are_said_each_on_its_own(applied):
    assert shown_signals(applied) == {
        "Name": ("Its own", "good"),
        "Names that look like it": ("None", "good"),
        "Web sites that look like its own": ("None", "good"),
        "Applicant's e-mail": ("Verified", "good"),
        "Applicant's e-mail and web site": ("Matches", "good"),
        "Contact e-mail and web site": ("Matches", "good"),
        "Earlier under this legal name": ("None", "off"),
        "Earlier under this web site": ("None", "off"),
        "Country": ("United Kingdom", "off"),
    }


def test_signal_of_an_address_that_nobody_verified(applied, ada):
    EmailAddress.objects.filter(user=ada).update(verified=False)
    assert shown_signals(applied)["Applicant's e-mail"] == ("Not verified", "wait")


@pytest.mark.parametrize(
    ("website", "contact", "word"),
    [
        ("https://www.northlake.example/about", "x@northlake.example", "Matches"),
        ("https://physics.northlake.example", "x@northlake.example", "Matches"),
        ("https://northlake.example", "x@mail.northlake.example", "Matches"),
        ("https://northlake.example", "x@notnorthlake.example", "Differs"),
        ("https://northlake.example", "x@freemail.example", "Differs"),
        ("https://NORTHLAKE.example.", "x@Northlake.example", "Matches"),
        ("https://bücher.example", "x@xn--bcher-kva.example", "Matches"),
        ("https://xn--bcher-kva.example", "x@bücher.example", "Matches"),
        ("https://faß.example", "x@faß.example", "Differs"),  # a browser goes to faß, mail to fass
        ("https://northlake.co.uk", "x@co.uk", "Differs"),
        ("https://co.uk", "x@northlake.co.uk", "Differs"),
        ("https://northlake.github.io", "x@github.io", "Differs"),
        ("https://northlake.ac.uk", "x@mail.northlake.ac.uk", "Matches"),
        ("https://gmail.com", "x@gmail.com", "Differs"),
        ("https://10.0.0.1", "x@0.1", "Differs"),
    ],
)
def test_signal_of_a_domain_against_the_web_site(applied, website, contact, word):
    applied.website, applied.contact_email = website, contact
    assert shown_signals(applied)["Contact e-mail and web site"][0] == word


def test_signals_of_past_dealings_name_their_outcomes(applied, ada, rita, application):
    actions.decline(by=rita, partner=applied, reason="Too vague.")
    other = application("Northlake Press") | {"website": "https://www.northlake.example/press"}
    press = actions.apply(by=ada, **other)
    again = actions.apply(by=ada, **application())
    found = {signal.label: signal for signal in signals_of(again)}
    by_name, by_site = found["Earlier under this legal name"], found["Earlier under this web site"]
    assert (by_name.word, by_site.word) == ("Found", "Found")
    assert f"declined by Rita Moss on {applied.decided_at:%-d %B %Y}" in by_name.sentence
    assert "Northlake Press" not in by_name.sentence
    assert f"Northlake Press applied on {press.applied_at:%-d %B %Y}: waiting for review" in by_site.sentence


def test_signals_do_not_look_at_sites_that_only_contain_the_name(applied, ada, application):
    factories.PartnerFactory(website="https://notnorthlake.example", applied_at=applied.applied_at)
    assert shown_signals(applied)["Earlier under this web site"] == ("None", "off")


def test_signal_warns_of_another_organisation_of_the_name(northlake, cleo, application):
    again = actions.apply(by=cleo, **application("UNIVERSITY  of Northlake"))
    signal = next(each for each in signals_of(again) if each.label == "Name")
    assert (signal.word, signal.tone) == ("Taken", "bad")
    admitted = f"admitted by Rita Moss on {northlake.decided_at:%-d %B %Y}"
    assert signal.sentence == f"Another organisation of this name is here: University of Northlake, {admitted}."


LOOKALIKES = {
    "Universit\u0443 of Northl\u0430ke": [
        "“\u0443” (CYRILLIC SMALL LETTER U) looks like “y”",
        "“\u0430” (CYRILLIC SMALL LETTER A) looks like “a”",
    ],
    "University of N0rthlake": [],
    "UNlVERSITY OF NORTHLAKE": [],
    "University \u03bff Northlake": ["“\u03bf” (GREEK SMALL LETTER OMICRON) looks like “o”"],
    "UNIVERSITY OF NORT\u041dL\u0410\u041aE": ["“\u041d” (CYRILLIC CAPITAL LETTER EN) looks like “H”"],
    "University of \u039dORTHLAKE": ["“\u039d” (GREEK CAPITAL LETTER NU) looks like “N”"],
}


@pytest.mark.parametrize("name", LOOKALIKES)
def test_signal_warns_of_a_name_that_looks_like_another_and_says_why(northlake, cleo, application, name):
    again = actions.apply(by=cleo, **application(name, website="https://elsewhere.example"))
    signal = next(each for each in signals_of(again) if each.label == "Names that look like it")
    assert (signal.word, signal.tone) == ("Found", "bad")
    assert f"“{name}” looks like University of Northlake (northlake.example), admitted by Rita Moss" in signal.sentence
    assert [odd for odd in LOOKALIKES[name] if odd not in signal.sentence] == []
    assert shown_signals(again)["Name"] == ("Its own", "good"), "it is another name, which only looks the same"


@pytest.mark.parametrize("name", ["University of Southlake", "Northlake", "Université de Northlake"])
def test_names_that_do_not_look_alike_are_no_warning(northlake, cleo, application, name):
    again = actions.apply(by=cleo, **application(name, website="https://elsewhere.example"))
    assert shown_signals(again)["Names that look like it"] == ("None", "good")


@pytest.mark.parametrize(
    ("website", "looks", "earlier"),
    [
        ("https://northl\u0430ke.example", "Found", "None"),
        ("https://xn--northlke-66g.example", "Found", "None"),
        ("https://n0rthlake.example/about", "Found", "None"),
        ("https://about.n0rthlake.example", "Found", "None"),
        ("https://www.NORTHLAKE.EXAMPLE", "None", "Found"),
        ("https://physics.northlake.example", "None", "None"),
        ("https://southlake.example", "None", "None"),
    ],
)
def test_signal_warns_of_a_web_site_that_looks_like_another(northlake, cleo, application, website, looks, earlier):
    again = actions.apply(by=cleo, **application("Southlake", website=website))
    assert shown_signals(again)["Web sites that look like its own"][0] == looks
    assert shown_signals(again)["Earlier under this web site"][0] == earlier


UNSEEN = ["\u034f", "\ufe0f", "\U000e0101", "\u180b", "\u17b4", "\u200b", "\u2060", "\u00ad", "\ufeff"]


@pytest.mark.parametrize("unseen", UNSEEN, ids=lambda each: f"U+{ord(each):04X}")
def test_name_with_what_shows_nothing_is_the_same_name(northlake, cleo, application, unseen):
    again = actions.apply(by=cleo, **application(f"University of North{unseen}lake"))
    assert shown_signals(again)["Name"] == ("Taken", "bad")


@pytest.mark.parametrize("blank", ["\u3164", "\u115f", "\uffa0", "\u2800", "\u00a0", "\u3000"])
def test_name_with_another_space_is_the_same_name(northlake, cleo, application, blank):
    again = actions.apply(by=cleo, **application(f"University{blank}of Northlake"))
    assert shown_signals(again)["Name"] == ("Taken", "bad")


def test_letters_that_the_other_name_has_too_are_no_cause(cleo, ada, application):
    """The table of Unicode pairs “ö” with a letter of another script, too."""
    actions.apply(by=cleo, **application("Universität Köln", website="https://koeln.example"))
    again = actions.apply(by=ada, **application("Univ\u0435rsität Köln", website="https://other.example"))
    signal = next(each for each in signals_of(again) if each.label == "Names that look like it")
    assert signal.sentence.endswith(": “\u0435” (CYRILLIC SMALL LETTER IE) looks like “e”.")


def test_a_corrected_application_is_compared_as_it_is_now(northlake, cleo, rita, application):
    again = actions.apply(by=cleo, **application("Southlake", website="https://southlake.example"))
    actions.return_application(by=rita, partner=again, reason="Give your legal name.")
    corrected = application("University of N0rthlake", website="https://n0rthlake.example")
    del corrected["will_sign"]
    actions.correct_application(by=cleo, partner=again, **corrected)
    again.refresh_from_db()
    assert (
        shown_signals(again)["Names that look like it"][0]
        == shown_signals(again)["Web sites that look like its own"][0]
        == "Found"
    )
    assert (again.name_skeleton, again.domain_skeleton) == (northlake.name_skeleton, northlake.domain_skeleton)


def test_lookalikes_of_rows_of_before_are_found_by_the_migration(northlake):
    before = (northlake.name_skeleton, northlake.domain_skeleton)
    Partner.objects.filter(pk=northlake.pk).update(name_skeleton="", domain_skeleton="", folded_name="of before")
    import_module("release_portal.partners.migrations.0019_lookalikes").compare(
        apps, connection.SchemaEditorClass(connection)
    )
    northlake.refresh_from_db()
    assert (northlake.name_skeleton, northlake.domain_skeleton) == before
    assert (northlake.folded_name, all(before)) == ("university of northlake", True)


def test_applicant_proves_no_domain_under_which_anybody_gets_a_name(applied, ada):
    for website, email, proven in [
        ("https://northlake.example", "ada@northlake.example", "northlake.example"),
        ("https://bücher.example", "ada@bücher.example", "xn--bcher-kva.example"),
        ("https://co.uk", "ada@co.uk", ""),
        ("https://github.io", "ada@github.io", ""),
        ("https://gmail.com", "ada@gmail.com", ""),
    ]:
        EmailAddress.objects.filter(user=ada).update(email=email)
        applied.website = website
        assert proven_domain(applied) == proven, website


@pytest.mark.parametrize(
    "website",
    [
        "https://northlake.example\\@evil.example/",
        "https://northlake.example@evil.example/",
        "https://ada:key@northlake.example",
        "ftp://northlake.example",
        "javascript:alert(1)",
        "https://[::1",
        "northlake",
    ],
)
def test_web_site_that_a_browser_opens_elsewhere_is_refused(ada, client_of, application, website):
    with pytest.raises(Refused) as refused:
        actions.apply(by=ada, **application("Southlake", website=website))
    assert refused.value.field == "website"
    page = client_of(ada).post("/organisations/apply/", application("Southlake", website=website))
    assert page.context["form"].errors["website"]
