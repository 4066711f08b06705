"""Mail to people who do not know the portal yet: in whose name, and with which words."""

import pytest

from release_portal.lib.states import Refused
from release_portal.lib.text import plain_name
from release_portal.partners import actions
from release_portal.partners.models import Letter, Role

from .. import factories
from .test_rates import sign_up

ADVERTISEMENT = "Win money at http://evil.example/x now or write to win@evil.example"


@pytest.fixture
def viewer(db):
    return list(Role.objects.filter(code="viewer"))


def test_invite_a_stranger_before_admission_is_refused(applied, ada, rita, viewer):
    with pytest.raises(Refused) as refused:
        actions.invite(by=ada, partner=applied, email="victim@elsewhere.example", roles=viewer)
    assert refused.value.sentence == (
        "Until the lab has admitted University of Northlake, it can invite only addresses at northlake.example; you "
        "gave victim@elsewhere.example. Others can be invited once it is admitted."
    )
    assert refused.value.field == "email"
    assert not Letter.objects.filter(to="victim@elsewhere.example").exists()
    actions.admit(by=rita, partner=applied)
    actions.invite(by=ada, partner=applied, email="victim@elsewhere.example", roles=viewer)


def test_invite_an_address_of_the_own_domain_before_admission(applied, ada, viewer):
    assert actions.invite(by=ada, partner=applied, email="dora@Northlake.example", roles=viewer).pk


@pytest.mark.parametrize(
    "email", ["dora@sub.northlake.example", "dora@xnorthlake.example", "northlake.example@x.example"]
)
def test_invite_an_address_like_the_own_domain_before_admission_is_refused(applied, ada, viewer, email):
    with pytest.raises(Refused, match="only addresses at northlake.example"):
        actions.invite(by=ada, partner=applied, email=email, roles=viewer)


def test_domain_that_the_applicant_has_no_address_at_is_not_their_own(ada, application, viewer):
    partner = actions.apply(by=ada, **application("Victim", "victim.example"))
    with pytest.raises(
        Refused, match="it can invite nobody, as its applicant has shown no address at its own web site"
    ):
        actions.invite(by=ada, partner=partner, email="chief@victim.example", roles=viewer)


def test_address_that_is_not_confirmed_shows_nothing(ada, application, viewer):
    ada.emailaddress_set.update(verified=False)
    partner = actions.apply(by=ada, **application())
    with pytest.raises(Refused, match="it can invite nobody"):
        actions.invite(by=ada, partner=partner, email="dora@northlake.example", roles=viewer)


def test_domain_at_which_anybody_gets_an_address_is_nobodys_own(application, viewer):
    mallory = factories.UserFactory(email="mallory@gmail.com")
    partner = actions.apply(by=mallory, **application("Research", "gmail.com"))
    with pytest.raises(Refused, match="it can invite nobody"):
        actions.invite(by=mallory, partner=partner, email="victim@gmail.com", roles=viewer)


def test_invitation_is_not_sent_again_to_a_stranger_after_a_correction(applied, ada, rita, application, viewer):
    invitation = actions.invite(by=ada, partner=applied, email="dora@northlake.example", roles=viewer)
    actions.return_application(by=rita, partner=applied, reason="Which site?")
    details = {name: value for name, value in application(domain="other.example").items() if name != "will_sign"}
    actions.correct_application(by=ada, partner=applied, **details)
    invitation.refresh_from_db()
    with pytest.raises(Refused, match="it can invite nobody"):
        actions.resend_invitation(by=ada, invitation=invitation)


@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("Ada Lowell", "Ada Lowell"),
        ("J.R.R. Tolkien", "J. R. R. Tolkien"),
        ("St. Mary's", "St. Mary's"),
        ("http://evil.example/x", "http: / / evil. example/ x"),
        ("www。evil．example", "www. evil. example"),
        ("me@evil.example", "me@ evil. example"),
        ("A" * 200, "A" * 60 + "…"),
        ("two\nlines", "two lines"),
    ],
)
def test_name_in_mail_to_strangers_is_short_and_no_link(name, plain):
    assert plain_name(name) == plain


def test_advertisement_in_the_place_of_names_makes_no_link(application, rita, viewer):
    mallory = factories.UserFactory(name=ADVERTISEMENT)
    partner = actions.apply(by=mallory, **application(ADVERTISEMENT))
    actions.admit(by=rita, partner=partner)
    actions.invite(by=mallory, partner=partner, email="victim@elsewhere.example", roles=viewer)
    sign_up("second@elsewhere.example", name=ADVERTISEMENT)
    for to in ("victim@elsewhere.example", "second@elsewhere.example"):
        letter = Letter.objects.get(to=to)
        for text in (letter.subject, letter.body, letter.html):
            assert "evil.example" not in text
            assert "://evil" not in text
        assert "Win money at" in letter.body
