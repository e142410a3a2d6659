#define _GNU_SOURCE
#include "proof.h"

#include <fcntl.h>
#include <unistd.h>

#define ROUNDS 60
/* Where each check makes a vCPU exit, and wait for that. */
#define ROUNDS_OF_EXITS 30
#define INTERVAL_MS 20

static void bitmap(int fd, uint64_t pfn, uint64_t *word, int write)
{
	off_t at = pfn / 64 * 8;

	if ((write ? pwrite(fd, word, 8, at) : pread(fd, word, 8, at)) != 8)
		die("page_idle/bitmap: pfn %lu", pfn);
}

void idle_row(enum memory memory, int beside, int mode)
{
	struct hot hot = hot_start(memory, beside);
	int fd = open("/sys/kernel/mm/page_idle/bitmap", O_RDWR);
	const int wanted = memory == VM_PAGES && mode & 2 ? ROUNDS_OF_EXITS : ROUNDS;
	long hot_seen = 0, cold_seen = 0, rounds = 0, flushes;

	if (fd < 0)
		die("no /sys/kernel/mm/page_idle/bitmap");
	if (present(HOTKIT "page_idle_mode"))
		put(HOTKIT "page_idle_mode", "%d", mode);
	measure(&hot);
	flushes = value_of("/proc/vmstat", "nr_tlb_remote_flush");
	for (int tries = 0; rounds < wanted && tries < 10 * wanted; tries++) {
		long round[2] = { 0 };	/* cold and hot pages that were found accessed */
		double exits = kvm_exits();
		uint64_t turns, pfn;

		for (int i = 0; i < hot.pages; i++) {
			pfn = pfn_of(hot.pid, hot.address + i * hot.page_bytes);
			uint64_t word = 1ULL << (pfn & 63);

			bitmap(fd, pfn, &word, 1);
		}
		turns = hot_turns();
		sleep_ms(INTERVAL_MS);
		/* Not a round when the hot process did not run: nothing was touched. */
		int ran = hot_turns() - turns >= 2;

		for (int i = 0; i < hot.pages; i++) {
			uint64_t word;

			pfn = pfn_of(hot.pid, hot.address + i * hot.page_bytes);
			bitmap(fd, pfn, &word, 0);
			round[i < hot.hot] += !(word >> (pfn & 63) & 1);
		}
		/* Nor when the VM exited, which flushes QEMU's TLB, and nobody asked it to. */
		if (!ran || (hot.tickless && !(mode & 2) && kvm_exits() != exits))
			continue;
		rounds++;
		cold_seen += round[0];
		hot_seen += round[1];
	}
	measured(&hot);
	flushes = value_of("/proc/vmstat", "nr_tlb_remote_flush") - flushes;
	json_begin("page_idle");
	json_text("memory", memory_name(memory));
	json_number("beside", memory == VM_PAGES ? !hot.tickless : beside);
	json_number("mode", mode);
	json_number("interval_ms", INTERVAL_MS);
	json_number("pages", hot.pages);
	json_number("hot_pages", hot.hot);
	json_number("checks", rounds);
	json_number("hot_seen", hot_seen);
	json_number("cold_seen", cold_seen);
	json_number("vmstat_remote_flushes", flushes);
	json_counters("page_idle");
	if (memory == VM_PAGES)
		json_kvm();
	json_end();
	close(fd);
	hot_stop(&hot);
}

void prove_idle(void)
{
	static const int modes[] = { 0, 1, 4 };
	int count = present(HOTKIT "page_idle_mode") ? 3 : 1;

	for (int i = 0; i < count; i++) {
		idle_row(BASE_PAGES, 0, modes[i]);
		idle_row(HUGE_PAGES, 0, modes[i]);
	}
	for (int i = 0; i < count && i < 2; i++)
		idle_row(BASE_PAGES, 1, modes[i]);
}
