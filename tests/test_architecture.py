"""The house's rules that a program can check. Who may import whom is import-linter's."""

import ast
import inspect
import re
from collections.abc import Callable, Iterator
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import TypeAlias

import pytest
from cryptography.fernet import Fernet
from django.conf import settings
from django.urls import Resolver404, get_resolver, resolve

from release_portal.lib.links import ROUTES

ROOT = Path(settings.BASE_DIR)
CODE = [
    path
    for folder in ("release_portal", "agreements")
    for path in sorted((ROOT / folder).rglob("*.py"))
    if "migrations" not in path.parts
]
TEMPLATES = sorted(
    path
    for kind in ("html", "txt")
    for folder in ("release_portal", "agreements")
    for path in (ROOT / folder).glob(f"**/templates/**/*.{kind}")
)
ROOMS = ("lib", "audit", "partners", "releases", "agreements", "access", "jobs", "gates", "review")
"""Lowest first, as import-linter's first contract has them."""
WRITES = {
    "save", "create", "update", "delete", "bulk_create", "bulk_update", "get_or_create", "update_or_create",
    "acreate", "aupdate", "adelete", "asave", "abulk_create", "abulk_update", "aget_or_create", "aupdate_or_create",
    "transition", "charge", "create_user",
}  # fmt: skip
"""Names of what writes: Django's, and the project's own beside the verbs."""
WRITES_BESIDE_VERBS = {
    "release_portal/audit/loops.py": "it keeps which rows of a task fail",
    "release_portal/jobs/byte_ranges.py": "it keeps an index of a file that is made at the first download",
    "release_portal/jobs/receiver.py": "it takes messages out of Redis, which is no model",
    "release_portal/jobs/window.py": "it keeps which messages it has seen and dropped",
    "release_portal/lib/states.py": "it has `transition` itself",
    "release_portal/partners/adapter.py": "allauth makes an account by it",
    "release_portal/partners/outbox.py": "Django's mail goes by it into the outbox",
    "release_portal/partners/ownership.py": "it answers what allauth did to an account",
    "release_portal/partners/sessions.py": "it ends sessions, which are Django's and allauth's",
}
"""Files of the rooms that write and are neither nouns nor verbs, and why."""
VERBS = sorted([*ROOT.glob("release_portal/*/actions.py"), *ROOT.glob("agreements/actions.py")])
VERBS += sorted(ROOT.glob("release_portal/*/actions/__init__.py"))


def name_of(path: Path) -> str:
    return str(path.relative_to(ROOT))


def room_of(path: Path) -> str:
    """The room of a file of code or of a template; empty where it belongs to none."""
    parts = path.relative_to(ROOT).parts
    name = parts[1] if parts[0] == "release_portal" else parts[0]
    return name if name in ROOMS else ""


def module_of(path: Path) -> ModuleType:
    return import_module(".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"))


def in_every(paths: list[Path]) -> Callable[[Callable[[Path], None]], Callable[[], None]]:
    """Makes the test of a file one of all these, which says what is wrong in each: a run of its own for each of some
    two hundred files takes a minute."""

    def test_of_all(test: Callable[[Path], None]) -> Callable[[], None]:
        def looks_at_all() -> None:
            assert paths
            wrong = {}
            for path in paths:
                try:
                    test(path)
                except AssertionError as error:
                    wrong[name_of(path)] = str(error)
            assert not wrong

        looks_at_all.__doc__ = test.__doc__
        return looks_at_all

    return test_of_all


IN_ROOMS = [path for path in CODE if room_of(path)]


@cache
def nodes(path: Path) -> list[ast.AST]:
    """Of the code in a file: the module first, then all that is in it."""
    return list(ast.walk(ast.parse(path.read_text())))


def calls(path: Path) -> Iterator[ast.Call]:
    return (node for node in nodes(path) if isinstance(node, ast.Call))


Function: TypeAlias = ast.FunctionDef | ast.AsyncFunctionDef


def functions_of(path: Path) -> Iterator[Function]:
    """Those of a module itself, without methods and what is defined within them."""
    return (node for node in nodes(path)[0].body if isinstance(node, Function))


def arguments_of(function: Function) -> list[ast.arg]:
    return [*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs]


def reads(function: Function, name: str) -> bool:
    names = [node for line in function.body for node in ast.walk(line) if isinstance(node, ast.Name)]
    return any(node.id == name and isinstance(node.ctx, ast.Load) for node in names)


def test_what_is_checked_is_there():
    assert len(CODE) > 50
    assert len(TEMPLATES) > 30
    assert len(VERBS) >= 6


def named_in(path: Path) -> Iterator[tuple[int, str]]:
    """Each name and attribute in a file, called or not, with its line."""
    for node in nodes(path):
        if isinstance(node, ast.Attribute):
            yield node.lineno, node.attr
        elif isinstance(node, ast.Name):
            yield node.lineno, node.id


DOORS = [
    path
    for path in IN_ROOMS
    if not {"models.py", "actions.py", "models", "actions", "fill"} & {*path.relative_to(ROOT).parts}
]
"""All that is neither noun nor verb, and does not write made-up rows: whatever a door calls writes by a verb."""


@in_every([path for path in DOORS if name_of(path) not in WRITES_BESIDE_VERBS])
def test_no_door_writes_to_a_model(path):
    written = [f"line {line}: {name}" for line, name in named_in(path) if name in WRITES]
    assert not written


@pytest.mark.parametrize("path", WRITES_BESIDE_VERBS)
def test_what_may_write_beside_the_verbs_does(path):
    assert {name for _, name in named_in(ROOT / path)} & WRITES


TAKES_THE_NAME_OF_ITS_ROOM = {"actions", "router"}
"""What is imported under another name: `from release_portal.access import actions as access`."""


@in_every(CODE)
def test_nothing_of_ours_has_a_second_name(path):
    """Under another name a verb or a model would pass what is checked of its own. mypy is strict: nothing is exported
    but by `as`, which this refuses, and by `__all__`, which the next test reads."""
    imports = [node for node in nodes(path) if isinstance(node, ast.Import | ast.ImportFrom)]
    wrong = [
        f"line {node.lineno}: {alias.name} as {alias.asname}"
        for node in imports
        for alias in node.names
        if alias.asname and is_ours(node, alias) and alias.name not in TAKES_THE_NAME_OF_ITS_ROOM
    ]
    assert not wrong


def is_ours(node: ast.Import | ast.ImportFrom, alias: ast.alias) -> bool:
    if isinstance(node, ast.ImportFrom) and node.level:
        return True
    source = alias.name if isinstance(node, ast.Import) else node.module or ""
    return source.partition(".")[0] in {"release_portal", "agreements"}


OFFERING = [path for path in CODE if "__all__ = [" in path.read_text()]


@in_every(OFFERING)
def test_package_offers_its_own_and_all_that_it_imports(path):
    module = module_of(path)
    imported = [node for node in nodes(path)[0].body if isinstance(node, ast.ImportFrom)]
    assert [*module.__all__] == sorted({alias.name for node in imported for alias in node.names}, key=as_ruff_sorts)
    for name in module.__all__:
        found = getattr(module, name)
        if inspect.isclass(found) or inspect.isfunction(found):
            assert found.__module__.startswith(f"{module.__name__}."), f"{name} belongs to another package"


def as_ruff_sorts(name: str) -> tuple[int, str]:
    """Constants, then classes, then functions."""
    return (0 if name.isupper() else 1 if name[0].isupper() else 2), name


# --- no room leads to one above it, but by what that one registered

UPWARD = re.compile(rf"({'|'.join(ROOMS)})(?::(?:\w|$)|\.[A-Z]\w+$|/[\w/]+\.(?:html|txt)$)")
"""The start of a route, a model or a template of a room, as a string names it."""
QUOTED = re.compile(r"""["']([^"'<>]*)["']""")
FILLED = re.compile(r"{[{%].*?[%}]}")
STAND_INS = ("1", "00000000-0000-0000-0000-000000000000")
"""What takes the place of a value in a path, for its route to be found."""


def strings_of_code(source: str) -> Iterator[str]:
    """Each string, and each f-string with stand-ins for its values."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            for filler in STAND_INS:
                yield "".join(str(part.value) if isinstance(part, ast.Constant) else filler for part in node.values)


def strings_of_template(source: str) -> Iterator[str]:
    """What is quoted in tags and in attributes, with stand-ins for values."""
    yield from (text for tag in FILLED.findall(source) for text in QUOTED.findall(tag))
    for filler in STAND_INS:
        yield from QUOTED.findall(FILLED.sub(filler, source))


def room_named_by(text: str) -> str:
    """The room whose route, model, template or path this string is; empty where it is something else."""
    if found := UPWARD.match(text):
        return found[1]
    path = re.split("[?#]", text)[0]
    try:
        return resolve(path).namespace if path.startswith("/") else ""
    except Resolver404:
        return ""


def upward(source: str, room: str, *, template: bool) -> list[str]:
    """The strings of a file that lead from its room to one above it."""
    strings = strings_of_template(source) if template else strings_of_code(source)
    above = ROOMS[ROOMS.index(room) + 1 :]
    return [text for text in strings if room_named_by(text) in above]


FILES_OF_ROOMS = [*IN_ROOMS, *(path for path in TEMPLATES if room_of(path))]


@in_every(FILES_OF_ROOMS)
def test_no_room_leads_to_one_above_it(path):
    """import-linter does not read strings. `lib/links.py` has what leads upwards."""
    assert not upward(path.read_text(), room_of(path), template=path.suffix != ".py")


@pytest.mark.parametrize(
    "code",
    [
        'redirect("review:desk")',
        "reverse(f'review:{name}')",
        'path = f"/review/requests/{request.pk}/"',
        'path = f"/jobs/{job.pk}/#texts"',
        'render(request, "jobs/list.html")',
        'models.ForeignKey("jobs.Job")',
    ],
)
def test_code_that_leads_upwards_is_found(code):
    assert upward(code, "access", template=False)
    assert not upward(code, "review", template=False)


@pytest.mark.parametrize(
    "template",
    [
        "{% url 'jobs:new' %}",
        '<a href="{% url "review:request" request.pk %}">Read</a>',
        '<a href="/review/requests/{{ request.pk }}/">Read</a>',
        '<form action="/jobs/{{ job.pk }}/cancel/">',
        '{% include "jobs/texts.html" %}',
    ],
)
def test_template_that_leads_upwards_is_found(template):
    assert upward(template, "access", template=True)
    assert not upward(template, "review", template=True)


@in_every(FILES_OF_ROOMS)
def test_link_upwards_leads_to_what_a_room_above_registered(path):
    for page in re.findall(r"""page_url[( ]["'](\w+)["']""", path.read_text()):
        assert ROOMS.index(ROUTES[page].partition(":")[0]) > ROOMS.index(room_of(path)), f"{page} has a route: use it"


@pytest.mark.parametrize("route", ROUTES.values())
def test_registered_page_has_its_route(route):
    namespace, _, name = route.partition(":")
    assert name in get_resolver().namespace_dict[namespace][1].reverse_dict


# --- verbs

READ_LIKE_THE_BOOK = {"record", "note"}
"""The functions whose calls read as a line of the book: they take it by position."""
WITHOUT_ACTOR = {
    "changed_files": "it reads files, and changes nothing",
    "deliver_letters": "it carries letters; the verbs that wrote them named who acts",
    "keep_accounts": "it makes the broker's accounts what the rows of workers say",
    "one_letter_each": "a bulk act wraps its verbs in it, and each names who acts",
    "read_token": "it finds out who acts",
    "reserve": "a step of submitting a job, whose event names who acts",
    "send_digests": "it gathers letters; the verbs that wrote them named who acts",
    "settle": "a step of a job's end and of storing texts, whose events name who acts",
}
"""What a room offers that leaves no event of its own, and why."""
BY_KEYWORD = (inspect.Parameter.KEYWORD_ONLY, inspect.Parameter.VAR_KEYWORD)


def public_verbs(path: Path) -> list[Callable]:
    """What a room offers: the names in __all__ of a package, or the functions of a module without an underscore."""
    module = module_of(path)
    if hasattr(module, "__all__"):
        return [found for name in module.__all__ if inspect.isfunction(found := getattr(module, name))]
    functions = inspect.getmembers(module, inspect.isfunction)
    return [found for name, found in functions if found.__module__ == module.__name__ and not name.startswith("_")]


@in_every(VERBS)
def test_every_verb_is_keyword_only_and_names_its_actor(path):
    wrong = []
    for verb in public_verbs(path):
        if verb.__name__ in READ_LIKE_THE_BOOK:
            assert "by" in inspect.signature(verb).parameters
            continue
        parameters = inspect.signature(verb).parameters.values()
        if any(parameter.kind not in BY_KEYWORD for parameter in parameters):
            wrong.append(f"{verb.__name__} takes arguments by position")
        if ("by" in {parameter.name for parameter in parameters}) == (verb.__name__ in WITHOUT_ACTOR):
            wrong.append(f"{verb.__name__} does not say who acts, or has no need to")
    assert not wrong


def test_what_needs_no_actor_is_offered():
    assert {verb.__name__ for path in VERBS for verb in public_verbs(path)} >= WITHOUT_ACTOR.keys()


@in_every(CODE)
def test_no_function_takes_an_actor_that_it_does_not_use(path):
    """A `by` that nothing reads looks like a check or an event, where there is none."""
    functions = [node for node in nodes(path) if isinstance(node, Function)]
    takes_by = [found for found in functions if "by" in {argument.arg for argument in arguments_of(found)}]
    assert not [f"line {found.lineno}: {found.name}" for found in takes_by if not reads(found, "by")]


@in_every([path for path in CODE if "actions" in name_of(path)])
def test_every_public_function_beside_the_verbs_is_keyword_only(path):
    """Those that a package does not offer in `__all__` too: each of its files could be imported from."""
    wrong = [
        f"line {found.lineno}: {found.name}"
        for found in functions_of(path)
        if not found.name.startswith("_") and found.name not in READ_LIKE_THE_BOOK
        if found.args.posonlyargs or found.args.args or found.args.vararg
    ]
    assert not wrong, "these take arguments by position"


@in_every(VERBS)
def test_every_verb_is_typed_and_explained_by_its_name_or_a_sentence(path):
    for verb in public_verbs(path):
        signature = inspect.signature(verb)
        assert signature.return_annotation is not inspect.Signature.empty
        assert all(one.annotation is not inspect.Parameter.empty for one in signature.parameters.values())


@in_every([path for path in CODE if path.name != "states.py" and path.parent.name != "fill"])
def test_status_moves_only_through_move(path):
    """Except where made-up rows are written as they would have become."""
    assigned = [
        f"line {node.lineno}"
        for node in nodes(path)
        if isinstance(node, ast.Assign | ast.AugAssign | ast.AnnAssign)
        for target in (node.targets if isinstance(node, ast.Assign) else [node.target])
        for part in ast.walk(target)
        if isinstance(part, ast.Attribute) and part.attr == "status"
    ]
    updated = [
        f"line {call.lineno}"
        for call in calls(path)
        if isinstance(call.func, ast.Attribute)
        and call.func.attr in {"update", "aupdate"}
        and any(keyword.arg == "status" for keyword in call.keywords)
    ]
    assert not assigned + updated


@in_every([path for path in CODE if "actions" in name_of(path)])
def test_no_rule_takes_a_request_of_the_web(path):
    imported = {
        alias.name for node in nodes(path) if isinstance(node, ast.Import | ast.ImportFrom) for alias in node.names
    }
    assert not imported & {"HttpRequest", "HttpResponse", "render", "redirect"}


@in_every(TEMPLATES)
def test_template_holds_no_script_style_or_other_host(path):
    html = path.read_text()
    found = re.findall(r"<script(?![^>]*\bsrc=)[^>]*>", html)
    assert not [tag for tag in found if 'type="application/json"' not in tag], "an inline script, and no data"
    assert not re.findall(r"<style\b", html), "an inline style sheet"
    is_mail = path.parent.name == "mail"
    assert is_mail or not re.findall(r"\sstyle\s*=", html), "a style attribute"
    assert not re.findall(r"\son[a-z]+\s*=\s*[\"']", html), "an event attribute"
    assert not re.findall(r"<(?:script|link|img|iframe)[^>]*(?:src|href)=[\"'](?:https?:)?//", html), "another host"


@in_every(TEMPLATES)
def test_template_shows_no_raw_status(path):
    """`{{ job.status }}` is a word of the code; people read `get_status_display` or a `status_tag`."""
    shown = re.findall(r"{{\s*[\w.]+\.status\s*}}", path.read_text())
    assert not shown


@in_every([path for path in CODE if "actions" in name_of(path)])
def test_nothing_leaves_before_commit(path):
    """Tasks are woken by name through lib/broker.py, mail goes through the outbox."""
    text = path.read_text()
    for forbidden in (".delay(", ".apply_async(", "send_task(", ".control.broadcast("):
        assert forbidden not in text


# --- nothing is unpickled

UNPICKLERS = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}
EVERY_FILE = [
    path for folder in ("release_portal", "agreements", "inference") for path in (ROOT / folder).rglob("*.py")
]


def imports_of(path: Path) -> set[str]:
    """The first parts of what a file imports."""
    names = set()
    for node in nodes(path):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add((node.module or "").partition(".")[0])
    return names


def test_no_code_of_ours_unpickles():
    """Nor runs a text as code; weights are read as safetensors."""
    for path in EVERY_FILE:
        assert not imports_of(path) & UNPICKLERS, name_of(path)
        for call in calls(path):
            name = ast.unparse(call.func)
            assert name not in {"eval", "exec", "yaml.load", "yaml.unsafe_load"}, name_of(path)
            if name in {"torch.load", "np.load", "numpy.load"}:
                assert "weights_only=True" in ast.unparse(call), name_of(path)


def configured_backends() -> dict[str, str]:
    """What Django keeps things with: the cache, sessions, messages, signatures."""
    backends = {f"cache {alias}": cache["BACKEND"] for alias, cache in settings.CACHES.items()}
    return backends | {
        "sessions": settings.SESSION_ENGINE,
        "serializer of sessions": settings.SESSION_SERIALIZER,
        "messages": settings.MESSAGE_STORAGE,
        "signatures": settings.SIGNING_BACKEND,
    }


@pytest.mark.parametrize(("what", "backend"), configured_backends().items())
def test_no_configured_backend_unpickles(what, backend):
    try:
        module = import_module(backend)
    except ModuleNotFoundError:
        module = import_module(backend.rpartition(".")[0])
    assert not imports_of(Path(module.__file__)) & UNPICKLERS


def test_no_message_of_celery_is_unpickled_or_is_a_command(monkeypatch):
    key = Fernet.generate_key().decode()
    worker = {"WORKER_NAME": "anna", "WORKER_KEY": key, "SIZES": "gpt2/124M", "WEIGHTS_ROOT": "/weights"}
    for name, value in worker.items():
        monkeypatch.setenv(name, value)
    for application in ("release_portal.celery", "inference.worker"):
        conf = import_module(application).app.conf
        formats = {conf.task_serializer, conf.result_serializer, conf.event_serializer, *conf.accept_content}
        assert formats == {"json"}
        assert set(conf.result_accept_content or ["json"]) == {"json"}
        assert conf.worker_enable_remote_control is False


@in_every(CODE)
def test_digits_become_a_number_in_one_place(path):
    """`isdigit` takes “²”, and `int` refuses 5,000 digits: `number_in` of lib/text.py does neither."""
    asked = [
        f"line {call.lineno}: .{call.func.attr}()"
        for call in calls(path)
        if isinstance(call.func, ast.Attribute) and call.func.attr in {"isdigit", "isdecimal", "isnumeric"}
    ]
    assert not asked or name_of(path) == "release_portal/lib/text.py"
