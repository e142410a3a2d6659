/*
 * hotset: a GUPS-style workload whose hot memory is known.
 *
 * N threads make a fixed number of random read-modify-write updates in one anonymous mapping.
 * Of weight + 1 updates, weight fall (on average) into the hot range and one anywhere else. The
 * sequence depends on the seed alone, so every run does the same work and prints the same checksum.
 *
 * Handshake with the agent (hotkit/agent/workloads/hotset.py), one line each on stdout:
 *   ready {json: pid, mapping, hot range}      after the memory was populated
 *   <- one byte on stdin: go
 *   done {json: duration_ns, thread_cpu_ns, checksum, updates}
 *   <- one byte or end of file: exit           so that a tracker can read the memory once more
 * End of file instead of "go" ends it at once, and so does the death of the agent.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

struct options {
	uint64_t size, hot, hot_offset, granularity, updates, seed;
	uint32_t weight, threads;
	int thp, pin;
};

struct worker {
	pthread_t thread;
	uint64_t index, updates, rng, checksum, cpu_ns;
	int cpu; /* -1: not pinned */
};

static struct options opt = {
	.size = 64ull << 20, .hot = 8ull << 20, .granularity = 8, .updates = 1000000,
	.seed = 1, .weight = 9, .threads = 1,
};
static uint8_t *memory;
static pthread_barrier_t populated, go;

static void die(const char *what)
{
	fprintf(stderr, "hotset: %s%s%s\n", what, errno ? ": " : "", errno ? strerror(errno) : "");
	exit(2);
}

static uint64_t now_ns(clockid_t clock)
{
	struct timespec t;

	clock_gettime(clock, &t);
	return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

/* splitmix64 (public domain algorithm by S. Vigna): turns seed + thread into a start state. */
static uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

/* xorshift64*: one multiplication, enough for choosing addresses. */
static inline uint64_t next(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * 0x2545f4914f6cdd1dull;
}

/* A number in [0, n) from a random r: a multiplication instead of a division (D. Lemire). */
static inline uint64_t below(uint64_t r, uint64_t n)
{
	return (uint64_t)(((unsigned __int128)r * n) >> 64);
}

static void update_all(struct worker *w)
{
	const uint64_t g = opt.granularity;
	const uint64_t hot_start = opt.hot_offset / g, hot_count = opt.hot / g;
	const uint64_t cold_count = opt.size / g - hot_count;
	const uint64_t parts = opt.weight + 1ull;
	uint64_t rng = w->rng, checksum = 0;

	for (uint64_t i = 0; i < w->updates; i++) {
		uint64_t choice = next(&rng), where = next(&rng), granule;

		if (cold_count == 0 || below(choice, parts) != 0) {
			granule = hot_start + below(where, hot_count);
		} else {
			granule = below(where, cold_count);
			if (granule >= hot_start) /* step over the hot range */
				granule += hot_count;
		}
		volatile uint64_t *word = (volatile uint64_t *)(memory + granule * g);
		for (uint64_t k = 0; k < g / 8; k++)
			word[k] ^= where;
		checksum = (checksum << 1 | checksum >> 63) ^ granule;
	}
	w->checksum = checksum;
}

static void *work(void *argument)
{
	struct worker *w = argument;
	uint64_t start = opt.size / opt.threads * w->index;
	uint64_t end = w->index + 1 == opt.threads ? opt.size : start + opt.size / opt.threads;
	uint64_t cpu;

	if (w->cpu >= 0) {
		cpu_set_t set;

		CPU_ZERO(&set);
		CPU_SET(w->cpu, &set);
		if (sched_setaffinity(0, sizeof(set), &set))
			die("cannot pin a thread");
	}
	/* Writing, not reading: a read fault would map the shared zero page. */
	for (uint64_t at = start & ~4095ull; at < end; at += 4096)
		*(volatile uint8_t *)(memory + at) = 1;
	pthread_barrier_wait(&populated);
	pthread_barrier_wait(&go);
	cpu = now_ns(CLOCK_THREAD_CPUTIME_ID);
	update_all(w);
	w->cpu_ns = now_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
	return NULL;
}

static uint64_t number(const char *text)
{
	char *end;
	uint64_t value;

	errno = 0;
	value = strtoull(text, &end, 0);
	if (errno || *end || end == text || *text == '-')
		die("an option's value is not a whole number");
	return value;
}

static void read_options(int argc, char **argv)
{
	static const struct option names[] = {
		{"size", 1, 0, 's'},	{"hot", 1, 0, 'h'},	{"hot-offset", 1, 0, 'o'},
		{"weight", 1, 0, 'w'},	{"threads", 1, 0, 't'}, {"granularity", 1, 0, 'g'},
		{"updates", 1, 0, 'u'}, {"seed", 1, 0, 'r'},	{"thp", 0, 0, 'H'},
		{"pin", 0, 0, 'p'},	{0, 0, 0, 0},
	};
	int name;

	while ((name = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (name) {
		case 's': opt.size = number(optarg); break;
		case 'h': opt.hot = number(optarg); break;
		case 'o': opt.hot_offset = number(optarg); break;
		case 'w': opt.weight = (uint32_t)number(optarg); break;
		case 't': opt.threads = (uint32_t)number(optarg); break;
		case 'g': opt.granularity = number(optarg); break;
		case 'u': opt.updates = number(optarg); break;
		case 'r': opt.seed = number(optarg); break;
		case 'H': opt.thp = 1; break;
		case 'p': opt.pin = 1; break;
		default: exit(2);
		}
	}
	errno = 0;
	if (optind != argc)
		die("it takes options only");
	if (opt.granularity < 8 || opt.granularity % 8 || opt.granularity > 1u << 20)
		die("--granularity is a multiple of 8, up to 1 MiB");
	if (!opt.size || opt.size % 4096 || opt.size % opt.granularity)
		die("--size is a multiple of 4096 and of --granularity");
	if (!opt.hot || opt.hot % opt.granularity || opt.hot_offset % opt.granularity ||
	    opt.hot > opt.size || opt.hot_offset > opt.size - opt.hot)
		die("the hot range is not empty, whole granules, and inside --size");
	if (!opt.threads || opt.threads > 4096 || !opt.updates)
		die("--threads (1 to 4096) and --updates are at least 1");
}

/* The index-th CPU that we may use, wrapping around; -1 without --pin. */
static int cpu_for(uint64_t index)
{
	cpu_set_t allowed;
	int seen = 0, wanted;

	if (!opt.pin)
		return -1;
	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		die("sched_getaffinity");
	wanted = (int)(index % (uint64_t)CPU_COUNT(&allowed));
	for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
		if (CPU_ISSET(cpu, &allowed) && seen++ == wanted)
			return cpu;
	return -1;
}

int main(int argc, char **argv)
{
	struct worker *workers;
	uint64_t began, duration, checksum = 0;
	char byte;

	prctl(PR_SET_PDEATHSIG, SIGKILL); /* never outlive the agent */
	read_options(argc, argv);
	memory = mmap(NULL, opt.size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	workers = calloc(opt.threads, sizeof(*workers));
	if (memory == MAP_FAILED || !workers)
		die("no memory for --size");
	/* Fails with EINVAL on a kernel without THP, where there is nothing to ask for. */
	madvise(memory, opt.size, opt.thp ? MADV_HUGEPAGE : MADV_NOHUGEPAGE);
	errno = 0;
	pthread_barrier_init(&populated, NULL, opt.threads + 1);
	pthread_barrier_init(&go, NULL, opt.threads + 1);
	for (uint64_t i = 0; i < opt.threads; i++) {
		struct worker *w = &workers[i];

		w->index = i;
		w->cpu = cpu_for(i);
		w->updates = opt.updates / opt.threads + (i < opt.updates % opt.threads);
		w->rng = mix(mix(opt.seed) + i) | 1;
		if (pthread_create(&w->thread, NULL, work, w))
			die("cannot start a thread");
	}
	pthread_barrier_wait(&populated);
	printf("ready {\"pid\": %d, \"start\": %llu, \"bytes\": %llu, \"hot_start\": %llu, "
	       "\"hot_bytes\": %llu, \"threads\": %u}\n",
	       getpid(), (unsigned long long)(uintptr_t)memory, (unsigned long long)opt.size,
	       (unsigned long long)(uintptr_t)memory + opt.hot_offset,
	       (unsigned long long)opt.hot, opt.threads);
	fflush(stdout);
	if (read(STDIN_FILENO, &byte, 1) != 1)
		return 3; /* the agent went away or changed its mind */

	began = now_ns(CLOCK_MONOTONIC_RAW);
	pthread_barrier_wait(&go);
	for (uint64_t i = 0; i < opt.threads; i++)
		pthread_join(workers[i].thread, NULL);
	duration = now_ns(CLOCK_MONOTONIC_RAW) - began;

	for (uint64_t i = 0; i < opt.threads; i++)
		checksum = mix(checksum ^ workers[i].checksum);
	printf("done {\"duration_ns\": %llu, \"checksum\": \"%016llx\", \"updates\": %llu, "
	       "\"thread_cpu_ns\": [",
	       (unsigned long long)duration, (unsigned long long)checksum,
	       (unsigned long long)opt.updates);
	for (uint64_t i = 0; i < opt.threads; i++)
		printf("%s%llu", i ? ", " : "", (unsigned long long)workers[i].cpu_ns);
	printf("]}\n");
	fflush(stdout);
	if (read(STDIN_FILENO, &byte, 1) < 0)
		return 2;
	return 0;
}
