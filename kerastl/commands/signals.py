"""What signals do to a command: the first interrupts it, a later one ends it at once."""

import contextlib
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from kerastl.decoder_words import ENDING
from kerastl.early_signals import STOPPED, is_usual
from kerastl.native_messages import end_at_once
from kerastl.progress import Progress

# `timeout` and some launchers send a signal to a process and at once to its group, which holds it
# too. A person takes longer between two.
_SECONDS_OF_ONE = 0.1
_SECONDS_UNTIL_REPEATED = 0.1


class Signals:
    """The signals that a command gets.

    Attributes:
        number: That which interrupted it; by default that of the keyboard.
        is_interrupted: Whether one has.
    """

    def __init__(self, errors: Progress) -> None:
        """Takes where a message about an end at once goes."""
        self.number: int = signal.SIGINT
        self._errors = errors
        self.is_interrupted = self._is_lost = False
        # Signals that this process has sent to itself, and not seen yet.
        self._num_repeated = 0

    @contextlib.contextmanager
    def handled(self) -> Iterator[None]:
        """Turns the first signal of the block into a KeyboardInterrupt, in the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.getsignal(number) for number in ENDING if is_usual(number)}
        for number in before:
            signal.signal(number, self._interrupt)
        hook = sys.unraisablehook
        sys.unraisablehook = lambda unraisable: self._repeat(hook, unraisable)
        try:
            with self._watched():
                yield
        finally:
            sys.unraisablehook = hook
            for number, handler in before.items():
                signal.signal(number, handler)

    def _interrupt(self, number: int, _: object) -> None:
        if self.is_interrupted and not self._is_lost:
            return
        if not self.is_interrupted:
            self.number, self.is_interrupted = number, True
        self._is_lost = False
        raise KeyboardInterrupt

    @contextlib.contextmanager
    def _watched(self) -> Iterator[None]:
        """Watches for signals in a thread: a call into a library keeps Python from seeing them."""
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        threading.Thread(target=self._end_at_another, args=(reader,), daemon=True).start()
        try:
            yield
        finally:
            signal.set_wakeup_fd(before)
            os.close(writer)  # The thread ends.

    def _end_at_another(self, reader: int) -> None:
        first, began = 0, 0.0
        while numbers := os.read(reader, 1):
            (number,) = numbers
            if self._num_repeated:
                self._num_repeated -= 1
            # A server, say, does with them what it wants to.
            elif number not in ENDING or signal.getsignal(number) != self._interrupt:
                continue
            elif not first:
                first, began = number, time.monotonic()
            elif number != first or time.monotonic() - began >= _SECONDS_OF_ONE:
                self._errors.line("error: stopped at once.")
                # As if it were killed: every file is whole or not there.
                end_at_once(STOPPED + number)
        os.close(reader)

    def _repeat(self, hook: Callable[[Any], object], unraisable: Any) -> None:
        """Repeats an interrupt that arrived where Python cannot raise an exception."""
        if issubclass(unraisable.exc_type, KeyboardInterrupt):
            self._is_lost = True
            # Delayed: raised at once, it would hit the same spot again.
            threading.Timer(_SECONDS_UNTIL_REPEATED, self._raise_again).start()
        else:
            hook(unraisable)

    def _raise_again(self) -> None:
        self._num_repeated += 1
        signal.raise_signal(signal.SIGINT)
