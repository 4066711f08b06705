"""Every page as people see it: at 1280 and 390 pixels, dark and light, empty and filled, and by axe's rules.

SCREENSHOTS=folder keeps the pictures.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from datetime import date, timedelta
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import Page, expect

from release_portal.access import actions as access
from release_portal.access.models import Grant
from release_portal.demo.browser import mailed_link
from release_portal.jobs import actions as jobs
from release_portal.jobs.models import Job, Outage, Share, Worker
from release_portal.jobs.window import note_drop
from release_portal.lib.states import Refused
from release_portal.partners import actions as partners
from release_portal.partners.models import Partner, Role, User
from release_portal.releases import actions as releases
from release_portal.releases.models import Artefact, Audience, Component, Family, ModelSize

from .. import factories
from ..patience import PATIENCE, until
from .conftest import PASSWORD, sign_in

pytestmark = pytest.mark.browser

AXE = Axe().axe_script
FOLDER = os.environ.get("SCREENSHOTS")

WAYS = [(1280, "light"), (390, "dark"), *([(1280, "dark"), (390, "light")] if FOLDER else [])]

PUBLIC = [
    "/",
    "/families/gpt2/",
    "/families/gpt2/124M/",
    "/families/gpt2/1558M/",
    "/agreement/1/",
    "/accounts/login/",
    "/accounts/signup/",
    "/accounts/password/reset/",
    "/accounts/login/code/",
    "/nothing-here/",
]
NEWCOMER = [
    "/organisations/",
    "/organisations/apply/",
    "/jobs/",
    "/jobs/new/",
    "/account/tokens/",
    "/account/mail/",
    "/accounts/email/",
    "/accounts/sessions/",
    "/account/tokens/keep/",
]
LONG = "To see how a longer purpose looks on the page of a reviewer. " * 12


def ways(page: Page) -> Iterator[tuple[int, str]]:
    """Shows the page in one way after the other. Nothing of ours depends on how wide a page was when it was loaded."""
    for width, theme in WAYS:
        page.set_viewport_size({"width": width, "height": 900})
        page.emulate_media(color_scheme=theme)
        yield width, theme


def look(page: Page, path: str, who: str) -> list[str]:
    """Look at one page in every way, folded as it comes and with everything opened; returns what is wrong with it."""
    page.goto(path)
    name, wrong = f"{who}-{path.strip('/').replace('/', '-') or 'home'}", []
    if page.locator("main details").count():
        for width, theme in ways(page):
            wrong += too_wide(page, f"{path} at {width}")
            keep(page, f"{name}-{width}-{theme}")
        page.evaluate("document.querySelectorAll('main details').forEach((each) => (each.open = true))")
        path, name = f"{path} opened", f"{name}-opened"
    return wrong + seen(page, path, name)


def seen(page: Page, where: str, name: str) -> list[str]:
    """What is wrong with the page as it stands, in every way."""
    wrong = []
    for width, theme in ways(page):
        wrong += faults(page, f"{where} at {width}", theme)
        keep(page, f"{name}-{width}-{theme}")
    return wrong


def too_wide(page: Page, where: str) -> list[str]:
    wide = page.evaluate("document.documentElement.scrollWidth > window.innerWidth")
    return [f"{where}: wider than the screen"] * wide


def faults(page: Page, where: str, theme: str) -> list[str]:
    """What does not fit on the screen, and what axe finds."""
    if not page.evaluate("'axe' in window"):
        page.evaluate(AXE)  # which takes longer than what it then does
    found = page.evaluate("axe.run({resultTypes: ['violations']}).then((results) => results.violations)")
    violations = [f"{where} {theme}: {each['id']} {each['nodes'][0]['html'][:120]}" for each in found]
    return too_wide(page, where) + violations


def keep(page: Page, name: str) -> None:
    if FOLDER:
        Path(FOLDER).mkdir(parents=True, exist_ok=True)
        page.screenshot(path=f"{FOLDER}/{name[:110]}.png", full_page=True)


@pytest.fixture
def newcomer(researcher) -> User:
    researcher.set_password(PASSWORD)
    researcher.save()
    return researcher


@pytest.fixture
def application(newcomer) -> dict[str, str]:
    """What a newcomer tells of an organisation."""
    mark = newcomer.email.partition("@")[0]
    return {
        "legal_name": f"Institute {mark}",
        "website": f"https://{mark}.example",
        "country": "SE",
        "contact_name": newcomer.name,
        "contact_email": newcomer.email,
        "purpose": LONG,
        "intended_use": "One researcher, 124M.",
    }


@pytest.fixture
def returned(newcomer, application, rita_of_the_lab) -> Partner:
    partner = partners.apply(by=newcomer, **application, will_sign=True)
    reason = "Say who reads the texts, and where they are kept.\n\nTell what the second size is for."
    partners.return_application(by=rita_of_the_lab, partner=partner, reason=reason)
    return partner


@pytest.fixture
def mara(chromium) -> User:
    return User.objects.get(email="mara@lab.example")


@pytest.fixture
def paused(portal, mara) -> Iterator[None]:
    message = "The reviewers read what is already here, all 214 applications, before they take new ones."
    partners.pause_intake(by=mara, message=message, resumes_on=timezone.now().date() + timedelta(days=20))
    yield
    partners.resume_intake(by=mara)


def test_look_at_public_pages(page):
    assert [wrong for path in PUBLIC for wrong in look(page, path, "zoe")] == []


def test_look_at_pages_of_newcomer(page, newcomer):
    sign_in(page, newcomer.email)
    assert [wrong for path in NEWCOMER for wrong in look(page, path, "newcomer")] == []


def test_look_at_pages_of_member(page, portal, newcomer, organisation, submit):
    organisation.legal_name = (
        f"The Very Long and Venerable {organisation.legal_name} for the Study of Generated Language and its Readers"
    )
    organisation.save()
    job = submit(30, tokens=16)
    account = populate(organisation, newcomer)
    until(lambda: not Job.objects.live().filter(pk=job.pk).exists(), what="the job to end")
    sign_in(page, newcomer.email)
    home = f"/organisations/{organisation.slug}"
    request = organisation.access_requests.get()
    paths = [
        f"{home}/",
        f"{home}/members/",
        f"{home}/service-accounts/{account.pk}/",
        f"{home}/agreement/",
        f"{home}/requests/new/",
        f"{home}/requests/{request.pk}/",
    ]
    paths += ["/jobs/", "/jobs/?q=nothing", "/jobs/new/", f"/jobs/{job.pk}/"]
    assert [wrong for path in paths for wrong in look(page, path, "member")] == []


def populate(partner: Partner, owner: User) -> User:
    """An invitation, one that expired, and a service account with two tokens."""
    roles = list(Role.objects.filter(pk="researcher"))
    partners.invite(by=owner, partner=partner, email="ben@northlake.example", roles=roles)
    late = partners.invite(by=owner, partner=partner, email="the.late.doctor.dana@northlake.example", roles=roles)
    late.expires_at = timezone.now() - timedelta(days=1)
    late.save()
    account = partners.create_service_account(by=owner, partner=partner, name="Nightly study", roles=roles)
    for name in ("cron on the third server", "a notebook"):
        partners.create_token(by=owner, user=account, name=name)
    return account


def test_look_at_a_new_token_and_an_empty_list(page, newcomer, organisation):
    roles = list(Role.objects.filter(pk="viewer"))
    account = partners.create_service_account(by=newcomer, partner=organisation, name="Weekly count", roles=roles)
    sign_in(page, newcomer.email)
    path = f"/organisations/{organisation.slug}/service-accounts/{account.pk}/"
    assert look(page, path, "member") == []
    page.goto(path)
    page.get_by_label("What it is for").fill("cron")
    page.get_by_role("button", name="Make the token").click()
    page.get_by_role("heading", name="The new token").wait_for()
    keep(page, "member-new-token-390-light")
    assert faults(page, "the new token at 390", "light") == []


def test_look_at_returned_application(page, newcomer, returned):
    sign_in(page, newcomer.email)
    home = f"/organisations/{returned.slug}/"
    assert [wrong for path in (home, f"{home}application/") for wrong in look(page, path, "applicant")] == []


def test_look_at_corrected_application(page, newcomer, returned, application):
    details = application | {
        "country": "NO",
        "purpose": LONG.replace("longer", "much longer") + "\n\nTwenty readers read the texts.",
        "intended_use": "Two researchers, 124M and 355M.",
    }
    partners.correct_application(by=newcomer, partner=returned, **details)
    sign_in(page, "rita@lab.example")
    path = f"/review/organisations/{returned.slug}/"
    assert look(page, path, "reviewer-corrected") == []
    page.goto(path)
    page.get_by_role("button", name="Return for changes").click()
    page.locator(".error-summary").wait_for()
    keep(page, "reviewer-return-without-reason-390-light")
    assert faults(page, f"{path} refused", "light") == []


def test_look_at_an_organisation_that_looks_like_another(page, newcomer, application):
    partners.apply(by=newcomer, **application, will_sign=True)
    name = application["legal_name"].replace("e", "\u0435")
    alike = partners.apply(by=newcomer, **application | {"legal_name": name}, will_sign=True)
    sign_in(page, "rita@lab.example")
    path = f"/review/organisations/{alike.slug}/"
    assert look(page, path, "reviewer-lookalike") == []
    row = page.get_by_role("row").filter(has_text="Names that look like it")
    expect(row).to_contain_text("“\u0435” (CYRILLIC SMALL LETTER IE) looks like “e”")


def test_look_at_a_grant_of_less_than_was_asked_for(page, newcomer, organisation):
    size = ModelSize.objects.get(name="774M")
    details = {"wanted": [access.Wanted(size, tokens=5_000_000)], "purposes": ["bias", "detection"], "purpose": LONG}
    until_wanted = timezone.now().date() + timedelta(days=90)
    asked = access.request_access(by=newcomer, partner=organisation, **details, until_wanted=until_wanted)
    sign_in(page, "rita@lab.example")
    page.goto(f"/review/requests/{asked.pk}/")
    page.get_by_label("Grant", exact=True).check()
    page.get_by_label("Token quota").fill("1,000,000")
    page.get_by_label("Bias and fairness").uncheck()
    page.get_by_role("button", name="Preview the mail").click()
    expect(page.locator(".error-summary")).to_contain_text("1,000,000 tokens, not 5,000,000; not for Bias and fairness")
    wrong = seen(page, "less without a reason", "reviewer-less-without-reason")
    page.get_by_label("Why less than was asked for").fill("The rest once the first texts were read.")
    page.get_by_role("button", name="Preview the mail").click()
    expect(page.locator(".document[role=status]")).to_contain_text(
        "The reason: The rest once the first texts were read."
    )
    wrong += seen(page, "less previewed", "reviewer-less-previewed")
    page.get_by_role("button", name="Apply").click()
    page.get_by_text("was granted").wait_for()
    page.context.clear_cookies()
    sign_in(page, newcomer.email)
    home, grant = f"/organisations/{organisation.slug}", Grant.objects.get(request=asked)
    paths = (f"{home}/requests/{asked.pk}/", grant.get_absolute_url())
    assert wrong + [each for path in paths for each in look(page, path, "member-less")] == []


@pytest.fixture
def corrected(mara, tmp_path, settings) -> Family:
    """A family with a size that was stated wrongly twice, one that nobody opened, a paper, and registered files."""
    if family := Family.objects.filter(slug="pico").first():
        return family
    family = releases.add_family(by=mara, slug="pico", name="Pico", summary=LONG[:200])
    size = releases.add_size(by=mara, family=family, name="10M", parameters=10**7, context_tokens=1024)
    releases.add_size(by=mara, family=family, name="20M", parameters=2 * 10**7, context_tokens=1024)
    wrong = {"by": mara, "size": size, "on": date(2019, 8, 20), "reason": LONG[:200]}
    releases.correct_size(name="11M", parameters=11 * 10**6, **wrong)
    releases.correct_size(name="12M", **wrong)
    opening = {"by": mara, "audience": Audience.OPEN, "reason": "It was published with the smallest size."}
    releases.open_component(of=family, component=Component.PAPER, **opening)
    releases.open_component(of=size, component=Component.OUTPUTS, **opening)
    settings.ARTEFACTS_ROOT = tmp_path
    (tmp_path / "outputs").mkdir()
    for number in range(3):
        (tmp_path / "outputs" / f"{'a-long-name-of-a-file-' * 6}{number}.jsonl").write_text("{}" * number)
    licence = releases.add_licence(by=mara, name="Modified MIT", version="2020-01-03", text=LONG)
    files = {"component": Component.OUTPUTS, "version": "nucleus", "folder": "outputs", "licence": licence}
    releases.register_artefact(by=mara, of=size, **files)
    releases.hash_artefacts(by=None)
    return family


def test_look_at_register(page, mara, corrected):
    sign_in(page, mara.email)
    family, one = "/review/register/families/pico/", "/review/register/families/pico/sizes/12M/"
    paths = ["/review/register/", "/review/register/new/", family, f"{family}edit/", f"{family}add/"]
    paths += [one, f"{one}edit/", f"{one}correct/", f"{one}open/generation/", f"{one}open/weights/"]
    paths += [f"{one}files/", "/review/register/licences/", Artefact.objects.get(version="nucleus").get_absolute_url()]
    paths += [f"{family}open/paper/", "/families/pico/", "/families/pico/10M/", "/families/pico/20M/"]
    assert [wrong for path in paths for wrong in look(page, path, "register")] == []
    page.goto(f"{one}open/weights/")
    page.get_by_label("Open", exact=True).check()
    page.get_by_role("button", name="Change it").click()
    page.get_by_text("Type “12M”").first.wait_for()
    assert seen(page, "refused opening", "register-refused") == []


def test_look_at_intake(page, mara):
    sign_in(page, mara.email)
    assert look(page, "/review/intake/", "manager") == []


def test_look_at_pages_while_intake_is_paused(page, newcomer, mara, paused):
    partners.save_draft(by=newcomer, content={"legal_name": "Institute of Waiting", "purpose": LONG})
    wrong = look(page, "/", "paused")
    sign_in(page, newcomer.email)
    wrong += [each for path in ("/organisations/", "/organisations/apply/") for each in look(page, path, "paused")]
    page.context.clear_cookies()
    sign_in(page, mara.email)
    assert wrong + look(page, "/review/intake/", "paused-manager") == []


def test_look_at_pages_of_reviewer(page, portal, researcher, organisation, submit):
    job = submit(2, tokens=8)
    asked = access.request_access(
        by=researcher,
        partner=organisation,
        wanted=[access.Wanted(ModelSize.objects.get(name="774M"), tokens=123_456_789)],
        purposes=["bias"],
        purpose=LONG,
        until_wanted=job.grant.ends_at.date(),
    )
    sign_in(page, "rita@lab.example")
    paths = [
        "/review/",
        "/review/?q=nothing",
        f"/review/organisations/{organisation.slug}/",
        f"/review/requests/{asked.pk}/",
    ]
    paths += ["/review/grants/", f"/review/grants/{job.grant_id}/revoke/", "/review/book/", "/review/book/?q=nothing"]
    assert [wrong for path in paths for wrong in look(page, path, "reviewer")] == []


def test_look_at_people(page, mara, newcomer):
    """One of them with a long name, disabled for a long reason."""
    partners.create_token(by=newcomer, name="laptop")
    User.objects.filter(pk=newcomer.pk).update(name="Wolfeschlegelsteinhausenbergerdorff " * 3)
    newcomer.refresh_from_db()
    partners.disable_person(by=mara, person=newcomer, reason=LONG)
    sign_in(page, mara.email)
    paths = ["/review/people/", "/review/people/?q=nobody-of-it", f"/review/people/{newcomer.pk}/"]
    paths += [f"/review/people/{mara.pk}/", f"/review/people/{newcomer.pk}/factors/"]
    assert [wrong for path in paths for wrong in look(page, path, "manager-people")] == []


def test_look_at_what_somebody_involved_sees(page, portal, organisation, researcher, submit, rita_of_the_lab):
    """Rita was invited, and may decline; on everything that she would decide she reads who can instead."""
    job = submit(2, tokens=8)
    asked = access.request_access(
        by=researcher,
        partner=organisation,
        wanted=[access.Wanted(ModelSize.objects.get(name="774M"), tokens=1_000)],
        purposes=["bias"],
        purpose=LONG,
        until_wanted=job.grant.ends_at.date(),
    )
    finding = access.report_finding(by=researcher, partner=organisation, size=job.size, title="Found", text=LONG)
    viewer = list(Role.objects.filter(code="viewer"))
    partners.invite(by=researcher, partner=organisation, email=rita_of_the_lab.email, roles=viewer)
    link = mailed_link(portal.home / "mail", rita_of_the_lab.email, "/invitations/", seconds=PATIENCE)
    sign_in(page, rita_of_the_lab.email)
    paths = [f"/review/requests/{asked.pk}/", f"/review/findings/{finding.pk}/"]
    paths += [f"/review/suspend/?organisation={organisation.slug}", f"/review/grants/{job.grant_id}/revoke/"]
    wrong = [wrong for path in paths for wrong in look(page, path, "involved")]
    page.goto(paths[0])
    expect(page.get_by_role("button", name="Decline the invitation")).to_be_visible()
    wrong += look(page, urlsplit(link).path, "invited")
    partners.decline_invitations(by=rita_of_the_lab, partner=organisation)
    assert wrong == []


def test_look_at_tokens_in_question(page, newcomer):
    for name in ("laptop", "A program of the reading study that runs every night"):
        partners.create_token(by=newcomer, name=name)
    sign_in(page, newcomer.email)
    assert look(page, "/account/tokens/keep/", "tokens-in-question") == []


def test_look_at_security_events(page, portal, mara, researcher):
    refused = "Refused at GET /jobs/1f0d3c52-8f2c-4a8e-9a55-2f7b1c9d6e01/: nothing there for this person"
    factories.SecurityEventFactory(by=researcher, kind="access.refused", sentence=refused)
    factories.SecurityEventFactory(by=None, kind="account.sign_in_failed", sentence="A sign-in as Mara Voss failed")
    factories.SecurityEventFactory(by=researcher, kind="texts.read", sentence=f"Texts of “{LONG[:80]}” were downloaded")
    sign_in(page, mara.email)
    paths = ["/review/security/", "/review/security/?q=nothing-of-it", "/review/book/"]
    assert [wrong for path in paths for wrong in look(page, path, "manager-security")] == []


@pytest.fixture
def unserved_grant(researcher, organisation, rita_of_the_lab, mara) -> Grant:
    """Of 1558M, which takes two people, and which the live worker does not serve."""
    size = ModelSize.objects.get(family__slug="gpt2", name="1558M")
    asked = access.request_access(
        by=researcher,
        partner=organisation,
        wanted=[access.Wanted(size, tokens=1_000_000)],
        purposes=["bias"],
        purpose=LONG,
        until_wanted=timezone.now().date() + timedelta(days=30),
    )
    for reviewer in (rita_of_the_lab, mara):
        factories.approved(asked.items.get(), by=reviewer)
    return Grant.objects.get(partner=organisation, size=size)


def test_look_at_fleet_with_an_outage_and_with_a_form(page, mara, unserved_grant, submit):
    """What waited long enough for a size that no worker serves is reported within a few seconds."""
    job = submit(400, tokens=64)
    unserved = submit(1204, size="1558M", tokens=8)
    Job.objects.filter(pk=unserved.pk).update(submitted_at=timezone.now() - timedelta(minutes=4))
    details = {
        "host": "rack-7",
        "device": "cuda:0",
        "dtype": "bfloat16",
        "sizes": ["gpt2/355M"],
        "loaded": ["gpt2/355M"],
    }
    gone = timezone.now() - timedelta(hours=3)
    details |= {"seen_at": gone, "left_at": gone, "flaws": 2, "flawed_at": gone}
    details["last_flaw"] = "a text with 1,204 tokens; 64 were asked for"
    worker = factories.enrolled("rack-7")
    Worker.objects.filter(pk=worker.pk).update(**details)
    slow = factories.enrolled("rack-8")
    about = {"host": "rack-8", "device": "cpu", "dtype": "float32", "seen_at": timezone.now() + timedelta(hours=1)}
    sizes = ["smollm2/135M"]  # which nobody asks for
    Worker.objects.filter(pk=slow.pk).update(**about, sizes=sizes, loaded=sizes, plain=sizes)
    note_drop("it comes from no worker whose key holds", at=timezone.now())
    until(lambda: Outage.objects.going_on().filter(size=unserved.size).exists(), what="the outage")
    sign_in(page, mara.email)
    share = Share.objects.get(partner=job.partner, size=job.size)
    paths = ["/review/fleet/", f"/review/fleet/shares/{share.pk}/", "/review/fleet/workers/"]
    paths.append(f"/review/fleet/workers/{worker.pk}/revoke/")
    wrong = [wrong for path in paths for wrong in look(page, path, "manager")]
    Worker.objects.filter(pk=slow.pk).update(seen_at=gone, left_at=gone)
    page.goto(paths[1])
    page.get_by_role("textbox", name="Weight").fill("2000")
    page.get_by_role("button", name="Set the weight").click()
    page.locator(".error-summary").wait_for()
    keep(page, "manager-fleet-weight-refused-390-light")
    wrong += faults(page, "the weight refused", "light")
    for each in (job, unserved):
        with suppress(Refused):  # a quick machine has ended it
            jobs.cancel(by=each.submitted_by, job=each)
    assert wrong == []


def test_fleet_page_reads_itself_again_and_leaves_the_focus(page, mara, submit):
    job = submit(400, tokens=64)
    sign_in(page, mara.email)
    page.goto("/review/fleet/")
    note = page.get_by_text("Read at")
    first = note.inner_text()
    share = Share.objects.get(partner=job.partner, size=job.size)
    page.locator(f"#share-{share.pk}").focus()
    page.wait_for_function("text => !document.querySelector('#fleet').innerText.includes(text)", arg=first)
    assert page.evaluate("document.activeElement.id") == f"share-{share.pk}"
    jobs.cancel(by=job.submitted_by, job=job)
