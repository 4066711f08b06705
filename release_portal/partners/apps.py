from django.apps import AppConfig


class PartnersConfig(AppConfig):
    name = "release_portal.partners"
