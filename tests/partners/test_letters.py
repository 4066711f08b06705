from datetime import timedelta
from smtplib import SMTPException

import pytest
from django.conf import settings
from django.core import mail
from django.core.mail import send_mail
from django.core.mail.backends.locmem import EmailBackend
from django.db import transaction
from django.utils import timezone

from release_portal.partners import actions
from release_portal.partners.models import Letter

from .. import factories

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
    assert actions.deliver_letters(by=None) == 1
    assert actions.deliver_letters(by=None) == 0
    assert [(message.subject, message.to, message.body) for message in mail.outbox] == [
        (letter.subject, [letter.to], "A secret link")
    ]
    assert mail.outbox[0].alternatives == [("<p>A secret link</p>", "text/html")]
    letter.refresh_from_db()
    assert (letter.body, letter.html, letter.url, letter.attempts, letter.last_error) == ("", "", "", 1, "")
    assert letter.sent_at


@pytest.mark.parametrize("error", [ConnectionRefusedError("It is down."), SMTPException("It is down.")])
def test_deliver_by_a_failing_carrier_keeps_the_letter(broken, error, monkeypatch, settings):
    monkeypatch.setattr(Broken, "error", error)
    assert actions.deliver_letters(by=None) == 0
    broken.refresh_from_db()
    assert (broken.sent_at, broken.attempts, broken.last_error) == (None, 1, "It is down.")
    assert broken.body
    settings.CARRIER_BACKEND = LOCMEM
    assert actions.deliver_letters(by=None) == 0, "it waits before it is tried again"
    Letter.objects.filter(pk=broken.pk).update(next_try_at=timezone.now())
    assert actions.deliver_letters(by=None) == 1
    assert len(mail.outbox) == 1


@pytest.mark.parametrize(("tries", "seconds"), [(0, 2), (4, 32), (11, 3600), (5_000, 3600)])
def test_deliver_waits_longer_after_each_failure_and_never_gives_up(broken, tries, seconds):
    Letter.objects.filter(pk=broken.pk).update(attempts=tries)
    before = timezone.now()
    assert actions.deliver_letters(by=None) == 0
    broken.refresh_from_db()
    waits = timedelta(seconds=seconds)
    assert before + waits <= broken.next_try_at <= timezone.now() + waits
    assert (broken.attempts, broken.sent_at) == (tries + 1, None)


def test_deliver_goes_on_after_a_letter_that_fails(broken):
    after = factories.LetterFactory()
    assert actions.deliver_letters(by=None) == 1
    assert [message.to for message in mail.outbox] == [[after.to]]


def test_letter_of_an_act_that_failed_was_never_written(ada, application):
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        actions.apply(by=ada, **application())
        raise ZeroDivisionError
    assert not Letter.objects.exists()
