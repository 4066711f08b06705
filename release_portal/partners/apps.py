from django.apps import AppConfig


class PartnersConfig(AppConfig):
    name = "release_portal.partners"

    def ready(self) -> None:
        """Begin to note what happens at the doors."""
        from . import watch  # noqa: F401 - it needs the models, which are there only now
