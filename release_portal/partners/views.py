"""The HTML door: applying, members, invitations, tokens."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from . import actions
from .doors import SignedIn, refusals_on
from .forms import ApplicationForm, InvitationForm, TokenForm
from .models import ApiToken, Invitation, Membership, Partner
from .permissions import Permission


@login_required
def apply(request: SignedIn) -> HttpResponse:
    form = ApplicationForm(
        request.POST or None, initial={"contact_name": request.user.name, "contact_email": request.user.email}
    )
    if form.is_valid():
        with refusals_on(form):
            partner = actions.apply(by=request.user, **form.cleaned_data)
            messages.success(request, f"We received the application of {partner}.")
            return redirect(partner)
    return render(request, "partners/apply.html", {"form": form})


@login_required
def members(request: SignedIn, slug: str) -> HttpResponse:
    partner = get_object_or_404(Partner.objects.visible_to(request.user), slug=slug)
    form = InvitationForm(request.POST or None)
    if form.is_valid():
        with refusals_on(form):
            invitation = actions.invite(
                by=request.user, partner=partner, email=form.cleaned_data["email"], roles=form.cleaned_data["roles"]
            )
            messages.success(request, f"{invitation.email} was invited.")
            return redirect("partners:members", slug)
    people = partner.memberships.current().select_related("user").prefetch_related("roles").order_by("user__name")
    context = {
        "partner": partner,
        "form": form,
        "people": people,
        "invitations": partner.invitations.open(at=timezone.now()).prefetch_related("roles").order_by("email"),
        "may_invite": request.user.may(Permission.MEMBER_INVITE, partner),
    }
    return render(request, "partners/members.html", context)


@login_required
@require_POST
def withdraw_invitation(request: SignedIn, slug: str, pk: int) -> HttpResponse:
    partner = get_object_or_404(Partner.objects.visible_to(request.user), slug=slug)
    invitation = get_object_or_404(Invitation, partner=partner, pk=pk)
    actions.withdraw_invitation(by=request.user, invitation=invitation)
    messages.success(request, f"The invitation of {invitation.email} was withdrawn.")
    return redirect("partners:members", slug)


@login_required
@require_POST
def remove_member(request: SignedIn, slug: str, pk: int) -> HttpResponse:
    partner = get_object_or_404(Partner.objects.visible_to(request.user), slug=slug)
    membership = get_object_or_404(Membership.objects.select_related("user", "partner"), partner=partner, pk=pk)
    actions.remove_member(by=request.user, membership=membership)
    messages.success(request, f"{membership.user} left {partner}.")
    return redirect("partners:members", slug)


@login_required
def accept(request: SignedIn, key: str) -> HttpResponse:
    if request.method == "POST":
        membership = actions.accept_invitation(by=request.user, key=key)
        messages.success(request, f"You now belong to {membership.partner}.")
        return redirect(membership.partner)
    return render(request, "partners/accept.html", {"invitation": actions.open_invitation(by=request.user, key=key)})


@login_required
def tokens(request: SignedIn) -> HttpResponse:
    form, secret = TokenForm(request.POST or None), ""
    if form.is_valid():
        with refusals_on(form):
            _, secret = actions.create_token(by=request.user, **form.cleaned_data)
            form = TokenForm()
    mine = ApiToken.objects.in_force(at=timezone.now()).filter(user=request.user).order_by("-created_at")
    return render(request, "partners/tokens.html", {"form": form, "secret": secret, "tokens": mine})


@login_required
@require_POST
def revoke_token(request: SignedIn, pk: int) -> HttpResponse:
    token = get_object_or_404(ApiToken, user=request.user, pk=pk)
    actions.revoke_token(by=request.user, token=token)
    messages.success(request, f"The token “{token.name}” was revoked.")
    return redirect("partners:tokens")
