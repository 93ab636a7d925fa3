#!/usr/bin/env python3
"""Shows which guest clusters share host clusters, read from the file itself, independently of the code under test.

usage, in iotests/:
  python3 -m lib.sharing FILE          a line for each guest cluster or run of zeros; host clusters get letters in order
  python3 -m lib.sharing FILE count    the number of host clusters with data, and of guest clusters that name them

It fails if COPIED is set for a shared cluster, or if a stored refcount is not the number of owners.
"""
import sys
from collections import Counter

from lib.image import OFFSET_MASK, Image

COPIED, ZERO = 1 << 63, 1


def entries(image):
    """(guest offset, L2 entry) of every entry that is not empty."""
    size, l1_size = image.cluster_size, image.get("l1_size")
    l1_table = image.read(image.get("l1_table_offset"), 8 * l1_size)
    for l1_index in range(l1_size):
        l2_offset = int.from_bytes(l1_table[8 * l1_index:8 * l1_index + 8], "big") & OFFSET_MASK
        if not l2_offset:
            continue
        l2_table = image.read(l2_offset, size)
        for l2_index in range(size // 8):
            entry = int.from_bytes(l2_table[8 * l2_index:8 * l2_index + 8], "big")
            if entry:
                yield (l1_index * (size // 8) + l2_index) * size, entry


def letters(number):
    text = ""
    while True:
        number, digit = divmod(number, 26)
        text = chr(ord("A") + digit) + text
        if number == 0:
            return text
        number -= 1


def main():
    image = Image(sys.argv[1])
    found = list(entries(image))
    owners = Counter(entry & OFFSET_MASK for _, entry in found if entry & OFFSET_MASK)
    wrong = []
    for guest, entry in found:
        host = entry & OFFSET_MASK
        if host and image.refcount(host) != owners[host]:
            wrong.append(f"host cluster {host:#x}: refcount {image.refcount(host)}, owners {owners[host]}")
        if host and bool(entry & COPIED) != (owners[host] == 1):
            wrong.append(f"guest {guest:#x}: COPIED is {bool(entry & COPIED)}, owners {owners[host]}")
    if sys.argv[2:] == ["count"]:
        print(len(owners), sum(owners.values()))
    else:
        names = {}
        for guest, entry in found:
            host = entry & OFFSET_MASK
            if entry & ZERO:
                print(f"{guest:#x} zero")
            else:
                name = names.setdefault(host, letters(len(names)))
                print(f"{guest:#x} {name}, {owners[host]} owner{'s' if owners[host] > 1 else ''}")
    if wrong:
        sys.exit("\n".join(wrong[:20]))


if __name__ == "__main__":
    main()
