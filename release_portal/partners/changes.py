"""What a correction changed in an application."""

from django_countries import countries

from .models import Partner


def changes_of(partner: Partner) -> list[tuple[str, str, str]]:
    """What differs from the application as it was sent before: label, before, after."""
    changes = []
    for name, before in partner.previous.items():
        after = str(getattr(partner, name))
        if before != after:
            label = str(Partner._meta.get_field(name).verbose_name)  # type: ignore[union-attr]
            changes.append((label[0].upper() + label[1:], _shown(name, before), _shown(name, after)))
    return changes


def _shown(name: str, value: str) -> str:
    return str(countries.name(value)) if name == "country" else value
