"""Acting on many rows: chosen, staged with a reason, previewed by its effect, applied once."""

from typing import Any

from django.contrib import messages
from django.http import HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from release_portal.access import actions as access
from release_portal.access.models import AccessRequest, Batch, Grant
from release_portal.lib.states import Refused
from release_portal.lib.text import number_in
from release_portal.partners.permissions import Permission
from release_portal.partners.shortcuts import SignedIn, refusals_on, refusals_told

from ..decorators import staff
from ..effect import effect_of
from ..forms import BatchForm

LISTS = {"request": "review:desk", "grant": "review:grants"}  # where the rows are chosen

acting = staff(Permission.REQUEST_DECIDE, Permission.ACCESS_SUSPEND, Permission.GRANT_REVOKE)


@acting
@require_POST
def bulk(request: SignedIn) -> HttpResponse:
    """The rows that were chosen in a list, and the reason; then they are staged."""
    if request.POST.get("verb") not in Batch.Verb.values:
        raise Refused("Choose what to do from the list.", field="verb", given=request.POST.get("verb"))
    verb = Batch.Verb(request.POST["verb"])
    values = request.POST.getlist(verb.thing)
    rows = [_row(value) for value in values]
    if not rows:
        messages.warning(request, f"Choose one {verb.thing} at least, then what to do.")
        return redirect(LISTS[verb.thing])
    form = BatchForm(request.POST if "stage" in request.POST or verb == Batch.Verb.GRANT else None, verb=verb)
    if form.is_valid():
        with refusals_on(form):
            return redirect(access.stage_batch(by=request.user, verb=verb, rows=rows, **form.cleaned_data))
    chosen: Any = AccessRequest.objects.sent().with_items() if verb.thing == "request" else Grant.objects.latest_first()
    context = {
        "form": form,
        "verb": verb,
        "rows": chosen.filter(pk__in=[pk for pk, _ in rows]),
        "values": values,
        "back": LISTS[verb.thing],
    }
    return render(request, "review/bulk.html", context)


@acting
def batch(request: SignedIn, pk: int) -> HttpResponse:
    """A staged batch with its effect, or an applied one with what became of each row."""
    shown = get_object_or_404(Batch.objects.select_related("staged_by", "applied_by"), pk=pk)
    if request.method == "POST":
        return _answered(request, shown)
    context: dict[str, Any] = {"batch": shown, "back": LISTS[Batch.Verb(shown.verb).thing]}
    if shown.status == Batch.Status.STAGED:
        context["effect"] = effect_of(shown, by=request.user)
    return render(request, "review/batch.html", context)


def _answered(request: SignedIn, shown: Batch) -> HttpResponse:
    with refusals_told(request):
        if "apply" in request.POST:
            results = access.apply_batch(by=request.user, batch=shown)
            messages.success(request, f"{sum(result.done for result in results)} of {len(results)} done.")
        elif "drop" in request.POST:
            access.drop_batch(by=request.user, batch=shown)
            messages.success(request, "The batch was dropped. Nothing was changed.")
    return redirect(shown)


def _row(chosen: str) -> tuple[int, int | None]:
    """The key of a row, and the revision that was seen of a request."""
    key, _, revision = chosen.partition(":")
    pk, seen = number_in(key), number_in(revision)
    if pk is None or (revision and seen is None):
        raise Refused("A row was not named as the list names it. Go back and choose again.", field="rows", given=chosen)
    return pk, seen
