"""Callers on the outside line. Each is one SIPp with `sipp/caller.xml`."""

import asyncio
import re
import socket
from datetime import datetime, timezone

from guard import die_with_parent
from house import LINE_HOST, RIG
from phone import token
from ports import free_port
from words import RigError, within

MOST = 120  # seconds a call may last in all


class Caller:
    def __init__(self, stage, number, name, dialled, from_header=None, extra=()):
        self.stage, self.number, self.name, self.dialled = stage, number, name, dialled
        quoted = '"' + name.replace("\\", "\\\\").replace('"', '\\"') + '" ' if name else ""
        self.from_header = from_header or f"{quoted}<sip:{number}@provider.example>"
        self.extra = extra
        self.call_id = "line" + token(14)
        self.log = stage.folder / f"log/{self.call_id}.messages"

    async def ring(self):
        """Starts SIPp; returns at once. `ended` says when and how it went."""
        env, folder = self.stage.environment, self.stage.folder
        self.port = free_port(LINE_HOST)
        media = free_port(LINE_HOST, beside=2)  # SIPp takes the one for pictures as well.
        text = (RIG / "sipp/caller.xml").read_text()
        fields = {"dialled": self.dialled, "from": self.from_header, "tone": str(folder / "tone.ulaw"),
                  "extra": "".join(f"{line}\r\n" for line in self.extra)}
        for key, value in fields.items():
            text = text.replace(f"[field_{key}]", value)
        scenario = folder / f"log/{self.call_id}.xml"
        scenario.write_text(text, "utf-8")
        self._process = await asyncio.create_subprocess_exec(
            "sipp", "-sf", str(scenario), "-m", "1", "-l", "1", "-i", LINE_HOST, "-p", str(self.port),
            "-mi", LINE_HOST, "-mp", str(media), "-cid_str", self.call_id, "-nostdin", "-timeout", f"{MOST}s", "-timeout_error",
            "-trace_msg", "-message_file", str(self.log), "-trace_err",
            "-error_file", str(folder / f"log/{self.call_id}.errors"),
            f"{env['SIP_HOST']}:{env['SIP_PORT']}", cwd=folder / "log",
            env={"PATH": "/usr/bin:/bin:/usr/local/bin", "TZ": "UTC", "TERM": "dumb"},
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL, stderr=asyncio.subprocess.DEVNULL,
            preexec_fn=die_with_parent)
        return self

    def let_go(self):
        """The caller hangs up, or gives up when nobody has answered yet."""
        text = (f"INFO sip:line@{LINE_HOST}:{self.port} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP {LINE_HOST}:9;branch=z9hG4bK{token()}\r\n"
                f"From: <sip:hand@{LINE_HOST}>;tag=h\r\nTo: <sip:line@{LINE_HOST}>\r\n"
                f"Call-ID: {self.call_id}\r\nCSeq: 9 INFO\r\nContent-Length: 0\r\n\r\n")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as hand:
            hand.bind((LINE_HOST, 0))
            hand.sendto(text.encode(), (LINE_HOST, self.port))

    async def ended(self, seconds=40):
        code = await within(seconds, self._process.wait(), f"the end of the call of {self.from_header}")
        if code != 0:
            raise RigError(f"sipp of {self.from_header} ended with {code}: see {self.log} and its .errors")
        self._read_log()

    async def while_up(self, awaitable):
        """Awaits, unless SIPp fails before."""
        wanted, gone = asyncio.ensure_future(awaitable), asyncio.ensure_future(self._process.wait())
        await asyncio.wait({wanted, gone}, return_when=asyncio.FIRST_COMPLETED)
        if gone.done() and gone.result() != 0:
            wanted.cancel()
            await self.ended()
        gone.cancel()
        return await wanted

    def _read_log(self):
        """Times and the end of the call, from SIPp's own log of messages."""
        self.started_at = self.ended_at = self.ended_by = self.connected_at = None
        self.refused_with = None
        stamp, direction = None, None
        for line in self.log.read_text("utf-8", "replace").splitlines():
            found = re.match(r"-+ (\d{4}-\d\d-\d\d)[ T\t](\d\d:\d\d:\d\d\.\d+)", line)
            if found:
                stamp = datetime.strptime(" ".join(found.groups())[:26], "%Y-%m-%d %H:%M:%S.%f")
                stamp = stamp.replace(tzinfo=timezone.utc)
            elif line.startswith("UDP message"):
                direction = "sent" if "sent" in line else "received"
            elif line.startswith("INVITE ") and direction == "sent":
                self.started_at = self.started_at or stamp
            elif line.startswith(("CANCEL ", "BYE ")):
                self.ended_at, self.ended_by = stamp, "caller" if direction == "sent" else "pbx"
            elif (answer := re.match(r"SIP/2\.0 (\d+)", line)) and direction == "received":
                status = int(answer.group(1))
                if status == 200 and not self.connected_at:
                    self.connected_at = stamp
                if status >= 300 and not self.ended_at:
                    self.ended_at, self.ended_by, self.refused_with = stamp, "pbx", status

    def stop(self):
        if self._process.returncode is None:
            self._process.kill()
