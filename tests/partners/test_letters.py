from smtplib import SMTPResponseException

import pytest
from django.conf import settings
from django.core import mail
from django.core.mail import BadHeaderError, EmailMessage, send_mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import transaction
from django.utils import timezone

from release_portal.audit import loops
from release_portal.audit.models import Failure
from release_portal.celery import app
from release_portal.partners import actions
from release_portal.partners.models import Letter

from .. import factories
from ..patience import until
from ..silence import silent_server

LOCMEM = "django.core.mail.backends.locmem.EmailBackend"


class Broken(EmailBackend):
    """A carrier that is down for one address."""

    error: Exception = ConnectionRefusedError("The server is down.")

    def send_messages(self, messages):
        if any("broken@elsewhere.example" in message.to for message in messages):
            raise self.error
        return super().send_messages(messages)


@pytest.fixture(autouse=True)
def carrier(settings, db):
    settings.CARRIER_BACKEND = LOCMEM
    Letter.objects.all().delete()
    Failure.objects.all().delete()


@pytest.fixture
def broken(settings):
    settings.CARRIER_BACKEND = f"{__name__}.Broken"
    return factories.LetterFactory(to="broken@elsewhere.example")


def test_write_puts_one_letter_per_person_in_the_outbox(ada, rita, wire):
    with wire:
        actions.write_letter(
            to=[ada, rita, ada.email], subject="News", text="It happened.", path="/jobs/", action="Look", by=rita
        )
    letter = Letter.objects.get()
    assert (letter.to, letter.subject) == (ada.email, "News")
    assert "It happened." in letter.body
    assert f"{settings.BASE_URL}/jobs/" in letter.body
    assert f"{settings.BASE_URL}/jobs/" in letter.html
    assert letter.url == f"{settings.BASE_URL}/jobs/"
    assert wire.names == ["partners.deliver_mail"]
    assert mail.outbox == []


def test_write_escapes_what_people_typed(ada):
    actions.write_letter(to=[ada], subject="News", text="<b>&</b>", path="/", action="Look", by=None)
    letter = Letter.objects.get()
    assert "<b>&</b>" in letter.body
    assert "&lt;b&gt;&amp;&lt;/b&gt;" in letter.html


def test_mail_that_another_library_sends_goes_through_the_outbox_too():
    send_mail("Hello", "Text", None, ["one@elsewhere.example", "two@elsewhere.example"])
    assert [letter.to for letter in Letter.objects.order_by("id")] == ["one@elsewhere.example", "two@elsewhere.example"]


def test_deliver_carries_each_letter_once_and_empties_its_text():
    letter = factories.LetterFactory(body="A secret link", html="<p>A secret link</p>", url="https://secret")
    assert actions.deliver_letters() == 1
    assert actions.deliver_letters() == 0
    assert [(message.subject, message.to, message.body) for message in mail.outbox] == [
        (letter.subject, [letter.to], "A secret link")
    ]
    assert mail.outbox[0].alternatives == [("<p>A secret link</p>", "text/html")]
    letter.refresh_from_db()
    assert (letter.body, letter.html, letter.url) == ("", "", "")
    assert letter.sent_at


@pytest.mark.parametrize(
    ("error", "why"),
    [
        (ConnectionRefusedError(111, "Connection refused"), "ConnectionRefusedError: Connection refused, "),
        (SMTPResponseException(550, "broken@elsewhere.example: no such user"), "the server answered 550, "),
    ],
)
def test_deliver_by_a_failing_carrier_keeps_the_letter_and_notes_why(broken, error, why, monkeypatch, settings):
    monkeypatch.setattr(Broken, "error", error)
    at = timezone.now()
    assert actions.deliver_letters(at=at) == 0
    failure = Failure.objects.get(task="partners.deliver_mail")
    assert (str(failure), failure.attempts) == (f"Letter {broken.pk}", 1)
    assert why in failure.error
    assert broken.to not in failure.error
    broken.refresh_from_db()
    assert broken.sent_at is None
    assert broken.body
    settings.CARRIER_BACKEND = LOCMEM
    assert actions.deliver_letters(at=at) == 0, "it waits before it is tried again"
    assert actions.deliver_letters(at=failure.next_try_at) == 1
    assert len(mail.outbox) == 1
    assert not Failure.objects.exists()


UNSENDABLE = f"zed@{'ü' * 60}.example"


def test_deliver_goes_on_after_an_address_and_a_subject_that_no_mail_has():
    factories.LetterFactory(to=UNSENDABLE)
    factories.LetterFactory(subject="Your job “a\nb” finished")
    after = factories.LetterFactory()
    assert actions.deliver_letters() == 1
    assert [message.to for message in mail.outbox] == [[after.to]]
    assert Failure.objects.filter(task="partners.deliver_mail").count() == 2


@pytest.mark.parametrize("write", ["write_letter", "send_mail"])
def test_subject_is_one_line_from_every_writer(write):
    subject = "Your job “a\r\nBcc: all@elsewhere.example\u2028b\t c” finished"
    if write == "send_mail":
        with pytest.raises(BadHeaderError):
            EmailMessage(subject).message()
        EmailMessage(subject, "Text", None, ["ada@northlake.example"]).send()
    else:
        actions.write_letter(to=["ada@northlake.example"], subject=subject, text="", path="/", action="", by=None)
    assert actions.deliver_letters() == 1
    assert mail.outbox[0].subject == "Your job “a Bcc: all@elsewhere.example b c” finished"


@pytest.fixture
def silent(settings):
    settings.CARRIER_BACKEND = "django.core.mail.backends.smtp.EmailBackend"
    with silent_server() as server:
        settings.EMAIL_HOST, settings.EMAIL_PORT = server.host, server.port
        yield server


def test_deliver_by_a_server_that_says_nothing_gives_each_letter_up_in_time(silent, settings):
    settings.EMAIL_TIMEOUT = 0.2
    letters = [factories.LetterFactory() for _ in range(2)]
    assert actions.deliver_letters() == 0
    assert {str(failure) for failure in Failure.objects.all()} == {f"Letter {letter.pk}" for letter in letters}
    until(lambda: len(silent.taken) == 2)


def test_deliver_ends_its_round_in_time_and_the_next_takes_up_the_rest(silent, settings, monkeypatch):
    monkeypatch.setattr(loops, "LONGEST_ROUND", 0)
    settings.EMAIL_TIMEOUT = 0.1
    for _ in range(2):
        factories.LetterFactory()
    at = timezone.now()
    for number in (1, 2):
        assert actions.deliver_letters(at=at) == 0
        assert Failure.objects.count() == number
        until(lambda number=number: len(silent.taken) == number)


def test_mail_has_a_time_limit_and_a_queue_of_its_own(settings):
    assert settings.EMAIL_TIMEOUT == 10
    routed = app.amqp.router.route({}, "partners.deliver_mail")
    assert routed["queue"].name == "mail"
    others = [entry["task"] for entry in app.conf.beat_schedule.values() if entry["task"] != "partners.deliver_mail"]
    assert {app.amqp.router.route({}, task)["queue"].name for task in others} == {"site"}


def test_deliver_goes_on_after_a_letter_that_fails(broken):
    after = factories.LetterFactory()
    assert actions.deliver_letters() == 1
    assert [message.to for message in mail.outbox] == [[after.to]]


def test_letter_of_an_act_that_failed_was_never_written(ada, application):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        actions.apply(by=ada, **application())
        raise ZeroDivisionError
    assert not Letter.objects.exists()
