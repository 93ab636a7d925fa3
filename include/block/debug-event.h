// Events inside a format driver. The driver reports each event to its child "file", where the
// filter blkdebug can fail or hold the request.
//
// The names are those of QEMU's BlkdebugEvent; names with dedup_ are added here. An event is
// reported on the thread of its request, right before the action that it names.
#ifndef BLOCK_DEBUG_EVENT_H
#define BLOCK_DEBUG_EVENT_H

#include <string_view>

namespace block {

enum class DebugEvent {
  read_aio,                    // guest data is read from the file
  read_backing_aio,            // guest data is read from the backing file
  write_aio,                   // guest data is written to the file
  cow_read,                    // the rest of a partly written cluster is read
  flush_to_os,                 // a flush begins, before any metadata is written
  flush_to_disk,               // the file is flushed
  pwritev,                     // anything is written to the file
  pwritev_zero,                // zeros are written to the file
  l1_update,                   // entries of the L1 table are written
  l1_grow_alloc_table,         // the disk grows: clusters for a longer L1 table are sought
  l1_grow_write_table,         // the longer L1 table is written
  l1_grow_activate_table,      // the header with the table's new offset is written
  l2_load,                     // an L2 table is read
  l2_update,                   // entries of L2 tables are written
  l2_alloc_write,              // a new L2 table is written
  refblock_load,               // a refcount block is read
  refblock_update_part,        // refcounts are written
  refblock_alloc,              // a refcount block is needed where there is none
  refblock_alloc_write,        // the new refcount block is written
  refblock_alloc_hookup,       // the refcount table's entry for it is written
  refblock_alloc_write_blocks, // the refcount table grows: the blocks that count it are written
  refblock_alloc_write_table,  // the longer refcount table is written
  refblock_alloc_switch_table, // the header with the table's new offset is written
  cluster_alloc,               // free clusters are sought
  cluster_free,                // refcounts are lowered
  dedup_block_load,            // a hash block is read
  dedup_block_update,          // hash blocks and the dedup table's L1 are written
  dedup_found, // a duplicate was found and its reference counted; it is not linked yet
  dedup_link,  // data is written and references are counted; the L2 entries come next
  dedup_scan,  // the scan has read clusters and shared none of them yet
};

struct DebugEventInfo {
  DebugEvent event;
  std::string_view name;
  // true: a request may be held at this event, because it holds only its own guest clusters.
  // Requests that touch none of them continue. At any other event the request may hold a lock that
  // all others need.
  bool can_hold;
};

inline constexpr DebugEventInfo debug_events[] = {
    {DebugEvent::read_aio, "read_aio", true},
    {DebugEvent::read_backing_aio, "read_backing_aio", true},
    {DebugEvent::write_aio, "write_aio", true},
    {DebugEvent::cow_read, "cow_read", true},
    {DebugEvent::flush_to_os, "flush_to_os", true},
    {DebugEvent::flush_to_disk, "flush_to_disk", false},
    {DebugEvent::pwritev, "pwritev", false},
    {DebugEvent::pwritev_zero, "pwritev_zero", false},
    {DebugEvent::l1_update, "l1_update", false},
    {DebugEvent::l1_grow_alloc_table, "l1_grow_alloc_table", false},
    {DebugEvent::l1_grow_write_table, "l1_grow_write_table", false},
    {DebugEvent::l1_grow_activate_table, "l1_grow_activate_table", false},
    {DebugEvent::l2_load, "l2_load", false},
    {DebugEvent::l2_update, "l2_update", false},
    {DebugEvent::l2_alloc_write, "l2_alloc_write", false},
    {DebugEvent::refblock_load, "refblock_load", false},
    {DebugEvent::refblock_update_part, "refblock_update_part", false},
    {DebugEvent::refblock_alloc, "refblock_alloc", false},
    {DebugEvent::refblock_alloc_write, "refblock_alloc_write", false},
    {DebugEvent::refblock_alloc_hookup, "refblock_alloc_hookup", false},
    {DebugEvent::refblock_alloc_write_blocks, "refblock_alloc_write_blocks", false},
    {DebugEvent::refblock_alloc_write_table, "refblock_alloc_write_table", false},
    {DebugEvent::refblock_alloc_switch_table, "refblock_alloc_switch_table", false},
    {DebugEvent::cluster_alloc, "cluster_alloc", false},
    {DebugEvent::cluster_free, "cluster_free", false},
    {DebugEvent::dedup_block_load, "dedup_block_load", false},
    {DebugEvent::dedup_block_update, "dedup_block_update", false},
    {DebugEvent::dedup_found, "dedup_found", true},
    {DebugEvent::dedup_link, "dedup_link", true},
    {DebugEvent::dedup_scan, "dedup_scan", true},
};

// Returns null if there is no event of that name.
constexpr const DebugEventInfo* find_debug_event(std::string_view name) {
  for (const DebugEventInfo& info : debug_events)
    if (info.name == name) return &info;
  return nullptr;
}

} // namespace block

#endif
