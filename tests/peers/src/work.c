/*
 * work UNITS: a fixed amount of computing (about 2 us a unit), no memory, and one line of output.
 *
 * Every step needs the one before it, so that no compiler and no CPU can shorten it: N units and
 * 1.01 N units differ by one per cent of the same work, whatever the machine.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#define STEPS_OF_A_UNIT 1000

int main(int argc, char **argv)
{
	uint64_t steps, value = 88172645463325252ull;
	char *end;

	if (argc != 2 || !(steps = strtoull(argv[1], &end, 10)) || *end) {
		fprintf(stderr, "work takes a number of units\n");
		return 2;
	}
	steps *= STEPS_OF_A_UNIT;
	while (steps--) { /* xorshift64, Marsaglia 2003 */
		value ^= value << 13;
		value ^= value >> 7;
		value ^= value << 17;
	}
	printf("%016llx\n", (unsigned long long)value);
	return 0;
}
