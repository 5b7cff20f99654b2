"""Runs the reverse proxies of deploy/proxies, each with its example, on loopback."""

import os
import re
import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from tests.blackbox.client import eventually
from tests.blackbox.process import ROOT, free_port

EXAMPLES = ROOT / "deploy" / "proxies"
HOST = "waggle.example.org"
STREAM = "/api/v1/stream"
TIMEOUT = 60.0  # only ends what hangs: a busy disk alone can delay every commit by seconds
FILE_MB = 6
CERTIFICATES = "/etc/ssl/waggle"


@dataclass
class RunningProxy:
    """A proxy that serves HTTPS for HOST."""

    name: str
    port: int
    plain_port: int
    folder: Path
    trust: ssl.SSLContext

    def client(self, address: str, token: str = "") -> httpx.Client:
        """A client that connects from this loopback address."""
        headers = {"Host": HOST} | ({"Authorization": f"Bearer {token}"} if token else {})
        transport = _Named(verify=self.trust, local_address=address)
        return httpx.Client(
            base_url=f"https://127.0.0.1:{self.port}", headers=headers, transport=transport, timeout=TIMEOUT
        )


class _Named(httpx.HTTPTransport):
    """Connects to 127.0.0.1 with the name HOST, in TLS as well."""

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        request.extensions = {**request.extensions, "sni_hostname": HOST}
        return super().handle_request(request)


def _certificate(folder: Path) -> ssl.SSLContext:
    """Writes a certificate for HOST in the forms that the examples name. Returns a context that trusts it."""
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
class ProxyExample:
    """The values that replace those of an example."""

    folder: Path
    waggle: int
    plain: int
    tls: int

    def write(self, example: str, *changes: tuple[str, str]) -> Path:
        """Write the example with these replacements, each of which must match."""
        text = (EXAMPLES / example).read_text()
        for before, after in ((CERTIFICATES, str(self.folder)), *changes):
            changed = re.sub(before, after, text, flags=re.MULTILINE)
            assert changed != text or before == CERTIFICATES, f"{example} has no {before}"
            text = changed
        path = self.folder / example
        path.write_text(text)
        return path


def _nginx(at: ProxyExample) -> list[str | Path]:
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
        ("^user www-data;", "user root;" if os.getuid() == 0 else ""),  # the folder belongs to this user
        ("^http {", "http {" + temporary),
    )
    return ["nginx", "-p", at.folder, "-e", at.folder / "start.log", "-c", config, "-g", "daemon off;"]


def _haproxy(at: ProxyExample) -> list[str | Path]:
    config = at.write(
        "haproxy.cfg",
        ("127.0.0.1:8000", f"127.0.0.1:{at.waggle}"),
        (r"bind :80$", f"bind 127.0.0.1:{at.plain}"),
        (r"bind :443 ", f"bind 127.0.0.1:{at.tls} "),
    )
    return ["haproxy", "-db", "-f", config]


def _caddy(at: ProxyExample) -> list[str | Path]:
    config = at.write(
        "Caddyfile",
        ("127.0.0.1:8000", f"127.0.0.1:{at.waggle}"),
        ("http_port 80$", f"http_port {at.plain}\n\tdefault_bind 127.0.0.1"),
        ("https_port 443$", f"https_port {at.tls}"),
        ("localhost:2019", f"127.0.0.1:{free_port()}"),
        ("/var/log/caddy", str(at.folder)),
    )
    return ["caddy", "run", "--config", config, "--adapter", "caddyfile"]


def _traefik(at: ProxyExample) -> list[str | Path]:
    at.write("traefik-dynamic.yml", ("127.0.0.1:8000", f"127.0.0.1:{at.waggle}"))
    config = at.write(
        "traefik.yml",
        ('":80"', f'"127.0.0.1:{at.plain}"'),
        ('":443"', f'"127.0.0.1:{at.tls}"'),
        ("/etc/traefik/traefik-dynamic.yml", f"{at.folder}/traefik-dynamic.yml"),
        ("/var/log/traefik", str(at.folder)),
    )
    return ["traefik", f"--configFile={config}"]


PROXIES: dict[str, Callable[[ProxyExample], list[str | Path]]] = {
    "nginx": _nginx,
    "haproxy": _haproxy,
    "caddy": _caddy,
    "traefik": _traefik,
}


@contextmanager
def running_proxy(name: str, waggle_port: int, folder: Path, *, status: int = 200) -> Iterator[RunningProxy]:
    """Runs the proxy. Yields it once it answers with this status. Its output is in `*.log` of the folder."""
    program = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if program is None:
        pytest.skip(f"deploy/proxies is not tested with {name}: it is not installed")
    trust = _certificate(folder)
    at = ProxyExample(folder, waggle_port, free_port(), free_port())
    command = [program, *PROXIES[name](at)[1:]]
    environment = {"PATH": os.environ.get("PATH", ""), "HOME": str(folder), "XDG_DATA_HOME": str(folder)}
    with (folder / "output.log").open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output, env=environment, cwd=folder)
        try:
            proxy = RunningProxy(name, at.tls, at.plain, folder, trust)
            eventually(lambda: _serves(proxy, process, status), TIMEOUT)
            yield proxy
        finally:
            process.terminate()
            try:
                process.wait(TIMEOUT)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _serves(proxy: RunningProxy, process: "subprocess.Popen[bytes]", status: int) -> None:
    if process.poll() is not None:
        pytest.fail(f"{proxy.name} ended:\n{(proxy.folder / 'output.log').read_text()[-3000:]}")
    with proxy.client("127.0.0.1") as http:
        try:
            answer = http.get("/readyz")
        except httpx.TransportError as error:
            raise AssertionError(str(error)) from error
    assert answer.status_code == status, answer.text
