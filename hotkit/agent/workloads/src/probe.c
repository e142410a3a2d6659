/*
 * hotset probe: how far is a node's memory from a CPU, as loads show it.
 *
 *   hotset probe --cpu N --node M --size BYTES [--repeats R] [--loads L]
 *
 * Latency: a chain of dependent loads along one random cycle through every 64-byte line (S. Sattolo,
 * 1986), so that no prefetcher knows the next address. Bandwidth: one thread reads everything in
 * order; that is what one CPU gets, not what the node can give. Prints one JSON object, with the
 * number of pages that move_pages(2) found on the node: where they are is read, not assumed.
 */
#define _GNU_SOURCE
#include "common.h"

#include <errno.h>
#include <getopt.h>
#include <linux/mempolicy.h>
#include <stdio.h>
#include <stdlib.h>

enum { LINE = 64, MOST_REPEATS = 64 };

static volatile uint64_t sink;

static void link_lines(uint8_t *memory, uint64_t lines)
{
	uint64_t rng = mix(1);

	for (uint64_t i = 0; i < lines; i++)
		*(uint64_t *)(memory + i * LINE) = i;
	for (uint64_t i = lines - 1; i > 0; i--) {
		uint64_t *a = (uint64_t *)(memory + i * LINE);
		uint64_t *b = (uint64_t *)(memory + below(next(&rng), i) * LINE);
		uint64_t swapped = *a;

		*a = *b;
		*b = swapped;
	}
}

static double ns_per_load(const uint8_t *memory, uint64_t *at, uint64_t loads)
{
	uint64_t here = *at, began = now_ns(CLOCK_MONOTONIC_RAW);

	for (uint64_t i = 0; i < loads; i++)
		here = *(const volatile uint64_t *)(memory + here * LINE);
	*at = here;
	return (double)(now_ns(CLOCK_MONOTONIC_RAW) - began) / (double)loads;
}

static double mib_per_s(const uint8_t *memory, uint64_t size)
{
	const uint64_t *word = (const uint64_t *)memory;
	uint64_t sum[4] = {0}, began = now_ns(CLOCK_MONOTONIC_RAW);

	for (uint64_t i = 0; i < size / 8; i += 4)
		for (int k = 0; k < 4; k++)
			sum[k] += word[i + k];
	sink = sum[0] ^ sum[1] ^ sum[2] ^ sum[3];
	return (double)size / 1048576 * 1e9 / (double)(now_ns(CLOCK_MONOTONIC_RAW) - began + 1);
}

static void print_list(const char *name, const double *values, uint64_t count)
{
	printf("\"%s\": [", name);
	for (uint64_t i = 0; i < count; i++)
		printf("%s%.2f", i ? ", " : "", values[i]);
	printf("]");
}

int probe_main(int argc, char **argv)
{
	static const struct option names[] = {
		{"cpu", 1, 0, 'c'},	{"node", 1, 0, 'n'},  {"size", 1, 0, 's'},
		{"repeats", 1, 0, 'r'}, {"loads", 1, 0, 'l'}, {0, 0, 0, 0},
	};
	uint64_t cpu = 0, node = 0, size = 64ull << 20, repeats = 5, loads = 1u << 20, at = 0;
	double latency[MOST_REPEATS], bandwidth[MOST_REPEATS];
	struct numa numa = {.mode = MPOL_BIND};
	uint8_t *memory;
	int name;

	while ((name = getopt_long(argc, argv, "", names, NULL)) != -1) {
		switch (name) {
		case 'c': cpu = number(optarg); break;
		case 'n': node = number(optarg); break;
		case 's': size = number(optarg); break;
		case 'r': repeats = number(optarg); break;
		case 'l': loads = number(optarg); break;
		default: exit(2);
		}
	}
	errno = 0;
	if (optind != argc || !size || size % 4096 || !loads || !repeats || repeats > MOST_REPEATS ||
	    node >= 8 * sizeof(numa.nodes) || cpu > 8191)
		die("probe takes --cpu, --node, --size (a multiple of 4096), --repeats (1 to 64), "
		    "--loads");
	numa.nodes[node / 64] = 1ull << node % 64;
	pin_to((int)cpu);
	/* Huge pages where there are any: less of the latency is then that of the page walk. */
	memory = map_memory(size, PAGES_THP_IF_ANY, &numa);
	link_lines(memory, size / LINE);
	ns_per_load(memory, &at, loads / 8 + 1);
	for (uint64_t i = 0; i < repeats; i++) {
		latency[i] = ns_per_load(memory, &at, loads);
		bandwidth[i] = mib_per_s(memory, size);
	}
	sink = at;
	printf("{\"cpu\": %llu, \"memory_node\": %llu, \"bytes\": %llu, \"pages\": %llu, "
	       "\"pages_on_node\": %llu, ",
	       (unsigned long long)cpu, (unsigned long long)node, (unsigned long long)size,
	       (unsigned long long)(size / 4096),
	       (unsigned long long)pages_on_node(memory, size, (int)node));
	print_list("latency_ns", latency, repeats);
	printf(", ");
	print_list("read_mib_s", bandwidth, repeats);
	printf("}\n");
	return 0;
}
