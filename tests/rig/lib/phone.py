"""A SIP telephone in the standard library: UDP, digest (RFC 2617), REFER and Replaces (RFC 3515, 3891).

SIPp places the calls from outside; the desk telephones need what its scenarios cannot say (two dialogs on one
telephone, a transfer that names the other dialog, hands that move when another telephone has rung).
"""

import asyncio
import hashlib
import random
import re

from words import RigError, now, within

LONG = 25  # seconds any single step of a telephone may take


def token(length=10):
    return "".join(random.choice("abcdefghijkmnpqrstuvwxyz23456789") for _ in range(length))


class Message:
    """One SIP message, cut into first line, headers (in order) and body."""

    def __init__(self, data):
        head, _, self.body = data.decode("utf-8", "replace").partition("\r\n\r\n")
        self.first, *lines = head.split("\r\n")
        self.headers = [(k.strip(), v.strip()) for k, _, v in (line.partition(":") for line in lines)]
        self.is_request = not self.first.startswith("SIP/2.0")
        parts = self.first.split(" ", 2)
        self.method = parts[0] if self.is_request else self.get("CSeq").split()[1]
        self.uri = parts[1] if self.is_request else None
        self.status = None if self.is_request else int(parts[1])

    def all(self, name):
        return [v for k, v in self.headers if k.lower() == name.lower()]

    def get(self, name):
        return next(iter(self.all(name)), "")


def tag_of(header):
    found = re.search(r";tag=([^;>\s]+)", header)
    return found.group(1) if found else None


def uri_of(header):
    found = re.search(r"<([^>]+)>", header)
    return found.group(1) if found else header.split(";")[0].strip()


class Media(asyncio.DatagramProtocol):
    """Plays a tone to the far end, or sends back what it hears. What is said does not matter."""

    @classmethod
    async def open(cls, host):
        self = cls()
        loop = asyncio.get_running_loop()
        self.transport, _ = await loop.create_datagram_endpoint(lambda: self, local_addr=(host, 0))
        self.port = self.transport.get_extra_info("sockname")[1]
        self.sends_tone = False
        self._tone = None
        return self

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, address):
        if not self.sends_tone:
            self.transport.sendto(data, address)

    def error_received(self, _):
        pass  # The far end has hung up already.

    def play(self, address):
        self.sends_tone = True
        self._tone = asyncio.ensure_future(self._play(address))

    async def _play(self, address):
        sequence = 0
        source = random.getrandbits(32)
        while True:
            header = (b"\x80\x00" + (sequence & 0xFFFF).to_bytes(2, "big")
                      + (sequence * 160).to_bytes(4, "big") + source.to_bytes(4, "big"))
            self.transport.sendto(header + b"\xd5\x55" * 80, address)
            sequence += 1
            await asyncio.sleep(0.02)

    def close(self):
        if self._tone:
            self._tone.cancel()
        self.transport.close()


class Dialog:
    """One call on one telephone, from either side."""

    def __init__(self, phone, call_id, local, remote, target):
        self.phone, self.call_id = phone, call_id
        self.local, self.remote, self.target = local, remote, target
        self.sequence = random.randrange(1, 5000)
        self.invite = None
        self.media = None
        self.began_at = now()
        self.answered_at = self.ended_at = self.ended_by = self.refused_with = None
        self.answered, self.ended, self.ringing = asyncio.Event(), asyncio.Event(), asyncio.Event()
        self.transfer_status = asyncio.Queue()
        self._waiting = {}

    # What an agent does.

    async def answer(self):
        await self._open_media()
        self.answered_at = now()
        self.phone.reply(self.invite, 200, "OK", self, sdp=self._sdp("sendrecv"))
        self.answered.set()
        if self.phone.speaks:
            self._speak(self.invite.body)

    def _speak(self, sdp):
        media = re.search(r"c=IN IP4 (\S+)[\s\S]*m=audio (\d+)", sdp)
        if media:
            self.media.play((media.group(1), int(media.group(2))))

    def refuse(self, status=486, reason="Busy Here"):
        self.refused_with = status
        self.phone.reply(self.invite, status, reason, self)
        self._end("agent")

    def forward(self, uri):
        """Sends the caller elsewhere: 302 with a Contact."""
        self.refused_with = 302
        self.phone.reply(self.invite, 302, "Moved Temporarily", self, extra=[f"Contact: <{uri}>"])
        self._end("agent")

    async def hang_up(self):
        self._end("agent")
        await self.request("BYE")

    async def give_up(self):
        """Stops a call of ours that nobody has answered."""
        self._end("agent")
        self.phone.send("CANCEL", self.target, self.local, self.remote_bare, self.call_id, self.sequence,
                        branch=self.branch)
        await within(LONG, self._result("INVITE"), "the end of a cancelled call")

    async def hold(self):
        await self._reinvite("sendonly")

    async def resume(self):
        await self._reinvite("sendrecv")

    async def press(self, keys):
        """Presses keys during the call (SIP INFO, application/dtmf-relay)."""
        for key in keys:
            answer = await self.request("INFO", sdp=f"Signal={key}\r\nDuration=100\r\n",
                                        kind="application/dtmf-relay")
            if answer.status != 200:
                raise RigError(f"key {key} of {self.phone.name} was answered with {answer.status}")
            await asyncio.sleep(0.15)

    async def transfer(self, uri, until=200):
        """REFER, then the NOTIFYs until the status `until` or a refusal; returns the last status."""
        answer = await self.request("REFER", extra=[f"Refer-To: <{uri}>", f"Referred-By: <{uri_of(self.local)}>"])
        if answer.status != 202:
            raise RigError(f"REFER was answered with {answer.status}")
        status = 0
        while status < until:
            status = await within(LONG, self.transfer_status.get(), f"NOTIFY of the transfer to {uri}")
        return status

    async def transfer_to_dialog(self, other):
        """Attended: our far end takes the place we have in `other`."""
        call_id = other.call_id.replace("@", "%40")
        replaces = f"{call_id}%3Bto-tag%3D{tag_of(other.remote)}%3Bfrom-tag%3D{tag_of(other.local)}"
        return await self.transfer(f"{uri_of(other.remote)}?Replaces={replaces}")

    # The protocol.

    async def _open_media(self):
        if not self.media:
            self.media = await Media.open(self.phone.host)

    def _sdp(self, direction):
        host = self.phone.host
        return (f"v=0\r\no=phone 1 {self.sequence} IN IP4 {host}\r\ns=-\r\nc=IN IP4 {host}\r\nt=0 0\r\n"
                f"m=audio {self.media.port} RTP/AVP 0\r\na=rtpmap:0 PCMU/8000\r\na={direction}\r\n")

    @property
    def remote_bare(self):
        return re.sub(r";tag=[^;]+", "", self.remote)

    async def request(self, method, extra=(), sdp=None, kind="application/sdp"):
        self.sequence += 1
        answer = None
        for authorization in (None, "needed"):
            headers = list(extra)
            if authorization:
                self.sequence += 1
                headers.append(self.phone.authorization(answer, method, self.target))
            self.phone.send(method, self.target, self.local, self.remote, self.call_id, self.sequence,
                            headers, sdp, kind=kind)
            answer = await within(LONG, self._result(method), f"an answer to {method} of {self.phone.name}")
            if answer.status not in (401, 407):
                break
        return answer

    async def _reinvite(self, direction):
        answer = await self.request("INVITE", sdp=self._sdp(direction))
        self.phone.send("ACK", self.target, self.local, self.remote, self.call_id, self.sequence)
        if answer.status != 200:
            raise RigError(f"re-INVITE ({direction}) was answered with {answer.status}")

    def _result(self, method):
        future = asyncio.get_running_loop().create_future()
        self._waiting[(method, self.sequence)] = future
        return future

    def response(self, message):
        number, method = message.get("CSeq").split()
        if message.status < 200:
            if message.status >= 180:
                self.ringing.set()
            return
        future = self._waiting.pop((method, int(number)), None)
        if future and not future.done():
            future.set_result(message)

    def _end(self, by):
        if not self.ended.is_set():
            self.ended_at, self.ended_by = now(), by
            self.ended.set()
        if self.media:
            self.media.close()

    def in_dialog(self, message):
        if message.method == "ACK":
            return
        if message.method == "INVITE":  # Asterisk changes the media; we agree.
            self.phone.reply(message, 200, "OK", self, sdp=self._sdp("sendrecv"))
            return
        self.phone.reply(message, 200, "OK", self)
        if message.method == "BYE":
            self._end("far")
        elif message.method == "CANCEL":
            self.phone.reply(self.invite, 487, "Request Terminated", self)
            self._end("far")
        elif message.method == "NOTIFY" and message.get("Event").startswith("refer"):
            status = re.match(r"SIP/2.0 (\d+)", message.body)
            self.transfer_status.put_nowait(int(status.group(1)) if status else 0)


class Phone(asyncio.DatagramProtocol):
    """A desk telephone (registered) or the far end of the outside line (not registered)."""

    speaks = False  # Sends a tone when it has answered; else it sends back what it hears.

    def __init__(self, name, server, password=None):
        self.name, self.server, self.password = name, server, password
        self.dialogs = {}
        self.calls = []
        self._incoming = asyncio.Queue()
        self._replies = {}
        self._nonces = 0
        self._register = None

    async def open(self, host="127.0.0.1", port=0):
        self.host = host
        loop = asyncio.get_running_loop()
        await loop.create_datagram_endpoint(lambda: self, local_addr=(host, port))
        return self

    def connection_made(self, transport):
        self.transport = transport
        self.port = transport.get_extra_info("sockname")[1]

    def error_received(self, _):
        pass

    @property
    def aor(self):
        return f"sip:{self.name}@{self.server[0]}:{self.server[1]}"

    @property
    def contact(self):
        return f"sip:{self.name}@{self.host}:{self.port}"

    async def register(self, seconds=3600):
        if not self._register:
            self._register = Dialog(self, token(16), f"<{self.aor}>;tag={token()}", f"<{self.aor}>",
                                    f"sip:{self.server[0]}:{self.server[1]}")
            self.dialogs[self._register.call_id] = self._register
        answer = await self._register.request("REGISTER", extra=[f"Expires: {seconds}"])
        if answer.status != 200:
            raise RigError(f"telephone {self.name} could not register: {answer.first}")

    async def rings(self, seconds=LONG):
        """The next call that rings here."""
        return await within(seconds, self._incoming.get(), f"ringing at {self.name}")

    async def dial(self, number, tone=True):
        """Dials; returns at once. Await `answered`, `ringing` or `ended` of the dialog."""
        uri = f"sip:{number.replace('#', '%23')}@{self.server[0]}:{self.server[1]}"
        dialog = Dialog(self, token(16), f"<{self.aor}>;tag={token()}", f"<{uri}>", uri)
        self.dialogs[dialog.call_id] = dialog
        await dialog._open_media()
        dialog.task = asyncio.ensure_future(self._invite(dialog, uri, tone))
        return dialog

    async def _invite(self, dialog, uri, tone):
        headers, answer = [], None
        while True:
            dialog.sequence += 1
            dialog.branch = "z9hG4bK" + token()
            self.send("INVITE", uri, dialog.local, dialog.remote, dialog.call_id, dialog.sequence, headers,
                      dialog._sdp("sendrecv"), branch=dialog.branch)
            answer = await dialog._result("INVITE")
            to = answer.get("To")
            if answer.status >= 300:
                self.send("ACK", uri, dialog.local, to, dialog.call_id, dialog.sequence, branch=dialog.branch)
            if answer.status not in (401, 407) or headers:
                break
            headers = [self.authorization(answer, "INVITE", uri)]
        if answer.status == 200:
            dialog.remote, dialog.target = to, uri_of(answer.get("Contact"))
            self.send("ACK", dialog.target, dialog.local, to, dialog.call_id, dialog.sequence)
            dialog.answered_at = now()
            dialog.answered.set()
            if tone:
                dialog._speak(answer.body)
        else:
            dialog.refused_with = answer.status
            dialog._end("far")

    def authorization(self, challenge, method, uri):
        given = challenge.get("WWW-Authenticate") or challenge.get("Proxy-Authenticate")
        field = lambda name: (re.search(rf'{name}="?([^",]+)', given) or [None, ""])[1]
        md5 = lambda text: hashlib.md5(text.encode()).hexdigest()
        realm, nonce = field("realm"), field("nonce")
        self._nonces += 1
        count, own = f"{self._nonces:08x}", token(8)
        secret = md5(f"{self.name}:{realm}:{self.password}")
        response = md5(f"{secret}:{nonce}:{count}:{own}:auth:{md5(f'{method}:{uri}')}")
        kind = "Authorization" if challenge.status == 401 else "Proxy-Authorization"
        return (f'{kind}: Digest username="{self.name}", realm="{realm}", nonce="{nonce}", uri="{uri}", '
                f'response="{response}", algorithm=MD5, qop=auth, nc={count}, cnonce="{own}"'
                + (f', opaque="{field("opaque")}"' if field("opaque") else ""))

    def send(self, method, uri, local, remote, call_id, sequence, extra=(), sdp=None, branch=None,
             kind="application/sdp"):
        lines = [f"{method} {uri} SIP/2.0",
                 f"Via: SIP/2.0/UDP {self.host}:{self.port};rport;branch={branch or 'z9hG4bK' + token()}",
                 f"From: {local}", f"To: {remote}", f"Call-ID: {call_id}", f"CSeq: {sequence} {method}",
                 f"Contact: <{self.contact}>", "Max-Forwards: 70", *extra]
        self._write(lines, sdp, self.server, kind)

    def reply(self, request, status, reason, dialog=None, sdp=None, extra=()):
        to = request.get("To")
        if dialog and not tag_of(to):
            to = dialog.local
        lines = [f"SIP/2.0 {status} {reason}", *(f"Via: {via}" for via in request.all("Via")),
                 f"From: {request.get('From')}", f"To: {to}", f"Call-ID: {request.get('Call-ID')}",
                 f"CSeq: {request.get('CSeq')}", *extra]
        if not any(line.startswith("Contact") for line in extra):
            lines.append(f"Contact: <{self.contact}>")
        self._replies[self._key(request)] = self._write(lines, sdp, self.server)

    def _write(self, lines, body, address, kind="application/sdp"):
        body = (body or "").encode()
        head = lines + ([f"Content-Type: {kind}"] if body else []) + [f"Content-Length: {len(body)}"]
        data = "\r\n".join(head).encode() + b"\r\n\r\n" + body
        self.transport.sendto(data, address)
        return data

    @staticmethod
    def _key(request):
        return request.get("Call-ID"), request.get("CSeq"), tag_of(request.get("From"))

    def datagram_received(self, data, address):
        message = Message(data)
        dialog = self.dialogs.get(message.get("Call-ID"))
        if not message.is_request:
            if dialog:
                dialog.response(message)
            return
        if message.method != "ACK" and self._key(message) in self._replies:
            self.transport.sendto(self._replies[self._key(message)], self.server)  # It asks again.
        elif dialog:
            dialog.in_dialog(message)
        elif message.method == "INVITE":
            self._ring(message)
        elif message.method in ("OPTIONS", "NOTIFY"):
            self.reply(message, 200, "OK")
        elif message.method != "ACK":
            self.reply(message, 481, "Call Does Not Exist")

    def _ring(self, message):
        dialog = Dialog(self, message.get("Call-ID"), f"{message.get('To')};tag={token()}",
                        message.get("From"), uri_of(message.get("Contact")))
        dialog.invite = message
        self.dialogs[dialog.call_id] = dialog
        self.calls.append(dialog)
        self.reply(message, 180, "Ringing", dialog)
        self._incoming.put_nowait(dialog)

    def close(self):
        for dialog in self.dialogs.values():
            if dialog.media:
                dialog.media.close()
        self.transport.close()
