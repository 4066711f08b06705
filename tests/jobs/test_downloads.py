import csv
import io
import json

import pytest
from asgiref.sync import async_to_sync

from inference import contract
from release_portal.jobs import actions
from release_portal.jobs.downloads import COLUMNS

from .. import factories

AWKWARD = ['comma, "quote"', "two\r\nlines", "Grüße\u2028dort 🪜", "", "=1+1", "tab\there"]


@pytest.fixture
def finished(submit, worker):
    """A job of three prompts, two samples each, whose texts are awkward in a file."""
    job = submit(["one", "two, and", 'three "3"\nlines'], samples=2)
    actions.dispatch(by=None)
    order = job.orders.get()
    told = tuple(
        contract.Text(str(completion.pk), text, 2, 4, "stop")
        for completion, text in zip(job.completions.order_by("index"), AWKWARD, strict=True)
    )
    report = contract.Report(str(order.pk), 1, "worker-1", texts=told, ended=True)
    actions.receive_report(by=None, report=report)
    return job


@pytest.fixture
def download(async_client_of, ben):
    client = async_client_of(ben)

    @async_to_sync
    async def fetched(job, extension):
        response = await client.get(f"/jobs/{job.pk}/texts.{extension}")
        parts = [part async for part in response.streaming_content]
        return response, b"".join(parts).decode()

    return fetched


def stored(job):
    return [
        {
            "prompt_number": text.prompt.index + 1,
            "sample": text.index % job.samples + 1,
            "prompt": text.prompt.text,
            "text": text.text,
            "tokens": text.tokens,
            "prompt_tokens": text.prompt_tokens,
            "finish_reason": text.finish_reason,
            "error": text.error,
        }
        for text in job.completions.finished()
    ]


def test_jsonl_has_the_stored_rows_in_the_order_of_the_job(finished, download):
    response, text = download(finished, "jsonl")
    rows = [json.loads(line) for line in text.split("\n") if line]
    assert rows == stored(finished)
    assert [row["text"] for row in rows] == AWKWARD
    assert [(row["prompt_number"], row["sample"]) for row in rows] == [(1, 1), (1, 2), (2, 1), (2, 2), (3, 1), (3, 2)]
    assert response["content-type"] == "application/jsonl; charset=utf-8"
    assert response["content-disposition"] == (f'attachment; filename="gpt2-124M-{str(finished.pk)[:8]}.jsonl"')


def test_csv_has_the_same_rows(finished, download):
    response, text = download(finished, "csv")
    rows = list(csv.DictReader(io.StringIO(text, newline="")))
    assert rows == [{name: str(value) for name, value in row.items()} for row in stored(finished)]
    assert list(rows[0]) == COLUMNS
    assert response["content-type"] == "text/csv; charset=utf-8"


def test_download_before_the_end_has_what_is_finished(order, job, download):
    actions.receive_report(by=None, report=factories.report_on(order, texts=1))
    _, text = download(job, "jsonl")
    assert [json.loads(line)["prompt_number"] for line in text.splitlines()] == [1]


@pytest.mark.parametrize(("extension", "empty"), [("jsonl", ""), ("csv", ",".join(COLUMNS) + "\r\n")])
def test_download_of_a_job_without_texts_is_an_empty_file(job, download, extension, empty):
    assert download(job, extension)[1] == empty


def test_download_reads_rows_in_chunks_with_one_query(finished, download, django_assert_max_num_queries):
    factories.finished_texts(finished, 700)
    with django_assert_max_num_queries(12):
        _, text = download(finished, "jsonl")
    assert text.count("\n") == 706


def test_text_out_of_the_api_equals_the_download(finished, download, api_of, ben):
    _, text = download(finished, "jsonl")
    items = api_of(ben).get(f"/api/v1/jobs/{finished.pk}/texts").json()["items"]
    assert items == [json.loads(line) for line in text.split("\n") if line]
