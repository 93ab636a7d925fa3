// Writes the seed inputs of every target: small real images, and small valid texts.
//
// usage: make-seeds DIRECTORY   makes DIRECTORY/fuzz-open, DIRECTORY/fuzz-check ...
#include "tests/fuzz/patches.h"

#include <cstdio>
#include <filesystem>
#include <fstream>

namespace {

using fuzz::change;
using fuzz::ChangeKind;

std::filesystem::path root;

void write_seed(const std::string& target, const std::string& name, const std::string& text) {
  std::filesystem::create_directories(root / target);
  std::ofstream file(root / target / name, std::ios::binary);
  file.write(text.data(), static_cast<std::streamsize>(text.size()));
  fuzz::require(file.good(), "the seed is written: " + target + "/" + name);
}

void write_all(const std::string& target, const std::vector<std::string>& texts) {
  for (std::size_t i = 0; i < texts.size(); ++i)
    write_seed(target, std::to_string(i), texts[i]);
}

void write_images() {
  for (const fuzz::BaseImage& base : fuzz::base_images()) {
    if (base.content.size() > 256 << 10) continue; // fuzz-l2-refcount has these
    std::string bytes(reinterpret_cast<const char*>(base.content.data()), base.content.size());
    write_seed("fuzz-open", base.name, bytes);
    write_seed("fuzz-check", base.name, bytes);
  }
}

// One change of each kind to each part of each image, and none.
void write_changes(const std::string& target, std::size_t images, std::size_t parts) {
  for (std::size_t image = 0; image < images; ++image)
    for (std::size_t flags = 0; flags < 4; ++flags) {
      std::string head = {static_cast<char>(image), static_cast<char>(flags)};
      std::string name = std::to_string(image) + "-" + std::to_string(flags);
      write_seed(target, name, head);
      for (std::size_t part = 0; part < parts; ++part)
        for (std::size_t kind = 0; kind < fuzz::change_kind_count; ++kind)
          if ((part + kind + image) % 4 == flags)
            write_seed(target, name + "-" + std::to_string(part) + "-" + std::to_string(kind),
                       head + change(part, static_cast<ChangeKind>(kind),
                                     static_cast<std::uint16_t>(part + kind), 2 + part));
    }
}

void write_texts() {
  const std::string whole(1, '\0'), pieces(1, '\3');
  write_all(
      "fuzz-qmp",
      {whole +
           R"({"execute": "qmp_capabilities"}{"execute": "echo", "arguments": {"a": [1, -2, 1.5e3]}})",
       pieces + R"({'execute': 'qmp_capabilities', 'id': 1} {'execute': 'fail', 'id': [[{}]]})",
       whole +
           R"({"execute": "qmp_capabilities", "arguments": {"enable": []}}{"execute": "no-device"})",
       pieces + "{\"execute\": \"qmp_capabilities\"}\n{\"execute\": \"echo\", \"arguments\": "
                "{\"u\": \"\\u00e9\xC3\xA9\\ud83d\\ude00\"}}",
       whole + R"({"execute": "qmp_capabilities"} [1, 2 {]} "text" true 12 {"exec-oob": 1})"});
  auto options = [](char kind, const std::string& text) { return std::string(1, kind) + text; };
  write_all(
      "fuzz-options",
      {options(0, "driver=qcow2,node-name=d,file.driver=file,file.filename=a,,b,read-only=on"),
       options(0, "driver=raw,offset=512,size=4k,file.driver=null-co,file.size=1G"),
       options(0, "driver=blklogwrites,file.filename=a,log.filename=b,log-append=on"),
       options(0, "driver=qcow2,file.filename=x,backing=,dedup-verify=on,l2-cache-size=0x1000"),
       options(
           1,
           R"({"driver": "qcow2", "node-name": "d", "file": {"driver": "file", "filename": "x"}})"),
       options(1,
               R"({"driver": "null-co", "size": 1073741824, "read-only": true, "backing": null})"),
       options(2, "1.5M"), options(2, "0x7fffffffffffffff"), options(2, "16E"),
       options(2, "nbd://host/x"), options(2, "../b.qcow2"),
       options(3, R"(json:{"driver": "raw", "file": {"driver": "file", "filename": "x"}})"),
       options(3, "file:disk.qcow2"), options(4, "driver=raw,file.filename=x"),
       options(5, "blockdev driver=qcow2,node-name=d,file.driver=file,file.filename=x\n"
                  "export type=nbd,id=e,node-name=d,writable=on\n"
                  "nbd-server addr.type=inet,addr.host=localhost,addr.port=10809,parallel=on\n"
                  "chardev socket,id=c,path=/tmp/x,server=on,wait=off\nmonitor chardev=c\n"
                  "object tls-creds-psk,id=t,dir=/tmp,endpoint=server\npidfile p"),
       options(
           5,
           "blockdev {\"driver\": \"raw\", \"node-name\": \"d\", \"file\": \"f\"}\nmodule m.so")});
}

} // namespace

int main(int argc, char** argv) {
  if (argc != 2) {
    std::fprintf(stderr, "usage: make-seeds DIRECTORY\n");
    return 1;
  }
  root = argv[1];
  write_images();
  write_changes("fuzz-l2-refcount", fuzz::base_images().size(), fuzz::part_count);
  write_changes("fuzz-dedup-table", fuzz::dedup_images().size(), 4);
  write_texts();
  return 0;
}
