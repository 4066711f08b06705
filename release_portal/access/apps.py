from django.apps import AppConfig


class AccessConfig(AppConfig):
    name = "release_portal.access"
