"""The HTML door: applying, members, invitations, service accounts, tokens, which mails one gets."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import Prefetch
from django.forms import model_to_dict
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from release_portal.lib.links import page_url
from release_portal.lib.text import number_in

from . import actions
from .actions.service_accounts import SERVICE_ROLES
from .forms import ApplicationForm, CorrectionForm, InvitationForm, MailForm, ServiceAccountForm, TokenForm
from .guards import require
from .models import ApiToken, ApplicationDraft, Invitation, Membership, Partner, Pause, Role, User
from .permissions import Permission
from .shortcuts import SignedIn, fresh, refusals_on


@login_required
def apply(request: SignedIn) -> HttpResponse:
    if "secondary" in request.POST:
        return draft(request)
    kept = ApplicationDraft.objects.filter(user=request.user).first()
    contact = {"contact_name": request.user.name, "contact_email": request.user.email}
    form = ApplicationForm(request.POST or None, initial=contact | (kept.content if kept else {}))
    if form.is_valid():
        with refusals_on(form):
            partner = actions.apply(by=request.user, **form.cleaned_data)
            messages.success(request, f"We received the application of {partner}.")
            return redirect(partner)
    context = {"form": form, "draft": kept, "pause": Pause.objects.now()}
    return render(request, "partners/apply.html", context)


@login_required
@require_POST
def draft(request: SignedIn) -> HttpResponse:
    """Keep what is typed: htmx asks while one types, and a button does without JavaScript."""
    kept = actions.save_draft(by=request.user, content=request.POST.dict())
    if request.headers.get("HX-Request"):
        return render(request, "partners/draft.html", {"draft": kept})
    messages.success(request, "Your draft is saved.")
    return redirect("partners:apply")


@login_required
@require_POST
def discard_draft(request: SignedIn) -> HttpResponse:
    actions.discard_draft(by=request.user)
    messages.success(request, "Your draft was discarded.")
    return redirect("partners:apply")


@login_required
def correct(request: SignedIn, slug: str) -> HttpResponse:
    partner = _partner(request, slug)
    require(request.user, Permission.PARTNER_EDIT, partner)
    if partner.status != Partner.Status.RETURNED:
        return redirect(partner)
    form = CorrectionForm(request.POST or None, initial=model_to_dict(partner, CorrectionForm.Meta.fields))
    if form.is_valid():
        with refusals_on(form):
            actions.correct_application(by=request.user, partner=partner, **form.cleaned_data)
            messages.success(request, f"We received the corrected application of {partner}.")
            return redirect(partner)
    return render(request, "partners/correct.html", {"partner": partner, "form": form})


@login_required
def members(request: SignedIn, slug: str) -> HttpResponse:
    partner = _partner(request, slug)
    form = InvitationForm(request.POST or None)
    if form.is_valid():
        with refusals_on(form):
            invitation = actions.invite(by=request.user, partner=partner, **form.cleaned_data)
            messages.success(request, f"{invitation.email} was invited.")
            return redirect("partners:members", slug)
    return _members_page(request, partner, form=form)


@login_required
@require_POST
def withdraw_invitation(request: SignedIn, slug: str, pk: int) -> HttpResponse:
    invitation = get_object_or_404(Invitation, partner=_partner(request, slug), pk=pk)
    actions.withdraw_invitation(by=request.user, invitation=invitation)
    messages.success(request, f"The invitation of {invitation.email} was withdrawn.")
    return redirect("partners:members", slug)


@login_required
@require_POST
def resend_invitation(request: SignedIn, slug: str, pk: int) -> HttpResponse:
    invitation = get_object_or_404(Invitation, partner=_partner(request, slug), pk=pk)
    actions.resend_invitation(by=request.user, invitation=invitation)
    messages.success(request, f"{invitation.email} was invited again; the link before no longer works.")
    return redirect("partners:members", slug)


@login_required
@require_POST
def change_roles(request: SignedIn, slug: str, pk: int) -> HttpResponse:
    membership = _membership(request, slug, pk)
    chosen = request.POST.getlist("roles")
    roles = [role for role in Role.objects.filter(at_lab=False) if role.code in chosen]
    actions.change_roles(by=request.user, membership=membership, roles=roles)
    messages.success(request, f"The roles of {membership.user} have changed.")
    return redirect("partners:members", slug)


@login_required
@require_POST
def remove_member(request: SignedIn, slug: str, pk: int) -> HttpResponse:
    membership = _membership(request, slug, pk)
    actions.remove_member(by=request.user, membership=membership)
    messages.success(request, f"{membership.user} left {membership.partner}.")
    return redirect("partners:members", slug)


@login_required
@require_POST
def leave(request: SignedIn, slug: str) -> HttpResponse:
    partner = _partner(request, slug)
    actions.leave(by=request.user, partner=partner)
    messages.success(request, f"You left {partner}.")
    return redirect(page_url("organisations"))


@login_required
@fresh
@require_POST
def create_service_account(request: SignedIn, slug: str) -> HttpResponse:
    partner = _partner(request, slug)
    form = ServiceAccountForm(request.POST)
    if form.is_valid():
        with refusals_on(form):
            account = actions.create_service_account(by=request.user, partner=partner, **form.cleaned_data)
            messages.success(request, f"The service account “{account}” was made. Make its first token here.")
            return redirect("partners:service_account", slug, account.pk)
    return _members_page(request, partner, service_form=form)


@login_required
@fresh
def service_account(request: SignedIn, slug: str, pk: int) -> HttpResponse:
    """The tokens of a service account."""
    partner = _partner(request, slug)
    account = get_object_or_404(partner.service_accounts, pk=pk)
    require(request.user, Permission.MEMBER_INVITE, partner)
    return _tokens_page(request, account, partner=partner)


@login_required
@require_POST
def close_service_account(request: SignedIn, slug: str, pk: int) -> HttpResponse:
    account = get_object_or_404(_partner(request, slug).service_accounts.select_related("service_of"), pk=pk)
    actions.close_service_account(by=request.user, user=account)
    messages.success(request, f"The service account “{account}” was closed.")
    return redirect("partners:members", slug)


@login_required
def accept(request: SignedIn, key: str) -> HttpResponse:
    if request.method == "POST":
        membership = actions.accept_invitation(by=request.user, key=key)
        messages.success(request, f"You now belong to {membership.partner}.")
        return redirect(membership.partner)
    return render(request, "partners/accept.html", {"invitation": actions.open_invitation(by=request.user, key=key)})


@login_required
@require_POST
def decline_invitations(request: SignedIn, slug: str) -> HttpResponse:
    """For somebody invited, who sees nothing of the organisation yet."""
    mine = Invitation.objects.undeclined().addressed_to(request.user)
    partner = get_object_or_404(Partner, pk__in=mine.values("partner"), slug=slug)
    actions.decline_invitations(by=request.user, partner=partner)
    messages.success(request, f"You declined to join {partner}.")
    return redirect(page_url("organisations"))


@login_required
@fresh
def tokens(request: SignedIn) -> HttpResponse:
    return _tokens_page(request, request.user)


@login_required
def keep_tokens(request: SignedIn) -> HttpResponse:
    """After a new password: which tokens stay. None does unless it is chosen."""
    if request.method == "POST":
        chosen = {pk for key in request.POST.getlist("keep") if (pk := number_in(key)) is not None}
        ended = actions.keep_tokens(by=request.user, keep=chosen)
        messages.success(request, f"{ended} token{'' if ended == 1 else 's'} revoked; the others go on.")
        return redirect("partners:tokens")
    in_force = ApiToken.objects.in_force(at=timezone.now()).filter(user=request.user).order_by("-created_at")
    return render(request, "partners/keep_tokens.html", {"tokens": in_force})


@login_required
@require_POST
def revoke_token(request: SignedIn, pk: int) -> HttpResponse:
    known = ApiToken.objects.visible_to(request.user).select_related("user__service_of")
    token = get_object_or_404(known, pk=pk)
    actions.revoke_token(by=request.user, token=token)
    messages.success(request, f"The token “{token.name}” was revoked.")
    if token.user.service_of:
        return redirect("partners:service_account", token.user.service_of.slug, token.user.pk)
    return redirect("partners:tokens")


@login_required
def mail(request: SignedIn) -> HttpResponse:
    form = MailForm(request.POST or None, initial={"mail": request.user.mail})
    if form.is_valid():
        with refusals_on(form):
            actions.choose_mail(by=request.user, **form.cleaned_data)
            messages.success(request, "Your choice is kept.")
            return redirect("partners:mail")
    return render(request, "partners/mail.html", {"form": form})


def _partner(request: SignedIn, slug: str) -> Partner:
    return get_object_or_404(Partner.objects.visible_to(request.user), slug=slug)


def _membership(request: SignedIn, slug: str, pk: int) -> Membership:
    current = Membership.objects.select_related("user", "partner")
    return get_object_or_404(current, partner=_partner(request, slug), pk=pk)


def _members_page(request: SignedIn, partner: Partner, **forms: Any) -> HttpResponse:
    """Who belongs to the organisation and who is invited, with the forms to change that."""
    now = timezone.now()
    current = partner.memberships.current().select_related("user").prefetch_related("roles").order_by("user__name")
    in_force = ApiToken.objects.in_force(at=now).order_by("-created_at")
    roles = list(Role.objects.filter(at_lab=False))
    context = {
        "partner": partner,
        "now": now,
        "form": InvitationForm(),
        "service_form": ServiceAccountForm(),
        "people": current.filter(user__service_of__isnull=True),
        "services": current.filter(user__service_of__isnull=False).prefetch_related(
            Prefetch("user__api_tokens", queryset=in_force)
        ),
        "invitations": partner.invitations.unanswered().prefetch_related("roles"),
        "roles": roles,
        "service_roles": [role for role in roles if role.code in SERVICE_ROLES],
        "may_invite": request.user.may(Permission.MEMBER_INVITE, partner),
    }
    return render(request, "partners/members.html", context | forms)


def _tokens_page(request: SignedIn, user: User, partner: Partner | None = None) -> HttpResponse:
    """The tokens of a person or of a service account; a new one is shown once."""
    form, secret = TokenForm(request.POST or None), ""
    if form.is_valid():
        with refusals_on(form):
            _, secret = actions.create_token(by=request.user, user=user, **form.cleaned_data)
            form = TokenForm()
    in_force = ApiToken.objects.in_force(at=timezone.now()).filter(user=user).order_by("-created_at")
    context = {"form": form, "secret": secret, "tokens": in_force, "account": user, "partner": partner}
    return render(request, "partners/tokens.html", context)
