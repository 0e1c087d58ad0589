// Memory that a process and those it clones later share: what it lays out there after the clone, they read at the same
// addresses. Only grows; all of it is given back at once.
#pragma once

#include <cstddef>
#include <cstring>
#include <memory>
#include <new>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace treadline {

class SharedMemory {
public:
    // Takes address space only: a page costs memory once it is written to. `bytes`: a few of them go for its own use.
    static result<SharedMemory> make(size_t bytes);
    SharedMemory(SharedMemory&& other) noexcept : used_(std::exchange(other.used_, nullptr)) {}
    SharedMemory& operator=(SharedMemory&&) = delete;
    ~SharedMemory();

    // Where it begins: how much there is, and what of it is used.
    struct Used {
        size_t bytes;
        size_t end;
        // Throws std::bad_alloc where there is no room left, as operator new does.
        void* allocate(size_t size, size_t alignment);
    };
    [[nodiscard]] Used& used() const { return *used_; }
    // Never destroyed.
    template <class T, class... Arguments>
    T* make_one(Arguments&&... arguments) {
        return new (used_->allocate(sizeof(T), alignof(T))) T(std::forward<Arguments>(arguments)...);
    }
    const char* text(std::string_view text);

private:
    explicit SharedMemory(Used* used) : used_(used) {}
    Used* used_;
};

// For a vector that lies in it. What the vector outgrows is not used again.
template <class T>
class SharedAllocator {
public:
    using value_type = T;
    explicit SharedAllocator(const SharedMemory& memory) : used_(&memory.used()) {}
    template <class U>
    explicit(false) SharedAllocator(const SharedAllocator<U>& other) : used_(other.used()) {}
    T* allocate(size_t count) { return static_cast<T*>(used_->allocate(count * sizeof(T), alignof(T))); }
    void deallocate(T* /*place*/, size_t /*count*/) {}
    [[nodiscard]] SharedMemory::Used* used() const { return used_; }
    bool operator==(const SharedAllocator&) const = default;

private:
    SharedMemory::Used* used_;
};
template <class T>
using SharedVector = std::vector<T, SharedAllocator<T>>;

} // namespace treadline
