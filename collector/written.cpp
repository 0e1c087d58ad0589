#include "collector/written.h"

#include "base/path.h"

namespace treadline {
namespace {

// A run renames few directories; the oldest are forgotten.
constexpr size_t max_moved = 4096;

uint64_t key(std::string_view path) {
    return std::hash<std::string_view>{}(path);
}

} // namespace

void Written::wrote(std::string_view path, const std::string& program) {
    const auto [number, fresh] = numbers_.try_emplace(program, static_cast<uint32_t>(programs_.size()));
    if (fresh) {
        programs_.push_back(program);
    }
    writers_.insert_or_assign(key(path), number->second);
}

void Written::renamed(const std::string& from, const std::string& to) {
    if (const auto moved = writers_.find(key(from)); moved != writers_.end()) {
        writers_.insert_or_assign(key(to), uint32_t{moved->second});
        return;
    }
    writers_.erase(key(to));
    moved_.emplace_back(from, to);
    if (moved_.size() > max_moved) {
        moved_.pop_front();
    }
}

void Written::linked(std::string_view from, std::string_view to) {
    if (const uint32_t* program = find(from)) {
        writers_.insert_or_assign(key(to), uint32_t{*program});
    }
}

const uint32_t* Written::find(std::string_view path) const {
    std::string at(path);
    const auto known = [&] { return writers_.find(key(at)); };
    if (const auto found = known(); found != writers_.end()) {
        return &found->second;
    }
    for (auto moved = moved_.rbegin(); moved != moved_.rend(); ++moved) { // clang 14 has no std::views
        const auto& [from, to] = *moved;
        if (is_within(at, to)) {
            at = from + at.substr(to.size());
            if (const auto found = known(); found != writers_.end()) {
                return &found->second;
            }
        }
    }
    return nullptr;
}

const std::string* Written::writer(std::string_view path) const {
    const uint32_t* program = find(path);
    return program == nullptr ? nullptr : &programs_[*program];
}

} // namespace treadline
