/* Maps the start of a file: loads mmap|mprotect|data FILE. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>

int main(int argc, char** argv) {
    int fd, executable;
    void* at;

    if (argc < 3)
        return 2;
    executable = !strcmp(argv[1], "mmap");
    fd = open(argv[2], O_RDONLY | O_CLOEXEC);
    at = mmap(NULL, 4096, PROT_READ | (executable ? PROT_EXEC : 0), MAP_PRIVATE, fd, 0);
    if (fd < 0 || at == MAP_FAILED) {
        perror(argv[2]);
        return 1;
    }
    if (!strcmp(argv[1], "mprotect") && mprotect(at, 4096, PROT_READ | PROT_EXEC)) {
        perror("mprotect");
        return 1;
    }
    return 0;
}
