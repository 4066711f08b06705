"""manage.py first_records: what a new site starts with. Running it again adds only what is missing."""

from datetime import date
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from agreements.actions import publish_version
from release_portal.releases.actions import add_family, add_size, correct_size, open_component
from release_portal.releases.models import Audience, Component, Family, ModelSize, Opening

AGREEMENT = settings.BASE_DIR / "agreements" / "texts" / "model-sharing-agreement-1.md"

FAMILIES = {
    "gpt2": {
        "name": "GPT-2",
        "summary": "English text, four sizes. Opened size by size, each on what was learned from the one before.",
        "licence": "Modified MIT",
    },
    "smollm2": {
        "name": "SmolLM2",
        "summary": "A small instruction-tuned model with weights in a package, so that every page can be tried.",
        "licence": "Apache-2.0",
    },
}
GPT2_124M = "OpenAI published these weights on 14 February 2019, under the name 117M."
GPT2_355M = "OpenAI published these weights on 3 May 2019, under the name 345M, 78 days after the smallest."
STUDIED = (
    "The ladder is shown as it stood after May 2019, when partners studied the two larger sizes before their weights "
    "were public."
)
SMOLLM2 = "Hugging Face published these weights under the Apache licence 2.0."
# family, name, parameters, context in tokens, hub id, generation, weights, reason
SIZES = [
    ("gpt2", "124M", 124_000_000, 1024, "openai-community/gpt2", "partner", "open", GPT2_124M),
    ("gpt2", "355M", 355_000_000, 1024, "openai-community/gpt2-medium", "partner", "open", GPT2_355M),
    ("gpt2", "774M", 774_000_000, 1024, "openai-community/gpt2-large", "partner", "closed", STUDIED),
    ("gpt2", "1558M", 1_558_000_000, 1024, "openai-community/gpt2-xl", "partner", "closed", STUDIED),
    ("smollm2", "135M", 135_000_000, 2048, "HuggingFaceTB/SmolLM2-135M-Instruct", "partner", "open", SMOLLM2),
]
# what was stated first, by the size: its name, and with it its number of parameters in millions
FIRST_STATED = {"124M": 117, "355M": 345, "774M": 762, "1558M": 1542}
CORRECTED = date(2019, 8, 20)
WRONG = "The first count was wrong. OpenAI said so with 774M, and renamed the sizes in its code."


class Command(BaseCommand):
    help = "Publish the agreement's first version and add the families GPT-2 and SmolLM2."

    def handle(self, *args: Any, **options: Any) -> None:
        version = publish_version(by=None, text=AGREEMENT.read_text())
        self.stdout.write(f"{version}, SHA-256 {version.text_sha256}")
        families = {
            slug: Family.objects.filter(slug=slug).first() or add_family(by=None, slug=slug, **facts)
            for slug, facts in FAMILIES.items()
        }
        for slug, name, parameters, context, hub_id, generation, weights, reason in SIZES:
            facts = {"name": name, "parameters": parameters}
            size = ModelSize.objects.named(f"{slug}/{name}").first() or _add(
                families[slug], FIRST_STATED.get(name), facts, context_tokens=context, hub_id=hub_id
            )
            _open(size, Component.GENERATION, Audience(generation), reason)
            _open(size, Component.WEIGHTS, Audience(weights), reason)
            self.stdout.write(f"{size}, {size.parameters_in_words}")


def _add(family: Family, first_stated: int | None, facts: dict[str, Any], **others: Any) -> ModelSize:
    """A size as it was stated first, and corrected where that was wrong."""
    stated = {"name": f"{first_stated}M", "parameters": first_stated * 10**6} if first_stated else facts
    size = add_size(by=None, family=family, **stated, **others)
    if first_stated:
        correct_size(by=None, size=size, on=CORRECTED, reason=WRONG, **facts)
    return size


def _open(size: ModelSize, component: Component, audience: Audience, reason: str) -> None:
    if not Opening.objects.filter(size=size, component=component).exists():
        open_component(by=None, of=size, component=component, audience=audience, reason=reason)
