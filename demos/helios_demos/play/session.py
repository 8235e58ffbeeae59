"""What a person can do with a session, without the window: walk, speak, pause, rewind, save, load, record."""

from __future__ import annotations

import secrets
from collections.abc import Callable
from concurrent.futures import Future
from datetime import datetime
from pathlib import Path
from typing import Any

from helios_demos.play.notices import Notices
from helios_demos.play.options import PlayOptions
from helios_demos.play.recorder import Recorder
from helios_demos.play.state_file import data_folder, load_state, save_state, state_path
from helios_runtime.inputs import InputSampler
from helios_runtime.lockstep import Beat, LockStep
from helios_runtime.pacing import Shown
from helios_runtime.pump import ChunkPump
from helios_runtime.rewind import Rewind
from helios_runtime.telemetry import Figures

__all__ = ["Session"]

REWIND_SECONDS = 2.0


class Session:
    """One evening with some worlds. Owns them from start() to close().

    Every method returns at once; what it led to is said in `notices`.
    """

    def __init__(self, worlds: LockStep, options: PlayOptions) -> None:
        self.spec = worlds.lead.spec
        self.has_truth = len(worlds.worlds) > 1
        self.inputs = InputSampler(self.spec.actions)
        self.notices = Notices()
        self.recorder = Recorder()
        self._options = options
        self._worlds = worlds
        self._pump = ChunkPump(worlds, self.inputs)
        self._rewind = Rewind(every=max(round(REWIND_SECONDS / self.spec.chunk_seconds), 1))
        self._first: Future[Beat] | None = None
        self._newest: Shown[Beat] | None = None

    def start(self) -> None:
        if self._options.record is not None:
            self.recorder.start(self._worlds, self._options.record)
        self._pump.after_each(self._rewind.note)
        self._pump.after_each(self._tell_complaints)
        self._first = self._pump.start(self._options.seed, self._options.prompt)

    def close(self) -> None:
        """End the session: finish what is recorded, and close the worlds."""
        self._pump.close()
        try:
            self.recorder.stop(self._worlds)
        finally:
            self._worlds.close()

    def poll(self) -> tuple[Shown[Beat] | None, bool]:
        """What to show now, and whether it is another picture than at the last poll."""
        if self._first is not None and self._first.done():
            self._first.result()
            self._first = None
        shown, before = self._pump.poll(), self._newest
        self._newest = shown
        is_new = shown is not None and (before is None or shown.item is not before.item or shown.frame != before.frame)
        return shown, is_new

    def presented(self, shown: Shown[Beat]) -> None:
        self._pump.presented(shown)

    def seconds_to_next_frame(self, most: float) -> float:
        return self._pump.seconds_to_next_frame(most)

    def figures(self) -> Figures:
        return self._pump.figures()

    @property
    def paused(self) -> bool:
        return self._pump.paused

    def toggle_pause(self) -> None:
        if self._pump.paused:
            self._pump.resume()
        else:
            self._pump.pause()

    def say(self, prompt: str) -> None:
        """Change the world in words, from the next chunk on."""
        self.inputs.say(prompt)
        self.notices.say(f"“{prompt}”" if prompt else "no words")

    def say_example(self, number: int) -> None:
        """Say the world's example prompt of this number, from 0."""
        if number < len(self.spec.prompts):
            self.say(self.spec.prompts[number])
        else:
            self.notices.say(f"this world has {len(self.spec.prompts)} example prompts")

    def rewind(self) -> None:
        done = self._pump.jump(self._rewind.back)
        self._tell(done, lambda beat: f"back at {beat.lead.first_frame / self.spec.fps:.1f} s")

    def new_seed(self) -> None:
        seed = secrets.randbelow(2**31)
        self._tell(self._pump.reset(seed), lambda _: f"seed {seed}")

    def save(self) -> None:
        path = self._state_path()
        self._tell(self._pump.submit(lambda worlds: save_state(path, worlds)), lambda _: f"saved to {path}")

    def load(self) -> None:
        path = self._state_path()
        self._tell(self._pump.jump(lambda worlds: load_state(path, worlds)), lambda _: f"loaded {path}")

    def toggle_record(self) -> None:
        if self.recorder.path is not None:
            path = self.recorder.path
            self._tell(self._pump.submit(self.recorder.stop), lambda _: f"recorded {path}")
        else:
            path = self._video_path()
            done = self._pump.submit(lambda worlds: self.recorder.start(worlds, path))
            self._tell(done, lambda _: f"recording {path}")

    def _state_path(self) -> Path:
        return self._options.state or state_path(self._options.world)

    def _video_path(self) -> Path:
        name = f"{Path(self.spec.name).name}-{datetime.now():%Y%m%d-%H%M%S-%f}.mp4"
        return data_folder() / "recordings" / name

    def _tell(self, done: Future[Any], text: Callable[[Any], str]) -> None:
        def tell(finished: Future[Any]) -> None:
            if not finished.cancelled():
                error = finished.exception()
                self.notices.say(text(finished.result()) if error is None else str(error))

        done.add_done_callback(tell)

    def _tell_complaints(self, worlds: LockStep, beat: Beat) -> None:
        for text in beat.complaints:
            self.notices.say(text)
