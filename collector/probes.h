// The loaded probes: the only part that knows the skeleton and libbpf.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "bpf/events.h"
#include "collector/probe_set.h"

namespace treadline {

class Probes {
public:
    // Loads and attaches; everything that needs privilege happens here.
    static result<Probes> load();
    Probes(Probes&&) noexcept;
    Probes& operator=(Probes&&) noexcept;
    ~Probes();

    // Whose accesses are reported; to be said before any task is followed.
    void watch(uid_t user);
    // From now on this task and everything it starts is followed.
    result<ok> follow(int pidfd, const tl_task& state);

    [[nodiscard]] int poll_fd() const; // readable when the kernel asks to be heard
    // Hands every record that has arrived to `on_record`; stops at its first error.
    using OnRecord = std::function<result<ok>(std::string_view)>;
    result<ok> consume(const OnRecord& on_record);

    result<ok> report_living(); // makes the system call sets of what still lives arrive
    using OnRepeats = std::function<result<ok>(uint64_t access, const tl_repeat_count&)>;
    result<ok> read_repeats(const OnRepeats& on_repeats);
    [[nodiscard]] result<std::map<std::string, uint64_t>> losses() const; // by cause; only what happened
    // Records begun, by processor; those that found the buffer full among them.
    [[nodiscard]] result<std::vector<uint64_t>> sent() const;
    [[nodiscard]] const std::vector<std::string>& attached() const;
    // Why the environment variables that programs ask for are not seen; "" if they are.
    [[nodiscard]] const std::string& getenv_problem() const;
    [[nodiscard]] const ProbeChoice& choice() const;
    [[nodiscard]] bool sees_requests() const; // of io_uring

private:
    struct Loaded;
    explicit Probes(std::unique_ptr<Loaded> loaded);
    std::unique_ptr<Loaded> loaded_;
};

// "2 accesses were not recorded because the buffer was full; run it again"
std::string loss_sentence(const std::string& cause, uint64_t count);

} // namespace treadline
