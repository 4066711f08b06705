"""The demonstration: a site from nothing, and the main journey played on it over HTTP, as people and programs would."""
