// Owning pointers for GLib objects, which release them at the end of the scope.
#ifndef MONITOR_GLIB_HANDLE_H
#define MONITOR_GLIB_HANDLE_H

#include <gio/gio.h>
#include <memory>

namespace monitor {

struct ObjectRelease {
  void operator()(gpointer object) const { g_object_unref(object); }
};
template <typename T>
using ObjectHandle = std::unique_ptr<T, ObjectRelease>;

struct ErrorRelease {
  void operator()(GError* error) const { g_error_free(error); }
};
using ErrorHandle = std::unique_ptr<GError, ErrorRelease>;

// Detaches a source from its context and releases it.
struct SourceRelease {
  void operator()(GSource* source) const {
    g_source_destroy(source);
    g_source_unref(source);
  }
};
using SourceHandle = std::unique_ptr<GSource, SourceRelease>;

} // namespace monitor

#endif
