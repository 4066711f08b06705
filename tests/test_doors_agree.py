"""A page and the API ask for the same: the limits and the defaults of what both take."""

import pytest

from release_portal.access import actions as access
from release_portal.access import forms as access_forms
from release_portal.access.api.organisation import FindingIn
from release_portal.access.api.requests import RemarkIn, RequestIn
from release_portal.access.models import Grant
from release_portal.access.terms import terms_asked
from release_portal.jobs import forms as job_forms
from release_portal.jobs.api import Sampling
from release_portal.jobs.limits import LIMITS, read_settings
from release_portal.lib.schemas import LONGEST_WORD
from release_portal.partners import api as partner_api
from release_portal.partners import forms as partner_forms
from release_portal.review import forms as lab_forms
from release_portal.review.api import artefacts, fleet, grants, people, register, requests, rules, suspensions

from . import factories


def test_a_job_has_the_same_settings_where_they_are_left_out_at_every_door(api_of, ben, grant):
    defaults = read_settings({})
    form = job_forms.JobForm(grants=Grant.objects.none())
    assert {field: form.fields[field].initial for field in LIMITS} == defaults
    assert {field: Sampling.model_fields[field].default for field in LIMITS} == defaults
    details = {"size": "gpt2/124M", "prompts": ["Once"]}
    by_api = api_of(ben).post("/api/v1/jobs", details, content_type="application/json").json()
    for field in LIMITS.keys() - {"seed"}:
        assert by_api[field] == defaults[field]


FORMS = {
    job_forms.JobForm: [Sampling],
    job_forms.WorkerForm: [fleet.WorkerIn],
    lab_forms.AnswerForm: [requests.AnswerIn, requests.TermsIn],
    lab_forms.ReturnForm: [requests.ReturnIn],
    lab_forms.RecuseForm: [requests.RecuseIn],
    lab_forms.RevokeForm: [grants.RevokeIn],
    lab_forms.RuleForm: [rules.RuleIn],
    lab_forms.FamilyForm: [register.FamilyEdit],
    lab_forms.NewFamilyForm: [register.FamilyIn],
    lab_forms.SizeForm: [register.SizeEdit],
    lab_forms.NewSizeForm: [register.SizeIn],
    lab_forms.ErratumForm: [register.ErratumIn],
    lab_forms.OpeningForm: [register.OpeningIn],
    lab_forms.ArtefactForm: [artefacts.ArtefactIn],
    lab_forms.LicenceForm: [artefacts.LicenceIn],
    access_forms.AccessRequestForm: [RequestIn],
    access_forms.FindingForm: [FindingIn],
    access_forms.RemarkForm: [RemarkIn],
    lab_forms.SuspendForm: [suspensions.SuspensionIn],
    partner_forms.ApplicationForm: [partner_api.Application],
    partner_forms.ReasonForm: [partner_api.Reason, people.AccountReason, fleet.RevokeIn, requests.ReasonIn],
    partner_forms.ServiceAccountForm: [partner_api.NewServiceAccount],
}


def _longest(schema, name):
    field = schema.model_fields.get(name)
    return next((each.max_length for each in field.metadata if hasattr(each, "max_length")), None) if field else None


@pytest.mark.parametrize("form", FORMS)
def test_page_and_api_take_texts_of_the_same_length(form):
    """Where the API takes a short word, as of every code and name, the verb has the limit."""
    fields = {name: field for name, field in form.base_fields.items() if getattr(field, "max_length", None)}
    fields |= {name: field for name, field in form.base_fields.items() if name in ("name", "title", "reason")}
    compared = {}
    for name, field in fields.items():
        found = [longest for schema in FORMS[form] if (longest := _longest(schema, name)) is not None]
        compared |= {name: (field.max_length, *found)} if found else {}
    assert compared.keys() >= fields.keys() - {"typed", "idempotency_key"}, "the API has no limit, or no such field"
    assert {name: longest for name, longest in compared.items() if longest[1] not in (longest[0], LONGEST_WORD)} == {}


def test_answer_by_api_with_terms_left_out_grants_what_was_asked(access_request, rita, api_of):
    item = access_request.items.get()
    asked = terms_asked(item)
    details = {"answers": [{"item": item.pk, "terms": {}}]}
    path = f"/api/v1/review/requests/{access_request.pk}/decisions"
    assert api_of(rita).post(path, details, content_type="application/json").status_code == 200
    grant = Grant.objects.get(item=item)
    assert (grant.token_quota, grant.last_day, tuple(grant.purposes)) == (
        asked.token_quota,
        asked.ends_on,
        asked.purposes,
    )


DECISIONS = "/api/v1/review/requests/{0.pk}/decisions"


@pytest.mark.parametrize(
    ("details", "status", "quota"),
    [
        ({}, 200, 5_000),
        ({"token_quota": None, "purposes": None, "ends_on": None}, 200, 5_000),
        ({"reduction_reason": "In other words."}, 200, 5_000),
        ({"token_quota": 4_000}, 422, None),
        ({"token_quota": 100_000}, 200, None),
    ],
)
def test_reasons_of_another_go_with_the_whole_offer_alone(
    access_request, rita, tom, mara, api_of, details, status, quota
):
    item = access_request.items.get()
    access.set_rule(by=mara, size=item.size, approvals=2, reason="For the test.")
    factories.approved(item, by=rita, token_quota=5_000, reduction_reason="Of Rita alone.")
    body = {"answers": [{"item": item.pk, "terms": details}]}
    answer = api_of(tom).post(DECISIONS.format(access_request), body, content_type="application/json")
    assert (answer.status_code, answer.json().get("field", "")) == (status, "" if status == 200 else "reduction_reason")
    granted = Grant.objects.filter(item=item).first()
    assert (granted.token_quota if granted else None) == quota
    if granted:
        assert granted.reduction_reason == details.get("reduction_reason", "Of Rita alone.")


def test_answer_by_api_with_terms_left_out_approves_what_another_offers(access_request, rita, tom, mara, api_of):
    item = access_request.items.get()
    access.set_rule(by=mara, size=item.size, approvals=2, reason="For the test.")
    factories.approved(item, by=rita, token_quota=5_000)
    details = {"answers": [{"item": item.pk, "terms": {}}]}
    path = f"/api/v1/review/requests/{access_request.pk}/decisions"
    assert api_of(tom).post(path, details, content_type="application/json").status_code == 200
    assert Grant.objects.get(item=item).token_quota == 5_000
