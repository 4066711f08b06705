"""What is one line is one line from every writer: every column of short text is in one of two tables."""

from dataclasses import replace
from datetime import date

import pytest
from django.apps import apps
from django.db import models
from django.test import Client

from agreements import actions as agreements
from release_portal.access import actions as access
from release_portal.access.models import Recusal
from release_portal.access.terms import terms_asked
from release_portal.jobs.actions import enroll_worker
from release_portal.jobs.models import Worker
from release_portal.lib.states import Refused
from release_portal.lib.text import one_line
from release_portal.partners import actions
from release_portal.partners.actions import write_letter
from release_portal.partners.models import Letter, Role, User
from release_portal.releases import actions as releases
from release_portal.releases.models import Audience, Component

BROKEN = "a\nb\r\n\tc\x07\u2028d"
FOLDED = "a b c d"
ROOMS = ("access", "agreements", "audit", "jobs", "partners", "releases")


def _application(request):
    about = request.getfixturevalue("application")(legal_name=BROKEN, contact_name=BROKEN)
    partner = actions.apply(by=request.getfixturevalue("ada"), **about)
    return [partner.legal_name, partner.contact_name]


def _correction(request):
    ada, rita = request.getfixturevalue("ada"), request.getfixturevalue("rita")
    partner = actions.apply(by=ada, **request.getfixturevalue("application")())
    actions.return_application(by=rita, partner=partner, reason="Say more.")
    about = request.getfixturevalue("application")(legal_name=BROKEN, contact_name=BROKEN)
    del about["will_sign"]
    actions.correct_application(by=ada, partner=partner, **about)
    partner.refresh_from_db()
    return [partner.legal_name, partner.contact_name]


def _job(request):
    return [request.getfixturevalue("submit")(name=BROKEN).name]


def _service_account(request):
    ada, northlake = request.getfixturevalue("ada"), request.getfixturevalue("northlake")
    roles = list(Role.objects.filter(code="viewer"))
    return [actions.create_service_account(by=ada, partner=northlake, name=BROKEN, roles=roles).name]


def _sign_up(request):
    password = "a long way through the snow"
    form = {"name": BROKEN, "email": "zed@elsewhere.example", "password1": password, "password2": password}
    Client().post("/accounts/signup/", form)
    return [User.objects.get(email="zed@elsewhere.example").name]


def _appointment(request):
    return [actions.appoint(by=None, email="zed@elsewhere.example", name=BROKEN, roles=["reviewer"]).name]


def _token(request):
    return [actions.create_token(by=request.getfixturevalue("ada"), name=BROKEN)[0].name]


def _finding(request):
    grant, ben = request.getfixturevalue("grant"), request.getfixturevalue("ben")
    return [access.report_finding(by=ben, partner=grant.partner, size=grant.size, title=BROKEN, text="It is so.").title]


def _search(request):
    return [access.save_search(by=request.getfixturevalue("rita"), name=BROKEN, query="").name]


def _subject(request):
    write_letter(to=["ada@northlake.example"], subject=BROKEN, text="", path="/", action="", by=None)
    return [Letter.objects.latest("id").subject]


def _draft(request):
    ada, northlake = request.getfixturevalue("ada"), request.getfixturevalue("northlake")
    return [access.start_request(by=ada, partner=northlake, ethics_reference=BROKEN).ethics_reference]


def _recusal(request):
    access_request = request.getfixturevalue("access_request")
    access.recuse(by=request.getfixturevalue("rita"), request=access_request, reason=BROKEN)
    return [Recusal.objects.get(request=access_request).reason]


def _rule(request):
    size, mara = request.getfixturevalue("size_124m"), request.getfixturevalue("mara")
    return [access.set_rule(by=mara, size=size, reason=BROKEN).reason]


def _family(request):
    mara = request.getfixturevalue("mara")
    texts = {"name": BROKEN, "summary": BROKEN, "licence": BROKEN}
    family = releases.add_family(by=mara, slug="another", **texts)
    releases.edit_family(by=mara, family=family, description="", **texts)
    return [getattr(family, field) for field in texts]


def _size(request):
    mara, family = request.getfixturevalue("mara"), request.getfixturevalue("gpt2")
    size = releases.add_size(by=mara, family=family, name="9B", parameters=9, context_tokens=9, hub_id=BROKEN)
    first = size.hub_id
    releases.edit_size(by=mara, size=size, context_tokens=9, hub_id=BROKEN)
    return [first, size.hub_id]


def _artefact(request):
    mara, family = request.getfixturevalue("mara"), request.getfixturevalue("gpt2")
    folder, settings = request.getfixturevalue("tmp_path"), request.getfixturevalue("settings")
    settings.ARTEFACTS_ROOT = folder
    (folder / "paper").mkdir()
    (folder / "paper" / "paper.pdf").write_bytes(b"%PDF")
    details = {"component": Component.PAPER, "folder": "paper"}
    licence = releases.add_licence(by=mara, name=BROKEN, version=BROKEN, text="Use it.")
    artefact = releases.register_artefact(by=mara, of=family, version=BROKEN, **details)
    return [licence.name, licence.version, artefact.version]


def _erratum(request):
    size, mara = request.getfixturevalue("size_124m"), request.getfixturevalue("mara")
    erratum = {"name": "125M", "on": date(2019, 8, 20), "reason": BROKEN}
    return [releases.correct_size(by=mara, size=size, **erratum).reason]


def _opening(request):
    size = request.getfixturevalue("size_124m")
    details = {"component": Component.GENERATION, "audience": Audience.PARTNER, "reason": BROKEN}
    return [releases.open_component(by=request.getfixturevalue("mara"), of=size, **details).reason]


def _signature(request):
    about = request.getfixturevalue("signing")(request.getfixturevalue("agreement_version"))
    about |= {"legal_name": BROKEN, "title": BROKEN}
    partner, ada = request.getfixturevalue("admitted"), request.getfixturevalue("ada")
    signature = agreements.sign(by=ada, partner=partner, **about)
    return [signature.legal_name, signature.title]


def _waiver(request):
    item = request.getfixturevalue("access_request").items.get()
    answer = access.Answer(item, replace(terms_asked(item), waiver=BROKEN))
    access.decide_request(by=request.getfixturevalue("rita"), request=item.request, answers=[answer])
    item.refresh_from_db()
    return [item.grant.waiver]


WRITTEN = {
    _application: ["partners.Partner.legal_name", "partners.Partner.contact_name"],
    _correction: [],
    _sign_up: ["partners.User.name"],
    _appointment: [],
    _service_account: [],
    _token: ["partners.ApiToken.name"],
    _subject: [],
    _signature: ["agreements.Signature.legal_name", "agreements.Signature.title"],
    _draft: ["access.AccessRequest.ethics_reference"],
    _recusal: ["access.Recusal.reason"],
    _rule: ["access.SizeRule.reason"],
    _family: ["releases.Family.name", "releases.Family.summary", "releases.Family.licence"],
    _size: ["releases.ModelSize.hub_id"],
    _erratum: ["releases.Erratum.reason"],
    _artefact: ["releases.Licence.name", "releases.Licence.version", "releases.Artefact.version"],
    _waiver: [],
    _finding: ["access.Finding.title"],
    _search: ["access.SavedSearch.name"],
    _job: ["jobs.Job.name"],
    _opening: ["releases.Opening.reason"],
}
"""What people write in one line, by the verb that writes it."""

ELSEWHERE = {
    "partners.Pause.message": "several lines, as in a letter",
    "access.SavedSearch.query": "the part of an address",
    "jobs.Job.idempotency_key": "an opaque key",
    "jobs.Worker.name": "refused unless it has letters, digits and dashes alone",
    "partners.User.password": "a hash",
    "agreements.Signature.user_agent": "a header, which has no breaks",
}
MADE = {
    "agreements": ["AgreementVersion.text_sha256", "Signature.text_sha256", "Signature.organisation"],
    "audit": ["Event.kind", "Failure.task", "Failure.thing", "Failure.name", "Failure.error"],
    "jobs": [
        *("Job.content_sha256", "WorkOrder.checkpoint", "FileIndex.etag", "SeenMessage.digest", "Drop.reason"),
        *("Worker.host", "Worker.device", "Worker.dtype", "Worker.last_flaw"),
    ],
    "partners": [
        *("ApiToken.key_id", "ApiToken.secret_hash", "ApiToken.key_mark", "Cached.key", "Invitation.key_hash"),
        *("Role.title", "Role.explanation"),
    ],
    "releases": [
        *("Artefact.manifest_sha256", "Artefact.first_seen_on", "Artefact.error", "Licence.text_sha256"),
        *("Artefact.folder", "ArtefactFile.path", "ArtefactFile.sha256"),  # as they are on the disk
        *("ModelSize.name", "Erratum.name_was"),  # which have no spaces (test_register.py)
    ],
}
"""What no person writes on a page or by the API: hashes, codes, the portal's own names, what workers say."""


def test_every_column_of_short_text_is_written_as_one_line_or_by_no_person():
    short = {
        f"{model._meta.label}.{field.name}"
        for room in ROOMS
        for model in apps.get_app_config(room).get_models()
        for field in model._meta.get_fields()
        if type(field) is models.CharField and not field.choices
    }
    written = {column for columns in WRITTEN.values() for column in columns}
    made = {f"{room}.{column}" for room, columns in MADE.items() for column in columns}
    assert short - written - made - ELSEWHERE.keys() == set()
    assert made | written | ELSEWHERE.keys() <= short, "a column that is no longer there"


@pytest.mark.parametrize("write", WRITTEN)
def test_what_is_one_line_is_kept_as_one(write, request):
    request.getfixturevalue("db")
    assert set(write(request)) == {FOLDED}


def test_worker_has_no_name_of_two_lines(db):
    with pytest.raises(Refused):
        enroll_worker(by=None, name="a\nb")
    assert not Worker.objects.exists()


def test_one_line_has_no_breaks_and_single_spaces():
    assert one_line(f"  {BROKEN}  ") == FOLDED
    assert one_line("Zoë  Ó Ñandú") == "Zoë Ó Ñandú"
