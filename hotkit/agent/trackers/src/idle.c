/*
 * The scan modes idle, idle-physical and folio: A bits, asked about through bitmaps of all frames.
 *
 * Formats: Documentation/admin-guide/mm/{pagemap,idle_page_tracking}.rst. A bitmap is an array of
 * 64-bit words, bit n of word k is frame 64 k + n; ones written mark, zeros change nothing.
 */
#define _GNU_SOURCE
#include "scan.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define BATCH 512 /* bitmap words read or written at once */

/* Neighbouring words go in one call; a gap of a few words costs less than another call. */
static size_t batch_end(size_t from, uint64_t *first, uint64_t *count)
{
	size_t i = from;
	uint64_t last;

	*first = last = page[from].frame / 64;
	while (i < found && page[i].frame / 64 - last <= 1 && page[i].frame / 64 - *first < BATCH)
		last = page[i++].frame / 64;
	*count = last - *first + 1;
	return i;
}

static void mark(int bitmap)
{
	uint64_t word[BATCH], first, count;

	for (size_t i = 0; i < found;) {
		size_t end = batch_end(i, &first, &count);

		memset(word, 0, count * 8);
		for (; i < end; i++)
			word[page[i].frame / 64 - first] |= 1ull << (page[i].frame % 64);
		/* The last word of the memory is shorter: a write there may be cut. */
		if (pwrite(bitmap, word, count * 8, (off_t)(first * 8)) < 0)
			die("marking pages idle");
	}
}

static void saw(const struct page *one, int accessed)
{
	examined++;
	positive += (uint64_t)accessed;
	if (accessed)
		saw_pages(one->index, one->count);
}

/* What was marked and is no longer was accessed. */
static void ask(int bitmap)
{
	uint64_t word[BATCH], first, count;

	for (size_t i = 0; i < found;) {
		size_t end = batch_end(i, &first, &count);

		memset(word, 0, count * 8);
		if (pread(bitmap, word, count * 8, (off_t)(first * 8)) < 0)
			die("asking about pages");
		for (; i < end; i++)
			saw(&page[i], !(word[page[i].frame / 64 - first] >> (page[i].frame % 64) & 1));
	}
}

void idle(int bitmap, int asking)
{
	if (asking)
		ask(bitmap);
	read_frames();
	mark(bitmap);
}

/* All frames of the machine, in the order of memory: what a tracker of a whole node does. */
void idle_physical(int bitmap, int asking)
{
	static uint64_t word[BATCH];
	uint64_t first = 0;
	size_t i = 0;
	ssize_t got;

	if (asking)
		for (; (got = pread(bitmap, word, sizeof(word), (off_t)(first * 8))) > 0;
		     first += (uint64_t)got / 8) {
			examined += (uint64_t)got * 8;
			for (; i < found && page[i].frame / 64 < first + (uint64_t)got / 8; i++) {
				examined--; /* saw() counts it */
				saw(&page[i], !(word[page[i].frame / 64 - first] >>
						(page[i].frame % 64) & 1));
			}
		}
	read_frames();
	memset(word, 0xff, sizeof(word));
	for (first = 0; (got = pwrite(bitmap, word, sizeof(word), (off_t)(first * 8))) > 0;
	     first += (uint64_t)got / 8)
		;
}

/* The scan asks and clears in one go: what it says is about the time since the scan before. */
void folio(int trigger, int asking)
{
	static int seen = -1, young = -1;
	uint64_t seen_word[BATCH], young_word[BATCH], first, count;

	if (seen < 0) {
		seen = open_or_die(HOTKIT "folio_referenced_seen", O_RDONLY);
		young = open_or_die(HOTKIT "folio_referenced_young", O_RDONLY);
	}
	if (write(trigger, request, strlen(request)) < 0)
		die("folio_referenced_scan");
	if (!asking)
		return;
	read_frames();
	for (size_t i = 0; i < found;) {
		size_t end = batch_end(i, &first, &count);

		if (pread(seen, seen_word, count * 8, (off_t)(first * 8)) < 0 ||
		    pread(young, young_word, count * 8, (off_t)(first * 8)) < 0)
			die("reading what the scan saw");
		for (; i < end; i++) {
			uint64_t k = page[i].frame / 64 - first, bit = page[i].frame % 64;

			if (seen_word[k] >> bit & 1)
				saw(&page[i], young_word[k] >> bit & 1);
		}
	}
}
