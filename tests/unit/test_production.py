"""The settings that production refuses and accepts."""

import secrets
from pathlib import Path

import pytest

from entrypoints.container import build
from entrypoints.data_folder import master_key, prepare
from entrypoints.production import weak_key
from entrypoints.settings import BadSettings, Settings
from tests.unit.test_settings import KEY, POSTGRES, PRODUCTION, SCALED


def test_an_embedded_server_needs_only_a_public_url() -> None:
    assert Settings.read(PRODUCTION).env == "production"


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"WAGGLE_DATABASE_URL": "postgresql://db/waggle?sslmode=verify-ca"},
        {"WAGGLE_DATABASE_URL": "postgresql://127.0.0.1/waggle"},
        {"WAGGLE_DATABASE_URL": "postgresql://[::1]/waggle"},
        {"WAGGLE_DATABASE_URL": "postgresql:///waggle?host=/run/postgresql"},
        {"WAGGLE_MEDIA_URL": "file:///srv/media"},
        {"WAGGLE_MEDIA_URL": "s3://bee:honey@127.0.0.1:9000/media?tls=off"},
        {"WAGGLE_MEDIA_URL": "s3://bee:honey@files/media?public=https://files.example.org"},
        {"WAGGLE_REDIS_URL": "redis://127.0.0.1"},
        {"WAGGLE_REDIS_URL": "rediss://:secret@redis/1"},
        {"WAGGLE_CORS_ORIGINS": "https://app.example.org,https://app.example.org:8443,capacitor://localhost"},
        {"WAGGLE_TRUSTED_PROXIES": "10.0.0.0/8,fc00::/7,2001:db8::1"},
        {"WAGGLE_RATE_LIMITS": "read=2400/60,auth=60/60"},
        {"WAGGLE_PASSWORD_COST": "14"},
    ],
    ids=str,
)
def test_safe_settings_are_accepted(change: dict[str, str]) -> None:
    assert Settings.read(PRODUCTION | SCALED | change).env == "production"


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"WAGGLE_PASSWORD_COST": "4"}, "WAGGLE_PASSWORD_COST"),
        ({"WAGGLE_PASSWORD_COST": "15"}, "WAGGLE_PASSWORD_COST"),
        ({"WAGGLE_DATABASE_URL": "memory:"}, "WAGGLE_DATABASE_URL"),
        (POSTGRES, "WAGGLE_SECRET_KEY"),
        ({"WAGGLE_SECRET_KEY": "0123456789abcdef" * 4}, "WAGGLE_SECRET_KEY"),
        ({"WAGGLE_SECRET_KEY": "0" * 64}, "WAGGLE_SECRET_KEY must be 64 random"),
        (SCALED | {"WAGGLE_DATABASE_URL": "postgresql://db/waggle"}, "WAGGLE_DATABASE_URL"),
        (SCALED | {"WAGGLE_DATABASE_URL": "postgresql://db/waggle?sslmode=require"}, "WAGGLE_DATABASE_URL"),
        (SCALED | {"WAGGLE_DATABASE_URL": "postgresql://10.0.0.1/waggle"}, "WAGGLE_DATABASE_URL"),
        (SCALED | {"WAGGLE_DATABASE_URL": "postgresql://127.0.0.1/w?host=db"}, "WAGGLE_DATABASE_URL"),
        (SCALED | {"WAGGLE_REDIS_URL": "redis://redis:6379"}, "WAGGLE_REDIS_URL"),
        (SCALED | {"WAGGLE_MEDIA_URL": ""}, "WAGGLE_MEDIA_URL"),
        (SCALED | {"WAGGLE_MEDIA_URL": "s3://bee:honey@files/media?tls=off"}, "WAGGLE_MEDIA_URL"),
        (
            SCALED | {"WAGGLE_MEDIA_URL": "s3://bee:honey@files/media?public=http://files.example"},
            "WAGGLE_MEDIA_URL",
        ),
        ({"WAGGLE_PUBLIC_URL": ""}, "WAGGLE_PUBLIC_URL"),
        ({"WAGGLE_PUBLIC_URL": "http://waggle.example.org"}, "WAGGLE_PUBLIC_URL"),
        ({"WAGGLE_MEDIA_ORIGIN": "http://media.example.org"}, "WAGGLE_MEDIA_ORIGIN"),
        ({"WAGGLE_RATE_LIMITS": "off"}, "WAGGLE_RATE_LIMITS"),
        ({"WAGGLE_RATE_LIMITS": "auth=1000000/1"}, "WAGGLE_RATE_LIMITS"),
        ({"WAGGLE_RATE_LIMITS": "read=1/86400"}, "WAGGLE_RATE_LIMITS"),
        ({"WAGGLE_CORS_ORIGINS": "https://a.example,*"}, "WAGGLE_CORS_ORIGINS"),
        ({"WAGGLE_CORS_ORIGINS": "null"}, "WAGGLE_CORS_ORIGINS"),
        ({"WAGGLE_CORS_ORIGINS": "http://a.example"}, "WAGGLE_CORS_ORIGINS"),
        ({"WAGGLE_TRUSTED_PROXIES": "0.0.0.0/0"}, "WAGGLE_TRUSTED_PROXIES"),
        ({"WAGGLE_TRUSTED_PROXIES": "10.0.0.0/8,128.0.0.0/1"}, "WAGGLE_TRUSTED_PROXIES"),
        ({"WAGGLE_TRUSTED_PROXIES": "::/0"}, "WAGGLE_TRUSTED_PROXIES"),
        ({"WAGGLE_TRUSTED_PROXIES": "2000::/7"}, "WAGGLE_TRUSTED_PROXIES"),
        ({"WAGGLE_TRUSTED_PROXIES": "::ffff:0:0/96"}, "WAGGLE_TRUSTED_PROXIES"),
        ({"WAGGLE_MEDIA_FILE_MB": "100", "WAGGLE_MEDIA_USER_MB": "50"}, "WAGGLE_MEDIA_FILE_MB"),
        ({"PORT": "0"}, "PORT"),
    ],
    ids=str,
)
def test_unsafe_settings_are_refused_in_one_line(change: dict[str, str], named: str) -> None:
    with pytest.raises(BadSettings, match=named) as caught:
        Settings.read({**PRODUCTION, **change})

    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "key",
    [
        "0" * 64,
        "f" * 64,
        "0123456789abcdef" * 4,
        bytes(range(32)).hex(),
        bytes(range(0, 64, 2)).hex(),
        b"correct horse battery staple 123".hex(),
        KEY[:32] + "0" * 32,
    ],
)
def test_a_key_with_a_pattern_is_weak(key: str) -> None:
    assert weak_key(key)


def test_a_random_key_is_not_weak() -> None:
    assert not weak_key(KEY)
    assert not any(weak_key(secrets.token_hex(32)) for _ in range(1000))


def production(folder: Path) -> Settings:
    return Settings.read(PRODUCTION | {"WAGGLE_DATA_DIR": str(folder)})


def test_the_first_start_creates_a_key_that_only_its_owner_can_read(tmp_path: Path) -> None:
    settings = production(tmp_path / "data")

    key = master_key(settings)

    assert len(key) == 32
    assert master_key(settings) == key
    assert (tmp_path / "data" / "secret.key").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "junk", "0" * 63, "0" * 64, "ä" * 64, "0123456789abcdef" * 4])
def test_a_key_file_without_a_random_key_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / "secret.key").write_text(text)
    (tmp_path / "secret.key").chmod(0o600)

    with pytest.raises(BadSettings, match=r"secret\.key"):
        build(production(tmp_path))


@pytest.mark.parametrize("mode", [0o644, 0o604, 0o620, 0o602])
def test_a_key_file_that_others_can_access_is_refused(tmp_path: Path, mode: int) -> None:
    (tmp_path / "secret.key").write_text(KEY)
    (tmp_path / "secret.key").chmod(mode)

    with pytest.raises(BadSettings, match="chmod 600"):
        build(production(tmp_path))


@pytest.mark.parametrize("mode", [0o600, 0o400, 0o440])
def test_a_key_file_that_the_group_can_read_is_accepted(tmp_path: Path, mode: int) -> None:
    (tmp_path / "secret.key").write_text(KEY + "\n")
    (tmp_path / "secret.key").chmod(mode)

    assert master_key(production(tmp_path)) == bytes.fromhex(KEY)


def test_a_key_file_that_is_a_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "secret.key").mkdir()

    with pytest.raises(BadSettings, match=r"secret\.key"):
        build(production(tmp_path))


def test_a_data_folder_that_others_can_write_to_is_refused(tmp_path: Path) -> None:
    tmp_path.chmod(0o777)

    with pytest.raises(BadSettings, match="WAGGLE_DATA_DIR"):
        prepare(production(tmp_path))

    assert prepare(Settings(data_dir=tmp_path)) == tmp_path


@pytest.mark.parametrize(
    ("name", "url"),
    [("WAGGLE_DATABASE_URL", "sqlite:///{}/waggle.db"), ("WAGGLE_MEDIA_URL", "file://{}")],
)
def test_a_database_or_media_folder_that_others_can_write_to_is_refused(
    tmp_path: Path, name: str, url: str
) -> None:
    environ = PRODUCTION | {"WAGGLE_DATA_DIR": str(tmp_path / "data"), name: url.format(tmp_path / "open")}
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)

    with pytest.raises(BadSettings, match=name):
        build(Settings.read(environ))

    (tmp_path / "open").chmod(0o770)
    build(Settings.read(environ))


@pytest.mark.parametrize("below", ["file", "file/below"])
def test_a_data_folder_that_is_a_file_is_refused(tmp_path: Path, below: str) -> None:
    (tmp_path / "file").touch()

    with pytest.raises(BadSettings, match="WAGGLE_DATA_DIR"):
        build(Settings(data_dir=tmp_path / below))


@pytest.mark.parametrize(
    "url",
    [
        "postgresql://waggle:hunter2@db:port/waggle",
        "postgresql://waggle:hunter2/more@db/waggle",
        "postgresql://waggle:hunter2@db/waggle?sslmode=",
        "postgresql://waggle:hunter2@db/waggle?sslmode=on",
        "postgresql://waggle:hunter2@db/waggle?sslmode=verify-full&sslrootcert=/no/file",
        "postgresql://waggle:hunter2@db/waggle?sslrootcert=/no/file",
        "postgresql://waggle:hunter2@db/waggle?sslmode=require&sslmode=disable",
        "postgresql://waggle:hunter2@db/waggle?color=red",
        "postgresql://waggle:hunter2@db/waggle?pooler=session",
        "postgresql://waggle:hunter2@db",
        "postgresql://waggle:hunter2@db/a/b",
        "postgresql:///waggle",
        "postgresql://[db/waggle",
    ],
)
def test_an_invalid_database_url_is_refused_in_one_line_without_its_secret(url: str, tmp_path: Path) -> None:
    with pytest.raises(BadSettings, match="WAGGLE_DATABASE_URL") as caught:
        build(Settings.read({"WAGGLE_DATA_DIR": str(tmp_path), "WAGGLE_DATABASE_URL": url}))

    assert "hunter2" not in str(caught.value)
    assert "\n" not in str(caught.value)


async def test_both_pools_together_have_the_number_of_connections_in_the_setting(tmp_path: Path) -> None:
    settings = Settings.read(
        POSTGRES | {"WAGGLE_DATA_DIR": str(tmp_path), "WAGGLE_DATABASE_CONNECTIONS": "7"}
    )

    database = build(settings).database()

    await database.open()
    sizes = {pool.name: pool.size for pool in database.pools()}
    await database.close()
    assert sizes == {"write": 3, "read": 4}
