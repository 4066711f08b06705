"""All settings, from the environment. What has no safe default is required, and a missing one stops the start."""

from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urlsplit

import django_stubs_ext
import environ
from csp.constants import NONE, SELF
from django.core.exceptions import ImproperlyConfigured

django_stubs_ext.monkeypatch()

env = environ.Env()

BASE_DIR = Path(__file__).resolve().parent.parent
PORTAL_HOME = Path(env("PORTAL_HOME", default=str(BASE_DIR / ".portal")))

# --- required
SECRET_KEY = env("SECRET_KEY")
REDIS_URL = env("REDIS_URL")  # redis://, rediss:// or unix:// with a path
SECRET_KEY_FALLBACKS = env.list("SECRET_KEY_FALLBACKS", default=[])  # docs/keys.md: how a key is changed
DATABASES = {
    "default": env.db("DATABASE_URL"),
}
if "DATABASE_OWNER_URL" in env.ENVIRON:
    # Only `manage.py migrate --database owner` has it: the processes of the site never do.
    DATABASES["owner"] = env.db("DATABASE_OWNER_URL")

# A server that cannot be reached, or that vanished, is given up in seconds; so is a statement that never ends, and one
# that waits for a lock, on the threads that all share. Migrations, as the owner, may take their time.
PATIENCE = {
    "connect_timeout": 5,
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 20_000,  # milliseconds
}
STATEMENT_SECONDS = env.int("STATEMENT_SECONDS", default=60)
# Whether queries that are asked often are planned once for each connection (lib/prepared.py). Behind a pooler that
# gives each transaction another connection, they cannot be.
PREPARED_QUERIES = env.bool("PREPARED_QUERIES", default=True)
PLANS = "force_generic_plan" if PREPARED_QUERIES else "auto"  # and not planned again the first five times
STATEMENTS = {"options": f"-c statement_timeout={STATEMENT_SECONDS}s -c lock_timeout=20s -c plan_cache_mode={PLANS}"}
for name, database in DATABASES.items():
    limits = PATIENCE if name == "owner" else PATIENCE | STATEMENTS
    database["OPTIONS"] = limits | database.get("OPTIONS", {})

# The connections that the threads of a process share, and how long a thread waits for one.
if pool := env.int("DATABASE_POOL", default=0):
    seconds = env.float("DATABASE_POOL_SECONDS", default=5)
    DATABASES["default"]["OPTIONS"]["pool"] = {"min_size": 1, "max_size": pool, "timeout": seconds}
    DATABASES["default"]["CONN_HEALTH_CHECKS"] = True  # one that PostgreSQL ended meanwhile is not handed out

# --- where the site is
DEBUG = env.bool("DEBUG", default=False)
BASE_URL = env("BASE_URL", default="http://127.0.0.1:8000")
# Requests to others are refused. Whichever of them a request names, links are of BASE_URL.
ALLOWED_HOSTS = [*env.list("ALLOWED_HOSTS", default=["127.0.0.1", "localhost"]), urlsplit(BASE_URL).hostname]
CSRF_TRUSTED_ORIGINS = [BASE_URL]
HTTPS = BASE_URL.startswith("https://")
SECURE_SSL_REDIRECT = SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = HTTPS
SECURE_HSTS_SECONDS = 365 * 24 * 3600 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
# Networks of the proxies in front of the site, such as 172.30.7.1/32: theirs alone are X-Forwarded-For and -Proto.
TRUSTED_PROXIES = [ip_network(network) for network in env.list("TRUSTED_PROXIES", default=[])]
if TRUSTED_PROXIES:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
if "BEHIND_PROXY" in env.ENVIRON:
    raise ImproperlyConfigured("BEHIND_PROXY is no longer read. Name the networks of the proxies in TRUSTED_PROXIES.")

# --- generation
# The broker as workers' machines reach it; each worker signs in there with an account of its own that the site makes.
# A broker that lets the site make none has one account for all workers, which is then written into this address.
WORKER_ACCOUNTS = env.bool("WORKER_ACCOUNTS", default=True)
WORKER_REDIS_URL = env("WORKER_REDIS_URL", default=REDIS_URL) if WORKER_ACCOUNTS else env("WORKER_REDIS_URL")
# Where artefacts lie that are registered by naming a folder. What stands outside of it cannot be named.
ARTEFACTS_ROOT = Path(env("ARTEFACTS_ROOT", default=str(PORTAL_HOME / "artefacts")))
WEIGHTS_ROOT = Path(env("WEIGHTS_ROOT", default=str(PORTAL_HOME / "weights")))
LEASE_SECONDS = env.float(
    "LEASE_SECONDS", default=20.0
)  # how long an order may be silent before it is handed out again
ORDER_SEQUENCES = env.int("ORDER_SEQUENCES", default=64)  # sequences handed out together
ORDERS_PER_WORKER = env.int("ORDERS_PER_WORKER", default=2)
URGENT_ORDERS_PER_WORKER = env.int(
    "URGENT_ORDERS_PER_WORKER", default=1
)  # of texts that a person waits for, beside these
UPLOAD_LIMIT_MB = env.int("UPLOAD_LIMIT_MB", default=50)
DATA_UPLOAD_MAX_MEMORY_SIZE = UPLOAD_LIMIT_MB * 1024 * 1024
DATA_UPLOAD_MAX_NUMBER_FIELDS = 1_000  # of a form or a query
DATA_UPLOAD_MAX_NUMBER_FILES = 10
# What everything else takes: `asgi.py` names the routes of uploads.
BODY_LIMIT = env.int("BODY_LIMIT_KB", default=1024) * 1024
HEADER_SECONDS = env.float("HEADER_SECONDS", default=10)  # for the headers of a request to come
BODY_SECONDS = env.float("BODY_SECONDS", default=20)  # for a body to come, and one more for each 16 KB of it
READ_SECONDS = env.float("READ_SECONDS", default=60)  # until a client that reads nothing of its answer is left

# --- separation of duties: how long somebody who was involved with an organisation does not decide on it at the lab
MEMBERS_BARRED_DAYS = env.int("MEMBERS_BARRED_DAYS", default=730)  # after their membership or invitation ended
AUTHORS_BARRED_DAYS = env.int("AUTHORS_BARRED_DAYS", default=None)  # after they wrote it; not set: for ever

# --- mail: every message goes through the outbox; EMAIL_URL (smtp+tls://user:password@host:587) is what then carries it
EMAIL = env.email_url("EMAIL_URL", default=f"filemail:///{PORTAL_HOME}/mail")
CARRIER_BACKEND = EMAIL.pop("EMAIL_BACKEND")
vars().update(EMAIL)
EMAIL_TIMEOUT = env.float("EMAIL_TIMEOUT", default=10)  # seconds until a mail server that says nothing is given up
EMAIL_BACKEND = "release_portal.partners.outbox.Outbox"
DEFAULT_FROM_EMAIL = env("DEFAULT_FROM_EMAIL", default="Release Portal <portal@localhost>")

INSTALLED_APPS = [
    "release_portal.audit",
    "release_portal.partners",
    "release_portal.releases",
    "agreements",
    "release_portal.access",
    "release_portal.jobs",
    "release_portal.review",
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "django.contrib.humanize",
    "django.contrib.postgres",
    "servestatic.runserver_nostatic",
    "django.contrib.staticfiles",
    "django.forms",
    "allauth",
    "allauth.account",
    "allauth.mfa",
    "allauth.usersessions",
    "bootstrap",
    "csp",
    "django_countries",
    "django_htmx",
    "ninja",
]
MIDDLEWARE = [
    "release_portal.middleware.NoStoreMiddleware",
    "release_portal.middleware.ProblemMiddleware",
    "release_portal.middleware.AddressMiddleware",
    "django.middleware.security.SecurityMiddleware",
    "servestatic.middleware.ServeStaticMiddleware",
    "csp.middleware.CSPMiddleware",
    "release_portal.middleware.PlainTextMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "release_portal.middleware.ActingMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "allauth.account.middleware.AccountMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "release_portal.middleware.FragmentMiddleware",
    "release_portal.partners.sessions.SessionKeyMiddleware",
    "release_portal.partners.sessions.SessionLimitsMiddleware",
    "release_portal.partners.obligations.ObligationsMiddleware",
    "release_portal.partners.watch.WatchMiddleware",
    "release_portal.middleware.NoticeMiddleware",
    "release_portal.middleware.RefusalMiddleware",
]
# django-debug-toolbar shows settings and statements, so it is for `make dev` alone: with DEBUG, on a database that
# `lib/embedded.py` started for this very process. A server has neither, nor the package.
DEBUG_TOOLBAR = env.bool("DEBUG_TOOLBAR", default=False)
if DEBUG_TOOLBAR:
    if not DEBUG or HTTPS or env("EMBEDDED_DATABASE_URL", default="") != env("DATABASE_URL"):
        raise ImproperlyConfigured("DEBUG_TOOLBAR is for `make dev` alone, with DEBUG and a database of its own.")
    INSTALLED_APPS.append("debug_toolbar")
    after = MIDDLEWARE.index("release_portal.middleware.AddressMiddleware") + 1  # it settles who asks
    MIDDLEWARE.insert(after, "debug_toolbar.middleware.DebugToolbarMiddleware")
    INTERNAL_IPS = ["127.0.0.1", "::1"]
ROOT_URLCONF = "release_portal.urls"
ASGI_APPLICATION = "release_portal.asgi.application"
FORM_RENDERER = "django.forms.renderers.TemplatesSetting"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "release_portal" / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "release_portal.partners.shortcuts.banners",
            ],
            "builtins": ["release_portal.lib.links"],
        },
    },
]
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"
LANGUAGE_CODE = "en-gb"
USE_I18N = True
USE_TZ = True
TIME_ZONE = "UTC"
DATETIME_FORMAT = "j M Y, H:i"
X_FRAME_OPTIONS = "DENY"
SECURE_REFERRER_POLICY = "same-origin"
CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [NONE],
        "script-src": [SELF],
        "style-src": [SELF],
        "img-src": [SELF, "data:"],
        "connect-src": [SELF],
        "font-src": [SELF],
        "form-action": [SELF],
        "base-uri": [NONE],
        "frame-ancestors": [NONE],
    }
}

STATIC_URL = "static/"
STATIC_ROOT = PORTAL_HOME / "static"
STATICFILES_DIRS = [BASE_DIR / "release_portal" / "static"]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "django.contrib.staticfiles.storage.StaticFilesStorage"},
}
SERVESTATIC_USE_FINDERS = True

# --- accounts
AUTH_USER_MODEL = "partners.User"
AUTHENTICATION_BACKENDS = ["allauth.account.auth_backends.AuthenticationBackend"]
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": "django.contrib.auth.password_validation.UserAttributeSimilarityValidator"},
    {"NAME": "django.contrib.auth.password_validation.MinimumLengthValidator", "OPTIONS": {"min_length": 12}},
    {"NAME": "release_portal.partners.passwords.GuessValidator"},
]
ACCOUNT_LOGIN_METHODS = {"email"}
ACCOUNT_SIGNUP_FIELDS = ["email*", "password1*", "password2*"]
ACCOUNT_SIGNUP_FORM_CLASS = "release_portal.partners.forms.SignupForm"
ACCOUNT_FORMS = {
    "login": "release_portal.partners.account_forms.LoginForm",
    "signup": "release_portal.partners.account_forms.SignupForm",
    "reset_password": "release_portal.partners.account_forms.ResetPasswordForm",
    "add_email": "release_portal.partners.account_forms.AddEmailForm",
    "request_login_code": "release_portal.partners.account_forms.RequestLoginCodeForm",
    "confirm_login_code": "release_portal.partners.account_forms.ConfirmLoginCodeForm",
}
ACCOUNT_USER_MODEL_USERNAME_FIELD = None
ACCOUNT_EMAIL_VERIFICATION = "mandatory"
ACCOUNT_CONFIRM_EMAIL_ON_GET = False
ACCOUNT_LOGIN_ON_EMAIL_CONFIRMATION = True
ACCOUNT_EMAIL_SUBJECT_PREFIX = ""
ACCOUNT_DEFAULT_HTTP_PROTOCOL = "https" if HTTPS else "http"
# How often things are done: `partners/rates.py` has the table. These change entries of it, or switch all of them off.
RATE_LIMITS = env.dict("RATE_LIMITS", default={})
RATE_LIMITS_OFF = env.bool("RATE_LIMITS_OFF", default=False)
OPEN_APPLICATIONS = env.int("OPEN_APPLICATIONS", default=3)  # of one person, that wait for an answer
# allauth counts tries to sign in, and what an account does to itself. What is not named here keeps its own limit; False
# is none at all. The key of `login_failed` is an account and a network address, of `login_failed_anywhere` the account.
ACCOUNT_RATE_LIMITS = (
    False
    if RATE_LIMITS_OFF
    else {
        "login_failed": "10/m/ip,5/5m/key",
        "login_failed_anywhere": "100/h/key",
        "manage_email": "20/h/user",
        "signup": "20/h/ip",
    }
)
SESSION_IDLE_SECONDS = env.int("SESSION_IDLE_SECONDS", default=8 * 3600)  # without a page
SESSION_TOTAL_SECONDS = env.int("SESSION_TOTAL_SECONDS", default=7 * 24 * 3600)
SESSION_COOKIE_AGE = SESSION_TOTAL_SECONDS
ACCOUNT_LOGIN_BY_CODE_ENABLED = True  # the owner's way in while strangers try passwords
ACCOUNT_ADAPTER = "release_portal.partners.adapter.AccountAdapter"
ACCOUNT_EMAIL_NOTIFICATIONS = True  # of a changed password, address or factor, to the address of before
REAUTHENTICATION_SECONDS = env.int("REAUTHENTICATION_SECONDS", default=15 * 60)
"""How long somebody who has just shown that it is they may decide, sign, suspend and make tokens."""
ACCOUNT_REAUTHENTICATION_TIMEOUT = REAUTHENTICATION_SECONDS
ACCOUNT_REAUTHENTICATION_REQUIRED = True  # before an address changes
MFA_ADAPTER = "release_portal.partners.factors.FactorAdapter"
MFA_SUPPORTED_TYPES = ["totp", "webauthn", "recovery_codes"]
MFA_ALLOW_UNVERIFIED_EMAIL = True  # of further addresses: nobody signs in before their first one is confirmed
MFA_PASSKEY_LOGIN_ENABLED = True
MFA_RECOVERY_CODES_SHOW_ONCE = True
MFA_WEBAUTHN_ALLOW_INSECURE_ORIGIN = not HTTPS  # on one's own machine, where browsers allow passkeys on localhost alone
LOGIN_URL = "account_login"
LOGIN_REDIRECT_URL = "access:home"
LOGOUT_REDIRECT_URL = "home"
# Rate limits are counted here: in PostgreSQL and as JSON, since the workers write to Redis and Django's own backends
# unpickle what they read.
CACHES = {"default": {"BACKEND": "release_portal.partners.cache.JSONCache"}}

# --- ninja
NINJA_PAGINATION_PER_PAGE = 50
NINJA_PAGINATION_MAX_LIMIT = 1_000
NINJA_PAGINATION_CLASS = "release_portal.lib.pages.Pages"

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "plain": {"()": "release_portal.lib.logs.Discreet", "format": "%(asctime)s %(levelname)s %(name)s: %(message)s"}
    },
    "handlers": {"console": {"class": "logging.StreamHandler", "formatter": "plain"}},
    "loggers": {
        "uvicorn": {
            "handlers": ["console"],
            "level": "INFO",
            "propagate": False,
        },  # its own handlers would quote errors
        "uvicorn.access": {"handlers": [], "level": "WARNING", "propagate": False},
    },
    "root": {"handlers": ["console"], "level": env("LOG_LEVEL", default="INFO")},
}
