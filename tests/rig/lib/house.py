"""Starts and stops one Asterisk with the house of `tests/rig/house/` in a folder of its own."""

import asyncio
import math
import os
import random
import shutil
import signal
import struct
import subprocess
import time
import wave
from pathlib import Path

import guard
from ami import Ami
from ports import free_port, free_tcp_port, media_range
from words import RigError

RIG = Path(__file__).resolve().parent.parent
PHONE_HOST, LINE_HOST = "127.0.0.1", "127.0.0.2"
RTP_PORTS = 1000  # two for each leg; a burst of 200 calls needs some 800


def cache():
    """Where `install.sh` put the Asterisks."""
    return Path(os.environ.get("RINGDESK_RIG_DIR") or RIG.parent.parent / ".rig")


def asterisk_command(version):
    """The command line that runs Asterisk `version`, its modules and its data folder.

    A root folder made by mmdebstrap is not entered: the folder's own dynamic loader is told where its libraries are.
    So neither chroot nor root is needed and every rig writes where it likes.
    """
    root = cache() / f"asterisk-{version}"
    if (root / "usr/sbin/asterisk").exists():
        modules = next((m for m in (*root.glob("usr/lib/*/asterisk/modules"), root / "usr/lib/asterisk/modules")
                        if m.is_dir()), None)
        loader = next(iter(sorted(root.glob("usr/lib/*-linux-gnu*/ld-linux*.so.*"))), None)
        if not modules or not loader:
            raise RigError(f"{root} is not whole: remove it and run tests/rig/install.sh again")
        libraries = f"{loader.parent}:{root}/usr/lib"
        command = [str(loader), "--library-path", libraries, str(root / "usr/sbin/asterisk")]
        return command, modules, root / "usr/share/asterisk"
    own = shutil.which("asterisk") or shutil.which("/usr/sbin/asterisk")
    if own:
        text = subprocess.run([own, "-V"], capture_output=True, text=True, check=False).stdout
        modules = next((Path(p) for p in ("/usr/lib/x86_64-linux-gnu/asterisk/modules", "/usr/lib/asterisk/modules",
                                          "/usr/lib/aarch64-linux-gnu/asterisk/modules") if Path(p).is_dir()), None)
        if modules and (text.startswith(f"Asterisk {version}.") or os.environ.get("RINGDESK_RIG_ANY_VERSION")):
            return [own], modules, Path("/usr/share/asterisk")
    raise RigError(f"no Asterisk {version} in {cache()}: run tests/rig/install.sh")


def has(version):
    """Raises with the way out when something is missing to start `version` and to call it."""
    missing = [tool for tool in ("sipp", "openssl") if not shutil.which(tool)]
    if missing:
        raise RigError(f"no {' and no '.join(missing)} on this machine: run tests/rig/install.sh")
    asterisk_command(version)


def write_tone(path, seconds=2):
    """A quiet 440 Hz: the music on hold, for there is no package of it."""
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(b"".join(struct.pack("<h", int(3000 * math.sin(2 * math.pi * 440 * n / 8000)))
                                 for n in range(8000 * seconds)))


def render(folder, version, dialplan, channelvars, systemname):
    command, modules, data = asterisk_command(version)
    for part in ("etc", "lib", "spool/voicemail", "spool/monitor", "run", "log", "moh", "lib/sounds"):
        (folder / part).mkdir(parents=True, exist_ok=True)
    # The maintainer scripts did not run, so no voice is chosen; astdatadir is ours and borrows what it needs.
    own_data = folder / "data"
    own_data.mkdir(exist_ok=True)
    (own_data / "sounds").mkdir(exist_ok=True)
    voices = sorted(p for p in (data / "sounds").glob("en*") if p.is_dir())
    if not voices:
        raise RigError(f"no English voice in {data}/sounds")
    _link(voices[-1], own_data / "sounds/en")
    for part in ("documentation", "static-http", "firmware", "rest-api"):
        if (data / part).exists():
            _link(data / part, own_data / part)
    write_tone(folder / "moh/tone.wav")
    (folder / "tone.ulaw").write_bytes(b"\xd5\x55\x55\xd5" * 2000)
    rtp_from, rtp_to = media_range(RTP_PORTS)
    values = {
        "DIR": str(folder), "MODULES": str(modules), "DATA": str(own_data),
        "SYSTEMNAME": systemname,
        "ENTITYID": "02:" + ":".join(f"{random.randrange(256):02x}" for _ in range(5)),
        "SIP_PORT": str(free_port(PHONE_HOST)), "TRUNK_HOST": LINE_HOST, "TRUNK_PORT": str(free_port(LINE_HOST)),
        "AMI_PORT": str(free_tcp_port(PHONE_HOST)), "AMI_TLS_PORT": str(free_tcp_port(PHONE_HOST)),
        "RTP_FROM": str(rtp_from), "RTP_TO": str(rtp_to),
        "PHONE_CONTEXT": "internal" if dialplan == "plain" else "from-internal",
        "TRUNK_CONTEXT": "from-trunk" if dialplan == "plain" else "from-pstn",
        "CHANNELVARS": f"channelvars = {channelvars}" if channelvars else "",
    }
    for template in sorted((RIG / "house").glob("*.conf")):
        name = template.name
        if name.startswith("extensions"):
            if name != ("extensions.conf" if dialplan == "plain" else f"extensions-{dialplan}.conf"):
                continue
            name = "extensions.conf"
        text = template.read_text("utf-8")
        for key, value in values.items():
            text = text.replace(f"@{key}@", value)
        if name == "asterisk.conf" and not systemname:
            text = "\n".join(line for line in text.split("\n") if not line.startswith("systemname"))
        (folder / "etc" / name).write_text(text, "utf-8")
    return command, values


def _link(target, link):
    if link.is_symlink() or link.exists():
        link.unlink()
    link.symlink_to(target)


def make_certificate(folder):
    subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=localhost",
                    "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1",
                    "-keyout", folder / "ami.key", "-out", folder / "ami.crt"],
                   check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    (folder / "ami.pem").write_bytes((folder / "ami.key").read_bytes() + (folder / "ami.crt").read_bytes())


def start(folder, version="22", dialplan="plain", channelvars="", systemname="", watched=0, tries=3):
    """Starts a guard with its Asterisk, which ends when the process `watched` ends; returns the rig's environment."""
    folder = Path(folder).resolve()
    folder.mkdir(parents=True, exist_ok=True)
    if is_running(folder):
        raise RigError(f"a rig runs in {folder} already")
    if len(str(folder)) > 85:
        raise RigError(f"{folder} is too long a path for Asterisk's socket: use one below 85 characters")
    make_certificate(folder)
    for attempt in range(tries):
        command, values = render(folder, version, dialplan, channelvars, systemname)
        environment = {
            "AMI_HOST": PHONE_HOST, "AMI_PORT": values["AMI_PORT"], "AMI_TLS_PORT": values["AMI_TLS_PORT"],
            "AMI_USER": "ringdesk", "AMI_SECRET": "ringdesk-secret", "AMI_CERTIFICATE": str(folder / "ami.crt"),
            "SIP_HOST": PHONE_HOST, "SIP_PORT": values["SIP_PORT"], "LINE_HOST": LINE_HOST,
            "LINE_PORT": values["TRUNK_PORT"], "RTP_FROM": values["RTP_FROM"], "RTP_TO": values["RTP_TO"],
            "VERSION": version, "DIALPLAN": dialplan, "SYSTEMNAME": systemname,
        }
        pid = guard.launch(folder, [*command, "-C", str(folder / "etc/asterisk.conf"), "-f", "-q"], watched)
        environment["GUARD"] = str(pid)
        try:
            environment["BANNER"] = asyncio.run(_booted(pid, environment))
        except RigError:
            # The likely reason: another process took one of the ports. Asterisk then runs on without AMI.
            _end(pid)
            if attempt + 1 == tries:
                raise RigError(f"Asterisk {version} does not start: see {folder}/log/messages and stdout") from None
            continue
        text = "".join(f"{key}={value}\n" for key, value in environment.items())
        (folder / "rig.env").write_text(text)
        return environment
    raise AssertionError("unreachable")


async def _booted(pid, environment):
    """Waits for FullyBooted on the control account: then AMI, SIP and the dialplan are there."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        _reap(pid)
        if not guard.alive(pid):
            raise RigError("Asterisk ended")
        try:
            ami = await Ami().connect(environment["AMI_HOST"], int(environment["AMI_PORT"]))
        except OSError:
            await asyncio.sleep(0.05)
            continue
        try:
            await ami.event("FullyBooted", lambda e: e["Event"] == "FullyBooted", seconds=40)
            answer = await ami.action("CoreSettings")
            return answer.get("AsteriskVersion", "?")
        finally:
            ami.close()
    raise RigError("Asterisk did not boot within 30 s")


def environment_of(folder):
    path = Path(folder).resolve() / "rig.env"
    if not path.exists():
        raise RigError(f"no rig in {folder}: run `rig start {folder}` first")
    return dict(line.split("=", 1) for line in path.read_text().splitlines())


def _asterisk(folder):
    """The pid of the folder's Asterisk, None when it does not run."""
    try:
        pid = int((folder / "asterisk.pid").read_text())
        ours = str(folder / "etc/asterisk.conf").encode() in Path(f"/proc/{pid}/cmdline").read_bytes()
    except (OSError, ValueError):
        return None
    return pid if ours and guard.alive(pid) else None


def is_running(folder):
    return _asterisk(Path(folder).resolve()) is not None


def _reap(pid):
    try:
        os.waitpid(pid, os.WNOHANG)
    except ChildProcessError:
        pass  # Not our child: another `rig` started it.


def _end(pid):
    guard.end(pid, signal.SIGTERM, lambda: _reap(pid))


def restart(folder, hard=False):
    """Ends Asterisk (`hard`: kill -9) and starts it again on the same ports."""
    folder = Path(folder).resolve()
    environment, before = environment_of(folder), _asterisk(folder)
    if not before:
        raise RigError(f"Asterisk in {folder} does not run any more")
    os.kill(int(environment["GUARD"]), guard.HARD if hard else guard.SOFT)
    deadline = time.monotonic() + 15
    while _asterisk(folder) in (before, None):
        if time.monotonic() > deadline:
            raise RigError(f"Asterisk in {folder} did not start again")
        time.sleep(0.02)
    asyncio.run(_booted(int(environment["GUARD"]), environment))


def stop(folder):
    """Ends Asterisk and its guard. Nothing to do is fine."""
    folder = Path(folder).resolve()
    if is_running(folder):
        _end(int(environment_of(folder)["GUARD"]))
    (folder / "rig.env").unlink(missing_ok=True)
    (folder / "asterisk.pid").unlink(missing_ok=True)
