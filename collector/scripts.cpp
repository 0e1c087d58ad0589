#include "collector/scripts.h"

#include <cstring>
#include <elf.h>
#include <fcntl.h>
#include <link.h>
#include <sys/stat.h>
#include <unistd.h>

namespace treadline {
namespace {

constexpr size_t shebang_max = 256; // BINPRM_BUF_SIZE, Linux 5.1
constexpr size_t elf_max = 4096;    // program headers and the loader's name lie at the front (elf(5))
constexpr int chain_max = 5;

std::string first_bytes(const Start& start, const std::string& path, size_t most) {
    // O_NONBLOCK: the name may have become a FIFO since.
    const auto fd = open_seen(start, path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
    struct stat about {};
    if (!fd || ::fstat(fd->get(), &about) != 0 || !S_ISREG(about.st_mode)) {
        return {};
    }
    std::string bytes(most, '\0');
    const ssize_t got = ::pread(fd->get(), bytes.data(), bytes.size(), 0);
    bytes.resize(got > 0 ? static_cast<size_t>(got) : 0);
    return bytes;
}

} // namespace

std::string shebang(std::string_view first_line) {
    if (first_line.substr(0, 2) != "#!") {
        return {};
    }
    first_line.remove_prefix(2);
    first_line = first_line.substr(0, first_line.find_first_of(std::string_view("\n\0", 2)));
    const size_t start = first_line.find_first_not_of(" \t");
    if (start == std::string_view::npos) {
        return {};
    }
    first_line.remove_prefix(start);
    return std::string(first_line.substr(0, first_line.find_first_of(" \t")));
}

std::vector<std::string> script_interpreters(const std::string& script, const std::string& program,
                                             const Start& start) {
    std::vector<std::string> between;
    std::string at = script;
    for (int i = 0; i < chain_max; ++i) {
        const std::string next = shebang(first_bytes(start, at, shebang_max));
        if (next.empty() || next.front() != '/') {
            break;
        }
        at = resolve(start, next, LastLink::Follow).path;
        if (at == program) {
            break;
        }
        between.push_back(at);
    }
    // The file may have been rewritten since: only a chain that ends where the kernel ended is true.
    if (at != program) {
        between.clear();
    }
    return between;
}

std::string elf_interpreter(std::string_view bytes) {
    ElfW(Ehdr) header{};
    if (bytes.size() < sizeof header || bytes.substr(0, SELFMAG) != ELFMAG) {
        return {};
    }
    std::memcpy(&header, bytes.data(), sizeof header);
    const unsigned char own_class = sizeof(void*) == 8 ? ELFCLASS64 : ELFCLASS32;
    if (header.e_ident[EI_CLASS] != own_class || header.e_phentsize != sizeof(ElfW(Phdr))) {
        return {};
    }
    for (size_t i = 0; i < header.e_phnum; ++i) {
        const size_t at = header.e_phoff + i * sizeof(ElfW(Phdr));
        if (header.e_phoff > bytes.size() || at + sizeof(ElfW(Phdr)) > bytes.size()) {
            return {};
        }
        ElfW(Phdr) part{};
        std::memcpy(&part, bytes.data() + at, sizeof part);
        if (part.p_type == PT_INTERP) {
            if (part.p_offset > bytes.size() || part.p_filesz > bytes.size() - part.p_offset) {
                return {};
            }
            const std::string_view name = bytes.substr(part.p_offset, part.p_filesz);
            return std::string(name.substr(0, name.find('\0')));
        }
    }
    return {};
}

std::string program_loader(const std::string& program, const Start& start) {
    const std::string name = elf_interpreter(first_bytes(start, program, elf_max));
    if (name.empty() || name.front() != '/') {
        return {};
    }
    return resolve(start, name, LastLink::Follow).path;
}

} // namespace treadline
