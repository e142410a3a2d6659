/* A child that takes page faults in an order that is known beforehand (test_perf_tracker.py).
 *
 * faulting PAGES ROUNDS WORKERS LATE: maps PAGES pages, says where, and waits. Then, for each byte
 * read: in every round r each page p with r <= p % ROUNDS is touched (and dropped again by
 * MADV_DONTNEED, so that the next touch faults again): page p faults p % ROUNDS + 1 times. WORKERS
 * threads, which exist before the first byte, and LATE ones, which are created after it, each do
 * the same for their own slice of the pages. With neither, the main thread does it all. At end of
 * file it exits.
 */
#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

enum { PAGE = 4096, MOST = 16 };

static char *memory;
static long pages, rounds;
static int slices;
static pthread_barrier_t go, done;

static void fault(int slice)
{
	long from = pages * slice / slices, to = pages * (slice + 1) / slices;

	for (long r = 0; r < rounds; r++) {
		for (long p = from; p < to; p++)
			if (r <= p % rounds)
				((volatile char *)memory)[p * PAGE] = 1;
		madvise(memory + from * PAGE, (to - from) * PAGE, MADV_DONTNEED);
	}
}

static void *worker(void *slice)
{
	pthread_barrier_wait(&go);
	fault((int)(long)slice);
	pthread_barrier_wait(&done);
	return NULL;
}

static void *late(void *slice)
{
	fault((int)(long)slice);
	return NULL;
}

int main(int argc, char **argv)
{
	pthread_t threads[MOST];
	char byte;

	if (argc != 5)
		return 2;
	pages = atol(argv[1]);
	rounds = atol(argv[2]);
	int workers = atoi(argv[3]), later = atoi(argv[4]);
	slices = workers + later ? workers + later : 1;
	if (slices > MOST)
		return 2;
	memory = mmap(NULL, pages * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED || madvise(memory, pages * PAGE, MADV_NOHUGEPAGE))
		return 1;
	pthread_barrier_init(&go, NULL, workers + 1);
	pthread_barrier_init(&done, NULL, workers + 1);
	for (long i = 0; i < workers; i++)
		if (pthread_create(&threads[i], NULL, worker, (void *)i))
			return 1;
	printf("%lu\n", (unsigned long)memory);
	fflush(stdout);
	if (read(0, &byte, 1) != 1)
		return 0;
	for (long i = workers; i < workers + later; i++)
		if (pthread_create(&threads[i], NULL, late, (void *)i))
			return 1;
	if (workers) {
		pthread_barrier_wait(&go);
		pthread_barrier_wait(&done);
	}
	for (int i = 0; i < workers + later; i++)
		pthread_join(threads[i], NULL);
	if (!workers && !later)
		fault(0);
	printf("done\n");
	fflush(stdout);
	return read(0, &byte, 1) < 0;
}
