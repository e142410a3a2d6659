/*
 * wss: what a plain C program needs to look at a process's pages; the bar for hotkit's readers.
 *
 *   wss MODE PID START-END ROUNDS PAUSE-MS
 *
 * Written for this benchmark, in the manner of the tools that estimate a working set size:
 *
 * pages      page idle tracking: one pwrite of 8 bytes to mark a page, one pread to ask about it
 * snapshot   page idle tracking: all of the bitmap is marked, then all of it is read to memory
 * span       the same, from the word of the process's first frame to that of its last one
 * softdirty  pagemap of all private writable mappings, then clear_refs (START-END is not looked at)
 * frames     pagemap alone: the frame of each page, 0 where none is in RAM
 *
 * They count, and keep nothing per page. One line on stdout, JSON: rounds_ns (CPU time of asking and
 * marking, of each round, after the pause), pages and positive (both of all rounds).
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define PAGE 4096ull
#define CHUNK 8192 /* pagemap entries read at once */
#define IDLE "/sys/kernel/mm/page_idle/bitmap"

static uint64_t start, end, looked, positive, lowest, highest;
static int pagemap, bitmap, clear_refs;
static FILE *maps;
static uint64_t *frame, *snapshot;
static size_t room;

static void die(const char *what)
{
	fprintf(stderr, "wss: %s: %s\n", what, strerror(errno));
	exit(2);
}

static int open_or_die(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		die(path);
	return fd;
}

static uint64_t cpu_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static size_t entries_at(uint64_t at, uint64_t to, uint64_t *entry)
{
	uint64_t left = (to - at) / PAGE, count = left < CHUNK ? left : CHUNK;
	ssize_t got = pread(pagemap, entry, count * 8, (off_t)(at / PAGE * 8));

	if (got <= 0)
		die("pagemap");
	return (size_t)got / 8;
}

static void read_frames(void)
{
	static uint64_t entry[CHUNK];
	size_t to = 0;

	lowest = UINT64_MAX;
	highest = 0;
	for (uint64_t at = start; at < end;) {
		size_t count = entries_at(at, end, entry);

		for (size_t i = 0; i < count; i++) {
			uint64_t one = entry[i] >> 63 ? entry[i] & ((1ull << 55) - 1) : 0;

			frame[to++] = one;
			if (one && one < lowest)
				lowest = one;
			if (one > highest)
				highest = one;
		}
		at += count * PAGE;
	}
}

static void pages_mark(void)
{
	read_frames();
	for (size_t i = 0; i < (end - start) / PAGE; i++) {
		uint64_t word = 1ull << frame[i] % 64;

		if (frame[i] && pwrite(bitmap, &word, 8, (off_t)(frame[i] / 64 * 8)) != 8)
			die("marking a page");
	}
}

static void pages_ask(void)
{
	read_frames();
	for (size_t i = 0; i < (end - start) / PAGE; i++) {
		uint64_t word = 0;

		if (!frame[i])
			continue;
		if (pread(bitmap, &word, 8, (off_t)(frame[i] / 64 * 8)) != 8)
			die("asking about a page");
		looked++;
		positive += !(word >> frame[i] % 64 & 1);
	}
}

static void mark_words(uint64_t from, uint64_t to)
{
	static uint64_t ones[512];
	ssize_t got = 8;

	memset(ones, 0xff, sizeof(ones));
	for (; from < to && got > 0; from += (uint64_t)got / 8)
		got = pwrite(bitmap, ones, to - from < 512 ? (to - from) * 8 : sizeof(ones),
			     (off_t)(from * 8));
}

static void ask_words(uint64_t from, uint64_t to)
{
	uint64_t first = from;
	ssize_t got = 8;

	for (; from < to && got > 0; from += (uint64_t)got / 8) {
		if (to > room)
			to = room;
		got = pread(bitmap, snapshot + from, to - from < 512 ? (to - from) * 8 : 4096,
			    (off_t)(from * 8));
	}
	if (from == first)
		die("reading the bitmap");
	read_frames();
	for (size_t i = 0; i < (end - start) / PAGE; i++)
		if (frame[i] && frame[i] / 64 < from) {
			looked++;
			positive += !(snapshot[frame[i] / 64] >> frame[i] % 64 & 1);
		}
}

static void snapshot_mark(void)
{
	mark_words(0, UINT64_MAX);
}

static void snapshot_ask(void)
{
	ask_words(0, UINT64_MAX);
}

static void span_mark(void)
{
	read_frames();
	mark_words(lowest / 64, highest / 64 + 1);
}

static void span_ask(void)
{
	ask_words(lowest / 64, highest / 64 + 1);
}

static void softdirty_mark(void)
{
	if (pwrite(clear_refs, "4", 1, 0) != 1)
		die("clear_refs");
}

static void softdirty_ask(void)
{
	static uint64_t entry[CHUNK];
	unsigned long long from, to;
	char line[4096], rights[5];

	rewind(maps);
	while (fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%llx-%llx %4s", &from, &to, rights) != 3 ||
		    strncmp(rights, "rw", 2) || rights[3] != 'p')
			continue;
		while (from < to) {
			size_t count = entries_at(from, to, entry);

			for (size_t i = 0; i < count; i++)
				positive += entry[i] >> 55 & 1;
			looked += count;
			from += count * PAGE;
		}
	}
}

static void nothing(void)
{
}

static void frames_ask(void)
{
	read_frames();
	looked += (end - start) / PAGE;
	for (size_t i = 0; i < (end - start) / PAGE; i++)
		positive += !!frame[i];
}

static const struct {
	const char *name;
	void (*mark)(void), (*ask)(void);
	int idle;
} mode[] = {
	{ "pages", pages_mark, pages_ask, 1 },	       { "snapshot", snapshot_mark, snapshot_ask, 1 },
	{ "span", span_mark, span_ask, 1 },	       { "softdirty", softdirty_mark, softdirty_ask, 0 },
	{ "frames", nothing, frames_ask, 0 },
};

int main(int argc, char **argv)
{
	char path[64];
	size_t m = 0;
	unsigned int pause_us;
	long round, rounds;

	errno = EINVAL;
	if (argc != 6 || sscanf(argv[3], "%lx-%lx", &start, &end) != 2 || start >= end)
		die("MODE PID START-END ROUNDS PAUSE-MS");
	rounds = atol(argv[4]);
	pause_us = 1000 * (unsigned int)atol(argv[5]);
	while (m < sizeof(mode) / sizeof(*mode) && strcmp(mode[m].name, argv[1]))
		m++;
	if (m == sizeof(mode) / sizeof(*mode))
		die(argv[1]);
	snprintf(path, sizeof(path), "/proc/%.20s/pagemap", argv[2]);
	pagemap = open_or_die(path, O_RDONLY);
	snprintf(path, sizeof(path), "/proc/%.20s/clear_refs", argv[2]);
	clear_refs = open_or_die(path, O_WRONLY);
	snprintf(path, sizeof(path), "/proc/%.20s/maps", argv[2]);
	maps = fopen(path, "re");
	if (!maps)
		die(path);
	frame = calloc((end - start) / PAGE, 8);
	if (mode[m].idle) {
		bitmap = open_or_die(IDLE, O_RDWR);
		room = 1 << 20; /* words: 256 GiB; what is not touched costs nothing */
		snapshot = calloc(room, 8);
	}
	if (!frame || (mode[m].idle && !snapshot))
		die("memory");
	/* Its own pages are there before it is timed, as those of a program that goes on are. */
	read_frames();
	mode[m].mark();
	printf("{\"rounds_ns\": [");
	for (round = 0; round < rounds; round++) {
		uint64_t cpu;

		usleep(pause_us);
		cpu = cpu_ns();
		mode[m].ask();
		mode[m].mark();
		cpu = cpu_ns() - cpu;
		printf("%s%lu", round ? ", " : "", cpu);
	}
	printf("], \"pages\": %lu, \"positive\": %lu}\n", looked, positive);
	return 0;
}
