#include "collector/getenv_probe.h"

#include <cerrno>
#include <cstdint>
#include <cstring>
#include <string>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <dlfcn.h>
#include <gnu/libc-version.h>
#include <link.h>
#include <sys/syscall.h>
#include <unistd.h>

namespace treadline {
namespace {

constexpr auto uprobe_multi = static_cast<bpf_attach_type>(48); // BPF_TRACE_UPROBE_MULTI, Linux 6.6

struct Functions {
    std::string library;
    std::vector<uint64_t> offsets; // in that file
};

// Where in its file an address of a loaded library lies; 0: not known.
uint64_t file_offset(const void* address) {
    struct Search {
        uintptr_t address;
        uint64_t offset;
    } search{reinterpret_cast<uintptr_t>(address), 0};
    ::dl_iterate_phdr(
        [](dl_phdr_info* library, size_t, void* data) {
            auto& wanted = *static_cast<Search*>(data);
            for (int i = 0; i < library->dlpi_phnum; ++i) {
                const ElfW(Phdr)& part = library->dlpi_phdr[i];
                const uintptr_t start = library->dlpi_addr + part.p_vaddr;
                if (part.p_type == PT_LOAD && wanted.address >= start &&
                    wanted.address < start + part.p_filesz) {
                    wanted.offset = wanted.address - start + part.p_offset;
                    return 1;
                }
            }
            return 0;
        },
        &search);
    return search.offset;
}

result<Functions> find_functions() {
    Dl_info about{};
    // Not by getenv itself, which a sanitizer replaces.
    if (::dladdr(reinterpret_cast<void*>(&::gnu_get_libc_version), &about) == 0 ||
        about.dli_fname == nullptr) {
        return fail("the C library's file is not known");
    }
    Functions found{about.dli_fname, {}};
    void* library = ::dlopen(about.dli_fname, RTLD_LAZY | RTLD_NOLOAD);
    for (const char* name : {"getenv", "secure_getenv"}) {
        const void* address = library == nullptr ? nullptr : ::dlsym(library, name);
        const uint64_t offset = address == nullptr ? 0 : file_offset(address);
        if (offset == 0) {
            return fail(std::string("no ") + name + " in " + about.dli_fname);
        }
        found.offsets.push_back(offset);
    }
    ::dlclose(library);
    return found;
}

// Newer than the oldest libbpf this builds with. Of the two ways the only one that is content with
// CAP_PERFMON.
result<unique_fd> attach_all(int program, const Functions& functions) {
    struct LinkCreate { // the part of union bpf_attr that is used, include/uapi/linux/bpf.h
        uint32_t program, target, attach_type, flags;
        uint64_t path, offsets, reference_counters, cookies;
        uint32_t count, multi_flags, pid, pad;
    } attributes{};
    attributes.program = static_cast<uint32_t>(program);
    attributes.attach_type = uprobe_multi;
    attributes.path = reinterpret_cast<uint64_t>(functions.library.c_str());
    attributes.offsets = reinterpret_cast<uint64_t>(functions.offsets.data());
    attributes.count = static_cast<uint32_t>(functions.offsets.size());
    unique_fd link(static_cast<int>(::syscall(SYS_bpf, BPF_LINK_CREATE, &attributes, sizeof attributes)));
    if (!link) {
        return fail_errno(functions.library);
    }
    return link;
}

} // namespace

void GetenvProbe::FreeLink::operator()(bpf_link* link) const {
    bpf_link__destroy(link);
}

bool GetenvProbe::prepare(bpf_program* program) {
    // Before Linux 6.6 the kernel does not look at it.
    return libbpf_probe_bpf_prog_type(BPF_PROG_TYPE_KPROBE, nullptr) == 1 &&
           bpf_program__set_expected_attach_type(program, uprobe_multi) == 0;
}

result<GetenvProbe> GetenvProbe::attach(bpf_program* program) {
    const Functions functions = TRY(find_functions());
    GetenvProbe probe;
    auto all = attach_all(bpf_program__fd(program), functions);
    if (all) {
        probe.all_ = std::move(*all);
        return probe;
    }
    for (const uint64_t offset : functions.offsets) {
        std::unique_ptr<bpf_link, FreeLink> link(
            bpf_program__attach_uprobe(program, false, -1, functions.library.c_str(), offset));
        if (!link) {
            return fail_errno(functions.library);
        }
        probe.each_.push_back(std::move(link));
    }
    return probe;
}

} // namespace treadline
