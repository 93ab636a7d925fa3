// Recovery: what mends an image after a power cut, before a guest goes on with it.
#ifndef TESTS_CRASH_RECOVERY_H
#define TESTS_CRASH_RECOVERY_H

#include <array>
#include <string>

namespace crash {

enum class Repair { none, leaks, all }; // of a check

struct Recovery {
  // `opening`: our driver opens the image for writing. The checks run first; after them our driver
  // opens it all the same.
  enum class By { opening, check, stock_check };
  By by = By::opening;
  Repair repair = Repair::all;
  bool interrupted = false; // power fails again meanwhile; then a recovery goes to its end
  // The host has no space meanwhile for a longer file. If that is too little, the recovery fails
  // and harms nothing.
  bool full = false;

  constexpr bool is_stock() const { return by == By::stock_check; }
  std::string name() const;
};

// Every kind of recovery; those of stock QEMU come last.
inline constexpr std::array recoveries = {
    Recovery{Recovery::By::opening, Repair::all, false},
    Recovery{Recovery::By::opening, Repair::all, true},
    Recovery{Recovery::By::check, Repair::leaks, false},
    Recovery{Recovery::By::check, Repair::leaks, true},
    Recovery{Recovery::By::check, Repair::all, false},
    Recovery{Recovery::By::check, Repair::all, true},
    Recovery{Recovery::By::opening, Repair::all, true, true},
    Recovery{Recovery::By::check, Repair::all, true, true},
    Recovery{Recovery::By::stock_check, Repair::leaks, false},
    Recovery{Recovery::By::stock_check, Repair::all, false},
};

inline constexpr std::size_t own_recoveries = 8;
inline constexpr std::size_t stock_recoveries = recoveries.size() - own_recoveries;
static_assert(!recoveries[own_recoveries - 1].is_stock() && recoveries[own_recoveries].is_stock());

inline std::string Recovery::name() const {
  std::string name = by == By::opening ? "repair at open"
                     : by == By::check ? "check"
                                       : "stock qemu-img check";
  if (by != By::opening) name += repair == Repair::leaks ? " -r leaks" : " -r all";
  if (full) name += " on a full host";
  return interrupted ? name + ", interrupted" : name;
}

} // namespace crash

#endif
