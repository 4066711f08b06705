from django.apps import AppConfig


class JobsConfig(AppConfig):
    name = "release_portal.jobs"
