/*
 * scan: looks at a process's pages for the trackers of the agent, at the speed of C.
 *
 *   scan MODE --pid PID --range START-END... --interval-us N [--rounds] [--request TEXT] [--fd N]
 *        [--slot GPA:BYTES:HVA...]
 *
 * idle           pages of the process: pagemap gives their frames, page_idle/bitmap marks and asks
 * idle-physical  every frame of the machine is marked and asked about; the process's are kept
 * folio          the patched kernel's folio_referenced_scan (--request says of what), then its bitmaps
 * uffd, uffd-async  write protection, see uffd.c (--fd: the process's userfaultfd)
 * uffd-release   ends what a scanner that died has left protected, and lets go who waits; says nothing
 * uffd-open, uffd-shut  opens a userfaultfd in a process and prints its number, closes it: --pid, --fd
 * kvm-dirty      what a VM has written, see kvmdirty.c (--slot: all sections of its memory)
 * kvm-log-on     the same for a VM with a dirty ring, whose pages others tell: no page is found by us
 *
 * Handshake with hotkit/agent/scanprocess.py, one line each:
 *   ready                       the first round is marked
 *   round {json} + bytes        with --rounds: what one round saw, a byte (0, 1) per page
 *   <- end of file on stdin     stop
 *   done {json} + bytes         counts, then 4 bytes (little endian) per page: how often accessed
 */
#define _GNU_SOURCE
#include "remote.h"
#include "scan.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#define IDLE "/sys/kernel/mm/page_idle/bitmap"

struct range range[4096];
size_t ranges, pages;
uint64_t examined, positive;
static uint32_t *heat; /* per page, in the order of the ranges */
static uint8_t *round_flags;
static uint64_t rounds;
static int show_rounds;
const char *request;

void die(const char *what)
{
	fprintf(stderr, "scan: %s: %s\n", what, strerror(errno));
	exit(2);
}

void refuse(const char *format, ...)
{
	va_list words;

	fprintf(stderr, "scan: ");
	va_start(words, format);
	vfprintf(stderr, format, words);
	va_end(words);
	fprintf(stderr, "\n");
	exit(2);
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

/* CPU time of the scan so far: ours, and what other processes spent for it. */
static uint64_t spent_ns(void)
{
	return now_ns(CLOCK_PROCESS_CPUTIME_ID) + remote_cpu_ns();
}

int open_or_die(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC);

	if (fd < 0)
		die(path);
	return fd;
}

void saw_pages(uint64_t index, uint64_t count)
{
	for (uint64_t i = index; i < index + count; i++) {
		heat[i] += !round_flags[i];
		round_flags[i] = 1;
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

/* What a mode does, and the file that it does it to. */
static const struct mode {
	const char *name;
	void (*look)(int, int);
	const char *file;
	int flags;
} mode[] = {
	{ "idle", idle, IDLE, O_RDWR },
	{ "idle-physical", idle_physical, IDLE, O_RDWR },
	{ "folio", folio, HOTKIT "folio_referenced_scan", O_WRONLY },
	{ "uffd", uffd_look, "/dev/null", O_RDWR },
	{ "uffd-async", uffd_async_look, "/dev/null", O_RDWR },
	{ "kvm-dirty", kvm_look, "/dev/null", O_RDWR },
	{ "kvm-log-on", kvm_look_away, "/dev/null", O_RDWR },
};

static const struct mode *find_mode(const char *name)
{
	for (size_t i = 0; i < sizeof(mode) / sizeof(*mode); i++)
		if (!strcmp(mode[i].name, name))
			return &mode[i];
	errno = EINVAL;
	die(*name ? name : "MODE");
}

static int of_kvm(void (*look)(int, int))
{
	return look == kvm_look || look == kvm_look_away;
}

static void tell_round(uint64_t cpu_ns)
{
	printf("round {\"at_ns\": %llu, \"pages\": %zu, \"cpu_ns\": %llu}\n",
	       (unsigned long long)now_ns(CLOCK_MONOTONIC_RAW), pages, (unsigned long long)cpu_ns);
	fwrite(round_flags, 1, pages, stdout);
	fflush(stdout);
}

static void tell_all(uint64_t cpu_ns, int kvm)
{
	printf("done {\"rounds\": %llu, \"examined\": %llu, \"positive\": %llu, \"pages\": %zu, "
	       "\"cpu_ns\": %llu",
	       (unsigned long long)rounds, (unsigned long long)examined,
	       (unsigned long long)positive, pages, (unsigned long long)cpu_ns);
	if (kvm)
		kvm_tell();
	printf("}\n");
	fwrite(heat, sizeof(*heat), pages, stdout);
	fflush(stdout);
}

static void scan(void (*look)(int, int), int target, uint64_t interval_ns)
{
	uint64_t due, began = spent_ns();

	look(target, 0);
	puts("ready");
	fflush(stdout);
	for (due = now_ns(CLOCK_MONOTONIC) + interval_ns; !stop_before(due);) {
		uint64_t now, spent = spent_ns();

		look(target, 1);
		rounds++;
		if (show_rounds)
			tell_round(spent_ns() - spent);
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
	if (of_kvm(look))
		kvm_close();
	tell_all(spent_ns() - began, of_kvm(look));
}

int main(int argc, char **argv)
{
	static const struct option names[] = {
		{ "pid", 1, 0, 'p' },	  { "range", 1, 0, 'r' },   { "interval-us", 1, 0, 'i' },
		{ "request", 1, 0, 'q' }, { "rounds", 0, 0, 'R' },  { "fd", 1, 0, 'f' },
		{ "slot", 1, 0, 's' },	  { 0, 0, 0, 0 },
	};
	uint64_t interval_ns = 100000000;
	const struct mode *chosen;
	const char *word = argc > 1 ? argv[1] : "";
	int name, target, fd = -1;
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
		case 's': kvm_add_slot(optarg); break;
		default: return 2;
		}
	}
	if (!strcmp(word, "uffd-open"))
		return uffd_lend(pid), 0;
	if (!strcmp(word, "uffd-shut"))
		return uffd_shut(pid, fd), 0;
	chosen = strcmp(word, "uffd-release") ? find_mode(word) : NULL;
	errno = EINVAL;
	if (!pages || pages > UINT32_MAX || (chosen && chosen->look == folio) != !!request)
		die("--range (up to 16 TiB), and --request for folio, are needed");
	if (!chosen) {
		uffd_take(pid, fd);
		uffd_close();
		return 0;
	}
	if (!of_kvm(chosen->look))
		frames_open(pid);
	target = open_or_die(chosen->file, chosen->flags);
	heat = calloc(pages, sizeof(*heat));
	round_flags = calloc(pages, 1);
	if (!heat || !round_flags)
		die("memory for the pages");
	if (!strncmp(word, "uffd", 4))
		uffd_open(pid, fd, chosen->look == uffd_async_look);
	if (of_kvm(chosen->look))
		kvm_open(pid, chosen->look == kvm_look_away);
	scan(chosen->look, target, interval_ns);
	return 0;
}
