/* The frames of the process's pages, from pagemap: in the order of memory, huge pages as one. */
#define _GNU_SOURCE
#include "scan.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define CHUNK 8192 /* pagemap entries read at once: 64 KiB, which stay in the cache */
#define HUGE 512u  /* base pages of a huge page */
#define DIGIT 11   /* bits of a frame's number that one pass of the sort looks at */

struct page *page;
size_t found;
int pagemap;
static struct page *spare; /* as large as page, for the sort */
static int kpageflags;

void frames_open(long pid)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%ld/pagemap", pid);
	pagemap = open_or_die(path, O_RDONLY);
	kpageflags = open_or_die("/proc/kpageflags", O_RDONLY);
	page = malloc(pages * sizeof(*page));
	spare = malloc(pages * sizeof(*spare));
	if (!page || !spare)
		die("memory for the frames");
}

/* Digit by digit, the lowest first: comparing costs several times as much, in every round. */
static void sort_by_frame(void)
{
	static size_t place[1 << DIGIT];
	const uint64_t mask = (1 << DIGIT) - 1;
	uint64_t differ = 0;
	int sorted = 1;

	for (size_t i = 1; i < found; i++) {
		sorted &= page[i - 1].frame <= page[i].frame;
		differ |= page[i - 1].frame ^ page[i].frame;
	}
	for (int shift = 0; !sorted && differ >> shift; shift += DIGIT) {
		struct page *from = page;
		size_t next = 0;

		if (!(differ >> shift & mask))
			continue;
		memset(place, 0, sizeof(place));
		for (size_t i = 0; i < found; i++)
			place[from[i].frame >> shift & mask]++;
		for (size_t digit = 0; digit <= mask; digit++) {
			size_t count = place[digit];

			place[digit] = next;
			next += count;
		}
		for (size_t i = 0; i < found; i++)
			spare[place[from[i].frame >> shift & mask]++] = from[i];
		page = spare;
		spare = from;
	}
}

/* Documentation/admin-guide/mm/pagemap.rst: 15 COMPOUND_HEAD, 22 THP; 17 HUGE is hugetlb. */
static int is_huge(uint64_t frame)
{
	uint64_t flags = 0;

	return pread(kpageflags, &flags, 8, (off_t)(frame * 8)) == 8 && (flags >> 15 & 1) &&
	       ((flags >> 22 | flags >> 17) & 1);
}

/* Whether the next 512 pages from `one` on are a huge page: neighbours in memory and in the ranges. */
static int is_whole_huge(const struct page *one)
{
	if (one->frame % HUGE || one[HUGE - 1].frame != one->frame + HUGE - 1 ||
	    one[HUGE - 1].index != one->index + HUGE - 1)
		return 0;
	for (uint32_t i = 1; i < HUGE - 1; i++)
		if (one[i].frame != one->frame + i)
			return 0;
	return is_huge(one->frame);
}

/* The other frames of a huge page have no bit of their own: they would look accessed. */
static void join_huge_pages(void)
{
	size_t to = 0;

	for (size_t i = 0; i < found; i++, to++) {
		page[to] = page[i];
		if (i + HUGE <= found && is_whole_huge(&page[i])) {
			page[to].count = HUGE;
			i += HUGE - 1;
		}
	}
	found = to;
}

void read_frames(void)
{
	static uint64_t entry[CHUNK];
	uint32_t index = 0;

	found = 0;
	for (size_t r = 0; r < ranges; r++) {
		for (uint64_t at = range[r].start / PAGE; at < range[r].end / PAGE;) {
			uint64_t left = range[r].end / PAGE - at, count = left < CHUNK ? left : CHUNK;
			ssize_t got = pread(pagemap, entry, count * 8, (off_t)(at * 8));

			if (got <= 0)
				die("pagemap ended early (did the process exit?)");
			for (ssize_t i = 0; i < got / 8; i++, index++) {
				uint64_t frame = entry[i] & ((1ull << 55) - 1);

				if (!(entry[i] >> 63) || !frame)
					continue;
				page[found++] = (struct page){ frame, index, 1 };
			}
			at += (uint64_t)got / 8;
		}
	}
	join_huge_pages(); /* first: there is less to sort then */
	sort_by_frame();
}
