"""Openings that reach as far back as the requests do, so that questions about the past find an answer."""

from release_portal.releases.models import Opening

from .world import SPAN, World


def open_before(world: World) -> None:
    """Each component that was first opened within the time that is filled was open to the same audience before it."""
    start = world.at - SPAN
    place = ("size_id", "family_id", "component")
    first = Opening.objects.order_by(*place, "at", "id").distinct(*place)
    for opening in first.select_related("size__family", "family", "by"):
        if opening.at > start:
            opening.pk, opening._state.adding, opening.at = None, True, start
            opening.save()
            audience = opening.get_audience_display().lower()
            sentence = f"{opening.get_component_display()} of {opening.of} became “{audience}”"
            world.happened(start, "component.opened", sentence, *opening.concerns, by=opening.by)
