/* Says that it was loaded as code, by other programs than Treadline itself. */
#define _GNU_SOURCE
#include <errno.h>
#include <string.h>
#include <unistd.h>

__attribute__((constructor)) static void say_so(void)
{
	if (strcmp(program_invocation_short_name, "treadline") != 0 && write(1, "SECRET code ran\n", 16) != 16)
		_exit(1);
}
