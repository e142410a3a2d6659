/*
 * The frames of the process's pages, from pagemap: in the order of memory, huge pages as one.
 *
 * A huge page has one bit, that of its first frame; its other frames have none and would look
 * accessed. What is watched may be a part of it (a workload's pages in a VM on huge pages): then the
 * bit of the first frame, which is not watched itself, stands for that part. Pages of hugetlbfs are on
 * no LRU list: page_idle and folio_referenced keep nothing of them, and they are left out.
 */
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
static size_t hugetlb;

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

enum kind { SMALL, TRANSPARENT, HUGETLB };

/* Documentation/admin-guide/mm/pagemap.rst: 15 COMPOUND_HEAD, 17 HUGE (hugetlb), 22 THP. */
static enum kind kind_of(uint64_t frame)
{
	uint64_t flags = 0, head = 0;

	if (pread(kpageflags, &flags, 8, (off_t)(frame * 8)) != 8)
		return SMALL;
	if (flags >> 17 & 1)
		return HUGETLB;
	/* A folio may be smaller than what one entry maps: its head is elsewhere. */
	if (flags >> 22 & 1 &&
	    pread(kpageflags, &head, 8, (off_t)((frame & ~(uint64_t)(HUGE - 1)) * 8)) == 8)
		return (head >> 15 & 1) && (head >> 22 & 1) ? TRANSPARENT : SMALL;
	return SMALL;
}

/* How many pages from `one` on are neighbours in memory and in the ranges, and in one 2 MiB of memory. */
static uint32_t run_from(const struct page *one, size_t most)
{
	uint32_t n = 1, left = HUGE - (uint32_t)(one->frame % HUGE);

	while (n < left && n < most && one[n].frame == one->frame + n &&
	       one[n].index == one->index + n && one[n].cut == one->cut)
		n++;
	return n;
}

/* Only 2 MiB of memory that are watched whole, or are cut by the end of a range, are asked about. */
static void join_huge_pages(void)
{
	size_t to = 0;

	for (size_t i = 0; i < found;) {
		enum kind kind = SMALL;
		uint32_t run = run_from(&page[i], found - i);

		if (run == HUGE || page[i].cut)
			kind = kind_of(page[i].frame);
		if (kind == HUGETLB) {
			hugetlb += run;
		} else if (kind == TRANSPARENT) {
			page[to] = page[i];
			page[to].frame &= ~(uint64_t)(HUGE - 1);
			page[to++].count = run;
		} else {
			memmove(&page[to], &page[i], run * sizeof(*page));
			to += run;
		}
		i += run;
	}
	found = to;
}

/* Whether the 2 MiB of the process's memory around the `at`-th page are not all of this range. */
static int is_cut(const struct range *one, uint64_t at)
{
	uint64_t start = at & ~(uint64_t)(HUGE - 1);

	return start < one->start / PAGE || start + HUGE > one->end / PAGE;
}

void read_frames(void)
{
	static uint64_t entry[CHUNK];
	uint32_t index = 0;

	found = hugetlb = 0;
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
				page[found++] = (struct page){ frame, index, 1,
							       is_cut(&range[r], at + (uint64_t)i) };
			}
			at += (uint64_t)got / 8;
		}
	}
	join_huge_pages(); /* first: there is less to sort then */
	if (!found && hugetlb)
		refuse("all that is watched are pages of hugetlbfs, of which this tracker's scan keeps "
		       "no bit (they are on no LRU list): damon sees them");
	sort_by_frame();
}
