#define _GNU_SOURCE
#include "proof.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define PAGES 2000
#define HOT 64
#define WORKLOAD CGROUP "proof/"
#define LRU_GEN "/sys/kernel/mm/lru_gen/enabled"
#define LRU_GEN_DEBUG DEBUG "lru_gen"

/* A process in a cgroup of its own that has PAGES pages and touches the first HOT when told to. */
struct shared {
	volatile uint64_t address;
	volatile uint64_t rounds;	/* of touching all that is hot */
	volatile int touch;
};
struct holder {
	pid_t pid;
	pid_t beside;
	struct shared *shared;
};

static void hold_pages(struct shared *shared)
{
	put(WORKLOAD "cgroup.procs", "%d", getpid());
	char *pages = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	madvise(pages, PAGES * PAGE, MADV_NOHUGEPAGE);
	memset(pages, 1, PAGES * PAGE);
	shared->address = (uint64_t)pages;
	for (;;) {
		if (!shared->touch) {
			sleep_ms(20);
			continue;
		}
		for (int i = 0; i < HOT; i++)
			(void)*(volatile char *)(pages + i * PAGE);
		shared->rounds++;
	}
}

/* Until every hot page was touched from here on: its CPU may have been stopped for any time. */
static void wait_touched(const struct holder *holder)
{
	uint64_t wanted = holder->shared->rounds + 2;

	while (holder->shared->rounds < wanted)
		sleep_ms(2);
}

static struct holder hold(int touch, int beside)
{
	struct holder holder = { .beside = 0 };

	holder.shared = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	holder.shared->touch = touch;
	mkdir(CGROUP "proof", 0755);
	holder.pid = fork_hot();
	if (!holder.pid)
		hold_pages(holder.shared);
	while (!holder.shared->address)
		sleep_ms(5);
	if (beside)
		holder.beside = spin_beside();
	sleep_ms(200);
	return holder;
}

static void release(struct holder *holder)
{
	stop(holder->pid);
	stop(holder->beside);
	munmap(holder->shared, PAGE);
	rmdir(CGROUP "proof");
}

static int on_node(const struct holder *holder, int first, int pages, int node)
{
	int count = 0;

	for (int i = first; i < first + pages; i++)
		count += node_of(holder->pid, holder->shared->address + i * PAGE) == node;
	return count;
}

static void reclaim(const char *bytes)
{
	int fd = open(WORKLOAD "memory.reclaim", O_WRONLY);

	/* EAGAIN when less could be reclaimed than was asked for: not of interest here. */
	if (fd >= 0) {
		(void)!write(fd, bytes, strlen(bytes));
		close(fd);
	}
}

/*
 * memory.reclaim asks about pages. Blind to the TLB, it demotes hot ones too; how many is chance.
 * In small steps, all that is hot touched between them, and no step when few cold pages are left:
 * a hot page that is asked about twice before its program has run again is cold, and rightly
 * demoted.
 */
static void reclaim_mode(int mode)
{
	struct holder holder = hold(1, 0);

	put(HOTKIT "folio_referenced_mode", "%d", mode);
	counters_begin();
	for (int i = 0; i < 24 && on_node(&holder, HOT, PAGES - HOT, 0) > (PAGES - HOT) / 4; i++) {
		reclaim("256K");
		wait_touched(&holder);
	}
	json_begin("memory_reclaim");
	json_number("mode", mode);
	json_number("pages", PAGES);
	json_number("hot_pages", HOT);
	json_number("hot_left", on_node(&holder, 0, HOT, 0));
	json_number("cold_left", on_node(&holder, HOT, PAGES - HOT, 0));
	json_counters("folio_referenced");
	json_end();
	put(HOTKIT "folio_referenced_mode", "0");
	release(&holder);
}

static void demotion_and_promotion(void)
{
	struct holder holder = hold(0, 0);
	int before = on_node(&holder, 0, PAGES, 0), promoted = 0;
	double began;

	counters_begin();
	for (int i = 0; i < 6; i++)
		reclaim("8M");
	json_begin("demotion");
	json_number("pages", PAGES);
	json_number("on_node0_before", before);
	json_number("on_node1_after", on_node(&holder, 0, PAGES, 1));
	json_number("pgdemote_direct", value_of("/proc/vmstat", "pgdemote_direct"));
	json_counters("folio_referenced");
	json_end();
	put("/proc/sys/kernel/numa_balancing", "2");
	holder.shared->touch = 1;
	began = seconds_now();
	while (seconds_now() - began < 25 && promoted < HOT) {
		sleep_ms(500);
		promoted = on_node(&holder, 0, HOT, 0);
	}
	json_begin("promotion");
	json_number("hot_pages", HOT);
	json_number("hot_on_node0", promoted);
	json_number("all_on_node0", on_node(&holder, 0, PAGES, 0));
	json_number("seconds", seconds_now() - began);
	json_number("pgpromote_success", value_of("/proc/vmstat", "pgpromote_success"));
	json_end();
	put("/proc/sys/kernel/numa_balancing", "0");
	release(&holder);
}

/* Reclaim demotes to the CPU-less node, NUMA balancing promotes what is touched: or neither. */
void prove_tiers(void)
{
	if (!present("/sys/devices/system/node/node1"))
		return;
	put("/sys/kernel/mm/numa/demotion_enabled", "1");
	demotion_and_promotion();
	if (present(HOTKIT "folio_referenced_mode")) {
		reclaim_mode(0);
		reclaim_mode(1);
	}
	put("/sys/kernel/mm/numa/demotion_enabled", "0");
}

#define GENERATIONS 8

struct lru {
	int id;		/* of the memcg */
	int count;	/* generations of node 0, the oldest first */
	long generation[GENERATIONS];
	long anon[GENERATIONS];
};

/* Documentation/admin-guide/mm/multigen_lru.rst: memcg id path, node id, then the generations */
static struct lru read_lru(void)
{
	static char text[1 << 16];
	struct lru lru = { .id = -1 };
	char *line, *rest = get(LRU_GEN_DEBUG, text, sizeof(text)), path[128];
	int ours = 0, id, node = -1;
	long generation, age, anon;

	while ((line = strsep(&rest, "\n"))) {
		if (sscanf(line, "memcg %d %127s", &id, path) == 2) {
			ours = !strcmp(path, "/proof");
			if (ours)
				lru.id = id;
		} else if (sscanf(line, " node %d", &id) == 1) {
			node = id;
		} else if (ours && node == 0 && lru.count < GENERATIONS &&
			   sscanf(line, " %ld %ld %ld", &generation, &age, &anon) == 3) {
			lru.generation[lru.count] = generation;
			lru.anon[lru.count++] = anon;
		}
	}
	return lru;
}

/* What aging moved to the youngest generation is what it took for accessed. */
static void age(int beside)
{
	struct holder holder = hold(1, beside);
	struct lru lru;

	for (int round = 0; round < 3; round++) {
		lru = read_lru();
		if (lru.id < 0 || !lru.count)
			die("the workload's cgroup is not in " LRU_GEN_DEBUG);
		if (put(LRU_GEN_DEBUG, "+ %d 0 %ld 1 1", lru.id, lru.generation[lru.count - 1]))
			die("aging was refused");
		sleep_ms(200);
	}
	lru = read_lru();
	json_begin("mglru");
	json_number("beside", beside);
	json_number("pages", PAGES);
	json_number("hot_pages", HOT);
	json_number("generations", lru.count);
	json_number("youngest", lru.anon[lru.count - 1]);
	json_number("second", lru.count > 1 ? lru.anon[lru.count - 2] : 0);
	json_number("third", lru.count > 2 ? lru.anon[lru.count - 3] : 0);
	json_number("fourth", lru.count > 3 ? lru.anon[lru.count - 4] : 0);
	json_end();
	release(&holder);
}

void prove_mglru(void)
{
	if (!present(LRU_GEN))
		return;
	put(LRU_GEN, "7");
	age(0);
	age(1);
	put(LRU_GEN, "0");
}
