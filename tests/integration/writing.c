/* A child that writes where it is told, from threads (test_scan_program.py).
 *
 * writing PAGES [huge]: maps and populates PAGES pages, opens a userfaultfd and does nothing with it,
 * says "START FD". Then a line each: "THREADS FIRST STEP COUNT" starts that many threads; each writes
 * to page FIRST, FIRST + STEP ... (COUNT of them) and the main thread says "wrote" when all have. At
 * end of file it exits.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAGE = 4096, MOST = 16 };

static volatile char *memory;
static long first, step, count;

static void *work(void *unused)
{
	(void)unused;
	for (long i = 0; i < count; i++)
		memory[(first + i * step) * PAGE]++;
	return NULL;
}

int main(int argc, char **argv)
{
	const size_t bytes = (argc > 1 ? strtoul(argv[1], NULL, 0) : 1) * PAGE;
	const size_t huge = 2 << 20;
	char *mapped = mmap(NULL, bytes + huge, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	pthread_t threads[MOST];
	long number;

	if (mapped == MAP_FAILED)
		return 1;
	mapped = (char *)(((size_t)mapped + huge - 1) / huge * huge);
	if (madvise(mapped, bytes, argc > 2 ? MADV_HUGEPAGE : MADV_NOHUGEPAGE))
		return 1;
	memset(mapped, 1, bytes);
	memory = mapped;
	printf("%lu %ld\n", (unsigned long)mapped, syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK));
	fflush(stdout);
	while (scanf("%ld %ld %ld %ld", &number, &first, &step, &count) == 4 && number <= MOST) {
		for (long i = 0; i < number; i++)
			if (pthread_create(&threads[i], NULL, work, NULL))
				return 1;
		for (long i = 0; i < number; i++)
			pthread_join(threads[i], NULL);
		printf("wrote\n");
		fflush(stdout);
	}
	return 0;
}
