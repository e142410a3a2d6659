/* What the patches cost when nobody asked for them: instructions, in a machine that counts them. */
#define _GNU_SOURCE
#include "proof.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGES 4096
#define ROUNDS 15

static int idle_fd;
static int words;
static uint64_t word_at[PAGES];
static char *pages;

static void idle_round(void)
{
	uint64_t word = ~0ULL;

	/* The last word of the memory is shorter than 8 bytes. */
	for (int i = 0; i < words; i++)
		if (pwrite(idle_fd, &word, 8, word_at[i]) < 0)
			die("page_idle/bitmap at %lu: %s", word_at[i], strerror(errno));
	for (int i = 0; i < words; i++)
		if (pread(idle_fd, &word, 8, word_at[i]) < 0)
			die("page_idle/bitmap at %lu: %s", word_at[i], strerror(errno));
}

static void fault_round(void)
{
	madvise(pages, PAGES * PAGE, MADV_DONTNEED);
	for (int i = 0; i < PAGES; i++)
		pages[i * PAGE] = 1;
}

/* The least of some rounds: what disturbs a round only adds to it. */
static void cost(const char *work, void (*round)(void))
{
	double best = 1e30;

	for (int i = 0; i < ROUNDS; i++) {
		double took = seconds_now();

		round();
		took = seconds_now() - took;
		if (took < best)
			best = took;
	}
	json_begin("cost");
	json_text("work", work);
	json_number("pages", PAGES);
	json_number("ns_per_page", best * 1e9 / PAGES);
	json_end();
}

static void find_words(void)
{
	for (int i = 0; i < PAGES; i++) {
		uint64_t at = pfn_of(getpid(), (uint64_t)pages + i * PAGE) / 64 * 8;
		int known = 0;

		for (int k = 0; k < words && !known; k++)
			known = word_at[k] == at;
		if (!known)
			word_at[words++] = at;
	}
}

void prove_cost(void)
{
	pages = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise(pages, PAGES * PAGE, MADV_NOHUGEPAGE);
	memset(pages, 1, PAGES * PAGE);
	idle_fd = open("/sys/kernel/mm/page_idle/bitmap", O_RDWR);
	if (idle_fd < 0)
		die("no /sys/kernel/mm/page_idle/bitmap");
	find_words();
	cost("page_idle", idle_round);
	cost("page faults", fault_round);
	damon_row(BASE_PAGES, 0, 0, 0);
}
