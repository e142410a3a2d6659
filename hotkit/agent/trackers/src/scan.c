/*
 * scan: looks at a process's pages for the trackers of the agent, at the speed of C.
 *
 *   scan MODE --pid PID --range START-END... --interval-us N [--request TEXT] [--fd N] [--rounds]
 *
 * idle           pages of the process: pagemap gives their frames, page_idle/bitmap marks and asks
 * idle-physical  every frame of the machine is marked and asked about; the process's are kept
 * folio          the patched kernel's folio_referenced_scan (--request says of what), then its bitmaps
 * uffd, uffd-async  write protection, see uffd.c (--fd: the process's userfaultfd)
 * uffd-release   ends what a scanner that died has left protected, and lets go who waits; says nothing
 *
 * Handshake with hotkit/agent/scanprocess.py, one line each:
 *   ready                       the first round is marked
 *   round {json} + bytes        with --rounds: what one round saw, a byte (0, 1) per page
 *   <- end of file on stdin     stop
 *   done {json} + bytes         counts, then 4 bytes (little endian) per page: how often accessed
 *
 * Formats: Documentation/admin-guide/mm/{pagemap,idle_page_tracking}.rst. A bitmap is an array of
 * 64-bit words, bit n of word k is frame 64 k + n; ones written mark, zeros change nothing.
 */
#define _GNU_SOURCE
#include "scan.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define CHUNK 8192 /* pagemap entries read at once: 64 KiB, which stay in the cache */
#define HUGE 512u  /* base pages of a huge page */
#define BATCH 512  /* bitmap words read or written at once */
#define DIGIT 11   /* bits of a frame's number that one pass of the sort looks at */
#define IDLE "/sys/kernel/mm/page_idle/bitmap"
#define HOTKIT "/sys/kernel/debug/hotkit/"

struct page {
	uint64_t frame; /* of the first base page */
	uint32_t index; /* of that page in the ranges, in their order */
	uint32_t count; /* base pages: a huge page is asked about by its first frame alone */
};

struct range range[4096];
size_t ranges, pages;
uint64_t examined, positive;
int pagemap;
static size_t found;
static struct page *page;  /* sorted by frame */
static struct page *spare; /* as large, for the sort */
static uint32_t *heat;     /* per page, in the order of the ranges */
static uint8_t *round_flags;
static uint64_t rounds;
static int kpageflags, show_rounds;
static const char *request;

void die(const char *what)
{
	fprintf(stderr, "scan: %s: %s\n", what, strerror(errno));
	exit(2);
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

static int open_or_die(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		die(path);
	return fd;
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

/* The frames of all pages that are in RAM, sorted, so that a bitmap is gone through once. */
static void read_frames(void)
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

void saw_pages(uint64_t index, uint64_t count)
{
	for (uint64_t i = index; i < index + count; i++) {
		heat[i] += !round_flags[i];
		round_flags[i] = 1;
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

static void idle(int bitmap, int asking)
{
	if (asking)
		ask(bitmap);
	read_frames();
	mark(bitmap);
}

/* All frames of the machine, in the order of memory: what a tracker of a whole node does. */
static void idle_physical(int bitmap, int asking)
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
static void folio(int trigger, int asking)
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

static void add_range(const char *text)
{
	char *rest;

	if (ranges == sizeof(range) / sizeof(*range)) {
		errno = E2BIG;
		die("--range");
	}
	range[ranges].start = strtoull(text, &rest, 0);
	range[ranges].end = *rest == '-' ? strtoull(rest + 1, &rest, 0) : 0;
	if (*rest || range[ranges].end <= range[ranges].start || range[ranges].start % PAGE) {
		errno = EINVAL;
		die(text);
	}
	pages += (range[ranges].end - range[ranges].start) / PAGE;
	ranges++;
}

/* Returns whether somebody wants us to stop; waits until `due` for that. */
static int stop_before(uint64_t due)
{
	struct pollfd in[2] = {
		{ .fd = STDIN_FILENO, .events = POLLIN },
		{ .fd = uffd_descriptor(), .events = POLLIN }, /* -1 is left out */
	};

	for (;;) {
		uint64_t now = now_ns(CLOCK_MONOTONIC), left = due > now ? due - now : 0;
		struct timespec wait = { (time_t)(left / 1000000000), (long)(left % 1000000000) };

		int said = ppoll(in, 2, &wait, NULL);

		if (said > 0 && in[1].revents & POLLIN)
			uffd_fault();
		if (said > 0 && in[0].revents)
			return 1;
		if (now_ns(CLOCK_MONOTONIC) >= due)
			return 0;
	}
}

int main(int argc, char **argv)
{
	static const struct option names[] = {
		{ "pid", 1, 0, 'p' },	  { "range", 1, 0, 'r' },   { "interval-us", 1, 0, 'i' },
		{ "request", 1, 0, 'q' }, { "rounds", 0, 0, 'R' },  { "fd", 1, 0, 'f' },
		{ 0, 0, 0, 0 },
	};
	uint64_t interval_ns = 100000000, due, cpu;
	void (*look)(int, int) = idle;
	const char *mode = argc > 1 ? argv[1] : "", *file = IDLE;
	char path[64] = "";
	int name, target, fd = -1, release = 0;
	long pid = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* never outlive the agent */
	while ((name = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (name) {
		case 'p': pid = atol(optarg); break;
		case 'r': add_range(optarg); break;
		case 'i': interval_ns = strtoull(optarg, NULL, 0) * 1000; break;
		case 'q': request = optarg; break;
		case 'R': show_rounds = 1; break;
		case 'f': fd = atoi(optarg); break;
		default: return 2;
		}
	}
	errno = EINVAL;
	if (!strcmp(mode, "idle-physical"))
		look = idle_physical;
	else if (!strcmp(mode, "folio"))
		look = folio, file = HOTKIT "folio_referenced_scan";
	else if (!strcmp(mode, "uffd"))
		look = uffd_look, file = "/dev/null";
	else if (!strcmp(mode, "uffd-async"))
		look = uffd_async_look, file = "/dev/null";
	else if (!strcmp(mode, "uffd-release"))
		release = 1;
	else if (strcmp(mode, "idle"))
		die(*mode ? mode : "MODE");
	if (!pages || pages > UINT32_MAX || (look == folio) != !!request)
		die("--range (up to 16 TiB), and --request for folio, are needed");
	if (release) {
		uffd_take(pid, fd);
		uffd_close();
		return 0;
	}
	snprintf(path, sizeof(path), "/proc/%ld/pagemap", pid);
	pagemap = open_or_die(path, O_RDONLY);
	kpageflags = open_or_die("/proc/kpageflags", O_RDONLY);
	target = open_or_die(file, look == folio ? O_WRONLY : O_RDWR);
	page = malloc(pages * sizeof(*page));
	spare = malloc(pages * sizeof(*spare));
	heat = calloc(pages, sizeof(*heat));
	round_flags = calloc(pages, 1);
	if (!page || !spare || !heat || !round_flags)
		die("memory for the pages");
	if (!strncmp(mode, "uffd", 4))
		uffd_open(pid, fd, look == uffd_async_look);
	cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID);
	look(target, 0);
	puts("ready");
	fflush(stdout);
	for (due = now_ns(CLOCK_MONOTONIC) + interval_ns; !stop_before(due);) {
		uint64_t now, spent = now_ns(CLOCK_PROCESS_CPUTIME_ID);

		look(target, 1);
		rounds++;
		if (show_rounds) {
			spent = now_ns(CLOCK_PROCESS_CPUTIME_ID) - spent;
			printf("round {\"at_ns\": %llu, \"pages\": %zu, \"cpu_ns\": %llu}\n",
			       (unsigned long long)now_ns(CLOCK_MONOTONIC_RAW), pages,
			       (unsigned long long)spent);
			fwrite(round_flags, 1, pages, stdout);
			fflush(stdout);
		}
		memset(round_flags, 0, pages);
		/* A round that took longer than the interval delays the next; none is made up for. */
		now = now_ns(CLOCK_MONOTONIC);
		due = due + interval_ns > now ? due + interval_ns : now;
	}
	if (uffd_descriptor() >= 0) {
		/* What trapped since the last round is counted: the time until now is one more. */
		if (look == uffd_look)
			uffd_look(target, 1), rounds++;
		uffd_close();
	}
	cpu = now_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
	printf("done {\"rounds\": %llu, \"examined\": %llu, \"positive\": %llu, \"pages\": %zu, "
	       "\"cpu_ns\": %llu}\n",
	       (unsigned long long)rounds, (unsigned long long)examined,
	       (unsigned long long)positive, pages, (unsigned long long)cpu);
	fwrite(heat, sizeof(*heat), pages, stdout);
	fflush(stdout);
	return 0;
}
