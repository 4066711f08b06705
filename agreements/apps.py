from django.apps import AppConfig

from release_portal.lib.links import register_pages


class AgreementsConfig(AppConfig):
    name = "agreements"

    def ready(self) -> None:
        register_pages(agreement="agreements:current")
