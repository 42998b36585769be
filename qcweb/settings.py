"""Settings, read from the environment. `docs/settings.md` explains each one."""

import datetime as dt
from pathlib import Path

import plotly
from csp.constants import NONE, SELF, UNSAFE_INLINE
from kombu import Queue

from qcweb import env

BASE_DIR = Path(__file__).resolve().parent.parent
VERSION = next(
    line.split()[1]
    for line in (BASE_DIR / "CHANGELOG.md").read_text().splitlines()
    if line.startswith("## ")
)

# Where all state lives: database, broker, frames, jobs, products, secret.
HCM_DATA_DIR = env.directory("HCM_DATA_DIR", BASE_DIR / "var")
# Where recipes run; on a disk of the worker's own if that is faster. Products go to the data.
HCM_WORK_DIR = env.directory("HCM_WORK_DIR", HCM_DATA_DIR / "jobs")
HCM_ANONYMOUS_READ = env.flag("HCM_ANONYMOUS_READ")
HCM_INSTRUMENTS_DIRS = [
    BASE_DIR / "qcweb" / "instruments",
    *(Path(word).expanduser() for word in env.words("HCM_INSTRUMENTS_DIRS")),
]
# How long the headers of science frames are only for those who log in.
HCM_PROPRIETARY_DAYS = env.number("HCM_PROPRIETARY_DAYS", 365, low=0, high=36500)
# A worker that says nothing for so long has lost its block.
HCM_LEASE_S = env.number("HCM_LEASE_S", 60, low=2, high=3600)
# How often everything that is not at rest is looked at again.
HCM_SWEEP_S = env.number("HCM_SWEEP_S", 5, low=0.2, high=3600)
# How long a failure that may pass is left alone before the next try (doubled with each), and how
# often it is tried.
HCM_RETRY_S = env.number("HCM_RETRY_S", 300, low=0.1, high=7 * 86400)
# How often the round looks for new frames, organises, and tries again what failed.
HCM_ROUND_S = env.number("HCM_ROUND_S", 3600, low=1, high=86400)
# How long a block is somebody's who said so, unless they say it again.
HCM_CLAIM_MINUTES = env.number("HCM_CLAIM_MINUTES", 30, low=1, high=1440)
HCM_MAX_ATTEMPTS = int(env.number("HCM_MAX_ATTEMPTS", 5, low=1, high=100))

# Use the products of an earlier run again when nothing it depends on has changed.
HCM_LAZY = env.flag("HCM_LAZY")
# Make small pictures of every image product.
HCM_PREVIEWS = env.flag("HCM_PREVIEWS", default=True)
# A recipe that may take more memory than this (MB) goes to its instrument's queue for large jobs.
HCM_LARGE_MB = env.number("HCM_LARGE_MB", 4000, low=64, high=1_000_000)

# What a program that reads /metrics sends as its bearer token; empty: only people with a login.
HCM_METRICS_TOKEN = env.text("HCM_METRICS_TOKEN")
# How large a body of rows may be that is sent at once (MB).
HCM_UPLOAD_MB = env.number("HCM_UPLOAD_MB", 64, low=0.001, high=10_000)

# How many requests programs may make: those with the same token or login, those from the same
# address without either. Empty: as many as they want.
HCM_RATE_TOKEN = env.rate("HCM_RATE_TOKEN", "600/minute")
HCM_RATE_ADDRESS = env.rate("HCM_RATE_ADDRESS", "300/minute")
# How many proxies of ours stand in front: so many entries of X-Forwarded-For are believed.
HCM_PROXIES = int(env.number("HCM_PROXIES", 0, low=0, high=10))

# After so many wrong passwords for a name from one address nobody logs in there with that name for
# so many minutes, the right password or not.
HCM_LOGIN_FAILURES = int(env.number("HCM_LOGIN_FAILURES", 5, low=1, high=1000))
HCM_LOGIN_PAUSE_MINUTES = env.number("HCM_LOGIN_PAUSE_MINUTES", 15, low=0.01, high=10_000)
# How long a login lasts.
HCM_LOGIN_HOURS = env.number("HCM_LOGIN_HOURS", 168, low=0.1, high=8760)

SECRET_KEY = env.secret("HCM_SECRET_KEY", HCM_DATA_DIR / "secret_key")
DEBUG = env.flag("HCM_DEBUG")
ALLOWED_HOSTS = env.words("HCM_ALLOWED_HOSTS", "localhost,127.0.0.1,[::1]")
CSRF_TRUSTED_ORIGINS = env.words("HCM_CSRF_TRUSTED_ORIGINS")
HTTPS = env.flag("HCM_HTTPS")

INSTALLED_APPS = [
    "django.contrib.auth",
    "django.contrib.contenttypes",
    "django.contrib.sessions",
    "django.contrib.messages",
    "whitenoise.runserver_nostatic",
    "django.contrib.staticfiles",
    "csp",
    "django_htmx",
    "axes",
    "rest_framework",
    "drf_spectacular",
    "pipelines",
    "trending",
    "qcweb.people",
    "qcweb.notes",
    "qcweb.certification",
    "qcweb",
]

MIDDLEWARE = [
    "django.middleware.security.SecurityMiddleware",
    "csp.middleware.CSPMiddleware",
    "whitenoise.middleware.WhiteNoiseMiddleware",
    "qcweb.web.middleware.CleanRequestMiddleware",
    "django.contrib.sessions.middleware.SessionMiddleware",
    "django.middleware.common.CommonMiddleware",
    "django.middleware.csrf.CsrfViewMiddleware",
    "django.contrib.auth.middleware.AuthenticationMiddleware",
    "django.contrib.messages.middleware.MessageMiddleware",
    "django.middleware.clickjacking.XFrameOptionsMiddleware",
    "django_htmx.middleware.HtmxMiddleware",
    "qcweb.rates.RateMiddleware",
    "qcweb.access.AccessMiddleware",
    "qcweb.auditing.AuditMiddleware",
    "axes.middleware.AxesMiddleware",
]
MESSAGE_STORAGE = "qcweb.auditing.NotingStorage"

ROOT_URLCONF = "qcweb.urls"
WSGI_APPLICATION = "qcweb.wsgi.application"
TEMPLATES = [
    {
        "BACKEND": "django.template.backends.django.DjangoTemplates",
        "DIRS": [BASE_DIR / "templates"],
        "APP_DIRS": True,
        "OPTIONS": {
            "context_processors": [
                "django.template.context_processors.request",
                "django.contrib.auth.context_processors.auth",
                "django.contrib.messages.context_processors.messages",
                "qcweb.web.context.house",
            ],
        },
    }
]

# SQLite: write-ahead log, and the write lock taken at the start of a transaction, so that web and
# worker wait for each other instead of failing with "database is locked".
SQLITE_OPTIONS = {
    "transaction_mode": "IMMEDIATE",
    "timeout": 30,
    "init_command": "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;",
}
DATABASES = {"default": env.database("DATABASE_URL", HCM_DATA_DIR / "hcm.sqlite3")}
# Kept from request to request and task to task; one that the server has dropped is seen at once.
DATABASES["default"] |= {"CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True}
if DATABASES["default"]["ENGINE"] == "django.db.backends.sqlite3":
    DATABASES["default"]["OPTIONS"] = SQLITE_OPTIONS
DEFAULT_AUTO_FIELD = "django.db.models.BigAutoField"

AUTHENTICATION_BACKENDS = [
    "axes.backends.AxesStandaloneBackend",
    "django.contrib.auth.backends.ModelBackend",
]
# Passwords that were kept by another sum are kept by the first at the next login.
PASSWORD_HASHERS = [
    "django.contrib.auth.hashers.Argon2PasswordHasher",
    "django.contrib.auth.hashers.PBKDF2PasswordHasher",
]
_VALIDATORS = "django.contrib.auth.password_validation"
AUTH_PASSWORD_VALIDATORS = [
    {"NAME": f"{_VALIDATORS}.UserAttributeSimilarityValidator"},
    {"NAME": f"{_VALIDATORS}.MinimumLengthValidator", "OPTIONS": {"min_length": 10}},
    {"NAME": f"{_VALIDATORS}.CommonPasswordValidator"},
    {"NAME": f"{_VALIDATORS}.NumericPasswordValidator"},
]
# Counted in the database: several processes and hosts count together.
AXES_LOCKOUT_PARAMETERS = [["username", "ip_address"]]
AXES_FAILURE_LIMIT = HCM_LOGIN_FAILURES
AXES_COOLOFF_TIME = dt.timedelta(minutes=HCM_LOGIN_PAUSE_MINUTES)
# Trying on does not make it longer: whoever knows when it ends is right.
AXES_RESET_COOL_OFF_ON_FAILURE_DURING_LOCKOUT = False
AXES_RESET_ON_SUCCESS = True
AXES_CLIENT_IP_CALLABLE = "qcweb.addresses.address_of"
AXES_LOCKOUT_CALLABLE = "qcweb.web.views.login.locked_out"
AXES_SENSITIVE_PARAMETERS = ["password", "csrfmiddlewaretoken"]
AXES_DISABLE_ACCESS_LOG = True  # the audit log has it
AXES_ENABLE_ADMIN = AXES_VERBOSE = False
LOGIN_URL = "login"
LOGIN_REDIRECT_URL = "home"
LOGOUT_REDIRECT_URL = "home"

LANGUAGE_CODE = "en-gb"
TIME_ZONE = "UTC"
USE_TZ = True
USE_I18N = False

STATIC_URL = "static/"
STATIC_ROOT = HCM_DATA_DIR / "static"
STATICFILES_DIRS = [
    BASE_DIR / "static",
    # plotly.js from the wheel: no content network, no build step.
    ("plotly", Path(plotly.__file__).parent / "package_data"),
]
STORAGES = {
    "default": {"BACKEND": "django.core.files.storage.FileSystemStorage"},
    "staticfiles": {"BACKEND": "whitenoise.storage.CompressedManifestStaticFilesStorage"},
}

CONTENT_SECURITY_POLICY = {
    "DIRECTIVES": {
        "default-src": [SELF],
        "script-src": [SELF],
        "style-src": [SELF, UNSAFE_INLINE],  # plotly.js sets styles on the plots it draws
        "img-src": [SELF, "data:", "blob:"],  # its "save as picture"
        "object-src": [NONE],
        "base-uri": [SELF],
        "form-action": [SELF],
        "frame-ancestors": [NONE],
    }
}
X_FRAME_OPTIONS = "DENY"
SECURE_CONTENT_TYPE_NOSNIFF = True
SECURE_REFERRER_POLICY = "same-origin"
SESSION_COOKIE_AGE = int(3600 * HCM_LOGIN_HOURS)
SESSION_COOKIE_HTTPONLY = CSRF_COOKIE_HTTPONLY = True
SESSION_COOKIE_SAMESITE = CSRF_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_SECURE = CSRF_COOKIE_SECURE = SECURE_SSL_REDIRECT = HTTPS
SECURE_HSTS_SECONDS = 31536000 if HTTPS else 0
SECURE_HSTS_INCLUDE_SUBDOMAINS = SECURE_HSTS_PRELOAD = HTTPS
if HTTPS:
    SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")

REST_FRAMEWORK = {
    "DEFAULT_AUTHENTICATION_CLASSES": [
        "qcweb.api.authentication.TokenAuthentication",
        "rest_framework.authentication.SessionAuthentication",
    ],
    "DEFAULT_PERMISSION_CLASSES": [],  # qcweb.access decides for pages and API alike
    "DEFAULT_SCHEMA_CLASS": "qcweb.api.schema.HouseSchema",
    "EXCEPTION_HANDLER": "qcweb.api.errors.as_problem",
    "URL_FORMAT_OVERRIDE": None,  # ?format= is read by the view, which says which are known
    "DEFAULT_RENDERER_CLASSES": [
        "rest_framework.renderers.JSONRenderer",
        "rest_framework.renderers.BrowsableAPIRenderer",
    ],
}
SPECTACULAR_SETTINGS = {
    "TITLE": "Health Check Monitor",
    "DESCRIPTION": "Calibrations of an observatory, their QC1 values, scores and certification.",
    "VERSION": VERSION,
    "SERVE_INCLUDE_SCHEMA": False,
    "SERVE_PUBLIC": True,
    "SCHEMA_PATH_PREFIX": "/api/v1",
    "SORT_OPERATION_PARAMETERS": False,  # they stand as they are declared
    # Where fields of one name have different choices.
    "ENUM_NAME_OVERRIDES": {
        "DecisionEnum": "qcweb.certification.models.Decision",
        "NewDecisionEnum": ["ACCEPTED", "REJECTED", "REOPENED"],
        "EventKindEnum": "trending.models.EventKind",
        "ClosingKindEnum": ["CLOSED", "REOPENED"],
    },
}

# Celery. The database is the truth, the broker only carries ids.
BROKER_DIR = HCM_DATA_DIR / "broker"
CELERY_BROKER_URL = env.text("CELERY_BROKER_URL", "filesystem://localhost")
CELERY_BROKER_CONNECTION_RETRY_ON_STARTUP = True
CELERY_TASK_IGNORE_RESULT = True
CELERY_TASK_ACKS_LATE = True
CELERY_TASK_REJECT_ON_WORKER_LOST = False  # the sweep finds what a lost worker held
CELERY_WORKER_PREFETCH_MULTIPLIER = 1
CELERY_WORKER_MAX_TASKS_PER_CHILD = 200
CELERY_WORKER_ENABLE_REMOTE_CONTROL = False
CELERY_WORKER_HIJACK_ROOT_LOGGER = False
CELERY_TASK_DEFAULT_QUEUE = "blocks"
# What a worker takes unless it is told otherwise; those of an instrument are made as they are named.
CELERY_TASK_QUEUES = [Queue("blocks"), Queue("clock")]
CELERY_TASK_ROUTES = {
    f"qcweb.tasks.{name}": {"queue": "clock"}
    for name in (
        "sweep",
        "rounds",
        "one_round",
        "checksum",
        "previews",
        "measure_delay",
        "rescore_after_events",
    )
}
CELERY_BEAT_SCHEDULE = {
    # A round nobody had time for is not made up for: the next one does the same.
    "sweep": {
        "task": "qcweb.tasks.sweep",
        "schedule": HCM_SWEEP_S,
        "options": {"expires": HCM_SWEEP_S},
    },
    "rounds": {
        "task": "qcweb.tasks.rounds",
        "schedule": HCM_ROUND_S,
        "options": {"expires": HCM_ROUND_S},
    },
    "measure_delay": {
        "task": "qcweb.tasks.measure_delay",
        "schedule": 3600.0,
        "options": {"expires": 3600.0},
    },
    "rescore_after_events": {
        "task": "qcweb.tasks.rescore_after_events",
        "schedule": HCM_SWEEP_S,
        "options": {"expires": HCM_SWEEP_S},
    },
    "previews": {
        "task": "qcweb.tasks.previews",
        "schedule": 10.0,
        "options": {"expires": 10.0},
    },
    "checksum": {
        "task": "qcweb.tasks.checksum",
        "schedule": 60.0,
        "options": {"expires": 60.0},
    },
}
CELERY_BEAT_SCHEDULE_FILENAME = str(HCM_DATA_DIR / "beat-schedule")
if CELERY_BROKER_URL.startswith("filesystem"):
    for _folder in ("queue", "control"):  # kombu does not make them
        (BROKER_DIR / _folder).mkdir(parents=True, exist_ok=True)
    CELERY_BROKER_TRANSPORT_OPTIONS = {
        "data_folder_in": str(BROKER_DIR / "queue"),
        "data_folder_out": str(BROKER_DIR / "queue"),
        "control_folder": str(BROKER_DIR / "control"),
        "polling_interval": 0.02,
    }
else:
    # Longer than the longest recipe: an unacknowledged id is given out again after that.
    CELERY_BROKER_TRANSPORT_OPTIONS = {"visibility_timeout": 6 * 3600}

LOGGING = {
    "version": 1,
    "disable_existing_loggers": False,
    "formatters": {
        "line": {
            "format": "{asctime}Z {levelname:7} {name}: {message}",
            "style": "{",
            "datefmt": "%Y-%m-%dT%H:%M:%S",
        }
    },
    # ADQL's parser tells the root logger of every step it takes.
    "filters": {
        "not_parser": {
            "()": "django.utils.log.CallbackFilter",
            "callback": lambda record: "queryparser" not in record.pathname,
        }
    },
    "handlers": {
        "console": {
            "class": "logging.StreamHandler",
            "formatter": "line",
            "filters": ["not_parser"],
        }
    },
    "root": {
        "handlers": ["console"],
        "level": env.one_of("HCM_LOG_LEVEL", "INFO", ("DEBUG", "INFO", "WARNING", "ERROR")),
    },
    "loggers": {
        "django.request": {"level": "ERROR"},
        # A name that was typed may be a password; the audit log has what can be said.
        "axes": {"level": "ERROR"},
    },
}
