"""The command line."""

import argparse
import asyncio
import json
import os
import sys
import time

import capture
import house
from scenarios import SCENARIOS, play
from words import RigError


def arguments():
    parser = argparse.ArgumentParser(prog="rig", description="A real Asterisk, its telephones and its callers.")
    commands = parser.add_subparsers(dest="command", required=True)

    start = commands.add_parser("start", help="start an Asterisk in a folder; prints and writes DIR/rig.env")
    start.add_argument("dir")
    start.add_argument("--version", default="22", choices=["22", "16"])
    start.add_argument("--dialplan", default="plain", choices=["plain", "freepbx"])
    start.add_argument("--channelvars", default="", help="manager.conf `channelvars`, e.g. FROM_DID,NODEST")
    start.add_argument("--systemname", default="", help="asterisk.conf `systemname`: ids begin with it")

    start.add_argument("--watch", type=int, metavar="PID",
                       help="end Asterisk when this process ends (the process that calls `rig start`)")
    start.add_argument("--keep", action="store_true", help="let Asterisk run until `rig stop`")

    restart = commands.add_parser("restart", help="end Asterisk and start it again on the same ports")
    restart.add_argument("dir")
    restart.add_argument("--hard", action="store_true", help="kill -9 instead of an orderly end")

    stop = commands.add_parser("stop", help="stop it")
    stop.add_argument("dir")

    commands.add_parser("list", help="name the scenarios")

    has = commands.add_parser("has", help="succeed if this version can be started, else say what is missing")
    has.add_argument("version", choices=["22", "16"])

    for name, text in (("call", "place the calls of a scenario; prints the truth, a line of JSON for each call"),
                       ("capture", "the same, and keep what a listener on AMI was sent")):
        sub = commands.add_parser(name, help=text)
        sub.add_argument("dir")
        sub.add_argument("scenario", choices=sorted(SCENARIOS), metavar="SCENARIO")
        sub.add_argument("--number", help="the caller's number")
        sub.add_argument("--name", help="the caller's name")
        sub.add_argument("--agent", help="who answers, in scenarios where one answers")
        sub.add_argument("--talk", type=float, default=1.0, help="seconds of each conversation (1.0)")
        sub.add_argument("--count", type=int, default=20, help="callers of `interleaved` (20)")
        sub.add_argument("--voices", action="store_true",
                         help="telephones that answer send a tone, to be heard in a recording (else an echo)")
        sub.add_argument("--steps", action="store_true",
                         help="at `rings` and `answered` print the step and wait for a line on standard input")
        if name == "capture":
            sub.add_argument("--out", required=True, help="folder for NAME.ami and NAME.json")
            sub.add_argument("--as", dest="file", help="NAME (the scenario's)")
            sub.add_argument("--record", action="store_true",
                             help="the listener has the caller's channel recorded (MixMonitor) when somebody answers")
            sub.add_argument("--least", action="store_true", help="also NAME.least.ami, seen by listener-min")
    return parser.parse_args()


async def with_parent(work):
    """Does `work`, but stops when the process that asked for it is gone."""
    parent, task = os.getppid(), asyncio.ensure_future(work)
    while not (await asyncio.wait({task}, timeout=0.5))[0]:
        if os.getppid() != parent:
            task.cancel()
    return await task


def main():
    options = arguments()
    began = time.monotonic()
    try:
        if options.command == "start":
            watched = 0 if options.keep else options.watch or os.getppid()
            environment = house.start(options.dir, options.version, options.dialplan, options.channelvars,
                                      options.systemname, watched)
            print("".join(f"{k}={v}\n" for k, v in environment.items()), end="")
        elif options.command == "restart":
            house.restart(options.dir, options.hard)
        elif options.command == "stop":
            house.stop(options.dir)
        elif options.command == "has":
            house.has(options.version)
        elif options.command == "list":
            for name, function in SCENARIOS.items():
                print(f"{name:28}{' '.join(function.__doc__.split())}")
        elif options.command == "call":
            truth = asyncio.run(with_parent(play(options.dir, options.scenario, options)))
            for call in truth["calls"]:
                print(json.dumps({"scenario": options.scenario, **call}, ensure_ascii=False))
        else:
            asyncio.run(with_parent(capture.capture(options)))
            print(f"{options.file or options.scenario}: {time.monotonic() - began:.1f} s", file=sys.stderr)
    except asyncio.CancelledError:
        return 1
    except RigError as error:
        print(f"rig: {error}", file=sys.stderr)
        return 1
    return 0
