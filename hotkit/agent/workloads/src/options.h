/* What a run of hotset is asked to do. */
#ifndef HOTKIT_OPTIONS_H
#define HOTKIT_OPTIONS_H

#include "common.h"

struct options {
	uint64_t size, hot, hot_offset, granularity, updates, seed, phases;
	uint32_t weight, threads, write_share;
	enum pages pages;
	struct numa numa;
	double theta; /* 0: no zipf but a hot range */
	int reverse, pin, unmovable;
};

/* Reads and checks the command line; die() with one sentence for what does not fit. */
struct options read_options(int argc, char **argv);

/* The bytes that share one rank of zipf: a page, or a granule that is larger. */
uint64_t rank_bytes(const struct options *opt);

#endif
