from django.apps import AppConfig


class PartnersConfig(AppConfig):
    name = "release_portal.partners"

    def ready(self) -> None:
        """Begin to hear what happens at the doors."""
        from . import ownership, watch  # noqa: F401 - they need the models, which are there only now
