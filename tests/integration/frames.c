/*
 * frames.c of the scanner on this program's own memory: 8 MiB, aligned, of one KIND, touched.
 *
 *   frames KIND FIRST COUNT...     KIND: small, transparent, hugetlb; pages from FIRST on are watched
 *
 * Prints "address-of-the-first-page's-frame", then a line per entry: frame, index, count.
 */
#define _GNU_SOURCE
#include "scan.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define SIZE (8ull << 20)
#define HUGE_BYTES (2ull << 20)

struct range range[4096];
size_t ranges, pages;

void die(const char *what)
{
	fprintf(stderr, "%s: %s\n", what, strerror(errno));
	exit(2);
}

void refuse(const char *format, ...)
{
	va_list words;

	va_start(words, format);
	vfprintf(stderr, format, words);
	va_end(words);
	exit(3);
}

int open_or_die(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		die(path);
	return fd;
}

int main(int argc, char **argv)
{
	int huge = argc > 1 && !strcmp(argv[1], "hugetlb");
	char *all = mmap(NULL, SIZE + HUGE_BYTES, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | (huge ? MAP_HUGETLB : 0), -1, 0);
	char *start = (char *)(((uintptr_t)all + HUGE_BYTES - 1) & ~(HUGE_BYTES - 1));
	uint64_t first = 0;

	if (all == MAP_FAILED)
		die("mmap");
	if (!huge && madvise(start, SIZE, strcmp(argv[1], "small") ? MADV_HUGEPAGE : MADV_NOHUGEPAGE))
		die("madvise");
	memset(start, 1, SIZE);
	for (int i = 2; i + 1 < argc; i += 2, ranges++) {
		range[ranges].start = (uintptr_t)start + strtoull(argv[i], NULL, 0) * PAGE;
		range[ranges].end = range[ranges].start + strtoull(argv[i + 1], NULL, 0) * PAGE;
		pages += strtoull(argv[i + 1], NULL, 0);
	}
	frames_open(getpid());
	if (pread(pagemap, &first, 8, (off_t)((uintptr_t)start / PAGE * 8)) != 8)
		die("pagemap");
	read_frames();
	printf("%llu\n", (unsigned long long)(first & ((1ull << 55) - 1)));
	for (size_t i = 0; i < found; i++)
		printf("%llu %u %u\n", (unsigned long long)page[i].frame, page[i].index, page[i].count);
	return 0;
}
