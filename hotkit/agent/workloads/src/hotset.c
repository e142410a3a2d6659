/*
 * hotset: a GUPS-style workload whose hot memory is known.
 *
 * N threads make a fixed number of random accesses in one anonymous mapping: read-modify-write, or
 * reads for a share of them. By default, of weight + 1 accesses weight fall (on average) into the hot
 * range and one anywhere else; with --distribution zipf pages are ranked by their address instead.
 * The sequence depends on the seed alone, so every run does the same work and prints the same
 * checksum (of the places, not of the contents: those depend on how threads race).
 *
 * With --phases N the work is cut into N equal parts, and the hot range moves on by its own size
 * after each. Threads meet at a barrier there: none is in a phase that another has not reached.
 *
 * Handshake with the agent (hotkit/agent/workloads/hotset.py), one line each on stdout:
 *   ready {json: pid, mapping, hot range}      after the memory was populated
 *   <- one byte on stdin: go
 *   done {json: duration_ns, thread_cpu_ns, checksum, updates, phases}
 *   <- one byte or end of file: exit           so that a tracker can read the memory once more
 * End of file instead of "go" ends it at once, and so does the death of the agent.
 *
 * `hotset probe ...` (probe.c) and `hotset keep ...` (keep.c) are other programs in the same file.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "options.h"
#include "zipf.h"

struct worker {
	pthread_t thread;
	uint64_t index, updates, rng, checksum, cpu_ns;
	int cpu; /* -1: not pinned */
};

struct phase {
	uint64_t at_ns, hot_offset;
};

static struct options opt;
static uint8_t *memory;
static struct phase *phases;
static pthread_barrier_t populated, go, turn;

/* One access. The low half of `where` decides what it is: its high bits chose the place. */
static inline void touch(uint64_t granule, uint64_t where)
{
	volatile uint64_t *word = (volatile uint64_t *)(memory + granule * opt.granularity);

	if (below(where << 32, 100) < opt.write_share)
		for (uint64_t k = 0; k < opt.granularity / 8; k++)
			word[k] ^= where;
	else
		for (uint64_t k = 0; k < opt.granularity / 8; k++)
			(void)word[k];
}

static inline uint64_t rotate(uint64_t x)
{
	return x << 1 | x >> 63;
}

static void hotset_updates(struct worker *w, uint64_t count, uint64_t hot_offset)
{
	const uint64_t g = opt.granularity;
	const uint64_t hot_start = hot_offset / g, hot_count = opt.hot / g;
	const uint64_t cold_count = opt.size / g - hot_count;
	const uint64_t parts = opt.weight + 1ull;
	uint64_t rng = w->rng, checksum = w->checksum;

	for (uint64_t i = 0; i < count; i++) {
		uint64_t choice = next(&rng), where = next(&rng), granule;

		if (cold_count == 0 || below(choice, parts) != 0) {
			granule = hot_start + below(where, hot_count);
		} else {
			granule = below(where, cold_count);
			if (granule >= hot_start) /* step over the hot range */
				granule += hot_count;
		}
		touch(granule, where);
		checksum = rotate(checksum) ^ granule;
	}
	w->rng = rng;
	w->checksum = checksum;
}

static void zipf_updates(struct worker *w)
{
	const uint64_t ranks = opt.size / rank_bytes(&opt);
	const uint64_t each = rank_bytes(&opt) / opt.granularity;
	const struct zipf zipf = zipf_of(ranks, opt.theta);
	uint64_t rng = w->rng, checksum = 0;

	for (uint64_t i = 0; i < w->updates; i++) {
		uint64_t rank = zipf_next(&zipf, &rng), where = next(&rng);
		uint64_t place = opt.reverse ? ranks - 1 - rank : rank;
		uint64_t granule = place * each + below(where, each);

		touch(granule, where);
		checksum = rotate(checksum) ^ granule;
	}
	w->checksum = checksum;
}

static void update_all(struct worker *w)
{
	uint64_t done = 0;

	if (opt.theta > 0) {
		zipf_updates(w);
		return;
	}
	for (uint64_t p = 0; p < opt.phases; p++) {
		uint64_t until = (uint64_t)((unsigned __int128)w->updates * (p + 1) / opt.phases);

		if (p > 0 && pthread_barrier_wait(&turn) == PTHREAD_BARRIER_SERIAL_THREAD)
			phases[p].at_ns = now_ns(CLOCK_MONOTONIC_RAW);
		hotset_updates(w, until - done, phases[p].hot_offset);
		done = until;
	}
}

static void *work(void *argument)
{
	struct worker *w = argument;
	uint64_t start = opt.size / opt.threads * w->index;
	uint64_t end = w->index + 1 == opt.threads ? opt.size : start + opt.size / opt.threads;
	uint64_t cpu;

	if (w->cpu >= 0)
		pin_to(w->cpu);
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

/* Where the hot range is in each phase: on by its own size, over the end back to the beginning
 * (backwards with --reverse, over the beginning back to the end). */
static void plan_phases(void)
{
	uint64_t last = opt.size - opt.hot;
	uint64_t at = opt.reverse ? last - opt.hot_offset : opt.hot_offset;

	phases = calloc(opt.phases, sizeof(*phases));
	if (!phases)
		die("no memory for --phases");
	for (uint64_t p = 0; p < opt.phases; p++) {
		phases[p].hot_offset = at;
		if (opt.reverse)
			at = at < opt.hot ? last : at - opt.hot;
		else
			at = at + opt.hot > last ? 0 : at + opt.hot;
	}
}

static unsigned long long address(uint64_t offset)
{
	return (unsigned long long)(uintptr_t)memory + offset;
}

static void say_ready(const struct worker *workers)
{
	static const char *const words[] = {"4k", "thp", "hugetlb"};

	printf("ready {\"pid\": %d, \"start\": %llu, \"bytes\": %llu, \"threads\": %u, "
	       "\"write_share\": %u, \"memory\": \"%s\", \"uffd\": %d, ",
	       getpid(), address(0), (unsigned long long)opt.size, opt.threads, opt.write_share,
	       words[opt.pages], open_userfaultfd());
	if (opt.theta > 0)
		printf("\"distribution\": \"zipf\", \"theta\": %.17g, \"order\": \"%s\", "
		       "\"rank_bytes\": %llu",
		       opt.theta, opt.reverse ? "descending" : "ascending",
		       (unsigned long long)rank_bytes(&opt));
	else
		printf("\"distribution\": \"hotset\", \"hot_start\": %llu, \"hot_bytes\": %llu, "
		       "\"weight\": %u, \"phases\": %llu",
		       address(phases[0].hot_offset), (unsigned long long)opt.hot, opt.weight,
		       (unsigned long long)opt.phases);
	/* Pinned threads wrap around: each CPU is named once. */
	for (uint64_t i = 0; opt.pin && i < opt.threads; i++) {
		if (i && workers[i].cpu == workers[0].cpu)
			break;
		printf("%s%d", i ? ", " : ", \"cpus\": [", workers[i].cpu);
	}
	printf("%s}\n", opt.pin ? "]" : "");
	fflush(stdout);
}

static void say_done(const struct worker *workers, uint64_t duration)
{
	uint64_t checksum = 0;

	for (uint64_t i = 0; i < opt.threads; i++)
		checksum = mix(checksum ^ workers[i].checksum);
	printf("done {\"duration_ns\": %llu, \"checksum\": \"%016llx\", \"updates\": %llu, "
	       "\"thread_cpu_ns\": [",
	       (unsigned long long)duration, (unsigned long long)checksum,
	       (unsigned long long)opt.updates);
	for (uint64_t i = 0; i < opt.threads; i++)
		printf("%s%llu", i ? ", " : "", (unsigned long long)workers[i].cpu_ns);
	printf("]");
	for (uint64_t p = 0; opt.theta <= 0 && p < opt.phases; p++)
		printf("%s{\"at_ns\": %llu, \"hot_start\": %llu, \"hot_bytes\": %llu}%s",
		       p ? ", " : ", \"phases\": [", (unsigned long long)phases[p].at_ns,
		       address(phases[p].hot_offset), (unsigned long long)opt.hot,
		       p + 1 == opt.phases ? "]" : "");
	printf("}\n");
	fflush(stdout);
}

int main(int argc, char **argv)
{
	struct worker *workers;
	uint64_t began, duration;
	char byte;

	if (argc > 1 && !strcmp(argv[1], "keep"))
		return keep_main(argc - 1, argv + 1);
	prctl(PR_SET_PDEATHSIG, SIGKILL); /* never outlive the agent */
	if (argc > 1 && !strcmp(argv[1], "probe"))
		return probe_main(argc - 1, argv + 1);
	opt = read_options(argc, argv);
	plan_phases();
	workers = calloc(opt.threads, sizeof(*workers));
	if (!workers)
		die("no memory for --threads");
	memory = map_memory(opt.size, opt.pages, &opt.numa);
	pthread_barrier_init(&populated, NULL, opt.threads + 1);
	pthread_barrier_init(&go, NULL, opt.threads + 1);
	pthread_barrier_init(&turn, NULL, opt.threads);
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
	if (opt.unmovable)
		make_unmovable(memory, opt.size);
	say_ready(workers);
	if (read(STDIN_FILENO, &byte, 1) != 1)
		return 3; /* the agent went away or changed its mind */

	began = phases[0].at_ns = now_ns(CLOCK_MONOTONIC_RAW);
	pthread_barrier_wait(&go);
	for (uint64_t i = 0; i < opt.threads; i++)
		pthread_join(workers[i].thread, NULL);
	duration = now_ns(CLOCK_MONOTONIC_RAW) - began;
	say_done(workers, duration);
	if (read(STDIN_FILENO, &byte, 1) < 0)
		return 2;
	return 0;
}
