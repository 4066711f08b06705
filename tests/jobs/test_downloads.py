import csv
import io
import json
import re

import pytest
from asgiref.sync import async_to_sync

from inference import contract
from release_portal.jobs import actions, byte_ranges, downloads
from release_portal.jobs.downloads import COLUMNS
from release_portal.jobs.limits import GivenPrompt
from release_portal.jobs.models import FileIndex

from .. import factories

BESIDE = {"n": 1.5, "tags": ["é", None], "custom_id": "a,1"}  # in the order of jsonb
AWKWARD = ['comma, "quote"', "two\r\nlines", "Grüße\u2028dort 🪜", "", "=1+1", "tab\there"]


@pytest.fixture
def finished(submit, worker):
    """A job of three prompts, two samples each, whose texts are awkward in a file."""
    job = submit([GivenPrompt("one", BESIDE), "two, and", 'three "3"\nlines'], samples=2)
    actions.dispatch(by=None)
    order = factories.orders_of(job).get()
    reported = tuple(
        contract.Text(str(completion.pk), text, 2, 4, "stop")
        for completion, text in zip(job.completions.order_by("index"), AWKWARD, strict=True)
    )
    report = contract.Report(str(order.pk), 1, "worker-1", texts=reported, ended=True)
    actions.receive_report(by=None, report=report)
    return job


@pytest.fixture
def download(async_client_of, ben):
    client = async_client_of(ben)

    @async_to_sync
    async def fetched(job, extension, **headers):
        response = await client.get(f"/jobs/{job.pk}/texts.{extension}", headers=headers)
        if not response.streaming:
            return response, response.content.decode()
        parts = [part async for part in response.streaming_content]
        return response, b"".join(parts).decode(errors="surrogateescape")

    return fetched


def part(download, job, extension, **headers):
    """A part of a file, in bytes: it may begin within a character."""
    response, text = download(job, extension, **{name.replace("_", "-"): value for name, value in headers.items()})
    return response, text.encode(errors="surrogateescape")


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
            "fields": BESIDE if text.prompt.index == 0 else {},
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
    expected = [row | {"fields": json.dumps(row["fields"], ensure_ascii=False)} for row in stored(finished)]
    assert rows == [{name: str(value) for name, value in row.items()} for row in expected]
    assert list(rows[0]) == COLUMNS
    assert response["content-type"] == "text/csv; charset=utf-8"


RUN = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "＝1+1", "＋1", "－1", "＠x"]
RUN += ["x;=1+1", "a\n- b", "x\t@SUM(A1)"]


def test_csv_for_a_spreadsheet_marks_its_encoding_and_runs_nothing(submit, worker, download):
    job = submit([GivenPrompt(text, {"custom_id": text}) for text in RUN])
    actions.dispatch(by=None)
    order = factories.orders_of(job).get()
    keys = [str(completion.pk) for completion in job.completions.order_by("index")]
    reported = tuple(contract.Text(key, text, 2, 4, "stop") for key, text in zip(keys, RUN, strict=True))
    actions.receive_report(by=None, report=contract.Report(str(order.pk), 1, "worker-1", texts=reported, ended=True))
    _, marked = download(job, "spreadsheet.csv")
    assert marked.startswith("\ufeff" + ",".join(COLUMNS))
    rows = list(csv.DictReader(io.StringIO(marked.removeprefix("\ufeff"), newline="")))
    for row, text in zip(rows, RUN, strict=True):
        assert row["prompt"].replace("'", "") == row["text"].replace("'", "") == text
    cells = [cell for row in rows for written in row.values() for cell in re.split("[;\t\r\n]", written) if cell]
    assert [cell for cell in cells if cell[0] in "=+-@＝＋－＠"] == [], "also where semicolons or tabs part the cells"
    assert marked.count('"') >= 2 * len(COLUMNS) * (len(RUN) + 1) - 2 * len(COLUMNS), "every cell is in quotes"
    _, exact = download(job, "csv")
    assert [row["text"] for row in csv.DictReader(io.StringIO(exact, newline=""))] == RUN


def test_download_before_the_end_has_what_is_finished(order, job, download):
    actions.receive_report(by=None, report=factories.report_on(order, texts=1))
    _, text = download(job, "jsonl")
    assert [json.loads(line)["prompt_number"] for line in text.splitlines()] == [1]


@pytest.mark.parametrize(("extension", "empty"), [("jsonl", ""), ("csv", ",".join(COLUMNS) + "\r\n")])
def test_download_of_a_job_without_texts_is_an_empty_file(job, download, extension, empty):
    assert download(job, extension)[1] == empty


def test_download_reads_rows_page_by_page(finished, download, django_assert_max_num_queries):
    factories.finished_texts(finished, 700)
    with django_assert_max_num_queries(12):
        _, text = download(finished, "jsonl")
    assert text.count("\n") == 706


def test_text_out_of_the_api_equals_the_download(finished, download, api_of, ben):
    _, text = download(finished, "jsonl")
    items = api_of(ben).get(f"/api/v1/jobs/{finished.pk}/texts").json()["items"]
    assert sorted(item.pop("number") for item in items) == list(range(1, 7))
    assert items == [json.loads(line) for line in text.split("\n") if line]


def test_texts_by_api_while_the_job_runs_miss_none_and_repeat_none(submit, worker, api_of, ben):
    job, seen, after = submit(5), [], 0
    actions.dispatch(by=None)
    order = factories.orders_of(job).get()
    texts = list(job.completions.order_by("-index"))  # the last is finished first
    for finished in (texts[:2], texts[2:3], texts[3:]):
        reported = tuple(contract.Text(str(text.pk), "x", 2, 4, "stop") for text in finished)
        actions.receive_report(by=None, report=contract.Report(str(order.pk), 1, "worker-1", texts=reported))
        items = api_of(ben).get(f"/api/v1/jobs/{job.pk}/texts?after={after}").json()["items"]
        after = items[-1]["number"]
        seen += [item["prompt_number"] for item in items]
    assert seen == [4, 5, 3, 1, 2]
    assert after == 5


# --- going on where a download was cut off


@pytest.mark.parametrize("extension", ["jsonl", "csv"])
def test_download_that_was_cut_off_goes_on_where_it_stopped(finished, download, extension):
    whole, text = download(finished, extension)
    content, etag = text.encode(), whole["etag"]
    assert whole["accept-ranges"] == "bytes"
    for cut in (0, 1, 100, content.index("🪜".encode()) + 2, len(content) - 1):
        response, rest = part(download, finished, extension, Range=f"bytes={cut}-", If_Range=etag)
        assert response.status_code == 206
        assert response["content-range"] == f"bytes {cut}-{len(content) - 1}/{len(content)}"
        assert rest == content[cut:]
        assert int(response["content-length"]) == len(rest)


def test_download_of_a_few_bytes_in_the_middle(finished, download):
    content = download(finished, "jsonl")[1].encode()
    response, some = part(download, finished, "jsonl", Range="bytes=50-59")
    assert (response.status_code, some) == (206, content[50:60])


def test_download_of_the_last_bytes(finished, download):
    content = download(finished, "jsonl")[1].encode()
    response, some = part(download, finished, "jsonl", Range="bytes=-10")
    assert (response.status_code, some) == (206, content[-10:])
    assert response["content-range"] == f"bytes {len(content) - 10}-{len(content) - 1}/{len(content)}"
    response, some = part(download, finished, "jsonl", Range=f"BYTES=-{len(content) + 5}")
    assert (response.status_code, some) == (206, content)


@pytest.mark.parametrize(
    "headers",
    [
        {"Range": "bytes=5-", "If_Range": '"another"'},
        {"Range": "lines=5-"},
        {"Range": "bytes=-"},
        {"Range": "bytes=9-5"},
        {"Range": "bytes=0-1,5-9"},
    ],
)
def test_download_of_a_part_that_is_not_understood_or_of_another_file_is_whole(finished, download, headers):
    response, text = download(finished, "jsonl", **{name.replace("_", "-"): value for name, value in headers.items()})
    assert (response.status_code, text.count("\n")) == (200, 6)


@pytest.mark.parametrize("wanted", ["{length}-", "-0", "9" * 5_000 + "-", "9" * 4_999 + "-" + "9" * 5_000])
def test_download_beyond_the_end_is_refused_with_the_length(finished, download, wanted):
    length = len(download(finished, "jsonl")[1].encode())
    response, _ = download(finished, "jsonl", Range="bytes=" + wanted.format(length=length))
    assert (response.status_code, response["content-range"]) == (416, f"bytes */{length}")


def test_download_up_to_a_byte_of_5000_digits_goes_to_the_end(finished, download):
    content = download(finished, "jsonl")[1].encode()
    response, some = part(download, finished, "jsonl", Range=f"bytes=7-{'9' * 5_000}")
    assert (response.status_code, some) == (206, content[7:])


@pytest.fixture
def rows_read(monkeypatch) -> list[int]:
    """The places of the texts that are read for a file."""
    read, row_of = [], downloads.row_of

    def counted(completion):
        read.append(completion.index)
        return row_of(completion)

    for module in (byte_ranges, downloads):
        monkeypatch.setattr(module, "row_of", counted)
    return read


@pytest.mark.parametrize("extension", ["jsonl", "csv"])
def test_download_of_a_byte_reads_the_block_that_holds_it_alone(
    finished, download, rows_read, django_assert_max_num_queries, extension
):
    factories.finished_texts(finished, 1_000)
    content = download(finished, extension)[1].encode()
    length = len(content)
    part(download, finished, extension, Range="bytes=0-0")  # counts where the lines begin
    for first, last in ((length - 1, length - 1), (length // 2, length // 2), (0, 0), (length // 3, length // 2)):
        rows_read.clear()
        with django_assert_max_num_queries(15):
            response, some = part(download, finished, extension, Range=f"bytes={first}-{last}")
        assert (response.status_code, some) == (206, content[first : last + 1])
        blocks = 1 if first == last else 2
        assert len(rows_read) <= blocks * FileIndex.ROWS, f"{first}-{last}"


def test_download_of_parts_counts_the_lines_of_a_format_once(finished, download, monkeypatch):
    counted = []
    count = byte_ranges._count
    monkeypatch.setattr(byte_ranges, "_count", lambda job, file: counted.append(file.extension) or count(job, file))
    for extension in ("jsonl", "csv", "jsonl", "csv"):
        assert download(finished, extension, Range="bytes=5-9")[0].status_code == 206
    assert counted == ["jsonl", "csv"]


def test_download_of_a_running_job_is_always_whole(order, job, download):
    actions.receive_report(by=None, report=factories.report_on(order, texts=1))
    response, text = download(job, "jsonl", Range="bytes=5-")
    assert (response.status_code, "etag" in response, text.count("\n")) == (200, False, 1)
