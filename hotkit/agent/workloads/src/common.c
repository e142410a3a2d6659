/* Errors, numbers, and memory with a page size and a NUMA policy (no libnuma: two system calls). */
#define _GNU_SOURCE
#include "common.h"

#include <errno.h>
#include <linux/mempolicy.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define HUGE_BYTES (2ull << 20) /* of a PMD, and of the default hugetlb pool, on x86-64 */

void die(const char *what)
{
	fprintf(stderr, "hotset: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
	exit(2);
}

uint64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

uint64_t number(const char *text)
{
	char *end;
	uint64_t value;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno || *end || end == text || *text == '-')
		die("an option's value is not a whole number");
	return value;
}

struct numa numa_from(const char *text)
{
	static const struct { const char *name; int mode; } modes[] = {
		{"bind:", MPOL_BIND}, {"interleave:", MPOL_INTERLEAVE}, {"preferred:", MPOL_PREFERRED},
	};
	struct numa numa = {0};
	const char *rest = NULL;

	errno = 0;
	for (size_t i = 0; i < sizeof(modes) / sizeof(*modes); i++) {
		size_t length = strlen(modes[i].name);

		if (!strncmp(text, modes[i].name, length)) {
			numa.mode = modes[i].mode;
			rest = text + length;
		}
	}
	while (rest && *rest) {
		char *end;
		unsigned long node = strtoul(rest, &end, 10);

		if (end == rest || *rest < '0' || *rest > '9' || node >= 8 * sizeof(numa.nodes) ||
		    (*end && (*end != ',' || !end[1])))
			break;
		numa.nodes[node / 64] |= 1ull << node % 64;
		rest = *end ? end + 1 : end;
		if (!*rest)
			return numa;
	}
	errno = 0;
	die("--numa is bind:, interleave: or preferred: with nodes, as in interleave:0,1");
}

enum pages pages_from(const char *text)
{
	if (!strcmp(text, "4k"))
		return PAGES_4K;
	if (!strcmp(text, "thp"))
		return PAGES_THP;
	if (!strcmp(text, "hugetlb"))
		return PAGES_HUGETLB;
	errno = 0;
	die("--memory is 4k, thp or hugetlb");
}

/* A hugetlb page or a page of a bound node that is not there shows on the first touch only. */
static void no_page(int signal_number)
{
	static const char said[] = "hotset: SIGBUS: a page could not be had where it was asked for "
				   "(huge pages of that node used up?)\n";

	(void)signal_number;
	if (write(STDERR_FILENO, said, sizeof(said) - 1) < 0)
		_exit(3);
	_exit(2);
}

uint8_t *map_memory(uint64_t size, enum pages pages, const struct numa *numa)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS | (pages == PAGES_HUGETLB ? MAP_HUGETLB : 0);
	uint64_t slack = pages == PAGES_THP || pages == PAGES_THP_IF_ANY ? HUGE_BYTES : 0;
	uint8_t *memory;

	if (pages == PAGES_HUGETLB && size % HUGE_BYTES) {
		errno = 0;
		die("--memory hugetlb needs a --size that is a multiple of 2 MiB");
	}
	memory = mmap(NULL, size + slack, PROT_READ | PROT_WRITE, flags, -1, 0);
	if (memory == MAP_FAILED)
		die(pages == PAGES_HUGETLB ? "not enough free huge pages for --size (vm.nr_hugepages)" :
					     "no memory for --size");
	if (slack) { /* begin where a huge page can begin, and give back what is left over */
		uint64_t head = -(uintptr_t)memory % HUGE_BYTES;

		if (head)
			munmap(memory, head);
		memory += head;
		if (slack > head)
			munmap(memory + ((size + 4095) & ~4095ull), slack - head);
	}
	signal(SIGBUS, no_page);
	if (pages != PAGES_HUGETLB) {
		/* Fails with EINVAL on a kernel without THP, where there is nothing to refuse. */
		int failed = madvise(memory, size,
				     pages == PAGES_4K ? MADV_NOHUGEPAGE : MADV_HUGEPAGE);

		if (failed && pages == PAGES_THP)
			die("--memory thp: madvise");
	}
	if (numa->mode && syscall(SYS_mbind, memory, size, numa->mode, numa->nodes,
				  8 * sizeof(numa->nodes) + 1, MPOL_MF_STRICT))
		die("--numa: mbind");
	errno = 0;
	return memory;
}

uint64_t pages_on_node(const uint8_t *memory, uint64_t size, int node)
{
	enum { CHUNK = 1024 };
	const void *pages[CHUNK];
	int where[CHUNK];
	uint64_t found = 0;

	for (uint64_t at = 0; at < size; at += 4096ull * CHUNK) {
		unsigned long count = 0;

		while (count < CHUNK && at + 4096 * count < size) {
			pages[count] = memory + at + 4096 * count;
			count++;
		}
		if (syscall(SYS_move_pages, 0, count, pages, NULL, where, 0))
			die("move_pages");
		for (unsigned long i = 0; i < count; i++)
			found += where[i] == node;
	}
	return found;
}

void pin_to(int cpu)
{
	cpu_set_t set;

	CPU_ZERO(&set);
	CPU_SET(cpu, &set);
	if (sched_setaffinity(0, sizeof(set), &set))
		die("cannot pin a thread to its CPU");
}
