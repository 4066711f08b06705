"""Family, ModelSize, and Erratum: what was first stated of a size and was wrong."""

from collections.abc import Iterable
from decimal import Decimal

from django.db import models
from django.db.models import Q
from django.db.models.functions import Lower
from django.urls import reverse

from release_portal.partners.models import User


class Family(models.Model):
    """Models of one kind at several sizes."""

    slug = models.SlugField(unique=True)
    name = models.CharField(max_length=80)
    summary = models.CharField(max_length=300)
    description = models.TextField(blank=True, help_text="Markdown")
    licence = models.CharField(max_length=80, blank=True)

    class Meta:
        verbose_name_plural = "families"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    def get_absolute_url(self) -> str:
        return reverse("releases:family", args=[self.slug])


class ModelSizeQuerySet(models.QuerySet["ModelSize"]):
    def smallest_first(self) -> "ModelSizeQuerySet":
        return self.select_related("family").order_by("family__name", "parameters")

    def called(self, name: str) -> "ModelSizeQuerySet":
        """Those of that name in any family. A name that was corrected goes on to count."""
        earlier = Erratum.objects.filter(name_was__iexact=name).exclude(name_was="")
        return self.filter(Q(name__iexact=name) | Q(pk__in=earlier.values("size")))

    def mentioned_in(self, words: str) -> "ModelSizeQuerySet":
        """Those with the words in their name, or in an earlier one."""
        earlier = Erratum.objects.filter(name_was__icontains=words)
        return self.filter(Q(name__icontains=words) | Q(pk__in=earlier.values("size")))

    def named(self, path: str) -> "ModelSizeQuerySet":
        """The one called `family/size`, as in the API: "gpt2/124M"."""
        family, _, name = path.partition("/")
        return self.called(name).filter(family__slug__iexact=family)

    def by_path(self, paths: Iterable[str]) -> "dict[str, ModelSize]":
        """The size of each of these names, `family/size`, that is one or was."""
        paths = list(paths)
        slugs = {path.partition("/")[0].lower() for path in paths}
        sizes = self.filter(family__slug__in=slugs).select_related("family").prefetch_related("errata")
        known = {
            f"{size.family.slug}/{name}".lower(): size for size in sizes for name in (*size.earlier_names, size.name)
        }
        return {path: known[path.lower()] for path in paths if path.lower() in known}


class ModelSize(models.Model):
    """One size of a family."""

    family = models.ForeignKey(Family, on_delete=models.PROTECT, related_name="sizes")
    name = models.CharField(max_length=20)
    parameters = models.BigIntegerField()
    context_tokens = models.PositiveIntegerField()
    hub_id = models.CharField(max_length=120, blank=True)

    objects = ModelSizeQuerySet.as_manager()

    class Meta:
        verbose_name = "size"
        constraints = [models.UniqueConstraint("family", Lower("name"), name="size_once_in_family")]

    def __str__(self) -> str:
        return f"{self.family} {self.name}"

    def get_absolute_url(self) -> str:
        return reverse("releases:size", args=[self.family.slug, self.name])

    @property
    def earlier_names(self) -> list[str]:
        """Those that errata replaced; from prefetched errata, without a query."""
        return [erratum.name_was for erratum in self.errata.all() if erratum.name_was]

    @property
    def path(self) -> str:
        """How clients and workers name it: "gpt2/124M"."""
        return f"{self.family.slug}/{self.name}"

    def is_largest(self) -> bool:
        """Whether it is the largest of a family of several: what is gravest to give away."""
        sizes = self.family.sizes.order_by("-parameters").values_list("pk", flat=True)
        return len(sizes) > 1 and sizes[0] == self.pk

    @property
    def parameters_in_words(self) -> str:
        return parameters_in_words(self.parameters)


class ErratumQuerySet(models.QuerySet["Erratum"]):
    def newest_first(self) -> "ErratumQuerySet":
        return self.select_related("size__family", "by").order_by("-on", "-id")


class Erratum(models.Model):
    """What was stated of a size until the day `on` and was wrong: its name, its number of parameters, or both.

    The name that was wrong goes on to lead to the size.
    """

    family = models.ForeignKey(Family, on_delete=models.PROTECT, related_name="errata")
    size = models.ForeignKey(ModelSize, on_delete=models.PROTECT, related_name="errata")
    name_was = models.CharField(max_length=20, blank=True)
    parameters_was = models.BigIntegerField(null=True)
    on = models.DateField(help_text="the day on which it was announced")
    reason = models.CharField(max_length=300)
    by = models.ForeignKey(User, on_delete=models.PROTECT, null=True, related_name="+")
    at = models.DateTimeField()

    objects = ErratumQuerySet.as_manager()

    class Meta:
        verbose_name_plural = "errata"
        constraints = [
            models.CheckConstraint(
                condition=~Q(name_was="") | Q(parameters_was__isnull=False), name="erratum_corrects_something"
            ),
            models.UniqueConstraint(
                "family", Lower("name_was"), condition=~Q(name_was=""), name="earlier_name_once_in_family"
            ),
        ]

    def __str__(self) -> str:
        return f"erratum of {self.size}"

    @property
    def sentence(self) -> str:
        """What was wrong, as pages and the API say it: "Until 20 August 2019 it was called 117M." and the like."""
        was = [f"it was called {self.name_was}"] if self.name_was else []
        if self.parameters_was is not None:
            was.append(f"{parameters_in_words(self.parameters_was)} were stated")
        return f"Until {self.on:%-d %B %Y} {' and '.join(was)}: {self.reason}"


def parameters_in_words(parameters: int) -> str:
    """ "124 million parameters", "1.558 billion parameters"."""
    unit, word = (10**9, "billion") if parameters >= 10**9 else (10**6, "million")
    return f"{(Decimal(parameters) / unit).normalize():f} {word} parameters"
