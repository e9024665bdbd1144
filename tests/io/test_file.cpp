// SPDX-License-Identifier: MIT
#include <moeclip/io/file.hpp>
#include <moeclip/io/file/system.hpp>

#include <doctest/doctest.h>

#include <string>
#include <vector>

#if !defined(_WIN32)
#include <sys/resource.h>

#include <csignal>
#endif

using namespace moeclip;

namespace {

/// A folder of its own for one test; goes with everything in it.
class Folder {
 public:
  explicit Folder(const std::string& name)
      : path_(join_path(detail::utf8_path(std::filesystem::temp_directory_path()),
                        concat("moeclip-", detail::process_id(), "-", name))) {
    create_directories(path_);
  }
  ~Folder() { std::filesystem::remove_all(detail::native_path(path_)); }
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;

  [[nodiscard]] std::string operator/(const std::string& name) const { return join_path(path_, name); }
  [[nodiscard]] const std::string& path() const { return path_; }

 private:
  std::string path_;
};

std::string text_of(const std::string& path) { return std::string(as_text(read_file(path, 1 << 24))); }

/// Message of the io error that `action` ends in; "" if it ends in none.
template <class Action>
std::string io_error(Action action) {
  try {
    action();
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::io);
    return error.what();
  }
  return "";
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

// German, Greek, Japanese, an emoji, and a space.
const std::string kForeign =
    "Gr\xC3\xB6\xC3\x9F"
    "e \xCE\xB1 \xE6\x97\xA5 \xF0\x9F\x94\xA5.Txt";

}  // namespace

TEST_CASE("file: what was written is read, also under a name in any script") {
  const Folder folder("write");
  for (const std::string& name : {std::string("plain.bin"), kForeign}) {
    const std::string path = folder / name;
    CHECK_FALSE(file_exists(path));
    write_file(path, as_bytes("first"));
    CHECK(file_exists(path));
    CHECK(text_of(path) == "first");
    write_file(path, as_bytes("the second, longer"));
    CHECK(text_of(path) == "the second, longer");
    write_file(path, {});
    CHECK(text_of(path).empty());
    CHECK(as_text(MappedFile::open(path)->bytes()).empty());
  }
  CHECK(list_files(folder.path()) == std::vector<std::string>{folder / kForeign, folder / "plain.bin"});
}

TEST_CASE("file: a mapping can be written to without changing the file") {
  const Folder folder("map");
  const std::string path = folder / kForeign;
  const std::string content(100000, 'x');
  write_file(path, as_bytes(content));
  const auto file = MappedFile::open(path);
  CHECK(file->path() == path);
  CHECK(file->size() == content.size());
  CHECK(as_text(file->bytes()) == content);
  file->data()[7] = std::byte{'y'};
  CHECK(as_text(file->bytes())[7] == 'y');
  CHECK(text_of(path) == content);
  file->discard(50000, 50000);  // what lies before must stay, changed byte and all
  CHECK(as_text(file->bytes().first(49152)) == content.substr(0, 7) + 'y' + content.substr(8, 49144));
  file->discard(0, ~std::uint64_t{0});  // nonsense is no harm
  file->discard(5, 1);
  file->discard(content.size(), 0);
}

TEST_CASE("file: reading stops at the limit") {
  const Folder folder("limit");
  const std::string path = folder / "ten";
  write_file(path, as_bytes("0123456789"));
  CHECK(read_file(path, 10).size() == 10);
  try {
    static_cast<void>(read_file(path, 9));
    CHECK(false);
  } catch (const Error& error) {
    CHECK(error.code() == ErrorCode::limit);
  }
}

TEST_CASE("file: what is wrong with a path is said") {
  const Folder folder("errors");
  const std::string missing = folder / "missing";
  const std::string deeper = folder / "no folder/file";
  const std::string zero("zero\0byte", 9);
  for (const bool is_mapping : {false, true}) {
    const auto open = [&](const std::string& path) {
      return io_error([&] {
        if (is_mapping) {
          MappedFile::open(path);
        } else {
          static_cast<void>(read_file(path, 1));
        }
      });
    };
    CHECK(open(missing) == missing + ": no such file");
    CHECK(open(deeper) == deeper + ": no such file");
    CHECK(contains(open(folder.path()), "is a directory"));
    CHECK(contains(open(zero), "zero byte"));
    CHECK(open("") != "");
  }
  CHECK(contains(io_error([&] { write_file(folder.path(), {}); }), "is a directory"));
  CHECK(contains(io_error([&] { write_file(deeper, {}); }), deeper + ": cannot be written: "));
  CHECK(contains(io_error([&] { list_files(missing); }), missing + ": cannot be listed: "));
  write_file(missing, {});
  CHECK(contains(io_error([&] { list_files(missing); }), "cannot be listed"));
  CHECK(contains(io_error([&] { create_directories(missing); }), "cannot be created"));
  CHECK(contains(io_error([&] { create_directories(missing + "/below"); }), "cannot be created"));
  CHECK_FALSE(is_directory(missing));
  CHECK_FALSE(file_exists(folder.path()));
}

TEST_CASE("file: a writer that does not commit leaves nothing behind") {
  const Folder folder("abandon");
  const std::string path = folder / "file";
  write_file(path, as_bytes("old"));
  {
    FileWriter writer(path);
    writer.write(as_bytes("new"));
    CHECK(list_files(folder.path()).size() == 2);
  }
  CHECK(list_files(folder.path()) == std::vector<std::string>{path});
  CHECK(text_of(path) == "old");
  FileWriter one(path);
  FileWriter other(path);  // two at a time do not meet
  one.write(as_bytes("o"));
  other.write(as_bytes("other"));
  one.write(as_bytes("ne"));
  other.commit();
  one.commit();
  CHECK(text_of(path) == "one");
  CHECK_THROWS_AS(one.write(as_bytes("more")), Error);
  CHECK_THROWS_AS(one.commit(), Error);
  CHECK(list_files(folder.path()) == std::vector<std::string>{path});
}

TEST_CASE("file: folders, and what is in them") {
  const Folder folder("list");
  create_directories(folder / "b/c");
  create_directories(folder / "b/c");
  CHECK(is_directory(folder / "b/c"));
  for (const char* name : {"z", "b/y", "b/c/x", "a"}) write_file(folder / name, {});
  CHECK(list_files(folder.path()) == std::vector<std::string>{folder / "a", folder / "z"});
  CHECK(list_files(folder / "b") == std::vector<std::string>{folder / "b/y"});
}

TEST_CASE("file: parts of a path") {
  CHECK(file_name("a/b/c.TXT") == "c.TXT");
  CHECK(file_name("a/b/") == "");
  CHECK(file_extension("a/c.TXT") == ".txt");
  CHECK(file_extension("a.b/c.txt.gz") == ".gz");
  CHECK(file_extension(".profile") == "");
  CHECK(file_extension("a.b/c") == "");
  CHECK(file_extension(kForeign) == ".txt");
  CHECK(parent_directory("a/b/c") == "a/b");
  CHECK(parent_directory("c") == ".");
  CHECK(join_path("a", "b") == "a/b");
  CHECK(join_path("a/", "b") == "a/b");
  CHECK(join_path("", "b") == "b");
  CHECK(join_path(parent_directory("x/model.json"), "part.bin") == "x/part.bin");
  CHECK(is_directory(executable_directory()));
}

#if !defined(_WIN32)

TEST_CASE("file: a disk that takes no more") {
  const Folder folder("full");
  const std::string path = folder / "file";
  write_file(path, as_bytes("old"));
  const std::vector<std::byte> large(1 << 20);
  {
    // A limit on the size of files stands for a full disk.
    std::signal(SIGXFSZ, SIG_IGN);
    rlimit before{};
    getrlimit(RLIMIT_FSIZE, &before);
    rlimit small = before;
    small.rlim_cur = 1000;
    setrlimit(RLIMIT_FSIZE, &small);
    const std::string at_once = io_error([&] { write_file(path, large); });
    const std::string at_last = io_error([&] { write_file(path, Bytes(large).first(1500)); });  // fits the buffer
    const std::string at_rewrite = io_error([&] {  // which meets the full disk before the end of the file does
      FileWriter writer(path);
      writer.write(Bytes(large).first(1500));
      writer.rewrite(0, Bytes(large).first(1));
      writer.commit();
    });
    setrlimit(RLIMIT_FSIZE, &before);
    std::signal(SIGXFSZ, SIG_DFL);
    CHECK(contains(at_rewrite, path + ": cannot be written: "));
    CHECK(contains(at_once, path + ": cannot be written: "));
    CHECK(contains(at_last, path + ": cannot be written: "));
  }
  CHECK(list_files(folder.path()) == std::vector<std::string>{path});
  CHECK(text_of(path) == "old");
  if (file_exists("/dev/full")) {
    CHECK(contains(io_error([&] { write_file("/dev/full", large); }), "/dev/full: cannot be written: "));
    CHECK(contains(io_error([&] { write_file("/dev/full", as_bytes("x")); }), "/dev/full: cannot be written: "));
  }
}

TEST_CASE("file: links, devices, pipes, permissions") {
  const Folder folder("special");
  const std::string target = folder / "target";
  const std::string link = folder / "link";
  write_file(target, as_bytes("old"));
  std::filesystem::permissions(target, std::filesystem::perms(0640));
  std::filesystem::create_symlink("target", link);
  write_file(link, as_bytes("new"));  // goes to the target, which keeps its permissions
  CHECK(std::filesystem::is_symlink(link));
  CHECK(text_of(target) == "new");
  CHECK(std::filesystem::status(target).permissions() == std::filesystem::perms(0640));
  std::filesystem::create_symlink("nowhere", folder / "broken");
  CHECK(contains(io_error([&] { MappedFile::open(folder / "broken"); }), "no such file"));
  std::filesystem::create_symlink(".", folder / "loop");
  CHECK(list_files(folder.path()) == std::vector<std::string>{link, target});

  write_file("/dev/null", as_bytes("gone"));
  CHECK(std::filesystem::is_character_file("/dev/null"));
  CHECK(read_file("/dev/null", 1).empty());
  CHECK(contains(io_error([&] { MappedFile::open("/dev/null"); }), "a regular file is wanted"));
  const std::string pipe = folder / "pipe";
  REQUIRE(mkfifo(pipe.c_str(), 0600) == 0);
  CHECK(contains(io_error([&] { MappedFile::open(pipe); }), "a regular file is wanted"));
  CHECK(read_file("/proc/self/status", 1 << 20).size() > 100);  // says that its size is 0

  if (geteuid() == 0) return;  // root may do everything
  std::filesystem::permissions(target, std::filesystem::perms(0));
  CHECK(contains(io_error([&] { MappedFile::open(target); }), target + ": cannot be opened: "));
  CHECK(contains(io_error([&] { static_cast<void>(read_file(target, 1)); }), target + ": cannot be opened: "));
}

#endif
