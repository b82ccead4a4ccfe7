"""Keeps what AMI said of a scenario, with the truth beside it, in the form of fixtures/captures/README.md."""

import json
from pathlib import Path

from ami import Recorder
from scenarios import play
from words import stamp


class Around:
    def __init__(self, least):
        self.users = ["listener"] + (["listener-min"] if least else [])

    async def open(self, stage):
        self.recorders = [Recorder(user) for user in self.users]
        for recorder in self.recorders:
            await recorder.connect(stage.environment["AMI_HOST"], int(stage.environment["AMI_PORT"]))
        stage.recorder = self.recorders[0]
        return self.recorders

    async def settle(self, recorders):
        for recorder in recorders:
            await recorder.settle()
            recorder.close()


async def capture(options):
    name, out = options.file or options.scenario, Path(options.out)
    around = Around(options.least)
    truth = await play(options.dir, options.scenario, options, around)
    streams = []
    out.mkdir(parents=True, exist_ok=True)
    for recorder in around.recorders:
        file = f"{name}.ami" if recorder.user == "listener" else f"{name}.least.ami"
        (out / file).write_bytes(recorder.bytes)
        stream = recorder.stream(file)
        stream["connected_at"] = stamp(stream["connected_at"])
        streams.append(stream)
    calls = truth.pop("calls")
    whole = {**truth, "scenario": name, "streams": streams, "calls": calls, "notes": []}
    text = json.dumps(whole, ensure_ascii=False, indent=1)
    (out / f"{name}.json").write_text(text + "\n", "utf-8")
