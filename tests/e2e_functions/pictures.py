"""Small pictures in grey: PNG written and read by hand, and a JPEG."""

import struct
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def _chunk(kind, content):
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def _head(width, height):
    # 8 bits of grey, not interlaced: PNG specification, 11.2.1.
    return _chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0))


def png(rows):
    """Of rows of numbers from 0 to 255."""
    lines = b"".join(b"\0" + bytes(row) for row in rows)
    return SIGNATURE + _head(len(rows[0]), len(rows)) + _chunk(b"IDAT", zlib.compress(lines)) + _chunk(b"IEND", b"")


def png_head(width, height):
    """One that says that it is so large, and is not."""
    return SIGNATURE + _head(width, height) + _chunk(b"IDAT", zlib.compress(b"\0")) + _chunk(b"IEND", b"")


def _paeth(left, up, corner):
    return min((left, up, corner), key=lambda value: abs(left + up - corner - value))


def _unfilter(kind, line, above):
    """A line of one byte a pixel, by the filters of 9.2."""
    out = bytearray()
    for x, value in enumerate(line):
        left, corner = (out[x - 1], above[x - 1]) if x else (0, 0)
        up = above[x]
        out.append((value + (0, left, up, (left + up) // 2, _paeth(left, up, corner))[kind]) & 255)
    return out


def read_png(data):
    """The rows of one of 8 bits of grey; AssertionError if it is not a sound one."""
    if not data.startswith(SIGNATURE):
        raise AssertionError("no PNG")
    at, chunks = len(SIGNATURE), []
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        content = data[at + 8:at + 8 + length]
        if _chunk(kind, content) != data[at:at + 12 + length]:
            raise AssertionError(f"the chunk {kind} is not sound")
        chunks.append((kind, content))
        at += 12 + length
    width, height, depth, colour, _, _, interlaced = struct.unpack(">IIBBBBB", chunks[0][1])
    if (depth, colour, interlaced) != (8, 0, 0) or chunks[-1][0] != b"IEND":
        raise AssertionError(f"not grey of 8 bits, but {depth}, {colour}, {interlaced}")
    lines = zlib.decompress(b"".join(content for kind, content in chunks if kind == b"IDAT"))
    rows, above = [], bytes(width)
    for start in range(0, height * (width + 1), width + 1):
        above = _unfilter(lines[start], lines[start + 1:start + 1 + width], above)
        rows.append(list(above))
    return rows


def _segment(marker, content):
    return b"\xff" + bytes([marker]) + struct.pack(">H", len(content) + 2) + content


# One block of 8 x 8 with nothing but its mean (T.81, F.1.2.1): a difference of category 6 with the value 40, then the
# end of the block, then ones. Each table has one or two codes.
JPEG = (b"\xff\xd8" + _segment(0xDB, b"\0" + bytes([8] * 64)) +
        _segment(0xC0, struct.pack(">BHHB", 8, 8, 8, 1) + b"\1\x11\0") +
        _segment(0xC4, b"\x00" + bytes([1] + [0] * 15) + b"\6") +
        _segment(0xC4, b"\x10" + bytes([1] + [0] * 15) + b"\0") +
        _segment(0xDA, b"\1\1\0\0\x3f\0") + bytes([0b01010000, 0b11111111]) + b"\0" + b"\xff\xd9")
# The mean is 40 times the quantum of 8, over 8 by the transform, and above the middle.
JPEG_GREY = 40 * 8 // 8 + 128
