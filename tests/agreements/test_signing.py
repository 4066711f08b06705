import hashlib
import unicodedata
from datetime import timedelta

import pytest
from django.db import DatabaseError, connection, transaction
from django.utils import timezone

from agreements import actions
from agreements.models import Agreement, AgreementVersion, Signature
from agreements.reading import as_html
from release_portal.lib.states import Forbidden, Refused
from release_portal.partners import actions as partners
from release_portal.partners.models import Letter, Membership

from .. import factories


def sign(by, partner, details):
    return actions.sign(by=by, partner=partner, **details)


def test_sign_stores_who_what_when_and_from_where(admitted, ada, agreement_version, signing):
    before = timezone.now()
    signature = sign(ada, admitted, signing(agreement_version, legal_name=" Ada Lowell ", title=" Director "))
    signature.refresh_from_db()
    assert (signature.signer, signature.signer_email) == (ada, "ada@northlake.example")
    assert (signature.legal_name, signature.title) == ("Ada Lowell", "Director")
    assert signature.organisation == "University of Northlake"
    assert (signature.address, signature.user_agent) == ("203.0.113.7", "Firefox")
    assert before <= signature.signed_at <= timezone.now()
    assert signature.authority_statement == "I am authorised to bind University of Northlake by my signature."
    assert signature.intent_statement.startswith(f"I have read the {agreement_version} and I sign it electronically")


@pytest.mark.parametrize("name", ["北野太郎", "Suharto", "Nguyễn\u00a0Văn An", "山田\u3000花子", "Þóra"])
def test_sign_under_the_names_of_the_whole_world(admitted, ada, agreement_version, signing, name):
    assert sign(ada, admitted, signing(agreement_version, legal_name=name)).legal_name == name


def test_signature_names_the_exact_text_that_is_published(northlake, agreement_version, client):
    served = client.get(f"/agreement/{agreement_version.number}/text.md").content
    signature = Signature.objects.get(agreement__partner=northlake)
    assert signature.text_sha256 == hashlib.sha256(served).hexdigest()
    assert served.decode() == factories.AGREEMENT_TEXT.read_text()


def test_agreement_holds_for_the_versions_term(northlake, agreement_version):
    agreement = Agreement.objects.get(partner=northlake)
    assert agreement.ends_at - agreement.starts_at == timedelta(days=agreement_version.term_days)
    in_force = Agreement.objects.filter(partner=northlake)
    assert in_force.in_force(at=agreement.starts_at).exists()
    assert in_force.in_force(at=agreement.ends_at - timedelta(seconds=1)).exists()
    assert not in_force.in_force(at=agreement.ends_at).exists()
    assert not in_force.in_force(at=agreement.starts_at - timedelta(seconds=1)).exists()


def test_agreement_ended_early_or_unsigned_is_not_in_force(northlake, ada):
    now = timezone.now()
    Agreement.objects.filter(partner=northlake).update(ended_at=now, ended_by=ada)
    assert not Agreement.objects.in_force(at=now).filter(partner=northlake).exists()
    factories.AgreementFactory(partner=northlake)
    assert not Agreement.objects.in_force(at=timezone.now()).filter(partner=northlake).exists()


@pytest.mark.parametrize("sql", ["UPDATE {} SET text_sha256 = 'x'", "DELETE FROM {}"])
@pytest.mark.parametrize("table", ["agreements_signature", "agreements_agreementversion"])
@pytest.mark.usefixtures("northlake")
def test_database_binds_a_signature_to_its_version_for_ever(table, sql):
    with pytest.raises(DatabaseError, match="permission denied|only grows"), transaction.atomic():
        connection.cursor().execute(sql.format(table))


def test_database_refuses_to_give_a_signed_agreement_another_version(northlake):
    """The signature names the hash, but the agreement names the version: neither may move."""
    other = actions.publish_version(by=None, text="# Another text\n")
    with pytest.raises(DatabaseError), transaction.atomic():
        Agreement.objects.filter(partner=northlake).update(version=other)


def test_sign_tells_the_organisation_and_the_signatory(northlake, letters, agreement_version):
    subject = f"University of Northlake signed the {agreement_version}"
    assert letters("ada@northlake.example")[-1] == subject
    letter = Letter.objects.get(to="ada@northlake.example", subject=subject)
    assert agreement_version.text_sha256 in letter.body


@pytest.mark.parametrize(
    ("details", "field", "sentence"),
    [
        ({"legal_name": ""}, "legal_name", "Type your full legal name"),
        ({"legal_name": "\u200b\u3000"}, "legal_name", "Type your full legal name"),
        ({"legal_name": "  "}, "legal_name", "Type your full legal name"),
        ({"title": " "}, "title", "Say which office you hold"),
        ({"states_authority": False}, "states_authority", "Confirm that you may sign"),
        ({"states_intent": False}, "states_intent", "Confirm that you mean to sign"),
        ({"text_sha256": "0" * 64}, "", "A newer version was published while you read"),
    ],
)
def test_sign_without_all_that_a_signature_needs_is_refused(
    admitted, ada, agreement_version, signing, details, field, sentence
):
    with pytest.raises(Refused, match=sentence) as refused:
        sign(ada, admitted, signing(agreement_version, **details))
    assert refused.value.field == field
    assert not Agreement.objects.filter(partner=admitted).exists()


def test_sign_a_text_that_was_replaced_while_reading_is_refused(admitted, ada, agreement_version, signing):
    actions.publish_version(by=None, text="# Another text\n")
    with pytest.raises(Refused, match="A newer version was published while you read"):
        sign(ada, admitted, signing(agreement_version))


def test_sign_before_admission_is_refused(applied, ada, agreement_version, signing):
    with pytest.raises(Refused, match="University of Northlake is not admitted yet"):
        sign(ada, applied, signing(agreement_version))


def test_sign_twice_is_refused(northlake, ada, agreement_version, signing):
    with pytest.raises(Refused, match=f"University of Northlake has already signed the {agreement_version}"):
        sign(ada, northlake, signing(agreement_version))
    assert Signature.objects.filter(agreement__partner=northlake).count() == 1


def test_sign_again_after_the_term_is_accepted(admitted, ada, agreement_version, signing):
    ended = timezone.now() - timedelta(days=1)
    earlier = ended - timedelta(days=365)
    factories.AgreementFactory(partner=admitted, starts_at=earlier, ends_at=ended, signed=True)
    sign(ada, admitted, signing(agreement_version))
    assert Agreement.objects.filter(partner=admitted).count() == 2


def test_sign_with_the_longest_names_is_accepted(cleo, rita, application, agreement_version, signing):
    partner = partners.apply(by=cleo, **application("L" * 200))
    partners.admit(by=rita, partner=partner)
    details = signing(agreement_version, legal_name="N" * 59 + " " + "N" * 60, title="T" * 120)
    assert sign(cleo, partner, details).pk


@pytest.mark.parametrize("who", ["cleo", "rita", "zoe_registered"])
def test_sign_for_an_organisation_that_is_not_ones_own_is_forbidden(admitted, agreement_version, signing, request, who):
    by = factories.UserFactory() if who == "zoe_registered" else request.getfixturevalue(who)
    with pytest.raises(Forbidden, match="“Sign agreements” needs a role"):
        sign(by, admitted, signing(agreement_version))


def test_sign_as_a_researcher_is_forbidden(northlake, ben, agreement_version, signing):
    with pytest.raises(Forbidden):
        sign(ben, northlake, signing(agreement_version, legal_name="Ben Hart"))


def test_signatory_who_left_cannot_sign(admitted, ada, agreement_version, signing):
    Membership.objects.filter(user=ada).update(ended_at=timezone.now(), ended_by=ada)
    with pytest.raises(Forbidden):
        sign(ada, admitted, signing(agreement_version))


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("# Text\r\nof two lines", "# Text\nof two lines\n"),
        ("\n\n# Text\n\n\n", "# Text\n"),
        (unicodedata.normalize("NFD", "Café\n"), "Café\n"),
        ("# Text\n", "# Text\n"),
    ],
)
def test_text_has_one_form(typed, kept, db):
    version = actions.publish_version(by=None, text=typed)
    assert version.text == kept
    assert version.text_sha256 == hashlib.sha256(kept.encode()).hexdigest()
    assert actions.publish_version(by=None, text=kept) == version


def test_publish_counts_on_and_the_newest_is_current(agreement_version):
    newer = actions.publish_version(by=None, text="# Another text\n", term_days=30)
    assert newer.number == agreement_version.number + 1
    assert AgreementVersion.objects.current() == newer
    assert newer.term_days == 30


def test_publish_an_earlier_text_again_changes_nothing(agreement_version):
    newer = actions.publish_version(by=None, text="# Another text\n")
    assert actions.publish_version(by=None, text=agreement_version.text) == agreement_version
    assert AgreementVersion.objects.current() == newer


def test_text_is_shown_without_what_could_act():
    html = as_html("# Heading\n\n<script>alert(1)</script>\n\n[a](javascript:alert(1)) <b onclick='x()'>bold</b>")
    assert "<h1>Heading</h1>" in html
    for danger in ("<script", 'href="javascript:', "onclick"):
        assert danger not in html
