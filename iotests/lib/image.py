#!/usr/bin/env python3
"""Looks into qcow2 files and changes single fields, independently of the code under test.

usage: image.py header FILE                  every header field and extension
       image.py get FILE FIELD               one header field, in decimal
       image.py set FILE FIELD VALUE         changes one header field
       image.py peek FILE OFFSET BYTES       a big-endian number, in hex
       image.py poke FILE OFFSET BYTES VALUE writes a big-endian number
       image.py l2-entry FILE GUEST-OFFSET   place of the L2 entry in the file, in decimal
       image.py refcount FILE HOST-OFFSET    stored refcount of a cluster
       image.py dedup FILE                   the dedup header extension and the size of its table
       image.py table-clusters FILE          host clusters that the dedup table occupies
       image.py table-entry FILE CLUSTER     place in the file of a host cluster's entry in the dedup table, in decimal
"""
import hashlib
import struct
import sys

# name: (offset, bytes)
FIELDS = {
    "magic": (0, 4), "version": (4, 4), "backing_file_offset": (8, 8), "backing_file_size": (16, 4),
    "cluster_bits": (20, 4), "size": (24, 8), "crypt_method": (32, 4), "l1_size": (36, 4),
    "l1_table_offset": (40, 8), "refcount_table_offset": (48, 8), "refcount_table_clusters": (56, 4),
    "nb_snapshots": (60, 4), "snapshots_offset": (64, 8), "incompatible_features": (72, 8),
    "compatible_features": (80, 8), "autoclear_features": (88, 8), "refcount_order": (96, 4), "header_length": (100, 4),
}
DEDUP_EXTENSION = 0xCD8E819B
HASH_BLOCK = 65536
ENTRY_BYTES = 40
ENTRIES = HASH_BLOCK // ENTRY_BYTES
OFFSET_MASK = 0x00FFFFFFFFFFFE00


class Image:
    def __init__(self, path, writable=False):
        self.file = open(path, "r+b" if writable else "rb")

    def read(self, offset, length):
        self.file.seek(offset)
        return self.file.read(length)

    def number(self, offset, length):
        return int.from_bytes(self.read(offset, length), "big")

    def write(self, offset, data):
        self.file.seek(offset)
        self.file.write(data)
        self.file.flush()

    def get(self, field):
        return self.number(*FIELDS[field])

    def set(self, field, value):
        offset, length = FIELDS[field]
        self.write(offset, (value % (1 << 8 * length)).to_bytes(length, "big"))

    @property
    def cluster_size(self):
        return 1 << self.get("cluster_bits")

    def extensions(self):
        """(type, offset of the data, data) of every header extension."""
        offset, found = self.get("header_length"), []
        while offset + 8 <= self.cluster_size:
            kind, length = struct.unpack(">II", self.read(offset, 8))
            if kind == 0:
                break
            found.append((kind, offset + 8, self.read(offset + 8, length)))
            offset += 8 + (length + 7) // 8 * 8
        return found

    def l2_entry_offset(self, guest_offset):
        entries = self.cluster_size // 8
        cluster = guest_offset // self.cluster_size
        l2_table = self.number(self.get("l1_table_offset") + 8 * (cluster // entries), 8) & OFFSET_MASK
        if l2_table == 0:
            raise SystemExit(f"no L2 table for guest offset {guest_offset}")
        return l2_table + 8 * (cluster % entries)

    def refcount(self, host_offset):
        bits = 1 << self.get("refcount_order")
        entries = self.cluster_size * 8 // bits
        index = host_offset // self.cluster_size
        block = self.number(self.get("refcount_table_offset") + 8 * (index // entries), 8)
        if block == 0:
            return 0
        if bits >= 8:
            return self.number(block + index % entries * bits // 8, bits // 8)
        byte = self.number(block + index % entries * bits // 8, 1)
        return byte >> (index % entries * bits % 8) & ((1 << bits) - 1)

    def set_refcount(self, host_offset, count):
        """Of an image with refcounts of 16 bits, where that cluster is counted."""
        cluster_size = self.cluster_size
        index = host_offset // cluster_size
        block = self.number(self.get("refcount_table_offset") + 8 * (index // (cluster_size // 2)), 8)
        self.write(block + index % (cluster_size // 2) * 2, count.to_bytes(2, "big"))

    def dedup(self):
        """The fields of the dedup extension, or None."""
        for kind, _, data in self.extensions():
            if kind == DEDUP_EXTENSION:
                offset, size, algorithm, strategies = struct.unpack(">QIBB", data[:14])
                file_end, digest = struct.unpack(">QQ", data[22:38])
                return {"length": len(data), "l1_offset": offset, "l1_size": size, "algorithm": algorithm,
                        "strategies": strategies, "file_end": file_end, "tables_digest": digest,
                        "reserved_zero": not any(data[38:54])}
        return None

    def dedup_place(self):
        """Offset in the file of the dedup extension's data."""
        return next(offset for kind, offset, _ in self.extensions() if kind == DEDUP_EXTENSION)

    def place_dedup_table(self, offset, pointers):
        """Names another L1 of the dedup table, with so many pointers."""
        self.write(self.dedup_place(), struct.pack(">QI", offset, pointers))

    def record_tables(self):
        """Enters the digest of the tables as they are, as a clean end does: otherwise a writer gives the dedup table up."""
        dedup = self.dedup()
        digest = hashlib.sha256(self.read(self.get("l1_table_offset"), 8 * self.get("l1_size")))
        digest.update(self.read(self.get("refcount_table_offset"), self.get("refcount_table_clusters") << self.get("cluster_bits")))
        digest.update(self.read(dedup["l1_offset"], 8 * dedup["l1_size"]))
        self.write(self.dedup_place() + 30, digest.digest()[:8])

    def hash_blocks(self):
        """Host offsets of the hash blocks that exist."""
        dedup = self.dedup()
        if not dedup or not dedup["l1_offset"]:
            return []
        offsets = struct.unpack(f">{dedup['l1_size']}Q", self.read(dedup["l1_offset"], 8 * dedup["l1_size"]))
        return [offset for offset in offsets if offset]

    def table_entry(self, cluster):
        """Place in the file of the entry of a host cluster; its hash block must exist."""
        pointer = self.dedup()["l1_offset"] + 8 * (cluster // ENTRIES)
        block = self.number(pointer, 8)
        if block == 0:
            raise SystemExit(f"no hash block for host cluster {cluster}")
        return block + ENTRY_BYTES * (cluster % ENTRIES)

    def table_clusters(self):
        """Host clusters that belong to the dedup table: its L1 and its hash blocks."""
        dedup, clusters = self.dedup(), set()
        if not dedup or not dedup["l1_offset"]:
            return clusters
        runs = [(dedup["l1_offset"], 8 * dedup["l1_size"])] + [(offset, HASH_BLOCK) for offset in self.hash_blocks()]
        for offset, length in runs:
            clusters.update(range(offset // self.cluster_size, (offset + length - 1) // self.cluster_size + 1))
        return clusters


def main():
    verb, path, *rest = sys.argv[1:]
    image = Image(path, writable=verb in ("set", "poke"))
    numbers = [int(word, 0) for word in rest if word not in FIELDS]
    if verb == "header":
        for field in FIELDS:
            print(f"{field:24}{image.get(field):#x}")
        for kind, _, data in image.extensions():
            print(f"extension {kind:#010x}    {len(data)} bytes")
    elif verb == "get":
        print(image.get(rest[0]))
    elif verb == "set":
        image.set(rest[0], numbers[0])
    elif verb == "peek":
        print(f"{image.number(*numbers):#x}")
    elif verb == "poke":
        offset, length, value = numbers
        image.write(offset, (value % (1 << 8 * length)).to_bytes(length, "big"))
    elif verb == "l2-entry":
        print(image.l2_entry_offset(numbers[0]))
    elif verb == "refcount":
        print(image.refcount(numbers[0]))
    elif verb == "dedup":
        dedup = image.dedup()
        print("no dedup extension" if dedup is None else " ".join(f"{key}={value}" for key, value in dedup.items()))
    elif verb == "table-clusters":
        print(len(image.table_clusters()))
    elif verb == "table-entry":
        print(image.table_entry(numbers[0]))
    else:
        sys.exit(__doc__)


if __name__ == "__main__":
    main()
