"""One table of every route and role. Outsiders get 404, insiders without the right 403, strangers the sign-in page.

And no browser and no proxy keeps what is for one person.
"""

import json
from collections import Counter
from copy import copy, deepcopy
from dataclasses import dataclass
from http.cookies import SimpleCookie
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import URLPattern, get_resolver, reverse

from agreements import actions as agreements
from release_portal.access import actions as access
from release_portal.audit.models import SecurityEvent
from release_portal.jobs.models import Share
from release_portal.partners import actions as partners
from release_portal.partners.models import Letter, Membership, Role
from release_portal.releases import actions as releases
from release_portal.releases.models import Component

from . import factories
from .tables import undone

ROLES = ["zoe", "ben", "ada", "cleo", "rita", "mara", "otto"]
PEOPLE = {
    "ben": "Ben Hart",
    "ada": "Ada Lowell",
    "cleo": "Cleo Marsh",
    "rita": "Rita Moss",
    "mara": "Mara Quill",
    "otto": "Otto Finch",
}

# Zoe is anonymous; Ben researches at Northlake; Ada owns it, signs and leads its research; Cleo is of another
# organisation; Rita reviews; Mara manages releases; Otto audits. "in" is a redirect to the sign-in page.
TABLE = """
route                               method  zoe  ben  ada  cleo rita mara otto

home                                GET     200  200  200  200  200  200  200
health                              GET     200  200  200  200  200  200  200
releases:family                     GET     200  200  200  200  200  200  200
releases:size                       GET     200  200  200  200  200  200  200
agreements:current                  GET     302  302  302  302  302  302  302
agreements:version                  GET     200  200  200  200  200  200  200
agreements:text                     GET     200  200  200  200  200  200  200

agreements:sign                     GET     in   200  200  404  404  404  404
agreements:sign                     POST    in   403  302  404  404  404  404

partners:apply                      GET     in   200  200  200  200  200  200
partners:apply                      POST    in   302  302  302  302  302  302
partners:members                    GET     in   200  200  404  404  404  404
partners:members                    POST    in   403  302  404  404  404  404
partners:remove_member              GET     in   405  405  405  405  405  405
partners:remove_member              POST    in   403  302  404  404  404  404
partners:withdraw_invitation        GET     in   405  405  405  405  405  405
partners:withdraw_invitation        POST    in   403  302  404  404  404  404
partners:accept                     GET     in   409  409  200  409  409  409
partners:accept                     POST    in   409  409  302  409  409  409
partners:decline_invitations        GET     in   405  405  405  405  405  405
partners:decline_invitations        POST    in   404  404  302  404  404  404
partners:keep_tokens                GET     in   200  200  200  200  200  200
partners:keep_tokens                POST    in   302  302  302  302  302  302
partners:tokens                     GET     in   200  200  200  200  200  200
partners:tokens                     POST    in   200  200  200  200  200  200
partners:revoke_token               GET     in   405  405  405  405  405  405
partners:revoke_token               POST    in   404  302  404  404  404  404
partners:draft                      GET     in   405  405  405  405  405  405
partners:draft                      POST    in   302  302  302  302  302  302
partners:discard_draft              GET     in   405  405  405  405  405  405
partners:discard_draft              POST    in   302  302  302  302  302  302
partners:correct                    GET     in   403  302  404  404  404  404
partners:correct                    POST    in   403  302  404  404  404  404
partners:change_roles               GET     in   405  405  405  405  405  405
partners:change_roles               POST    in   403  302  404  404  404  404
partners:leave                      GET     in   405  405  405  405  405  405
partners:leave                      POST    in   302  409  404  404  404  404
partners:resend_invitation          GET     in   405  405  405  405  405  405
partners:resend_invitation          POST    in   403  302  404  404  404  404
partners:create_service_account     GET     in   405  405  405  405  405  405
partners:create_service_account     POST    in   403  302  404  404  404  404
partners:service_account            GET     in   403  200  404  404  404  404
partners:service_account            POST    in   403  200  404  404  404  404
partners:close_service_account      GET     in   405  405  405  405  405  405
partners:close_service_account      POST    in   403  302  404  404  404  404
partners:mail                       GET     in   200  200  200  200  200  200
partners:mail                       POST    in   302  302  302  302  302  302

access:home                         GET     in   302  302  302  200  200  200
access:organisation                 GET     in   200  200  404  404  404  404
access:new                          GET     in   403  200  404  404  404  404
access:new                          POST    in   403  302  404  404  404  404
access:request                      GET     in   200  200  404  404  404  404
access:withdraw                     GET     in   405  405  405  405  405  405
access:withdraw                     POST    in   403  302  404  404  404  404
access:close                        GET     in   403  200  404  404  404  404
access:close                        POST    in   403  302  404  404  404  404
access:edit                         GET     in   403  302  404  404  404  404
access:edit                         POST    in   403  302  404  404  404  404
access:save_draft                   GET     in   405  405  405  405  405  405
access:save_draft                   POST    in   403  409  404  404  404  404
access:say                          GET     in   405  405  405  405  405  405
access:say                          POST    in   302  302  404  404  404  404
access:copy                         GET     in   405  405  405  405  405  405
access:copy                         POST    in   403  302  404  404  404  404
access:appeal                       GET     in   405  405  405  405  405  405
access:appeal                       POST    in   403  409  404  404  404  404
access:grant                        GET     in   200  200  404  404  404  404
access:change                       GET     in   405  405  405  405  405  405
access:change                       POST    in   403  302  404  404  404  404
access:findings                     GET     in   200  200  404  404  404  404
access:findings                     POST    in   302  302  404  404  404  404
access:finding                      GET     in   200  200  404  404  404  404

jobs:list                           GET     in   200  200  200  200  200  200
jobs:new                            GET     in   200  200  200  200  200  200
jobs:new                            POST    in   302  302  200  200  200  200
jobs:job                            GET     in   200  200  404  404  404  404
jobs:progress                       GET     in   200  200  404  404  404  404
jobs:cancel                         GET     in   405  405  405  405  405  405
jobs:cancel                         POST    in   302  302  404  404  404  404
jobs:texts_jsonl                    GET     in   200  200  404  404  404  404
jobs:texts_csv                      GET     in   200  200  404  404  404  404
jobs:texts_spreadsheet              GET     in   200  200  404  404  404  404

review:desk                         GET     in   404  404  404  200  200  200
review:organisation                 GET     in   404  404  404  200  200  403
review:organisation                 POST    in   404  404  404  302  403  403
review:request                      GET     in   404  404  404  200  200  403
review:request                      POST    in   404  404  404  302  302  403
review:claim                        GET     in   404  404  404  405  405  403
review:claim                        POST    in   404  404  404  302  302  403
review:say                          GET     in   404  404  404  405  405  403
review:say                          POST    in   404  404  404  302  302  403
review:bulk                         GET     in   404  404  404  405  405  403
review:bulk                         POST    in   404  404  404  302  302  403
review:batch                        GET     in   404  404  404  200  200  403
review:batch                        POST    in   404  404  404  302  302  403
review:saved                        GET     in   404  404  404  405  405  403
review:saved                        POST    in   404  404  404  302  302  403
review:columns                      GET     in   404  404  404  405  405  403
review:columns                      POST    in   404  404  404  302  302  403
review:rules                        GET     in   404  404  404  200  200  200
review:rule                         GET     in   404  404  404  403  200  403
review:rule                         POST    in   404  404  404  403  302  403
review:register                     GET     in   404  404  404  200  200  200
review:new_family                   GET     in   404  404  404  403  200  403
review:new_family                   POST    in   404  404  404  403  302  403
review:register_family              GET     in   404  404  404  200  200  200
review:edit_family                  GET     in   404  404  404  403  200  403
review:edit_family                  POST    in   404  404  404  403  302  403
review:new_size                     GET     in   404  404  404  403  200  403
review:new_size                     POST    in   404  404  404  403  302  403
review:register_size                GET     in   404  404  404  200  200  200
review:edit_size                    GET     in   404  404  404  403  200  403
review:edit_size                    POST    in   404  404  404  403  302  403
review:correct_size                 GET     in   404  404  404  403  200  403
review:correct_size                 POST    in   404  404  404  403  302  403
review:open_component               GET     in   404  404  404  403  200  403
review:open_component               POST    in   404  404  404  403  302  403
review:open_of_family               GET     in   404  404  404  403  200  403
review:open_of_family               POST    in   404  404  404  403  302  403
review:register_artefact            GET     in   404  404  404  403  200  403
review:register_artefact            POST    in   404  404  404  403  302  403
review:register_of_family           GET     in   404  404  404  403  200  403
review:register_of_family           POST    in   404  404  404  403  302  403
review:artefact                     GET     in   404  404  404  200  200  200
review:licences                     GET     in   404  404  404  200  200  200
review:licences                     POST    in   404  404  404  403  302  403
review:findings                     GET     in   404  404  404  200  200  403
review:finding                      GET     in   404  404  404  200  200  403
review:finding                      POST    in   404  404  404  302  302  403
review:grants                       GET     in   404  404  404  200  200  403
review:revoke                       GET     in   404  404  404  200  200  403
review:revoke                       POST    in   404  404  404  302  302  403
review:suspensions                  GET     in   404  404  404  200  200  200
review:suspend                      GET     in   404  404  404  200  200  403
review:suspend                      POST    in   404  404  404  302  302  403
review:suspension                   GET     in   404  404  404  200  200  200
review:suspension                   POST    in   404  404  404  302  302  403
review:access_at                    GET     in   404  404  404  200  200  200
review:reports                      GET     in   404  404  404  200  200  200
review:reports_csv                  GET     in   404  404  404  200  200  200
review:intake                       GET     in   404  404  404  403  200  403
review:intake                       POST    in   404  404  404  403  302  403
review:fleet                        GET     in   404  404  404  403  200  403
review:enroll_worker                GET     in   404  404  404  403  200  403
review:enroll_worker                POST    in   404  404  404  403  200  403
review:revoke_worker                GET     in   404  404  404  403  200  403
review:revoke_worker                POST    in   404  404  404  403  302  403
review:share                        GET     in   404  404  404  403  200  403
review:share                        POST    in   404  404  404  403  302  403
review:try_now                      POST    in   404  404  404  403  302  403
review:people                       GET     in   404  404  404  403  200  403
review:person                       GET     in   404  404  404  403  200  403
review:person                       POST    in   404  404  404  403  302  403
review:remove_factors               GET     in   404  404  404  403  200  403
review:remove_factors               POST    in   404  404  404  403  302  403
review:book                         GET     in   404  404  404  200  200  200
review:security                     GET     in   404  404  404  403  200  200

account_login                       GET     200  302  302  302  302  302  302
account_logout                      GET     302  200  200  200  200  200  200
account_logout                      POST    302  302  302  302  302  302  302
account_signup                      GET     200  302  302  302  302  302  302
account_inactive                    GET     200  200  200  200  200  200  200
account_reauthenticate              GET     in   200  200  200  200  200  200
account_email                       GET     in   200  200  200  200  200  200
account_email_verification_sent     GET     200  200  200  200  200  200  200
account_change_password             GET     in   200  200  200  200  200  200
account_set_password                GET     in   302  302  302  302  302  302
account_reset_password              GET     200  200  200  200  200  200  200
account_request_login_code          GET     200  302  302  302  302  302  302
account_confirm_login_code          GET     in   302  302  302  302  302  302
account_confirm_email               GET     200  200  200  200  200  200  200
account_reset_password_from_key_done GET    200  200  200  200  200  200  200
account_reset_password_from_key     GET     200  200  200  200  200  200  200
account_reset_password_done         GET     200  200  200  200  200  200  200
usersessions_list                   GET     in   200  200  200  200  200  200
mfa_index                           GET     in   200  200  200  200  200  200
mfa_authenticate                    GET     in   302  302  302  302  302  302
mfa_reauthenticate                  GET     in   302  200  200  200  200  200
mfa_activate_totp                   GET     in   200  302  302  302  302  302
mfa_deactivate_totp                 GET     in   404  200  200  200  200  200
mfa_view_recovery_codes             GET     in   404  404  404  404  404  404
mfa_generate_recovery_codes         GET     in   200  200  200  200  200  200
mfa_download_recovery_codes         GET     in   404  404  404  404  404  404
mfa_list_webauthn                   GET     in   200  200  200  200  200  200
mfa_add_webauthn                    GET     in   200  200  200  200  200  200
mfa_reauthenticate_webauthn         GET     in   302  302  302  302  302  302
mfa_remove_webauthn                 GET     in   404  404  404  404  404  404
mfa_edit_webauthn                   GET     in   404  404  404  404  404  404
mfa_login_webauthn                  GET     in   302  302  302  302  302  302

api-1:api-root                      GET     404  404  404  404  404  404  404
api-1:openapi-json                  GET     200  200  200  200  200  200  200
api-1:openapi-view                  GET     200  200  200  200  200  200  200
api-1:families                      GET     200  200  200  200  200  200  200
api-1:me                            GET     401  200  200  200  200  200  200
api-1:list_jobs                     GET     401  200  200  200  200  200  200
api-1:submit                        POST    401  201  201  404  404  404  404
api-1:submit_file                   POST    401  201  201  404  404  404  404
api-1:submit_file                   GET     405  405  405  405  405  405  405
api-1:get_job                       GET     401  200  200  404  404  404  404
api-1:cancel                        GET     405  405  405  405  405  405  405
api-1:cancel                        POST    401  200  200  404  404  404  404
api-1:texts                         GET     401  200  200  404  404  404  404
api-1:list_partners                 GET     401  200  200  200  200  200  200
api-1:apply                         POST    401  201  201  201  201  201  201
api-1:get_partner                   GET     401  200  200  404  200  200  200
api-1:correct                       POST    401  403  409  404  403  403  403
api-1:admit                         POST    401  404  404  404  200  403  403
api-1:return_application            POST    401  404  404  404  200  403  403
api-1:decline                       POST    401  404  404  404  200  403  403
api-1:members                       GET     401  200  200  404  200  200  200
api-1:invite                        POST    401  403  201  404  403  403  403
api-1:create_service_account        POST    401  403  201  404  403  403  403
api-1:leave                         POST    401  204  409  404  409  409  409
api-1:list_requests                 GET     401  200  200  404  404  404  404
api-1:request_access                POST    401  403  201  404  404  404  404
api-1:get_request                   GET     401  200  200  404  404  404  404
api-1:save_request                  PUT     401  403  409  404  404  404  404
api-1:submit_request                POST    401  403  409  404  404  404  404
api-1:withdraw_request              POST    401  403  200  404  404  404  404
api-1:copy_request                  POST    401  403  201  404  404  404  404
api-1:appeal                        POST    401  403  409  404  404  404  404
api-1:say                           POST    401  201  201  404  404  404  404
api-1:list_grants                   GET     401  200  200  404  404  404  404
api-1:get_grant                     GET     401  200  200  404  404  404  404
api-1:amend_grant                   POST    401  403  201  404  404  404  404
api-1:renew_grant                   POST    401  403  201  404  404  404  404
api-1:access_now                    GET     401  200  200  404  404  404  404
api-1:list_findings                 GET     401  200  200  404  404  404  404
api-1:report_finding                POST    401  201  201  404  404  404  404
api-1:close_organisation            POST    401  403  204  404  204  403  403

api-1:review_requests               GET     401  404  404  404  200  200  403
api-1:review_request                GET     401  404  404  404  200  200  403
api-1:claim                         POST    401  404  404  404  200  200  403
api-1:release                       POST    401  404  404  404  409  409  403
api-1:recuse                        POST    401  404  404  404  200  200  403
api-1:return_request                POST    401  404  404  404  200  200  403
api-1:decide_request                POST    401  404  404  404  200  200  403
api-1:review_say                    POST    401  404  404  404  201  201  403
api-1:review_grants                 GET     401  404  404  404  200  200  403
api-1:revoke                        POST    401  404  404  404  200  200  403
api-1:access_at                     GET     401  404  404  404  200  200  200
api-1:list_suspensions              GET     401  404  404  404  200  200  200
api-1:suspend                       POST    401  404  404  404  201  201  403
api-1:get_suspension                GET     401  404  404  404  200  200  200
api-1:confirm_suspension            POST    401  404  404  404  200  409  403
api-1:drop_suspension               POST    401  404  404  404  200  200  403
api-1:lift_suspension               POST    401  404  404  404  200  200  403
api-1:add_family                    POST    401  404  404  404  403  201  403
api-1:edit_family                   PUT     401  404  404  404  403  200  403
api-1:add_size                      POST    401  404  404  404  403  201  403
api-1:edit_size                     PUT     401  404  404  404  403  200  403
api-1:correct_size                  POST    401  404  404  404  403  201  403
api-1:list_openings                 GET     401  404  404  404  200  200  200
api-1:open_component                POST    401  404  404  404  403  201  403
api-1:list_licences                 GET     401  404  404  404  200  200  200
api-1:add_licence                   POST    401  404  404  404  403  201  403
api-1:list_artefacts                GET     401  404  404  404  200  200  200
api-1:register_artefact             POST    401  404  404  404  403  201  403
api-1:get_artefact                  GET     401  404  404  404  200  200  200
api-1:list_artefact_files           GET     401  404  404  404  200  200  200
api-1:list_rules                    GET     401  404  404  404  200  200  200
api-1:set_rule                      POST    401  404  404  404  403  201  403
api-1:review_findings               GET     401  404  404  404  200  200  403
api-1:accept_finding                POST    401  404  404  404  200  200  403
api-1:list_people                   GET     401  404  404  404  403  200  403
api-1:get_person                    GET     401  404  404  404  403  200  403
api-1:disable_person                POST    401  404  404  404  403  200  403
api-1:enable_person                 POST    401  404  404  404  403  409  403
api-1:remove_factors                POST    401  404  404  404  403  200  403
api-1:fleet                         GET     401  404  404  404  403  200  403
api-1:enroll_worker                 POST    401  404  404  404  403  201  403
api-1:revoke_worker                 POST    401  404  404  404  403  204  403
api-1:set_weight                    POST    401  404  404  404  403  200  403
api-1:try_now                       POST    401  404  404  404  403  200  403
"""

KEPT_BY_NOBODY = "private, no-store"
PUBLIC = {"home", "health", "releases:family", "releases:size", "agreements:version", "agreements:text"}
FOR_ONE = ("api-1:", "account_", "partners:accept", "partners:tokens")
"""How the routes begin whose answers nobody keeps, for any person."""
TEXTS = ("texts_jsonl", "texts_csv", "texts_spreadsheet")
REQUEST_ROUTES = ("request", "edit", "save_draft", "say", "withdraw", "copy", "appeal")
REQUEST_API = ("get_request", "save_request", "submit_request", "withdraw_request", "copy_request", "appeal", "say")
REVIEW_API = ("review_request", "claim", "release", "recuse", "return_request", "decide_request", "review_say")
ACCESS_API = ("list_requests", "request_access", "list_grants", "access_now", "list_findings", "report_finding")
PARTNER_API = ("close_organisation", "get_partner", "correct", "members", "invite", "create_service_account", "leave")


@dataclass
class Row:
    route: str
    method: str
    expected: dict[str, str]

    def __str__(self) -> str:
        return f"{self.method} {self.route}"


ROWS = [
    Row(route, method, dict(zip(ROLES, answers, strict=True)))
    for route, method, *answers in (line.split() for line in TABLE.splitlines()[2:] if line)
]


@pytest.fixture
def clients(ada, ben, cleo, rita, mara, otto, client_of) -> dict[str, Client]:
    """Each role with a session for the pages and a token for the API."""
    signed_in = {"zoe": Client()}
    for name, user in zip(ROLES[1:], (ben, ada, cleo, rita, mara, otto), strict=True):
        signed_in[name] = client_of(user)
        _, secret = partners.create_token(by=user, name="table")
        signed_in[name].defaults["HTTP_AUTHORIZATION"] = f"Bearer {secret}"
    return signed_in


@pytest.fixture
def world(
    gpt2,
    northlake,
    southbank,
    grant,
    job,
    ada,
    ben,
    cleo,
    mara,
    size_355m,
    asking,
    application,
    signing,
    tmp_path,
    monkeypatch,
) -> dict:
    """For each route: what its address names; and for each POST, what is sent."""
    viewer = list(Role.objects.filter(code="viewer"))
    invitation = partners.invite(by=ada, partner=northlake, email=cleo.email, roles=viewer)
    link = Letter.objects.get(to=cleo.email, subject__contains="invites you").body
    key = link.partition("/invitations/")[2].partition("/")[0]
    request = access.request_access(by=ada, partner=northlake, **asking(size_355m))
    item, large = request.items.get().pk, gpt2.sizes.get(name="774M").pk
    granting = {"verdict": "approve", "ends_on": factories.in_days(9), "token_quota": "1,000", "purposes": ["belief"]}
    granting |= {"reduction_reason": "We begin with less."}
    details = {"title": "A finding", "text": "Readers are fooled."}
    finding = access.report_finding(by=ada, partner=northlake, size=grant.size, **details)
    token, _ = partners.create_token(by=ada, name="laptop")
    waiting = partners.apply(by=factories.UserFactory(), **application("Third Institute", "third.example"))
    version = agreements.publish_version(by=None, text="# Another text\n")
    org = {"slug": northlake.slug}
    family = {"name": "GPT-2", "summary": "Four sizes.", "description": "", "licence": "MIT"}
    size = {"context_tokens": 1024, "hub_id": ""}
    monkeypatch.setattr(django_settings, "ARTEFACTS_ROOT", tmp_path)
    (tmp_path / "papers").mkdir()
    (tmp_path / "papers" / "paper.pdf").write_bytes(b"%PDF")
    files = {"version": "1", "folder": "papers"}
    artefact = releases.register_artefact(
        by=mara, of=grant.size, component=Component.DETECTOR, version="1", folder="papers"
    )
    opening = {"audience": "partner", "reason": "For partners."}
    risk = {"reason_code": "risk", "reason": "A leak was reported."}
    stop = access.suspend(by=mara, subject=gpt2.sizes.get(name="774M"), **risk)
    proposed = access.suspend(by=mara, subject=gpt2.sizes.get(name="1558M"), **risk)
    researchers = list(Role.objects.filter(code="researcher"))
    robot = partners.create_service_account(by=ada, partner=northlake, name="Nightly run", roles=researchers)
    membership = Membership.objects.get(user=ben)
    signature = {name: value for name, value in signing(version).items() if name not in {"version", "origin"}}
    batch = access.stage_batch(by=mara, verb="grant", rows=[(request.pk, request.revision)])
    asked = {field: asking()[field] for field in ("purposes", "purpose", "until_wanted")}
    terms = {"ends_on": factories.in_days(9), "token_quota": 1_000, "purposes": ["belief"]}
    terms |= {"reduction_reason": "We begin with less."}
    settings = {"samples": 1, "max_new_tokens": 5, "temperature": 1, "top_k": 0, "top_p": 1}
    body = {"size": "gpt2/124M", "organisation": northlake.slug}
    failure = factories.FailureFactory()
    return {
        "address": {
            "releases:family": {"slug": "gpt2"},
            "releases:size": {"slug": "gpt2", "name": "124M"},
            "agreements:version": {"number": version.number},
            "agreements:text": {"number": version.number},
            "agreements:sign": org,
            "partners:members": org,
            "partners:remove_member": org | {"pk": membership.pk},
            "partners:withdraw_invitation": org | {"pk": invitation.pk},
            "partners:accept": {"key": key},
            "partners:decline_invitations": org,
            "mfa_remove_webauthn": {"pk": 0},
            "mfa_edit_webauthn": {"pk": 0},
            "partners:revoke_token": {"pk": token.pk},
            **{f"partners:{name}": org for name in ("correct", "leave", "create_service_account")},
            "partners:change_roles": org | {"pk": membership.pk},
            "partners:resend_invitation": org | {"pk": invitation.pk},
            **{f"partners:{name}": org | {"pk": robot.pk} for name in ("service_account", "close_service_account")},
            **{f"api-1:{name}": org for name in PARTNER_API},
            **{f"api-1:{name}": {"slug": waiting.slug} for name in ("admit", "return_application", "decline")},
            "access:organisation": org,
            "access:new": org,
            "access:close": org,
            "access:findings": org,
            **{f"access:{name}": org | {"pk": request.pk} for name in REQUEST_ROUTES},
            "access:grant": org | {"pk": grant.pk},
            "access:change": org | {"pk": grant.pk, "kind": "renewal"},
            "access:finding": org | {"pk": finding.pk},
            **{f"api-1:{name}": org for name in ACCESS_API},
            **{f"api-1:{name}": org | {"pk": request.pk} for name in REQUEST_API},
            **{f"api-1:{name}": org | {"pk": grant.pk} for name in ("get_grant", "amend_grant", "renew_grant")},
            **{f"api-1:{name}": {"pk": request.pk} for name in REVIEW_API},
            "api-1:revoke": {"pk": grant.pk},
            **{f"api-1:{name}": {"pk": stop.pk} for name in ("get_suspension", "lift_suspension")},
            **{f"api-1:{name}": {"pk": proposed.pk} for name in ("confirm_suspension", "drop_suspension")},
            "api-1:accept_finding": {"pk": finding.pk},
            "review:finding": {"pk": finding.pk},
            "review:batch": {"pk": batch.pk},
            "review:revoke_worker": {"pk": factories.beat("route-worker").pk},
            "api-1:revoke_worker": {"name": "route-worker"},
            "review:share": {"pk": Share.objects.get(partner=northlake, size=grant.size).pk},
            "review:rule": {"family": "gpt2", "name": "355M"},
            **{
                f"review:{name}": {"slug": "gpt2"}
                for name in ("register_family", "edit_family", "new_size", "register_of_family")
            },
            **{
                f"api-1:{name}": {"slug": "gpt2"}
                for name in ("edit_family", "add_size", "list_openings", "list_artefacts", "register_artefact")
            },
            "api-1:open_component": {"slug": "gpt2"},
            **{
                route: {"pk": artefact.pk}
                for route in ("review:artefact", "api-1:get_artefact", "api-1:list_artefact_files")
            },
            "review:open_of_family": {"slug": "gpt2", "component": "paper"},
            "review:open_component": {"slug": "gpt2", "name": "355M", "component": "weights"},
            **{
                route: {"slug": "gpt2", "name": "355M"}
                for route in (
                    *("review:register_size", "review:edit_size", "review:correct_size", "review:register_artefact"),
                    *("api-1:edit_size", "api-1:correct_size"),
                )
            },
            **{route: {"pk": failure.pk} for route in ("review:try_now", "api-1:try_now")},
            **{f"review:{name}": {"pk": request.pk} for name in ("claim", "say")},
            **{f"jobs:{name}": {"pk": job.pk} for name in ("job", "progress", "cancel", *TEXTS)},
            "review:organisation": {"slug": waiting.slug},
            "review:request": {"pk": request.pk},
            "review:revoke": {"pk": grant.pk},
            "review:suspension": {"pk": stop.pk},
            **{
                route: {"pk": cleo.pk}
                for route in ("review:person", "review:remove_factors", "api-1:get_person", "api-1:remove_factors")
            },
            **{f"api-1:{verb}_person": {"pk": cleo.pk} for verb in ("disable", "enable")},
            "account_confirm_email": {"key": "unknown"},
            "account_reset_password_from_key": {"uidb36": "0", "key": "unknown"},
            **{f"api-1:{name}": {"job_id": job.pk} for name in ("get_job", "cancel", "texts")},
        },
        "sent": {
            "agreements:sign": signature,
            "partners:apply": application("Fourth Institute", "fourth.example"),
            "partners:members": {"email": "new@northlake.example", "roles": ["viewer"]},
            "partners:correct": application("University of Northlake"),
            "partners:change_roles": {"roles": ["viewer"]},
            "partners:create_service_account": {"name": "Weekly run", "roles": ["researcher"]},
            "partners:service_account": {"name": "a token", "days": 30},
            "partners:mail": {"mail": "daily"},
            "review:suspend": risk | {"typed": "everything"},
            "review:suspension": {"lift": "1", "reason": "It was checked."},
            "review:intake": {"pause": "1", "message": "We read nothing this week."},
            "api-1:apply": application("Fourth Institute", "fourth.example"),
            "api-1:correct": {field: value for field, value in application().items() if field != "will_sign"},
            "api-1:admit": {},
            "api-1:return_application": {"reason": "Tell who will use it."},
            "api-1:decline": {"reason": "Not research."},
            "api-1:invite": {"email": "new@northlake.example", "roles": ["viewer"]},
            "api-1:create_service_account": {"name": "Weekly run", "roles": ["researcher"]},
            "api-1:leave": {},
            **{f"api-1:{name}": {} for name in ("submit_request", "withdraw_request", "copy_request", "appeal")},
            **{
                f"api-1:{name}": {} for name in ("amend_grant", "renew_grant", "close_organisation", "claim", "release")
            },
            **{f"api-1:{name}": {} for name in ("confirm_suspension", "drop_suspension", "accept_finding")},
            **{
                f"api-1:{name}": asked | {"wanted": [{"size": "gpt2/774M", "tokens": 10}]}
                for name in ("request_access", "save_request")
            },
            "api-1:say": {"text": "When may we hear?"},
            "api-1:report_finding": {"size": "gpt2/124M", "title": "Bias", "text": "We found it."},
            "api-1:recuse": {"reason": "A friend asks."},
            "api-1:return_request": {"reason_code": "team", "reason": "Tell who will use it."},
            "api-1:decide_request": {"answers": [{"item": item, "terms": terms}]},
            "api-1:review_say": {"text": "Who reads them?"},
            "api-1:revoke": {"reason_code": "key", "reason": "A key was shared."},
            "api-1:suspend": risk | {"organisation": northlake.slug},
            "api-1:lift_suspension": {"reason": "It was checked."},
            "api-1:set_rule": {"size": "gpt2/355M", "approvals": 2, "reason": "It is large."},
            "partners:tokens": {"name": "notebook", "days": 30},
            "access:new": asked | {f"rights_{large}": ["generation"], f"tokens_{large}": "10"},
            "access:close": {"typed": northlake.slug},
            "access:say": {"text": "When may we hear?"},
            "access:findings": {"size": grant.size_id, "title": "Bias", "text": "We found it."},
            "review:bulk": {"verb": "grant", "request": f"{request.pk}:{request.revision}"},
            "review:batch": {"apply": "1"},
            "review:share": {"weight": "2"},
            "review:enroll_worker": {"name": "anna"},
            "review:revoke_worker": {"reason": "Its machine was stolen."},
            "api-1:enroll_worker": {"name": "anna"},
            "api-1:revoke_worker": {"reason": "Its machine was stolen."},
            "api-1:set_weight": body | {"weight": 2},
            "api-1:try_now": {},
            **{f"api-1:{verb}_person": {"reason": "Their laptop was stolen."} for verb in ("disable", "enable")},
            "review:person": {"reason": "Their laptop was stolen."},
            **{
                f"{door}:remove_factors": {"reason": "Their telephone fell into the sea."}
                for door in ("review", "api-1")
            },
            "review:say": {"text": "Who reads them?"},
            "review:saved": {"name": "Large", "query": "q=size:1558M"},
            "review:columns": {"column": ["kind"]},
            **{route: family | {"slug": "another"} for route in ("review:new_family", "api-1:add_family")},
            **{f"{door}:edit_family": family for door in ("review", "api-1")},
            **{route: size | {"name": "9B", "parameters": 9} for route in ("review:new_size", "api-1:add_size")},
            **{f"{door}:edit_size": size for door in ("review", "api-1")},
            **{
                f"{door}:correct_size": {"name": "356M", "on": "2019-08-20", "reason": "Counted wrongly."}
                for door in ("review", "api-1")
            },
            **{f"review:{name}": opening for name in ("open_of_family", "open_component")},
            "api-1:open_component": opening | {"component": "weights", "size": "355M"},
            "review:register_artefact": files | {"component": "outputs"},
            "review:register_of_family": files | {"component": "paper"},
            "api-1:register_artefact": files | {"component": "paper"},
            **{
                route: {"name": "MIT", "version": "1", "text": "Use it."}
                for route in ("review:licences", "api-1:add_licence")
            },
            "review:rule": {"approvals": 2, "after_days": 0, "findings": 0, "reason": "It is large."},
            "jobs:new": settings | {"grant": grant.pk, "prompts": "Once upon a time", "idempotency_key": "k"},
            "review:organisation": {"admit": "1"},
            "review:request": {"decide": "apply"}
            | {f"item_{item}-{field}": value for field, value in granting.items()},
            "review:revoke": {"reason_code": "key", "reason": "A key was shared."},
            "api-1:submit": body | {"prompts": ["one"]},
            "api-1:submit_file": body,
        },
    }


def client_for(row: Row, client: Client) -> Client:
    """The client; where a row asks for a token, the same person by it alone, as a program comes without a session."""
    if row.expected.get("zoe") != "401":
        return client
    program = copy(client)
    program.cookies = SimpleCookie()
    return program


def send(
    client: Client, row: Row, world: dict[str, Any], *, path: str = "", fields: dict[str, Any] | None = None
) -> Any:
    """The request of a row, to another address or with other fields where they are given."""
    path = path or reverse(row.route, kwargs=world["address"].get(row.route))
    client = client_for(row, client)
    sent = world["sent"].get(row.route, {}) | (fields or {})
    if row.method == "GET":
        return client.get(path)
    if row.route.startswith("api-1:") and row.route in world["sent"] and row.route != "api-1:submit_file":
        body = json.dumps(sent, default=str)
        return client.generic(row.method, path, body, content_type="application/json")
    if row.route == "api-1:submit_file":
        return client.post(path, {"file": SimpleUploadedFile("a.txt", b"one")} | sent)
    return client.post(path, sent)


def answer_of(response: Any) -> str:
    if response.status_code == 302 and response["location"].startswith(reverse("account_login")):
        return "in"
    return str(response.status_code)


def refusals() -> Counter[str]:
    """How many were noted of each person; under "" those of nobody."""
    names = SecurityEvent.objects.filter(kind=SecurityEvent.Kind.REFUSED).values_list("by__name", flat=True)
    return Counter(name or "" for name in names)


def is_kept_as_it_should(row: Row, role: str, response: Any) -> bool:
    """What is for one person is kept by no browser and no proxy on the way; what is public may be."""
    if role != "zoe" or row.route.startswith(FOR_ONE):
        return response.get("Cache-Control") == KEPT_BY_NOBODY
    return row.route not in PUBLIC or response.get("Cache-Control") != KEPT_BY_NOBODY


@pytest.mark.slow
def test_every_route_answers_every_role_as_the_table_says(subtests, clients, world):
    before = refusals()
    for row in ROWS:
        with subtests.test(msg=str(row)):
            responses, noted = {}, {}
            for role, client in clients.items():
                cookies = deepcopy(client.cookies)
                with undone():  # nobody sees what another did
                    responses[role] = send(client, row, world)
                    noted[role] = dict(refusals() - before)
                client.cookies = cookies
            answers = {role: answer_of(response) for role, response in responses.items()}
            assert answers == row.expected
            refused = [role for role, status in answers.items() if role != "zoe" and status in {"403", "404"}]
            assert noted == {role: {PEOPLE[role]: 1} if role in refused else {} for role in ROLES}
            assert [role for role, each in responses.items() if not is_kept_as_it_should(row, role, each)] == []


def routes(patterns, namespace: str = "") -> set[str]:
    """The names of all routes below a resolver."""
    found = set()
    for pattern in patterns:
        if isinstance(pattern, URLPattern):
            found.add(f"{namespace}{pattern.name}")
        else:
            found |= routes(pattern.url_patterns, f"{pattern.namespace}:" if pattern.namespace else namespace)
    return found


def test_table_has_every_route():
    assert {row.route for row in ROWS} == routes(get_resolver().url_patterns)


def test_table_has_every_way_to_write(clients, world, subtests):
    """A route that answers a POST of Ada's without a 405 has a row for POST, unless it changes nothing."""
    only_read = {"home", "health", "jobs:list", "jobs:job", "jobs:progress", *(f"jobs:{name}" for name in TEXTS)}
    only_read |= {"releases:family", "releases:size", "agreements:current", "agreements:version", "agreements:text"}
    only_read |= {
        "access:home",
        "access:organisation",
        "access:request",
        "access:grant",
        "access:finding",
        "api-1:openapi-json",
        "api-1:openapi-view",
    }
    written = {row.route for row in ROWS if row.method == "POST"} | {
        "api-1:list_jobs",
        "api-1:list_partners",
        "api-1:list_requests",
        "api-1:list_findings",
        "api-1:list_suspensions",
        "api-1:list_rules",
        "api-1:list_openings",
        "api-1:list_licences",
        "api-1:list_artefacts",
    }  # something can be posted to their addresses, under the names of other routes
    for row in ROWS:
        if row.route in written | only_read or row.route.startswith(("account_", "mfa_", "usersessions_", "review:")):
            continue
        with subtests.test(msg=row.route), undone():
            assert answer_of(send(clients["ada"], Row(row.route, "POST", {}), world)) in {"404", "405"}
