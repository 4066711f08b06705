"""Opening: who may have which component, since when."""

from collections.abc import Iterable
from datetime import datetime
from typing import cast

from django.db import models
from django.db.models import Q

from release_portal.partners.models import User

from .families import Family, ModelSize
from .vocabulary import Audience, Component


class OpeningQuerySet(models.QuerySet["Opening"]):
    def holding(self, *, at: datetime) -> "OpeningQuerySet":
        """The newest by then of each component of each size and family."""
        place = ("size_id", "family_id", "component")
        return self.filter(at__lte=at).order_by(*place, "-at", "-id").distinct(*place)

    def in_family(self, family: Family) -> "OpeningQuerySet":
        """Those of the family and of its sizes."""
        return self.filter(Q(family=family) | Q(size__family=family))

    def newest_first(self) -> "OpeningQuerySet":
        return self.select_related("size__family", "family", "by").order_by("-at", "-id")

    def of_sizes(self, sizes: Iterable[ModelSize]) -> "OpeningQuerySet":
        return self.filter(size__in=[size.pk for size in sizes])


class Opening(models.Model):
    """From `at` on, this component of this size or family is for this audience. The newest holds; none is changed."""

    size = models.ForeignKey(ModelSize, on_delete=models.PROTECT, null=True, related_name="openings")
    family = models.ForeignKey(Family, on_delete=models.PROTECT, null=True, related_name="openings")
    component = models.CharField(max_length=20, choices=Component)
    audience = models.CharField(max_length=8, choices=Audience)
    at = models.DateTimeField()
    by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    reason = models.CharField(max_length=300)

    objects = OpeningQuerySet.as_manager()

    class Meta:
        constraints = [
            models.CheckConstraint(
                condition=Q(size__isnull=False, family__isnull=True) | Q(size__isnull=True, family__isnull=False),
                name="opening_is_of_a_size_or_a_family",
            )
        ]
        indexes = [
            models.Index(fields=["size", "component", "-at"]),
            models.Index(fields=["family", "component", "-at"]),
        ]

    def __str__(self) -> str:
        return f"{self.of} {self.get_component_display()}: {self.get_audience_display()}"

    @property
    def of(self) -> ModelSize | Family:
        """The size, or the family, whose component it is."""
        return self.size or cast(Family, self.family)

    @property
    def concerns(self) -> list[ModelSize | Family]:
        """What the event of it is about."""
        return [self.size, self.size.family] if self.size else [self.of]
