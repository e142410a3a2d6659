#define _GNU_SOURCE
#include "proof.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KDAMONDS "/sys/kernel/mm/damon/admin/kdamonds/"
#define CONTEXT KDAMONDS "0/contexts/0/"
#define SAMPLE_US 20000
#define SAMPLES_PER_AGGREGATION 10
#define SECONDS 3
#define SECONDS_VM 2
/* A busy machine takes fewer checks than its intervals promise: wait for so many, but not for ever. */
#define CHECKS_AT_LEAST 60
#define SECONDS_AT_MOST 40

struct region {
	uint64_t start;
	int hot;
	long seen;
};

/* What a trace shows of the whole aggregations in it. */
struct seen {
	long events;
	long checks;
	long flushes;
};

static int by_start(const void *one, const void *other)
{
	uint64_t a = ((const struct region *)one)->start, b = ((const struct region *)other)->start;

	return a < b ? -1 : a > b;
}

/* One region per page, which DAMON can neither merge nor split. */
static void start(const struct hot *hot, int physical, struct region *regions)
{
	char path[160];

	for (int i = 0; i < hot->pages; i++) {
		uint64_t address = hot->address + i * hot->page_bytes;

		regions[i] = (struct region){ .hot = i < hot->hot, .start = address };
		if (physical)
			regions[i].start = pfn_of(hot->pid, address) * PAGE;
	}
	qsort(regions, hot->pages, sizeof(*regions), by_start);
	put(KDAMONDS "nr_kdamonds", "1");
	put(KDAMONDS "0/contexts/nr_contexts", "1");
	put(CONTEXT "operations", physical ? "paddr" : "fvaddr");
	put(CONTEXT "monitoring_attrs/intervals/sample_us", "%d", SAMPLE_US);
	put(CONTEXT "monitoring_attrs/intervals/aggr_us", "%d", SAMPLE_US * SAMPLES_PER_AGGREGATION);
	put(CONTEXT "monitoring_attrs/intervals/update_us", "%d", 60000000);
	put(CONTEXT "monitoring_attrs/nr_regions/max", "%d", hot->pages);
	put(CONTEXT "monitoring_attrs/nr_regions/min", "%d", hot->pages);
	put(CONTEXT "targets/nr_targets", "1");
	if (!physical)
		put(CONTEXT "targets/0/pid_target", "%d", hot->pid);
	put(CONTEXT "targets/0/regions/nr_regions", "%d", hot->pages);
	for (int i = 0; i < hot->pages; i++) {
		snprintf(path, sizeof(path), CONTEXT "targets/0/regions/%d/start", i);
		put(path, "%lu", regions[i].start);
		snprintf(path, sizeof(path), CONTEXT "targets/0/regions/%d/end", i);
		put(path, "%lu", regions[i].start + hot->page_bytes);
	}
}

/*
 * include/trace/events/damon.h: damon_aggregated, one event per region and aggregation.
 * include/trace/events/tlb.h: tlb_flush, "remote ipi send" once per flush that others must do.
 *
 * "checks" are those before the last aggregation: what came after it is in no event.
 * "flushes" are those that DAMON's own thread sent.
 */
static struct seen read_trace(struct region *regions, int count)
{
	static char text[8 << 20];
	struct seen seen = { 0 };
	char *line, *at, *rest = get(TRACING "trace", text, sizeof(text));
	long checks = 0;

	while ((line = strsep(&rest, "\n"))) {
		unsigned long target, begin, end;
		unsigned int all, times;

		checks += !!strstr(line, " damon_check: ");
		seen.flushes += strstr(line, "kdamond") && strstr(line, "reason:remote ipi send");

		at = strstr(line, "damon_aggregated: ");
		if (!at || sscanf(at + 18, "target_id=%lu nr_regions=%u %lu-%lu: %u", &target, &all,
				  &begin, &end, &times) != 5)
			continue;
		seen.checks = checks;
		seen.events++;
		for (int i = 0; i < count; i++)
			if (regions[i].start == begin)
				regions[i].seen += times;
	}
	return seen;
}

static long probe_hits(void)
{
	static char text[1 << 16];
	char *at = strstr(get(TRACING "kprobe_profile", text, sizeof(text)), "damon_check");

	return at ? atol(at + strlen("damon_check")) : -1;
}

/* CPU time of DAMON's thread: the first number of its schedstat. */
static double thread_ns(void)
{
	char path[64], text[128];

	get(KDAMONDS "0/pid", text, sizeof(text));
	snprintf(path, sizeof(path), "/proc/%d/schedstat", atoi(text));
	return atof(get(path, text, sizeof(text)));
}

void damon_row(enum memory memory, int physical, int beside, int mode)
{
	struct hot hot = hot_start(memory, beside);
	struct region regions[32];
	long hot_seen = 0, cold_seen = 0, checks, flushes;
	struct seen seen;
	double began, cpu_ns;
	int hots = 0;

	start(&hot, physical, regions);
	if (present(HOTKIT "damon_mode"))
		put(HOTKIT "damon_mode", "%d", mode);
	put(TRACING "events/kprobes/damon_check/enable", "0");
	put(TRACING "kprobe_events", "p:damon_check damon_%s_check_accesses", physical ? "pa" : "va");
	put(TRACING "events/kprobes/damon_check/enable", "1");
	put(TRACING "buffer_size_kb", "4096");
	put(TRACING "events/damon/damon_aggregated/enable", "1");
	put(TRACING "events/tlb/tlb_flush/enable", "1");
	put(TRACING "trace", "\n");
	put(TRACING "tracing_on", "1");
	measure(&hot);
	flushes = value_of("/proc/vmstat", "nr_tlb_remote_flush");
	if (put(KDAMONDS "0/state", "on"))
		die("DAMON did not start");
	began = seconds_now();
	sleep_ms((memory == VM_PAGES ? SECONDS_VM : SECONDS) * 1000);
	while (probe_hits() < CHECKS_AT_LEAST && seconds_now() - began < SECONDS_AT_MOST)
		sleep_ms(200);
	cpu_ns = thread_ns();
	put(KDAMONDS "0/state", "off");
	measured(&hot);
	put(TRACING "tracing_on", "0");
	checks = probe_hits();
	flushes = value_of("/proc/vmstat", "nr_tlb_remote_flush") - flushes;
	seen = read_trace(regions, hot.pages);
	for (int i = 0; i < hot.pages; i++) {
		hots += regions[i].hot;
		*(regions[i].hot ? &hot_seen : &cold_seen) += regions[i].seen;
	}
	json_begin("damon");
	json_text("space", physical ? "paddr" : "fvaddr");
	json_text("memory", memory_name(memory));
	json_number("beside", memory == VM_PAGES ? !hot.tickless : beside);
	json_number("mode", mode);
	json_number("sample_us", SAMPLE_US);
	json_number("pages", hot.pages);
	json_number("hot_pages", hots);
	json_number("checks", seen.checks);
	json_number("checks_in_all", checks);
	json_number("aggregated_events", seen.events);
	json_number("hot_seen", hot_seen);
	json_number("cold_seen", cold_seen);
	json_number("vmstat_remote_flushes", flushes);
	json_number("tlb_flush_events", seen.flushes);
	json_number("thread_ns", cpu_ns);
	json_counters("damon");
	if (memory == VM_PAGES)
		json_kvm();
	json_end();
	put(TRACING "events/damon/damon_aggregated/enable", "0");
	put(TRACING "events/tlb/tlb_flush/enable", "0");
	put(TRACING "events/kprobes/damon_check/enable", "0");
	put(TRACING "kprobe_events", "-:damon_check");
	put(KDAMONDS "nr_kdamonds", "0");
	hot_stop(&hot);
}

void prove_damon(void)
{
	static const int modes[] = { 0, 1, 4 };
	int count = present(HOTKIT "damon_mode") ? 3 : 1;

	for (int i = 0; i < count; i++) {
		damon_row(BASE_PAGES, 0, 0, modes[i]);
		damon_row(HUGE_PAGES, 0, 0, modes[i]);
		damon_row(BASE_PAGES, 1, 0, modes[i]);
	}
	for (int i = 0; i < count && i < 2; i++)
		damon_row(BASE_PAGES, 0, 1, modes[i]);
}
