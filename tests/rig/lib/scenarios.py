"""The calls. Each function is one scenario: its doc says what happens, its name (with dashes) is its command."""

import asyncio
from pathlib import Path

from stage import Stage, end
from words import RigError, now, stamp, within

pause = asyncio.sleep
RING, LONG = 0.5, 25
SCENARIOS = {}


def scenario(function):
    SCENARIOS[function.__name__.replace("_", "-")] = function
    return function


def person(stage, number, name):
    return {"number": stage.options.number or number, "name": stage.options.name or name}


async def talk(stage):
    await pause(stage.options.talk)


async def answer(stage, call, extension):
    """The telephone of `extension` rings, and is picked up half a second later."""
    dialog = await stage.phones[extension].rings()
    await stage.step("rings")
    await pause(RING)
    await dialog.answer()
    call.answered(dialog)
    await stage.record(call)
    await stage.step("answered")
    return dialog


async def simple(stage, dialled, number, name, agent, ends="caller"):
    call = await stage.call_in(dialled, **person(stage, number, name))
    dialog = await answer(stage, call, stage.options.agent or agent)
    await talk(stage)
    if ends == "caller":
        await call.hangs_up()
    else:
        call.ended_by = "agent"
        await dialog.hang_up()
    return call


@scenario
async def queue_answered(stage):
    """Queue 600: all ring, 202 answers, the caller hangs up."""
    await simple(stage, "600", "+493023125111", "Petra Sommer", "202")


@scenario
async def recorded_by_pbx(stage):
    """Queue 609: the exchange records by itself; 202 answers, the caller hangs up."""
    await simple(stage, "609", "+493023125111", "Petra Sommer", "202")


@scenario
async def recorded_paused(stage):
    """Queue 608: 202 answers, leaves a part out of the recording (*5, *6); the caller hangs up."""
    call = await stage.call_in("608", **person(stage, "+493023125179", "Karl Karte"))
    dialog = await answer(stage, call, "202")
    await talk(stage)
    for keys, paused in (("*5", True), ("*6", False)):
        seen = len(stage.ami.events)
        await dialog.press(keys)
        await stage.ami.event("the code", lambda e: e["Event"] == "UserEvent" and e["UserEvent"] == "RingdeskRecording",
                              seen)
        await stage.pause_recording(call, paused)
        await stage.step("paused" if paused else "resumed")
        await talk(stage)
    await call.hangs_up()


@scenario
async def wrapup_queue(stage):
    """Queue 606, whose agents have 5 s to wrap up: 202 answers, the caller hangs up."""
    await simple(stage, "606", "+493023125175", "Nora Nacharbeit", "202")


@scenario
async def wrapup_queue_agent_ends(stage):
    """Queue 606, whose agents have 5 s to wrap up: 202 answers and hangs up."""
    await simple(stage, "606", "+493023125176", "Knut Kurz", "202", ends="agent")


@scenario
async def ringgroup_answered(stage):
    """Ring group 610: 201 and 202 ring, 202 answers, the caller hangs up."""
    await simple(stage, "610", "+493023125112", "Ulrich Lang", "202")


@scenario
async def ringgroup_first_busy(stage):
    """Ring group 610: 201 refuses, 202 answers."""
    call = await stage.call_in("610", **person(stage, "+493023125113", "Rolf Becker"))
    refused = await stage.phones["201"].rings()
    await pause(RING)
    refused.refuse()
    call.truth["refused_by"] = ["201"]
    await answer(stage, call, "202")
    await talk(stage)
    await call.hangs_up()


@scenario
async def ringgroup_all_busy(stage):
    """Ring group 610: both refuse; the PBX refuses the caller."""
    call = await stage.call_in("610", **person(stage, "+493023125114", "Silke Horn"))
    for extension in ("201", "202"):
        refused = await stage.phones[extension].rings()
        refused.refuse()
    call.truth.update(refused_by=["201", "202"], outcome="busy")
    await call.caller.ended()


async def abandoned(stage, dialled, number, name, agent):
    call = await stage.call_in(dialled, **person(stage, number, name))
    await stage.phones[agent].rings()
    await pause(2)
    await call.hangs_up()
    call.truth["outcome"] = "abandoned"


@scenario
async def queue_abandoned(stage):
    """Queue 600: the caller gives up while the telephones ring."""
    await abandoned(stage, "600", "+496990009114", "Jens Otto", "201")


@scenario
async def ringgroup_abandoned(stage):
    """Ring group 610: the caller gives up while the telephones ring."""
    await abandoned(stage, "610", "+496990009115", "Ines Vogt", "201")


@scenario
async def queue_unanswered(stage):
    """Queue 605: nobody answers, after 7 s the PBX gives up."""
    call = await stage.call_in("605", **person(stage, "+493023125161", "Nadine Kurz"))
    await stage.phones["201"].rings()
    call.truth["outcome"] = "unanswered"
    await call.caller.ended()


@scenario
async def ringgroup_unanswered(stage):
    """Ring group 613: nobody answers, after 5 s the PBX gives up."""
    call = await stage.call_in("613", **person(stage, "+493023125162", "Olaf Stein"))
    await stage.phones["201"].rings()
    call.truth["outcome"] = "unanswered"
    await call.caller.ended()


@scenario
async def ringgroup_hunt(stage):
    """Ring group 614: 201 rings for 3 s, then 202, who answers."""
    await simple(stage, "614", "+493023125163", "Hanna Kraus", "202")


async def blind(stage, call, first, to):
    at = now()
    status = await first.transfer(f"sip:{to}@{stage.environment['SIP_HOST']}:{stage.environment['SIP_PORT']}")
    if status != 200:
        raise RigError(f"the transfer to {to} ended with {status}")
    await end(first)
    return at


async def blind_transfer_from(stage, dialled, number, name):
    call = await stage.call_in(dialled, **person(stage, number, name))
    first = await answer(stage, call, "201")
    if dialled == "600":
        await stage.phones["203"].rings()  # It rang with the queue; the next ring is the transfer's.
    await talk(stage)
    transfer = asyncio.ensure_future(blind(stage, call, first, "203"))
    second = await stage.phones["203"].rings()
    await pause(RING)
    await second.answer()
    at = await transfer
    call.transferred("blind", "201", "203", at, second)
    await talk(stage)
    await call.hangs_up()


@scenario
async def blind_transfer(stage):
    """Queue 600: 201 answers and transfers blind to 203, who answers; the caller hangs up."""
    await blind_transfer_from(stage, "600", "+493023125116", "Karin Wolf")


@scenario
async def blind_transfer_wrapup(stage):
    """Queue 606: 201 answers and transfers blind to 203, who answers; the caller hangs up."""
    await blind_transfer_from(stage, "606", "+493023125177", "Weiter Nacharbeit")


@scenario
async def blind_transfer_ringgroup(stage):
    """Ring group 610: 201 answers and transfers blind to 203, who answers; the caller hangs up."""
    await blind_transfer_from(stage, "610", "+493023125164", "Gerd Busch")


@scenario
async def blind_transfer_unanswered(stage):
    """Ring group 610: 201 answers and transfers blind to 203, who does not answer; the PBX gives up."""
    call = await stage.call_in("610", **person(stage, "+493023125165", "Beate Roth"))
    first = await answer(stage, call, "201")
    await talk(stage)
    transfer = asyncio.ensure_future(blind(stage, call, first, "203"))
    await stage.phones["203"].rings()
    at = await transfer
    call.transferred("blind", "201", "203", at, None)
    call.truth["last_agent"] = "201"
    await call.caller.ended()


@scenario
async def blind_transfer_local(stage):
    """Queue 602 (Local members): 201 answers and transfers blind to 203, who answers; the caller hangs up."""
    await blind_transfer_from(stage, "602", "+493023125166", "Lokal Weiter")


@scenario
async def blind_transfer_outside(stage):
    """Ring group 610: 201 answers and transfers blind to a number outside, which answers; the caller hangs up."""
    to = "+496990009141"
    call = await stage.call_in("610", **person(stage, "+493023125167", "Kurt Hinaus"))
    first = await answer(stage, call, "201")
    await talk(stage)
    transfer = asyncio.ensure_future(blind(stage, call, first, to))
    far = await stage.outside.rings()
    await pause(RING)
    await far.answer()
    at = await transfer
    call.transferred("blind", "201", to, at, far)
    call.truth["last_agent"] = "201"
    await talk(stage)
    await call.hangs_up()


@scenario
async def blind_transfer_code(stage):
    """Ring group 610: 201 answers and transfers blind to 203 by the code #1; 203 answers; the caller hangs up."""
    call = await stage.call_in("610", **person(stage, "+493023125168", "Code Blind"))
    first = await answer(stage, call, "201")
    await talk(stage)
    await first.press("#1")
    await pause(1)
    at = now()
    await first.press("203")
    second = await stage.phones["203"].rings()
    await end(first)
    await pause(RING)
    await second.answer()
    call.transferred("blind", "201", "203", at, second)
    await talk(stage)
    await call.hangs_up()


@scenario
async def attended_transfer_code(stage):
    """Ring group 610: 202 answers, consults 203 by the code *2 and completes by hanging up; the caller hangs up."""
    call = await stage.call_in("610", **person(stage, "+493023125169", "Code Rückfrage"))
    first = await answer(stage, call, "202")
    await talk(stage)
    await first.press("*2")
    await pause(1)
    await first.press("203")
    second = await stage.phones["203"].rings()
    await pause(RING)
    await second.answer()
    await talk(stage)
    at = now()
    await first.hang_up()
    call.transferred("attended", "202", "203", at, second)
    await talk(stage)
    await call.hangs_up()


async def attended(stage, dialled, number, name, first_agent="202", second_agent="203"):
    call = await stage.call_in(dialled, **person(stage, number, name))
    first = await answer(stage, call, first_agent)
    await talk(stage)
    await first.hold()
    held_from = now()
    seen = len(stage.ami.events)
    consultation = await stage.phones[first_agent].dial(second_agent)
    second = await stage.phones[second_agent].rings()
    channel = await stage.channel_of(f"PJSIP/{first_agent}-", seen)
    await pause(RING)
    await second.answer()
    await within(LONG, consultation.answered.wait(), "the consultation")
    await talk(stage)
    call.truth["holds"] = [{"by": first_agent, "from": stamp(held_from), "to": None}]
    call.truth["consultations"] = [{"from": first_agent, "to": second_agent, "channel": channel["Channel"],
                                    "uniqueid": channel["Uniqueid"], "answered_at": stamp(second.answered_at)}]
    return call, first, consultation, second


async def complete_attended(stage, call, first, consultation, second):
    at = now()
    status = await first.transfer_to_dialog(consultation)
    if status != 200:
        raise RigError(f"the attended transfer ended with {status}")
    await end(first)
    await end(consultation)
    call.transferred("attended", first.phone.name, second.phone.name, at, second)
    call.truth["holds"][0]["to"] = stamp(at)
    await talk(stage)
    await call.hangs_up()


@scenario
async def attended_transfer(stage):
    """Ring group 610: 202 answers, holds, consults 203 and completes (REFER with Replaces); the caller hangs up."""
    await complete_attended(stage, *await attended(stage, "610", "+493023125117", "Frank Simon"))


@scenario
async def attended_transfer_queue(stage):
    """Queue 600: 202 answers, holds, consults 204 and completes (REFER with Replaces); the caller hangs up."""
    await complete_attended(stage, *await attended(stage, "600", "+493023125118", "Lena Fuchs", "202", "204"))


@scenario
async def attended_transfer_wrapup(stage):
    """Queue 606: 202 answers, holds, consults 203 and completes (REFER with Replaces); the caller hangs up."""
    await complete_attended(stage, *await attended(stage, "606", "+493023125178", "Rückfrage Nacharbeit"))


@scenario
async def attended_transfer_local(stage):
    """Queue 602 (Local members): 202 answers, holds, consults 203 and completes (REFER with Replaces)."""
    await complete_attended(stage, *await attended(stage, "602", "+493023125170", "Lokal Rückfrage"))


@scenario
async def consultation_returns(stage):
    """Ring group 610: 202 answers, holds, consults 203, ends the consultation, speaks with the caller again."""
    call, first, consultation, second = await attended(stage, "610", "+493023125119", "Martin Haas")
    await consultation.hang_up()
    await within(LONG, second.ended.wait(), "the end of the consultation at 203")
    await pause(0.3)
    await first.resume()
    call.truth["holds"][0]["to"] = stamp(now())
    call.truth["consultations"][0]["ended_at"] = stamp(consultation.ended_at)
    call.truth["last_agent"] = "202"
    await talk(stage)
    await call.hangs_up()


async def pickup(stage, dialled, number, name, rings, picker, code):
    call = await stage.call_in(dialled, **person(stage, number, name))
    await stage.phones[rings].rings()
    await pause(1)
    seen = len(stage.ami.events)
    dialog = await stage.phones[picker].dial(code)
    channel = await stage.channel_of(f"PJSIP/{picker}-", seen)
    await within(LONG, dialog.answered.wait(), f"the pickup by {picker}")
    event = await stage.ami.event("the Pickup", lambda e: e["Event"] == "Pickup", seen)
    call.answered(dialog)
    call.truth["picked_up_from"] = event["TargetChannel"].removeprefix("PJSIP/").rsplit("-", 1)[0]
    call.truth["pickup"] = {"by": picker, "dialled": code, "channel": channel["Channel"],
                            "uniqueid": channel["Uniqueid"]}
    await talk(stage)
    await call.hangs_up()


@scenario
async def pickup_any(stage):
    """A direct call rings at 202; 203 takes it with *8."""
    await pickup(stage, "202", "+493023125121", "Doris Kern", "202", "203", "*8")


@scenario
async def pickup_directed(stage):
    """Ring group 610 rings at 201 and 202; 203 takes the call from 201 with **201."""
    await pickup(stage, "610", "+493023125122", "Paul Engel", "201", "203", "**201")


@scenario
async def pickup_queue(stage):
    """Queue 600 rings; 204, who is no member, takes the call from 202 with **202."""
    await pickup(stage, "600", "+493023125123", "Rita Lorenz", "202", "204", "**202")


@scenario
async def pickup_local(stage):
    """Ring group 611 (Local channels) rings at 201 and 203; 202 takes the call from 201 with **201."""
    await pickup(stage, "611", "+493023125171", "Lokal Heran", "201", "202", "**201")


async def park(stage, dialled, number, name):
    call = await stage.call_in(dialled, **person(stage, number, name))
    first = await answer(stage, call, "201")
    await talk(stage)
    seen = len(stage.ami.events)
    # Asterisk reports progress of this REFER only when it has announced the slot: look at the parking itself.
    park = asyncio.ensure_future(first.transfer(
        f"sip:700@{stage.environment['SIP_HOST']}:{stage.environment['SIP_PORT']}", until=100))
    event = await stage.ami.event("the parking", lambda e: e["Event"] == "ParkedCall", seen)
    await end(first)
    park.cancel()
    call.truth["parked"] = {"by": "201", "slot": event["ParkingSpace"], "from": stamp(event["_at"]), "to": None,
                            "retrieved_by": None}
    return call


@scenario
async def park_and_retrieve(stage):
    """Ring group 610: 201 answers and parks the call; 203 retrieves it; the caller hangs up."""
    call = await park(stage, "610", "+493023125124", "Erika Winter")
    await pause(1)
    seen = len(stage.ami.events)
    dialog = await stage.phones["203"].dial(call.truth["parked"]["slot"])
    channel = await stage.channel_of("PJSIP/203-", seen)
    await within(LONG, dialog.answered.wait(), "the retrieval by 203")
    event = await stage.ami.event("the retrieval", lambda e: e["Event"] == "UnParkedCall", seen)
    call.truth["parked"].update(to=stamp(event["_at"]), retrieved_by="203", channel=channel["Channel"],
                                uniqueid=channel["Uniqueid"])
    call.truth["last_agent"] = "203"
    await talk(stage)
    await call.hangs_up()


@scenario
async def park_comes_back(stage):
    """Ring group 610: 201 answers and parks the call; nobody retrieves it, after 6 s it rings at 201 again."""
    call = await park(stage, "610", "+493023125125", "Bodo Graf")
    second = await stage.phones["201"].rings()
    event = await stage.ami.event("the time-out", lambda e: e["Event"] == "ParkedCallTimeOut")
    await pause(RING)
    await second.answer()
    call.truth["parked"].update(to=stamp(event["_at"]), retrieved_by="201", timed_out=True)
    call.truth["last_agent"] = "201"
    await talk(stage)
    await call.hangs_up()


@scenario
async def park_abandoned(stage):
    """Ring group 610: 201 answers and parks the call; the parked caller hangs up."""
    call = await park(stage, "610", "+493023125126", "Vera Blum")
    await pause(1)
    await call.hangs_up()
    call.truth["parked"]["to"] = stamp(call.caller.ended_at)
    call.truth["last_agent"] = "201"


@scenario
async def hold(stage):
    """A direct call to 201: held, resumed, the caller hangs up."""
    call = await stage.call_in("201", **person(stage, "+493023125151", "Helga Frank"))
    dialog = await answer(stage, call, "201")
    await talk(stage)
    await dialog.hold()
    since = now()
    await pause(1.5)
    await dialog.resume()
    call.truth["holds"] = [{"by": "201", "from": stamp(since), "to": stamp(now())}]
    await talk(stage)
    await call.hangs_up()


async def leave_message(stage, call, context, mailbox):
    """The caller speaks into the mailbox until it keeps what is said, and hangs up."""
    box = Path(stage.folder / "spool/voicemail" / context / mailbox)

    async def recording():
        while not any(p.stat().st_size > 16000 and before.get(p) != p.stat().st_mtime for p in box.rglob("*.wav")):
            await pause(0.1)

    before = {p: p.stat().st_mtime for p in box.rglob("*.wav")}
    await within(60, recording(), "the recording of the voice message")
    call.truth.update(outcome="voicemail", voicemail={"mailbox": mailbox})
    await call.hangs_up()
    file, seconds = await within(10, kept(stage, call.channel), "the message in the mailbox")
    call.truth["voicemail"].update(file=str(file.with_suffix("")), seconds=seconds)


async def kept(stage, channel):
    """The message that this call left, and how long it is: Asterisk writes both into a text beside it."""
    while True:
        for path in (stage.folder / "spool/voicemail").rglob("INBOX/msg*.txt"):
            values = dict(line.split("=", 1) for line in path.read_text().splitlines() if "=" in line)
            if values.get("callerchan") == channel and "duration" in values:
                return path, int(values["duration"])
        await pause(0.1)


@scenario
async def voicemail(stage):
    """A direct call to 204, who does not answer: after 5 s the mailbox; the caller leaves a message."""
    call = await stage.call_in("204", **person(stage, "+493023125127", "Heinz Adler"))
    await stage.phones["204"].rings()
    await leave_message(stage, call, "default", "204")


@scenario
async def voicemail_queue(stage):
    """607: nobody answers queue counter for 5 s, then the queue's mailbox; the caller leaves a message."""
    call = await stage.call_in("607", **person(stage, "+493023125173", "Frieda Nachricht"))
    await stage.phones["201"].rings()
    await leave_message(stage, call, "groups", "607")


@scenario
async def voicemail_queue_silent(stage):
    """607: nobody answers queue counter for 5 s, then the queue's mailbox; the caller hangs up during its greeting."""
    call = await stage.call_in("607", **person(stage, "+493023125174", "Emil Wortlos"))
    await stage.phones["201"].rings()
    await stage.ami.event("the mailbox", lambda e: e["Event"] == "Newexten" and e.get("Application") == "VoiceMail"
                          and e.get("Uniqueid") == call.uniqueid, seconds=LONG)
    await pause(0.5)
    await call.hangs_up()
    call.truth["outcome"] = "voicemail"


@scenario
async def overflow(stage):
    """601: nobody answers queue support for 6 s, then queue backoffice, where 204 answers."""
    call = await stage.call_in("601", **person(stage, "+493023125128", "Gisela Thoma"))
    await stage.phones["201"].rings()
    await answer(stage, call, "204")
    plain = stage.environment["DIALPLAN"] == "plain"
    call.truth["queues"] = ["support", "backoffice"] if plain else ["600", "601"]
    await talk(stage)
    await call.hangs_up()


@scenario
async def overflow_abandoned(stage):
    """601: nobody answers queue support, then queue backoffice; there the caller gives up."""
    call = await stage.call_in("601", **person(stage, "+493023125129", "Anton Maurer"))
    await stage.phones["204"].rings()
    plain = stage.environment["DIALPLAN"] == "plain"
    call.truth["queues"] = ["support", "backoffice"] if plain else ["600", "601"]
    await pause(1)
    await call.hangs_up()
    call.truth["outcome"] = "abandoned"


@scenario
async def direct(stage):
    """A caller outside dials 203; the agent hangs up."""
    await simple(stage, "203", "+4915228817386", "Mobil Thomas", "203", ends="agent")


@scenario
async def direct_abandoned(stage):
    """A direct call to 203: nobody answers and the caller gives up."""
    await abandoned(stage, "203", "+4915228895456", "Mobil Sabine", "203")


@scenario
async def direct_unanswered(stage):
    """A direct call to 203: nobody answers, after 8 s the PBX gives up."""
    call = await stage.call_in("203", **person(stage, "+4915254599371", "Mobil Kerstin"))
    await stage.phones["203"].rings()
    call.truth["outcome"] = "unanswered"
    await call.caller.ended()


@scenario
async def direct_busy(stage):
    """A direct call to 203, who is busy."""
    call = await stage.call_in("203", **person(stage, "+496990009122", "Mobil Werner"))
    dialog = await stage.phones["203"].rings()
    dialog.refuse()
    call.truth.update(outcome="busy", refused_by=["203"])
    await call.caller.ended()


@scenario
async def two_contacts(stage):
    """Two telephones are registered for 201; both ring, the second one answers."""
    second = await stage.telephone("201")
    call = await stage.call_in("201", **person(stage, "+493023125131", "Edith Pohl"))
    await stage.phones["201"].rings()
    dialog = await second.rings()
    await pause(RING)
    await dialog.answer()
    call.answered(dialog)
    await talk(stage)
    await call.hangs_up()


@scenario
async def forward(stage):
    """A direct call to 201, whose telephone forwards it to 203 (302); 203 answers."""
    call = await stage.call_in("201", **person(stage, "+493023125132", "Horst Jansen"))
    dialog = await stage.phones["201"].rings()
    dialog.forward(f"sip:203@{stage.environment['SIP_HOST']}:{stage.environment['SIP_PORT']}")
    await answer(stage, call, "203")
    call.truth["forwarded"] = {"by": "201", "to": "203"}
    await talk(stage)
    await call.hangs_up()


@scenario
async def forward_ringgroup(stage):
    """Ring group 610: the telephone of 201 forwards to 203 (302), 202 rings on; 203 answers."""
    call = await stage.call_in("610", **person(stage, "+493023125133", "Inge Paulsen"))
    dialog = await stage.phones["201"].rings()
    dialog.forward(f"sip:203@{stage.environment['SIP_HOST']}:{stage.environment['SIP_PORT']}")
    await answer(stage, call, "203")
    call.truth["forwarded"] = {"by": "201", "to": "203"}
    await talk(stage)
    await call.hangs_up()


@scenario
async def forward_queue(stage):
    """Queue 600: the telephone of 201 forwards to 204 (302), 202 and 203 ring on; 204 answers."""
    call = await stage.call_in("600", **person(stage, "+493023125172", "Warte Weiter"))
    dialog = await stage.phones["201"].rings()
    dialog.forward(f"sip:204@{stage.environment['SIP_HOST']}:{stage.environment['SIP_PORT']}")
    await answer(stage, call, "204")
    call.truth["forwarded"] = {"by": "201", "to": "204"}
    await talk(stage)
    await call.hangs_up()


@scenario
async def queue_local(stage):
    """Queue 602 (members on Local channels with /n): 202 answers."""
    await simple(stage, "602", "+493023125134", "Lokal Kanal", "202")


@scenario
async def queue_local_short(stage):
    """Queue 604 (members on Local channels, optimised away in mid-call): 202 answers."""
    await simple(stage, "604", "+493023125135", "Lokal Kurz", "202")


@scenario
async def ringgroup_local(stage):
    """Ring group 611 (Local channels with /n): 203 answers."""
    await simple(stage, "611", "+493023125136", "Gruppe Lokal", "203")


@scenario
async def ringgroup_local_short(stage):
    """Ring group 612 (Local channels, optimised away in mid-call): 203 answers."""
    await simple(stage, "612", "+493023125137", "Gruppe Kurz", "203")


@scenario
async def internal(stage):
    """201 calls 202; 201 hangs up."""
    call = await stage.call_from(stage.phones["201"], "202", "internal")
    await answer(stage, call, "202")
    await within(LONG, call.dialog.answered.wait(), "the connection")
    await talk(stage)
    await call.dialog.hang_up()


async def outbound_to(stage, number):
    call = await stage.call_from(stage.phones["201"], number, "outbound", dialled_e164=number)
    far = await stage.outside.rings()
    call.truth["rang"] = ["outside"]
    return call, far


@scenario
async def outbound(stage):
    """201 calls a number outside, which answers; the far end hangs up."""
    call, far = await outbound_to(stage, stage.options.number or "+496990009138")
    call.truth["rang"] = []
    await pause(RING)
    await far.answer()
    await within(LONG, call.dialog.answered.wait(), "the connection")
    call.truth["outcome"], call.answered_at = "answered", far.answered_at
    await talk(stage)
    call.ended_by = "callee"
    await far.hang_up()


@scenario
async def outbound_busy(stage):
    """201 calls a number outside, which is busy."""
    call, far = await outbound_to(stage, stage.options.number or "+496990009139")
    call.truth.update(rang=[], outcome="busy")
    far.refuse()


@scenario
async def outbound_noanswer(stage):
    """201 calls a number outside, nobody answers, 201 gives up."""
    call, _ = await outbound_to(stage, stage.options.number or "+496990009140")
    call.truth.update(rang=[], outcome="noanswer")
    await pause(2)
    await call.dialog.give_up()


@scenario
async def click_to_call(stage):
    """A program has 201 called (Originate) and, when 201 answers, a number outside, which answers; 201 hangs up."""
    number = stage.options.number or "+496990009142"
    call = await stage.originate("201", number)
    first = await stage.phones["201"].rings()
    await pause(RING)
    await first.answer()
    call.dialog = first
    far = await stage.outside.rings()
    await pause(RING)
    await far.answer()
    call.truth["outcome"], call.answered_at = "answered", far.answered_at
    await talk(stage)
    call.ended_by = "caller"
    await first.hang_up()


@scenario
async def two_at_once(stage):
    """Two callers in queue 600 at once: 203 answers the first, 201 the second; they hang up in turn."""
    one = await stage.call_in("600", "+493023125141", "Erster Anrufer")
    two = await stage.call_in("600", "+493023125142", "Zweite Anruferin")
    first = await the_ring_of(stage.phones["203"], one)
    await pause(RING)
    await first.answer()
    one.answered(first)
    second = await the_ring_of(stage.phones["201"], two)
    await pause(RING)
    await second.answer()
    two.answered(second)
    await talk(stage)
    await two.hangs_up()
    await talk(stage)
    await one.hangs_up()


async def the_ring_of(phone, call):
    """This call's ring at this telephone; the rings of others are let pass."""
    while True:
        dialog = await phone.rings()
        if f"{call.truth['number_sent']}@" in dialog.remote and not dialog.ended.is_set():
            return dialog


@scenario
async def interleaved(stage):
    """--count callers in queue 603, one every 0.25 s, answered by 203 and 204 in turn; all overlap."""
    count = stage.options.count
    calls = []
    rings = {name: {} for name in ("203", "204")}

    async def sort(name):
        while True:
            dialog = await stage.phones[name].rings(600)
            user = dialog.remote.split("sip:")[1].split("@")[0]
            rings[name].setdefault(user, asyncio.get_running_loop().create_future()).set_result(dialog)

    async def serve(call, index):
        name = ("203", "204")[index % 2]
        user = call.truth["number_sent"]
        ring = rings[name].setdefault(user, asyncio.get_running_loop().create_future())
        dialog = await within(60, asyncio.shield(ring), f"the ring of {user} at {name}")
        await pause(RING)
        await dialog.answer()
        call.answered(dialog)
        await talk(stage)
        await pause(count * 0.1)
        await call.hangs_up()

    sorters = [asyncio.ensure_future(sort(name)) for name in rings]
    serving = []
    for index in range(count):
        call = await stage.call_in("603", f"+493023125{300 + index}", f"Anrufer {index + 1}")
        calls.append(call)
        serving.append(asyncio.ensure_future(serve(call, index)))
        await pause(0.25)
    await asyncio.gather(*serving)
    for sorter in sorters:
        sorter.cancel()


WITHHELD = [
    ("From anonymous, Privacy: id", '"Anonymous" <sip:anonymous@anonymous.invalid>', ["Privacy: id"]),
    ("From anonymous, Privacy: id, the network asserts +493023125121: must be treated as withheld",
     '"Anonymous" <sip:anonymous@anonymous.invalid>',
     ["P-Asserted-Identity: <sip:+493023125121@provider.example>", "Privacy: id"]),
    ("From without a user part", "<sip:provider.example>", []),
    ("From unknown", '"unknown" <sip:unknown@provider.example>', []),
]


@scenario
async def withheld(stage):
    """Four callers without a usable number, one after the other, to ring group 610; 201 answers each."""
    for how, header, extra in WITHHELD:
        call = await stage.call_in("610", None, None, header, extra, number_e164=None, anonymous=True, how=how)
        call.truth["from_header"] = header
        answer_from = await stage.ami.action("Getvar", Channel=call.channel, Variable="CALLERID(num-pres)")
        call.truth["presentation_on_pbx"] = answer_from.get("Value")
        await answer(stage, call, "201")
        await talk(stage)
        await call.hangs_up()


async def play(folder, name, options, around=None):
    """Plays one scenario; `around` wraps it (the recorder of captures). Returns the truth."""
    function = SCENARIOS[name]
    stage = Stage(folder, options)
    try:
        await stage.open()
        recorders = await around.open(stage) if around else None
        await function(stage)
        calls = await stage.truths()
        if around:
            await around.settle(recorders)
    except BaseException:
        if hasattr(stage, "ami"):
            await stage.silence()
        raise
    finally:
        await stage.close()
    return {"scenario": name, "description": " ".join(function.__doc__.split()),
            "pbx": "Asterisk " + stage.environment["BANNER"].split("~")[0].split("+")[0],
            "dialplan": stage.environment["DIALPLAN"], "calls": calls}
