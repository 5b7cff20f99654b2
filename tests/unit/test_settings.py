"""Settings: parsing them, and refusing invalid ones before anything starts."""

from argparse import Namespace
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest

from entrypoints.cli.settings import show_settings
from entrypoints.container import build
from entrypoints.settings import BadSettings, Settings, environment_name

KEY = "d3b07384d113edec49eaa6238ad5ff00c2f1a9e85b7640d19fe3ac52708b6e14"
PRODUCTION = {"WAGGLE_ENV": "production", "WAGGLE_PUBLIC_URL": "https://waggle.example.org"}
POSTGRES = {"WAGGLE_DATABASE_URL": "postgresql://waggle:secret@db/waggle?sslmode=verify-full"}
SCALED = POSTGRES | {"WAGGLE_SECRET_KEY": KEY, "WAGGLE_MEDIA_URL": "s3://bee:honey@files/media"}


def test_the_defaults_are_an_embedded_server_on_localhost() -> None:
    settings = Settings.read({})

    assert settings == Settings()
    assert (settings.shape, settings.url) == ("embedded", "http://127.0.0.1:8000")
    assert settings.database == f"sqlite:///{Path('data').absolute()}/waggle.db"


def test_every_setting_is_read_from_the_environment() -> None:
    environ = {
        "WAGGLE_ENV": "production",
        "WAGGLE_HOST": "::",
        "PORT": "80",
        "WAGGLE_DATA_DIR": "/var/lib/waggle",
        "WAGGLE_DATABASE_URL": "postgresql://127.0.0.1/waggle",
        "WAGGLE_DATABASE_CONNECTIONS": "20",
        "WAGGLE_REDIS_URL": "rediss://cache/1",
        "WAGGLE_PUBLIC_URL": "https://waggle.example.org/",
        "WAGGLE_SECRET_KEY": KEY,
        "WAGGLE_PASSWORD_COST": "13",
        "WAGGLE_CORS_ORIGINS": "https://a.example, https://b.example,",
        "WAGGLE_ACCESS_LOG": "all",
        "WAGGLE_TRUSTED_PROXIES": "10.0.0.0/8, 2001:db8::1",
        "WAGGLE_RATE_LIMITS": "read=2400/60",
        "WAGGLE_HSTS_SUBDOMAINS": "on",
        "WAGGLE_DRAIN_SECONDS": "30",
        "WAGGLE_METRICS_ADDRESS": "[::1]:9091",
        "WAGGLE_METRICS_HOSTS": "waggle.internal, *.svc.cluster.local",
        "WAGGLE_SOCKETS_PER_NETWORK": "200",
        "WAGGLE_TRENDING_SECONDS": "30",
        "WAGGLE_READ_MODEL": "off",
        "WAGGLE_READ_MODEL_MB": "7",
        "WAGGLE_MAIL_URL": "smtps://mail?from=waggle@example.org",
        "WAGGLE_MAIL_DELAY_SECONDS": "0",
        "WAGGLE_MAIL_EVERY_SECONDS": "3600",
        "WAGGLE_MEDIA_URL": "s3://bee:honey@files/media",
        "WAGGLE_MEDIA_ORIGIN": "https://media.example.org",
        "WAGGLE_MEDIA_AUDIO": "off",
        "WAGGLE_MEDIA_CONFINEMENT": "required",
        "WAGGLE_CONFIRM_EMAIL": "true",
        "WAGGLE_MEDIA_FILE_MB": "500",
        "WAGGLE_MEDIA_USER_MB": "1000",
        "WAGGLE_MEDIA_FILES_A_DAY": "20",
        "WAGGLE_TRACES_URL": "http://collector:4318",
        "WAGGLE_TRACES_RATIO": "0.05",
        "WAGGLE_TRACES_CONTINUE": "on",
    }

    settings = Settings.read(environ)

    assert settings == Settings(
        env="production",
        host="::",
        port=80,
        data_dir=Path("/var/lib/waggle"),
        database_url="postgresql://127.0.0.1/waggle",
        database_connections=20,
        redis_url="rediss://cache/1",
        public_url="https://waggle.example.org/",
        secret_key=KEY,
        password_cost=13,
        cors_origins=("https://a.example", "https://b.example"),
        access_log="all",
        trusted_proxies=("10.0.0.0/8", "2001:db8::1"),
        rate_limits="read=2400/60",
        hsts_subdomains="on",
        metrics_address="[::1]:9091",
        metrics_hosts=("waggle.internal", "*.svc.cluster.local"),
        drain_seconds=30,
        sockets_per_network=200,
        trending_seconds=30,
        read_model="off",
        read_model_mb=7,
        mail_url="smtps://mail?from=waggle@example.org",
        mail_delay_seconds=0,
        mail_every_seconds=3600,
        confirm_email="on",
        media_url="s3://bee:honey@files/media",
        media_origin="https://media.example.org",
        media_audio="off",
        media_confinement="required",
        media_file_mb=500,
        media_user_mb=1000,
        media_files_a_day=20,
        traces_url="http://collector:4318",
        traces_ratio=0.05,
        traces_continue="on",
    )
    assert (settings.shape, settings.url) == ("scaled", "https://waggle.example.org")
    assert {environment_name(setting) for setting in fields(Settings)} == set(environ)


@pytest.mark.parametrize("setting", fields(Settings), ids=environment_name)
def test_every_setting_has_a_description(setting: object) -> None:
    assert len(getattr(setting, "metadata")["about"]) > 10  # noqa: B009 - dataclasses name no type for it


@pytest.mark.parametrize(
    ("url", "redis", "shape"),
    [
        ("", "", "embedded"),
        ("sqlite:////srv/waggle.db", "", "embedded"),
        ("memory:", "", "memory"),
        ("postgresql://db/waggle", "", "postgres"),
        ("postgresql://db/waggle", "redis://redis", "scaled"),
    ],
)
def test_the_database_and_redis_decide_the_shape(url: str, redis: str, shape: str) -> None:
    settings = Settings.read({"WAGGLE_DATABASE_URL": url, "WAGGLE_REDIS_URL": redis})

    assert settings.shape == shape
    assert settings.on_postgres is (shape in {"postgres", "scaled"})


def test_an_empty_value_is_the_default() -> None:
    assert Settings.read({"PORT": "", "WAGGLE_ENV": ""}) == Settings()


def test_other_environment_variables_are_ignored() -> None:
    assert Settings.read({"HOME": "/root", "WAGGLE_TEST_LONG": "1", "PORTS": "x"}) == Settings()


def test_the_variables_of_a_kubernetes_service_called_waggle_are_ignored() -> None:
    environ = {
        "WAGGLE_SERVICE_HOST": "10.0.0.1",
        "WAGGLE_SERVICE_PORT": "80",
        "WAGGLE_PORT": "tcp://10.0.0.1:80",
        "WAGGLE_PORT_80_TCP": "tcp://10.0.0.1:80",
    }

    assert Settings.read(environ) == Settings()


@pytest.mark.parametrize(
    "environ",
    [
        {"WAGGLE_PROT": "80"},
        {"WAGGLE_ENV": "prod"},
        {"PORT": "http"},
        {"PORT": "-1"},
        {"PORT": "8000.0"},
        {"PORT": "٨٠"},
        {"PORT": "65536"},
        {"PORT": "9" * 5000},
        {"WAGGLE_PASSWORD_COST": "3"},
        {"WAGGLE_PASSWORD_COST": "17"},
        {"WAGGLE_TRENDING_SECONDS": "0"},
        {"WAGGLE_TRENDING_SECONDS": "3601"},
        {"WAGGLE_MAIL_DELAY_SECONDS": "86401"},
        {"WAGGLE_MAIL_EVERY_SECONDS": "86401"},
        {"WAGGLE_ACCESS_LOG": "yes"},
        {"WAGGLE_TRUSTED_PROXIES": "proxy.example.org"},
        {"WAGGLE_TRUSTED_PROXIES": "10.0.0.1/8"},
        {"WAGGLE_TRUSTED_PROXIES": "*"},
        {"WAGGLE_RATE_LIMITS": "yes"},
        {"WAGGLE_RATE_LIMITS": "read=0/60"},
        {"WAGGLE_RATE_LIMITS": "read=60/0"},
        {"WAGGLE_RATE_LIMITS": "read=60"},
        {"WAGGLE_RATE_LIMITS": "read=60/60,read=70/60"},
        {"WAGGLE_RATE_LIMITS": "reads=60/60"},
        {"WAGGLE_RATE_LIMITS": "read=60/60,"},
        {"WAGGLE_RATE_LIMITS": "read=٦٠/60"},
        {"WAGGLE_RATE_LIMITS": "on,read=60/60"},
        {"WAGGLE_RATE_LIMITS": "read=9999999/60"},
        {"WAGGLE_DATABASE_URL": "mysql://db/waggle"},
        {"WAGGLE_DATABASE_URL": "postgres://db/waggle"},
        {"WAGGLE_DATABASE_URL": "/srv/waggle.db"},
        {"WAGGLE_DATABASE_URL": "sqlite:"},
        {"WAGGLE_DATABASE_URL": "sqlite://"},
        {"WAGGLE_DATABASE_URL": "sqlite:///"},
        {"WAGGLE_DATABASE_URL": "sqlite:///:memory:"},
        {"WAGGLE_DATABASE_URL": "sqlite://srv/waggle.db"},
        {"WAGGLE_DATABASE_URL": "sqlite:////srv/waggle.db?mode=ro"},
        {"WAGGLE_REDIS_URL": "redis://127.0.0.1"},
        {"WAGGLE_REDIS_URL": "http://redis", **POSTGRES},
        {"WAGGLE_REDIS_URL": "redis:///0", **POSTGRES},
        {"WAGGLE_REDIS_URL": "redis://redis:66666", **POSTGRES},
        {"WAGGLE_MEDIA_URL": "https://bee:honey@files/media"},
        {"WAGGLE_MEDIA_URL": "s3://bee:honey@files:0/media"},
        {"WAGGLE_MEDIA_URL": "s3://bee:honey@files:66666/media"},
        {"WAGGLE_MEDIA_URL": "/srv/media"},
        {"WAGGLE_DATABASE_CONNECTIONS": "1"},
        {"WAGGLE_CORS_ORIGINS": "https://a.example,https://b.example/"},
        {"WAGGLE_CORS_ORIGINS": "https://b.example/path"},
        {"WAGGLE_CORS_ORIGINS": "https://B.example"},
        {"WAGGLE_CORS_ORIGINS": "https://b.example:443"},
        {"WAGGLE_CORS_ORIGINS": "https://b.example:99999"},
        {"WAGGLE_CORS_ORIGINS": "https://*.example"},
        {"WAGGLE_CORS_ORIGINS": "https://b..example"},
        {"WAGGLE_CORS_ORIGINS": "https://-b.example"},
        {"WAGGLE_CORS_ORIGINS": "b.example"},
        {"WAGGLE_CORS_ORIGINS": "https://"},
        {"WAGGLE_CORS_ORIGINS": "https://bücher.example"},
        {"WAGGLE_CORS_ORIGINS": "ftp://b.example"},
        {"WAGGLE_MEDIA_ORIGIN": "media.example.org"},
        {"WAGGLE_MEDIA_ORIGIN": "ftp://media.example.org"},
        {"WAGGLE_MEDIA_ORIGIN": "https://media.example.org/files"},
        {"WAGGLE_MEDIA_ORIGIN": "javascript:alert(1)"},
        {"WAGGLE_PUBLIC_URL": "waggle.example.org"},
        {"WAGGLE_PUBLIC_URL": "https://"},
        {"WAGGLE_PUBLIC_URL": "https://waggle.example.org:port"},
        {"WAGGLE_PUBLIC_URL": "https://waggle.example.org/?a=b"},
        {"WAGGLE_SECRET_KEY": "short"},
        {"WAGGLE_SECRET_KEY": "g" * 64},
        {"WAGGLE_SECRET_KEY": KEY[:-1]},
        {"WAGGLE_SECRET_KEY": KEY + "\n"},
        {"WAGGLE_SECRET_KEY": "0" * 64},
        {"WAGGLE_SECRET_KEY": "٠" * 64},
    ],
    ids=lambda environ: " ".join(f"{name}={value[:20]!r}" for name, value in environ.items()),
)
def test_an_invalid_value_is_refused_with_the_name_of_its_setting(environ: dict[str, str]) -> None:
    with pytest.raises(BadSettings) as caught:
        Settings.read(environ)

    assert next(iter(environ)) in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "environ",
    [
        {"WAGGLE_SECRET_KEY": "hunter2" * 3},
        POSTGRES | {"WAGGLE_REDIS_URL": "redis://:hunter2/more@redis"},
        POSTGRES | {"WAGGLE_REDIS_URL": "redis:hunter2"},
        {"WAGGLE_MEDIA_URL": "https://bee:hunter2@files/media"},
        {"WAGGLE_MEDIA_URL": "s3://bee:hunter2/more@files/media"},
    ],
)
def test_an_error_does_not_contain_the_secret(environ: dict[str, str]) -> None:
    with pytest.raises(BadSettings) as caught:
        Settings.read(environ)

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("environ", "adapter"),
    [
        ({}, "PrintedMail"),
        (PRODUCTION, "NoMail"),
        ({"WAGGLE_MAIL_URL": "smtp://:hunter2@127.0.0.1?from=bee@hive.example"}, "SmtpMail"),
    ],
)
def test_without_a_mail_server_mail_is_printed_in_development_only(
    environ: dict[str, str], adapter: str, tmp_path: Path
) -> None:
    container = build(Settings.read({"WAGGLE_DATA_DIR": str(tmp_path), **environ}))

    assert type(container.mail()).__name__ == adapter
    assert "hunter2" not in repr(container.mail())


@pytest.mark.parametrize(
    ("value", "parsed"), [("on", "on"), ("true", "on"), ("off", "off"), ("false", "off"), ("", "off")]
)
def test_confirm_email_is_on_or_off(value: str, parsed: str) -> None:
    assert Settings.read({"WAGGLE_CONFIRM_EMAIL": value}).confirm_email == parsed


def test_confirm_email_needs_a_mail_server_in_production() -> None:
    with pytest.raises(BadSettings, match="WAGGLE_CONFIRM_EMAIL needs WAGGLE_MAIL_URL"):
        Settings.read(PRODUCTION | {"WAGGLE_CONFIRM_EMAIL": "true"})
    with pytest.raises(BadSettings, match="WAGGLE_CONFIRM_EMAIL must be on or off"):
        Settings.read({"WAGGLE_CONFIRM_EMAIL": "maybe"})
    mail = {"WAGGLE_MAIL_URL": "smtp://127.0.0.1?from=bee@hive.example"}
    assert Settings.read(PRODUCTION | mail | {"WAGGLE_CONFIRM_EMAIL": "on"}).confirm_email == "on"


def test_an_invalid_mail_url_is_refused_without_its_secret(tmp_path: Path) -> None:
    settings = Settings.read(
        {"WAGGLE_DATA_DIR": str(tmp_path), "WAGGLE_MAIL_URL": "smtp://:hunter2@hive?from=nobody"}
    )

    with pytest.raises(BadSettings, match="WAGGLE_MAIL_URL must name the sender") as caught:
        build(settings)

    assert "hunter2" not in str(caught.value)


@pytest.mark.parametrize(
    ("environ", "adapter"),
    [
        ({}, "FolderStorage"),
        ({"WAGGLE_DATABASE_URL": "memory:"}, "MemoryStorage"),
        ({"WAGGLE_MEDIA_URL": "file:///srv/media"}, "FolderStorage"),
    ],
)
def test_the_media_url_selects_the_storage(environ: dict[str, str], adapter: str, tmp_path: Path) -> None:
    container = build(Settings.read({"WAGGLE_DATA_DIR": str(tmp_path), **environ}))

    assert type(container.storage()).__name__ == adapter


@pytest.mark.parametrize(
    "url",
    [
        "s3:bee:hunter2",
        "s3://bee:hunter2/more@files/media",
        "s3://bee:hunter2@files",
        "s3://bee:hunter2@files/media?tls=maybe",
        "file:srv",
    ],
)
def test_an_invalid_media_url_is_refused_without_its_secret(url: str, tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="WAGGLE_MEDIA_URL") as caught:
        build(Settings.read({"WAGGLE_DATA_DIR": str(tmp_path), "WAGGLE_MEDIA_URL": url}))

    assert "hunter2" not in str(caught.value)


async def test_the_settings_in_force_are_shown_without_secrets(capsys: pytest.CaptureFixture[str]) -> None:
    named = [setting.name for setting in fields(Settings) if setting.name.endswith("_url")]
    urls: dict[str, Any] = {name: "x://:hunter2@hive" for name in named if name != "public_url"}
    settings = Settings(secret_key="hunter2", **urls)

    await show_settings(settings, Namespace())

    shown = capsys.readouterr().out
    assert "WAGGLE_MEDIA_URL=(set)" in shown
    assert "hunter2" not in shown
