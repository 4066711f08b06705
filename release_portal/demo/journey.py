"""The main journey over HTTP: from registration to a generated text, and to a grant revoked."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests

from .browser import Browser, StepFailed, mailed_link
from .cast import ADA, BEN, CAST, CLEO, RITA, TOM, Person
from .factors import Factors

LESS = "We begin with this; the rest once a first finding is in."
GRANT = {"verdict": "approve", "purposes": "belief", "reduction_reason": LESS}
MODEL = "smollm2/135M"
PROMPT = "The most important lesson of releasing a language model in stages is"
MEMBERS_PAGE = re.compile(r"/organisations/([\w-]+)/members/")
PATIENCE = 120  # seconds for a job to end, the first one loads the model


def today() -> date:
    return datetime.now(UTC).date()


@dataclass
class Journey:
    """The journey of one run. `passwords` and `factors` are those of the cast; `say` prints a step."""

    base_url: str
    mail: Path
    passwords: dict[str, str]
    factors: Factors
    say: Callable[[str], None]
    wait_for_weights: Callable[[], None]
    browsers: dict[str, Browser] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    def play(self) -> str:
        """Play every step; returns the text that the model generated for the researcher's prompt."""
        self._public_site()
        self._organisation(ADA, "https://northlake.example")
        self._organisation(CLEO, "https://southbank.example")
        self._researcher()
        for person in CAST.values():
            self.tokens[person.email] = self._token(person)
        self._access()
        text = self._generate()
        self._revoke()
        self._book()
        return text

    def _public_site(self) -> None:
        page = Browser(self.base_url).get("/")
        found = [name for name in ("124M", "355M", "774M", "1558M", "135M") if name in page]
        if len(found) != 5:
            raise StepFailed(f"The public site shows only {found}.")
        self.say(f"Zoe, who has no account, reads the ladders: GPT-2 and SmolLM2, sizes {', '.join(found)}.")

    def _organisation(self, person: Person, website: str) -> None:
        """Register, verify, apply; be admitted; sign."""
        browser = self._signed_in(person)
        if MEMBERS_PAGE.search(browser.get("/organisations/")):
            self.say(f"{person.name}'s organisation is here from an earlier run.")
            return
        browser.submit(
            "/organisations/apply/",
            legal_name=person.organisation,
            website=website,
            country="SE",
            contact_name=person.name,
            contact_email=person.email,
            purpose="We study how well people and programs tell generated text from written text.",
            intended_use="Two researchers use the smaller sizes to generate texts, and measure how often readers err.",
            will_sign="on",
        )
        self.say(f"{person.name} registered, verified {person.email} and applied for {person.organisation}.")
        slug = self._slug(person)
        page = f"/review/organisations/{slug}/"
        self._signed_in(RITA).submit(page, admit="1")
        self.say(f"{RITA.name} read the application and admitted {person.organisation}.")
        self.factors.keep(person.email, browser.set_up_factor())
        self.say(f"{person.name} can bind {person.organisation} now, and sets up a second factor.")
        signing = f"/organisations/{slug}/agreement/"
        signed = browser.submit(
            signing, legal_name=person.name, title="Director of Research", states_authority="on", states_intent="on"
        )
        sha256 = re.search(r"SHA-256 of the text</dt><dd><code class=\"mono\">([0-9a-f]{64})", signed)
        if sha256 is None:
            raise StepFailed("The signed agreement does not show the SHA-256 of its text.")
        self.say(f"{person.name} signed the model-sharing agreement, text SHA-256 {sha256[1][:16]}….")

    def _researcher(self) -> None:
        slug = self._slug(ADA)
        if BEN.email in self._signed_in(ADA).get(f"/organisations/{slug}/members/"):
            self._signed_in(BEN)
            return
        self._signed_in(ADA).submit(f"/organisations/{slug}/members/", email=BEN.email, roles=["researcher"])
        invitation = urlsplit(mailed_link(self.mail, BEN.email, "/invitations/")).path
        self._signed_in(BEN).submit(invitation)
        self.say(f"{ADA.name} invited {BEN.name}, who accepted and is now a researcher there.")

    def _access(self) -> None:
        """A size granted to Northlake; one declined to Southbank, with a reason that its applicant reads."""
        if self._grant(BEN, MODEL) is None:
            self._request(ADA, "SmolLM2 135M")
            until = (today() + timedelta(days=180)).isoformat()
            self._decide(RITA, "SmolLM2 135M", "Northlake", **GRANT, ends_on=until, token_quota="250,000")
            self.say(f"{RITA.name} granted SmolLM2 135M to {ADA.organisation}: 250,000 tokens, until {until}.")
        reason = "Begin with 124M: a finding on the smaller size comes before the largest one."
        self._request(CLEO, "GPT-2 1558M")
        self._decide(TOM, "GPT-2 1558M", "Southbank", verdict="decline", reason_code="ladder", reason=reason)
        page = self._signed_in(CLEO).get(self._latest_request(CLEO))
        if reason not in page:
            raise StepFailed("The applicant does not see the reason of the refusal.")
        self.say(f"{TOM.name} declined GPT-2 1558M to {CLEO.organisation}; Cleo reads why: “{reason}”")

    def _generate(self) -> str:
        """A job by API, its progress, its texts, its downloads; and another organisation that must not see it."""
        self.wait_for_weights()
        body = {"size": MODEL, "prompts": [PROMPT], "samples": 4, "max_new_tokens": 48, "temperature": 0.8, "top_k": 40}
        job = self._call(BEN, "POST", "/jobs", json={**body, "name": "First texts"})
        self.say(f"{BEN.name} submitted a job by API: 4 samples of “{PROMPT}”, seed {job['seed']}.")
        job = self._wait(job)
        texts = self._call(BEN, "GET", f"/jobs/{job['id']}/texts")["items"]
        self.say(f"The worker finished it: {job['progress']}")
        lines = self._signed_in(BEN).get(f"/jobs/{job['id']}/texts.jsonl").splitlines()
        if len(lines) != 4:
            raise StepFailed(f"The download has {len(lines)} texts instead of 4.")
        other = requests.get(self._api(f"/jobs/{job['id']}"), headers=self._bearer(CLEO), timeout=30)
        if other.status_code != 404:
            raise StepFailed(f"Another organisation got {other.status_code} for the job instead of 404.")
        self.say(f"{CLEO.name} asks for Ben's job by its address and gets 404.")
        return str(texts[0]["prompt"] + texts[0]["text"])

    def _revoke(self) -> None:
        """A grant of another size, given and revoked: the next job under it is refused with the reason."""
        self._request(ADA, "GPT-2 355M")
        until = (today() + timedelta(days=30)).isoformat()
        self._decide(RITA, "GPT-2 355M", "Northlake", **GRANT, ends_on=until, token_quota="10000")
        grants = self._signed_in(RITA).get("/review/grants/?q=Northlake")
        grant = re.search(r'/review/grants/(\d+)/revoke/">Revoke<span class="visually-hidden"> GPT-2 355M', grants)
        if grant is None:
            raise StepFailed("The grant of GPT-2 355M is not among the grants.")
        self._signed_in(RITA).submit(
            f"/review/grants/{grant[1]}/revoke/",
            reason_code="requested",
            reason="The study of 355M was moved to next year.",
        )
        answer = requests.post(
            self._api("/jobs"), json={"size": "gpt2/355M", "prompts": [PROMPT]}, headers=self._bearer(BEN), timeout=30
        )
        if answer.status_code != 422 or "revoked" not in answer.json()["detail"]:
            raise StepFailed(f"A job under a revoked grant was answered with {answer.status_code}: {answer.text[:200]}")
        self.say(f"{RITA.name} revoked GPT-2 355M. Ben's next job is refused: “{answer.json()['detail']}”")

    def _book(self) -> None:
        page = self._signed_in(RITA).get("/review/book/")
        number = re.search(r"([\d,]+) events", page)
        self.say(f"The book has {number[1] if number else 'its'} events; every step above is one.")

    # --- what people do in several steps

    def _signed_in(self, person: Person) -> Browser:
        """The person's browser, signed in; registers first where there is no account yet."""
        if person.email in self.browsers:
            return self.browsers[person.email]
        browser, password = Browser(self.base_url), self.passwords[person.email]
        try:
            page = browser.submit("/accounts/login/", login=person.email, password=password)
            if person.email in self.factors and 'name="code"' in page:
                browser.show_factor(self.factors[person.email])
        except StepFailed:
            browser.submit(
                "/accounts/signup/", name=person.name, email=person.email, password1=password, password2=password
            )
        if person.name not in browser.get("/"):
            confirm = urlsplit(mailed_link(self.mail, person.email, "/accounts/confirm-email/")).path
            if person.name not in browser.submit(confirm):
                browser.submit("/accounts/login/", login=person.email, password=password)
        self.browsers[person.email] = browser
        return browser

    def _token(self, person: Person) -> str:
        page = self._signed_in(person).submit("/account/tokens/", name="demonstration", days="365")
        found = re.search(r'id="token-secret">(rp_\w+)<', page)
        if found is None:
            raise StepFailed("The tokens page shows no new token.")
        return found[1]

    def _slug(self, person: Person) -> str:
        found = MEMBERS_PAGE.search(self._signed_in(person).get("/organisations/"))
        if found is None:
            raise StepFailed(f"{person.name} belongs to no organisation.")
        return found[1]

    def _request(self, person: Person, size: str) -> None:
        path = f"/organisations/{self._slug(person)}/requests/new/"
        row = re.search(rf'{size}</a>.*?name="rights_(\d+)"', self._signed_in(person).get(path), re.DOTALL)
        if row is None:
            raise StepFailed(f"The request form does not offer {size}.")
        fields = {f"rights_{row[1]}": "generation", f"tokens_{row[1]}": "1000000", "purposes": "belief"}
        self._signed_in(person).submit(
            path,
            **fields,
            purpose="To measure how often readers take generated text for written text.",
            until_wanted=(today() + timedelta(days=365)).isoformat(),
        )
        self.say(f"{person.name} requested {size} for {person.organisation}.")

    def _decide(self, reviewer: Person, size: str, organisation: str, **decision: str) -> None:
        desk = self._signed_in(reviewer).get(f"/review/?q=size:{size.split()[1]}+state:waiting")
        waiting = re.search(rf'/review/requests/(\d+)/[^"]*">{size} for [^<]*{organisation}', desk)
        if waiting is None:
            raise StepFailed(f"The request for {size} of {organisation} does not wait on the desk.")
        path = f"/review/requests/{waiting[1]}/"
        item = re.search(r'name="(item_\d+)-verdict"', self._signed_in(reviewer).get(path))
        if item is None:
            raise StepFailed(f"{reviewer.name} cannot answer the request for {size}.")
        answer = {f"{item[1]}-{field}": value for field, value in decision.items()}
        self._signed_in(reviewer).submit(path, decide="apply", **answer)

    def _latest_request(self, person: Person) -> str:
        page = self._signed_in(person).get(f"/organisations/{self._slug(person)}/")
        paths: list[str] = re.findall(r"/organisations/[\w-]+/requests/\d+/", page)
        return max(paths, key=lambda path: int(path.split("/")[-2]))

    def _grant(self, person: Person, size: str) -> dict[str, Any] | None:
        grants = self._call(person, "GET", "/me")["grants"]
        return next((grant for grant in grants if grant["size"] == size), None)

    def _wait(self, job: dict[str, Any]) -> dict[str, Any]:
        deadline, seen = time.monotonic() + PATIENCE, ""
        while time.monotonic() < deadline:
            job = self._call(BEN, "GET", f"/jobs/{job['id']}")
            if job["status"] == "finished":
                return job
            if job["status"] not in {"queued", "running"}:
                raise StepFailed(f"The job {job['status']}: {job['end_reason']}")
            if job["progress"] != seen:
                seen = job["progress"]
                self.say(f"  {job['status']}: {seen}")
            time.sleep(0.5)
        raise StepFailed(f"The job did not end within {PATIENCE} s: {seen}")

    def _call(self, person: Person, method: str, path: str, **options: Any) -> Any:
        answer = requests.request(method, self._api(path), headers=self._bearer(person), timeout=30, **options)
        if not answer.ok:
            raise StepFailed(f"{method} {path}: {answer.status_code} {answer.text[:300]}")
        return answer.json()

    def _api(self, path: str) -> str:
        return f"{self.base_url}/api/v1{path}"

    def _bearer(self, person: Person) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.tokens[person.email]}"}
