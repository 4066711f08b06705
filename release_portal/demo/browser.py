"""A person at the site: a session that fills in the forms of its pages, as a browser does."""

import re
import time
from html import unescape
from pathlib import Path
from typing import Any

import requests

from .factors import PERIOD, code_of

LINK = re.compile(r"https?://\S+")


class StepFailed(Exception):
    """A page did not do what the journey expects of it."""


class Browser:
    """One person's session with one site."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url
        self.session = requests.Session()

    def get(self, path: str) -> str:
        return self._text(self.session.get(self.base_url + path, timeout=30))

    def submit(self, path: str, **fields: Any) -> str:
        """Post the form of a page, with the hidden fields that the page gave it; returns the page that follows."""
        hidden = self._hidden(self.get(path))
        return self._send(path, {**hidden, **fields})

    def show_factor(self, key: str) -> str:
        """Type the code of the authenticator app; returns the page that follows. A code signs in once, so the next one
        is waited for where this one was used."""
        path = "/accounts/factors/authenticate/"
        try:
            return self.submit(path, code=code_of(key, time.time()))
        except StepFailed:
            time.sleep(PERIOD - time.time() % PERIOD + 0.5)
            return self.submit(path, code=code_of(key, time.time()))

    def set_up_factor(self) -> str:
        """Set up an authenticator app; returns its key."""
        path = "/accounts/factors/totp/activate/"
        page = self.get(path)  # each time that it is opened it shows another key
        found = re.search(r"<dt>Key</dt><dd><code>([A-Z2-7]+)<", page)
        if found is None:
            raise StepFailed("The page that sets up an authenticator app shows no key.")
        if "Recovery codes" not in self._send(path, {**self._hidden(page), "code": code_of(found[1], time.time())}):
            raise StepFailed("No recovery codes were shown once the authenticator app was set up.")
        return found[1]

    def _send(self, path: str, fields: dict[str, Any]) -> str:
        answer = self.session.post(
            self.base_url + path, data=fields, headers={"Referer": self.base_url + path}, timeout=60
        )
        page = self._text(answer)
        if 'class="error-summary"' in page:
            found = re.findall(r"<li>(.*?)</li>", page.split('class="error-summary"')[1].split("</ul>")[0])
            raise StepFailed(f"{path}: " + " ".join(re.sub("<.*?>", "", unescape(error)) for error in found))
        return page

    def _text(self, answer: requests.Response) -> str:
        if not answer.ok:
            sentence = re.search(r'<p class="lead">(.*?)</p>', answer.text, re.DOTALL)
            raise StepFailed(f"{answer.url}: {answer.status_code} {sentence[1].strip() if sentence else ''}")
        return str(answer.text)

    @staticmethod
    def _hidden(page: str) -> dict[str, str]:
        inputs = re.findall(r"<input[^>]*type=\"hidden\"[^>]*>", page.split('<main id="main"')[1])
        pairs = [(re.search(r'name="([^"]*)"', tag), re.search(r'value="([^"]*)"', tag)) for tag in inputs]
        return {name[1]: unescape(value[1]) for name, value in pairs if name and value}


def mailed_link(mail: Path, to: str, containing: str, *, seconds: float = 20) -> str:
    """The newest link in a mail to this address that contains these words; waits for the mail to arrive."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        for path in sorted(mail.glob("*.log"), key=lambda file: file.stat().st_mtime, reverse=True):
            for letter in reversed(path.read_text().replace("=\n", "").split("-" * 79)):
                links: list[str] = [link for link in LINK.findall(letter) if containing in link]
                if f"To: {to}" in letter and links:
                    return links[0]
        time.sleep(0.2)
    raise StepFailed(f"No mail to {to} with a link containing “{containing}” arrived within {seconds:.0f} s.")
