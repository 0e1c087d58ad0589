#include "enforcer/shared_memory.h"

#include <sys/mman.h>

namespace treadline {

result<SharedMemory> SharedMemory::make(size_t bytes) {
    void* begin = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (begin == MAP_FAILED) {
        return fail_errno("cannot map memory to share with the command's launcher");
    }
    return SharedMemory(new (begin) Used{bytes, sizeof(Used)});
}

SharedMemory::~SharedMemory() {
    if (used_ != nullptr) {
        ::munmap(used_, used_->bytes);
    }
}

void* SharedMemory::Used::allocate(size_t size, size_t alignment) {
    const size_t at = (end + alignment - 1) / alignment * alignment;
    if (at > bytes || size > bytes - at) {
        throw std::bad_alloc();
    }
    end = at + size;
    return reinterpret_cast<std::byte*>(this) + at;
}

const char* SharedMemory::text(std::string_view text) {
    auto* copy = static_cast<char*>(used_->allocate(text.size() + 1, 1));
    std::memcpy(copy, text.data(), text.size());
    copy[text.size()] = '\0';
    return copy;
}

} // namespace treadline
