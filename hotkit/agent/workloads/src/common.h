/* What the modes of the hotset binary share: errors, clocks, random numbers, memory. */
#ifndef HOTKIT_COMMON_H
#define HOTKIT_COMMON_H

#include <stdint.h>
#include <stddef.h>
#include <time.h>

/* The last one is the probe's: huge pages unless this kernel has none. */
enum pages { PAGES_4K, PAGES_THP, PAGES_HUGETLB, PAGES_THP_IF_ANY };

/* A NUMA policy as mbind(2) takes it; mode 0 (MPOL_DEFAULT) leaves the memory alone. */
struct numa {
	int mode;
	uint64_t nodes[16]; /* a bit per node, 1024 of them as the kernel's MAX_NUMNODES allows */
};

/* Ends the program with status 2 and one sentence, with strerror(errno) unless errno is 0. */
void die(const char *what) __attribute__((noreturn));
uint64_t now_ns(clockid_t clock);
/* A whole number (decimal, 0x hex) or die(). */
uint64_t number(const char *text);

/* "bind:0", "interleave:0,1", "preferred:1", "local"; die() for anything else. */
struct numa numa_from(const char *text);
enum pages pages_from(const char *text);
/* A private anonymous mapping, nothing of it populated yet; die() when there is none. */
uint8_t *map_memory(uint64_t size, enum pages pages, const struct numa *numa);
/* How many of the pages (4096 bytes apart) of populated memory are on `node`: move_pages(2). */
uint64_t pages_on_node(const uint8_t *memory, uint64_t size, int node);
void pin_to(int cpu);

int probe_main(int argc, char **argv); /* probe.c */
int keep_main(int argc, char **argv);  /* keep.c */

/* splitmix64 (public domain algorithm by S. Vigna): turns seed + thread into a start state. */
static inline uint64_t mix(uint64_t x)
{
	x += 0x9e3779b97f4a7c15ull;
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9ull;
	x = (x ^ (x >> 27)) * 0x94d049bb133111ebull;
	return x ^ (x >> 31);
}

/* xorshift64*: one multiplication, enough for choosing addresses. */
static inline uint64_t next(uint64_t *state)
{
	uint64_t x = *state;

	x ^= x >> 12;
	x ^= x << 25;
	x ^= x >> 27;
	*state = x;
	return x * 0x2545f4914f6cdd1dull;
}

/* A number in [0, n) from a random r: a multiplication instead of a division (D. Lemire). */
static inline uint64_t below(uint64_t r, uint64_t n)
{
	return (uint64_t)(((unsigned __int128)r * n) >> 64);
}

/* hold.c */
int open_userfaultfd(void);
void make_unmovable(void *memory, uint64_t size);

#endif
