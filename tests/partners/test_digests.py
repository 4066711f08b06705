"""Which letters leave at once, which wait for the day's digest, which are never written; and bulk acts."""

from datetime import UTC, datetime, timedelta

import pytest
from django.conf import settings
from django.core import mail
from django.db import transaction
from django.utils import timezone

from release_portal.audit.models import Event
from release_portal.lib.states import Refused
from release_portal.partners import actions
from release_portal.partners.actions import digests
from release_portal.partners.actions.digests import one_letter_each
from release_portal.partners.models import Letter, Role, User

from .. import factories

NEWS, DECISION, URGENT = Letter.Urgency.NEWS, Letter.Urgency.DECISION, Letter.Urgency.URGENT
BASE = settings.BASE_URL


@pytest.fixture(autouse=True)
def carrier(settings, db):
    settings.CARRIER_BACKEND = "django.core.mail.backends.locmem.EmailBackend"
    Letter.objects.all().delete()


@pytest.fixture
def reader(db):
    def who_chose(mail: str) -> User:
        return factories.UserFactory(mail=mail)

    return who_chose


def write(*to, subject="Something", urgency=DECISION, path="/jobs/"):
    actions.write_letter(to=to, subject=subject, text="It is so.", path=path, action="Look", by=None, urgency=urgency)


def seven(days: int = 0) -> datetime:
    """07:00 UTC of a day that is far from now."""
    return datetime(2031, 3, 10, 7, tzinfo=UTC) + timedelta(days=days)


def tomorrow() -> datetime:
    """After the digest of whatever is written now."""
    return timezone.now() + timedelta(days=1)


def carried() -> list[str]:
    actions.deliver_letters()
    return [message.subject for message in mail.outbox]


@pytest.mark.parametrize(
    ("choice", "urgency", "fate"),
    [
        ("at_once", NEWS, "leaves"),
        ("at_once", DECISION, "leaves"),
        ("at_once", URGENT, "leaves"),
        ("daily", NEWS, "waits"),
        ("daily", DECISION, "waits"),
        ("daily", URGENT, "leaves"),
        ("decisions", NEWS, "nothing"),
        ("decisions", DECISION, "leaves"),
        ("decisions", URGENT, "leaves"),
    ],
)
def test_write_keeps_the_choice_of_its_reader(reader, choice, urgency, fate):
    write(reader(choice), urgency=urgency)
    fates = ["waits" if letter.digest else "leaves" for letter in Letter.objects.all()] or ["nothing"]
    assert fates == [fate]
    assert carried() == (["Something"] if fate == "leaves" else [])


@pytest.mark.parametrize("choice", User.Mail.values)
def test_write_to_a_plain_address_leaves_at_once(reader, choice):
    person = reader(choice)
    write(person.email, person, urgency=NEWS)
    assert carried() == ["Something"]


def test_write_to_a_service_account_writes_nothing(northlake, ada):
    robot = actions.create_service_account(by=ada, partner=northlake, name="robot", roles=[role("viewer")])
    Letter.objects.all().delete()
    write(robot, urgency=URGENT)
    assert not Letter.objects.exists()


def role(code):
    return Role.objects.get(code=code)


def test_choose_mail_is_kept_and_in_the_book_once(ada):
    chosen = Event.objects.filter(kind="mail.chosen", by=ada)
    actions.choose_mail(by=ada, mail="at_once")  # what she had
    assert not chosen.exists()
    actions.choose_mail(by=ada, mail="daily")
    actions.choose_mail(by=ada, mail="daily")
    ada.refresh_from_db()
    assert ada.mail == "daily"
    assert chosen.count() == 1


def test_choose_mail_that_is_no_choice_is_refused(ada):
    with pytest.raises(Refused, match=r"There is no choice “never”\. Choose from: at_once, daily, decisions\."):
        actions.choose_mail(by=ada, mail="never")


def test_digest_lists_each_subject_with_its_link_once(reader):
    person, other = reader("daily"), reader("daily")
    write(person, subject="One <b>", path="/one/")
    write(person, other, subject="Two", path="/two/")
    assert actions.send_digests(at=tomorrow()) == 2
    assert actions.send_digests(at=tomorrow()) == 0
    digest = Letter.objects.get(to=person.email, sent_at=None)
    assert digest.subject == "Your day on Release Portal: 2 things"
    assert digest.body == f"One <b>\n{BASE}/one/\n\nTwo\n{BASE}/two/\n\nRelease Portal\n\n"
    assert f'<a href="{BASE}/one/">One &lt;b&gt;</a>' in digest.html
    assert Letter.objects.get(to=other.email, sent_at=None).subject == "Your day on Release Portal: 1 thing"
    assert sorted(carried()) == ["Your day on Release Portal: 1 thing", "Your day on Release Portal: 2 things"]
    assert not Letter.objects.exclude(body="", html="", url="").exists()


def test_digest_killed_in_the_middle_tells_nobody_twice_and_loses_nothing(reader, monkeypatch):
    people = sorted((reader("daily") for _ in range(3)), key=lambda person: person.email)
    write(*people)
    whole, ends = digests._write_digest, iter([None, None, KeyboardInterrupt])

    def killed(letters, subject, at):
        whole(letters, subject, at)
        if end := next(ends):
            raise end

    monkeypatch.setattr(digests, "_write_digest", killed)
    with pytest.raises(KeyboardInterrupt):
        actions.send_digests(at=tomorrow())
    monkeypatch.setattr(digests, "_write_digest", whole)
    assert actions.send_digests(at=tomorrow()) == 1
    actions.deliver_letters()
    assert [message.to for message in mail.outbox] == [[person.email] for person in people]


def put_aside(address: str, at: datetime) -> Letter:
    return factories.LetterFactory(to=address, digest=True, written_at=at)


def test_digest_goes_after_seven_whenever_the_clock_comes_and_once_a_day():
    address, minute = "ada@northlake.example", timedelta(minutes=1)
    put_aside(address, seven() - minute)
    assert actions.send_digests(at=seven() - minute) == 0, "not before 07:00"
    assert actions.send_digests(at=seven() + 120 * minute) == 1, "the clock was away for two hours"
    put_aside(address, seven() - minute)  # of an act that began before 07:00 and ended after it
    put_aside(address, seven() + 2 * minute)
    for minutes in (130, 140, 1439):
        assert actions.send_digests(at=seven() + minutes * minute) == 0, "nobody gets two a day"
    assert actions.send_digests(at=seven(days=1)) == 1
    assert not Letter.objects.put_aside().exists()


def test_digest_of_days_in_which_the_clock_was_away_is_one():
    for day in range(3):
        put_aside("ada@northlake.example", seven(day) - timedelta(hours=1))
    assert actions.send_digests(at=seven(days=3) - timedelta(hours=2)) == 1
    assert Letter.objects.get(sent_at=None).subject == "Your day on Release Portal: 3 things"


# --- a bulk act


def test_one_letter_each_gathers_what_each_address_gets(reader):
    one, other = reader("at_once"), reader("at_once")
    with one_letter_each(subject="Two grants were suspended"):
        write(one, subject="First")
        write(one, other, subject="Second")
        assert carried() == []
    actions.deliver_letters()
    by_address = {message.to[0]: message for message in mail.outbox}
    assert (by_address[one.email].subject, by_address[other.email].subject) == ("Two grants were suspended", "Second")
    assert "First" in by_address[one.email].body
    assert "Second" in by_address[one.email].body
    assert "It is so." in by_address[other.email].body


def test_one_letter_each_forgets_an_act_that_was_rolled_back(reader):
    person = reader("at_once")
    with one_letter_each(subject="Several"):
        write(person, subject="Done")
        with pytest.raises(Refused), transaction.atomic():
            write(person, subject="Not done")
            raise Refused("No.")
    assert carried() == ["Done"]


def test_one_letter_each_goes_by_the_most_urgent(reader):
    daily, decisions, only_news = reader("daily"), reader("decisions"), reader("decisions")
    patient = reader("daily")
    with one_letter_each(subject="Several"):
        write(daily, decisions, only_news, subject="News", urgency=NEWS)
        write(decisions, patient, subject="Decided", urgency=DECISION)
        write(daily, subject="Urgent", urgency=URGENT)
    carried()
    assert {message.to[0]: message.subject for message in mail.outbox} == {
        daily.email: "Several",
        decisions.email: "Several",
    }
    assert list(Letter.objects.put_aside().values_list("to", flat=True)) == [patient.email]


def test_one_letter_each_that_is_urgent_leaves_the_day_its_digest(reader):
    """It goes between 07:00 and the digest's round."""
    daily, now = reader("daily"), timezone.now()
    put_aside(daily.email, digests.last_digest(at=now) - timedelta(hours=1))
    with one_letter_each(subject="Several"):
        write(daily, subject="First", urgency=URGENT)
        write(daily, subject="Second", urgency=URGENT)
    assert carried() == ["Several"]
    assert actions.send_digests(at=timezone.now()) == 1


def test_one_letter_each_stopped_by_an_error_leaves_its_letters_to_the_digest(reader):
    person = reader("at_once")
    with pytest.raises(ZeroDivisionError), one_letter_each(subject="Several"):
        write(person, subject="Done")
        raise ZeroDivisionError
    assert carried() == []
    actions.send_digests(at=tomorrow())
    assert carried() == ["Your day on Release Portal: 1 thing"]
    write(person, subject="Afterwards")
    assert carried()[-1] == "Afterwards"
