// Checks what a driver returned against the contract in driver.h. Debug builds (Meson's b_ndebug)
// end the process at a fault, before its consequences hide which driver made it.
#ifndef BLOCK_NODE_DRIVER_ANSWER_H
#define BLOCK_NODE_DRIVER_ANSWER_H

#include "block/node.h"

#include <cstdint>

namespace block {

#ifdef NDEBUG
inline constexpr bool driver_answers_are_checked = false;
#else
inline constexpr bool driver_answers_are_checked = true;
#endif

// These return what the contract forbids in an answer, as the end of the sentence "the driver
// returned ..."; null = no fault.
const char* fault_of(const Error& error);
// `bytes`: the length of the range that the status was asked for.
const char* fault_of(const BlockStatus& status, std::uint64_t bytes, const Node& node);

// Ends the process if `fault` is not null. `entry`: the name of the driver's entry.
void expect_no_fault(const char* fault, const char* entry, const Node& node);

} // namespace block

#endif
