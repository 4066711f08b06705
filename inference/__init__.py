"""The workers: what loads a checkpoint and generates text. Nothing here knows Django or a database."""
