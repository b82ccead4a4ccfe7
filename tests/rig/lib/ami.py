"""A small AMI client of the rig's own, and the recorder of captures."""

import asyncio
import re

from words import RigError, now, within

PROVOKED_WAIT = 20


def parse(block):
    """One AMI message to a dict; repeated keys keep the last value, which serves here."""
    fields = {}
    for line in block.decode("utf-8", "replace").split("\r\n"):
        key, colon, value = line.partition(":")
        if colon:
            fields[key.strip()] = value.strip()
    return fields


class Ami:
    """Knows every event since it logged in and can wait for the next one."""

    def __init__(self):
        self.events = []
        self.answers = {}
        self._news = asyncio.Event()
        self._count = 0

    async def connect(self, host, port, user="rig", secret="rig-secret"):
        self.reader, self.writer = await asyncio.open_connection(host, port)
        await self.reader.readline()
        self._task = asyncio.ensure_future(self._read())
        answer = await self.action("Login", Username=user, Secret=secret)
        if answer.get("Response") != "Success":
            raise RigError(f"AMI log-in of {user} refused: {answer.get('Message')}")
        return self

    async def _read(self):
        pending = b""
        while data := await self.reader.read(65536):
            pending += data
            *blocks, pending = pending.split(b"\r\n\r\n")
            for block in blocks:
                message = parse(block)
                if "Event" in message:
                    message["_at"] = now()
                    self.events.append(message)
                elif "ActionID" in message:
                    self.answers[message["ActionID"]] = message
            self._news.set()
            self._news = asyncio.Event()

    async def action(self, name, **fields):
        self._count += 1
        ident = f"rig-{self._count}"
        lines = [f"Action: {name}", f"ActionID: {ident}"] + [f"{k}: {v}" for k, v in fields.items()]
        self.writer.write("\r\n".join(lines).encode() + b"\r\n\r\n")

        async def answered():
            while ident not in self.answers:
                await self._news.wait()
            return self.answers.pop(ident)

        return await within(PROVOKED_WAIT, answered(), f"an answer to AMI action {name}")

    async def event(self, what, matches, since=0, seconds=PROVOKED_WAIT):
        """The first event from index `since` on for which `matches` holds."""

        async def found():
            index = since
            while True:
                news = self._news
                while index < len(self.events):
                    if matches(self.events[index]):
                        return self.events[index]
                    index += 1
                await news.wait()

        return await within(seconds, found(), what)

    def close(self):
        self._task.cancel()
        self.writer.close()


class Recorder:
    """One AMI connection whose every byte is kept, with the time it came."""

    def __init__(self, user):
        self.user = user
        self.bytes = bytearray()
        self.arrivals = []
        self.sent = []

    async def connect(self, host, port):
        self.reader, self.writer = await asyncio.open_connection(host, port)
        self.connected_at = now()
        loop = asyncio.get_running_loop()
        self._start = loop.time()
        self._task = asyncio.ensure_future(self._read(loop))
        self._send(loop, "Action: Login\r\nActionID: login-1\r\n"
                         f"Username: {self.user}\r\nSecret: {self.user}-secret\r\nEvents: on\r\n\r\n")

        async def logged_in():
            while b"FullyBooted" not in self.bytes:
                await asyncio.sleep(0.01)

        await within(PROVOKED_WAIT, logged_in(), "the log-in of the recorder")

    def _send(self, loop, text):
        self.sent.append({"after_bytes": len(self.bytes), "at": round(loop.time() - self._start, 3), "bytes": text})
        self.writer.write(text.encode())

    async def action(self, name, **fields):
        """Sends an action and waits for its answer, which is in the capture as well."""
        ident = f"{name.lower()}-{len(self.sent) + 1}"
        lines = [f"Action: {name}", f"ActionID: {ident}"] + [f"{key}: {value}" for key, value in fields.items()]
        seen = len(self.bytes)
        self._send(asyncio.get_running_loop(), "\r\n".join(lines) + "\r\n\r\n")

        async def answered():
            while True:
                for block in bytes(self.bytes[seen:]).split(b"\r\n\r\n")[:-1]:
                    message = parse(block)
                    if "Response" in message and message.get("ActionID") == ident:
                        return message
                await asyncio.sleep(0.01)

        return await within(PROVOKED_WAIT, answered(), f"the answer to {name}")

    async def _read(self, loop):
        while data := await self.reader.read(65536):
            self.bytes += data
            self.arrivals.append([len(self.bytes), round(loop.time() - self._start, 3)])

    async def settle(self, quiet=0.7, most=6.0):
        """Waits until nothing has come for `quiet` seconds, then for a whole message."""
        size, waited = -1, 0.0
        while waited < most and (size != len(self.bytes) or not self.bytes.endswith(b"\r\n\r\n")):
            size = len(self.bytes)
            await asyncio.sleep(quiet)
            waited += quiet

    def close(self):
        self._task.cancel()
        self.writer.close()

    def stream(self, name):
        banner = re.match(rb"[^\r]*", bytes(self.bytes)).group().decode()
        return {"file": name, "user": self.user, "connected_at": self.connected_at, "banner": banner,
                "bytes": len(self.bytes), "sent": self.sent, "arrivals": self.arrivals}
