"""A process that passes on what libraries print, except what decoders of images say.

`python decoder_words.py` copies standard input to stderr. It imports nothing of the package, so
that it starts in some hundredths of a second.
"""

import os
import re
import select
import signal

# What libjpeg says of a file that it decodes or refuses, as of version 2.1.4,
# https://github.com/libjpeg-turbo/libjpeg-turbo/blob/2.1.4/jerror.h
_LIBJPEG = (
    "Application transferred too many scanlines",
    "Arithmetic table 0x",
    "Bogus (DAC|DHT|DQT|Huffman|JPEG|input|marker|sampling|buffer|virtual|message)",
    "CCIR601 sampling not implemented",
    "Component index .*mismatching sampling ratio",
    "Corrupt JPEG data",
    "DCT coefficient out of range",
    "Empty (JPEG image|input file)",
    "Fractional sampling not implemented",
    "Huffman (code size )?table",
    "IDCT output block size",
    "Image too wide for this implementation",
    "Improper call to JPEG library",
    "Inconsistent progression sequence",
    "Insufficient memory \\(case",
    "Invalid (JPEG file structure|SOS parameters|component ID|crop request|memory pool"
    "|progressive parameters|scan script)",
    "JPEG datastream contains no image",
    "Maximum supported image dimension",
    "Missing Huffman code table",
    "Not a JPEG file",
    "Not implemented yet",
    "Premature end of (JPEG file|input file)",
    "Quantization table 0x",
    "Requested features? (was|are) (omitted|incompatible)",
    "Sampling factors too large",
    "Suspension not allowed here",
    "Too many color components",
    "Unknown Adobe color transform",
    "Unsupported (JPEG|color conversion|marker type)",
    "Virtual array controller",
    "Warning: unknown JFIF revision",
)
# TensorFlow's log names the file of its own code: of what has called a decoder, or of what ends
# operations after an error that Python raises, too.
_CALLERS = r"\S*((jpeg|png|gif|webp|bmp|decode)\S*|local_rendezvous)\.cc:\d+\] "
DECODER = re.compile(
    rf"{'|'.join(_LIBJPEG)}|libpng (warning|error): |[IWE\d][^\]]* {_CALLERS}".encode()
)
# A line may come in pieces; the start of one is passed on after this.
_PATIENCE_SECONDS = 0.1
_CHUNK = 1 << 16
# Those that end a program. `nohup` has one of them ignored, and a shell that of a job in the
# background.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def ignore_signals() -> None:
    """Ignores what would end a process that is done, or that outlives what it serves."""
    for number in ENDING:
        signal.signal(number, signal.SIG_IGN)


def main() -> None:
    """Passes lines on until the other end of standard input is closed."""
    ignore_signals()
    line = b""
    while True:
        if line and not select.select([0], [], [], _PATIENCE_SECONDS)[0]:
            _pass_on(line)
            line = b""
        more = os.read(0, _CHUNK)
        *whole, line = (line + more).splitlines(keepends=True) or [b""]
        if line.endswith(b"\n") or not more:
            whole, line = [*whole, line], b""
        _pass_on(*whole)
        if not more:
            return


def _pass_on(*lines: bytes) -> None:
    kept = b"".join(line for line in lines if not DECODER.match(line))
    while kept:
        kept = kept[os.write(2, kept) :]


if __name__ == "__main__":
    main()
