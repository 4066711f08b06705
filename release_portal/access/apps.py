from django.apps import AppConfig

from release_portal.lib.links import register_pages


class AccessConfig(AppConfig):
    name = "release_portal.access"

    def ready(self) -> None:
        register_pages(organisations="access:home", organisation="access:organisation")
