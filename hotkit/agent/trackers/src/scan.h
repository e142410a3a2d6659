/* What the parts of the scanner share; scan.c explains. */
#ifndef SCAN_H
#define SCAN_H

#include <stddef.h>
#include <stdint.h>

#define PAGE 4096ull
#define HOTKIT "/sys/kernel/debug/hotkit/"

struct range {
	uint64_t start, end;
};

extern struct range range[4096];
extern size_t ranges, pages;
extern uint64_t examined, positive;
extern int pagemap;

void die(const char *what) __attribute__((noreturn));
/* The same without the word of errno. */
void refuse(const char *format, ...) __attribute__((noreturn, format(printf, 1, 2)));
int open_or_die(const char *path, int flags);
/* Heat for `count` base pages from the `index`-th of the ranges on, once a round for each: two threads
 * may fault on one page. The caller counts. */
void saw_pages(uint64_t index, uint64_t count);

/* A look of a mode: `asking` is 0 for the first, which only marks. Its first argument is the open file. */
void idle(int bitmap, int asking);
void idle_physical(int bitmap, int asking);
extern const char *request; /* what `folio` writes to its trigger */
void folio(int trigger, int asking);

void uffd_take(long pid, int fd);
/* In a process that has none: opens one there and prints its number; closes it. */
void uffd_lend(long pid);
void uffd_shut(long pid, int fd);
void uffd_open(long pid, int fd, int async);
void uffd_close(void);
int uffd_descriptor(void);
void uffd_fault(void);
void uffd_look(int unused, int asking);
void uffd_async_look(int unused, int asking);

/* kvmdirty.c and kvmslot.c */
void kvm_add_slot(const char *text);
void kvm_open(long pid, int by_ring);
void kvm_look(int unused, int asking);
void kvm_look_away(int unused, int asking);
void kvm_close(void);
/* What it has to say in the end, as more fields of `done`. */
void kvm_tell(void);

/* frames.c */
struct page {
	uint64_t frame; /* of the first base page */
	uint32_t index; /* of that page in the ranges, in their order */
	uint32_t count : 31; /* base pages: a huge page is asked about by its first frame alone */
	uint32_t cut : 1; /* only a part of the 2 MiB of the process's memory around it is watched */
};

extern struct page *page; /* sorted by frame */
extern size_t found;

void frames_open(long pid);
/* The frames of all pages that are in RAM now, sorted, so that a bitmap is gone through once. */
void read_frames(void);

#endif
