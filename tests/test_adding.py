"""docs/adding.md, followed: what its walk for a right says is enough for forms, the API, grants and the access rule."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
BLOCK = re.compile(r"```python\n(.*?)```", re.DOTALL)
AFTER = {
    "release_portal/releases/models/vocabulary.py": 'Words("the weights"), "Weights"\n',
    "release_portal/access/models/vocabulary.py": '"Log-probabilities"\n',
}
"""The files of the walk, in its order, and how the line ends that the new one follows."""
TRIED = """
from django.urls import reverse
from django.utils import timezone

from release_portal.access.models import Right
from release_portal.access.rule import decide
from release_portal.releases.actions import open_component
from release_portal.releases.models import Audience, Component

from . import factories


def missing(partner, size, right):
    return {one.code for one in decide(partner=partner, size=size, right=right, at=timezone.now()).missing}


def test_right_of_the_walk(northlake, ada, rita, mara, size_124m, client_of, api_of):
    assert missing(northlake, size_124m, Right.EMBEDDINGS) == {"opened", "granted"}, "open is generation alone"
    opening = {"component": Component.EMBEDDINGS, "audience": Audience.PARTNER, "reason": "Embeddings say less."}
    open_component(by=mara, of=size_124m, **opening)
    assert missing(northlake, size_124m, Right.EMBEDDINGS) == {"granted"}

    assert "Embeddings" in client_of(ada).get(reverse("access:new", args=[northlake.slug])).content.decode()
    wanted = {
        "wanted": [{"size": "gpt2/124M", "right": "embeddings"}],
        "purposes": ["belief"],
        "purpose": factories.PURPOSE,
        "until_wanted": factories.in_days(365).isoformat(),
    }
    answer = api_of(ada).post(f"/api/v1/organisations/{northlake.slug}/requests", wanted, "application/json")
    assert answer.status_code == 201, answer.content
    asked = northlake.access_requests.get()
    grant = factories.granted(asked, by=rita)
    assert str(asked.items.get()) == grant.what == "GPT-2 124M (embeddings)"
    assert missing(northlake, size_124m, Right.EMBEDDINGS) == set()
    assert "granted" in missing(northlake, size_124m, Right.GENERATION)
"""


@pytest.mark.slow
def test_walk_for_a_right_is_enough(tmp_path):
    for name in ("release_portal", "agreements", "inference", "tests", "docs"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    walk = (ROOT / "docs/adding.md").read_text().partition("## A right\n")[2].partition("\n## ")[0]
    for (path, line), block in zip(AFTER.items(), BLOCK.findall(walk), strict=True):
        text = (tmp_path / path).read_text()
        assert text.count(line) == 1
        (tmp_path / path).write_text(text.replace(line, f"{line}    {block.strip()}\n"))
    (tmp_path / "tests/test_right.py").write_text(TRIED)

    command = [sys.executable, "-m", "pytest", "-n", "0", "-q", "-p", "no:cacheprovider", "tests/test_right.py"]
    end = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert end.returncode == 0, end.stdout + end.stderr
