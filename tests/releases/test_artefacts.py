"""Folders of files are registered as versions of components, and hashed; what changed since is found."""

import hashlib
import json
import os
from pathlib import Path

import pytest
from django.db import transaction
from django.utils import timezone

from inference import checkpoints
from release_portal.audit.models import Event, Failure
from release_portal.lib.states import Forbidden, Refused
from release_portal.releases import actions, store
from release_portal.releases.models import Artefact, ArtefactFile, Component, Licence


@pytest.fixture
def root(tmp_path, settings) -> Path:
    settings.ARTEFACTS_ROOT = tmp_path / "artefacts"
    settings.ARTEFACTS_ROOT.mkdir()
    return settings.ARTEFACTS_ROOT


@pytest.fixture
def folder(root) -> Path:
    """Two files, one in a folder of its own."""
    folder = root / "gpt2" / "outputs"
    (folder / "test").mkdir(parents=True)
    (folder / "a.jsonl").write_bytes(b"first")
    (folder / "test" / "b.jsonl").write_bytes(b"second one")
    return folder


@pytest.fixture
def outputs(folder, size_124m, mara) -> Artefact:
    """Output samples of 124M, whose files are not yet hashed."""
    details = {"component": Component.OUTPUTS, "version": "1", "folder": "gpt2/outputs"}
    return actions.register_artefact(by=mara, of=size_124m, **details)


@pytest.fixture
def hashed(outputs) -> Artefact:
    assert actions.hash_artefacts(by=None) == 2
    outputs.refresh_from_db()
    return outputs


def test_register_lists_the_files_and_hashing_names_them(outputs):
    assert list(outputs.files.values_list("path", "bytes", "sha256")) == [("a.jsonl", 5, ""), ("test/b.jsonl", 10, "")]
    assert (outputs.status, outputs.manifest_sha256) == ("hashing", "")
    assert actions.hash_artefacts(by=None) == 2
    outputs.refresh_from_db()
    shas = {"a.jsonl": hashlib.sha256(b"first").hexdigest(), "test/b.jsonl": hashlib.sha256(b"second one").hexdigest()}
    assert dict(outputs.files.values_list("path", "sha256")) == shas
    described = {"a.jsonl": {"bytes": 5}, "test/b.jsonl": {"bytes": 10}}
    canonical = {path: {"sha256": shas[path], **facts} for path, facts in described.items()}
    text = json.dumps(canonical, sort_keys=True, separators=(",", ":"))
    assert (outputs.status, outputs.manifest_sha256) == ("ready", hashlib.sha256(text.encode()).hexdigest())
    assert actions.hash_artefacts(by=None) == 0
    kinds = [event.kind for event in Event.objects.about(outputs).order_by("id")]
    assert kinds == ["artefact.registered", "artefact.hashed"]


def test_registered_weights_have_the_name_that_a_worker_reports(root, size_124m, mara):
    source = root / "source"
    source.mkdir()
    (source / "config.json").write_text("{}")
    (source / "model.safetensors").write_bytes(b"weights")
    folder = root / "gpt2" / "124M"
    folder.mkdir(parents=True)
    for file in source.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    files = {file.name: checkpoints._described(file) for file in folder.iterdir()}
    (folder / checkpoints.MANIFEST).write_text(json.dumps({"files": files}))

    details = {"component": Component.WEIGHTS, "version": "2019-02-14", "folder": "gpt2/124M"}
    weights = actions.register_artefact(by=mara, of=size_124m, **details)
    actions.hash_artefacts(by=None)
    weights.refresh_from_db()
    assert weights.manifest_sha256 == checkpoints.identity(folder)
    actions.note_weights(by=None, size=size_124m, manifest_sha256=weights.manifest_sha256, worker="worker-1")
    actions.note_weights(by=None, size=size_124m, manifest_sha256=weights.manifest_sha256, worker="worker-2")
    weights.refresh_from_db()
    assert (size_124m.artefacts.get(), weights.first_seen_on) == (weights, "worker-1")
    assert Event.objects.about(weights).filter(kind="weights.found").count() == 1


@pytest.mark.parametrize(
    "name", ["", ".", "..", "../outside", "/etc", "gpt2/nothing", "gpt2/outputs/a.jsonl", "out", "x" * 400, "a\0b"]
)
def test_folder_that_is_none_below_the_root_is_refused(folder, root, size_124m, mara, name, tmp_path):
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_text("s")
    (root / "out").symlink_to(tmp_path / "outside")
    with pytest.raises(Refused, match="There is no folder") as refused:
        actions.register_artefact(by=mara, of=size_124m, component=Component.OUTPUTS, version="1", folder=name)
    assert refused.value.field == "folder"


def test_empty_folder_and_what_is_no_file_are_refused(root, folder, size_124m, mara, tmp_path):
    details = {"by": mara, "of": size_124m, "component": Component.OUTPUTS, "version": "1"}
    (root / "empty").mkdir()
    with pytest.raises(Refused, match="The folder “empty” has no file"):
        actions.register_artefact(folder="empty", **details)
    (folder / "link").symlink_to(tmp_path)
    with pytest.raises(Refused, match="“link” is no plain file"):
        actions.register_artefact(folder="gpt2/outputs", **details)
    (folder / "link").unlink()
    os.mkfifo(folder / "pipe")
    with pytest.raises(Refused, match="“pipe” is no plain file"):
        actions.register_artefact(folder="gpt2/outputs", **details)


def test_folder_of_too_many_files_is_refused_with_the_limit(folder, size_124m, mara, monkeypatch):
    monkeypatch.setattr(store, "MOST_FILES", 1)
    with pytest.raises(Refused, match="at most 1 files") as refused:
        actions.register_artefact(
            by=mara, of=size_124m, component=Component.OUTPUTS, version="1", folder="gpt2/outputs"
        )
    assert refused.value.limit == 1


@pytest.mark.parametrize(("version", "sentence"), [(" ", "Version is missing"), ("x" * 41, "this has 41")])
def test_version_has_its_limits(folder, size_124m, mara, version, sentence):
    details = {"component": Component.OUTPUTS, "folder": "gpt2/outputs"}
    with pytest.raises(Refused, match=sentence) as refused:
        actions.register_artefact(by=mara, of=size_124m, version=version, **details)
    assert refused.value.field == "version"


def test_version_that_is_there_is_refused_until_it_failed(outputs, folder, size_124m, mara):
    details = {"by": mara, "of": size_124m, "component": Component.OUTPUTS, "folder": "gpt2/outputs"}
    with pytest.raises(Refused, match="Output samples 1 of GPT-2 124M is there already"):
        actions.register_artefact(version="1", **details)
    (folder / "a.jsonl").unlink()
    actions.hash_artefacts(by=None)
    outputs.refresh_from_db()
    assert (outputs.status, outputs.error) == ("failed", "“a.jsonl” was changed or removed while it was hashed.")
    again = actions.register_artefact(version="1", **details)
    assert actions.hash_artefacts(by=None) == 1
    again.refresh_from_db()
    assert again.status == "ready"


def test_file_that_was_written_while_it_waited_fails_the_artefact(outputs, folder):
    (folder / "a.jsonl").write_bytes(b"other")
    os.utime(folder / "a.jsonl", ns=(1, 1))
    actions.hash_artefacts(by=None)
    outputs.refresh_from_db()
    assert outputs.status == "failed"
    assert not outputs.files.exclude(sha256="").filter(path="a.jsonl").exists()


def test_same_files_under_another_version_are_said_to_be_there(hashed, size_124m, mara):
    details = {"component": Component.OUTPUTS, "version": "2", "folder": "gpt2/outputs"}
    second = actions.register_artefact(by=mara, of=size_124m, **details)
    actions.hash_artefacts(by=None)
    second.refresh_from_db()
    assert (second.status, second.error) == ("failed", "These files are Output samples 1 of GPT-2 124M already.")


def test_what_changed_since_is_found(hashed, folder):
    assert actions.changed_files(artefact=hashed) == []
    os.utime(folder / "a.jsonl")
    assert actions.changed_files(artefact=hashed) == [], "written again with the same content"
    (folder / "a.jsonl").write_bytes(b"FIRST")
    (folder / "new.jsonl").write_bytes(b"more")
    assert actions.changed_files(artefact=hashed) == ["a.jsonl", "new.jsonl"]
    (folder / "test" / "b.jsonl").unlink()
    assert actions.changed_files(artefact=hashed) == ["a.jsonl", "test/b.jsonl", "new.jsonl"]


def test_one_artefact_that_cannot_be_read_keeps_no_other_waiting(outputs, folder, gpt2, root, mara, monkeypatch):
    (root / "paper").mkdir()
    (root / "paper" / "paper.pdf").write_bytes(b"%PDF")
    paper = actions.register_artefact(by=mara, of=gpt2, component=Component.PAPER, version="1", folder="paper")
    folder.rename(folder.with_name("moved"))
    actions.hash_artefacts(by=None)
    paper.refresh_from_db()
    outputs.refresh_from_db()
    assert (paper.status, outputs.status) == ("ready", "failed")
    assert outputs.error == "The folder “gpt2/outputs” is no longer there."
    assert actions.hash_artefacts(by=None) == 0
    assert not Failure.objects.exists()


def test_component_of_a_family_is_registered_at_the_family(folder, gpt2, size_124m, mara):
    details = {"by": mara, "version": "1", "folder": "gpt2/outputs"}
    with pytest.raises(Refused, match="“Paper” is a component of a family, not of a size"):
        actions.register_artefact(of=size_124m, component=Component.PAPER, **details)
    paper = actions.register_artefact(of=gpt2, component=Component.PAPER, **details)
    assert (paper.family, paper.size) == (gpt2, None)
    assert str(paper) == "Paper 1 of GPT-2"


def test_licence_is_added_once_and_keeps_its_text(mara):
    licence = actions.add_licence(by=mara, name="Modified MIT", version="2020-01-03", text=" Use it.\n")
    assert (licence.text, licence.text_sha256) == ("Use it.", hashlib.sha256(b"Use it.").hexdigest())
    with pytest.raises(Refused, match="Modified MIT 2020-01-03 is there already") as refused:
        actions.add_licence(by=mara, name="modified mit", version="2020-01-03", text="Other.")
    assert refused.value.field == "version"
    with pytest.raises(Exception, match="permission denied|only grows"), transaction.atomic():
        Licence.objects.filter(pk=licence.pk).update(text="Other.")


@pytest.mark.parametrize(
    ("details", "field"),
    [({"name": " "}, "name"), ({"version": ""}, "version"), ({"text": " "}, "text"), ({"text": "x" * 100_001}, "text")],
)
def test_licence_without_a_name_a_version_or_a_text_is_refused(mara, details, field):
    with pytest.raises(Refused) as refused:
        actions.add_licence(by=mara, **{"name": "MIT", "version": "1", "text": "Use it."} | details)
    assert refused.value.field == field


@pytest.mark.parametrize("who", ["ada", "rita", "otto"])
def test_artefacts_and_licences_are_of_those_with_the_right(folder, size_124m, who, request):
    by = request.getfixturevalue(who)
    with pytest.raises(Forbidden):
        actions.register_artefact(by=by, of=size_124m, component=Component.OUTPUTS, version="1", folder="gpt2/outputs")
    with pytest.raises(Forbidden):
        actions.add_licence(by=by, name="MIT", version="1", text="Use it.")


def test_database_keeps_hashes_and_files(hashed):
    refused = pytest.raises(Exception, match="permission denied|keeps what was decided|only grows")
    for rows, change in (
        (Artefact.objects.filter(pk=hashed.pk), {"manifest_sha256": "0" * 64}),
        (Artefact.objects.filter(pk=hashed.pk), {"version": "2"}),
        (ArtefactFile.objects.filter(artefact=hashed), {"sha256": "0" * 64}),
        (ArtefactFile.objects.filter(artefact=hashed), {"bytes": 1}),
    ):
        with refused, transaction.atomic():
            rows.update(**change)
    with refused, transaction.atomic():
        ArtefactFile.objects.filter(artefact=hashed).delete()


def test_pages_show_the_files_and_how_far_they_are(client_of, mara, outputs):
    page = f"/review/register/artefacts/{outputs.pk}/"
    waiting = client_of(mara).get(page).content.decode()
    assert "0 of 2 files" in waiting
    actions.hash_artefacts(by=None)
    done = client_of(mara).get(page).content.decode()
    assert hashlib.sha256(b"first").hexdigest() in done
    assert "Output samples 1" in client_of(mara).get("/review/register/families/gpt2/sizes/124M/").content.decode()


def test_register_by_page_and_by_api(client_of, api_of, mara, folder, size_124m, size_355m):
    client, api = client_of(mara), api_of(mara)
    client.post("/review/register/licences/", {"name": "MIT", "version": "1", "text": "Use it."})
    licence = Licence.objects.get(name="MIT")
    details = {"component": "outputs", "version": "1", "folder": "gpt2/outputs", "licence": licence.pk}
    answer = client.post("/review/register/families/gpt2/sizes/124M/files/", details)
    made = Artefact.objects.get(size=size_124m, component="outputs")
    assert answer["location"] == made.get_absolute_url()
    by_api = api.post("/api/v1/review/families/gpt2/artefacts", details | {"size": "355M"}, "application/json").json()
    assert (by_api["size"], by_api["licence"], by_api["status"]) == ("gpt2/355M", "MIT 1", "hashing")
    actions.hash_artefacts(by=None)
    shown = api.get(f"/api/v1/review/artefacts/{by_api['id']}").json()
    assert shown["status"] == "ready"
    files = api.get(f"/api/v1/review/artefacts/{by_api['id']}/files").json()["items"]
    assert [file["path"] for file in files] == ["a.jsonl", "test/b.jsonl"]
    wrong = details | {"size": "355M", "version": "2", "licence": licence.pk + 1000}
    refused = api.post("/api/v1/review/families/gpt2/artefacts", wrong, "application/json")
    assert (refused.status_code, refused.json()["field"]) == (422, "licence")
    assert timezone.now() > made.at
