/* What the parts of the scanner share; scan.c explains. */
#ifndef SCAN_H
#define SCAN_H

#include <stddef.h>
#include <stdint.h>

#define PAGE 4096ull

struct range {
	uint64_t start, end;
};

extern struct range range[4096];
extern size_t ranges, pages;
extern uint64_t examined, positive;
extern int pagemap;

void die(const char *what);
/* Heat for `count` base pages from the `index`-th of the ranges on, once a round for each: two threads
 * may fault on one page. The caller counts. */
void saw_pages(uint64_t index, uint64_t count);

void uffd_take(long pid, int fd);
void uffd_open(long pid, int fd, int async);
void uffd_close(void);
int uffd_descriptor(void);
void uffd_fault(void);
void uffd_look(int unused, int asking);
void uffd_async_look(int unused, int asking);

#endif
