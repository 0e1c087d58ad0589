#include "collector/probes.h"

#include <algorithm>
#include <array>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <optional>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <unistd.h>

#include "base/syscalls.h"
#include "collector/call_table.h"
#include "collector/event_view.h"
#include "collector/getenv_probe.h"
#include "collector/io_uring_probes.h"
#include "collector/tracing_support.h"

#include "probes.skel.h"
#include "probes_without_cast.skel.h"

namespace treadline {
namespace {

constexpr std::array<const char*, TL_LOSS_COUNT> cause_names = {"ring full",
                                                                "path too deep",
                                                                "user memory unreadable",
                                                                "no memory to follow a task",
                                                                "other user's process",
                                                                "compat system calls",
                                                                "io_uring",
                                                                "descriptor closed meanwhile",
                                                                "too many messages",
                                                                "environment unreadable",
                                                                "probes interrupted one another",
                                                                "io_uring requests"};

// libbpf's own words about the last failure, for the sentence; it prints nothing by itself.
std::string last_words;

int keep_words(enum libbpf_print_level level, const char* format, va_list arguments) {
    if (level == LIBBPF_WARN) {
        char line[512];
        std::vsnprintf(line, sizeof line, format, arguments);
        const std::string_view text(line);
        if (text.size() < 200 && last_words.size() < 1000) {
            last_words += text;
        }
    }
    return 0;
}

template <typename Element>
struct Unmap {
    void operator()(const Element* elements) const {
        ::munmap(const_cast<Element*>(elements), TL_SEEN_LINES * sizeof(Element));
    }
};

// TL_SEEN_LINES elements of an array that may be mapped.
template <typename Element>
result<std::unique_ptr<const Element, Unmap<Element>>> map_array(int map) {
    void* memory = ::mmap(nullptr, TL_SEEN_LINES * sizeof(Element), PROT_READ, MAP_SHARED, map, 0);
    if (memory == MAP_FAILED) {
        return fail_errno("cannot read the repeat counts");
    }
    return std::unique_ptr<const Element, Unmap<Element>>(static_cast<const Element*>(memory));
}

// The object for kernels with the cast or the one for those without, which have the same programs and maps.
// Null with errno set.
probes* open_probes(bool casts) {
    if (casts) {
        return probes__open();
    }
    auto* opened = static_cast<probes*>(std::calloc(1, sizeof(probes)));
    if (opened == nullptr) {
        return nullptr;
    }
    int status = probes__create_skeleton(opened);
    if (status == 0) {
        opened->skeleton->data =
            const_cast<void*>(probes_without_cast__elf_bytes(&opened->skeleton->data_sz)); // C's signature
        status = bpf_object__open_skeleton(opened->skeleton, nullptr);
    }
    if (status != 0) {
        probes__destroy(opened);
        errno = -status;
        return nullptr;
    }
    return opened;
}

} // namespace

struct Probes::Loaded {
    struct DestroySkeleton {
        void operator()(probes* object) const { probes__destroy(object); }
    };
    struct FreeRing {
        void operator()(ring_buffer* buffer) const { ring_buffer__free(buffer); }
    };
    std::unique_ptr<probes, DestroySkeleton> skeleton;
    std::unique_ptr<ring_buffer, FreeRing> ring;
    std::vector<std::string> attached;
    std::optional<GetenvProbe> getenv;
    std::string getenv_problem;
    ProbeChoice choice;
    const OnRecord* on_record = nullptr;
    result<ok> outcome = ok{};

    // 0 or a negative errno.
    int load() {
        skeleton.reset(open_probes(choice.casts));
        if (!skeleton) {
            return -errno;
        }
        auto& settings = *skeleton->rodata;
        if (::getrandom(&settings.hash_seed, sizeof settings.hash_seed, 0) != sizeof settings.hash_seed) {
            return -errno;
        }
        const std::string_view hooks = choice.set == ProbeSet::BpfLsm   ? "lsm_"
                                       : choice.set == ProbeSet::Fentry ? "fentry_"
                                                                        : "";
        settings.security_hooks = !hooks.empty();
        const auto& requests = choice.request_programs;
        settings.io_uring_seen = !requests.empty();
        attached.clear();
        const auto table = call_table();
        std::memcpy(&settings.calls, table.data(), sizeof table);
        bpf_program* program = nullptr;
        bpf_object__for_each_program(program, skeleton->obj) {
            const std::string_view name = bpf_program__name(program);
            if ((!hooks.empty() && name.substr(0, hooks.size()) == hooks) ||
                std::find(requests.begin(), requests.end(), name) != requests.end()) {
                bpf_program__set_autoload(program, true);
            }
            if (name == "on_getenv") {
                // Not of the certificate's hooks: without it, variables are known to be present, not to be
                // read.
                bpf_program__set_autoload(program, GetenvProbe::prepare(program));
            } else if (bpf_program__autoload(program)) {
                attached.emplace_back(name);
            }
        }
        return probes__load(skeleton.get());
    }

    static int receive(void* context, void* data, size_t size) {
        auto* self = static_cast<Loaded*>(context);
        self->outcome = (*self->on_record)({static_cast<const char*>(data), size});
        return self->outcome ? 0 : -ECANCELED;
    }
};

Probes::Probes(std::unique_ptr<Loaded> loaded) : loaded_(std::move(loaded)) {}
Probes::Probes(Probes&&) noexcept = default;
Probes& Probes::operator=(Probes&&) noexcept = default;
Probes::~Probes() = default;

result<Probes> Probes::load() {
    const TracingSupport support = inspect_tracing();
    TRY(check_tracing(support));
    last_words.clear();
    libbpf_set_print(keep_words);
    const auto refused = [&](int code, const std::string& what) {
        return fail_code(code,
                         "kernel " + support.kernel + " refuses the probes (" + what +
                             (last_words.empty() ? "" : ": " + last_words.substr(0, last_words.find('\n'))) +
                             "); tracing needs Linux 5.17 or newer with CONFIG_DEBUG_INFO_BTF=y and "
                             "CONFIG_BPF_SYSCALL=y");
    };
    auto loaded = std::make_unique<Loaded>();
    loaded->choice = choose_probe_set();
    int status = loaded->load();
    if (status != 0 && !loaded->choice.request_programs.empty()) {
        // The structures of io_uring change most from kernel to kernel. Without its programs, a run that uses
        // it is partial.
        last_words.clear();
        loaded->choice.request_programs.clear();
        status = loaded->load();
    }
    if (status != 0) {
        return refused(-status, "loading");
    }
    status = probes__attach(loaded->skeleton.get());
    if (status != 0) {
        return refused(-status, "attaching");
    }
    if (!bpf_program__autoload(loaded->skeleton->progs.on_getenv)) {
        loaded->getenv_problem = "this kernel has no uprobes";
    } else if (auto probe = GetenvProbe::attach(loaded->skeleton->progs.on_getenv)) {
        loaded->getenv = std::move(*probe);
    } else {
        loaded->getenv_problem = probe.error().message();
    }
    loaded->ring.reset(
        ring_buffer__new(bpf_map__fd(loaded->skeleton->maps.events), Loaded::receive, loaded.get(), nullptr));
    if (!loaded->ring) {
        return refused(errno, "the ring buffer");
    }
    return Probes(std::move(loaded));
}

void Probes::watch(uid_t user) {
    loaded_->skeleton->bss->watched_uid = user;
}

result<ok> Probes::follow(int pidfd, const tl_task& state) {
    if (bpf_map_update_elem(bpf_map__fd(loaded_->skeleton->maps.tasks), &pidfd, &state, BPF_ANY) != 0) {
        return fail_errno("cannot follow the command's task");
    }
    return ok{};
}

int Probes::poll_fd() const {
    return ring_buffer__epoll_fd(loaded_->ring.get());
}

result<ok> Probes::consume(const OnRecord& on_record) {
    loaded_->on_record = &on_record;
    loaded_->outcome = ok{};
    const int status = ring_buffer__consume(loaded_->ring.get());
    loaded_->on_record = nullptr;
    if (!loaded_->outcome) {
        return loaded_->outcome;
    }
    if (status < 0) {
        return fail_code(-status, "cannot read the probes' records");
    }
    return ok{};
}

result<ok> Probes::report_living() {
    const unique_fd iterator(bpf_iter_create(bpf_link__fd(loaded_->skeleton->links.still_living)));
    if (!iterator) {
        return fail_errno("cannot ask for the tasks that still live");
    }
    TRY(sys::read_all(iterator.get()));
    return ok{};
}

result<ok> Probes::read_repeats(const OnRepeats& on_repeats) {
    const auto& maps = loaded_->skeleton->maps;
    const auto lines = TRY(map_array<tl_seen_line>(bpf_map__fd(maps.seen)));
    const auto counts = TRY(map_array<tl_repeat_counts>(bpf_map__fd(maps.repeat_counts)));
    for (size_t line = 0; line < TL_SEEN_LINES; ++line) {
        for (size_t way = 0; way < TL_SEEN_WAYS; ++way) {
            const uint64_t access = lines.get()[line].accesses[way];
            if ((access & TL_SEEN_COUNTED) != 0) {
                TRY(on_repeats(access & ~TL_SEEN_COUNTED, counts.get()[line].ways[way]));
            }
        }
    }
    return ok{};
}

result<std::vector<uint64_t>> Probes::sent() const {
    const int cpus = libbpf_num_possible_cpus();
    if (cpus < 1) {
        return fail_code(-cpus, "cannot count the processors");
    }
    std::vector<uint64_t> counts(static_cast<size_t>(cpus));
    const uint32_t zero = 0;
    if (bpf_map_lookup_elem(bpf_map__fd(loaded_->skeleton->maps.sequences), &zero, counts.data()) != 0) {
        return fail_errno("cannot read the sequence numbers");
    }
    return counts;
}

result<std::map<std::string, uint64_t>> Probes::losses() const {
    std::map<std::string, uint64_t> lost;
    const int cpus = libbpf_num_possible_cpus();
    if (cpus < 1) {
        return fail_code(-cpus, "cannot count the processors");
    }
    std::vector<uint64_t> counts(static_cast<size_t>(cpus));
    for (uint32_t cause = 0; cause < TL_LOSS_COUNT; ++cause) {
        if (bpf_map_lookup_elem(bpf_map__fd(loaded_->skeleton->maps.losses), &cause, counts.data()) != 0) {
            return fail_errno("cannot read the loss counts");
        }
        for (const uint64_t count : counts) {
            if (count != 0) {
                lost[cause_names.at(cause)] += count;
            }
        }
    }
    // Of these nobody is told when they have ended: some were not found in time.
    if (const uint32_t silent = loaded_->skeleton->bss->silent_requests; silent != 0) {
        lost[cause_names.at(TL_LOSS_REQUESTS)] += silent;
    }
    const auto& unseen = loaded_->skeleton->bss->io_uring_unseen;
    for (size_t operation = 0; operation < std::size(unseen); ++operation) {
        if (unseen[operation] != 0) {
            lost["io_uring operation " + io_uring_operation(operation)] = unseen[operation];
        }
    }
    // The kernel skips a program that would run inside itself on the same processor, and counts that.
    const bpf_object_skeleton& all = *loaded_->skeleton->skeleton;
    for (int i = 0; i < all.prog_cnt; ++i) {
        bpf_prog_info info{};
        uint32_t size = sizeof info;
        if (bpf_obj_get_info_by_fd(bpf_program__fd(*all.progs[i].prog), &info, &size) == 0 &&
            info.recursion_misses != 0) {
            lost["probe skipped by the kernel"] += info.recursion_misses;
        }
    }
    return lost;
}

const std::vector<std::string>& Probes::attached() const {
    return loaded_->attached;
}

const std::string& Probes::getenv_problem() const {
    return loaded_->getenv_problem;
}

const ProbeChoice& Probes::choice() const {
    return loaded_->choice;
}

bool Probes::sees_requests() const {
    return loaded_->skeleton->rodata->io_uring_seen;
}

std::string loss_sentence(const std::string& cause, uint64_t count) {
    const std::string times = std::to_string(count) + (count == 1 ? " time" : " times");
    if (cause == "io_uring") {
        return "the command could make io_uring requests that the probes do not see: this kernel does not "
               "show them, or a process from outside carries them out";
    }
    if (cause == "io_uring requests") {
        return "the command made io_uring requests whose results could not be learned: more than the probes "
               "can follow at once, or such that tell none (" +
               times + ")";
    }
    if (cause.rfind("io_uring operation ", 0) == 0) {
        return "the command made requests of " + cause + ", which the probes do not understand (" + times +
               ")";
    }
    if (cause == "compat system calls") {
        return "the command ran 32-bit code, whose system calls these probes do not record (" + times + ")";
    }
    if (cause == "other user's process") {
        return "a process ran as another user (set-user-id), and its accesses were not recorded (" + times +
               ")";
    }
    if (cause == "ring full") {
        return "records were lost because the buffer was full (" + times +
               "); run it again on a less busy machine";
    }
    return "something was not recorded: " + cause + " (" + times + ")";
}

} // namespace treadline
