from django.apps import AppConfig

from release_portal.lib.links import register_pages


class ReviewConfig(AppConfig):
    name = "release_portal.review"

    def ready(self) -> None:
        """Register the lab's pages, and the start-up checks, once, with the room on top."""
        from release_portal import checks  # noqa: F401

        register_pages(desk="review:desk", fleet="review:fleet", book="review:book")
        register_pages(batch="review:batch", suspension="review:suspension", artefact="review:artefact")
        register_pages(
            lab_organisation="review:organisation", lab_request="review:request", lab_finding="review:finding"
        )
