"""Acting on many rows: chosen, staged with a reason, previewed by its effect, applied once."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from release_portal.access import actions as access
from release_portal.access.decision_forms import BatchForm
from release_portal.access.models import AccessRequest, Batch, Grant
from release_portal.lib.states import Forbidden, Refused
from release_portal.partners.doors import SignedIn, refusals_on
from release_portal.partners.permissions import Permission

from ..doors import staff
from ..effect import effect_of

acting = staff(Permission.REQUEST_DECIDE, Permission.ACCESS_SUSPEND, Permission.GRANT_REVOKE)


@acting
@require_POST
def bulk(request: SignedIn) -> HttpResponse:
    """The rows that were chosen in a list, and the reason; then they are staged."""
    verb = request.POST.get("verb", "")
    if verb not in Batch.Verb.values:
        raise Refused("Choose what to do from the list.", field="verb", given=verb)
    on_requests = verb in Batch.ON_REQUESTS
    rows = [_row(chosen) for chosen in request.POST.getlist("request" if on_requests else "grant")]
    if not rows:
        messages.warning(request, f"Choose one {'request' if on_requests else 'grant'} at least, then what to do.")
        return redirect("review:desk" if on_requests else "review:grants")
    typed = request.POST if "stage" in request.POST or verb == Batch.Verb.GRANT else None
    form = BatchForm(typed, verb=verb)
    if form.is_valid():
        with refusals_on(form):
            return redirect(access.stage_batch(by=request.user, verb=verb, rows=rows, **form.cleaned_data))
    chosen = AccessRequest.objects.sent().with_items() if on_requests else Grant.objects.latest_first()
    context = {
        "form": form,
        "label": Batch.Verb(verb).label,
        "verb": verb,
        "name": "request" if on_requests else "grant",
        "rows": chosen.filter(pk__in=[pk for pk, _ in rows]),
        "values": request.POST.getlist("request" if on_requests else "grant"),
        "back": "review:desk" if on_requests else "review:grants",
    }
    return render(request, "review/bulk.html", context)


@acting
def batch(request: SignedIn, pk: int) -> HttpResponse:
    """A staged batch with its effect, or an applied one with what became of each row."""
    shown = get_object_or_404(Batch.objects.select_related("staged_by", "applied_by"), pk=pk)
    if request.method == "POST":
        return _answered(request, shown)
    back = "review:desk" if shown.verb in Batch.ON_REQUESTS else "review:grants"
    context: dict[str, Any] = {"batch": shown, "back": back}
    if shown.status == Batch.Status.STAGED:
        context["effect"] = effect_of(shown, by=request.user)
    return render(request, "review/batch.html", context)


def _answered(request: SignedIn, shown: Batch) -> HttpResponse:
    try:
        if "apply" in request.POST:
            results = access.apply_batch(by=request.user, batch=shown)
            messages.success(request, f"{sum(result.done for result in results)} of {len(results)} done.")
        elif "drop" in request.POST:
            access.drop_batch(by=request.user, batch=shown)
            messages.success(request, "The batch was dropped. Nothing was changed.")
    except Forbidden:
        raise
    except Refused as refused:
        messages.warning(request, refused.sentence)
    return redirect(shown)


def _row(chosen: str) -> tuple[int, int | None]:
    """The key of a row, and the revision that was seen of a request."""
    pk, _, seen = chosen.partition(":")
    if not pk.isdecimal() or len(pk) > 18 or (seen and not seen.isdecimal()):
        raise Refused("A row was not named as the list names it. Go back and choose again.", field="rows", given=chosen)
    return int(pk), int(seen) if seen else None
