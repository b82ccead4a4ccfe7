"""What a scenario plays on: the telephones, the callers, and the truth that they leave."""

import array
import asyncio
import fcntl
import json
import math
import sys
import wave
from pathlib import Path

import house
from ami import Ami
from line import Caller
from phone import Phone
from words import RigError, now, stamp, within

MAIN_NUMBER = "+493023125"
GROUPS = {
    "600": ("queue", "support"), "601": ("queue", "support"), "602": ("queue", "helpdesk"),
    "603": ("queue", "hotline"), "604": ("queue", "helpdesk-short"), "605": ("queue", "night"),
    "606": ("queue", "counter"), "607": ("queue", "counter"), "608": ("queue", "support"),
    "610": ("ringgroup", "sales"), "611": ("ringgroup", "field"), "612": ("ringgroup", "field-short"),
    "613": ("ringgroup", "porter"), "614": ("ringgroup", "hunt"),
}


class Stage:
    def __init__(self, folder, options):
        self.folder = Path(folder).resolve()
        self.environment = house.environment_of(folder)
        self.options = options
        self.phones, self.spare, self.callers, self.calls = {}, [], [], []
        self.outside = None
        self.recorder = None  # The listener of a capture.

    async def open(self):
        if not house.is_running(self.folder):
            raise RigError(f"Asterisk in {self.folder} does not run any more")
        self._lock = open(self.folder / "call.lock", "w")
        fcntl.flock(self._lock, fcntl.LOCK_EX)  # The telephones exist once: calls of two commands queue here.
        env = self.environment
        self.ami = await Ami().connect(env["AMI_HOST"], int(env["AMI_PORT"]))
        await self.silence()
        for name in ("201", "202", "203", "204"):
            self.phones[name] = await self.telephone(name)
        self.outside = await Phone("outside", self._server()).open(env["LINE_HOST"], int(env["LINE_PORT"]))
        return self

    def _server(self):
        return self.environment["SIP_HOST"], int(self.environment["SIP_PORT"])

    async def telephone(self, name):
        """One more telephone registered for `name`."""
        phone = await Phone(name, self._server(), f"house-{name}").open()
        phone.speaks = getattr(self.options, "voices", False)
        await phone.register()
        self.spare.append(phone)
        return phone

    async def silence(self):
        """Ends whatever a scenario that went wrong, here or before, left up: its phones would count as busy."""
        seen = len(self.ami.events)
        await self.ami.action("Hangup", Channel="/^(PJSIP|Local)/", Cause="16")
        while True:
            await self.ami.action("CoreShowChannels")
            done = await self.ami.event("the list of channels", lambda e: e["Event"] == "CoreShowChannelsComplete", seen)
            if done["ListItems"] == "0":
                return
            seen = self.ami.events.index(done) + 1
            await asyncio.sleep(0.1)

    async def close(self):
        for caller in self.callers:
            caller.stop()
        for phone in self.spare:
            try:
                await phone.register(0)
            except RigError:
                pass  # Asterisk is gone: nothing to take back.
            phone.close()
        if self.outside:
            self.outside.close()
        if hasattr(self, "ami"):
            self.ami.close()
        if hasattr(self, "_lock"):
            self._lock.close()

    async def step(self, name):
        """With `--steps`: says how far it is and waits until it may go on."""
        if not self.options.steps:
            return
        print(json.dumps({"step": name}), flush=True)
        if not await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline):
            raise RigError(f"nobody let the calls go on after the step `{name}`")

    # Calls.

    async def call_in(self, dialled, number=None, name=None, from_header=None, extra=(), **truth):
        """A caller outside dials `dialled` (the last three digits)."""
        seen = len(self.ami.events)
        caller = await Caller(self, number, name, MAIN_NUMBER + dialled, from_header, extra).ring()
        self.callers.append(caller)
        call = self._begin("inbound", number, name, MAIN_NUMBER + dialled, dialled, **truth)
        call.caller = caller
        await caller.while_up(self._born(call, seen, "PJSIP/trunk-"))
        return call

    async def call_from(self, phone, dialled, direction, **truth):
        """An agent dials."""
        seen = len(self.ami.events)
        dialog = await phone.dial(dialled)
        call = self._begin(direction, phone.name, None, dialled, dialled, **truth)
        call.truth["from_agent"] = phone.name
        call.dialog = dialog
        await self._born(call, seen, f"PJSIP/{phone.name}-")
        return call

    async def originate(self, extension, number):
        """A program has `extension` called and then `number` outside."""
        seen = len(self.ami.events)
        context = "internal" if self.environment["DIALPLAN"] == "plain" else "from-internal"
        call = self._begin("outbound", extension, None, number, number, dialled_e164=number, from_agent=extension,
                           click_to_call=True)
        await self.ami.action("Originate", Channel=f"PJSIP/{extension}", Context=context, Exten=number, Priority="1",
                              CallerID=f"<{number}>", Async="true", Timeout="20000")
        await self._born(call, seen, f"PJSIP/{extension}-")
        return call

    async def record(self, call):
        """With `--record` the listener has the caller's channel recorded."""
        if not getattr(self.options, "record", False):
            return
        answer = await self.recorder.action("MixMonitor", Channel=call.channel,
                                            File=f"ringdesk/{call.uniqueid}.wav", Options="bi(RINGDESK_RECORDING)")
        if answer.get("Response") != "Success":
            raise RigError(f"the recording was refused: {answer.get('Message')}")
        file = self.folder / "spool/monitor/ringdesk" / f"{call.uniqueid}.wav"
        call.truth["recording"] = {"started_by": "AMI", "id": answer["MixMonitorID"], "file": str(file), "paused": []}

    async def pause_recording(self, call, paused):
        """With `--record` the listener has what is said now left out, or not any more."""
        if not getattr(self.options, "record", False):
            return
        await self.recorder.action("MixMonitorMute", Channel=call.channel, Direction="both", State=str(int(paused)))
        call.truth["recording"]["paused"].append({"paused": paused, "at": stamp(now())})

    async def channel_of(self, prefix, seen):
        """The next channel of `prefix` that starts a call."""
        return await self.ami.event(
            f"a new channel {prefix}",
            lambda e: e["Event"] == "Newchannel" and e["Channel"].startswith(prefix) and e["Uniqueid"] == e["Linkedid"],
            seen)

    def _begin(self, direction, number, name, dialled, extension, **truth):
        kind = GROUPS.get(extension)
        group = None
        if kind:
            group_name = kind[1] if self.environment["DIALPLAN"] == "plain" else extension
            group = {"kind": kind[0], "extension": extension, "name": group_name}
            if self.environment["DIALPLAN"] != "plain" and extension == "601":
                group["name"] = "600"
        call = Call({"direction": direction, "number_sent": number, "display_sent": name, "dialled": dialled,
                     "group": group, "rang": [], "answered_by": None, "outcome": None, **truth})
        self.calls.append(call)
        return call

    async def _born(self, call, seen, prefix):
        event = await self.channel_of(prefix, seen)
        call.channel, call.uniqueid = event["Channel"], event["Uniqueid"]

    async def truths(self):
        """Waits for the end of every call and says what happened."""
        for call in self.calls:
            await self._finish(call)
        return [call.truth for call in self.calls]

    async def _finish(self, call):
        truth = call.truth
        if call.caller:
            await call.caller.ended()
            started, ended, by = call.caller.started_at, call.caller.ended_at, call.caller.ended_by
            by = call.ended_by or by
            if by == "caller" and not truth["answered_by"]:
                truth["outcome"] = truth["outcome"] or "abandoned"
            if truth["number_sent"] and "number_e164" not in truth:
                truth["number_e164"] = truth["number_sent"]
        else:
            await within(30, call.dialog.ended.wait(), "the end of the agent's call")
            started, ended = call.dialog.began_at, call.dialog.ended_at
            by = call.ended_by or ("caller" if call.dialog.ended_by == "agent" else "pbx")
        if not truth["rang"]:
            truth["rang"] = self.rang(call)
        if not truth["outcome"]:
            raise RigError(f"the scenario does not say how the call to {truth['dialled']} ended")
        hangup = await self.ami.event("the Hangup of the call", lambda e: e["Event"] == "Hangup"
                                      and e.get("Uniqueid") == call.uniqueid)
        linkedids = [e["Linkedid"] for e in self.ami.events if e.get("Uniqueid") == call.uniqueid and "Linkedid" in e]
        truth.update(started_at=stamp(started), answered_at=stamp(call.answered_at), ended_at=stamp(ended), ended_by=by,
                     channel=call.channel, uniqueid=call.uniqueid, linkedid=linkedids[0],
                     linkedids_seen=sorted(set(linkedids)), hangup_cause=int(hangup["Cause"]),
                     pbx_ended_at=stamp(hangup["_at"]))
        if "recording" in truth:
            truth["recording"].update(await recorded(truth["recording"]["file"]))
        order = ["direction", "number_sent", "display_sent", "dialled", "group", "rang", "answered_by", "outcome",
                 "started_at", "answered_at", "ended_at", "ended_by"]
        call.truth = {**{k: truth[k] for k in order}, **{k: v for k, v in truth.items() if k not in order}}

    def rang(self, call):
        """The extensions whose telephones rang before the answer, told by the caller they were shown."""
        shown = call.truth["number_sent"]
        names = set()
        for phone in self.spare:
            for dialog in phone.calls:
                in_time = call.answered_at is None or dialog.began_at <= call.answered_at
                after = call.placed_at <= dialog.began_at
                if in_time and after and (shown is None or f"{shown}@" in dialog.remote):
                    names.add(phone.name)
        return sorted(names)


async def recorded(file):
    """What is in the file when Asterisk has closed it: its size, its length, how loud it is."""

    async def whole():
        while True:
            try:
                with wave.open(file) as sound:
                    frames = sound.readframes(sound.getnframes())
                if frames and len(frames) + 44 == Path(file).stat().st_size:
                    return frames
            except (OSError, EOFError, wave.Error):
                pass
            await asyncio.sleep(0.05)

    frames = await within(10, whole(), f"the end of {file}")
    samples = array.array("h", frames)
    loud = math.sqrt(sum(sample * sample for sample in samples) / len(samples))
    return {"bytes": len(frames) + 44, "seconds": round(len(samples) / 8000, 2), "rms": round(loud)}


class Call:
    """One telephone call and what is known of it."""

    def __init__(self, truth):
        self.truth = truth
        self.placed_at = now()
        self.caller = self.dialog = self.answered_at = self.ended_by = None

    def answered(self, dialog):
        """This telephone speaks with the caller; the first one counts as the answer."""
        if not self.truth["answered_by"]:
            self.truth["answered_by"], self.truth["outcome"] = dialog.phone.name, "answered"
            self.answered_at = dialog.answered_at

    def transferred(self, kind, source, target, at, dialog):
        self.truth.setdefault("transfers", []).append(
            {"kind": kind, "from": source, "to": target, "at": stamp(at),
             "answered_at": stamp(dialog.answered_at if dialog else None)})
        if dialog:
            self.truth["last_agent"] = dialog.phone.name

    async def hangs_up(self):
        """The caller lets go."""
        self.caller.let_go()
        await self.caller.ended()


async def end(dialog):
    """Puts this telephone down, unless the PBX has ended the call already."""
    try:
        await asyncio.wait_for(dialog.ended.wait(), 0.4)
    except asyncio.TimeoutError:
        await dialog.hang_up()
