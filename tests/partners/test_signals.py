import pytest
from allauth.account.models import EmailAddress

from release_portal.partners import actions
from release_portal.partners.models import Partner
from release_portal.partners.signals import signals_of

from .. import factories


def told(partner: Partner) -> dict[str, tuple[str, str]]:
    return {signal.label: (signal.word, signal.tone) for signal in signals_of(partner)}


def test_signals_are_said_each_on_its_own(applied):
    assert told(applied) == {
        "Name": ("Its own", "good"),
        "Applicant's e-mail": ("Verified", "good"),
        "Applicant's e-mail and web site": ("Matches", "good"),
        "Contact e-mail and web site": ("Matches", "good"),
        "Earlier under this legal name": ("None", "off"),
        "Earlier under this web site": ("None", "off"),
        "Country": ("United Kingdom", "off"),
    }


def test_signal_of_an_address_that_nobody_verified(applied, ada):
    EmailAddress.objects.filter(user=ada).update(verified=False)
    assert told(applied)["Applicant's e-mail"] == ("Not verified", "wait")


@pytest.mark.parametrize(
    ("website", "contact", "word"),
    [
        ("https://www.northlake.example/about", "x@northlake.example", "Matches"),
        ("https://physics.northlake.example", "x@northlake.example", "Matches"),
        ("https://northlake.example", "x@mail.northlake.example", "Matches"),
        ("https://northlake.example", "x@notnorthlake.example", "Differs"),
        ("https://northlake.example", "x@freemail.example", "Differs"),
    ],
)
def test_signal_of_a_domain_against_the_web_site(applied, website, contact, word):
    applied.website, applied.contact_email = website, contact
    assert told(applied)["Contact e-mail and web site"][0] == word


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
    assert told(applied)["Earlier under this web site"] == ("None", "off")


def test_signal_warns_of_another_organisation_of_the_name(northlake, cleo, application):
    again = actions.apply(by=cleo, **application("UNIVERSITY  of Northlake"))
    signal = next(each for each in signals_of(again) if each.label == "Name")
    assert (signal.word, signal.tone) == ("Taken", "bad")
    admitted = f"admitted by Rita Moss on {northlake.decided_at:%-d %B %Y}"
    assert signal.sentence == f"Another organisation of this name is here: University of Northlake, {admitted}."
