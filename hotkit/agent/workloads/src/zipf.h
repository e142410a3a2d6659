/*
 * Exact zipf numbers without a table: rejection-inversion (W. Hoermann, G. Derflinger, ACM TOMACS 6,
 * 1996). A table would be a second working set beside the one that is measured.
 */
#ifndef HOTKIT_ZIPF_H
#define HOTKIT_ZIPF_H

#include <math.h>
#include <stdint.h>

struct zipf {
	uint64_t n;
	double theta, low, high, s;
};

/* The integral of x^-theta, and its inverse; both have a log form where theta is 1. */
static inline double zipf_integral(double theta, double x)
{
	double l = log(x), t = (1 - theta) * l;

	return (fabs(t) > 1e-8 ? expm1(t) / t : 1 + t / 2) * l;
}

static inline double zipf_inverse(double theta, double y)
{
	double t = y * (1 - theta);

	if (t < -1)
		t = -1; /* rounding at the end of the range */
	return exp((fabs(t) > 1e-8 ? log1p(t) / t : 1 - t / 2) * y);
}

static inline struct zipf zipf_of(uint64_t n, double theta)
{
	struct zipf z = {.n = n, .theta = theta};

	z.low = zipf_integral(theta, 1.5) - 1;
	z.high = zipf_integral(theta, (double)n + 0.5);
	z.s = 2 - zipf_inverse(theta, zipf_integral(theta, 2.5) - pow(2, -theta));
	return z;
}

/* A rank in [0, n): rank k comes with probability (k + 1)^-theta / sum of all of these. */
static inline uint64_t zipf_next(const struct zipf *z, uint64_t *rng)
{
	for (;;) {
		double u = z->high + (double)(next(rng) >> 11) * 0x1p-53 * (z->low - z->high);
		double x = zipf_inverse(z->theta, u);
		uint64_t k = x < 1 ? 1 : (uint64_t)(x + 0.5);

		if (k < 1)
			k = 1;
		if (k > z->n)
			k = z->n;
		if ((double)k - x <= z->s ||
		    u >= zipf_integral(z->theta, (double)k + 0.5) - pow((double)k, -z->theta))
			return k - 1;
	}
}

#endif
