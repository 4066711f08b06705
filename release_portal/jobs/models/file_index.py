"""FileIndex: where in a file of texts its rows begin."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from .job import Job


class FileIndex(models.Model):
    """Of the file of an ended job, so that a part of it is read without the rows before. It can be counted again."""

    ROWS = 200  # places of the job in a block

    job = models.ForeignKey(Job, on_delete=models.CASCADE, related_name="file_indexes")
    etag = models.CharField(max_length=100, help_text="names the file: its format and its texts")
    starts = ArrayField(models.BigIntegerField(), default=list, help_text="the byte at which each block of rows begins")
    length = models.BigIntegerField(null=True, help_text="bytes of the file; nothing until they are counted")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["job", "etag"], name="file_index_once")]

    def __str__(self) -> str:
        return f"index of {self.etag}"
