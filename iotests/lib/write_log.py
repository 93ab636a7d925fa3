#!/usr/bin/env python3
"""Reads the logs of driver blklogwrites, which are those of Linux' dm-log-writes.

usage: write_log.py list LOG            one line for each entry
       write_log.py flushes LOG         how many flushes it has
       write_log.py replay LOG IMAGE N  does to IMAGE what the log has before its Nth flush; all without N
"""
import struct
import sys

FLUSH, FUA, DISCARD, MARK = 1, 2, 4, 8


def entries(path):
    """(first byte, bytes, flags, text of a mark, data of a write) of each entry that the superblock counts."""
    with open(path, "rb") as log:
        magic, version, count, sector_bytes = struct.unpack("<QQQI", log.read(28))
        assert (magic, version) == (0x6A736677736872, 1), "no log"
        log.seek(sector_bytes)
        for _ in range(count):
            entry = log.read(sector_bytes)
            sector, sectors, flags, data_bytes = struct.unpack_from("<QQQQ", entry)
            data = b"" if flags & DISCARD else log.read(sectors * sector_bytes)
            yield sector * sector_bytes, sectors * sector_bytes, flags, entry[32:32 + data_bytes].decode(), data


def words(first, size, flags, mark, data):
    """An entry as one line."""
    if flags & FLUSH:
        return "flush" + (f" without the last {first}" if first else "")
    if flags & MARK:
        return "mark: " + mark
    if flags & DISCARD:
        return f"discard {size} at {first}"
    content = f"all {data[0]:#04x}" if data == data[:1] * size else "mixed"
    return f"write {size} at {first}{', FUA' if flags & FUA else ''}: {content}"


def replay(path, image_path, flushes):
    """Applies all before that flush to the image."""
    with open(image_path, "r+b") as image:
        for first, size, flags, mark, data in entries(path):
            if flags & FLUSH:
                flushes -= 1
                if flushes == 0:
                    return
            elif flags & MARK:
                image.truncate(int(mark.removeprefix("truncate ")))
            else:
                image.seek(first)
                image.write(bytes(size) if flags & DISCARD else data)


def main():
    command, path = sys.argv[1:3]
    if command == "list":
        print("\n".join(words(*entry) for entry in entries(path)))
    elif command == "flushes":
        print(sum(1 for entry in entries(path) if entry[2] & FLUSH))
    else:
        replay(path, sys.argv[3], int(sys.argv[4]) if len(sys.argv) > 4 else -1)


if __name__ == "__main__":
    main()
