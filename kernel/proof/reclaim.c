#define _GNU_SOURCE
#include "proof.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ROUNDS 20
#define SCAN HOTKIT "folio_referenced_scan"

static int bit(const char *path, uint64_t pfn)
{
	uint64_t word = 0;
	int fd = open(path, O_RDONLY);

	if (fd < 0 || pread(fd, &word, 8, pfn / 64 * 8) != 8)
		die("%s: pfn %lu", path, pfn);
	close(fd);
	return word >> (pfn & 63) & 1;
}

void scan_row(enum memory memory, int mode)
{
	const char *what = memory == VM_PAGES ? "memcg " VM_CGROUP : "node 0";
	struct hot hot = hot_start(memory, 0);
	long hot_seen = 0, cold_seen = 0, asked = 0, rounds = 0;

	put(HOTKIT "folio_referenced_mode", "%d", mode);
	put(SCAN, "%s", what);
	measure(&hot);
	for (int tries = 0; rounds < ROUNDS && tries < 10 * ROUNDS; tries++) {
		uint64_t turns = hot_turns();

		sleep_ms(20);
		if (hot_turns() - turns < 2)
			continue;
		if (put(SCAN, "%s", what))
			die("the scan was refused");
		rounds++;
		for (int i = 0; i < hot.pages; i++) {
			uint64_t pfn = pfn_of(hot.pid, hot.address + i * hot.page_bytes);

			asked += bit(HOTKIT "folio_referenced_seen", pfn);
			if (bit(HOTKIT "folio_referenced_young", pfn))
				*(i < hot.hot ? &hot_seen : &cold_seen) += 1;
		}
	}
	measured(&hot);
	json_begin("folio_referenced");
	json_text("memory", memory_name(memory));
	json_number("beside", memory == VM_PAGES && !hot.tickless);
	json_number("mode", mode);
	json_number("pages", hot.pages);
	json_number("hot_pages", hot.hot);
	json_number("checks", rounds);
	json_number("asked", asked);
	json_number("hot_seen", hot_seen);
	json_number("cold_seen", cold_seen);
	json_counters("folio_referenced");
	if (memory == VM_PAGES)
		json_kvm();
	json_end();
	hot_stop(&hot);
}

void prove_scan(void)
{
	if (!present(SCAN))
		return;
	scan_row(BASE_PAGES, 0);
	scan_row(BASE_PAGES, 1);
	scan_row(HUGE_PAGES, 0);
}

/* The negative result: a kswapd that is woken on a balanced node asks about no page. */
void prove_kswapd(void)
{
	static char text[1 << 20];
	long woken = 0;

	if (!present(HOTKIT "wake_kswapd"))
		return;
	put(TRACING "events/vmscan/mm_vmscan_kswapd_wake/enable", "1");
	put(TRACING "trace", "\n");
	put(TRACING "tracing_on", "1");
	counters_begin();
	for (int i = 0; i < 10; i++) {
		put(HOTKIT "wake_kswapd", "0");
		sleep_ms(50);
	}
	put(TRACING "tracing_on", "0");
	put(TRACING "events/vmscan/mm_vmscan_kswapd_wake/enable", "0");
	for (char *at = get(TRACING "trace", text, sizeof(text));
	     (at = strstr(at, "mm_vmscan_kswapd_wake: ")); at++)
		woken++;
	json_begin("kswapd");
	json_number("asked", 10);
	json_number("woken", woken);
	json_number("pgscan_kswapd", value_of("/proc/vmstat", "pgscan_kswapd"));
	json_counters("folio_referenced");
	json_end();
}
