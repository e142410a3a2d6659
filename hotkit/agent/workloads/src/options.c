/* The command line of hotset. */
#define _GNU_SOURCE
#include "options.h"

#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

static const struct option names[] = {
	{"size", 1, 0, 's'},	    {"hot", 1, 0, 'h'},	      {"hot-offset", 1, 0, 'o'},
	{"weight", 1, 0, 'w'},	    {"threads", 1, 0, 't'},   {"granularity", 1, 0, 'g'},
	{"updates", 1, 0, 'u'},	    {"seed", 1, 0, 'r'},      {"phases", 1, 0, 'P'},
	{"write-share", 1, 0, 'W'}, {"memory", 1, 0, 'm'},    {"numa", 1, 0, 'n'},
	{"distribution", 1, 0, 'd'}, {"theta", 1, 0, 'T'},    {"reverse", 0, 0, 'R'},
	{"pin", 0, 0, 'p'},	    {"unmovable", 0, 0, 'U'},
	{0, 0, 0, 0},
};

static int is_zipf(const char *text)
{
	errno = 0;
	if (strcmp(text, "zipf") && strcmp(text, "hotset"))
		die("--distribution is hotset or zipf");
	return *text == 'z';
}

static double theta_from(const char *text)
{
	char *end;
	double theta = strtod(text, &end);

	errno = 0;
	if (end == text || *end || !(theta > 0 && theta <= 4))
		die("--theta is above 0 and at most 4");
	return theta;
}

static uint32_t small(const char *text)
{
	uint64_t value = number(text);

	errno = 0;
	if (value > UINT32_MAX)
		die("an option's value is too large");
	return (uint32_t)value;
}

uint64_t rank_bytes(const struct options *opt)
{
	return opt->granularity > 4096 ? opt->granularity : 4096;
}

static void check(const struct options *opt, int zipf, int has_hot, int has_theta)
{
	errno = 0;
	if (opt->granularity < 8 || opt->granularity % 8 || opt->granularity > 1u << 20)
		die("--granularity is a multiple of 8, up to 1 MiB");
	if (!opt->size || opt->size % 4096 || opt->size % opt->granularity)
		die("--size is a multiple of 4096 and of --granularity");
	if (!opt->threads || opt->threads > 4096 || !opt->updates)
		die("--threads (1 to 4096) and --updates are at least 1");
	if (opt->write_share > 100)
		die("--write-share is a percentage, 0 to 100");
	if (has_theta && !zipf)
		die("--theta belongs to --distribution zipf");
	if (zipf) {
		if (has_hot)
			die("zipf has no hot range: no --hot, --hot-offset, --weight, --phases");
		if (rank_bytes(opt) % opt->granularity)
			die("zipf needs a --granularity that divides 4096, or is larger");
		return;
	}
	if (!opt->hot || opt->hot % opt->granularity || opt->hot_offset % opt->granularity ||
	    opt->hot > opt->size || opt->hot_offset > opt->size - opt->hot)
		die("the hot range is not empty, whole granules, and inside --size");
	if (!opt->phases || opt->phases > 65536 || opt->phases > opt->updates / opt->threads)
		die("--phases is 1 to 65536, and each thread has an update in every phase");
}

struct options read_options(int argc, char **argv)
{
	struct options opt = {
		.size = 64ull << 20, .hot = 8ull << 20, .granularity = 8, .updates = 1000000,
		.seed = 1, .weight = 9, .threads = 1, .phases = 1, .write_share = 100,
	};
	int name, zipf = 0, has_hot = 0, has_theta = 0;
	double theta = 0.99;

	while ((name = getopt_long(argc, argv, "", names, NULL)) != -1) {
		has_hot |= strchr("howP", name) != NULL;
		switch (name) {
		case 's': opt.size = number(optarg); break;
		case 'h': opt.hot = number(optarg); break;
		case 'o': opt.hot_offset = number(optarg); break;
		case 'w': opt.weight = small(optarg); break;
		case 't': opt.threads = small(optarg); break;
		case 'g': opt.granularity = number(optarg); break;
		case 'u': opt.updates = number(optarg); break;
		case 'r': opt.seed = number(optarg); break;
		case 'P': opt.phases = number(optarg); break;
		case 'W': opt.write_share = small(optarg); break;
		case 'm': opt.pages = pages_from(optarg); break;
		case 'n': opt.numa = numa_from(optarg); break;
		case 'd': zipf = is_zipf(optarg); break;
		case 'T': theta = theta_from(optarg), has_theta = 1; break;
		case 'R': opt.reverse = 1; break;
		case 'p': opt.pin = 1; break;
		case 'U': opt.unmovable = 1; break;
		default: exit(2);
		}
	}
	errno = 0;
	if (optind != argc)
		die("it takes options only (or a mode first: probe, keep)");
	opt.theta = zipf ? theta : 0;
	check(&opt, zipf, has_hot, has_theta);
	return opt;
}
