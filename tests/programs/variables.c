/* Asks for environment variables: variables getenv|secure|environ NAME... */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>

extern char** environ;

int main(int argc, char** argv) {
    int found = 0;

    if (argc < 3)
        return 2;
    for (int i = 2; i < argc; ++i) {
        if (!strcmp(argv[1], "getenv"))
            found += getenv(argv[i]) != NULL;
        else if (!strcmp(argv[1], "secure"))
            found += secure_getenv(argv[i]) != NULL;
        else
            for (char** entry = environ; *entry; ++entry)
                found += !strncmp(*entry, argv[i], strlen(argv[i]));
    }
    return found == 0;
}
